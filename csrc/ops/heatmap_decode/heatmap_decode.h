// heatmap_decode: position and value of every map's maximum, the position refined below the pixel.
//
// heatmaps (B, K, H, W) any floating dtype and strides (NCHW and channels_last are read in memory order);
//                       H and W from 1 to 2^24 - 1, fewer than 2^31 pixels
// coords   (B, K, 2)    output, contiguous, the compute dtype of heatmaps: (x, y)
// scores   (B, K)       output, contiguous, the compute dtype of heatmaps: the maxima
//
// and, where their rank is not 0,
//
// flipped         (B, K, H, W)    maps of the mirrored image, dtype of heatmaps, any strides: what is decoded is the
//                                 mean of the two, see core/flip.h
// offsets         (B, K, 2, H, W) any floating dtype and strides: read at the maximum, times offset_scale, added
// flipped_offsets (B, K, 2, H, W) the same of the mirrored image; x changes its sign
// affines         (B, 2, 3)       float32 or float64, image -> crop: coords are brought back to the image
//
// The maximum is the first in row-major order; a NaN counts as larger than every number. Where it is not
// above 0 (NaN included), both coordinates are empty_coord. kDark, kDarkUdp and kParabola leave an infinite
// maximum where it is, and offsets that are not finite are not added.
//
// With kPeakPreserving (refine kQuarter) the maximum is that of the smoothed map, zeros beyond the border; off the
// border it moves by a quarter and a half; the score is 1/2 + 1/255 of the map's own maximum. Where that is infinite
// or nothing is positive once smoothed, it stays at the map's own. With kReflected (refine kNone) map, maximum and
// score are those of the map smoothed with reflected borders.
//
// All positions end as grid.scale * position + grid.shift, empty_coord too, in double, then through the inverse of
// the affine; NaN where that has none. blur_kernel (odd, 3 to kMaxBlurKernel) concerns kDark, kDarkUdp and the
// smoothings only. Formulas: heatmap_decode_math.h, core/peak_refine.h, core/newton_refine.h. Both devices follow
// this contract.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/flip.h"
#include "core/heatmap_pixels.h"
#include "core/newton_refine.h"
#include "core/peak_refine.h"
#include "core/tensor_view.h"
#include "ops/heatmap_decode/heatmap_decode_math.h"

namespace pyposeops {

struct HeatmapDecodeArgs {
    TensorView heatmaps;
    PeakRefinement refinement;
    HeatmapSmoothing smoothing;
    double empty_coord;
    TensorView coords;
    TensorView scores;

    TensorView flipped;
    FlipOrder flip_order;
    bool shift;
    TensorView offsets;
    TensorView flipped_offsets;
    double offset_scale;
    CropGrid grid;
    TensorView affines;
};

POSEOPS_CPU_OPERATOR(heatmap_decode, HeatmapDecodeArgs)
POSEOPS_CUDA_OPERATOR(heatmap_decode, HeatmapDecodeArgs)
// The part of it that smooths maps first.
POSEOPS_CUDA_OPERATOR(heatmap_decode_smoothed, HeatmapDecodeArgs)

}  // namespace pyposeops
