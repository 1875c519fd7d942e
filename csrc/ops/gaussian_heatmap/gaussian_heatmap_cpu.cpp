// The CPU loops of gaussian_heatmap: the factors of a joint along x and along y (core/gaussian_fill.h), and their
// product, person by person.
#include <cstring>

#include "core/convert.h"
#include "core/denormals.h"
#include "core/gaussian_fill.h"
#include "core/gaussian_people.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Output elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 16384;

struct Extent {
    int64_t batch, joints, height, width;

    POSEOPS_INLINE explicit Extent(const GaussianHeatmapArgs& args)
        : batch(args.heatmaps.shape[0]),
          joints(args.heatmaps.shape[1]),
          height(args.heatmaps.shape[2]),
          width(args.heatmaps.shape[3]) {}
};

// One factor for the whole row, and the value below which a product is 0.
template <class Real>
struct CutFactor {
    Real factor;
    Real cut;
};

// A product whose second factor is one for the whole row, with or without a cut, or one per element.
POSEOPS_INLINE float product_at(const float* first, float second, int64_t i) { return first[i] * second; }
POSEOPS_INLINE double product_at(const double* first, double second, int64_t i) { return first[i] * second; }
template <class Real>
POSEOPS_INLINE Real product_at(const Real* first, CutFactor<Real> second, int64_t i) {
    const Real value = first[i] * second.factor;
    return value >= second.cut ? value : Real(0);
}
template <class Real>
POSEOPS_INLINE Real product_at(const Real* first, const Real* second, int64_t i) {
    return first[i] * second[i];
}

// `fresh` elements are overwritten, others keep the larger value.
template <class T, class Real, class Factor>
POSEOPS_INLINE void write_block(T* row, const Real* first, Factor second, int64_t begin, int64_t count,
                                bool fresh) {
    if (fresh) {
#pragma omp simd
        for (int64_t i = begin; i < begin + count; ++i) {
            store_from_compute(row + i, product_at(first, second, i));
        }
        return;
    }
#pragma omp simd
    for (int64_t i = begin; i < begin + count; ++i) {
        const Real value = product_at(first, second, i);
        const Real before = load_as_compute(row[i]);
        store_from_compute(row + i, value > before ? value : before);
    }
}

// Elements [begin, end) of a row; short stretches in blocks.
template <class T, class Real, class Factor>
POSEOPS_INLINE void write_row(T* row, const Real* first, Factor second, int64_t begin, int64_t end,
                              int64_t length, bool fresh) {
    if (length < kGaussianBlock || end - begin > 2 * kGaussianBlock) {
        return write_block(row, first, second, begin, end - begin, fresh);
    }
    for (int64_t i = begin; i < end; i += kGaussianBlock) {
        write_block(row, first, second, block_start(i, length), kGaussianBlock, fresh);
    }
}

template <class T>
POSEOPS_INLINE void write_zeros(T* begin, int64_t count) {
    std::memset(static_cast<void*>(begin), 0, sizeof(T) * static_cast<size_t>(count));
}

// ---- NCHW: one task is one map, which stays in the L1 cache between the zeroes and the Gaussian ----

POSEOPS_INLINE bool covers_map(const GaussianJoint& joint, const Extent& extent) {
    return joint.drawn && joint.x.begin == 0 && joint.x.end == extent.width && joint.y.begin == 0 &&
           joint.y.end == extent.height;
}

// One joint's window: rows with the factors `across`, each times that of `down`.
template <class T, class Real>
POSEOPS_INLINE void draw_window(const GaussianForm& form, const GaussianJoint& joint, const Real* across,
                                const Real* down, T* map, int64_t width, bool fresh) {
    const int32_t begin = joint.x.begin;
    const int32_t end = joint.x.end;
    if (form.encoding == GaussianEncoding::kCmu) {
        const Real cut = gaussian_cut<Real>(form);
        for (int32_t y = joint.y.begin; y < joint.y.end; ++y) {
            const CutFactor<Real> factor = {down[y], cut};
            write_row(map + y * width, across, factor, begin, end, width, fresh);
        }
        return;
    }
    for (int32_t y = joint.y.begin; y < joint.y.end; ++y) {
        write_row(map + y * width, across, down[y], begin, end, width, fresh);
    }
}

