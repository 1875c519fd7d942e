// The CPU loops of gaussian_heatmap: the factors of a joint along x and along y, and their product.
//
// Rows are worked on in blocks of a fixed number of elements, so that a window 13 pixels wide too is one full
// register. A block that would pass the end of its row is moved back and redoes a few elements; factors
// outside a joint's window are 0, so a block may also pass the end of the window.
#include <cstring>

#include "core/convert.h"
#include "core/denormals.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

constexpr int32_t kBlock = 16;  // floats in the widest register
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

// `at`, or as far back as a block needs to end within `length` >= kBlock elements.
POSEOPS_INLINE int64_t block_start(int64_t at, int64_t length) {
    return at < length - kBlock ? at : length - kBlock;
}

template <class Real>
POSEOPS_INLINE void fill_block(Real* factors, int32_t first, int32_t count, const GaussianAxis& axis,
                               Real scale) {
    const Real centre = static_cast<Real>(axis.centre);
#pragma omp simd
    for (int32_t i = first; i < first + count; ++i) {
        const Real value = gaussian_value(static_cast<Real>(i), centre, scale);
        factors[i] = i >= axis.begin && i < axis.end ? value : Real(0);
    }
}

// The factors of a joint on the pixels of its window, and 0 beside it as far as the blocks reach.
template <class Real>
POSEOPS_INLINE void fill_factors(Real* factors, const GaussianAxis& axis, Real scale, int64_t length) {
    if (length < kBlock) return fill_block(factors, 0, static_cast<int32_t>(length), axis, scale);
    for (int32_t i = axis.begin; i < axis.end; i += kBlock) {
        fill_block(factors, static_cast<int32_t>(block_start(i, length)), kBlock, axis, scale);
    }
}

// The second factor of a product: one for the whole row, or one per element.
POSEOPS_INLINE float factor_at(float factor, int64_t) { return factor; }
POSEOPS_INLINE double factor_at(double factor, int64_t) { return factor; }
template <class Real>
POSEOPS_INLINE Real factor_at(const Real* factors, int64_t i) {
    return factors[i];
}

// `fresh` elements are overwritten, others keep the larger value.
template <class T, class Real, class Factor>
POSEOPS_INLINE void write_block(T* row, const Real* first, Factor second, int64_t begin, int64_t count,
                                bool fresh) {
    if (fresh) {
#pragma omp simd
        for (int64_t i = begin; i < begin + count; ++i) {
            store_from_compute(row + i, first[i] * factor_at(second, i));
        }
        return;
    }
#pragma omp simd
    for (int64_t i = begin; i < begin + count; ++i) {
        const Real value = first[i] * factor_at(second, i);
        const Real before = load_as_compute(row[i]);
        store_from_compute(row + i, value > before ? value : before);
    }
}

// Elements [begin, end) of a row; short stretches in blocks.
template <class T, class Real, class Factor>
POSEOPS_INLINE void write_row(T* row, const Real* first, Factor second, int64_t begin, int64_t end,
                              int64_t length, bool fresh) {
    if (length < kBlock || end - begin > 2 * kBlock) {
        return write_block(row, first, second, begin, end - begin, fresh);
    }
    for (int64_t i = begin; i < end; i += kBlock) {
        write_block(row, first, second, block_start(i, length), kBlock, fresh);
    }
}

template <class T>
POSEOPS_INLINE void write_zeros(T* begin, int64_t count) {
    std::memset(static_cast<void*>(begin), 0, sizeof(T) * static_cast<size_t>(count));
}

POSEOPS_INLINE void store_weight(const GaussianHeatmapArgs& args, int64_t map, double weight) {
    if (args.weights.dtype == DType::kFloat64) {
        args.weights.as<double>()[map] = weight;
    } else {
        args.weights.as<float>()[map] = static_cast<float>(weight);
    }
}

// ---- NCHW: one task is one map, which stays in the L1 cache between the zeroes and the Gaussian ----

