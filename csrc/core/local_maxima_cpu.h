// Finds the peaks of a map on the CPU, and marks them in one bit per pixel.
//
// The maxima of the window are separable: along every row once, when it comes in, then down the rows that the
// window covers, of which a ring is kept. Both run over 16 columns at a time, whatever the data. Maps whose
// pixels alternate in memory (channels_last) are one wide map here, in which the next pixel of a map is
// `channels` columns on.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "core/convert.h"
#include "core/dtype.h"
#include "core/host_device.h"
#include "core/local_maxima.h"
#include "core/scratch.h"
#include "core/tensor_view.h"

namespace pyposeops {

// Columns that are compared at a time, and columns whose peaks are marked in one word.
constexpr int64_t kChunk = 16;
constexpr int64_t kWordColumns = 64;
constexpr int32_t kBit[kChunk] = {1 << 0, 1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                                  1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};

// `channels` maps whose pixels lie next to each other, or one map of any strides.
template <class T>
struct InterleavedMaps {
    T* data;
    int64_t row_stride;
    int64_t pixel_stride;
    int32_t height;
    int32_t width;
    int32_t channels;

    POSEOPS_INLINE int64_t columns() const { return int64_t{width} * channels; }
};

// How a (B, K, H, W) tensor is cut into such groups: all maps of an image where they alternate, else one by one.
struct MapGroups {
    int64_t count;
    int32_t channels;  // of one group
    int32_t groups_per_image;

    POSEOPS_INLINE explicit MapGroups(const TensorView& maps) {
        const int32_t joints = static_cast<int32_t>(maps.shape[1]);
        const bool alternate =
            !maps.has_unit_stride(3) && maps.has_unit_stride(1) && maps.strides[3] == maps.shape[1];
        channels = alternate ? joints : 1;
        groups_per_image = joints / channels;
        count = maps.shape[0] * groups_per_image;
    }

    POSEOPS_INLINE int64_t image(int64_t group) const { return group / groups_per_image; }
    POSEOPS_INLINE int64_t first_channel(int64_t group) const { return group % groups_per_image * channels; }

    template <class T>
    POSEOPS_INLINE InterleavedMaps<T> maps_of(const TensorView& maps, int64_t group) const {
        return {maps.as<T>() + image(group) * maps.strides[0] + first_channel(group) * maps.strides[1],
                maps.strides[2],
                maps.strides[3],
                static_cast<int32_t>(maps.shape[2]),
                static_cast<int32_t>(maps.shape[3]),
                channels};
    }
};

// One bit per pixel, 64 columns to a word.
struct PeakBits {
    uint64_t* words;
    int64_t words_per_row;

    // Calls visit(row, column) for every peak, row by row from left to right.
    template <class Visit>
    POSEOPS_INLINE void for_each(int32_t height, const Visit& visit) const {
        const uint64_t* word = words;
        for (int32_t y = 0; y < height; ++y) {
            for (int64_t i = 0; i < words_per_row; ++i, ++word) {
                for (uint64_t rest = *word; rest != 0; rest &= rest - 1) {
                    visit(y, i * kWordColumns + __builtin_ctzll(rest));
                }
            }
        }
    }
};

// The peaks of one of the interleaved maps, by their row-major index.
struct PeakBitsOfMap {
    PeakBits bits;
    int32_t width;
    int32_t channels;
    int32_t channel;

    POSEOPS_INLINE void clear(int32_t index) const {
        const int64_t column = int64_t{index % width} * channels + channel;
        bits.words[index / width * bits.words_per_row + column / kWordColumns] &=
            ~(uint64_t{1} << (column % kWordColumns));
    }
};

// A thread's memory for maps of one size: the rows in the window and the one before them, and the bits.
template <class Real>
class MaximaWorkspace {
  public:
    POSEOPS_INLINE MaximaWorkspace(int32_t height, int64_t columns, int32_t channels, int32_t radius)
        : rows_(2 * radius + 1),
          halo_(int64_t{radius} * channels),
          columns_(columns),
          chunks_((columns + kChunk - 1) / kChunk),
          words_per_row_((columns + kWordColumns - 1) / kWordColumns),
          row_length_(chunks_ * kChunk + 2 * halo_),
          values_((rows_ + 1) * row_length_),
          across_(rows_ * row_length_),
          latest_(columns),
          words_(height * words_per_row_) {}

