// The CPU loops of gaussian_heatmap: a row of x factors and a column of y factors per joint, and their
// product.
#include <cstring>

#include "core/convert.h"
#include "core/denormals.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Rows that one task of the channels_last loops owns: 8 x 48 pixels x 17 joints of float32 stay in the L1
// cache.
constexpr int64_t kRowsPerTask = 8;
// Output elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 16384;

struct Extent {
    int64_t batch, people, joints, height, width;

    POSEOPS_INLINE explicit Extent(const GaussianHeatmapArgs& args)
        : batch(args.heatmaps.shape[0]),
          people(args.keypoints.shape[1]),
          joints(args.heatmaps.shape[1]),
          height(args.heatmaps.shape[2]),
          width(args.heatmaps.shape[3]) {}
};

template <class Real>
POSEOPS_INLINE void fill_factors(Real* factors, const GaussianAxis& axis, Real scale) {
    const Real centre = static_cast<Real>(axis.centre);
    for (int32_t i = axis.begin; i < axis.end; ++i) {
        factors[i] = gaussian_value(static_cast<Real>(i), centre, scale);
    }
}

// One row of a joint: `fresh` pixels are overwritten, others keep the larger value.
template <class T, class Real>
POSEOPS_INLINE void write_row(T* row, const Real* factors, Real factor, const GaussianAxis& axis,
                              bool fresh) {
    if (fresh) {
        for (int32_t x = axis.begin; x < axis.end; ++x) store_from_compute(row + x, factors[x] * factor);
        return;
    }
    for (int32_t x = axis.begin; x < axis.end; ++x) {
        const Real value = factors[x] * factor;
        const Real before = load_as_compute(row[x]);
        store_from_compute(row + x, value > before ? value : before);
    }
}

POSEOPS_INLINE bool covers_map(const GaussianJoint& joint, const Extent& extent) {
    return joint.drawn && joint.x.begin == 0 && joint.x.end == extent.width && joint.y.begin == 0 &&
           joint.y.end == extent.height;
}

POSEOPS_INLINE void store_weight(const GaussianHeatmapArgs& args, int64_t map, double weight) {
    if (args.weights.dtype == DType::kFloat64) {
        args.weights.as<double>()[map] = weight;
    } else {
        args.weights.as<float>()[map] = static_cast<float>(weight);
    }
}

// ---- NCHW: one task is one map, which stays in the L1 cache between the zeroes and the Gaussian
// ------------------

template <class T>
POSEOPS_INLINE double draw_map(const GaussianHeatmapArgs& args, const Extent& extent, int64_t b, int64_t k,
                               T* map, compute_t<T>* across, compute_t<T>* down) {
    double weight = 0.0;
    if (extent.people == 0) std::memset(map, 0, sizeof(T) * extent.height * extent.width);
    for (int64_t n = 0; n < extent.people; ++n) {
        const GaussianJoint joint = load_gaussian_joint(args, b, n, k);
        if (n == 0 && !covers_map(joint, extent))
            std::memset(map, 0, sizeof(T) * extent.height * extent.width);
        weight = n == 0 || joint.weight > weight ? joint.weight : weight;
        if (!joint.drawn) continue;
        const auto scale = gaussian_scale<compute_t<T>>(joint.sigma);
        fill_factors(across, joint.x, scale);
        fill_factors(down, joint.y, scale);
        for (int32_t y = joint.y.begin; y < joint.y.end; ++y) {
            write_row(map + y * extent.width, across, down[y], joint.x, n == 0);
        }
    }
    return weight;
}

template <class T>
POSEOPS_INLINE void render_maps(const GaussianHeatmapArgs& args) {
    const Extent extent(args);
    const int64_t pixels = extent.height * extent.width;
    parallel_for(extent.batch * extent.joints, kElementsPerThread / pixels + 1,
                 [&](int64_t begin, int64_t end) {
                     const FlushDenormals flush;
                     Scratch<compute_t<T>> across(extent.width);
                     Scratch<compute_t<T>> down(extent.height);
                     for (int64_t map = begin; map < end; ++map) {
                         const double weight =
                             draw_map(args, extent, map / extent.joints, map % extent.joints,
                                      args.heatmaps.as<T>() + map * pixels, across.data(), down.data());
                         store_weight(args, map, weight);
                     }
                 });
}

// ---- channels_last: one task is a few rows of all joints
// ---------------------------------------------------------