POSEOPS_INLINE bool covers_map(const GaussianJoint& joint, const Extent& extent) {
    return joint.drawn && joint.x.begin == 0 && joint.x.end == extent.width && joint.y.begin == 0 &&
           joint.y.end == extent.height;
}

template <class T>
POSEOPS_INLINE double draw_map(const GaussianHeatmapArgs& args, const Extent& extent, int64_t b, int64_t k,
                               T* map, compute_t<T>* across, compute_t<T>* down) {
    double weight = 0.0;
    if (extent.people == 0) write_zeros(map, extent.height * extent.width);
    for (int64_t n = 0; n < extent.people; ++n) {
        const GaussianJoint joint = load_gaussian_joint(args, b, n, k);
        if (n == 0 && !covers_map(joint, extent)) write_zeros(map, extent.height * extent.width);
        weight = n == 0 || joint.weight > weight ? joint.weight : weight;
        if (!joint.drawn) continue;
        const auto scale = gaussian_scale<compute_t<T>>(joint.sigma);
        fill_factors(across, joint.x, scale, extent.width);
        fill_factors(down, joint.y, scale, extent.height);
        for (int32_t y = joint.y.begin; y < joint.y.end; ++y) {
            T* row = map + y * extent.width;
            write_row(row, across, down[y], joint.x.begin, joint.x.end, extent.width, n == 0);
        }
    }
    return weight;
}

template <class T>
POSEOPS_INLINE void render_maps(const GaussianHeatmapArgs& args) {
    const Extent extent(args);
    const int64_t pixels = extent.height * extent.width;
    const int64_t grain = kElementsPerThread / pixels + 1;
    parallel_for(extent.batch * extent.joints, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        Scratch<compute_t<T>> across(extent.width);
        Scratch<compute_t<T>> down(extent.height);
        for (int64_t map = begin; map < end; ++map) {
            const double weight = draw_map(args, extent, map / extent.joints, map % extent.joints,
                                           args.heatmaps.as<T>() + map * pixels, across.data(), down.data());
            store_weight(args, map, weight);
        }
    });
}

// ---- channels_last ----

// Rows [y_begin, y_end) of one image and scratch memory: `across` and `down` hold (width, joints) and (height, joints)
// factors in the memory order of the maps, or those of one joint; `row` a row of the image; `line` one joint's row.
template <class T>
struct ImageRows {
    using Real = compute_t<T>;
    T* image;
    int64_t b, y_begin, y_end;
    Real* across;
    Real* down;
    Real* row;
    T* line;
};

// Windows: every joint is scattered, pixel by pixel, into zeroes.
template <class T>
POSEOPS_INLINE void draw_windows(const GaussianHeatmapArgs& args, const Extent& extent,
                                 const ImageRows<T>& rows) {
    const int64_t length = extent.width * extent.joints;
    write_zeros(rows.image + rows.y_begin * length, (rows.y_end - rows.y_begin) * length);
    for (int64_t i = 0; i < extent.people * extent.joints; ++i) {
        const int64_t k = i % extent.joints;
        const GaussianJoint joint = load_gaussian_joint(args, rows.b, i / extent.joints, k);
        if (!joint.drawn) continue;
        const auto scale = gaussian_scale<compute_t<T>>(joint.sigma);
        fill_factors(rows.across, joint.x, scale, extent.width);
        fill_factors(rows.down, joint.y, scale, extent.height);
        const int64_t first = joint.y.begin > rows.y_begin ? joint.y.begin : rows.y_begin;
        const int64_t past = joint.y.end < rows.y_end ? joint.y.end : rows.y_end;
        for (int64_t y = first; y < past; ++y) {
            write_row(rows.line, rows.across, rows.down[y], joint.x.begin, joint.x.end, extent.width, true);
            T* target = rows.image + y * length + k;
            for (int32_t x = joint.x.begin; x < joint.x.end; ++x) {
                T* pixel = target + x * extent.joints;
                const bool larger = load_as_compute(rows.line[x]) > load_as_compute(*pixel);
                *pixel = larger ? rows.line[x] : *pixel;
            }
        }
    }
}

