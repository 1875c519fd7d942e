// heatmap_nms: non-maximum suppression of heatmaps. What is no peak becomes 0.
//
// heatmaps   (B, K, H, W) any floating dtype and strides: decides which pixels are peaks; H and W from 1 to
//                         2^24 - 1, fewer than 2^31 pixels
// values     (B, K, H, W) the same dtype, any strides: what the peaks keep. heatmaps itself, or the gradient
//                         of `suppressed`: the operator is its own derivative
// suppressed (B, K, H, W) output, the same dtype, any strides without overlap; every element is written
// scratch    (n,)         int32, CUDA only: peak_scratch_words(...) of them, or no data where that is 0
//
// Peaks and plateaus: core/local_maxima.h. Both devices follow this contract.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/local_maxima.h"
#include "core/tensor_view.h"
#include "ops/heatmap_nms/heatmap_nms_math.h"

namespace pyposeops {

struct HeatmapNmsArgs {
    TensorView heatmaps;
    TensorView values;
    MaximaRule rule;
    TensorView suppressed;
    TensorView scratch;
};

POSEOPS_CPU_OPERATOR(heatmap_nms, HeatmapNmsArgs)
POSEOPS_CUDA_OPERATOR(heatmap_nms, HeatmapNmsArgs)

}  // namespace pyposeops
