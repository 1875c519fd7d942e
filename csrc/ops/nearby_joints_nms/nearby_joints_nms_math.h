// When two people have a joint in one place.
#pragma once

#include <cmath>

#include "core/ranked_people.h"

namespace pyposeops {

struct NearbyPeople {
    TensorView keypoints;  // (N, K, 2) float32 or float64, any strides
    double distance_threshold;
    int64_t joint_threshold;

    POSEOPS_HD int64_t joints() const { return keypoints.shape[1]; }

    POSEOPS_HD double coord(int64_t i, int64_t k, int64_t axis) const {
        const int64_t at = i * keypoints.strides[0] + k * keypoints.strides[1] + axis * keypoints.strides[2];
        return load_any<double>(keypoints.data, keypoints.dtype, at);
    }

    // The square of the distance within which others' joints are near those of person i: a share of the diagonal
    // around these.
    POSEOPS_HD double squared_reach(int64_t i) const {
        double squared = 0.0;
        for (int64_t axis = 0; axis < 2; ++axis) {
            double low = INFINITY;
            double high = -INFINITY;
            for (int64_t k = 0; k < joints(); ++k) {
                const double value = coord(i, k, axis);
                low = value < low ? value : low;
                high = value > high ? value : high;
            }
            squared += (high - low) * (high - low);
        }
        return distance_threshold * distance_threshold * squared;
    }
};

// NaN is near nothing.
POSEOPS_HD bool is_near(double dx, double dy, double squared_reach) {
    return dx * dx + dy * dy < squared_reach;
}

}  // namespace pyposeops
