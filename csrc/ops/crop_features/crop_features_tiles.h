// How the CPU loops of crop_features walk a map: planes of rows of pixels, and tiles of them in a compute type.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/convert.h"
#include "core/host_device.h"
#include "core/tensor_view.h"
#include "ops/crop_features/crop_features.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {

// Elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 16384;
// Elements of a tile at most, unless a single row is longer: 32 KiB of floats.
constexpr int64_t kElementsPerTile = 8192;

// Sizes of one level. With the channels innermost an image is one plane whose pixels have `depth` elements, otherwise
// each channel is a plane of single elements.
struct LevelShape {
    int64_t batch, joints, planes, depth;
    int32_t map_height, map_width;
    int32_t height, width;  // of the window

    POSEOPS_INLINE LevelShape(const CropLevel& level, bool channels_innermost)
        : batch(level.crops.shape[0]),
          joints(level.crops.shape[1]),
          planes(channels_innermost ? 1 : level.crops.shape[2]),
          depth(channels_innermost ? level.crops.shape[2] : 1),
          map_height(static_cast<int32_t>(level.features.shape[2])),
          map_width(static_cast<int32_t>(level.features.shape[3])),
          height(static_cast<int32_t>(level.crops.shape[3])),
          width(static_cast<int32_t>(level.crops.shape[4])) {}
};

// A plane of a tensor whose last three dimensions are (C, height, width), of any strides.
template <class T>
struct Plane {
    const T* data;
    int64_t row_stride, pixel_stride, channel_stride, depth;
    int32_t height, width;
    bool dense_rows;  // a row is one run of elements

    POSEOPS_INLINE Plane(const TensorView& tensor, const T* first, int64_t plane, int64_t pixel_depth)
        : data(first + (pixel_depth == 1 ? plane * tensor.strides[tensor.rank - 3] : 0)),
          row_stride(tensor.strides[tensor.rank - 2]),
          pixel_stride(tensor.strides[tensor.rank - 1]),
          channel_stride(tensor.strides[tensor.rank - 3]),
          depth(pixel_depth),
          height(static_cast<int32_t>(tensor.shape[tensor.rank - 2])),
          width(static_cast<int32_t>(tensor.shape[tensor.rank - 1])),
          dense_rows((width <= 1 || pixel_stride == depth) && (depth == 1 || channel_stride == 1)) {}

    POSEOPS_INLINE const T* at(int64_t y, int64_t x) const {
        return data + y * row_stride + x * pixel_stride;
    }
};

// Rows of elements, one every `to_stride`, and where they come from.
template <class To, class From>
struct RowCopy {
    To* to;
    const From* from;
    int64_t to_stride, from_stride, rows;
};

// Rows of kSize to 2 kSize bytes, as two copies that overlap.
template <size_t kSize, class T>
POSEOPS_INLINE void copy_both_ends(const RowCopy<T, T>& copy, size_t bytes) {
    auto* to = reinterpret_cast<unsigned char*>(copy.to);
    const auto* from = reinterpret_cast<const unsigned char*>(copy.from);
    for (int64_t row = 0; row < copy.rows; ++row) {
        unsigned char head[kSize];
        unsigned char tail[kSize];
        std::memcpy(head, from, kSize);
        std::memcpy(tail, from + bytes - kSize, kSize);
        std::memcpy(to, head, kSize);
        std::memcpy(to + bytes - kSize, tail, kSize);
        to += copy.to_stride * static_cast<int64_t>(sizeof(T));
        from += copy.from_stride * static_cast<int64_t>(sizeof(T));
    }
}

