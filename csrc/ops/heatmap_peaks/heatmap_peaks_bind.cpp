// Checks the arguments of heatmap_peaks and picks the device.
#include <optional>
#include <string>

#include "bindings/heatmap_arguments.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "core/peak_blocks.h"
#include "ops/heatmap_peaks/heatmap_peaks.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

HeatmapRefine refine_from(int code) {
    POSEOPS_CHECK(code >= 0 && code <= static_cast<int>(HeatmapRefine::kCentroid), "refine",
                  "a code from 0 to 6", std::to_string(code));
    return static_cast<HeatmapRefine>(code);
}

// Scratch memory is a matter of CUDA.
int64_t scratch_words(const TensorView& heatmaps, const MaximaRule& rule, int32_t max_peaks,
                      HeatmapRefine refine) {
    if (heatmaps.device.type == DeviceType::kCpu || heatmaps.numel() == 0) return 0;
    const int64_t list_bytes = peak_list_bytes(heatmaps.dtype, max_peaks, refine);
    return peak_scratch_words(heatmaps, peak_blocks(heatmaps, rule, list_bytes));
}

void check_max_peaks(int64_t max_peaks) {
    POSEOPS_CHECK(max_peaks >= 1 && max_peaks <= kMaxPeaks, "max_peaks",
                  "a number from 1 to " + std::to_string(kMaxPeaks), std::to_string(max_peaks));
}

int64_t scratch_words_for(py::handle heatmaps, int64_t max_peaks, int64_t window, int plateau, int refine) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    check_heatmaps(maps.view());
    check_max_peaks(max_peaks);
    return scratch_words(maps.view(), maxima_rule(0.0, window, plateau), static_cast<int32_t>(max_peaks),
                         refine_from(refine));
}

void check_output(const TensorView& output, const char* name, DType dtype, const TensorView& heatmaps) {
    check_dtype(output, name, {dtype});
    check_same_device(output, name, heatmaps, "heatmaps");
    POSEOPS_CHECK(output.is_contiguous(), name, "contiguous memory", "other strides");
}

void find_peaks(py::handle heatmaps, double threshold, int64_t window, int plateau, int refine,
                int64_t blur_kernel, int64_t centroid_window, py::handle coords, py::handle scores,
                py::handle counts, py::handle scratch) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor points(coords, "coords", Access::kWrite);
    const ImportedTensor values(scores, "scores", Access::kWrite);
    const ImportedTensor numbers(counts, "counts", Access::kWrite);
    HeatmapPeaksArgs args = {};
    args.heatmaps = maps.view();
    args.rule = maxima_rule(threshold, window, plateau);
    args.refinement = {refine_from(refine), odd_size(blur_kernel, "blur_kernel", kMaxBlurKernel),
                       odd_size(centroid_window, "centroid_window", kMaxWindow) / 2};
    args.coords = points.view();
    args.scores = values.view();
    args.counts = numbers.view();
    check_heatmaps(args.heatmaps);
    check_shape(args.scores, "scores", {maps->shape[0], maps->shape[1], kAnySize}, "(B, K, P)");
    check_max_peaks(values->shape[2]);
    check_shape(args.coords, "coords", {maps->shape[0], maps->shape[1], values->shape[2], 2}, "(B, K, P, 2)");
    check_shape(args.counts, "counts", {maps->shape[0], maps->shape[1]}, "(B, K)");
    const DType real = maps->dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
    check_output(args.coords, "coords", real, args.heatmaps);
    check_output(args.scores, "scores", real, args.heatmaps);
    check_output(args.counts, "counts", DType::kInt64, args.heatmaps);
    const std::optional<ImportedTensor> memory =
        import_scratch(scratch, args.heatmaps,
                       scratch_words(args.heatmaps, args.rule, args.max_peaks(), args.refinement.refine));
    if (memory) args.scratch = memory->view();
    if (maps->numel() == 0) return;
    run_on_device(maps->device, args, &heatmap_peaks_cpu, &heatmap_peaks_cuda);
}

}  // namespace

void bind_heatmap_peaks(py::module_& module) {
    module.def("heatmap_peaks", &find_peaks);
    module.def("heatmap_peaks_scratch_words", &scratch_words_for);
}

}  // namespace pyposeops
