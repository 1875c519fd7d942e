// Checks the arguments of flip_merge and picks the device.
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings/flip_arguments.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/flip_merge/flip_merge.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

void check_like_heatmaps(const TensorView& tensor, const char* name, const TensorView& heatmaps) {
    const int64_t* shape = heatmaps.shape;
    check_shape(tensor, name, {shape[0], shape[1], shape[2], shape[3]}, "the (B, C, H, W) of heatmaps");
    check_dtype(tensor, name, {heatmaps.dtype});
    check_same_device(tensor, name, heatmaps, "heatmaps");
}

// A joint's channels by the kind of map: heat; UDP's disc, x and y; x and y.
FlipChannels channels_of_kind(int kind) {
    constexpr FlipChannels kKinds[] = {{1, -1}, {3, 1}, {2, 0}};
    POSEOPS_CHECK(kind >= 0 && kind < 3, "kind", "a code from 0 to 2", std::to_string(kind));
    return kKinds[kind];
}

void merge(py::handle heatmaps, py::handle flipped, const std::vector<int64_t>& flip_pairs, bool shift,
           int kind, py::handle out) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor mirrored(flipped, "flipped");
    const ImportedTensor merged(out, "out", Access::kWrite);
    FlipMergeArgs args = {maps.view(), mirrored.view(), merged.view(), {}, channels_of_kind(kind), shift};
    constexpr int64_t kMaxMapSize = int64_t{1} << 31;
    check_shape(args.heatmaps, "heatmaps", {kAnySize, kAnySize, kAnySize, kAnySize}, "(B, C, H, W)");
    check_dtype(args.heatmaps, "heatmaps",
                {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    POSEOPS_CHECK(maps->shape[2] * maps->shape[3] < kMaxMapSize, "heatmaps", "fewer than 2^31 pixels",
                  shape_text(args.heatmaps));
    const int32_t per_joint = args.channels.per_joint;
    POSEOPS_CHECK(maps->shape[1] % per_joint == 0, "heatmaps",
                  std::to_string(per_joint) + " channels per joint", shape_text(args.heatmaps));
    check_like_heatmaps(args.flipped, "flipped", args.heatmaps);
    check_like_heatmaps(args.out, "out", args.heatmaps);
    POSEOPS_CHECK(mirrored->data != merged->data || maps->numel() == 0, "out",
                  "other memory than that of flipped", "the same");
    args.order = flip_order(flip_pairs, maps->shape[1] / per_joint);
    if (maps->numel() == 0) return;
    run_on_device(maps->device, args, &flip_merge_cpu, &flip_merge_cuda);
}

}  // namespace

void bind_flip_merge(py::module_& module) { module.def("flip_merge", &merge); }

}  // namespace pyposeops
