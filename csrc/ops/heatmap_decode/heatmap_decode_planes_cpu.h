// Maps of any layout as planes of numbers on the CPU: merged with those of the mirrored image, and smoothed.
#pragma once

#include "core/flip_cpu.h"
#include "core/newton_refine.h"
#include "ops/heatmap_decode/heatmap_decode_keypoint.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// The map of channel k, whose rows adjoin in memory.
template <class T, class Real = compute_t<T>>
POSEOPS_INLINE void load_plane(const HeatmapDecodeArgs& args, int64_t b, int64_t k, Real* plane) {
    const MergedPixels<T> map = merged_pixels<T>(args, b, k);
    if (map.flipped.data != nullptr) {
        merge_planes<T, Real>({map.own.data, map.own.row_stride}, {map.flipped.data, map.flipped.row_stride},
                              map.height, map.width, map.shift, Real(1), {plane, map.width});
        return;
    }
    for (int32_t y = 0; y < map.height; ++y) {
        const T* row = map.own.data + y * map.own.row_stride;
        Real* out = plane + int64_t{y} * map.width;
        for (int32_t x = 0; x < map.width; ++x) out[x] = load_as_compute(row[x]);
    }
}

// The maps of `count` channels, row by row of all of them: neighbours in memory are read together (channels_last).
template <class T, class Real = compute_t<T>>
POSEOPS_INLINE void load_planes_by_row(const HeatmapDecodeArgs& args, int64_t b, int64_t first, int64_t count,
                                       Real* planes) {
    const int64_t height = args.heatmaps.shape[2];
    const int64_t width = args.heatmaps.shape[3];
    for (int64_t y = 0; y < height; ++y) {
        for (int64_t k = 0; k < count; ++k) {
            const MergedPixels<T> map = merged_pixels<T>(args, b, first + k);
            Real* row = planes + (k * height + y) * width;
            for (int64_t x = 0; x < width; ++x) {
                row[x] = map.at(static_cast<int32_t>(x), static_cast<int32_t>(y));
            }
        }
    }
}

// out[i] = sum of taps over the `taps.size` strips row(0), row(1), ...: from the middle outwards, two of equal
// distance together, so that what is symmetric stays so to the last bit.
template <class Real, class RowAt>
POSEOPS_INLINE void symmetric_sum(const BlurTaps<Real>& taps, int64_t count, const RowAt& row_at, Real* out) {
    const int32_t radius = taps.size / 2;
    const Real* middle = row_at(radius);
    const Real tap = taps.tap[radius];
    for (int64_t i = 0; i < count; ++i) out[i] = tap * middle[i];
    for (int32_t t = 1; t <= radius; ++t) {
        const Real* before = row_at(radius - t);
        const Real* after = row_at(radius + t);
        const Real side = taps.tap[radius - t];
        for (int64_t i = 0; i < count; ++i) out[i] += side * (before[i] + after[i]);
    }
}

// Room for smooth_plane, in numbers.
POSEOPS_INLINE int64_t smoothing_room(int64_t height, int64_t width, int32_t blur_kernel) {
    return height * width + 2 * width + blur_kernel;
}

// The smoothed map; beyond the border are zeros or, `reflect`, the map mirrored about its border's pixels.
template <class Real>
POSEOPS_INLINE void smooth_plane(const Real* plane, int32_t height, int32_t width, bool reflect,
                                 const BlurTaps<Real>& taps, Real* room, Real* smoothed) {
    const int32_t radius = taps.size / 2;
    Real* across = room;
    Real* zeros = across + int64_t{height} * width;
    Real* padded = zeros + width;
    for (int32_t x = 0; x < width; ++x) zeros[x] = Real(0);
    for (int32_t y = 0; y < height; ++y) {
        const Real* row = plane + int64_t{y} * width;
        for (int32_t x = 0; x < width; ++x) padded[radius + x] = row[x];
        for (int32_t i = 1; i <= radius; ++i) {
            padded[radius - i] = reflect ? row[reflected_position(-i, width)] : Real(0);
            padded[radius + width - 1 + i] =
                reflect ? row[reflected_position(width - 1 + i, width)] : Real(0);
        }
        symmetric_sum(taps, width, [&](int32_t t) { return padded + t; }, across + int64_t{y} * width);
    }
    for (int32_t y = 0; y < height; ++y) {
        const auto row_at = [&](int32_t t) -> const Real* {
            const int32_t source = y - radius + t;
            const bool inside = source >= 0 && source < height;
            if (!inside && !reflect) return zeros;
            return across + int64_t{reflected_position(source, height)} * width;
        };
        symmetric_sum(taps, width, row_at, smoothed + int64_t{y} * width);
    }
}

}  // namespace
}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
