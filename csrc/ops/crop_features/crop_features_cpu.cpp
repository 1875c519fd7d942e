// crop_features on the CPU. Whole pixels: rows are copied. Bilinear: all samples of a window lie at the same fraction
// of a pixel, so a window is a tile one pixel larger, blended with itself shifted by a pixel, then by a row.
#include <type_traits>

#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/crop_features/crop_features.h"
#include "ops/crop_features/crop_features_tiles.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// `tile` and `across` hold step + 1 rows of width + 1 pixels, and one pixel more.
template <class T>
POSEOPS_INLINE void blend_window(const Plane<T>& plane, const LevelShape& shape, const JointWindow& window,
                                 int32_t step, compute_t<T>* tile, compute_t<T>* across, T* out) {
    using Real = compute_t<T>;
    const int64_t pitch = (shape.width + 1) * shape.depth;
    const int64_t row_elements = shape.width * shape.depth;
    const Real fraction_x = static_cast<Real>(window.fraction_x);
    const Real fraction_y = static_cast<Real>(window.fraction_y);
    for (int32_t begin = 0; begin < shape.height; begin += step) {
        const int32_t rows = step < shape.height - begin ? step : shape.height - begin;
        load_window(plane, window.y + begin, window.x, rows + 1, shape.width + 1, tile);
        blend_neighbours(tile, shape.depth, fraction_x, (rows + 1) * pitch, across);
        blend_neighbours(across, pitch, fraction_y, rows * pitch, tile);
        if constexpr (std::is_same_v<T, Real>) {
            copy_rows(RowCopy<T, T>{out + begin * row_elements, tile, row_elements, pitch, rows},
                      row_elements);
        } else {
            for (int32_t row = 0; row < rows; ++row) {
                const Real* const blended = tile + row * pitch;
                T* const out_row = out + (begin + row) * row_elements;
#pragma omp simd
                for (int64_t i = 0; i < row_elements; ++i) store_from_compute(out_row + i, blended[i]);
            }
        }
    }
}

template <class Real>
struct CropScratch {
    Scratch<Real> tile, across;

    POSEOPS_INLINE explicit CropScratch(int64_t elements) : tile(elements), across(elements) {
        set_zero(tile.data(), elements);  // a tile's last pixel is read, and what comes of it dropped
    }
};

// Planes [begin, end) of a joint's crop; `out` is the first of them.
template <class T>
POSEOPS_INLINE void crop_planes(const CropFeaturesArgs& args, const CropLevel& level, const LevelShape& shape,
                                int64_t joint, int64_t begin, int64_t end, CropScratch<compute_t<T>>& scratch,
                                T* out) {
    const int64_t elements = shape.height * shape.width * shape.depth;
    const int64_t b = joint / shape.joints;
    const JointWindow window = load_joint_window(args, level, b, joint - b * shape.joints);
    if (!window.known) {
        set_zero(out, (end - begin) * elements);
        return;
    }
    const T* const image = level.features.as<T>() + b * level.features.strides[0];
    const int32_t step = rows_per_tile((shape.width + 1) * shape.depth, shape.height);
    for (int64_t p = begin; p < end; ++p, out += elements) {
        const Plane<T> plane(level.features, image, p, shape.depth);
        if (args.bilinear) {
            blend_window(plane, shape, window, step, scratch.tile.data(), scratch.across.data(), out);
        } else {
            load_window(plane, window.y, window.x, shape.height, shape.width, out);
        }
    }
}

template <class T>
POSEOPS_INLINE void crop_level(const CropFeaturesArgs& args, const CropLevel& level) {
    const LevelShape shape(level, !level.crops.is_contiguous());
    const int64_t elements = shape.height * shape.width * shape.depth;
    const int64_t pitch = (shape.width + 1) * shape.depth;
    const int64_t tile_elements =
        args.bilinear ? (rows_per_tile(pitch, shape.height) + 1) * pitch + shape.depth : 0;
    const int64_t planes = shape.batch * shape.joints * shape.planes;
    parallel_for(planes, kElementsPerThread / elements + 1, [&](int64_t begin, int64_t end) {
        CropScratch<compute_t<T>> scratch(tile_elements);
        for (int64_t joint = begin / shape.planes; begin < end; ++joint) {
            const int64_t first = joint * shape.planes;
            const int64_t past = first + shape.planes < end ? first + shape.planes : end;
            crop_planes(args, level, shape, joint, begin - first, past - first, scratch,
                        level.crops.as<T>() + begin * elements);
            begin = past;
        }
    });
}

}  // namespace

void crop_features(const CropFeaturesArgs& args) {
    visit_floating(args.levels[0].crops.dtype, [&](auto tag) {
        for (int32_t i = 0; i < args.level_count; ++i) {
            if (args.levels[i].crops.numel() > 0) {
                crop_level<typename decltype(tag)::type>(args, args.levels[i]);
            }
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
