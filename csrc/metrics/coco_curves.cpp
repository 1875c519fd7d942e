#include "metrics/coco_curves.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "metrics/coco_match.h"

namespace pyposeops {
namespace {

constexpr double kEps = 2.220446049250313e-16;  // np.spacing(1)

// The detections of one category by falling score; ties by image, then by rank.
std::vector<int32_t> by_score(const CocoCurvesArgs& args, int64_t begin, int64_t end) {
    std::vector<int32_t> order(end - begin);
    for (int64_t i = 0; i < end - begin; ++i) order[i] = static_cast<int32_t>(begin + i);
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return args.scores[a] > args.scores[b]; });
    return order;
}

std::vector<int32_t> up_to_rank(const CocoCurvesArgs& args, const std::vector<int32_t>& order,
                                int64_t limit) {
    std::vector<int32_t> kept;
    kept.reserve(order.size());
    for (const int32_t d : order) {
        if (args.ranks[d] < limit) kept.push_back(d);
    }
    return kept;
}

struct Curve {
    int64_t category, area, limit, threshold;
};

void draw(const CocoCurvesArgs& args, const std::vector<int32_t>& order, const Curve& at) {
    const int64_t count = static_cast<int64_t>(order.size());
    const double positives = static_cast<double>(args.positives[at.category * args.area_ranges + at.area]);
    const uint8_t* states = args.states + (at.area * args.thresholds + at.threshold) * args.detections;
    std::vector<double> recall(count);
    std::vector<double> precision(count);
    double hits = 0.0;
    double misses = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        hits += states[order[i]] == kTruePositive;
        misses += states[order[i]] == kFalsePositive;
        recall[i] = hits / positives;
        precision[i] = hits / (misses + hits + kEps);
    }
    for (int64_t i = count - 1; i > 0; --i) precision[i - 1] = std::max(precision[i - 1], precision[i]);

    const int64_t inner = (at.category * args.area_ranges + at.area) * args.limits + at.limit;
    const int64_t cells = args.categories * args.area_ranges * args.limits;
    args.recall[at.threshold * cells + inner] = count > 0 ? recall[count - 1] : 0.0;
    bool within = true;  // pycocotools stops at the first recall that is never reached
    for (int64_t r = 0; r < args.recalls; ++r) {
        const auto found = std::lower_bound(recall.begin(), recall.end(), args.recall_thresholds[r]);
        const int64_t i = found - recall.begin();
        within = within && i < count;
        const int64_t target = (at.threshold * args.recalls + r) * cells + inner;
        args.precision[target] = within ? precision[i] : 0.0;
        args.score_at[target] = within ? args.scores[order[i]] : 0.0;
    }
}

}  // namespace

void coco_curves(const CocoCurvesArgs& args) {
    const int64_t cells = args.categories * args.area_ranges * args.limits;
    std::fill(args.recall, args.recall + args.thresholds * cells, -1.0);
    std::fill(args.precision, args.precision + args.thresholds * args.recalls * cells, -1.0);
    std::fill(args.score_at, args.score_at + args.thresholds * args.recalls * cells, -1.0);
    for (int64_t k = 0; k < args.categories; ++k) {
        if (!args.category_exists[k]) continue;
        const std::vector<int32_t> all =
            by_score(args, args.category_offsets[k], args.category_offsets[k + 1]);
        for (int64_t m = 0; m < args.limits; ++m) {
            const std::vector<int32_t> order = up_to_rank(args, all, args.max_detections[m]);
            parallel_for(args.area_ranges * args.thresholds, 1, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                    const int64_t area = i / args.thresholds;
                    if (args.positives[k * args.area_ranges + area] == 0) continue;
                    draw(args, order, {k, area, m, i % args.thresholds});
                }
            });
        }
    }
}

}  // namespace pyposeops
