// The CPU loops of part_affinity_field: the limbs of one field are summed in scratch memory that stays in the cache, and
// the pixels they touched stored over zeroes.
#include "core/canvas.h"
#include "core/convert.h"
#include "core/denormals.h"
#include "core/parallel.h"
#include "ops/part_affinity_field/part_affinity_field.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Output elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 16384;

struct Extent {
    int64_t batch, limbs;
    int32_t height, width;

    POSEOPS_INLINE explicit Extent(const PartAffinityFieldArgs& args)
        : batch(args.fields.shape[0]),
          limbs(args.weights.shape[1]),
          height(static_cast<int32_t>(args.fields.shape[2])),
          width(static_cast<int32_t>(args.fields.shape[3])) {}
};

// The marks of the canvas are how many people cover a pixel.
template <class Real>
using FieldCanvas = Canvas<Real, Real>;

template <class Real>
POSEOPS_INLINE void divide_by_people(FieldCanvas<Real>& canvas, int32_t y) {
    Real* const x_sums = canvas.x_row(y);
    Real* const y_sums = canvas.y_row(y);
    const Real* const people = canvas.mark_row(y);
    for (int32_t begin = canvas.spans[y].begin; begin < canvas.spans[y].end; begin += kCanvasBlock) {
#pragma omp simd
        for (int32_t x = begin; x < begin + kCanvasBlock; ++x) {
            const Real count = people[x] > Real(1) ? people[x] : Real(1);
            x_sums[x] /= count;
            y_sums[x] /= count;
        }
    }
}

// Adds rows [y_begin, y_end) of a limb, or puts them in the place of what is there.
template <LimbProfile kProfile, bool kOverwrite, class Real>
POSEOPS_INLINE void draw_limb(FieldCanvas<Real>& canvas, const Limb& limb, const LimbShape& shape,
                              int32_t y_begin, int32_t y_end) {
    const Real unit_x = static_cast<Real>(limb.unit_x);
    const Real unit_y = static_cast<Real>(limb.unit_y);
    const double scale = limb_exponent_scale(shape);
    const bool everywhere = kProfile == LimbProfile::kGaussian || kProfile == LimbProfile::kQuartic;
    for (int32_t y = y_begin; y < y_end; ++y) {
        const double dy = static_cast<double>(y) - limb.start_y;
        Real* const x_sums = canvas.x_row(y);
        Real* const y_sums = canvas.y_row(y);
        Real* const people = canvas.mark_row(y);
        canvas.touch(y, limb.x_begin, limb.x_end);
        for (int32_t begin = limb.x_begin; begin < limb.x_end; begin += kCanvasBlock) {
#pragma omp simd
            for (int32_t x = begin; x < begin + kCanvasBlock; ++x) {
                const double dx = static_cast<double>(x) - limb.start_x;
                const bool covered = (x < limb.x_end) & (everywhere | limb_covers(limb, shape.ends, dx, dy));
                const Real one = covered ? Real(1) : Real(0);
                // far off the limb the strength may overflow
                const Real strength = covered ? limb_strength<kProfile, Real>(limb, scale, dx, dy) : Real(0);
                const Real keep = kOverwrite ? Real(1) - one : Real(1);
                x_sums[x] = keep * x_sums[x] + strength * unit_x;
                y_sums[x] = keep * y_sums[x] + strength * unit_y;
                people[x] += one;
            }
        }
    }
}

template <LimbProfile kProfile, class Real>
POSEOPS_INLINE void draw_limb_with_edges(FieldCanvas<Real>& canvas, const Limb& limb, const LimbShape& shape,
                                         bool overwrite, int32_t y_begin, int32_t y_end) {
    if (overwrite) return draw_limb<kProfile, true>(canvas, limb, shape, y_begin, y_end);
    draw_limb<kProfile, false>(canvas, limb, shape, y_begin, y_end);
}

template <class Real>
POSEOPS_INLINE void draw_limb(FieldCanvas<Real>& canvas, const Limb& limb, const LimbShape& shape,
                              bool overwrite, int32_t y_begin, int32_t y_end) {
    switch (shape.profile) {
        case LimbProfile::kFlat:
            return draw_limb_with_edges<LimbProfile::kFlat>(canvas, limb, shape, overwrite, y_begin, y_end);
        case LimbProfile::kLinear:
            return draw_limb_with_edges<LimbProfile::kLinear>(canvas, limb, shape, overwrite, y_begin, y_end);
        case LimbProfile::kGaussian:
            return draw_limb<LimbProfile::kGaussian, false>(canvas, limb, shape, y_begin, y_end);
        case LimbProfile::kQuartic:
            return draw_limb<LimbProfile::kQuartic, false>(canvas, limb, shape, y_begin, y_end);
    }
}

// Draws rows [y_begin, y_end) of all people's limbs of a field; returns the field's weight.
template <class Real>
POSEOPS_INLINE double draw_field(const PartAffinityFieldArgs& args, int64_t b, int64_t l, int32_t y_begin,
                                 int32_t y_end, FieldCanvas<Real>& canvas) {
    const PeopleRange people = people_of_image(args.people, b);
    const bool overwrite = args.overlap == LimbOverlap::kOverwrite;
    double weight = 0.0;  // below that of any limb that is drawn
    int64_t drawn = 0;
    for (int64_t n = people.begin; n < people.end; ++n) {
        const WeightedLimb one = load_limb<Real>(args, b, n, l);
        weight = one.weight > weight ? one.weight : weight;
        if (one.limb.x_begin >= one.limb.x_end) continue;
        const int32_t first = one.limb.y_begin > y_begin ? one.limb.y_begin : y_begin;
        const int32_t past = one.limb.y_end < y_end ? one.limb.y_end : y_end;
        draw_limb(canvas, one.limb, args.shape, overwrite, first, past);
        drawn += first < past;
    }
    if (args.overlap == LimbOverlap::kMean && drawn > 1) {
        for (int32_t y = y_begin; y < y_end; ++y) divide_by_people(canvas, y);
    }
    return weight;
}

