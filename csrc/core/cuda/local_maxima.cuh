// Finds the peaks of maps on the GPU, and marks them in one bit per pixel.
//
// A warp walks down a strip of the map, a lane per column. The maximum along the row comes by shuffles, the
// maximum down the rows from registers that hold the last few of them, so that every value is loaded once, in
// order. The outermost lanes only serve their neighbours. Windows beyond 5 x 5 are walked as 5 x 5, and the
// few pixels that pass are compared with the whole window by all lanes together.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <limits>

#include "core/cuda/reduce.cuh"
#include "core/heatmap_pixels.h"
#include "core/local_maxima.h"
#include "core/peak_blocks.h"

namespace pyposeops {

// Rows that a warp walks at a time; the rows of the window above and below them are loaded twice.
constexpr int32_t kRowsPerWalk = 32;

// The peaks of one map: bit i of word (y, s) is the pixel (s * kColumns + i, y).
template <int32_t kReach>
struct PeakMarks {
    static constexpr int32_t kColumns = columns_per_mark(kReach);
    static_assert(kColumns == kWarpSize - 2 * kReach, "a lane per column and neighbour");

    uint32_t* words;
    int32_t height;
    int32_t width;

    POSEOPS_HD static int32_t words_per_row(int32_t width) { return (width + kColumns - 1) / kColumns; }
    POSEOPS_HD int32_t word_count() const { return height * words_per_row(width); }
    POSEOPS_HD uint32_t& word_of(int32_t x, int32_t y) const {
        return words[y * words_per_row(width) + x / kColumns];
    }
    POSEOPS_HD bool has(int32_t x, int32_t y) const { return (word_of(x, y) >> (x % kColumns) & 1u) != 0; }
    POSEOPS_HD void clear(int32_t index) const {
        const int32_t x = index % width;
        word_of(x, index / width) &= ~(1u << (x % kColumns));
    }
    // The row-major index of bit `bit` of word `word`.
    POSEOPS_HD int32_t index_of(int32_t word, int32_t bit) const {
        const int32_t per_row = words_per_row(width);
        return word / per_row * width + word % per_row * kColumns + bit;
    }
};

__device__ __forceinline__ int32_t lane_index() { return static_cast<int32_t>(threadIdx.x) % kWarpSize; }

// The value at (x, y) if it is on the map and above the threshold, else minus infinity.
template <class T, class Real>
__device__ __forceinline__ Real value_above(const HeatmapPixels<T>& map, int32_t x, int32_t y,
                                            Real threshold) {
    const Real low = -std::numeric_limits<Real>::infinity();
    if (x < 0 || x >= map.width || y < 0 || y >= map.height) return low;
    const Real value = map.at(x, y);
    return value > threshold ? value : low;
}

// Whether the pixel (x, y) of this value keeps it against its whole window. All lanes of a warp ask about the
// same pixel.
template <class T, class Real>
__device__ bool is_peak_of_window(const HeatmapPixels<T>& map, int32_t x, int32_t y, Real value,
                                  const MaximaRule& rule) {
    const int32_t side = 2 * rule.radius + 1;
    bool beaten = false;
    for (int32_t i = lane_index(); i < side * side; i += kWarpSize) {
        const Real other = value_above(map, x - rule.radius + i % side, y - rule.radius + i / side,
                                       static_cast<Real>(rule.threshold));
        const bool is_itself = i == side * side / 2;
        beaten |= rule.plateau == Plateau::kNone ? other >= value && !is_itself : other > value;
    }
    return !__any_sync(kFullWarp, beaten);
}

// One warp marks the rows [begin, end) of a strip.
template <int32_t kReach, class T>
__device__ void mark_strip(const HeatmapPixels<T>& map, const MaximaRule& rule,
                           const PeakMarks<kReach>& marks, int32_t strip, int32_t begin, int32_t end) {
    using Real = compute_t<T>;
    const Real low = -std::numeric_limits<Real>::infinity();
    const Real threshold = static_cast<Real>(rule.threshold);
    const int32_t lane = lane_index();
    const int32_t x = strip * PeakMarks<kReach>::kColumns + lane - kReach;
    const bool owns_column = lane >= kReach && lane < kWarpSize - kReach;
    const bool whole_window_seen = kReach == rule.radius && rule.plateau != Plateau::kNone;
    Real values[kReach + 1];      // of the last rows, the latest one first
    Real across[2 * kReach + 1];  // the maxima along them
    for (Real& value : values) value = low;
    for (Real& maximum : across) maximum = low;
#pragma unroll 4
    for (int32_t y = begin - kReach; y < end + kReach; ++y) {
#pragma unroll
        for (int32_t i = kReach; i > 0; --i) values[i] = values[i - 1];
#pragma unroll
        for (int32_t i = 2 * kReach; i > 0; --i) across[i] = across[i - 1];
        values[0] = across[0] = value_above(map, x, y, threshold);
#pragma unroll
        for (int32_t d = 1; d <= kReach; ++d) {
            const Real left = __shfl_up_sync(kFullWarp, values[0], d);
            const Real right = __shfl_down_sync(kFullWarp, values[0], d);
            across[0] = left > across[0] ? left : across[0];
            across[0] = right > across[0] ? right : across[0];
        }
        const int32_t row = y - kReach;
        if (row < begin) continue;
        const Real value = values[kReach];
        bool is_peak = owns_column && value > low;
#pragma unroll
        for (int32_t i = 0; i <= 2 * kReach; ++i) is_peak = is_peak && value >= across[i];
        uint32_t word = __ballot_sync(kFullWarp, is_peak) >> kReach;
        for (uint32_t rest = whole_window_seen ? 0 : word; rest != 0; rest &= rest - 1) {
            const int32_t bit = __ffs(static_cast<int>(rest)) - 1;
            const int32_t column = strip * PeakMarks<kReach>::kColumns + bit;
            const Real own = __shfl_sync(kFullWarp, value, bit + kReach);
            if (!is_peak_of_window(map, column, row, own, rule)) word &= ~(1u << bit);
        }
        if (lane == 0) marks.words[row * marks.words_per_row(map.width) + strip] = word;
    }
}

// Warp `warp` of the `warps` that share a map marks its part. The caller's barrier makes the marks visible.
template <int32_t kReach, class T>
__device__ void mark_peaks(const HeatmapPixels<T>& map, const MaximaRule& rule,
                           const PeakMarks<kReach>& marks, int32_t warp, int32_t warps) {
    const int32_t strips = marks.words_per_row(map.width);
    const int32_t walks = (map.height + kRowsPerWalk - 1) / kRowsPerWalk;
    for (int32_t i = warp; i < strips * walks; i += warps) {
        const int32_t begin = i / strips * kRowsPerWalk;
        const int32_t end = map.height - begin < kRowsPerWalk ? map.height : begin + kRowsPerWalk;
        mark_strip(map, rule, marks, i % strips, begin, end);
    }
}

// Whether a later peak lies in the window of peak (x, y).
template <int32_t kReach>
__device__ bool meets_later_peak(const PeakMarks<kReach>& marks, int32_t x, int32_t y, int32_t radius) {
    const int32_t last_x = marks.width - x > radius ? x + radius : marks.width - 1;
    const int32_t last_y = marks.height - y > radius ? y + radius : marks.height - 1;
    for (int32_t other_x = x + 1; other_x <= last_x; ++other_x) {
        if (marks.has(other_x, y)) return true;
    }
    for (int32_t other_y = y + 1; other_y <= last_y; ++other_y) {
        for (int32_t other_x = x > radius ? x - radius : 0; other_x <= last_x; ++other_x) {
            if (marks.has(other_x, other_y)) return true;
        }
    }
    return false;
}

// One warp leaves the first pixel of every plateau. Where no two peaks meet, which is the rule, nothing is to
// be done; else one lane follows the plateaus in order. `columns`: one entry per column of the map.
template <int32_t kReach>
__device__ void keep_first_of_plateaus(const PeakMarks<kReach>& marks, LatestPeak* columns, int32_t radius) {
    const int32_t lane = lane_index();
    bool meet = false;
    for (int32_t w = lane; w < marks.word_count(); w += kWarpSize) {
        for (uint32_t rest = marks.words[w]; rest != 0; rest &= rest - 1) {
            const int32_t index = marks.index_of(w, __ffs(static_cast<int>(rest)) - 1);
            meet = meet || meets_later_peak(marks, index % marks.width, index / marks.width, radius);
        }
    }
    if (!__any_sync(kFullWarp, meet)) return;
    for (int32_t x = lane; x < marks.width; x += kWarpSize) columns[x] = no_peak_yet();
    __syncwarp();
    for (int32_t w = 0; w < marks.word_count(); w += kWarpSize) {
        const bool filled = w + lane < marks.word_count() && marks.words[w + lane] != 0;
        for (uint32_t words = __ballot_sync(kFullWarp, filled); words != 0 && lane == 0; words &= words - 1) {
            const int32_t word = w + __ffs(static_cast<int>(words)) - 1;
            for (uint32_t rest = marks.words[word]; rest != 0; rest &= rest - 1) {
                const int32_t index = marks.index_of(word, __ffs(static_cast<int>(rest)) - 1);
                const int32_t x = index % marks.width;
                const int32_t y = index / marks.width;
                if (!starts_plateau(columns, 1, marks.width, x, y, radius, marks)) marks.clear(index);
            }
        }
        __syncwarp();
    }
}

// The map that a warp works on, and its scratch memory. Warps of a block beyond the last map have none, but
// take part in the block's barriers.
template <int32_t kReach, class T>
struct WarpOfMap {
    int64_t b;
    int64_t k;
    int32_t slot;  // of the map in its block
    int32_t warp;  // of the map's warps
    HeatmapPixels<T> map;
    unsigned char* list;  // aligned for every type
    PeakMarks<kReach> marks;
    LatestPeak* columns;

