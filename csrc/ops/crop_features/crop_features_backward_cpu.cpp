// The gradient of the features on the CPU. A thread owns a stretch of rows of a map and adds to it what the windows
// contribute, joint by joint: nothing is written twice, and the sums do not depend on the number of threads.
#include <type_traits>

#include "core/huge_pages.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/crop_features/crop_features.h"
#include "ops/crop_features/crop_features_tiles.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Adds rows of `count` elements. The short rows of windows would spend their time in the entry and exit of a loop
// over vectors, so the rest that is no multiple of 8 is taken in steps of 4, 2 and 1.
template <class Real>
POSEOPS_INLINE void add_rows(const RowCopy<Real, Real>& rows, int64_t count) {
    const auto add = [](Real* to, const Real* from, auto size) {
        for (int i = 0; i < size.value; ++i) to[i] += from[i];
    };
    for (int64_t row = 0; row < rows.rows; ++row) {
        Real* to = rows.to + row * rows.to_stride;
        const Real* from = rows.from + row * rows.from_stride;
        int64_t i = 0;
        for (; i + 8 <= count; i += 8) add(to + i, from + i, std::integral_constant<int, 8>{});
        if ((count & 4) != 0) add(to + i, from + i, std::integral_constant<int, 4>{}), i += 4;
        if ((count & 2) != 0) add(to + i, from + i, std::integral_constant<int, 2>{}), i += 2;
        if ((count & 1) != 0) to[i] += from[i];
    }
}

// The adjoint of blend_neighbours, with the gradient's zeros before its first and behind its last row and pixel.
template <class Real>
POSEOPS_INLINE void spread_neighbours(const Real* tile, int64_t shift, Real fraction, int64_t count,
                                      Real* out) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) out[i] = blend(tile[i + shift], tile[i], fraction);
}

// A stretch of an image's gradient that one thread makes at a time: rows [row_begin, row_end) of some planes.
template <class Real>
struct Stretch {
    Real* sums;  // of the first plane's first row
    int64_t plane_stride, row_stride;
    int64_t plane_begin, plane_end;
    int32_t row_begin, row_end;
};

// Work of about this many elements, 64 KiB of floats: short enough for the second cache, and the gradients of a
// window's planes are read in one go.
constexpr int64_t kElementsPerStretch = 16384;

// How a level is divided into stretches.
struct Stretches {
    int32_t rows;
    int64_t planes;
    int64_t row_parts, plane_parts;

    POSEOPS_INLINE explicit Stretches(const LevelShape& shape) {
        const int64_t row_elements = shape.map_width * shape.depth;
        const int64_t fitting_rows = kElementsPerStretch / row_elements;
        rows = static_cast<int32_t>(fitting_rows < 1                  ? 1
                                    : fitting_rows > shape.map_height ? shape.map_height
                                                                      : fitting_rows);
        const int64_t fitting_planes = fitting_rows / shape.map_height;
        planes = fitting_planes < 1 ? 1 : fitting_planes > shape.planes ? shape.planes : fitting_planes;
        row_parts = (shape.map_height + rows - 1) / rows;
        plane_parts = (shape.planes + planes - 1) / planes;
    }
};

// What a window, `height` rows of `width` pixels, contributes to a stretch: its rows [begin, end), some columns.
struct Contribution {
    int32_t begin, end;
    WindowSpan columns;
};

template <class Real>
POSEOPS_INLINE Contribution contribution(const JointWindow& window, int32_t height, int32_t width,
                                         int32_t map_width, const Stretch<Real>& stretch) {
    const WindowSpan columns = visible_span(window.x, width, map_width);
    const int32_t begin = clamped(stretch.row_begin - window.y, 0, height);
    const int32_t end = clamped(stretch.row_end - window.y, begin, height);
    return {begin, window.known && columns.begin < columns.end ? end : begin, columns};
}

