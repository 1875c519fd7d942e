// The Newton step of dark and dark_udp on the CPU: smooths the few pixels that the step reads, and finds the
// maximum of the smoothed map without storing it where the clipping asks for it.
#pragma once

#include "core/newton_refine.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Columns that the search for the maximum handles at a time.
constexpr int32_t kStrip = 64;

// The pixels [begin, begin + count) of row y; 0 outside the map.
template <class T, class Real>
POSEOPS_INLINE void load_padded_row(const HeatmapPixels<T>& map, int32_t y, int32_t begin, int32_t count,
                                    Real* row) {
    const int32_t first = begin < 0 ? -begin : 0;
    const int32_t past = map.width - begin < count ? map.width - begin : count;
    const T* source = map.data + y * map.row_stride + begin * map.column_stride;
    for (int32_t i = 0; i < first; ++i) row[i] = Real(0);
    if (map.column_stride == 1) {
        for (int32_t i = first; i < past; ++i) row[i] = load_as_compute(source[i]);
    } else {
        for (int32_t i = first; i < past; ++i) row[i] = load_as_compute(source[i * map.column_stride]);
    }
    for (int32_t i = past; i < count; ++i) row[i] = Real(0);
}

// The smoothed map on the kSide x kSide pixels around (x, y); entries off the map mean nothing.
template <int32_t kSide, class T, class Real>
POSEOPS_INLINE void blur_patch(const HeatmapPixels<T>& map, int32_t x, int32_t y, const BlurTaps<Real>& taps,
                               Real (&patch)[kSide * kSide]) {
    const int32_t reach = kSide / 2 + taps.size / 2;
    for (Real& value : patch) value = Real(0);
    Real row[kMaxBlurKernel + kSide - 1];
    for (int32_t i = 0; i <= 2 * reach; ++i) {
        const int32_t source_y = y - reach + i;
        if (source_y < 0 || source_y >= map.height) continue;
        load_padded_row(map, source_y, x - reach, 2 * reach + 1, row);
        Real across[kSide] = {};
        for (int32_t t = 0; t < taps.size; ++t) {
            for (int32_t c = 0; c < kSide; ++c) across[c] += taps.tap[t] * row[t + c];
        }
        for (int32_t r = 0; r < kSide; ++r) {
            if (i < r || i - r >= taps.size) continue;
            for (int32_t c = 0; c < kSide; ++c) patch[r * kSide + c] += taps.tap[i - r] * across[c];
        }
    }
}

// Halves the strip onto itself until one value is left, which vectorises where a running maximum does not.
template <class Real>
POSEOPS_INLINE Real largest_of_strip(const Real* strip) {
    Real fold[kStrip / 2];
    for (int32_t i = 0; i < kStrip / 2; ++i) {
        fold[i] = strip[i] > strip[i + kStrip / 2] ? strip[i] : strip[i + kStrip / 2];
    }
    for (int32_t half = kStrip / 4; half > 0; half /= 2) {
        for (int32_t i = 0; i < half; ++i) fold[i] = fold[i] > fold[i + half] ? fold[i] : fold[i + half];
    }
    return fold[0];
}

// The sum of the strips row_at(t), weighted with taps [first, past). Two at a time, which halves the traffic of `sum`.
template <class Real, class RowAt>
POSEOPS_INLINE void weighted_sum(const BlurTaps<Real>& taps, int32_t first, int32_t past, const RowAt& row_at,
                                 Real* sum) {
    for (int32_t i = 0; i < kStrip; ++i) sum[i] = Real(0);
    int32_t t = first;
    for (; t + 1 < past; t += 2) {
        const Real tap[2] = {taps.tap[t], taps.tap[t + 1]};
        const Real* row[2] = {row_at(t), row_at(t + 1)};
        for (int32_t i = 0; i < kStrip; ++i) sum[i] = (sum[i] + tap[0] * row[0][i]) + tap[1] * row[1][i];
    }
    if (t == past) return;
    const Real last_tap = taps.tap[t];
    const Real* last_row = row_at(t);
    for (int32_t i = 0; i < kStrip; ++i) sum[i] += last_tap * last_row[i];
}

// Rows smoothed along x, of which only the last `taps.size` are kept: what smoothing along y needs.
template <class Real>
struct BlurredRows {
    Real row[kMaxBlurKernel][kStrip];
    Real largest[kMaxBlurKernel];  // at least 0
};

template <class T, class Real>
POSEOPS_INLINE void blur_row(const HeatmapPixels<T>& map, int32_t y, int32_t begin,
                             const BlurTaps<Real>& taps, BlurredRows<Real>& rows) {
    Real padded[kStrip + kMaxBlurKernel - 1];
    load_padded_row(map, y, begin - taps.size / 2, kStrip + taps.size - 1, padded);
    Real* across = rows.row[y % taps.size];
    weighted_sum(taps, 0, taps.size, [&](int32_t t) { return padded + t; }, across);
    for (int32_t i = map.width - begin; i < kStrip; ++i) across[i] = Real(0);
    const Real largest = largest_of_strip(across);
    rows.largest[y % taps.size] = largest > Real(0) ? largest : Real(0);
}

