// The joints of a batch, person by person, as the operators on Gaussian targets are given them.
#pragma once

#include "core/convert.h"
#include "core/gaussian.h"
#include "core/host_device.h"
#include "core/tensor_view.h"

namespace pyposeops {

// Padded people: keypoints (B, N, K, 2). Ragged people: keypoints (1, P, K, 2) with a batch stride of 0, and image b has
// the people offsets[b] .. offsets[b + 1] - 1. No data in `keypoints`: nobody.
struct GaussianJointTensors : GaussianForm {
    TensorView keypoints;   // any floating dtype
    TensorView visibility;  // as keypoints without the last dimension; any dtype
    TensorView
        sigma;  // as keypoints, strides of 0 where it does not vary; or no data: sigma_px holds for all
    TensorView offsets;  // (B + 1,) int64, or no data
    double sigma_px;
    bool add_people;  // people are added up to at most 1 instead of combined by the maximum
};

// The people of one image: indices into dimension 1 of the keypoints.
struct PeopleRange {
    int64_t begin;
    int64_t end;
};

// Offsets that run backward or past the end give fewer people, never other memory.
POSEOPS_HD PeopleRange gaussian_people(const GaussianJointTensors& joints, int64_t b) {
    if (joints.keypoints.data == nullptr) return {0, 0};
    const int64_t count = joints.keypoints.shape[1];
    if (joints.offsets.data == nullptr) return {0, count};
    const auto* offsets = joints.offsets.as<int64_t>();
    const int64_t stride = joints.offsets.strides[0];
    const int64_t begin = offsets[b * stride];
    const int64_t end = offsets[(b + 1) * stride];
    return {begin < 0 ? 0 : begin, end > count ? count : end};
}

// The joint (k) of person n of image b, read from the tensors.
template <class Position>
POSEOPS_HD GaussianJoint load_gaussian_joint_as(const GaussianJointTensors& joints, int64_t b, int64_t n,
                                                int64_t k) {
    const TensorView& points = joints.keypoints;
    const TensorView& seen = joints.visibility;
    const TensorView& sigma = joints.sigma;
    const int64_t x_at = b * points.strides[0] + n * points.strides[1] + k * points.strides[2];
    const int64_t y_at = x_at + points.strides[3];
    const int64_t seen_at = b * seen.strides[0] + n * seen.strides[1] + k * seen.strides[2];
    double sigma_x = joints.sigma_px;
    double sigma_y = joints.sigma_px;
    if (sigma.data != nullptr) {
        const int64_t sigma_at = b * sigma.strides[0] + n * sigma.strides[1] + k * sigma.strides[2];
        sigma_x = load_any<double>(sigma.data, sigma.dtype, sigma_at);
        sigma_y = load_any<double>(sigma.data, sigma.dtype, sigma_at + sigma.strides[3]);
    }
    return gaussian_joint(
        load_any<Position>(points.data, points.dtype, x_at) / static_cast<Position>(joints.stride_x),
        load_any<Position>(points.data, points.dtype, y_at) / static_cast<Position>(joints.stride_y),
        load_any<double>(seen.data, seen.dtype, seen_at), sigma_x, sigma_y, joints);
}

// Positions are computed in float64 for float64 keypoints, else in float32.
POSEOPS_HD GaussianJoint load_gaussian_joint(const GaussianJointTensors& joints, int64_t b, int64_t n,
                                             int64_t k) {
    return joints.keypoints.dtype == DType::kFloat64 ? load_gaussian_joint_as<double>(joints, b, n, k)
                                                     : load_gaussian_joint_as<float>(joints, b, n, k);
}

// A value at a pixel beside that of the people before: by the maximum, or added.
template <class Real>
POSEOPS_HD Real with_person(Real before, Real value, bool add_people) {
    if (add_people) return before + value;
    return value > before ? value : before;
}

// The larger of the weights of a map's people, person by person.
POSEOPS_HD double larger_weight(double before, double weight, bool first_person) {
    return first_person || weight > before ? weight : before;
}

}  // namespace pyposeops
