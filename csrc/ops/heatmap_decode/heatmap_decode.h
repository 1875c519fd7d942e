// heatmap_decode: position and value of every map's maximum, the position refined below the pixel.
//
// heatmaps (B, K, H, W) any floating dtype and strides (NCHW and channels_last are read in memory order);
//                       H and W from 1 to 2^24 - 1, fewer than 2^31 pixels
// coords   (B, K, 2)    output, contiguous, the compute dtype of heatmaps: (x, y) in heatmap pixels
// scores   (B, K)       output, contiguous, the compute dtype of heatmaps: the maxima
//
// The maximum is the first in row-major order; a NaN counts as larger than every number. Where it is not
// above 0 (NaN included), both coordinates are empty_coord. kDark, kDarkUdp and kParabola leave an infinite
// maximum where it is. blur_kernel (odd, 3 to kMaxBlurKernel) concerns kDark and kDarkUdp only. Formulas:
// heatmap_decode_math.h, core/peak_refine.h, core/newton_refine.h. Both devices follow this contract.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/heatmap_pixels.h"
#include "core/newton_refine.h"
#include "core/peak_refine.h"
#include "core/tensor_view.h"
#include "ops/heatmap_decode/heatmap_decode_math.h"

namespace pyposeops {

struct HeatmapDecodeArgs {
    TensorView heatmaps;
    PeakRefinement refinement;
    double empty_coord;
    TensorView coords;
    TensorView scores;
};

POSEOPS_CPU_OPERATOR(heatmap_decode, HeatmapDecodeArgs)
POSEOPS_CUDA_OPERATOR(heatmap_decode, HeatmapDecodeArgs)

}  // namespace pyposeops