// Windows have short rows: a call of memcpy costs more than the copy.
template <class T>
POSEOPS_INLINE void copy_rows(const RowCopy<T, T>& copy, int64_t elements) {
    const size_t bytes = static_cast<size_t>(elements) * sizeof(T);
    if (bytes > 128) {
        for (int64_t row = 0; row < copy.rows; ++row) {
            std::memcpy(copy.to + row * copy.to_stride, copy.from + row * copy.from_stride, bytes);
        }
    } else if (bytes >= 64) {
        copy_both_ends<64>(copy, bytes);
    } else if (bytes >= 32) {
        copy_both_ends<32>(copy, bytes);
    } else if (bytes >= 16) {
        copy_both_ends<16>(copy, bytes);
    } else if (bytes >= 8) {
        copy_both_ends<8>(copy, bytes);
    } else if (bytes >= 4) {
        copy_both_ends<4>(copy, bytes);
    } else {
        copy_both_ends<2>(copy, bytes);
    }
}

// Rows of `count` pixels of a plane, converted where To is the compute type of another From.
template <class From, class To, class Convert>
POSEOPS_INLINE void convert_rows(const Plane<From>& plane, const RowCopy<To, From>& copy, int64_t count,
                                 const Convert& convert) {
    const int64_t depth = plane.depth;
    for (int64_t row = 0; row < copy.rows; ++row) {
        To* const to = copy.to + row * copy.to_stride;
        const From* const from = copy.from + row * copy.from_stride;
        if (plane.dense_rows) {
#pragma omp simd
            for (int64_t i = 0; i < count * depth; ++i) to[i] = convert(from[i]);
            continue;
        }
        for (int64_t i = 0; i < count; ++i) {
            for (int64_t c = 0; c < depth; ++c) {
                to[i * depth + c] = convert(from[i * plane.pixel_stride + c * plane.channel_stride]);
            }
        }
    }
}

template <class From, class To>
POSEOPS_INLINE void load_rows(const Plane<From>& plane, const RowCopy<To, From>& copy, int64_t count) {
    if constexpr (std::is_same_v<From, To>) {
        if (plane.dense_rows) {
            copy_rows(copy, count * plane.depth);
        } else {
            convert_rows(plane, copy, count, [](From value) { return value; });
        }
    } else {
        convert_rows(plane, copy, count, [](From value) { return load_as_compute(value); });
    }
}

template <class T>
POSEOPS_INLINE void set_zero(T* elements, int64_t count) {
    if (count > 0) std::memset(elements, 0, static_cast<size_t>(count) * sizeof(T));
}

// `rows` rows of `width` pixels from (first_y, first_x) on, 0 outside of the plane, one behind the other, in the
// plane's type or its compute type.
template <class From, class To>
POSEOPS_INLINE void load_window(const Plane<From>& plane, int32_t first_y, int32_t first_x, int32_t rows,
                                int32_t width, To* out) {
    const WindowSpan inside_y = visible_span(first_y, rows, plane.height);
    const WindowSpan inside_x = visible_span(first_x, width, plane.width);
    const int32_t seen_rows = inside_y.end - inside_y.begin;
    const int32_t seen_columns = inside_x.end - inside_x.begin;
    if (seen_rows < rows || seen_columns < width) set_zero(out, int64_t{rows} * width * plane.depth);
    if (seen_rows == 0 || seen_columns == 0) return;
    load_rows(plane,
              RowCopy<To, From>{out + (int64_t{inside_y.begin} * width + inside_x.begin) * plane.depth,
                                plane.at(first_y + inside_y.begin, first_x + inside_x.begin),
                                width * plane.depth, plane.row_stride, seen_rows},
              seen_columns);
}

// out[i] lies between tile[i] and its neighbour `shift` elements on: the next pixel or the next row.
template <class Real>
POSEOPS_INLINE void blend_neighbours(const Real* tile, int64_t shift, Real fraction, int64_t count,
                                     Real* out) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) out[i] = blend(tile[i], tile[i + shift], fraction);
}

// Window rows that one tile holds, where a window of `height` rows needs one row more.
POSEOPS_INLINE int32_t rows_per_tile(int64_t pitch, int32_t height) {
    const int64_t rows = kElementsPerTile / pitch - 1;
    return rows < 1 ? 1 : rows < height ? static_cast<int32_t>(rows) : height;
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
