// heatmap_peaks: the largest local maxima of every map, refined below the pixel.
//
// heatmaps (B, K, H, W) any floating dtype and strides; H and W from 1 to 2^24 - 1, fewer than 2^31 pixels
// coords   (B, K, P, 2) output, contiguous, the compute dtype of heatmaps: (x, y) in heatmap pixels; P from 1
//                       to kMaxPeaks
// scores   (B, K, P)    output, contiguous, the compute dtype of heatmaps: the values of the peaks, largest
//                       first, of equal ones the first in row-major order
// counts   (B, K)       output, contiguous, int64: how many of the P entries are peaks; the others have the
//                       coordinates kNoPeakCoord and the score 0
// scratch  (n,)         int32, CUDA only: peak_scratch_words(...) of them, or no data where that is 0
//
// Peaks and plateaus: core/local_maxima.h. Refinements: core/peak_refine.h, core/newton_refine.h; they read
// the map as it is, not what the threshold leaves of it. dark and dark_udp refine no peak of a map whose
// maximum is infinite or NaN, with a NaN larger than every number. Both devices follow this contract.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/local_maxima.h"
#include "core/newton_refine.h"
#include "core/peak_refine.h"
#include "core/tensor_view.h"
#include "ops/heatmap_peaks/heatmap_peaks_math.h"

namespace pyposeops {

constexpr int32_t kNoPeakCoord = -1;

struct HeatmapPeaksArgs {
    TensorView heatmaps;
    MaximaRule rule;
    PeakRefinement refinement;
    TensorView coords;
    TensorView scores;
    TensorView counts;
    TensorView scratch;

    POSEOPS_HD int32_t max_peaks() const { return static_cast<int32_t>(scores.shape[2]); }
};

// Entry `i` of map `map_index`, for a peak at pixel (x, y).
template <class Real>
POSEOPS_HD void store_peak(const HeatmapPeaksArgs& args, int64_t map_index, int32_t i, int32_t x, int32_t y,
                           const HeatmapOffset<Real>& offset, Real score) {
    const int64_t at = map_index * args.max_peaks() + i;
    args.coords.as<Real>()[2 * at] = static_cast<Real>(x) + offset.x;
    args.coords.as<Real>()[2 * at + 1] = static_cast<Real>(y) + offset.y;
    args.scores.as<Real>()[at] = score;
}

template <class Real>
POSEOPS_HD void store_no_peak(const HeatmapPeaksArgs& args, int64_t map_index, int32_t i) {
    store_peak(args, map_index, i, kNoPeakCoord, kNoPeakCoord, HeatmapOffset<Real>{Real(0), Real(0)},
               Real(0));
}

// CUDA: what a map's scratch memory holds besides its marks.
POSEOPS_INLINE int64_t peak_list_bytes(DType dtype, int32_t max_peaks, HeatmapRefine refine) {
    const int64_t list =
        peak_list_capacity(max_peaks) *
        static_cast<int64_t>(dtype == DType::kFloat64 ? sizeof(Peak<double>) : sizeof(Peak<float>));
    const int64_t real = dtype == DType::kFloat64 ? sizeof(double) : sizeof(float);
    return list + (smooths(refine) ? (kNewtonScratch + 3) / 4 * 4 * real : 0);
}

POSEOPS_CPU_OPERATOR(heatmap_peaks, HeatmapPeaksArgs)
POSEOPS_CUDA_OPERATOR(heatmap_peaks, HeatmapPeaksArgs)

}  // namespace pyposeops
