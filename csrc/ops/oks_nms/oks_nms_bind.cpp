// Checks the arguments of oks_nms and picks the device.
#include <optional>

#include "bindings/ranked_people.h"
#include "ops/oks_nms/oks_nms.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

void suppress(py::handle keypoints, py::handle scores, py::handle areas, py::handle sigmas,
              py::handle offsets, py::handle confidences, double threshold, double confidence_threshold,
              int ties, py::handle keep, py::handle order) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor ranks(scores, "scores");
    const ImportedTensor sizes(areas, "areas");
    const ImportedTensor spreads(sigmas, "sigmas");
    const std::optional<ImportedTensor> images = import_optional(offsets, "offsets");
    const std::optional<ImportedTensor> seen = import_optional(confidences, "confidences");
    const ImportedTensor kept(keep, "keep", Access::kWrite);
    const ImportedTensor ordered(order, "order", Access::kWrite);
    OksNmsArgs args = {};
    args.people =
        oks_people(points.view(), sizes.view(), spreads.view(), view_or_none(seen), confidence_threshold);
    args.scores = ranks.view();
    check_person_values(args.scores, "scores", points.view());
    args.offsets = view_or_none(images);
    check_image_offsets(args.offsets, points.view());
    args.threshold = checked_threshold(threshold);
    args.ties = checked_ties(ties);
    args.keep = kept.view();
    args.order = ordered.view();
    check_person_output(args.keep, "keep", points.view(), {DType::kBool});
    check_person_output(args.order, "order", points.view(), {DType::kInt64});
    if (points->shape[0] == 0) return;
    run_on_device(points->device, args, &oks_nms_cpu, &oks_nms_cuda);
}

}  // namespace

void bind_oks_nms(py::module_& module) { module.def("oks_nms", &suppress); }

}  // namespace pyposeops
