// The label of one joint along one axis.
//
// Source: Li et al., SimCC, ECCV 2022, sections 3.1 and 3.2. Which joints count as off the crop is left open there;
// simcc and mmpose are the rules of the two published codes.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/convert.h"
#include "core/exp.h"
#include "core/gaussian.h"
#include "core/host_device.h"

namespace pyposeops {

enum class SimccEncoding : int32_t { kGaussian, kOneHot };
enum class SimccCompat : int32_t { kFixed, kSimcc, kMmpose };

struct SimccRule {
    SimccEncoding encoding;
    SimccCompat compat;
    double split_ratio;   // bins per pixel
    double crop_size[2];  // pixels along x and y
    double sigma[2];      // bins, along x and y, for kGaussian
    double smoothing;     // for kOneHot: what the true bin gives to the others
    bool normalize;       // for kGaussian
};

// Where a joint is along one axis, in bins.
struct SimccAxis {
    double centre;
    bool off;  // the crop: nothing is drawn, on either axis
};

POSEOPS_HD bool simcc_off(double pixel, double centre, const SimccRule& rule, int32_t axis, double bins) {
    if (centre - centre != 0.0) return true;
    if (rule.encoding == SimccEncoding::kOneHot) return centre < 0.0 || centre >= bins;
    const double radius = 3.0 * rule.sigma[axis];
    switch (rule.compat) {
        case SimccCompat::kMmpose:
            return centre - radius >= bins || centre + radius + 1.0 < 0.0;
        case SimccCompat::kSimcc:  // pixels and bins mixed, truncated toward zero
            return trunc(pixel - radius) >= rule.crop_size[axis] || trunc(pixel + radius + 1.0) < 0.0;
        case SimccCompat::kFixed:
            break;
    }
    return centre - radius > bins - 1.0 || centre + radius < 0.0;
}

template <class Position>
POSEOPS_HD SimccAxis simcc_axis(Position pixel, const SimccRule& rule, int32_t axis, double bins) {
    const double exact = static_cast<double>(pixel * static_cast<Position>(rule.split_ratio));
    const bool rounded = rule.encoding == SimccEncoding::kOneHot || rule.compat == SimccCompat::kMmpose;
    const double centre = rounded ? rint(exact) : exact;
    return {centre, simcc_off(static_cast<double>(pixel), centre, rule, axis, bins)};
}

// Bins [begin, end) hold peak * exp(scale * (bin - centre)^2), all others `rest`.
template <class Real>
struct SimccRow {
    int32_t begin;
    int32_t end;
    Real centre;
    Real scale;
    Real peak;
    Real rest;
};

// The distance, in sigmas, beyond which a Gaussian is below the smallest normal number.
POSEOPS_HD double simcc_reach(float) { return 13.3; }
POSEOPS_HD double simcc_reach(double) { return 37.7; }

template <class Real>
POSEOPS_HD SimccRow<Real> simcc_row(const SimccAxis& axis, const SimccRule& rule, int32_t d, int64_t bins,
                                    bool drawn) {
    if (!drawn) return {0, 0, Real(0), Real(0), Real(0), Real(0)};
    if (rule.encoding == SimccEncoding::kOneHot) {
        const int32_t bin = static_cast<int32_t>(axis.centre);
        const double rest = rule.smoothing > 0.0 ? rule.smoothing / static_cast<double>(bins - 1) : 0.0;
        return {bin,
                bin + 1,
                static_cast<Real>(bin),
                Real(0),
                static_cast<Real>(1.0 - rule.smoothing),
                static_cast<Real>(rest)};
    }
    constexpr double kSqrtTwoPi = 2.50662827463100050242;
    const double sigma = rule.sigma[d];
    const double reach = simcc_reach(Real(0)) * sigma;
    return {clamp_to_map(ceil(axis.centre - reach), bins),
            clamp_to_map(floor(axis.centre + reach) + 1.0, bins),
            static_cast<Real>(axis.centre),
            gaussian_scale<Real>(sigma),
            static_cast<Real>(rule.normalize ? 1.0 / (sigma * kSqrtTwoPi) : 1.0),
            Real(0)};
}

// The value of a bin in [begin, end).
template <class Real>
POSEOPS_HD Real simcc_value(const SimccRow<Real>& row, int32_t bin) {
    const Real distance = static_cast<Real>(bin) - row.centre;
    return row.peak * exp_nonpositive(row.scale * (distance * distance));
}

}  // namespace pyposeops
