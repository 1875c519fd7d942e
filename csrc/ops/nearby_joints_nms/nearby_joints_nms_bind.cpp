// Checks the arguments of nearby_joints_nms and picks the device.
#include <cmath>
#include <optional>
#include <string>

#include "bindings/ranked_people.h"
#include "ops/nearby_joints_nms/nearby_joints_nms.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

void suppress(py::handle keypoints, py::handle scores, py::handle offsets, double distance_threshold,
              int64_t joint_threshold, int64_t max_dets, py::handle keep, py::handle order,
              py::handle scratch) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor ranks(scores, "scores");
    const std::optional<ImportedTensor> images = import_optional(offsets, "offsets");
    const ImportedTensor kept(keep, "keep", Access::kWrite);
    const ImportedTensor ordered(order, "order", Access::kWrite);
    std::optional<ImportedTensor> memory;
    if (!scratch.is_none()) memory.emplace(scratch, "scratch", Access::kWrite);
    NearbyJointsNmsArgs args = {};
    check_poses(points.view());
    POSEOPS_CHECK(distance_threshold > 0.0 && std::isfinite(distance_threshold), "distance_threshold",
                  "a finite number above 0", std::to_string(distance_threshold));
    POSEOPS_CHECK(joint_threshold >= 0 && joint_threshold < points->shape[1], "joint_threshold",
                  "a number from 0 to below the " + std::to_string(points->shape[1]) + " joints",
                  std::to_string(joint_threshold));
    POSEOPS_CHECK(max_dets >= 1, "max_dets", "a number of at least 1", std::to_string(max_dets));
    args.people = {points.view(), distance_threshold, joint_threshold};
    args.scores = ranks.view();
    check_person_values(args.scores, "scores", points.view());
    args.offsets = view_or_none(images);
    check_image_offsets(args.offsets, points.view());
    args.max_dets = max_dets;
    args.keep = kept.view();
    args.order = ordered.view();
    check_person_output(args.keep, "keep", points.view(), {DType::kBool});
    check_person_output(args.order, "order", points.view(), {DType::kInt64});
    if (points->device.type != DeviceType::kCpu) {
        args.scratch = view_or_none(memory);
        check_person_scratch(args.scratch, points.view());
    }
    if (points->shape[0] == 0) return;
    run_on_device(points->device, args, &nearby_joints_nms_cpu, &nearby_joints_nms_cuda);
}

}  // namespace

void bind_nearby_joints_nms(py::module_& module) { module.def("nearby_joints_nms", &suppress); }

}  // namespace pyposeops
