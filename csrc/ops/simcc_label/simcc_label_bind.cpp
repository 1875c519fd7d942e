// Checks the arguments of simcc_label and picks the device.
#include <string>

#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/simcc_label/simcc_label.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr int64_t kMaxBins = int64_t{1} << 24;  // bins stay exact in float

void check_finite_above_zero(double value, const char* name) {
    POSEOPS_CHECK(value > 0.0 && value - value == 0.0, name, "a finite number above 0",
                  std::to_string(value));
}

SimccRule rule_from(int encoding, int compat, double split_ratio, int64_t height, int64_t width,
                    double sigma_x, double sigma_y, bool normalize, double smoothing) {
    POSEOPS_CHECK(encoding == 0 || encoding == 1, "encoding", "a code from 0 to 1", std::to_string(encoding));
    POSEOPS_CHECK(compat >= 0 && compat <= 2, "compat", "a code from 0 to 2", std::to_string(compat));
    check_finite_above_zero(split_ratio, "split_ratio");
    check_finite_above_zero(sigma_x, "sigma");
    check_finite_above_zero(sigma_y, "sigma");
    POSEOPS_CHECK(smoothing >= 0.0 && smoothing <= 1.0, "smoothing", "a number from 0 to 1",
                  std::to_string(smoothing));
    SimccRule rule = {};
    rule.encoding = static_cast<SimccEncoding>(encoding);
    rule.compat = static_cast<SimccCompat>(compat);
    rule.split_ratio = split_ratio;
    rule.crop_size[0] = static_cast<double>(width);
    rule.crop_size[1] = static_cast<double>(height);
    rule.sigma[0] = sigma_x;
    rule.sigma[1] = sigma_y;
    rule.smoothing = smoothing;
    rule.normalize = normalize;
    return rule;
}

void check_output(const TensorView& output, const char* name, const TensorView& keypoints) {
    check_same_device(output, name, keypoints, "keypoints");
    POSEOPS_CHECK(output.is_contiguous(), name, "contiguous memory", "other strides");
}

void check_labels(const SimccLabelArgs& args) {
    const char* const names[2] = {"x", "y"};
    const int64_t* shape = args.keypoints.shape;
    for (int d = 0; d < 2; ++d) {
        const TensorView& labels = args.labels[d];
        check_shape(labels, names[d], {shape[0], shape[1], kAnySize}, "(B, K, bins)");
        check_dtype(labels, names[d], {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
        check_dtype(labels, names[d], {args.labels[0].dtype});
        check_output(labels, names[d], args.keypoints);
        const int64_t bins = labels.shape[2];
        const int64_t least = args.rule.smoothing > 0.0 ? 2 : 1;
        POSEOPS_CHECK(bins >= least && bins < kMaxBins, "size, split_ratio",
                      least == 2 ? "2 to 2^24 bins with smoothing" : "1 to 2^24 bins", std::to_string(bins));
    }
    const bool wide = args.labels[0].dtype == DType::kFloat64;
    check_shape(args.weights, "weights", {shape[0], shape[1]}, "(B, K)");
    check_dtype(args.weights, "weights", {wide ? DType::kFloat64 : DType::kFloat32});
    check_output(args.weights, "weights", args.keypoints);
}

void label(py::handle keypoints, py::handle visibility, int encoding, int compat, double split_ratio,
           int64_t height, int64_t width, double sigma_x, double sigma_y, bool normalize, double smoothing,
           py::handle x, py::handle y, py::handle weights) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const ImportedTensor across(x, "x", Access::kWrite);
    const ImportedTensor down(y, "y", Access::kWrite);
    const ImportedTensor weight(weights, "weights", Access::kWrite);
    SimccLabelArgs args = {};
    args.keypoints = points.view();
    args.visibility = seen.view();
    args.rule =
        rule_from(encoding, compat, split_ratio, height, width, sigma_x, sigma_y, normalize, smoothing);
    args.labels[0] = across.view();
    args.labels[1] = down.view();
    args.weights = weight.view();
    check_shape(args.keypoints, "keypoints", {kAnySize, kAnySize, 2}, "(B, K, 2)");
    check_dtype(args.keypoints, "keypoints",
                {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_shape(args.visibility, "visibility", {points->shape[0], points->shape[1]},
                "the shape of keypoints without its last dimension");
    check_same_device(args.visibility, "visibility", args.keypoints, "keypoints");
    check_labels(args);
    if (args.weights.numel() == 0) return;
    run_on_device(args.keypoints.device, args, &simcc_label_cpu, &simcc_label_cuda);
}

}  // namespace

void bind_simcc_label(py::module_& module) { module.def("simcc_label", &label); }

}  // namespace pyposeops
