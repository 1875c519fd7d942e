// COCO keypoint evaluation on NumPy arrays: grouping, matching, curves. pyposeops/metrics/coco.py checks what it hands
// over; here only what would make the C++ read outside of an array.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/check.h"
#include "metrics/coco_curves.h"
#include "metrics/coco_match.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

void check_size(const py::array& array, int64_t size, const char* name) {
    POSEOPS_CHECK(array.size() == size, name, std::to_string(size) + " elements",
                  std::to_string(array.size()));
}

// Row indices within [0, rows), and offsets that rise from 0 to their number.
void check_groups(const Array<int64_t>& order, const Array<int64_t>& offsets, int64_t rows,
                  const char* name) {
    const int64_t* row = order.data();
    POSEOPS_CHECK(std::all_of(row, row + order.size(), [&](int64_t r) { return r >= 0 && r < rows; }), name,
                  "rows below " + std::to_string(rows), "others");
    const int64_t* offset = offsets.data();
    const bool rising = offsets.size() > 0 && offset[0] == 0 && offset[offsets.size() - 1] == order.size() &&
                        std::is_sorted(offset, offset + offsets.size());
    POSEOPS_CHECK(rising, name, "offsets that rise from 0 to the number of rows", "others");
}

// Rows cell by cell, by falling score where there are scores (ties in the order given), at most `limit` a cell; rows of
// cell -1 are left out. Returns (order, offsets, ranks).
py::tuple group_by_cell(const Array<int64_t>& cell_of, const py::object& scores_or_none, int64_t cells,
                        int64_t limit) {
    const int64_t rows = cell_of.size();
    const int64_t* cell = cell_of.data();
    POSEOPS_CHECK(std::all_of(cell, cell + rows, [&](int64_t c) { return c >= -1 && c < cells; }), "cell_of",
                  "cells from -1 to " + std::to_string(cells - 1), "others");
    const bool by_score = !scores_or_none.is_none();
    const Array<double> scores = by_score ? py::cast<Array<double>>(scores_or_none) : Array<double>(0);
    if (by_score) check_size(scores, rows, "scores");
    std::vector<int64_t> begin(cells + 1, 0);
    for (int64_t i = 0; i < rows; ++i) {
        if (cell[i] >= 0) ++begin[cell[i] + 1];
    }
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<int64_t> sorted(begin[cells]);
    std::vector<int64_t> next(begin.begin(), begin.end() - 1);
    for (int64_t i = 0; i < rows; ++i) {
        if (cell[i] >= 0) sorted[next[cell[i]]++] = i;
    }
    Array<int64_t> offsets(cells + 1);
    offsets.mutable_at(0) = 0;
    std::vector<int64_t> kept;
    std::vector<int32_t> ranks;
    kept.reserve(sorted.size());
    ranks.reserve(sorted.size());
    for (int64_t c = 0; c < cells; ++c) {
        int64_t* first = sorted.data() + begin[c];
        int64_t* last = sorted.data() + begin[c + 1];
        if (by_score) {
            const double* score = scores.data();
            std::stable_sort(first, last, [&](int64_t a, int64_t b) { return score[a] > score[b]; });
        }
        const int64_t count = std::min<int64_t>(last - first, limit);
        for (int64_t rank = 0; rank < count; ++rank) {
            kept.push_back(first[rank]);
            ranks.push_back(static_cast<int32_t>(rank));
        }
        offsets.mutable_at(c + 1) = static_cast<int64_t>(kept.size());
    }
    return py::make_tuple(Array<int64_t>(kept.size(), kept.data()), offsets,
                          Array<int32_t>(ranks.size(), ranks.data()));
}

struct Truths {
    Array<double> keypoints, areas, boxes;
    Array<uint8_t> crowd, ignored, unmatchable;
    Array<int64_t> order, offsets;
};

struct Detections {
    Array<double> keypoints, areas;
    Array<uint8_t> unmarking;
    Array<int64_t> order, offsets;
};

void check_inputs(const Truths& gt, const Detections& dt, int64_t joints, int64_t limits) {
    const int64_t truths = gt.areas.size();
    check_size(gt.keypoints, truths * joints * 3, "gt_keypoints");
    check_size(gt.boxes, truths * 4, "gt_boxes");
    check_size(gt.crowd, truths, "gt_crowd");
    check_size(gt.ignored, truths, "gt_ignored");
    check_size(gt.unmatchable, truths, "gt_unmatchable");
    check_groups(gt.order, gt.offsets, truths, "gt_order");
    const int64_t detections = dt.areas.size();
    const bool fits = dt.keypoints.ndim() == 3 && dt.keypoints.shape(0) == detections &&
                      dt.keypoints.shape(1) == joints && dt.keypoints.shape(2) >= 2;
    POSEOPS_CHECK(fits, "dt_keypoints", "(detections, joints, 2 or 3)", "another shape");
    check_size(dt.unmarking, detections, "dt_unmarking");
    check_groups(dt.order, dt.offsets, detections, "dt_order");
    POSEOPS_CHECK(dt.offsets.size() == gt.offsets.size(), "dt_offsets", "as many cells as gt_offsets",
                  "others");
    POSEOPS_CHECK(limits % 2 == 0, "area_limits", "pairs", "an odd number");
}

