// Checks and views of what the operators on Gaussian targets are given.
#pragma once

#include <optional>

#include "bindings/tensor_import.h"
#include "core/gaussian_joints.h"

namespace pyposeops {

GaussianEncoding gaussian_encoding(int code);

// (B, K, 2) or (B, N, K, 2) keypoints with their visibility; without N there is one person.
void set_gaussian_people(GaussianJointTensors& joints, const TensorView& keypoints,
                         const TensorView& visibility, const char* keypoints_name = "keypoints",
                         const char* visibility_name = "visibility");

// A standard deviation per joint or, without a tensor, `sigma_px` for all. After set_gaussian_people.
void set_gaussian_sigma(GaussianJointTensors& joints, const std::optional<ImportedTensor>& sigma,
                        double sigma_px);

// The size of the maps from a (B, K, H, W) tensor of theirs. After set_gaussian_people.
void set_gaussian_maps(GaussianJointTensors& joints, const TensorView& maps, const char* name);

}  // namespace pyposeops
