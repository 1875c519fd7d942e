// The Newton step of dark and dark_udp by one warp, which reads the few pixels around a peak from the caches.
#pragma once

#include "core/cuda/reduce.cuh"
#include "core/newton_refine.h"

namespace pyposeops {
namespace {

template <class Real, class Combine>
__device__ __forceinline__ Real warp_total(Real value, Combine combine) {
    return __shfl_sync(kFullWarp, warp_reduce(value, combine), 0);
}

template <class Real>
__device__ __forceinline__ Real larger(Real a, Real b) {
    return a > b ? a : b;
}

// Smoothed along x at (x, y); rows off the map are 0.
template <class Map, class Real>
__device__ Real blurred_across(const Map& map, int32_t x, int32_t y, const BlurTaps<Real>& taps) {
    Real sum = Real(0);
    if (y < 0 || y >= map.height) return sum;
    const int32_t begin = x - taps.size / 2;
    for (int32_t t = 0; t < taps.size; ++t) {
        if (begin + t >= 0 && begin + t < map.width) sum += taps.tap[t] * map.at(begin + t, y);
    }
    return sum;
}

template <class Map, class Real>
__device__ Real blurred_down(const Map& map, int32_t x, int32_t y, const BlurTaps<Real>& taps) {
    Real sum = Real(0);
    if (x < 0 || x >= map.width) return sum;
    const int32_t begin = y - taps.size / 2;
    for (int32_t t = 0; t < taps.size; ++t) {
        if (begin + t >= 0 && begin + t < map.height) sum += taps.tap[t] * map.at(x, begin + t);
    }
    return sum;
}

// The maximum of the whole smoothed map, given one positive value of it, in segments of 32 pixels. Smoothing
// a segment along y bounds the outcome and mostly settles it; only larger ones are smoothed along x too.
template <class Map, class Real>
__device__ Real blurred_maximum(const Map& map, const BlurTaps<Real>& taps, Real known, Real* scratch) {
    const int32_t lane = static_cast<int32_t>(threadIdx.x) % kWarpSize;
    const int32_t radius = taps.size / 2;
    for (int32_t y = 0; y < map.height; ++y) {
        for (int32_t begin = 0; begin < map.width; begin += kWarpSize) {
            Real largest = Real(0);
            for (int32_t i = lane; i < kWarpSize + 2 * radius; i += kWarpSize) {
                scratch[i] = blurred_down(map, begin - radius + i, y, taps);
                largest = larger(largest, scratch[i]);
            }
            __syncwarp();
            if (__any_sync(kFullWarp, largest > known)) {
                Real sum = Real(0);
                for (int32_t t = 0; t < taps.size; ++t) sum += taps.tap[t] * scratch[lane + t];
                if (begin + lane >= map.width) sum = Real(0);
                known = larger(known, warp_total(sum, larger<Real>));
            }
            __syncwarp();
        }
    }
    return known;
}

// A lane owns one entry of the patch around the peak. All lanes take the same branches and return the same offset.
// `maximum` is the map's, `blurred_peak` that of the smoothed map or kNotSought.
template <HeatmapRefine kRefine, class Map, class Real>
__device__ HeatmapOffset<Real> newton_offset_by_warp(const Map& map, int32_t x, int32_t y, Real maximum,
                                                     const BlurTaps<Real>& taps, Real& blurred_peak,
                                                     Real* scratch) {
    using Patch = NewtonPatch<kRefine>;
    const HeatmapOffset<Real> none = {Real(0), Real(0)};
    if (!takes_newton_step<kRefine>(x, y, map.width, map.height)) return none;
    const int32_t lane = static_cast<int32_t>(threadIdx.x) % kWarpSize;
    const int32_t top = y - Patch::kRadius - taps.size / 2;
    for (int32_t i = lane; i < (taps.size + 2 * Patch::kRadius) * Patch::kSide; i += kWarpSize) {
        scratch[i] = blurred_across(map, x - Patch::kRadius + i % Patch::kSide, top + i / Patch::kSide, taps);
    }
    __syncwarp();
    const bool owns = lane < Patch::kCount;
    Real value = Real(0);
    for (int32_t t = 0; owns && t < taps.size; ++t) value += taps.tap[t] * scratch[t * Patch::kSide + lane];
    const int32_t dx = lane % Patch::kSide - Patch::kRadius;
    const int32_t dy = lane / Patch::kSide - Patch::kRadius;
    const int32_t entry = Patch::entry(y, dy, map.height) * Patch::kSide + Patch::entry(x, dx, map.width);
    value = __shfl_sync(kFullWarp, value, owns ? entry : lane);

    const bool reads = owns && Patch::reads(dx, dy);
    const Real largest = warp_total(reads ? value : std::numeric_limits<Real>::lowest(), larger<Real>);
    const Real least = -warp_total(reads ? -value : std::numeric_limits<Real>::lowest(), larger<Real>);
    const Rescaling needed = rescaling<kRefine>(maximum, least, largest);
    if (needed == Rescaling::kFlat) return none;
    if (needed == Rescaling::kByMaximum) {
        __syncwarp();
        if (blurred_peak == kNotSought<Real>) blurred_peak = blurred_maximum(map, taps, largest, scratch);
        value = value / blurred_peak * maximum;
    }
    __syncwarp();
    if (owns) scratch[lane] = log_clipped<kRefine>(value);
    __syncwarp();
    const HeatmapOffset<Real> offset = newton_offset<kRefine>(scratch);
    __syncwarp();
    return offset;
}

// The refinement of the peak at (x, y), whichever it is, by one warp. For dark and dark_udp, `maximum` is the
// map's and `blurred_peak` that of the smoothed map or kNotSought; for the others, `maximum` is the peak.
template <class Map, class Real>
__device__ HeatmapOffset<Real> peak_offset_by_warp(const Map& map, int32_t x, int32_t y,
                                                   const PeakRefinement& refinement, Real maximum,
                                                   const BlurTaps<Real>& taps, Real& blurred_peak,
                                                   Real* scratch) {
    const HeatmapRefine refine = refinement.refine;
    if (!is_refined(refine, maximum)) return {Real(0), Real(0)};
    if (refine == HeatmapRefine::kDark) {
        return newton_offset_by_warp<HeatmapRefine::kDark>(map, x, y, maximum, taps, blurred_peak, scratch);
    }
    if (refine == HeatmapRefine::kDarkUdp) {
        return newton_offset_by_warp<HeatmapRefine::kDarkUdp>(map, x, y, maximum, taps, blurred_peak,
                                                              scratch);
    }
    return offset_on_map(map, x, y, refinement);
}

}  // namespace
}  // namespace pyposeops