// (states, gt_outside, matches or None, similarities or None, similarity_offsets or None)
py::tuple match(const Truths& gt, const Detections& dt, const Array<double>& sigmas,
                const Array<double>& thresholds, const Array<double>& area_limits, bool details) {
    check_inputs(gt, dt, sigmas.size(), area_limits.size());
    POSEOPS_CHECK(thresholds.size() > 0, "iou_thresholds", "at least one", "none");
    CocoMatchArgs args = {};
    args.cells = gt.offsets.size() - 1;
    args.joints = sigmas.size();
    args.thresholds = thresholds.size();
    args.area_ranges = area_limits.size() / 2;
    args.detections = dt.order.size();
    args.truths = gt.order.size();
    args.gt_keypoints = gt.keypoints.data();
    args.gt_areas = gt.areas.data();
    args.gt_boxes = gt.boxes.data();
    args.gt_crowd = gt.crowd.data();
    args.gt_ignored = gt.ignored.data();
    args.gt_unmatchable = gt.unmatchable.data();
    args.gt_order = gt.order.data();
    args.gt_offsets = gt.offsets.data();
    args.dt_keypoints = dt.keypoints.data();
    args.dt_step = dt.keypoints.shape(2);
    args.dt_areas = dt.areas.data();
    args.dt_unmarking = dt.unmarking.data();
    args.dt_order = dt.order.data();
    args.dt_offsets = dt.offsets.data();
    args.sigmas = sigmas.data();
    args.iou_thresholds = thresholds.data();
    args.area_limits = area_limits.data();

    Array<uint8_t> states({args.area_ranges, args.thresholds, args.detections});
    Array<uint8_t> outside({args.area_ranges, args.truths});
    args.states = states.mutable_data();
    args.gt_outside = outside.mutable_data();
    py::object matches = py::none(), similarities = py::none(), similarity_offsets = py::none();
    if (details) {
        Array<int32_t> positions({args.area_ranges, args.thresholds, args.detections});
        Array<int64_t> offsets(args.cells + 1);
        offsets.mutable_at(0) = 0;
        for (int64_t c = 0; c < args.cells; ++c) {
            const int64_t truths = args.gt_offsets[c + 1] - args.gt_offsets[c];
            const int64_t detections = args.dt_offsets[c + 1] - args.dt_offsets[c];
            offsets.mutable_at(c + 1) = offsets.at(c) + truths * detections;
        }
        Array<double> values(offsets.at(args.cells));
        args.matches = positions.mutable_data();
        args.similarities = values.mutable_data();
        args.similarity_offsets = offsets.data();
        matches = positions, similarities = values, similarity_offsets = offsets;
    }
    {
        py::gil_scoped_release release;
        coco_match(args);
    }
    return py::make_tuple(states, outside, matches, similarities, similarity_offsets);
}

// (precision, scores, recall)
py::tuple curves(const Array<uint8_t>& states, const Array<double>& scores, const Array<int32_t>& ranks,
                 const Array<int64_t>& category_offsets, const Array<uint8_t>& category_exists,
                 const Array<int64_t>& positives, const Array<int64_t>& max_detections,
                 const Array<double>& recall_thresholds) {
    POSEOPS_CHECK(states.ndim() == 3, "states", "(area ranges, thresholds, detections)", "another rank");
    CocoCurvesArgs args = {};
    args.area_ranges = states.shape(0);
    args.thresholds = states.shape(1);
    args.detections = states.shape(2);
    args.categories = category_exists.size();
    args.recalls = recall_thresholds.size();
    args.limits = max_detections.size();
    check_size(scores, args.detections, "scores");
    check_size(ranks, args.detections, "ranks");
    check_size(category_offsets, args.categories + 1, "category_offsets");
    check_size(positives, args.categories * args.area_ranges, "positives");
    const int64_t* offset = category_offsets.data();
    POSEOPS_CHECK(offset[0] >= 0 && offset[args.categories] <= args.detections &&
                      std::is_sorted(offset, offset + args.categories + 1),
                  "category_offsets", "rising offsets into the detections", "others");
    args.scores = scores.data();
    args.ranks = ranks.data();
    args.states = states.data();
    args.category_offsets = offset;
    args.category_exists = category_exists.data();
    args.positives = positives.data();
    args.max_detections = max_detections.data();
    args.recall_thresholds = recall_thresholds.data();
    Array<double> precision({args.thresholds, args.recalls, args.categories, args.area_ranges, args.limits});
    Array<double> score_at({args.thresholds, args.recalls, args.categories, args.area_ranges, args.limits});
    Array<double> recall({args.thresholds, args.categories, args.area_ranges, args.limits});
    args.precision = precision.mutable_data();
    args.score_at = score_at.mutable_data();
    args.recall = recall.mutable_data();
    {
        py::gil_scoped_release release;
        coco_curves(args);
    }
    return py::make_tuple(precision, score_at, recall);
}

}  // namespace

void bind_coco(py::module_& module) {
    module.def("coco_group", &group_by_cell);
    module.def("coco_match",
               [](Array<double> gt_keypoints, Array<double> gt_areas, Array<double> gt_boxes,
                  Array<uint8_t> gt_crowd, Array<uint8_t> gt_ignored, Array<uint8_t> gt_unmatchable,
                  Array<int64_t> gt_order, Array<int64_t> gt_offsets, Array<double> dt_keypoints,
                  Array<double> dt_areas, Array<uint8_t> dt_unmarking, Array<int64_t> dt_order,
                  Array<int64_t> dt_offsets, Array<double> sigmas, Array<double> thresholds,
                  Array<double> area_limits, bool details) {
                   const Truths gt = {gt_keypoints, gt_areas,       gt_boxes, gt_crowd,
                                      gt_ignored,   gt_unmatchable, gt_order, gt_offsets};
                   const Detections dt = {dt_keypoints, dt_areas, dt_unmarking, dt_order, dt_offsets};
                   return match(gt, dt, sigmas, thresholds, area_limits, details);
               });
    module.def("coco_curves", &curves);
}

}  // namespace pyposeops
