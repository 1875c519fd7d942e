// The formulas of soft_argmax: what a pixel weighs, how that weight changes with its value, and where it lies.
//
// Exponentials are powers of 2, which are cheaper: exp(beta h) = 2^(rate h) with rate = beta log2(e).
//
// softmax   exp(beta h)            Sun et al., Integral Human Pose Regression, ECCV 2018
// debiased  exp(beta h) - 1        Gu et al., Removing the Bias of Integral Pose Regression, ICCV 2021: the share of
//                                  pixels of value 0 taken out of the expectation is this weight
// sigmoid   1 / (1 + exp(-beta h)) Fang et al., AlphaPose, TPAMI 2022
// sum       h
#pragma once

#include <cstdint>
#include <limits>

#include "core/exp.h"
#include "core/host_device.h"

namespace pyposeops {

enum class SoftArgmaxWeight : int32_t { kSoftmax, kSoftmaxDebiased, kSigmoid, kSum };
enum class SoftArgmaxGrid : int32_t { kPixel, kUnit, kCentered, kSymmetric, kCorners };

// A coordinate is scale * pixel + offset.
struct SoftArgmaxAxis {
    double scale;
    double offset;
};

POSEOPS_HD SoftArgmaxAxis soft_argmax_axis(SoftArgmaxGrid grid, int64_t size) {
    const double pixels = static_cast<double>(size);
    switch (grid) {
        case SoftArgmaxGrid::kPixel:
            return {1.0, 0.0};
        case SoftArgmaxGrid::kUnit:
            return {1.0 / pixels, 0.0};
        case SoftArgmaxGrid::kCentered:
            return {1.0 / pixels, -0.5};
        case SoftArgmaxGrid::kSymmetric:
            return {2.0 / pixels, 1.0 / pixels - 1.0};
        case SoftArgmaxGrid::kCorners:
            return {size > 1 ? 2.0 / (pixels - 1.0) : 0.0, -1.0};
    }
    return {1.0, 0.0};
}

// Finite, so that it times 0, the distance of the maximum from the reference, is 0.
template <class Real>
POSEOPS_HD Real soft_argmax_rate(double beta) {
    const double rate = beta * 1.4426950408889634;
    const double largest = static_cast<double>(std::numeric_limits<Real>::max());
    return static_cast<Real>(rate < largest ? rate : largest);
}

// Softmax weights are taken relative to this value of the map, so that no weight exceeds 1. It is at least the
// maximum; it is finite where the map has nothing but -inf, and at least 0, the background's value, for debiasing.
template <class Real>
POSEOPS_HD Real soft_argmax_reference(SoftArgmaxWeight weight, Real maximum) {
    constexpr Real kLowest = std::numeric_limits<Real>::lowest();
    if (weight == SoftArgmaxWeight::kSoftmax) return maximum > kLowest ? maximum : kLowest;
    if (weight == SoftArgmaxWeight::kSoftmaxDebiased) return maximum > Real(0) ? maximum : Real(0);
    return Real(0);
}

// What debiasing takes off every weight: that of a pixel of value 0.
template <class Real>
POSEOPS_HD Real soft_argmax_background(SoftArgmaxWeight weight, Real rate, Real reference) {
    return weight == SoftArgmaxWeight::kSoftmaxDebiased ? exp2_nonpositive(rate * (Real(0) - reference))
                                                        : Real(0);
}

// 2^-|t| and the sign of t decide a sigmoid without overflow.
template <class Real>
POSEOPS_HD Real exp2_minus_magnitude(Real t) {
    return exp2_nonpositive(t < Real(0) ? t : -t);
}

// The weight of a pixel of this value. Both softmax weights are kSoftmax here and differ by `background`.
template <SoftArgmaxWeight kWeight, class Real>
POSEOPS_HD Real soft_argmax_weight(Real value, Real rate, Real reference, Real background) {
    if constexpr (kWeight == SoftArgmaxWeight::kSum) {
        return value;
    } else if constexpr (kWeight == SoftArgmaxWeight::kSigmoid) {
        const Real t = rate * value;
        const Real e = exp2_minus_magnitude(t);
        return (t < Real(0) ? e : Real(1)) / (Real(1) + e);
    } else {
        return exp2_nonpositive(rate * (value - reference)) - background;
    }
}

// The derivative of the weight by the pixel's value, without the factor of soft_argmax_slope_factor.
template <SoftArgmaxWeight kWeight, class Real>
POSEOPS_HD Real soft_argmax_slope(Real value, Real rate, Real reference) {
    if constexpr (kWeight == SoftArgmaxWeight::kSum) {
        return Real(1);
    } else if constexpr (kWeight == SoftArgmaxWeight::kSigmoid) {
        const Real e = exp2_minus_magnitude(rate * value);
        return e / ((Real(1) + e) * (Real(1) + e));
    } else {
        return exp2_nonpositive(rate * (value - reference));
    }
}

POSEOPS_HD double soft_argmax_slope_factor(SoftArgmaxWeight weight, double beta) {
    return weight == SoftArgmaxWeight::kSum ? 1.0 : beta;
}

// Sums of weight, weight * d_a and weight * d_a d_b over a map, d being the pixel's position on the three axes of the
// map in memory order, slowest first. The products stand in the order 00 01 02 11 12 22.
template <class Real>
struct SoftArgmaxMoments {
    Real sum;
    Real first[3];
    Real second[6];

    POSEOPS_HD void scale(Real factor) {
        sum *= factor;
        for (int a = 0; a < 3; ++a) first[a] *= factor;
        for (int ab = 0; ab < 6; ++ab) second[ab] *= factor;
    }
};

// The place of the pair of axes a <= b in the order above.
POSEOPS_HD int soft_argmax_pair(int a, int b) { return a == 0 ? b : a + b + 1; }

}  // namespace pyposeops
