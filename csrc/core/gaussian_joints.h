// The joints of a batch, person by person, as the operators on Gaussian targets are given them.
#pragma once

#include "core/convert.h"
#include "core/gaussian.h"
#include "core/host_device.h"
#include "core/tensor_view.h"

namespace pyposeops {

struct GaussianJointTensors {
    TensorView keypoints;   // (B, N, K, 2) any floating dtype
    TensorView visibility;  // (B, N, K) any dtype
    TensorView sigma;       // (K,), or no data: then sigma_px holds for all joints
    double sigma_px;
    double stride_x;  // input pixels per heatmap pixel
    double stride_y;
    GaussianEncoding encoding;
    bool reference_quirks;
    int64_t map_height;
    int64_t map_width;
};

// The joint at (b, n, k), read from the tensors.
POSEOPS_HD GaussianJoint load_gaussian_joint(const GaussianJointTensors& joints, int64_t b, int64_t n,
                                             int64_t k) {
    const TensorView& points = joints.keypoints;
    const TensorView& seen = joints.visibility;
    const int64_t x_at = b * points.strides[0] + n * points.strides[1] + k * points.strides[2];
    const int64_t y_at = x_at + points.strides[3];
    const int64_t seen_at = b * seen.strides[0] + n * seen.strides[1] + k * seen.strides[2];
    const double visibility = load_any<double>(seen.data, seen.dtype, seen_at);
    const double sigma =
        joints.sigma.data == nullptr
            ? joints.sigma_px
            : load_any<double>(joints.sigma.data, joints.sigma.dtype, k * joints.sigma.strides[0]);
    const int64_t height = joints.map_height;
    const int64_t width = joints.map_width;
    if (points.dtype == DType::kFloat64) {
        return gaussian_joint(load_any<double>(points.data, points.dtype, x_at) / joints.stride_x,
                              load_any<double>(points.data, points.dtype, y_at) / joints.stride_y, visibility,
                              sigma, width, height, joints.encoding, joints.reference_quirks);
    }
    return gaussian_joint(
        load_any<float>(points.data, points.dtype, x_at) / static_cast<float>(joints.stride_x),
        load_any<float>(points.data, points.dtype, y_at) / static_cast<float>(joints.stride_y), visibility,
        sigma, width, height, joints.encoding, joints.reference_quirks);
}

}  // namespace pyposeops
