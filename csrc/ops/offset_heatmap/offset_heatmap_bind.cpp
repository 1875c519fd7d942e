// Checks the arguments of offset_heatmap and picks the device.
#include <optional>
#include <string>

#include "bindings/people.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/offset_heatmap/offset_heatmap.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

OffsetRule offset_rule(int region, int order, double radius, double multiplier) {
    POSEOPS_CHECK(region >= 0 && region <= static_cast<int>(OffsetRegion::kRootBox), "region", "0, 1 or 2",
                  std::to_string(region));
    POSEOPS_CHECK(order >= 0 && order <= static_cast<int>(OffsetOrder::kSmallest), "order", "0, 1 or 2",
                  std::to_string(order));
    const OffsetRule rule = {static_cast<OffsetRegion>(region), static_cast<OffsetOrder>(order), radius,
                             multiplier};
    const bool boxes = rule.region == OffsetRegion::kRootBox;
    POSEOPS_CHECK(boxes == (rule.order == OffsetOrder::kSmallest), "order",
                  "smallest exactly with root boxes", std::to_string(order));
    POSEOPS_CHECK((boxes ? radius >= 0.0 : radius > 0.0) && radius - radius == 0.0, "radius",
                  boxes ? "a finite number of at least 0" : "a finite number above 0",
                  std::to_string(radius));
    POSEOPS_CHECK(multiplier != 0.0 && multiplier - multiplier == 0.0, "scale", "a finite number above 0",
                  std::to_string(1.0 / multiplier));
    return rule;
}

// (B, N, ...) or, of one person per image, (B, ...); (M, ...) with offsets. `full_rank` counts B and N.
TensorView person_values(const ImportedTensor& values, const char* name, const PeopleTensors& people,
                         int32_t full_rank, const char* wanted) {
    TensorView view = values.view();
    check_dtype(view, name, {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(view, name, people.keypoints, "keypoints");
    const int64_t* points = people.keypoints.shape;
    if (view.rank == full_rank - 1) {
        view = unsqueeze(view, people.offsets.data == nullptr ? 1 : 0);
    }
    const bool fits = view.rank == full_rank && view.shape[0] == points[0] && view.shape[1] == points[1] &&
                      (full_rank == 2 || view.shape[2] == 2);
    POSEOPS_CHECK(fits, name, wanted, shape_text(values.view()));
    return view;
}

void check_masks(const OffsetHeatmapArgs& args) {
    const TensorView& maps = args.heatmaps;
    check_shape(args.masks, "masks", {maps.shape[0], args.weights.shape[1], maps.shape[2], maps.shape[3]},
                "(B, K, H, W)");
    const bool smallest = args.rule.order == OffsetOrder::kSmallest;
    check_dtype(args.masks, "masks", {smallest ? maps.dtype : DType::kBool});
    check_same_device(args.masks, "masks", maps, "keypoints");
    const bool same = maps.is_contiguous() ? args.masks.is_contiguous() : args.masks.is_channels_last();
    POSEOPS_CHECK(same, "masks", "the memory layout of heatmaps", "another");
}

void offset_heatmap(py::handle keypoints, py::handle visibility, py::handle offsets, py::handle roots,
                    py::handle sizes, int region, int order, double radius, double multiplier,
                    bool only_on_map, double stride_y, double stride_x, double before, double after,
                    py::handle heatmaps, py::handle masks, py::handle weights) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const std::optional<ImportedTensor> starts = import_optional(offsets, "offsets");
    const std::optional<ImportedTensor> centres = import_optional(roots, "roots");
    const std::optional<ImportedTensor> extents = import_optional(sizes, "instance_sizes");
    const ImportedTensor maps(heatmaps, "heatmaps", Access::kWrite);
    const ImportedTensor weight(weights, "weights", Access::kWrite);
    OffsetHeatmapArgs args = {};
    args.people = people_tensors(points, seen, starts);
    args.grid = {stride_x, stride_y, before, after};
    args.rule = offset_rule(region, order, radius, multiplier);
    args.only_on_map = only_on_map;
    const bool boxes = args.rule.region == OffsetRegion::kRootBox;
    POSEOPS_CHECK(boxes == centres.has_value() && boxes == extents.has_value(), "roots",
                  "roots and instance_sizes exactly with root boxes", "another");
    if (boxes) {
        args.roots = person_values(*centres, "roots", args.people, 3, "the shape of keypoints without K");
        args.sizes = person_values(*extents, "instance_sizes", args.people, 2, "one number per person");
    }
    args.heatmaps = maps.view();
    args.weights = weight.view();
    const int64_t joints = args.people.keypoints.shape[2];
    check_maps(args.heatmaps, "heatmaps", args.people, (masks.is_none() ? 3 : 2) * joints,
               "(B, 2 or 3 K, H, W)");
    check_weights(args.weights, "weights", args.heatmaps, {args.heatmaps.shape[0], joints}, "(B, K)");
    std::optional<ImportedTensor> mask;
    if (!masks.is_none()) {
        mask.emplace(masks, "masks", Access::kWrite);
        args.masks = mask->view();
        check_masks(args);
    }
    if (args.weights.numel() == 0) return;
    prepare_to_write(args.heatmaps);
    run_on_device(args.heatmaps.device, args, &offset_heatmap_cpu, &offset_heatmap_cuda);
}

}  // namespace

void bind_offset_heatmap(py::module_& module) { module.def("offset_heatmap", &offset_heatmap); }

}  // namespace pyposeops