// Windows: every joint is scattered, pixel by pixel, into rows that were zeroed a moment ago.
template <class T>
POSEOPS_INLINE void draw_rows_windowed(const GaussianHeatmapArgs& args, const Extent& extent, int64_t b,
                                       T* image, int32_t y_begin, int32_t y_end, compute_t<T>* across) {
    using Real = compute_t<T>;
    const int64_t row = extent.width * extent.joints;
    std::memset(image + y_begin * row, 0, sizeof(T) * (y_end - y_begin) * row);
    for (int64_t i = 0; i < extent.people * extent.joints; ++i) {
        const int64_t k = i % extent.joints;
        const GaussianJoint joint = load_gaussian_joint(args, b, i / extent.joints, k);
        const int32_t first = joint.y.begin > y_begin ? joint.y.begin : y_begin;
        const int32_t past = joint.y.end < y_end ? joint.y.end : y_end;
        if (!joint.drawn || first >= past) continue;
        const Real scale = gaussian_scale<Real>(joint.sigma);
        fill_factors(across, joint.x, scale);
        for (int32_t y = first; y < past; ++y) {
            const Real factor =
                gaussian_value(static_cast<Real>(y), static_cast<Real>(joint.y.centre), scale);
            for (int32_t x = joint.x.begin; x < joint.x.end; ++x) {
                T* pixel = image + y * row + x * extent.joints + k;
                const Real value = across[x] * factor;
                if (value > load_as_compute(*pixel)) store_from_compute(pixel, value);
            }
        }
    }
}

// Whole-map Gaussians: in memory order. `across` holds the x factors of a row as (width, joints), 0 for
// joints that are not drawn, and `down` the y factors of one row, repeated for every pixel: the product is
// one vector loop.
template <class T>
POSEOPS_INLINE void draw_rows_full(const GaussianHeatmapArgs& args, const Extent& extent, int64_t b, T* image,
                                   int32_t y_begin, int32_t y_end, compute_t<T>* across, compute_t<T>* down,
                                   GaussianJoint* joint_of) {
    using Real = compute_t<T>;
    const int64_t joints = extent.joints;
    const int32_t row = static_cast<int32_t>(extent.width * joints);
    const GaussianAxis whole_row = {0.0, 0, row, false};
    if (extent.people == 0) std::memset(image + y_begin * row, 0, sizeof(T) * (y_end - y_begin) * row);
    for (int64_t n = 0; n < extent.people; ++n) {
        for (int64_t k = 0; k < joints; ++k) {
            joint_of[k] = load_gaussian_joint(args, b, n, k);
            const Real scale = joint_of[k].drawn ? gaussian_scale<Real>(joint_of[k].sigma) : Real(0);
            const Real centre = static_cast<Real>(joint_of[k].x.centre);
            for (int64_t x = 0; x < extent.width; ++x) {
                across[x * joints + k] = gaussian_value(static_cast<Real>(x), centre, scale);
            }
        }
        for (int32_t y = y_begin; y < y_end; ++y) {
            for (int64_t k = 0; k < joints; ++k) {
                const GaussianJoint& joint = joint_of[k];
                const Real centre = static_cast<Real>(joint.y.centre);
                down[k] = joint.drawn ? gaussian_value(static_cast<Real>(y), centre,
                                                       gaussian_scale<Real>(joint.sigma))
                                      : Real(0);
            }
            for (int64_t done = joints; done < row; done *= 2) {
                const int64_t count = done < row - done ? done : row - done;
                std::memcpy(down + done, down, sizeof(Real) * count);
            }
            T* out = image + y * static_cast<int64_t>(row);
            for (int32_t j = 0; j < row; ++j) down[j] *= across[j];
            write_row(out, down, Real(1), whole_row, n == 0);
        }
    }
}

template <class T>
POSEOPS_INLINE void render_rows(const GaussianHeatmapArgs& args) {
    const Extent extent(args);
    const int64_t row = extent.width * extent.joints;
    const int64_t blocks = (extent.height + kRowsPerTask - 1) / kRowsPerTask;
    const bool full = args.encoding == GaussianEncoding::kUnbiased;
    const int64_t grain = kElementsPerThread / (kRowsPerTask * row) + 1;
    parallel_for(extent.batch * blocks, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        Scratch<compute_t<T>> across(full ? row : extent.width);
        Scratch<compute_t<T>> down(full ? row : 1);
        Scratch<GaussianJoint, 32> joint_of(full ? extent.joints : 1);
        for (int64_t task = begin; task < end; ++task) {
            const int64_t b = task / blocks;
            const int32_t y_begin = static_cast<int32_t>(task % blocks * kRowsPerTask);
            const int64_t y_past = y_begin + kRowsPerTask;
            const int32_t y_end = static_cast<int32_t>(y_past < extent.height ? y_past : extent.height);
            T* image = args.heatmaps.as<T>() + b * extent.height * row;
            if (full) {
                draw_rows_full(args, extent, b, image, y_begin, y_end, across.data(), down.data(),
                               joint_of.data());
            } else {
                draw_rows_windowed(args, extent, b, image, y_begin, y_end, across.data());
            }
        }
    });
    for (int64_t map = 0; map < extent.batch * extent.joints; ++map) {
        double weight = 0.0;
        for (int64_t n = 0; n < extent.people; ++n) {
            const double one = load_gaussian_joint(args, map / extent.joints, n, map % extent.joints).weight;
            weight = n == 0 || one > weight ? one : weight;
        }
        store_weight(args, map, weight);
    }
}

}  // namespace

void gaussian_heatmap(const GaussianHeatmapArgs& args) {
    const bool channels_last = !args.heatmaps.is_contiguous();
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (channels_last) {
            render_rows<T>(args);
        } else {
            render_maps<T>(args);
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
