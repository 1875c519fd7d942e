// A vector field in the making on the CPU: working memory that stays in the cache while people are drawn one over another.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/convert.h"
#include "core/host_device.h"
#include "core/scratch.h"

namespace pyposeops {

// Floats in the widest register. Rows are worked on in blocks of as many pixels, so that what is a few pixels wide is
// full registers too.
constexpr int32_t kCanvasBlock = 16;

struct Span {
    int32_t begin;
    int32_t end;
};

template <class T>
POSEOPS_INLINE void write_zeros(T* begin, int64_t count) {
    std::memset(static_cast<void*>(begin), 0, sizeof(T) * static_cast<size_t>(count));
}

// Planes of x, of y and of a mark (what decides between people), and the pixels of each row that were touched. Between
// two fields x and y are 0 and the marks are `blank`. Rows go on for a block beyond the map, so that all blocks are whole.
template <class Real, class Mark>
struct Canvas {
    Scratch<Real> vectors;
    Scratch<Mark> marks;
    Scratch<Span, 256> spans;
    Mark blank;
    int32_t height, width, pitch;

    POSEOPS_INLINE Canvas(int32_t map_height, int32_t map_width, Mark blank_mark)
        : vectors(int64_t{2} * map_height * (map_width + kCanvasBlock)),
          marks(int64_t{map_height} * (map_width + kCanvasBlock)),
          spans(map_height),
          blank(blank_mark),
          height(map_height),
          width(map_width),
          pitch(map_width + kCanvasBlock) {
        for (int32_t y = 0; y < height; ++y) {
            spans[y] = {0, width};
            clear(y);
        }
    }

    POSEOPS_INLINE Real* x_row(int32_t y) { return vectors.data() + int64_t{y} * pitch; }
    POSEOPS_INLINE Real* y_row(int32_t y) { return x_row(y) + int64_t{height} * pitch; }
    POSEOPS_INLINE Mark* mark_row(int32_t y) { return marks.data() + int64_t{y} * pitch; }

    POSEOPS_INLINE void touch(int32_t y, int32_t x_begin, int32_t x_end) {
        Span& span = spans[y];
        span.begin = x_begin < span.begin ? x_begin : span.begin;
        span.end = x_end > span.end ? x_end : span.end;
    }

    // Ready for the next field.
    POSEOPS_INLINE void clear(int32_t y) {
        for (int32_t begin = spans[y].begin; begin < spans[y].end; begin += kCanvasBlock) {
            write_zeros(x_row(y) + begin, kCanvasBlock);
            write_zeros(y_row(y) + begin, kCanvasBlock);
            Mark* const row = mark_row(y);
#pragma omp simd
            for (int32_t x = begin; x < begin + kCanvasBlock; ++x) row[x] = blank;
        }
        spans[y] = {width, 0};
    }
};

// Stores value(x) for the pixels of a span and, where that makes whole blocks, for some beside it.
template <class T, class Value>
POSEOPS_INLINE void store_blocks(T* row, const Span& span, int32_t width, const Value& value) {
    if (width < kCanvasBlock) {
        for (int32_t x = span.begin; x < span.end; ++x) store_from_compute(row + x, value(x));
        return;
    }
    for (int32_t next = span.begin; next < span.end; next += kCanvasBlock) {
        const int32_t begin = next < width - kCanvasBlock ? next : width - kCanvasBlock;
#pragma omp simd
        for (int32_t x = begin; x < begin + kCanvasBlock; ++x) store_from_compute(row + x, value(x));
    }
}

// Stores value(x) for the pixels of a span, `step` elements apart.
template <class T, class Value>
POSEOPS_INLINE void store_apart(T* row, const Span& span, int64_t step, const Value& value) {
    for (int32_t x = span.begin; x < span.end; ++x) store_from_compute(row + x * step, value(x));
}

// In contiguous memory (step 1) by blocks.
template <class T, class Value>
POSEOPS_INLINE void store_span(T* row, const Span& span, int32_t width, int64_t step, const Value& value) {
    if (step == 1) return store_blocks(row, span, width, value);
    store_apart(row, span, step, value);
}

}  // namespace pyposeops
