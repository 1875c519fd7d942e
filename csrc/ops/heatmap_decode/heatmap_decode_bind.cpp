// Checks the arguments of heatmap_decode and picks the device.
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "bindings/flip_arguments.h"
#include "bindings/heatmap_arguments.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/heatmap_decode/heatmap_decode.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

// What a refinement of the Python side stands for.
struct Method {
    HeatmapRefine refine;
    HeatmapSmoothing smoothing;
};

Method method_from(int code) {
    constexpr int kMegvii = static_cast<int>(HeatmapRefine::kParabola) + 1;
    constexpr int kUdpCombined = kMegvii + 1;
    POSEOPS_CHECK(code >= 0 && code <= kUdpCombined, "refine", "a code from 0 to 7", std::to_string(code));
    if (code == kMegvii) return {HeatmapRefine::kNone, HeatmapSmoothing::kPeakPreserving};
    if (code == kUdpCombined) return {HeatmapRefine::kNone, HeatmapSmoothing::kReflected};
    return {static_cast<HeatmapRefine>(code), HeatmapSmoothing::kNone};
}

void check_output(const TensorView& output, const char* name, const TensorView& heatmaps) {
    check_dtype(output, name, {heatmaps.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(output, name, heatmaps, "heatmaps");
    POSEOPS_CHECK(output.is_contiguous(), name, "contiguous memory", "other strides");
}

// What every call has. The tensors are the caller's.
HeatmapDecodeArgs common_args(const ImportedTensor& maps, int refine, int64_t blur_kernel, double empty_coord,
                              const ImportedTensor& points, const ImportedTensor& maxima) {
    HeatmapDecodeArgs args = {};
    const Method method = method_from(refine);
    args.heatmaps = maps.view();
    args.refinement.refine = method.refine;
    args.refinement.blur_kernel = odd_size(blur_kernel, "blur_kernel", kMaxBlurKernel);
    args.smoothing = method.smoothing;
    args.empty_coord = empty_coord;
    args.coords = points.view();
    args.scores = maxima.view();
    args.grid.scale = {1.0, 1.0};
    check_heatmaps(args.heatmaps);
    check_shape(args.coords, "coords", {maps->shape[0], maps->shape[1], 2}, "(B, K, 2)");
    check_shape(args.scores, "scores", {maps->shape[0], maps->shape[1]}, "(B, K)");
    check_output(args.coords, "coords", args.heatmaps);
    check_output(args.scores, "scores", args.heatmaps);
    return args;
}

void run(const HeatmapDecodeArgs& args) {
    if (args.scores.numel() == 0) return;
    run_on_device(args.heatmaps.device, args, &heatmap_decode_cpu, &heatmap_decode_cuda);
}

void decode(py::handle heatmaps, int refine, int64_t blur_kernel, double empty_coord, py::handle coords,
            py::handle scores) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor points(coords, "coords", Access::kWrite);
    const ImportedTensor maxima(scores, "scores", Access::kWrite);
    run(common_args(maps, refine, blur_kernel, empty_coord, points, maxima));
}

// (B, K, 2, H, W), of (B, 2K, H, W) too.
TensorView offsets_by_joint(const TensorView& offsets, const char* name, const TensorView& heatmaps) {
    const int64_t* shape = heatmaps.shape;
    constexpr const char* kWanted = "(B, 2K, H, W) or (B, K, 2, H, W) of heatmaps";
    check_dtype(offsets, name, {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(offsets, name, heatmaps, "heatmaps");
    if (offsets.rank == 5) {
        check_shape(offsets, name, {shape[0], shape[1], 2, shape[2], shape[3]}, kWanted);
        return offsets;
    }
    check_shape(offsets, name, {shape[0], 2 * shape[1], shape[2], shape[3]}, kWanted);
    TensorView by_joint = offsets;
    by_joint.rank = 5;
    for (int d = 4; d > 2; --d) {
        by_joint.shape[d] = offsets.shape[d - 1];
        by_joint.strides[d] = offsets.strides[d - 1];
    }
    by_joint.shape[1] = shape[1];
    by_joint.shape[2] = 2;
    by_joint.strides[1] = 2 * offsets.strides[1];
    by_joint.strides[2] = offsets.strides[1];
    return by_joint;
}

void add_flipped(HeatmapDecodeArgs& args, const TensorView& flipped, const std::vector<int64_t>& flip_pairs,
                 bool shift) {
    const int64_t* shape = args.heatmaps.shape;
    check_shape(flipped, "flipped", {shape[0], shape[1], shape[2], shape[3]}, "the (B, K, H, W) of heatmaps");
    check_dtype(flipped, "flipped", {args.heatmaps.dtype});
    check_same_device(flipped, "flipped", args.heatmaps, "heatmaps");
    args.flipped = flipped;
    args.flip_order = flip_order(flip_pairs, shape[1]);
    args.shift = shift;
}

void add_affines(HeatmapDecodeArgs& args, const TensorView& affines) {
    check_shape(affines, "affines", {args.heatmaps.shape[0], 2, 3}, "(B, 2, 3)");
    check_dtype(affines, "affines", {DType::kFloat32, DType::kFloat64});
    check_same_device(affines, "affines", args.heatmaps, "heatmaps");
    args.affines = affines;
}

// With everything that can be done in the same pass; None leaves it out.
void decode_to_image(py::handle heatmaps, int refine, int64_t blur_kernel, double empty_coord,
                     py::handle flipped, const std::vector<int64_t>& flip_pairs, bool shift,
                     py::handle offsets, py::handle flipped_offsets, double offset_scale, py::handle affines,
                     double scale_x, double scale_y, double shift_x, double shift_y, py::handle coords,
                     py::handle scores) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor points(coords, "coords", Access::kWrite);
    const ImportedTensor maxima(scores, "scores", Access::kWrite);
    const std::optional<ImportedTensor> mirrored = import_optional(flipped, "flipped");
    const std::optional<ImportedTensor> shifts = import_optional(offsets, "offsets");
    const std::optional<ImportedTensor> mirrored_shifts = import_optional(flipped_offsets, "flipped_offsets");
    const std::optional<ImportedTensor> to_crop = import_optional(affines, "affines");
    HeatmapDecodeArgs args = common_args(maps, refine, blur_kernel, empty_coord, points, maxima);
    if (mirrored) add_flipped(args, mirrored->view(), flip_pairs, shift);
    if (shifts) args.offsets = offsets_by_joint(shifts->view(), "offsets", args.heatmaps);
    if (mirrored_shifts) {
        POSEOPS_CHECK(mirrored && shifts, "flipped_offsets", "flipped and offsets beside it", "not both");
        args.flipped_offsets = offsets_by_joint(mirrored_shifts->view(), "flipped_offsets", args.heatmaps);
    }
    args.offset_scale = offset_scale;
    args.grid = {{scale_x, scale_y}, {shift_x, shift_y}};
    if (to_crop) add_affines(args, to_crop->view());
    run(args);
}

}  // namespace

void bind_heatmap_decode(py::module_& module) {
    module.def("heatmap_decode", &decode);
    module.def("heatmap_decode_to_image", &decode_to_image);
}

}  // namespace pyposeops
