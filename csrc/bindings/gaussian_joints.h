// Checks and views of what the operators on Gaussian targets are given.
#pragma once

#include <optional>

#include "bindings/tensor_import.h"
#include "core/gaussian_joints.h"

namespace pyposeops {

// Encoding and compat by their codes; `kernel_size` is 0 for all encodings but megvii.
GaussianForm gaussian_form(int encoding, int compat, int kernel_size, double stride_y, double stride_x);

// (B, K, 2) or (B, N, K, 2) keypoints with their visibility, or, with (B + 1,) offsets, (P, K, 2). Without N there is
// one person.
void set_gaussian_people(GaussianJointTensors& joints, const TensorView& keypoints,
                         const TensorView& visibility, const std::optional<ImportedTensor>& offsets = {},
                         const char* keypoints_name = "keypoints", const char* visibility_name = "visibility",
                         const char* offsets_name = "offsets");

// Standard deviations: (K,), (K, 2) or (1, 2), or as the keypoints with a last dimension of 1 or 2; without a tensor,
// `sigma_px` for all. After set_gaussian_people.
void set_gaussian_sigma(GaussianJointTensors& joints, const std::optional<ImportedTensor>& sigma,
                        double sigma_px);

// The size of the maps from a (B, K, H, W) tensor of theirs; `extra_maps` follow those of the joints. After
// set_gaussian_people.
void set_gaussian_maps(GaussianJointTensors& joints, const TensorView& maps, const char* name,
                       int64_t extra_maps = 0);

}  // namespace pyposeops
