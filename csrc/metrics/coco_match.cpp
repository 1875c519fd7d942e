#include "metrics/coco_match.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "metrics/coco_oks.h"

namespace pyposeops {
namespace {

constexpr int64_t kCellsPerTask = 32;

struct Range {
    int64_t begin;
    int64_t end;
    int64_t size() const { return end - begin; }
};

// Reused from cell to cell by one thread.
struct Workspace {
    std::vector<double> x, y, variances, exponents, similarities;
    std::vector<int32_t> joints;
    std::vector<int32_t> truth_order;  // of one area range: counted ones first
    std::vector<uint8_t> taken;
};

class CellMatcher {
  public:
    CellMatcher(const CocoMatchArgs& args, Workspace& work) : args_(args), work_(work) {}

    void match(int64_t cell) {
        truths_ = {args_.gt_offsets[cell], args_.gt_offsets[cell + 1]};
        detections_ = {args_.dt_offsets[cell], args_.dt_offsets[cell + 1]};
        compute_similarities();
        if (args_.similarities != nullptr) {
            std::copy(work_.similarities.begin(), work_.similarities.end(),
                      args_.similarities + args_.similarity_offsets[cell]);
        }
        for (int64_t area = 0; area < args_.area_ranges; ++area) match_area(area);
    }

  private:
    // (detections, truths); 0 for pairs that are certainly below every threshold, unless the values are wanted.
    void compute_similarities() {
        work_.similarities.assign(detections_.size() * truths_.size(), 0.0);
        if (work_.similarities.empty()) return;
        work_.exponents.resize(args_.joints);
        const double least = *std::min_element(args_.iou_thresholds, args_.iou_thresholds + args_.thresholds);
        for (int64_t g = 0; g < truths_.size(); ++g) {
            const OksTruth truth = gather(args_.gt_order[truths_.begin + g]);
            for (int64_t d = 0; d < detections_.size(); ++d) {
                const int64_t row = args_.dt_order[detections_.begin + d];
                const double* detection = args_.dt_keypoints + row * args_.joints * args_.dt_step;
                double* exponents = work_.exponents.data();
                oks_exponents(truth, detection, args_.dt_step, exponents);
                if (args_.similarities == nullptr && oks_below(exponents, truth.count, least)) continue;
                work_.similarities[d * truths_.size() + g] = oks_from_exponents(exponents, truth.count);
            }
        }
    }

    OksTruth gather(int64_t row) {
        const double* keypoints = args_.gt_keypoints + row * args_.joints * 3;
        const double* box = args_.gt_boxes + row * 4;
        bool labelled = false;
        for (int64_t k = 0; k < args_.joints; ++k) labelled |= keypoints[3 * k + 2] > 0.0;
        work_.x.clear(), work_.y.clear(), work_.variances.clear(), work_.joints.clear();
        for (int64_t k = 0; k < args_.joints; ++k) {
            if (labelled && !(keypoints[3 * k + 2] > 0.0)) continue;
            work_.x.push_back(keypoints[3 * k]);
            work_.y.push_back(keypoints[3 * k + 1]);
            work_.variances.push_back(oks_variance(args_.sigmas[k]));
            work_.joints.push_back(static_cast<int32_t>(k));
        }
        return {work_.x.data(),
                work_.y.data(),
                work_.variances.data(),
                work_.joints.data(),
                static_cast<int64_t>(work_.joints.size()),
                args_.gt_areas[row],
                !labelled,
                box[0] - box[2],
                box[0] + box[2] * 2.0,
                box[1] - box[3],
                box[1] + box[3] * 2.0};
    }

    void match_area(int64_t area) {
        const double low = args_.area_limits[2 * area];
        const double high = args_.area_limits[2 * area + 1];
        uint8_t* outside = args_.gt_outside + area * args_.truths + truths_.begin;
        for (int64_t g = 0; g < truths_.size(); ++g) {
            const int64_t row = args_.gt_order[truths_.begin + g];
            outside[g] = args_.gt_ignored[row] || args_.gt_areas[row] < low || args_.gt_areas[row] > high;
        }
        work_.truth_order.clear();
        for (const uint8_t part : {uint8_t{0}, uint8_t{1}}) {
            for (int64_t g = 0; g < truths_.size(); ++g) {
                if (outside[g] == part) work_.truth_order.push_back(static_cast<int32_t>(g));
            }
        }
        for (int64_t t = 0; t < args_.thresholds; ++t) match_threshold(area, t, outside, low, high);
    }

    void match_threshold(int64_t area, int64_t t, const uint8_t* outside, double low, double high) {
        const int64_t first = (area * args_.thresholds + t) * args_.detections + detections_.begin;
        work_.taken.assign(truths_.size(), 0);
        for (int64_t d = 0; d < detections_.size(); ++d) {
            const int64_t row = args_.dt_order[detections_.begin + d];
            const int32_t g = best_truth(d, args_.iou_thresholds[t], outside);
            if (args_.matches != nullptr) {
                args_.matches[first + d] = g < 0 ? -1 : g + static_cast<int32_t>(truths_.begin);
            }
            bool ignored = g >= 0 && outside[g];
            const bool counts = g >= 0 && !unmatchable(g);
            if (!counts && (args_.dt_areas[row] < low || args_.dt_areas[row] > high)) ignored = true;
            args_.states[first + d] = ignored ? kIgnored : (counts ? kTruePositive : kFalsePositive);
            if (g >= 0 && (args_.dt_unmarking == nullptr || !args_.dt_unmarking[row])) work_.taken[g] = 1;
        }
    }

    // The most similar free ground truth of at least the threshold, the later one among equals; an ignored one only
    // where no counted one qualifies.
    int32_t best_truth(int64_t d, double threshold, const uint8_t* outside) const {
        double best = std::min(threshold, 1.0 - 1e-10);
        int32_t found = -1;
        const double* similarity = work_.similarities.data() + d * truths_.size();
        for (const int32_t g : work_.truth_order) {
            if (work_.taken[g] && !args_.gt_crowd[args_.gt_order[truths_.begin + g]]) continue;
            if (found >= 0 && !outside[found] && outside[g]) break;
            if (similarity[g] < best) continue;
            best = similarity[g];
            found = g;
        }
        return found;
    }

    bool unmatchable(int32_t g) const {
        return args_.gt_unmatchable != nullptr && args_.gt_unmatchable[args_.gt_order[truths_.begin + g]];
    }

    const CocoMatchArgs& args_;
    Workspace& work_;
    Range truths_ = {};
    Range detections_ = {};
};

}  // namespace

void coco_match(const CocoMatchArgs& args) {
    parallel_for(args.cells, kCellsPerTask, [&](int64_t begin, int64_t end) {
        Workspace work;
        CellMatcher matcher(args, work);
        for (int64_t cell = begin; cell < end; ++cell) matcher.match(cell);
    });
}

}  // namespace pyposeops
