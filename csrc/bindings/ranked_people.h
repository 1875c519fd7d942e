// Checks of the people that non-maximum suppression ranks and compares.
#pragma once

#include <optional>

#include "bindings/tensor_import.h"
#include "core/oks_people.h"

namespace pyposeops {

// (N, K, 2) float32 or float64.
void check_poses(const TensorView& keypoints);

// A (N,) tensor of float32 or float64 beside the keypoints. On the CPU its values are looked at: none may be NaN.
void check_person_values(const TensorView& values, const char* name, const TensorView& keypoints);

// The same; on the CPU no value may be infinite.
void check_finite_person_values(const TensorView& values, const char* name, const TensorView& keypoints);

// The same; on the CPU no value may be negative or infinite.
void check_person_sizes(const TensorView& values, const char* name, const TensorView& keypoints);

// A (N, K) tensor of float32 or float64 beside the keypoints.
void check_joint_values(const TensorView& values, const char* name, const TensorView& keypoints);

// (B + 1,) integers, or no data for one image. On the CPU they must rise from 0 to N.
void check_image_offsets(const TensorView& offsets, const TensorView& keypoints);

// A contiguous output (N,) of one of the dtypes.
void check_person_output(const TensorView& output, const char* name, const TensorView& keypoints,
                         std::initializer_list<DType> dtypes);

// Contiguous (2, N) float64: two numbers of eight bytes for each person.
void check_person_scratch(const TensorView& scratch, const TensorView& keypoints);

// The view of an optional tensor; no data without one.
inline TensorView view_or_none(const std::optional<ImportedTensor>& tensor) {
    return tensor ? tensor->view() : TensorView{};
}

// Checks all tensors.
OksPeople oks_people(const TensorView& keypoints, const TensorView& areas, const TensorView& sigmas,
                     const TensorView& confidences, double confidence_threshold);

double checked_threshold(double threshold);
Ties checked_ties(int ties);

}  // namespace pyposeops