// Adds rows of the contribution, `pitch` elements apart, to a plane of the stretch.
template <class Real>
POSEOPS_INLINE void add_part(const Stretch<Real>& stretch, int64_t plane, const JointWindow& window,
                             const Contribution& part, int64_t depth, const Real* rows, int64_t pitch) {
    Real* const sums = stretch.sums + (plane - stretch.plane_begin) * stretch.plane_stride +
                       (window.y + part.begin - stretch.row_begin) * stretch.row_stride +
                       (window.x + part.columns.begin) * depth;
    add_rows(RowCopy<Real, Real>{sums, rows, stretch.row_stride, pitch, part.end - part.begin},
             (part.columns.end - part.columns.begin) * depth);
}

// Whole pixels: the gradients as they are, through `tile` where they have another type or scattered elements.
template <class T>
POSEOPS_INLINE void add_copied(const Plane<T>& grad, const Stretch<compute_t<T>>& stretch, int64_t plane,
                               const JointWindow& window, const Contribution& part, compute_t<T>* tile) {
    const T* const first = grad.at(part.begin, part.columns.begin);
    if constexpr (std::is_same_v<T, compute_t<T>>) {
        if (grad.dense_rows) {
            add_part(stretch, plane, window, part, grad.depth, first, grad.row_stride);
            return;
        }
    }
    const int64_t columns = part.columns.end - part.columns.begin;
    const int64_t pitch = columns * grad.depth;
    load_rows(grad, RowCopy<compute_t<T>, T>{tile, first, pitch, grad.row_stride, part.end - part.begin},
              columns);
    add_part(stretch, plane, window, part, grad.depth, tile, pitch);
}

// Bilinear: the gradient, with zeros around it, is spread over four neighbours. Both tiles hold a row and a pixel more
// than the part, of the window's width and one pixel.
template <class T>
POSEOPS_INLINE void add_spread(const Plane<T>& grad, const Stretch<compute_t<T>>& stretch, int64_t plane,
                               const JointWindow& window, const Contribution& part, compute_t<T>* tile,
                               compute_t<T>* across) {
    using Real = compute_t<T>;
    const int32_t width = grad.width + 1;
    const int64_t pitch = width * grad.depth;
    const int32_t rows = part.end - part.begin;
    load_window(grad, part.begin - 1, -1, rows + 1, width, tile);
    set_zero(tile + (rows + 1) * pitch, grad.depth);
    spread_neighbours(tile, grad.depth, static_cast<Real>(window.fraction_x), (rows + 1) * pitch, across);
    spread_neighbours(across, pitch, static_cast<Real>(window.fraction_y), rows * pitch, tile);
    add_part(stretch, plane, window, part, grad.depth, tile + part.columns.begin * grad.depth, pitch);
}

// The windows of one image, and the buffers of a thread.
template <class Real>
struct GatherScratch {
    Scratch<JointWindow, 32> windows;
    Scratch<Real> tile, across, sums;

    POSEOPS_INLINE GatherScratch(const LevelShape& shape, const Stretches& parts, bool separate_sums)
        : windows(shape.joints),
          tile(tile_elements(shape, parts)),
          across(tile_elements(shape, parts)),
          sums(separate_sums ? parts.planes * parts.rows * shape.map_width * shape.depth : 0) {}

    POSEOPS_INLINE static int64_t tile_elements(const LevelShape& shape, const Stretches& parts) {
        const int64_t rows = parts.rows < shape.height + 1 ? parts.rows : shape.height + 1;
        return (rows + 1) * (shape.width + 1) * shape.depth + shape.depth;
    }
};