    // Makes all rows minus infinity, as the rows above the map are, until a row takes their place.
    POSEOPS_INLINE void begin_map() {
        for (int32_t y = 0; y <= rows_; ++y) clear_values(y);
        for (int32_t y = 0; y < rows_; ++y) clear_across(y);
        for (int64_t i = 0; i < columns_; ++i) latest_[i] = no_peak_yet();
    }
    POSEOPS_INLINE void clear_values(int32_t y) { fill_low(values(y) - halo_); }
    POSEOPS_INLINE void clear_across(int32_t y) { fill_low(across(y)); }

    // Row y >= -rows() of the map, the first column of it; to both sides are `radius` pixels of minus infinity.
    POSEOPS_INLINE Real* values(int32_t y) {
        return values_.data() + (y + rows_ + 1) % (rows_ + 1) * row_length_ + halo_;
    }
    // The maxima along row y, over the width of the window.
    POSEOPS_INLINE Real* across(int32_t y) { return across_.data() + y % rows_ * row_length_; }
    POSEOPS_INLINE LatestPeak* latest() { return latest_.data(); }
    POSEOPS_INLINE PeakBits bits() { return {words_.data(), words_per_row_}; }
    POSEOPS_INLINE int64_t row_length() const { return row_length_; }
    POSEOPS_INLINE int64_t halo() const { return halo_; }
    POSEOPS_INLINE int64_t chunks() const { return chunks_; }
    POSEOPS_INLINE int32_t rows() const { return rows_; }

  private:
    POSEOPS_INLINE void fill_low(Real* row) {
        for (int64_t i = 0; i < row_length_; ++i) row[i] = -std::numeric_limits<Real>::infinity();
    }

