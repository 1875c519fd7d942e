// Checks the arguments of parametric_pose_nms and picks the device.
#include <cmath>
#include <optional>
#include <string>

#include "bindings/ranked_people.h"
#include "ops/parametric_pose_nms/parametric_pose_nms.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr std::initializer_list<DType> kReals = {DType::kFloat32, DType::kFloat64};

void check_positive(double value, const char* name) {
    POSEOPS_CHECK(value > 0.0 && std::isfinite(value), name, "a finite number above 0",
                  std::to_string(value));
}

void check_not_negative(double value, const char* name) {
    POSEOPS_CHECK(value >= 0.0, name, "a number of at least 0", std::to_string(value));
}

PoseNmsRule checked_rule(const py::dict& options) {
    const auto number = [&](const char* name) { return options[name].cast<double>(); };
    PoseNmsRule rule = {};
    rule.variant = static_cast<PoseNmsVariant>(options["variant"].cast<int>());
    rule.delta1 = number("delta1");
    rule.mu = number("mu");
    rule.delta2 = number("delta2");
    rule.gamma = number("gamma");
    rule.alpha = number("alpha");
    rule.match_threshold = options["match_threshold"].cast<int64_t>();
    rule.match_limit = number("match_limit");
    rule.merge_limit = number("merge_limit");
    rule.merge = options["merge"].cast<bool>();
    rule.score_threshold = number("score_threshold");
    rule.area_threshold = number("area_threshold");
    check_positive(rule.delta1, "delta1");
    check_positive(rule.delta2, "delta2");
    check_not_negative(rule.mu, "mu");
    check_not_negative(rule.gamma, "gamma");
    check_not_negative(rule.alpha, "alpha");
    check_not_negative(rule.match_limit, "match_limit");
    check_not_negative(rule.merge_limit, "merge_limit");
    check_not_negative(rule.area_threshold, "area_threshold");
    POSEOPS_CHECK(rule.score_threshold == rule.score_threshold, "score_threshold", "a number", "nan");
    POSEOPS_CHECK(std::isfinite(rule.mu), "mu", "a finite number of at least 0", std::to_string(rule.mu));
    POSEOPS_CHECK(rule.match_threshold >= 0, "match_threshold", "a number of at least 0",
                  std::to_string(rule.match_threshold));
    return rule;
}

// Finite and at least 0, on the CPU.
void check_sizes_and_scores(const PosePeople& people) {
    if (people.keypoints.device.type != DeviceType::kCpu) return;
    for (int64_t i = 0; i < people.keypoints.shape[0]; ++i) {
        for (int64_t side = 2; side < 4; ++side) {
            const auto size = load_any<double>(people.boxes.data, people.boxes.dtype,
                                               i * people.boxes.strides[0] + side * people.boxes.strides[1]);
            POSEOPS_CHECK(size >= 0.0 && std::isfinite(size), "boxes",
                          "finite widths and heights of at least 0",
                          std::to_string(size) + " of box " + std::to_string(i));
        }
        for (int64_t k = 0; k < people.joints(); ++k) {
            const double score = people.score(i, k);
            POSEOPS_CHECK(
                score >= 0.0 && std::isfinite(score), "keypoint_scores", "finite numbers of at least 0",
                std::to_string(score) + " of joint " + std::to_string(k) + " of person " + std::to_string(i));
        }
    }
}

void check_factors(const TensorView& factors, const TensorView& keypoints) {
    if (factors.rank == 0) return;
    check_shape(factors, "factors", {3, keypoints.shape[1]}, "(3, K) with the K of keypoints");
    check_dtype(factors, "factors", {DType::kFloat64});
    check_same_device(factors, "factors", keypoints, "keypoints");
    if (factors.device.type != DeviceType::kCpu) return;
    const char* const names[] = {"score_weights", "distance_weights", "distance_scales"};
    for (int64_t row = 0; row < 3; ++row) {
        for (int64_t k = 0; k < factors.shape[1]; ++k) {
            const double value =
                factors.as<const double>()[row * factors.strides[0] + k * factors.strides[1]];
            const bool right = std::isfinite(value) && (row == 2 ? value > 0.0 : value >= 0.0);
            POSEOPS_CHECK(right, names[row],
                          row == 2 ? "finite numbers above 0" : "finite numbers of at least 0",
                          std::to_string(value) + " at " + std::to_string(k));
        }
    }
}