// Sums what all windows of image b contribute to a stretch.
template <class T>
POSEOPS_INLINE void fill_stretch(const CropFeaturesArgs& args, const CropLevel& level,
                                 const LevelShape& shape, int64_t b, const Stretch<compute_t<T>>& stretch,
                                 GatherScratch<compute_t<T>>& scratch) {
    const int64_t elements = (stretch.row_end - stretch.row_begin) * stretch.row_stride;
    for (int64_t plane = stretch.plane_begin; plane < stretch.plane_end; ++plane) {
        set_zero(stretch.sums + (plane - stretch.plane_begin) * stretch.plane_stride, elements);
    }
    const int32_t more = args.bilinear ? 1 : 0;
    for (int64_t k = 0; k < shape.joints; ++k) {
        const JointWindow& window = scratch.windows[k];
        const Contribution part =
            contribution(window, shape.height + more, shape.width + more, shape.map_width, stretch);
        if (part.begin == part.end) continue;
        const T* const joint = level.crops.as<T>() + b * level.crops.strides[0] + k * level.crops.strides[1];
        for (int64_t plane = stretch.plane_begin; plane < stretch.plane_end; ++plane) {
            const Plane<T> grad(level.crops, joint, plane, shape.depth);
            if (args.bilinear) {
                add_spread(grad, stretch, plane, window, part, scratch.tile.data(), scratch.across.data());
            } else {
                add_copied(grad, stretch, plane, window, part, scratch.tile.data());
            }
        }
    }
}

// Stretch number `part` of image b: in the output itself, or, where that is of another type, in the thread's sums.
template <class T>
POSEOPS_INLINE void make_stretch(const CropFeaturesArgs& args, const CropLevel& level,
                                 const LevelShape& shape, const Stretches& parts, int64_t b, int64_t part,
                                 GatherScratch<compute_t<T>>& scratch) {
    using Real = compute_t<T>;
    Stretch<Real> stretch = {};
    stretch.row_begin = static_cast<int32_t>(part % parts.row_parts) * parts.rows;
    stretch.row_end = clamped(stretch.row_begin + parts.rows, 0, shape.map_height);
    stretch.plane_begin = part / parts.row_parts * parts.planes;
    stretch.plane_end = stretch.plane_begin + parts.planes;
    if (stretch.plane_end > shape.planes) stretch.plane_end = shape.planes;
    stretch.row_stride = shape.map_width * shape.depth;
    const int64_t map_elements = shape.map_height * stretch.row_stride;
    T* const out = level.features.as<T>() + (b * shape.planes + stretch.plane_begin) * map_elements +
                   stretch.row_begin * stretch.row_stride;
    if constexpr (std::is_same_v<T, Real>) {
        stretch.sums = out;
        stretch.plane_stride = map_elements;
        fill_stretch<T>(args, level, shape, b, stretch, scratch);
    } else {
        const int64_t elements = (stretch.row_end - stretch.row_begin) * stretch.row_stride;
        stretch.sums = scratch.sums.data();
        stretch.plane_stride = elements;
        fill_stretch<T>(args, level, shape, b, stretch, scratch);
        for (int64_t plane = 0; plane < stretch.plane_end - stretch.plane_begin; ++plane) {
            const Real* const sums = stretch.sums + plane * elements;
            T* const target = out + plane * map_elements;
#pragma omp simd
            for (int64_t i = 0; i < elements; ++i) store_from_compute(target + i, sums[i]);
        }
    }
}

template <class T>
POSEOPS_INLINE void gather_level(const CropFeaturesArgs& args, const CropLevel& level) {
    const LevelShape shape(level, !level.features.is_contiguous());
    const Stretches parts(shape);
    const int64_t per_image = parts.row_parts * parts.plane_parts;
    advise_huge_pages(level.features.data, level.features.numel() * static_cast<int64_t>(sizeof(T)));
    parallel_for(shape.batch * per_image, 1, [&](int64_t begin, int64_t end) {
        GatherScratch<compute_t<T>> scratch(shape, parts, !std::is_same_v<T, compute_t<T>>);
        int64_t image = -1;
        for (int64_t task = begin; task < end; ++task) {
            const int64_t b = task / per_image;
            for (int64_t k = 0; b != image && k < shape.joints; ++k) {
                scratch.windows[k] = load_joint_window(args, level, b, k);
            }
            image = b;
            make_stretch<T>(args, level, shape, parts, b, task % per_image, scratch);
        }
    });
}

}  // namespace

void crop_features_backward(const CropFeaturesArgs& args) {
    visit_floating(args.levels[0].features.dtype, [&](auto tag) {
        for (int32_t i = 0; i < args.level_count; ++i) {
            if (args.levels[i].features.numel() > 0) {
                gather_level<typename decltype(tag)::type>(args, args.levels[i]);
            }
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
