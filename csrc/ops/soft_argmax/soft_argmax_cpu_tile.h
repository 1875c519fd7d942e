// The tiles in which soft_argmax reads maps on the CPU: their elements as float or double, their largest ones, and what
// is kept per column.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/host_device.h"
#include "core/scratch.h"
#include "ops/soft_argmax/soft_argmax.h"
#include "ops/soft_argmax/soft_argmax_cpu_rows.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {

// Rows of a tile: many, so that folding its columns is a small share; few enough to stay in the L2 cache.
constexpr int64_t kTileRows = 32;
constexpr int64_t kTileElements = 32768;
// Widths of the rows into which a single axis is split.
constexpr int64_t kNarrowestSplit = 16;
constexpr int64_t kWidestSplit = 64;
// Rows that are worked on at once: what is read and written per column serves all of them.
constexpr int64_t kRowsAtOnce = 4;

template <class T>
struct Tile {
    const T* first;
    int64_t row_stride;
    int64_t element_stride;
    int64_t rows;  // long ones, of `joined` rows of the map each
    int64_t joined;
    int64_t pixels;  // of a row of the map
    int64_t lanes;
    int64_t position[3];  // of its first pixel on the three axes

    POSEOPS_INLINE int64_t elements() const { return joined * pixels * lanes; }
    // Long rows count from here, which keeps the second moments small.
    POSEOPS_INLINE int64_t middle_row() const { return rows / 2; }
};

// A tile's elements as float or double: row y begins at values + y * pitch.
template <class Real>
struct TileRows {
    const Real* values;
    int64_t pitch;
};

// What a thread needs per element of a tile's long row, and a place for the tile where it has to be converted.
template <class Real>
struct Columns {
    Scratch<Real> memory;
    Real* maximum;
    Real* reference;
    Real* background;
    Real* moment[3];  // sums over the long rows of weight, weight * y, weight * y^2
    Real* x;          // of each pixel of the long row, and the row of the map it belongs to
    Real* y;
    Real* converted;

    POSEOPS_INLINE Columns(const MapTasks& tasks, int64_t tile_elements)
        : memory(8 * tasks.stretch_elements() + tile_elements) {
        Real* next = memory.data();
        for (Real** column :
             {&maximum, &reference, &background, &moment[0], &moment[1], &moment[2], &x, &y, &converted}) {
            *column = next;
            next += tasks.stretch_elements();
        }
        for (int64_t i = 0; i < tasks.joined * tasks.stretch_pixels; ++i) {
            x[i] = static_cast<Real>(i % tasks.stretch_pixels);
            y[i] = static_cast<Real>(i / tasks.stretch_pixels);
        }
    }
};

template <class T, class Real>
POSEOPS_INLINE TileRows<Real> fetch_tile(const Tile<T>& tile, const Columns<Real>& columns) {
    if constexpr (std::is_same_v<T, Real>) {
        if (tile.element_stride == 1) return {tile.first, tile.row_stride};
    }
    const int64_t count = tile.elements();
    for (int64_t y = 0; y < tile.rows; ++y) {
        fetch_row(tile.first + y * tile.row_stride, tile.element_stride, count,
                  columns.converted + y * count);
    }
    return {columns.converted, count};
}

// The maximum of each lane of the tile, left in the first `lanes` columns. A NaN is not seen here: it turns the sums to
// NaN.
template <class T, class Real>
POSEOPS_INLINE void find_maxima(const Tile<T>& tile, const TileRows<Real>& rows, Columns<Real>& columns) {
    const int64_t count = tile.elements();
    Real* const maximum = columns.maximum;
    for (int64_t j = 0; j < count; ++j) maximum[j] = -std::numeric_limits<Real>::infinity();
    for (int64_t y = 0; y < tile.rows; y += kRowsAtOnce) {
        const Real* row[kRowsAtOnce];
        for (int64_t r = 0; r < kRowsAtOnce; ++r) {
            row[r] =
                rows.values + smaller(y + r, tile.rows - 1) * rows.pitch;  // the last one again does no harm
        }
#pragma omp simd
        for (int64_t j = 0; j < count; ++j) {
            const Real a = row[0][j] > row[1][j] ? row[0][j] : row[1][j];
            const Real b = row[2][j] > row[3][j] ? row[2][j] : row[3][j];
            const Real highest = a > b ? a : b;
            maximum[j] = highest > maximum[j] ? highest : maximum[j];
        }
    }
    for (int64_t pixels = tile.joined * tile.pixels; pixels > 1;) {  // the second half onto the first
        const int64_t kept = (pixels + 1) / 2;
        const Real* const others = maximum + kept * tile.lanes;
#pragma omp simd
        for (int64_t j = 0; j < (pixels - kept) * tile.lanes; ++j) {
            maximum[j] = others[j] > maximum[j] ? others[j] : maximum[j];
        }
        pixels = kept;
    }
}

// Maps of one axis are walked over as if that axis were two: fewer columns to fold. `width` pixels make a row, or 0 where
// the axis is not split.
struct SplitAxis {
    TensorView maps;
    int64_t width;

    POSEOPS_INLINE explicit SplitAxis(const TensorView& whole) : maps(whole), width(0) {
        const int64_t pixels = whole.shape[4];
        if (whole.shape[2] * whole.shape[3] > 1 || pixels < 2 * kNarrowestSplit) return;
        int64_t divisor = kWidestSplit;
        while (pixels % divisor != 0) --divisor;
        if (divisor < kNarrowestSplit || divisor == pixels) return;
        width = divisor;
        maps.shape[3] = pixels / width;
        maps.shape[4] = width;
        maps.strides[3] = width * whole.strides[4];
    }

    // From moments of row y and place x in it to those of width * y + x.
    POSEOPS_INLINE void join(SoftArgmaxMoments<double>& moments) const {
        if (width == 0) return;
        const double w = static_cast<double>(width);
        moments.first[2] += w * moments.first[1];
        moments.second[5] += w * (2.0 * moments.second[4] + w * moments.second[3]);
        moments.first[1] = moments.second[3] = moments.second[4] = 0.0;
    }
};

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
