// Checks the arguments of simcc_decode and picks the device.
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "bindings/flip_arguments.h"
#include "bindings/heatmap_arguments.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/simcc_decode/simcc_decode.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr int64_t kMaxBins = int64_t{1} << 24;  // bins stay exact in float
const char* const kRowNames[2] = {"simcc_x", "simcc_y"};

void check_finite_above_zero(double value, const char* name) {
    POSEOPS_CHECK(value > 0.0 && value - value == 0.0, name, "a finite number above 0",
                  std::to_string(value));
}

void set_rows(SimccDecodeArgs& args, const TensorView& x, const TensorView& y) {
    args.rows[0] = x;
    args.rows[1] = y;
    check_shape(x, kRowNames[0], {kAnySize, kAnySize, kAnySize}, "(B, K, X)");
    check_shape(y, kRowNames[1], {x.shape[0], x.shape[1], kAnySize}, "(B, K, Y) with the B and K of simcc_x");
    check_dtype(x, kRowNames[0], {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_dtype(y, kRowNames[1], {x.dtype});
    check_same_device(y, kRowNames[1], x, kRowNames[0]);
    for (int d = 0; d < 2; ++d) {
        const int64_t bins = args.rows[d].shape[2];
        POSEOPS_CHECK(bins > 0 && bins < kMaxBins, kRowNames[d], "1 to 2^24 - 1 bins",
                      shape_text(args.rows[d]));
    }
}

void set_flipped(SimccDecodeArgs& args, const TensorView& flipped, int d) {
    const int64_t* shape = args.rows[d].shape;
    check_shape(flipped, "flipped", {shape[0], shape[1], shape[2]}, "the shapes of simcc_x and simcc_y");
    check_dtype(flipped, "flipped", {args.rows[d].dtype});
    check_same_device(flipped, "flipped", args.rows[d], kRowNames[d]);
    args.flipped[d] = flipped;
}

void set_output(TensorView& target, const TensorView& output, const char* name, const TensorView& rows) {
    check_dtype(output, name, {rows.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(output, name, rows, kRowNames[0]);
    POSEOPS_CHECK(output.is_contiguous(), name, "contiguous memory", "other strides");
    target = output;
}

// kernel_x and kernel_y: 0 for no refinement.
void decode(py::handle simcc_x, py::handle simcc_y, double split_ratio, int64_t kernel_x, int64_t kernel_y,
            bool softmax, double inverse_temperature, int score, std::optional<double> empty_coord,
            py::handle flipped_x, py::handle flipped_y, const std::vector<int64_t>& flip_pairs, int64_t shift,
            py::handle affines, py::handle coords, py::handle scores) {
    const ImportedTensor across(simcc_x, kRowNames[0]);
    const ImportedTensor down(simcc_y, kRowNames[1]);
    const std::optional<ImportedTensor> other_across = import_optional(flipped_x, "flipped");
    const std::optional<ImportedTensor> other_down = import_optional(flipped_y, "flipped");
    const std::optional<ImportedTensor> to_crop = import_optional(affines, "affines");
    const ImportedTensor points(coords, "coords", Access::kWrite);
    const ImportedTensor maxima(scores, "scores", Access::kWrite);
    SimccDecodeArgs args = {};
    set_rows(args, across.view(), down.view());
    const int64_t* shape = args.rows[0].shape;
    POSEOPS_CHECK(other_across.has_value() == other_down.has_value(), "flipped", "rows of x and of y",
                  "one of them");
    if (other_across && other_down) {
        set_flipped(args, other_across->view(), 0);
        set_flipped(args, other_down->view(), 1);
        args.flip_order = flip_order(flip_pairs, shape[1]);
        POSEOPS_CHECK(shift >= 0 && shift < shape[2], "shift", "a number of bins from 0 to X - 1",
                      std::to_string(shift));
        args.shift = static_cast<int32_t>(shift);
    }
    if (to_crop) {
        args.affines = to_crop->view();
        check_shape(args.affines, "affines", {shape[0], 2, 3}, "(B, 2, 3)");
        check_dtype(args.affines, "affines", {DType::kFloat32, DType::kFloat64});
        check_same_device(args.affines, "affines", args.rows[0], kRowNames[0]);
    }
    check_finite_above_zero(split_ratio, "split_ratio");
    check_finite_above_zero(inverse_temperature, "inverse_temperature");
    POSEOPS_CHECK(score >= 0 && score <= 2, "score", "a code from 0 to 2", std::to_string(score));
    args.split_ratio = split_ratio;
    args.inverse_temperature = inverse_temperature;
    args.softmax = softmax;
    args.score = static_cast<SimccScore>(score);
    args.replaces_empty = empty_coord.has_value();
    args.empty_coord = empty_coord.value_or(0.0);
    args.blur_kernels[0] = kernel_x == 0 ? 0 : odd_size(kernel_x, "blur_kernel", kMaxBlurKernel);
    args.blur_kernels[1] = kernel_y == 0 ? 0 : odd_size(kernel_y, "blur_kernel", kMaxBlurKernel);
    check_shape(points.view(), "coords", {shape[0], shape[1], 2}, "(B, K, 2)");
    check_shape(maxima.view(), "scores", {shape[0], shape[1]}, "(B, K)");
    set_output(args.coords, points.view(), "coords", args.rows[0]);
    set_output(args.scores, maxima.view(), "scores", args.rows[0]);
    if (args.scores.numel() == 0) return;
    run_on_device(args.rows[0].device, args, &simcc_decode_cpu, &simcc_decode_cuda);
}

}  // namespace

void bind_simcc_decode(py::module_& module) { module.def("simcc_decode", &decode); }

}  // namespace pyposeops