template <class T>
POSEOPS_INLINE double draw_map(const GaussianHeatmapArgs& args, const Extent& extent, int64_t b, int64_t k,
                               T* map, compute_t<T>* across, compute_t<T>* down) {
    double weight = 0.0;
    const PeopleRange people = gaussian_people(args, b);
    if (people.begin >= people.end) write_zeros(map, extent.height * extent.width);
    for (int64_t n = people.begin; n < people.end; ++n) {
        const GaussianJoint joint = load_gaussian_joint(args, b, n, k);
        const bool first = n == people.begin;
        if (first && !covers_map(joint, extent)) write_zeros(map, extent.height * extent.width);
        weight = larger_weight(weight, joint.weight, first);
        if (!joint.drawn) continue;
        fill_gaussian(across, joint.x, extent.width, args, false);
        fill_gaussian_rows(down, joint, args, false);
        draw_window(args, joint, across, down, map, extent.width, first);
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
            store_gaussian_weight(args, map, weight);
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
    PeopleRange people;
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
    const auto cut = gaussian_cut<compute_t<T>>(args);
    write_zeros(rows.image + rows.y_begin * length, (rows.y_end - rows.y_begin) * length);
    for (int64_t i = rows.people.begin * extent.joints; i < rows.people.end * extent.joints; ++i) {
        const int64_t k = i % extent.joints;
        const GaussianJoint joint = load_gaussian_joint(args, rows.b, i / extent.joints, k);
        if (!joint.drawn) continue;
        fill_gaussian(rows.across, joint.x, extent.width, args, false);
        fill_gaussian_rows(rows.down, joint, args, false);
        const int64_t first = joint.y.begin > rows.y_begin ? joint.y.begin : rows.y_begin;
        const int64_t past = joint.y.end < rows.y_end ? joint.y.end : rows.y_end;
        for (int64_t y = first; y < past; ++y) {
            const CutFactor<compute_t<T>> factor = {rows.down[y], cut};
            write_row(rows.line, rows.across, factor, joint.x.begin, joint.x.end, extent.width, true);
            T* target = rows.image + y * length + k;
            for (int32_t x = joint.x.begin; x < joint.x.end; ++x) {
                T* pixel = target + x * extent.joints;
                const bool larger = load_as_compute(rows.line[x]) > load_as_compute(*pixel);
                *pixel = larger ? rows.line[x] : *pixel;
            }
        }
    }
}

// One joint's factors along one axis, from `line` to a column of a (length, joints) table; 0 for a joint that is not
// drawn.
template <class Real>
POSEOPS_INLINE void store_column(Real* table, int64_t joints, const GaussianJoint& joint, Real* line,
                                 int64_t length) {
    if (!joint.drawn) write_zeros(line, length);
    for (int64_t i = 0; i < length; ++i) table[i * joints] = line[i];
}

// Whole-map Gaussians: a row of the image is the product, element by element, of the table across and of one row of the
// table down, repeated for every pixel.
template <class T>
POSEOPS_INLINE void draw_whole_maps(const GaussianHeatmapArgs& args, const Extent& extent,
                                    const ImageRows<T>& rows) {
    using Real = compute_t<T>;
    const int64_t joints = extent.joints;
    const int64_t length = extent.width * joints;
    if (rows.people.begin >= rows.people.end) {
        write_zeros(rows.image + rows.y_begin * length, (rows.y_end - rows.y_begin) * length);
    }
    for (int64_t n = rows.people.begin; n < rows.people.end; ++n) {
        for (int64_t k = 0; k < joints; ++k) {
            const GaussianJoint joint = load_gaussian_joint(args, rows.b, n, k);
            if (joint.drawn) fill_gaussian(rows.row, joint.x, extent.width, args, true);
            store_column(rows.across + k, joints, joint, rows.row, extent.width);
            if (joint.drawn) fill_gaussian_rows(rows.row, joint, args, true);
            store_column(rows.down + k, joints, joint, rows.row, extent.height);
        }
        for (int64_t y = rows.y_begin; y < rows.y_end; ++y) {
            std::memcpy(rows.row, rows.down + y * joints, sizeof(Real) * static_cast<size_t>(joints));
            repeat(rows.row, joints, length);
            const Real* down = rows.row;
            write_row(rows.image + y * length, rows.across, down, int64_t{0}, length, length,
                      n == rows.people.begin);
        }
    }
}

POSEOPS_INLINE void store_weights(const GaussianHeatmapArgs& args, const Extent& extent, int64_t b,
                                  PeopleRange people) {
    for (int64_t k = 0; k < extent.joints; ++k) {
        double weight = 0.0;
        for (int64_t n = people.begin; n < people.end; ++n) {
            weight = larger_weight(weight, load_gaussian_joint(args, b, n, k).weight, n == people.begin);
        }
        store_gaussian_weight(args, b * extent.joints + k, weight);
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
    const bool whole_maps =
        args.encoding == GaussianEncoding::kUnbiased || args.encoding == GaussianEncoding::kNormalized;
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
            const PeopleRange people = gaussian_people(args, b);
            const ImageRows<T> rows = {image,         b,           next - first, past - first, people,
                                       across.data(), down.data(), row.data(),   line.data()};
            if (whole_maps) {
                draw_whole_maps(args, extent, rows);
            } else {
                draw_windows(args, extent, rows);
            }
            if (next == first) store_weights(args, extent, b, people);
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
