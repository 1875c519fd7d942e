// heatmap_decode: position and value of every map's maximum, the position refined below the pixel.
//
// heatmaps (B, K, H, W) any floating dtype and strides (NCHW and channels_last are read in memory order);
//                       H and W from 1 to 2^24 - 1, fewer than 2^31 pixels
// coords   (B, K, 2)    output, contiguous, the compute dtype of heatmaps: (x, y) in heatmap pixels
// scores   (B, K)       output, contiguous, the compute dtype of heatmaps: the maxima
//
// The maximum is the first in row-major order; a NaN counts as larger than every number. Where it is not
// above 0 (NaN included), both coordinates are empty_coord. kDark, kDarkUdp and kParabola leave an infinite
// maximum where it is. blur_kernel (odd, 3 to kMaxBlurKernel) concerns kDark and kDarkUdp only.
// Formulas: heatmap_decode_math.h, heatmap_decode_newton_math.h. Both devices follow this contract.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"
#include "ops/heatmap_decode/heatmap_decode_math.h"
#include "ops/heatmap_decode/heatmap_decode_newton_math.h"

namespace pyposeops {

struct HeatmapDecodeArgs {
    TensorView heatmaps;
    HeatmapRefine refine;
    int32_t blur_kernel;
    double empty_coord;
    TensorView coords;
    TensorView scores;
};

template <class T>
POSEOPS_HD HeatmapPixels<T> heatmap_pixels(const TensorView& heatmaps, int64_t b, int64_t k) {
    return {heatmaps.as<T>() + b * heatmaps.strides[0] + k * heatmaps.strides[1], heatmaps.strides[2],
            heatmaps.strides[3], static_cast<int32_t>(heatmaps.shape[2]),
            static_cast<int32_t>(heatmaps.shape[3])};
}

// The taps for the refinements that smooth; nothing for the others.
template <class Real>
POSEOPS_INLINE BlurTaps<Real> blur_taps_of(const HeatmapDecodeArgs& args) {
    const bool smooths = args.refine == HeatmapRefine::kDark || args.refine == HeatmapRefine::kDarkUdp;
    return smooths ? blur_taps<Real>(args.blur_kernel) : BlurTaps<Real>{};
}

POSEOPS_CPU_OPERATOR(heatmap_decode, HeatmapDecodeArgs)
POSEOPS_CUDA_OPERATOR(heatmap_decode, HeatmapDecodeArgs)

}  // namespace pyposeops