    int32_t rows_;
    int64_t halo_;
    int64_t columns_;
    int64_t chunks_;
    int64_t words_per_row_;
    int64_t row_length_;
    Scratch<Real> values_;
    Scratch<Real> across_;
    Scratch<LatestPeak, 128> latest_;
    Scratch<uint64_t, 256> words_;
};

// Takes in row y: its values, where they are above the threshold.
template <class T, class Real>
POSEOPS_INLINE void take_row(const InterleavedMaps<T>& maps, int32_t y, Real threshold, Real* values) {
    const T* source = maps.data + y * maps.row_stride;
    const Real low = -std::numeric_limits<Real>::infinity();
    if (maps.pixel_stride == maps.channels) {
#pragma omp simd
        for (int64_t i = 0; i < maps.columns(); ++i) {
            const Real value = load_as_compute(source[i]);
            values[i] = value > threshold ? value : low;
        }
        return;
    }
    for (int32_t x = 0; x < maps.width; ++x) {
        for (int32_t c = 0; c < maps.channels; ++c) {
            const Real value = load_as_compute(source[x * maps.pixel_stride + c]);
            values[int64_t{x} * maps.channels + c] = value > threshold ? value : low;
        }
    }
}

// The maxima of `count` rows or columns, 3 or more, that lie `step` apart. kCount is their number where it is
// known, else 0. The loops say simd because compilers else unroll them before they see that they are vector
// operations.
template <int32_t kCount, class Real>
POSEOPS_INLINE void maxima_of_chunk(const Real* first, int64_t step, int32_t count, Real (&maxima)[kChunk]) {
    const int32_t known_count = kCount > 0 ? kCount : count;
#pragma omp simd
    for (int64_t i = 0; i < kChunk; ++i) maxima[i] = first[step + i] > first[i] ? first[step + i] : first[i];
    for (int32_t t = 2; t < known_count; ++t) {
        const Real* const other = first + t * step;
#pragma omp simd
        for (int64_t i = 0; i < kChunk; ++i) maxima[i] = other[i] > maxima[i] ? other[i] : maxima[i];
    }
}

// Which of 16 pixels are not below the maxima of their windows, in one bit each. Minus infinity is not a peak.
template <int32_t kCount, class Real>
POSEOPS_INLINE uint32_t peaks_of_chunk(const Real* values, const Real* across, int64_t row_length,
                                       int32_t count) {
    Real maxima[kChunk];
    maxima_of_chunk<kCount>(across, row_length, count, maxima);
    int32_t peaks = 0;
#pragma omp simd reduction(| : peaks)
    for (int64_t i = 0; i < kChunk; ++i) {
        const bool is_peak = (values[i] >= maxima[i]) & (values[i] > -std::numeric_limits<Real>::infinity());
        peaks |= is_peak ? kBit[i] : 0;
    }
    return static_cast<uint32_t>(peaks);
}

// Whether no other pixel in the window of column `column` equals its value.
template <class Real>
POSEOPS_INLINE bool is_alone(MaximaWorkspace<Real>& work, int32_t y, int64_t column, int32_t channels,
                             int32_t radius) {
    const Real value = work.values(y)[column];
    int32_t equal = 0;
    for (int32_t dy = -radius; dy <= radius; ++dy) {
        const Real* row = work.values(y + dy) + column;
        for (int32_t dx = -radius; dx <= radius; ++dx) equal += row[int64_t{dx} * channels] == value;
    }
    return equal == 1;
}

// Whether the peak at column `column` of row y stays, whatever comes later.
template <class T, class Real>
POSEOPS_INLINE bool stays(const InterleavedMaps<T>& maps, int32_t y, int64_t column, const MaximaRule& rule,
                          MaximaWorkspace<Real>& work) {
    if (rule.plateau == Plateau::kNone) return is_alone(work, y, column, maps.channels, rule.radius);
    const int32_t x = static_cast<int32_t>(column / maps.channels);
    const int32_t channel = static_cast<int32_t>(column % maps.channels);
    const PeakBitsOfMap peaks = {work.bits(), maps.width, maps.channels, channel};
    return starts_plateau(work.latest() + channel, maps.channels, maps.width, x, y, rule.radius, peaks);
}

// Marks the peaks of row y, given the rows around it.
template <int32_t kCount, class T, class Real>
POSEOPS_INLINE void mark_row(const InterleavedMaps<T>& maps, int32_t y, const MaximaRule& rule,
                             MaximaWorkspace<Real>& work) {
    const PeakBits bits = work.bits();
    const Real* const values = work.values(y);
    const Real* const across = work.across(0);
    for (int64_t i = 0; i < bits.words_per_row; ++i) {
        const int64_t begin = i * kWordColumns;
        const int64_t end =
            begin + kWordColumns < work.chunks() * kChunk ? begin + kWordColumns : work.chunks() * kChunk;
        uint64_t peaks = 0;
        for (int64_t column = begin; column < end; column += kChunk) {
            const uint64_t some =
                peaks_of_chunk<kCount>(values + column, across + column, work.row_length(), work.rows());
            peaks |= some << (column - begin);
        }
        uint64_t& word = bits.words[y * bits.words_per_row + i];
        word = peaks;
        if (rule.plateau == Plateau::kAll) continue;
        for (; peaks != 0; peaks &= peaks - 1) {
            const int64_t column = begin + __builtin_ctzll(peaks);
            if (!stays(maps, y, column, rule, work)) word &= ~(peaks & (~peaks + 1));
        }
    }
}

// Row y comes in while row y - 1 is searched along its length: vector loads that straddle what has just been
// stored would have to wait for it.
template <int32_t kCount, class T, class Real>
POSEOPS_INLINE void mark_peaks_of_window(const InterleavedMaps<T>& maps, const MaximaRule& rule,
                                         MaximaWorkspace<Real>& work) {
    const Real threshold = static_cast<Real>(rule.threshold);
    work.begin_map();
    take_row(maps, 0, threshold, work.values(0));
    for (int32_t y = 0; y < maps.height + rule.radius; ++y) {
        if (y + 1 < maps.height) {
            take_row(maps, y + 1, threshold, work.values(y + 1));
        } else {
            work.clear_values(y + 1);
        }
        const Real* const values = work.values(y) - work.halo();
        Real* const across = work.across(y);
        for (int64_t i = 0; i < work.chunks() * kChunk; i += kChunk) {
            Real maxima[kChunk];
            maxima_of_chunk<kCount>(values + i, maps.channels, work.rows(), maxima);
#pragma omp simd
            for (int64_t j = 0; j < kChunk; ++j) across[i + j] = maxima[j];
        }
        if (y >= rule.radius) mark_row<kCount>(maps, y - rule.radius, rule, work);
    }
}

// Marks the peaks of all the maps in work.bits().
template <class T, class Real>
POSEOPS_INLINE void mark_peaks(const InterleavedMaps<T>& maps, const MaximaRule& rule,
                               MaximaWorkspace<Real>& work) {
    switch (rule.radius) {
        case 1:
            mark_peaks_of_window<3>(maps, rule, work);
            return;
        case 2:
            mark_peaks_of_window<5>(maps, rule, work);
            return;
        case 3:
            mark_peaks_of_window<7>(maps, rule, work);
            return;
        default:
            mark_peaks_of_window<0>(maps, rule, work);
            return;
    }
}

}  // namespace pyposeops