void check_people(const PosePeople& people) {
    const TensorView& keypoints = people.keypoints;
    check_poses(keypoints);
    POSEOPS_CHECK(keypoints.shape[1] > 0, "keypoints", "at least one joint", shape_text(keypoints));
    check_shape(people.boxes, "boxes", {keypoints.shape[0], 4}, "(N, 4) with the N of keypoints");
    check_dtype(people.boxes, "boxes", kReals);
    check_same_device(people.boxes, "boxes", keypoints, "keypoints");
    check_person_values(people.box_scores, "box_scores", keypoints);
    check_joint_values(people.scores, "keypoint_scores", keypoints);
    check_factors(people.factors, keypoints);
    check_sizes_and_scores(people);
}

void check_joint_output(const TensorView& output, const char* name, const TensorView& like) {
    POSEOPS_CHECK(output.rank == like.rank && output.numel() == like.numel() && output.is_contiguous(), name,
                  "contiguous memory of shape " + shape_text(like), shape_text(output));
    check_dtype(output, name, {like.dtype});
    check_same_device(output, name, like, "keypoints");
}

void suppress(py::handle boxes, py::handle box_scores, py::handle keypoints, py::handle keypoint_scores,
              py::handle offsets, py::handle factors, const py::dict& options, py::handle merged,
              py::handle merged_scores, py::handle person_scores, py::handle keep, py::handle groups,
              py::handle order, py::handle scratch) {
    const ImportedTensor frames(boxes, "boxes");
    const ImportedTensor frame_scores(box_scores, "box_scores");
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor point_scores(keypoint_scores, "keypoint_scores");
    const std::optional<ImportedTensor> images = import_optional(offsets, "offsets");
    const std::optional<ImportedTensor> weights = import_optional(factors, "factors");
    const ImportedTensor out(merged, "merged", Access::kWrite);
    const ImportedTensor out_scores(merged_scores, "merged_scores", Access::kWrite);
    const ImportedTensor people_scores(person_scores, "person_scores", Access::kWrite);
    const ImportedTensor kept(keep, "keep", Access::kWrite);
    const ImportedTensor grouped(groups, "groups", Access::kWrite);
    const ImportedTensor ordered(order, "order", Access::kWrite);
    std::optional<ImportedTensor> memory;
    if (!scratch.is_none()) memory.emplace(scratch, "scratch", Access::kWrite);
    ParametricPoseNmsArgs args = {};
    args.people = {frames.view(),       frame_scores.view(),   points.view(),
                   point_scores.view(), view_or_none(weights), checked_rule(options)};
    check_people(args.people);
    args.offsets = view_or_none(images);
    check_image_offsets(args.offsets, points.view());
    args.merged = out.view();
    args.merged_scores = out_scores.view();
    check_joint_output(args.merged, "merged", points.view());
    check_joint_output(args.merged_scores, "merged_scores", point_scores.view());
    args.person_scores = people_scores.view();
    args.keep = kept.view();
    args.groups = grouped.view();
    args.order = ordered.view();
    check_person_output(args.person_scores, "person_scores", points.view(), {frame_scores->dtype});
    check_person_output(args.keep, "keep", points.view(), {DType::kBool});
    check_person_output(args.groups, "groups", points.view(), {DType::kInt64});
    check_person_output(args.order, "order", points.view(), {DType::kInt64});
    if (points->device.type != DeviceType::kCpu) {
        args.scratch = view_or_none(memory);
        check_person_scratch(args.scratch, points.view());
    }
    if (points->shape[0] == 0) return;
    run_on_device(points->device, args, &parametric_pose_nms_cpu, &parametric_pose_nms_cuda);
}

}  // namespace

void bind_parametric_pose_nms(py::module_& module) { module.def("parametric_pose_nms", &suppress); }

}  // namespace pyposeops
