// Checks the arguments of tag_grouping's two steps and picks the device.
#include <pybind11/stl.h>

#include <cmath>
#include <string>
#include <vector>

#include "bindings/heatmap_arguments.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/tag_grouping/tag_grouping.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

void check_contiguous(const TensorView& tensor, const char* name, DType dtype, const TensorView& like,
                      const char* like_name) {
    check_dtype(tensor, name, {dtype});
    check_same_device(tensor, name, like, like_name);
    POSEOPS_CHECK(tensor.is_contiguous(), name, "contiguous memory", "other strides");
}

// Every joint once.
void check_order(const std::vector<int64_t>& order, int64_t joints) {
    std::vector<bool> seen(joints, false);
    for (const int64_t joint : order) {
        const bool is_new = joint >= 0 && joint < joints && !seen[joint];
        POSEOPS_CHECK(is_new, "joint_order", "every joint from 0 to " + std::to_string(joints - 1) + " once",
                      std::to_string(joint));
        seen[joint] = true;
    }
    POSEOPS_CHECK(static_cast<int64_t>(order.size()) == joints, "joint_order",
                  "all " + std::to_string(joints) + " joints", std::to_string(order.size()) + " of them");
}

// candidates, peaks, means and counts, as both steps know them.
struct Groups {
    ImportedTensor candidates, peaks, means, counts;

    Groups(py::handle candidates, py::handle peaks, py::handle means, py::handle counts, Access access)
        : candidates(candidates, "candidates"),
          peaks(peaks, "peaks", access),
          means(means, "means", access),
          counts(counts, "counts", access) {}

    template <class Args>
    void give(Args& args, DType real) const {
        args.candidates = candidates.view();
        args.peaks = peaks.view();
        args.means = means.view();
        args.counts = counts.view();
        const TensorView& list = args.candidates;
        check_shape(list, "candidates", {kAnySize, kAnySize, kAnySize, kAnySize}, "(B, K, P, 3 + T)");
        check_shape(args.peaks, "peaks", {list.shape[0], kAnySize, list.shape[1]}, "(B, M, K)");
        check_shape(args.means, "means", {list.shape[0], peaks->shape[1], list.shape[3] - 3}, "(B, M, T)");
        check_shape(args.counts, "counts", {list.shape[0]}, "(B,)");
        POSEOPS_CHECK(list.shape[1] <= kMaxTagJoints, "heatmaps",
                      "at most " + std::to_string(kMaxTagJoints) + " joints", std::to_string(list.shape[1]));
        POSEOPS_CHECK(list.shape[3] >= 4 && list.shape[3] <= 3 + kMaxTags, "tags",
                      "1 to " + std::to_string(kMaxTags) + " of them", std::to_string(list.shape[3] - 3));
        POSEOPS_CHECK(peaks->shape[1] >= 1 && peaks->shape[1] <= kMaxTagPeople, "max_people",
                      "a number from 1 to " + std::to_string(kMaxTagPeople), std::to_string(peaks->shape[1]));
        check_contiguous(list, "candidates", real, list, "candidates");
        check_contiguous(args.peaks, "peaks", DType::kInt32, list, "candidates");
        check_contiguous(args.means, "means", real, list, "candidates");
        check_contiguous(args.counts, "counts", DType::kInt64, list, "candidates");
    }
};

void group_peaks(py::handle candidates, const std::vector<int64_t>& order, double tag_threshold,
                 bool use_scores, bool join_when_full, py::handle peaks, py::handle means, py::handle scores,
                 py::handle counts) {
    const Groups groups(candidates, peaks, means, counts, Access::kWrite);
    const ImportedTensor values(scores, "scores", Access::kWrite);
    TagGroupsArgs args = {};
    const DType real = groups.candidates->dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
    groups.give(args, real);
    const TensorView& list = args.candidates;
    POSEOPS_CHECK(list.device.type == DeviceType::kCpu, "candidates", "a tensor on the CPU",
                  device_text(list.device));
    args.scores = values.view();
    check_shape(args.scores, "scores", {list.shape[0], args.peaks.shape[1]}, "(B, M)");
    check_contiguous(args.scores, "scores", real, list, "candidates");
    check_order(order, list.shape[1]);
    POSEOPS_CHECK(tag_threshold > 0.0 && tag_threshold <= kFarthestTags, "tag_threshold",
                  "a number above 0, at most 1e6", std::to_string(tag_threshold));
    args.order = order.data();
    args.threshold = tag_threshold;
    args.use_scores = use_scores;
    args.join_when_full = join_when_full;
    py::gil_scoped_release release;
    tag_groups_cpu(args);
}

void store_people(py::handle heatmaps, py::handle tags, py::handle candidates, py::handle peaks,
                  py::handle means, py::handle counts, bool refine, bool fill, double fill_weight,
                  double shift_px, py::handle keypoints, py::handle detected) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor pixels(tags, "tags");
    const Groups groups(candidates, peaks, means, counts, Access::kRead);
    const ImportedTensor points(keypoints, "keypoints", Access::kWrite);
    const ImportedTensor found(detected, "detected", Access::kWrite);
    TagPeopleArgs args = {};
    args.heatmaps = maps.view();
    check_heatmaps(args.heatmaps);
    const DType real = maps->dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
    groups.give(args, real);
    args.tags = pixels.view();
    check_shape(args.tags, "tags",
                {maps->shape[0], maps->shape[1], maps->shape[2], maps->shape[3], groups.means->shape[2]},
                "(B, K, H, W, T), as large as heatmaps");
    check_dtype(args.tags, "tags", {maps->dtype});
    check_same_device(args.tags, "tags", args.heatmaps, "heatmaps");
    check_shape(args.candidates, "candidates", {maps->shape[0], maps->shape[1], kAnySize, kAnySize},
                "(B, K, P, 3 + T)");
    check_same_device(args.candidates, "candidates", args.heatmaps, "heatmaps");
    POSEOPS_CHECK(fill_weight >= 0.0 && std::isfinite(fill_weight), "fill_weight",
                  "a finite number of at least 0", std::to_string(fill_weight));
    args.refine = refine;
    args.fill = fill;
    args.fill_weight = fill_weight;
    args.shift_px = shift_px;
    args.keypoints = points.view();
    args.detected = found.view();
    const int64_t people = args.peaks.shape[1];
    check_shape(args.keypoints, "keypoints", {maps->shape[0], people, maps->shape[1], 3}, "(B, M, K, 3)");
    check_shape(args.detected, "detected", {maps->shape[0], people, maps->shape[1]}, "(B, M, K)");
    check_contiguous(args.keypoints, "keypoints", real, args.heatmaps, "heatmaps");
    check_contiguous(args.detected, "detected", DType::kBool, args.heatmaps, "heatmaps");
    if (maps->numel() == 0) return;
    run_on_device(maps->device, args, &tag_people_cpu, &tag_people_cuda);
}

}  // namespace

void bind_tag_grouping(py::module_& module) {
    module.def("tag_groups", &group_peaks);
    module.def("tag_people", &store_people);
}

}  // namespace pyposeops
