// Checks the arguments of soft_oks_nms and picks the device.
#include <optional>
#include <string>

#include "bindings/ranked_people.h"
#include "ops/soft_oks_nms/soft_oks_nms.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

ScoreDecay checked_decay(int decay, double threshold) {
    POSEOPS_CHECK(decay == 0 || decay == 1, "decay", "0 or 1", std::to_string(decay));
    POSEOPS_CHECK(decay == 1 || threshold > 0.0, "threshold", "a number above 0 with the Gaussian decay",
                  std::to_string(threshold));
    return static_cast<ScoreDecay>(decay);
}

void pick(py::handle keypoints, py::handle scores, py::handle areas, py::handle sigmas, py::handle offsets,
          py::handle confidences, double threshold, double confidence_threshold, int64_t max_dets, int decay,
          int ties, py::handle keep, py::handle order, py::handle rescored, py::handle scratch) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor ranks(scores, "scores");
    const ImportedTensor sizes(areas, "areas");
    const ImportedTensor spreads(sigmas, "sigmas");
    const std::optional<ImportedTensor> images = import_optional(offsets, "offsets");
    const std::optional<ImportedTensor> seen = import_optional(confidences, "confidences");
    const std::optional<ImportedTensor> memory =
        scratch.is_none() ? std::nullopt
                          : std::optional<ImportedTensor>(std::in_place, scratch, "scratch", Access::kWrite);
    const ImportedTensor kept(keep, "keep", Access::kWrite);
    const ImportedTensor ordered(order, "order", Access::kWrite);
    const ImportedTensor lowered(rescored, "rescored", Access::kWrite);
    SoftOksNmsArgs args = {};
    args.people =
        oks_people(points.view(), sizes.view(), spreads.view(), view_or_none(seen), confidence_threshold);
    args.scores = ranks.view();
    check_finite_person_values(args.scores, "scores", points.view());
    args.offsets = view_or_none(images);
    check_image_offsets(args.offsets, points.view());
    args.threshold = checked_threshold(threshold);
    args.decay = checked_decay(decay, threshold);
    args.ties = checked_ties(ties);
    POSEOPS_CHECK(max_dets >= 1, "max_dets", "a number of at least 1", std::to_string(max_dets));
    args.max_dets = max_dets;
    args.keep = kept.view();
    args.order = ordered.view();
    args.rescored = lowered.view();
    check_person_output(args.keep, "keep", points.view(), {DType::kBool});
    check_person_output(args.order, "order", points.view(), {DType::kInt64});
    check_person_output(args.rescored, "rescored", points.view(), {args.scores.dtype});
    if (points->device.type != DeviceType::kCpu) {
        args.scratch = view_or_none(memory);
        check_person_scratch(args.scratch, points.view());
    }
    if (points->shape[0] == 0) return;
    run_on_device(points->device, args, &soft_oks_nms_cpu, &soft_oks_nms_cuda);
}

}  // namespace

void bind_soft_oks_nms(py::module_& module) { module.def("soft_oks_nms", &pick); }

}  // namespace pyposeops