// One joint's factors along one axis, as a column of a (length, joints) table; 0 for a joint that is not drawn.
template <class Real>
POSEOPS_INLINE void fill_column(Real* table, int64_t joints, const GaussianJoint& joint,
                                const GaussianAxis& axis, int64_t length, Real* line) {
    if (joint.drawn) {
        fill_factors(line, axis, gaussian_scale<Real>(joint.sigma), length);
    } else {
        write_zeros(line, length);
    }
    for (int64_t i = 0; i < length; ++i) table[i * joints] = line[i];
}

// Repeats the first `period` of `count` elements.
template <class Real>
POSEOPS_INLINE void repeat(Real* values, int64_t period, int64_t count) {
    for (int64_t done = period; done < count; done *= 2) {
        const int64_t more = done < count - done ? done : count - done;
        std::memcpy(values + done, values, sizeof(Real) * static_cast<size_t>(more));
    }
}

// Whole-map Gaussians: a row of the image is the product, element by element, of the table across and of one row of the
// table down, repeated for every pixel.
template <class T>
POSEOPS_INLINE void draw_whole_maps(const GaussianHeatmapArgs& args, const Extent& extent,
                                    const ImageRows<T>& rows) {
    using Real = compute_t<T>;
    const int64_t joints = extent.joints;
    const int64_t length = extent.width * joints;
    if (extent.people == 0) {
        write_zeros(rows.image + rows.y_begin * length, (rows.y_end - rows.y_begin) * length);
    }
    for (int64_t n = 0; n < extent.people; ++n) {
        for (int64_t k = 0; k < joints; ++k) {
            const GaussianJoint joint = load_gaussian_joint(args, rows.b, n, k);
            fill_column(rows.across + k, joints, joint, joint.x, extent.width, rows.row);
            fill_column(rows.down + k, joints, joint, joint.y, extent.height, rows.row);
        }
        for (int64_t y = rows.y_begin; y < rows.y_end; ++y) {
            std::memcpy(rows.row, rows.down + y * joints, sizeof(Real) * static_cast<size_t>(joints));
            repeat(rows.row, joints, length);
            const Real* down = rows.row;
            write_row(rows.image + y * length, rows.across, down, int64_t{0}, length, length, n == 0);
        }
    }
}

POSEOPS_INLINE void store_weights(const GaussianHeatmapArgs& args, const Extent& extent, int64_t b) {
    for (int64_t k = 0; k < extent.joints; ++k) {
        double weight = 0.0;
        for (int64_t n = 0; n < extent.people; ++n) {
            const double one = load_gaussian_joint(args, b, n, k).weight;
            weight = n == 0 || one > weight ? one : weight;
        }
        store_weight(args, b * extent.joints + k, weight);
    }
}

// One task is a range of rows, which may begin and end within an image.
template <class T>
POSEOPS_INLINE void render_rows(const GaussianHeatmapArgs& args) {
    using Real = compute_t<T>;
    const Extent extent(args);
    const int64_t length = extent.width * extent.joints;
    const int64_t column = extent.height * extent.joints;
    const int64_t grain = kElementsPerThread / length + 1;
    parallel_for(extent.batch * extent.height, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        Scratch<Real> across(length);
        Scratch<Real> down(column);
        Scratch<Real> row(length > column ? length : column);
        Scratch<T> line(extent.width);
        for (int64_t next = begin; next < end;) {
            const int64_t b = next / extent.height;
            const int64_t first = b * extent.height;
            const int64_t past = first + extent.height < end ? first + extent.height : end;
            T* image = args.heatmaps.as<T>() + first * length;
            const ImageRows<T> rows = {image,         b,           next - first, past - first,
                                       across.data(), down.data(), row.data(),   line.data()};
            if (args.encoding == GaussianEncoding::kUnbiased) {
                draw_whole_maps(args, extent, rows);
            } else {
                draw_windows(args, extent, rows);
            }
            if (next == first) store_weights(args, extent, b);
            next = past;
        }
    });
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