template <class Real>
POSEOPS_INLINE void store_counts(uint8_t* row, const Real* people, const Span& span, int64_t step) {
    for (int32_t x = span.begin; x < span.end; ++x) {
        row[x * step] = static_cast<uint8_t>(people[x] < Real(255) ? people[x] : Real(255));
    }
}

// Stores row y of a field, whose pixels are `step` elements apart, and clears it.
template <class T, class Real>
POSEOPS_INLINE void store_row(FieldCanvas<Real>& canvas, int32_t y, T* x_target, T* y_target, int64_t step,
                              uint8_t* counts, int64_t count_step) {
    const Span span = canvas.spans[y];
    if (span.begin >= span.end) return;
    const Real* const x_sums = canvas.x_row(y);
    const Real* const y_sums = canvas.y_row(y);
    store_span(x_target, span, canvas.width, step, [&](int32_t x) { return x_sums[x]; });
    store_span(y_target, span, canvas.width, step, [&](int32_t x) { return y_sums[x]; });
    if (counts != nullptr) store_counts(counts, canvas.mark_row(y), span, count_step);
    canvas.clear(y);
}

POSEOPS_INLINE uint8_t* counts_at(const PartAffinityFieldArgs& args, int64_t element) {
    return args.counts.data == nullptr ? nullptr : args.counts.as<uint8_t>() + element;
}

// NCHW: one task is one field.
template <class T>
POSEOPS_INLINE void draw_planes(const PartAffinityFieldArgs& args) {
    const Extent extent(args);
    const int64_t pixels = int64_t{extent.height} * extent.width;
    const int64_t grain = kElementsPerThread / (2 * pixels) + 1;
    parallel_for(extent.batch * extent.limbs, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        FieldCanvas<compute_t<T>> canvas(extent.height, extent.width, compute_t<T>(0));
        for (int64_t i = begin; i < end; ++i) {
            const int64_t b = i / extent.limbs;
            const int64_t l = i % extent.limbs;
            T* const x_plane = args.fields.as<T>() + 2 * i * pixels;
            uint8_t* const counts = counts_at(args, i * pixels);
            write_zeros(x_plane, 2 * pixels);
            if (counts != nullptr) write_zeros(counts, pixels);
            store_limb_weight(args, b, l, draw_field(args, b, l, 0, extent.height, canvas));
            for (int32_t y = 0; y < extent.height; ++y) {
                const int64_t row = int64_t{y} * extent.width;
                store_row(canvas, y, x_plane + row, x_plane + pixels + row, 1,
                          counts == nullptr ? nullptr : counts + row, 1);
            }
        }
    });
}

// channels_last: the fields of rows [y_begin, y_end) of image b.
template <class T>
POSEOPS_INLINE void draw_rows(const PartAffinityFieldArgs& args, const Extent& extent, int64_t b,
                              int32_t y_begin, int32_t y_end, FieldCanvas<compute_t<T>>& canvas) {
    const int64_t length = extent.width * extent.limbs;
    const int64_t first = b * extent.height + y_begin;
    T* const rows = args.fields.as<T>() + 2 * first * length;
    uint8_t* const counts = counts_at(args, first * length);
    write_zeros(rows, 2 * length * (y_end - y_begin));
    if (counts != nullptr) write_zeros(counts, length * (y_end - y_begin));
    for (int64_t l = 0; l < extent.limbs; ++l) {
        const double weight = draw_field(args, b, l, y_begin, y_end, canvas);
        if (y_begin == 0) store_limb_weight(args, b, l, weight);
        for (int32_t y = y_begin; y < y_end; ++y) {
            const int64_t at = (y - y_begin) * length + l;
            store_row(canvas, y, rows + 2 * at, rows + 2 * at + 1, 2 * extent.limbs,
                      counts == nullptr ? nullptr : counts + at, extent.limbs);
        }
    }
}

// One task is a range of rows, which may begin and end within an image.
template <class T>
POSEOPS_INLINE void draw_images(const PartAffinityFieldArgs& args) {
    const Extent extent(args);
    const int64_t grain = kElementsPerThread / (2 * extent.width * extent.limbs) + 1;
    parallel_for(extent.batch * extent.height, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        FieldCanvas<compute_t<T>> canvas(extent.height, extent.width, compute_t<T>(0));
        for (int64_t next = begin; next < end;) {
            const int64_t b = next / extent.height;
            const int64_t past = (b + 1) * extent.height < end ? (b + 1) * extent.height : end;
            const auto y_begin = static_cast<int32_t>(next - b * extent.height);
            const auto y_end = static_cast<int32_t>(past - b * extent.height);
            draw_rows<T>(args, extent, b, y_begin, y_end, canvas);
            next = past;
        }
    });
}

}  // namespace

void part_affinity_field(const PartAffinityFieldArgs& args) {
    const bool channels_last = !args.fields.is_contiguous();
    visit_floating(args.fields.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (channels_last) {
            draw_images<T>(args);
        } else {
            draw_planes<T>(args);
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
