#include "metrics/coco_curves.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "metrics/coco_match.h"
#include "metrics/score_order.h"

namespace pyposeops {
namespace {

constexpr double kEps = 2.220446049250313e-16;  // np.spacing(1)

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

// A true positive: how many came before it with itself over the positives, and the precision there.
struct Hit {
    double recall, precision;
    int32_t detection;
};

// Recall rises and precision has its maxima at true positives only, so the curve is kept there. Reuses `hits`.
void find_hits(const CocoCurvesArgs& args, const std::vector<int32_t>& order, const Curve& at,
               std::vector<Hit>& hits) {
    const double positives = static_cast<double>(args.positives[at.category * args.area_ranges + at.area]);
    const uint8_t* states = args.states + (at.area * args.thresholds + at.threshold) * args.detections;
    hits.clear();
    double found = 0.0;
    double misses = 0.0;
    for (const int32_t d : order) {
        if (states[d] == kFalsePositive) {
            misses += 1.0;
        } else if (states[d] == kTruePositive) {
            found += 1.0;
            hits.push_back({found / positives, found / (misses + found + kEps), d});
        }
    }
    for (size_t i = hits.size(); i > 1; --i) {
        hits[i - 2].precision = std::max(hits[i - 2].precision, hits[i - 1].precision);
    }
}

void draw(const CocoCurvesArgs& args, const std::vector<int32_t>& order, const Curve& at,
          std::vector<Hit>& hits) {
    find_hits(args, order, at, hits);
    const int64_t inner = (at.category * args.area_ranges + at.area) * args.limits + at.limit;
    const int64_t cells = args.categories * args.area_ranges * args.limits;
    args.recall[at.threshold * cells + inner] = hits.empty() ? 0.0 : hits.back().recall;
    bool within = true;  // pycocotools stops at the first recall that is never reached
    for (int64_t r = 0; r < args.recalls; ++r) {
        const double least = args.recall_thresholds[r];
        const auto hit = std::lower_bound(hits.begin(), hits.end(), least,
                                          [](const Hit& a, double recall) { return a.recall < recall; });
        const bool from_start =
            least <= 0.0 && !order.empty();  // the first detection, hit or not, has recall 0
        within = within && (from_start || hit != hits.end());
        const int64_t target = (at.threshold * args.recalls + r) * cells + inner;
        args.precision[target] = within && hit != hits.end() ? hit->precision : 0.0;
        args.score_at[target] = within ? args.scores[from_start ? order[0] : hit->detection] : 0.0;
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
        // Ties by image, then by rank: the order in which the detections come.
        const int64_t begin = args.category_offsets[k];
        const std::vector<int32_t> all = order_by_score(
            args.scores + begin, args.category_offsets[k + 1] - begin, static_cast<int32_t>(begin));
        for (int64_t m = 0; m < args.limits; ++m) {
            const std::vector<int32_t> order = up_to_rank(args, all, args.max_detections[m]);
            parallel_for(args.area_ranges * args.thresholds, 1, [&](int64_t from, int64_t to) {
                std::vector<Hit> hits;
                for (int64_t i = from; i < to; ++i) {
                    const int64_t area = i / args.thresholds;
                    if (args.positives[k * args.area_ranges + area] == 0) continue;
                    draw(args, order, {k, area, m, i % args.thresholds}, hits);
                }
            });
        }
    }
}

}  // namespace pyposeops
