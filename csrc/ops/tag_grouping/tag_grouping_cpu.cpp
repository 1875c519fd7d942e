// CPU: maps in parallel; a map is read once for all people who lack its joint. No pixel is worth more to anybody than
// the heatmap there, so that rows whose largest value beats nobody's best are done without their tags.
#include <limits>

#include "core/convert_rows.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/tag_grouping/tag_grouping.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

constexpr int64_t kRun = 512;  // pixels of a row that are looked at together
constexpr int64_t kLanes = 16;

template <class Real>
struct Search {
    int64_t person;
    Real best;
    int32_t x;
    int32_t y;
};

// Up to kRun pixels of a row, filled up with NaN to whole lanes, and their tags.
template <class Real>
struct PixelRun {
    alignas(64) Real scores[kRun];
    alignas(64) Real values[kRun];
    Scratch<Real, 4 * kRun> tags;
    int64_t count = 0;
    int64_t length = 0;  // whole lanes

    POSEOPS_INLINE explicit PixelRun(int64_t tag_count) : tags(tag_count * kRun) {}
};

// The largest of the first `length` values; minus infinity if all are NaN.
template <class Real>
POSEOPS_INLINE Real largest(const Real* values, int64_t length) {
    Real lanes[kLanes];
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] = -std::numeric_limits<Real>::infinity();
    for (int64_t i = 0; i < length; i += kLanes) {
#pragma omp simd
        for (int64_t j = 0; j < kLanes; ++j) lanes[j] = values[i + j] > lanes[j] ? values[i + j] : lanes[j];
    }
    Real most = lanes[0];
    for (int64_t j = 1; j < kLanes; ++j) most = lanes[j] > most ? lanes[j] : most;
    return most;
}

template <class T, class Real>
POSEOPS_INLINE void load_scores(const HeatmapPixels<T>& map, int32_t x, int32_t y, int64_t count,
                                PixelRun<Real>& run) {
    run.count = count;
    run.length = (count + kLanes - 1) / kLanes * kLanes;
    load_row(map.data + y * map.row_stride + x * map.column_stride, map.column_stride, run.scores, count);
    for (int64_t i = count; i < run.length; ++i) run.scores[i] = std::numeric_limits<Real>::quiet_NaN();
}

template <class T, class Real>
POSEOPS_INLINE void load_tags(const TagPeopleArgs& args, const T* first, PixelRun<Real>& run) {
    for (int64_t t = 0; t < args.tag_count(); ++t) {
        Real* const tags = run.tags.data() + t * kRun;
        load_row(first + t * args.tags.strides[4], args.tags.strides[3], tags, run.count);
        for (int64_t i = run.count; i < run.length; ++i) tags[i] = Real(0);
    }
}

// run.values: what the pixels are worth to the person with these mean tags.
template <class Real>
POSEOPS_INLINE void value_pixels(const Real* mean, int64_t tag_count, Real weight, PixelRun<Real>& run) {
    for (int64_t i = 0; i < run.length; ++i) run.values[i] = Real(0);
    for (int64_t t = 0; t < tag_count; ++t) {
        const Real* const tags = run.tags.data() + t * kRun;
        const Real own = mean[t];
#pragma omp simd
        for (int64_t i = 0; i < run.length; ++i) run.values[i] += (tags[i] - own) * (tags[i] - own);
    }
#pragma omp simd
    for (int64_t i = 0; i < run.length; ++i) {
        run.values[i] = fill_value(run.scores[i], run.values[i], weight);
    }
}

template <class Real>
POSEOPS_INLINE void take_best(const PixelRun<Real>& run, int32_t x, int32_t y, Search<Real>& search) {
    const Real most = largest(run.values, run.length);
    if (!(most > search.best)) return;
    int32_t i = 0;
    while (run.values[i] != most) ++i;
    search.best = most;
    search.x = x + i;
    search.y = y;
}

// Joint k of the people in `searches`, in one pass over its map.
template <class T, class Real = compute_t<T>>
POSEOPS_INLINE void search_map(const TagPeopleArgs& args, const HeatmapPixels<T>& map, int64_t b, int64_t k,
                               Search<Real>* searches, int64_t count, PixelRun<Real>& run) {
    const T* const tags = args.tags.as<T>() + b * args.tags.strides[0] + k * args.tags.strides[1];
    const Real* const means = args.means.as<Real>() + b * args.most_people() * args.tag_count();
    for (int32_t y = 0; y < map.height; ++y) {
        for (int32_t x = 0; x < map.width; x += kRun) {
            load_scores(map, x, y, map.width - x < kRun ? map.width - x : kRun, run);
            const Real most = largest(run.scores, run.length);
            bool has_tags = false;
            for (int64_t i = 0; i < count; ++i) {
                if (!(most > searches[i].best)) continue;
                if (!has_tags)
                    load_tags(args, tags + y * args.tags.strides[2] + x * args.tags.strides[3], run);
                has_tags = true;
                value_pixels(means + searches[i].person * args.tag_count(), args.tag_count(),
                             static_cast<Real>(args.fill_weight), run);
                take_best(run, x, y, searches[i]);
            }
        }
    }
}

template <class T>
POSEOPS_INLINE void store_people(const TagPeopleArgs& args) {
    using Real = compute_t<T>;
    parallel_for(args.heatmaps.shape[0] * args.joints(), 1, [&](int64_t begin, int64_t end) {
        PixelRun<Real> run(args.tag_count());
        Scratch<Search<Real>, 64> searches(args.most_people());
        for (int64_t i = begin; i < end; ++i) {
            const int64_t b = i / args.joints();
            const int64_t k = i % args.joints();
            const HeatmapPixels<T> map = heatmap_pixels<T>(args.heatmaps, b, k);
            int64_t count = 0;
            for (int64_t m = 0; m < args.most_people(); ++m) {
                if (!store_peak_or_none(args, map, b, m, k)) continue;
                searches[count++] = {m, -std::numeric_limits<Real>::infinity(), 0, 0};
            }
            if (count > 0) search_map(args, map, b, k, searches.data(), count, run);
            for (int64_t j = 0; j < count; ++j) {
                const Search<Real>& found = searches[j];
                if (!(map.at(found.x, found.y) > Real(0))) continue;
                if (!(found.best > -std::numeric_limits<Real>::infinity())) continue;
                const int64_t joint = (b * args.most_people() + found.person) * args.joints() + k;
                store_joint(args, map, joint, found.x, found.y);
            }
        }
    });
}

}  // namespace

void tag_people(const TagPeopleArgs& args) {
    visit_floating(args.heatmaps.dtype, [&](auto tag) { store_people<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
