// The gradient of the centres on the CPU: a thread sums one joint over its windows on all levels.
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/crop_features/crop_features.h"
#include "ops/crop_features/crop_features_tiles.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Sums over the planes, for each sample of a tile: the gradient times the slope of the features to the right and down.
// The last pixel of a tile's row is no sample.
template <class Real>
struct SlopeSums {
    Real* x;
    Real* y;
};

template <class Real>
POSEOPS_INLINE void add_slopes(const SlopeSums<Real>& sums, const Real* tile, const Real* across,
                               const Real* grad, int64_t depth, int64_t pitch, Real fraction_y,
                               int64_t count) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
        const Real above = tile[i + depth] - tile[i];
        const Real below = tile[i + pitch + depth] - tile[i + pitch];
        sums.x[i] += grad[i] * blend(above, below, fraction_y);
        sums.y[i] += grad[i] * (across[i + pitch] - across[i]);
    }
}

struct CenterGradient {
    double x, y;
};

template <class T>
POSEOPS_INLINE CenterGradient level_center_gradient(const CropFeaturesArgs& args, const CropLevel& level,
                                                    int64_t b, int64_t k) {
    using Real = compute_t<T>;
    CenterGradient total = {0.0, 0.0};
    const JointWindow window = load_joint_window(args, level, b, k);
    if (!window.known || level.crops.numel() == 0) return total;
    const LevelShape shape(level, has_channels_innermost(level.features) && !level.features.is_contiguous());
    const int32_t width = shape.width + 1;
    const int64_t pitch = width * shape.depth;
    const int32_t step = rows_per_tile(pitch, shape.height);
    const int64_t tile_elements = (step + 1) * pitch + shape.depth;
    Scratch<Real> tile(tile_elements), across(tile_elements), grads(step * pitch), sums_x(step * pitch),
        sums_y(step * pitch);
    set_zero(tile.data(), tile_elements);
    const T* const image = level.features.as<T>() + b * level.features.strides[0];
    const T* const joint = level.crops.as<T>() + b * level.crops.strides[0] + k * level.crops.strides[1];
    for (int32_t begin = 0; begin < shape.height; begin += step) {
        const int32_t rows = step < shape.height - begin ? step : shape.height - begin;
        set_zero(sums_x.data(), rows * pitch);
        set_zero(sums_y.data(), rows * pitch);
        for (int64_t p = 0; p < shape.planes; ++p) {
            const Plane<T> plane(level.features, image, p, shape.depth);
            load_window(plane, window.y + begin, window.x, rows + 1, width, tile.data());
            load_window(Plane<T>(level.crops, joint, p, shape.depth), begin, 0, rows, width, grads.data());
            blend_neighbours(tile.data(), shape.depth, static_cast<Real>(window.fraction_x),
                             (rows + 1) * pitch, across.data());
            add_slopes(SlopeSums<Real>{sums_x.data(), sums_y.data()}, tile.data(), across.data(),
                       grads.data(), shape.depth, pitch, static_cast<Real>(window.fraction_y), rows * pitch);
        }
        for (int64_t i = 0; i < rows * pitch; ++i) {
            if (i % pitch >= pitch - shape.depth) continue;
            total.x += static_cast<double>(sums_x[i]);
            total.y += static_cast<double>(sums_y[i]);
        }
    }
    return {total.x * level.scale_x, total.y * level.scale_y};
}

template <class T>
POSEOPS_INLINE void gather_centers(const CropCenterGradientArgs& args) {
    const int64_t joints = args.grad_centers.shape[1];
    auto* const out = args.grad_centers.as<compute_t<T>>();
    parallel_for(args.grad_centers.shape[0] * joints, 1, [&](int64_t begin, int64_t end) {
        for (int64_t index = begin; index < end; ++index) {
            CenterGradient total = {0.0, 0.0};
            for (int32_t i = 0; i < args.forward.level_count; ++i) {
                const CenterGradient one = level_center_gradient<T>(args.forward, args.forward.levels[i],
                                                                    index / joints, index % joints);
                total.x += one.x;
                total.y += one.y;
            }
            out[2 * index] = static_cast<compute_t<T>>(total.x);
            out[2 * index + 1] = static_cast<compute_t<T>>(total.y);
        }
    });
}

}  // namespace

void crop_features_center_gradient(const CropCenterGradientArgs& args) {
    visit_floating(args.forward.levels[0].features.dtype,
                   [&](auto tag) { gather_centers<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
