// flip_merge: the mean of the maps of an image and of its mirror image, the latter brought back into place.
//
// heatmaps (B, C, H, W) any floating dtype and strides; C = K * channels_per_joint, K at most kMaxFlipJoints
// flipped  (B, C, H, W) the network's maps of the mirrored image as they came; dtype of heatmaps, any strides
// out      (B, C, H, W) output, dtype of heatmaps, any strides; may be heatmaps itself, must not overlap flipped
//
//   out[b, k, part, y, x] = (heatmaps[b, k, part, y, x] + sign(part) * flipped[b, partner(k), part, y, x']) / 2
//
// with x' of core/flip.h and sign(part) = -1 for `negated_part` (-1: none), which holds distances along x. Computed
// in the compute dtype, rounded once. Every output is written by the one who reads the same element of heatmaps.
// Both devices follow this contract.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/flip.h"
#include "core/tensor_view.h"
#include "ops/flip_merge/flip_merge_math.h"

namespace pyposeops {

struct FlipMergeArgs {
    TensorView heatmaps;
    TensorView flipped;
    TensorView out;
    FlipOrder order;
    FlipChannels channels;
    bool shift;
};

POSEOPS_CPU_OPERATOR(flip_merge, FlipMergeArgs)
POSEOPS_CUDA_OPERATOR(flip_merge, FlipMergeArgs)

}  // namespace pyposeops
