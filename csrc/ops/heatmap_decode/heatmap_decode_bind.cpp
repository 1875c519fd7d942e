// Checks the arguments of heatmap_decode and picks the device.
#include <string>

#include "bindings/heatmap_arguments.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/heatmap_decode/heatmap_decode.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

HeatmapRefine refine_from(int code) {
    POSEOPS_CHECK(code >= 0 && code <= static_cast<int>(HeatmapRefine::kParabola), "refine",
                  "a code from 0 to 5", std::to_string(code));
    return static_cast<HeatmapRefine>(code);
}

void check_output(const TensorView& output, const char* name, const TensorView& heatmaps) {
    check_dtype(output, name, {heatmaps.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(output, name, heatmaps, "heatmaps");
    POSEOPS_CHECK(output.is_contiguous(), name, "contiguous memory", "other strides");
}

void decode(py::handle heatmaps, int refine, int64_t blur_kernel, double empty_coord, py::handle coords,
            py::handle scores) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor points(coords, "coords", Access::kWrite);
    const ImportedTensor maxima(scores, "scores", Access::kWrite);
    HeatmapDecodeArgs args = {};
    args.heatmaps = maps.view();
    args.refinement.refine = refine_from(refine);
    args.refinement.blur_kernel = odd_size(blur_kernel, "blur_kernel", kMaxBlurKernel);
    args.empty_coord = empty_coord;
    args.coords = points.view();
    args.scores = maxima.view();
    check_heatmaps(args.heatmaps);
    check_shape(args.coords, "coords", {maps->shape[0], maps->shape[1], 2}, "(B, K, 2)");
    check_shape(args.scores, "scores", {maps->shape[0], maps->shape[1]}, "(B, K)");
    check_output(args.coords, "coords", args.heatmaps);
    check_output(args.scores, "scores", args.heatmaps);
    if (maxima->numel() == 0) return;
    run_on_device(maps->device, args, &heatmap_decode_cpu, &heatmap_decode_cuda);
}

}  // namespace

void bind_heatmap_decode(py::module_& module) { module.def("heatmap_decode", &decode); }

}  // namespace pyposeops