    __device__ bool exists(const TensorView& heatmaps) const { return k < heatmaps.shape[1]; }
};

template <int32_t kReach, class T>
__device__ WarpOfMap<kReach, T> warp_of_map(const TensorView& heatmaps, const PeakBlocks& blocks,
                                            uint32_t* scratch, int64_t list_bytes) {
    extern __shared__ __align__(16) unsigned char shared_bytes[];
    const int32_t warp = static_cast<int32_t>(threadIdx.x) / kWarpSize;
    WarpOfMap<kReach, T> own;
    own.b = blockIdx.x / blocks.blocks_per_image;
    own.slot = warp / blocks.warps_per_map;
    own.warp = warp % blocks.warps_per_map;
    own.k = static_cast<int64_t>(blockIdx.x) % blocks.blocks_per_image * blocks.maps + own.slot;
    own.map = heatmap_pixels<T>(heatmaps, own.b, own.k);
    uint32_t* const words = blocks.in_shared_memory
                                ? reinterpret_cast<uint32_t*>(shared_bytes) + own.slot * blocks.words_per_map
                                : scratch + (own.b * heatmaps.shape[1] + own.k) * blocks.words_per_map;
    own.list = reinterpret_cast<unsigned char*>(words);
    own.marks = {words + list_bytes / 4, own.map.height, own.map.width};
    own.columns = reinterpret_cast<LatestPeak*>(own.marks.words + own.marks.word_count());
    return own;
}

inline unsigned int shared_bytes_of(const PeakBlocks& blocks) {
    return blocks.in_shared_memory ? static_cast<unsigned int>(blocks.maps * blocks.words_per_map * 4) : 0u;
}

inline unsigned int threads_of(const PeakBlocks& blocks) {
    return static_cast<unsigned int>(blocks.maps * blocks.warps_per_map * kWarpSize);
}

}  // namespace pyposeops
