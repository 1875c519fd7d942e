// The similarity of two of the people that non-maximum suppression compares.
#pragma once

#include "core/exp_rows.h"
#include "core/oks.h"
#include "core/ranked_people.h"

namespace pyposeops {

struct OksPeople {
    TensorView keypoints;    // (N, K, 2) float32 or float64, any strides
    TensorView areas;        // (N,) float32 or float64, square pixels
    TensorView sigmas;       // (K,) float32 or float64
    TensorView confidences;  // (N, K) float32 or float64, any strides; no data where all joints count
    double confidence_threshold;

    POSEOPS_HD int64_t joints() const { return keypoints.shape[1]; }

    POSEOPS_HD double variance(int64_t k) const { return oks_variance(person_value(sigmas, k)); }

    POSEOPS_HD double mean_area(int64_t i, int64_t j) const {
        return (person_value(areas, i) + person_value(areas, j)) / 2.0;
    }

    POSEOPS_HD bool is_seen(int64_t i, int64_t k) const {
        const int64_t at = i * confidences.strides[0] + k * confidences.strides[1];
        return load_any<double>(confidences.data, confidences.dtype, at) > confidence_threshold;
    }

    // A joint counts where both people have it.
    POSEOPS_HD bool counts(int64_t i, int64_t j, int64_t k) const {
        return confidences.data == nullptr || (is_seen(i, k) && is_seen(j, k));
    }

    // x_i - x_j and y_i - y_j of joint k; T is the dtype of the keypoints.
    template <class T>
    POSEOPS_HD void difference(int64_t i, int64_t j, int64_t k, double& dx, double& dy) const {
        const T* const first = keypoints.as<const T>() + i * keypoints.strides[0] + k * keypoints.strides[1];
        const T* const second = keypoints.as<const T>() + j * keypoints.strides[0] + k * keypoints.strides[1];
        dx = static_cast<double>(first[0]) - static_cast<double>(second[0]);
        dy = static_cast<double>(first[keypoints.strides[2]]) -
             static_cast<double>(second[keypoints.strides[2]]);
    }

    template <class T>
    POSEOPS_HD double exponent(int64_t i, int64_t j, int64_t k, double area) const {
        double dx;
        double dy;
        difference<T>(i, j, k, dx, dy);
        return oks_exponent(dx, dy, variance(k), area);
    }
};

// 1 - exp(-e) is concave: it lies above its chord from 0 to kChordEnd, and beyond above the chord's height.
constexpr double kChordEnd = 3.0;
constexpr double kChordSlope = 0.31673764387;  // (1 - exp(-3)) / 3, rounded down

// When people are certainly not more similar than `threshold`: their joints lack more than `deficit` in all, of
// 1 - exp(-e) each. With room for the rounding of sums, so that what is left is decided by the sum itself.
struct OksLimit {
    double threshold;
    double deficit;
};

POSEOPS_HD OksLimit oks_limit(double threshold, int64_t joints) {
    const auto count = static_cast<double>(joints);
    return {threshold, (1.0 - threshold) * count + 1e-12 * count};
}

// The similarity of people i and j in float64, 0 without a joint that counts; or -1 as soon as it is certainly below
// the limit's threshold.
template <class T>
POSEOPS_HD double oks_unless_below(const OksPeople& people, int64_t i, int64_t j, const OksLimit& limit) {
    const double area = people.mean_area(i, j);
    double sum = 0.0;
    double deficit = 0.0;
    int64_t counted = 0;
    for (int64_t k = 0; k < people.joints(); ++k) {
        if (!people.counts(i, j, k)) continue;
        const double similarity = exp_nonpositive_in_rows(-people.exponent<T>(i, j, k, area));
        sum += similarity;
        deficit += 1.0 - similarity;
        ++counted;
        if (deficit > limit.deficit) return -1.0;
    }
    return counted > 0 ? sum / static_cast<double>(counted) : 0.0;
}

}  // namespace pyposeops
