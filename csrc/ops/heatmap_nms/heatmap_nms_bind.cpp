// Checks the arguments of heatmap_nms and picks the device.
#include <optional>

#include "bindings/heatmap_arguments.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "core/peak_blocks.h"
#include "ops/heatmap_nms/heatmap_nms.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

void check_like_heatmaps(const TensorView& tensor, const char* name, const TensorView& heatmaps) {
    const int64_t* shape = heatmaps.shape;
    check_shape(tensor, name, {shape[0], shape[1], shape[2], shape[3]}, "the shape of heatmaps");
    check_dtype(tensor, name, {heatmaps.dtype});
    check_same_device(tensor, name, heatmaps, "heatmaps");
}

// Scratch memory is a matter of CUDA.
int64_t scratch_words(const TensorView& heatmaps, const MaximaRule& rule) {
    if (heatmaps.device.type == DeviceType::kCpu || heatmaps.numel() == 0) return 0;
    return peak_scratch_words(heatmaps, peak_blocks(heatmaps, rule, 0));
}

int64_t scratch_words_for(py::handle heatmaps, int64_t window, int plateau) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    check_heatmaps(maps.view());
    return scratch_words(maps.view(), maxima_rule(0.0, window, plateau));
}

void suppress(py::handle heatmaps, py::handle values, double threshold, int64_t window, int plateau,
              py::handle suppressed, py::handle scratch) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor kept(values, "values");
    const ImportedTensor out(suppressed, "suppressed", Access::kWrite);
    HeatmapNmsArgs args = {};
    args.heatmaps = maps.view();
    args.values = kept.view();
    args.rule = maxima_rule(threshold, window, plateau);
    args.suppressed = out.view();
    check_heatmaps(args.heatmaps);
    check_like_heatmaps(args.values, "values", args.heatmaps);
    check_like_heatmaps(args.suppressed, "suppressed", args.heatmaps);
    const std::optional<ImportedTensor> memory =
        import_scratch(scratch, args.heatmaps, scratch_words(args.heatmaps, args.rule));
    if (memory) args.scratch = memory->view();
    if (maps->numel() == 0) return;
    run_on_device(maps->device, args, &heatmap_nms_cpu, &heatmap_nms_cuda);
}

}  // namespace

void bind_heatmap_nms(py::module_& module) {
    module.def("heatmap_nms", &suppress);
    module.def("heatmap_nms_scratch_words", &scratch_words_for);
}

}  // namespace pyposeops