// The larger of `known` and the smoothed row y. The rows' own maxima bound it from above and mostly settle it.
template <class Real>
POSEOPS_INLINE Real larger_of_row(const BlurredRows<Real>& rows, int32_t y, int32_t height,
                                  const BlurTaps<Real>& taps, Real known) {
    const int32_t radius = taps.size / 2;
    const int32_t first = y < radius ? radius - y : 0;
    const int32_t past = height - y <= radius ? height - y + radius : taps.size;
    Real bound = Real(0);
    for (int32_t t = first; t < past; ++t) bound += taps.tap[t] * rows.largest[(y - radius + t) % taps.size];
    if (!(bound > known)) return known;
    Real blurred[kStrip];
    weighted_sum(
        taps, first, past, [&](int32_t t) { return rows.row[(y - radius + t) % taps.size]; }, blurred);
    const Real largest = largest_of_strip(blurred);
    return largest > known ? largest : known;
}

// The maximum of the whole smoothed map, given one positive value of it.
template <class T, class Real>
POSEOPS_INLINE Real blurred_maximum(const HeatmapPixels<T>& map, const BlurTaps<Real>& taps, Real known) {
    const int32_t radius = taps.size / 2;
    BlurredRows<Real> rows;
    for (int32_t begin = 0; begin < map.width; begin += kStrip) {
        for (int32_t y = 0; y < map.height + radius; ++y) {
            if (y < map.height) blur_row(map, y, begin, taps, rows);
            if (y >= radius) known = larger_of_row(rows, y - radius, map.height, taps, known);
        }
    }
    return known;
}

// `maximum` is the map's, `blurred_peak` that of the smoothed map or kNotSought.
template <HeatmapRefine kRefine, class T, class Real = compute_t<T>>
POSEOPS_INLINE HeatmapOffset<Real> newton_offset_at(const HeatmapPixels<T>& map, int32_t x, int32_t y,
                                                    Real maximum, const BlurTaps<Real>& taps,
                                                    Real& blurred_peak) {
    using Patch = NewtonPatch<kRefine>;
    const HeatmapOffset<Real> none = {Real(0), Real(0)};
    if (!takes_newton_step<kRefine>(x, y, map.width, map.height)) return none;
    Real blurred[Patch::kCount];
    blur_patch<Patch::kSide>(map, x, y, taps, blurred);
    Real values[Patch::kCount];
    Real least = std::numeric_limits<Real>::max();
    Real largest = std::numeric_limits<Real>::lowest();
    for (int32_t i = 0; i < Patch::kCount; ++i) {
        const int32_t dx = i % Patch::kSide - Patch::kRadius;
        const int32_t dy = i / Patch::kSide - Patch::kRadius;
        const int32_t row = Patch::entry(y, dy, map.height);
        values[i] = blurred[row * Patch::kSide + Patch::entry(x, dx, map.width)];
        if (!Patch::reads(dx, dy)) continue;
        least = values[i] < least ? values[i] : least;
        largest = values[i] > largest ? values[i] : largest;
    }
    const Rescaling needed = rescaling<kRefine>(maximum, least, largest);
    if (needed == Rescaling::kFlat) return none;
    if (needed == Rescaling::kByMaximum) {
        if (blurred_peak == kNotSought<Real>) blurred_peak = blurred_maximum(map, taps, largest);
        for (Real& value : values) value = value / blurred_peak * maximum;
    }
    for (Real& value : values) value = log_clipped<kRefine>(value);
    return newton_offset<kRefine>(values);
}

// The refinement of the peak at (x, y), whichever it is. For dark and dark_udp, `maximum` is the map's and
// `blurred_peak` that of the smoothed map or kNotSought; for the others, `maximum` is the peak.
template <class T, class Real>
POSEOPS_INLINE HeatmapOffset<Real> peak_offset(const HeatmapPixels<T>& map, int32_t x, int32_t y,
                                               const PeakRefinement& refinement, Real maximum,
                                               const BlurTaps<Real>& taps, Real& blurred_peak) {
    const HeatmapRefine refine = refinement.refine;
    if (!is_refined(refine, maximum)) return {Real(0), Real(0)};
    if (refine == HeatmapRefine::kDark) {
        return newton_offset_at<HeatmapRefine::kDark>(map, x, y, maximum, taps, blurred_peak);
    }
    if (refine == HeatmapRefine::kDarkUdp) {
        return newton_offset_at<HeatmapRefine::kDarkUdp>(map, x, y, maximum, taps, blurred_peak);
    }
    return offset_on_map(map, x, y, refinement);
}

}  // namespace
}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
