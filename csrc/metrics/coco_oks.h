// Object keypoint similarity of one pair in float64, summed in the order of NumPy, so that matches agree with pycocotools.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/oks.h"

namespace pyposeops {

// Sums like NumPy: eight partial sums over blocks of at most 128 numbers, then halves.
inline double numpy_sum(const double* values, int64_t count) {
    if (count < 8) {
        double sum = 0.0;
        for (int64_t i = 0; i < count; ++i) sum += values[i];
        return sum;
    }
    if (count <= 128) {
        double part[8];
        for (int i = 0; i < 8; ++i) part[i] = values[i];
        int64_t next = 8;
        for (; next + 8 <= count; next += 8) {
            for (int i = 0; i < 8; ++i) part[i] += values[next + i];
        }
        double sum =
            ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
        for (; next < count; ++next) sum += values[next];
        return sum;
    }
    const int64_t half = count / 2 - (count / 2) % 8;
    return numpy_sum(values, half) + numpy_sum(values + half, count - half);
}

// One ground truth, its labelled joints gathered. Without labelled joints (`in_box`) all joints of a detection are
// measured against the box around it, three times as wide and high.
struct OksTruth {
    const double* x;
    const double* y;
    const double* variances;  // (2 sigma)^2
    const int32_t* joints;
    int64_t count;
    double area;
    bool in_box;
    double left, right, top, bottom;
};

// The exponents of the counted joints. `detection`: x, y of joint k at k * step.
inline void oks_exponents(const OksTruth& truth, const double* detection, int64_t step, double* exponents) {
    for (int64_t i = 0; i < truth.count; ++i) {
        const double* joint = detection + truth.joints[i] * step;
        double dx;
        double dy;
        if (truth.in_box) {
            dx = oks_offset(truth.left, joint[0], truth.right);
            dy = oks_offset(truth.top, joint[1], truth.bottom);
        } else {
            dx = joint[0] - truth.x[i];
            dy = joint[1] - truth.y[i];
        }
        exponents[i] = oks_exponent(dx, dy, truth.variances[i], truth.area);
    }
}

// Whether the similarity is certainly below `least`: exp(-e) <= 1 / (1 + e + e^2 / 2), with room for rounding.
inline bool oks_below(const double* exponents, int64_t count, double least) {
    double bound = 0.0;
    for (int64_t i = 0; i < count; ++i) bound += 1.0 / (1.0 + exponents[i] * (1.0 + 0.5 * exponents[i]));
    return bound < least * static_cast<double>(count) * (1.0 - 1e-9);
}

// Overwrites the exponents.
inline double oks_from_exponents(double* exponents, int64_t count) {
    for (int64_t i = 0; i < count; ++i) exponents[i] = std::exp(-exponents[i]);
    return numpy_sum(exponents, count) / static_cast<double>(count);
}

}  // namespace pyposeops
