// Checks the arguments of gaussian_heatmap and picks the device.
#include <optional>

#include "bindings/gaussian_joints.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

void forward(py::handle keypoints, py::handle visibility, py::handle sigma, double sigma_px, double stride_y,
             double stride_x, int encoding, bool reference_quirks, py::handle heatmaps, py::handle weights) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const std::optional<ImportedTensor> per_joint = import_optional(sigma, "sigma");
    const ImportedTensor maps(heatmaps, "heatmaps", Access::kWrite);
    const ImportedTensor weight(weights, "weights", Access::kWrite);
    GaussianHeatmapArgs args = {};
    args.encoding = gaussian_encoding(encoding);
    args.reference_quirks = reference_quirks;
    args.stride_x = stride_x;
    args.stride_y = stride_y;
    set_gaussian_people(args, points.view(), seen.view());
    set_gaussian_sigma(args, per_joint, sigma_px);
    set_gaussian_maps(args, maps.view(), "heatmaps");
    args.heatmaps = maps.view();
    POSEOPS_CHECK(maps->is_contiguous() || maps->is_channels_last(), "heatmaps",
                  "contiguous or channels_last memory", "other strides");
    args.weights = weight.view();
    check_shape(args.weights, "weights", {maps->shape[0], maps->shape[1]}, "(B, K)");
    check_dtype(args.weights, "weights",
                {maps->dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(args.weights, "weights", args.keypoints, "keypoints");
    POSEOPS_CHECK(weight->is_contiguous(), "weights", "contiguous memory", "other strides");
    if (args.weights.numel() == 0) return;
    run_on_device(args.keypoints.device, args, &gaussian_heatmap_cpu, &gaussian_heatmap_cuda);
}

void backward(py::handle keypoints, py::handle visibility, py::handle sigma, double sigma_px, double stride_y,
              double stride_x, py::handle grad_heatmaps, py::handle grad_keypoints, py::handle grad_sigma) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const std::optional<ImportedTensor> per_joint = import_optional(sigma, "sigma");
    const ImportedTensor grad(grad_heatmaps, "grad_heatmaps");
    const ImportedTensor to_keypoints(grad_keypoints, "grad_keypoints", Access::kWrite);
    const ImportedTensor to_sigma(grad_sigma, "grad_sigma", Access::kWrite);
    GaussianHeatmapBackwardArgs args = {};
    args.forward.encoding = GaussianEncoding::kUnbiased;
    args.forward.stride_x = stride_x;
    args.forward.stride_y = stride_y;
    set_gaussian_people(args.forward, points.view(), seen.view());
    set_gaussian_sigma(args.forward, per_joint, sigma_px);
    set_gaussian_maps(args.forward, grad.view(), "grad_heatmaps");
    args.grad_heatmaps = grad.view();
    args.grad_keypoints = to_keypoints.view();
    args.grad_sigma = to_sigma.view();
    const int64_t* shape = args.forward.keypoints.shape;
    const DType wanted = grad->dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
    check_shape(args.grad_keypoints, "grad_keypoints", {shape[0], shape[1], shape[2], 2}, "(B, N, K, 2)");
    check_shape(args.grad_sigma, "grad_sigma", {shape[0], shape[1], shape[2]}, "(B, N, K)");
    for (const TensorView* out : {&args.grad_keypoints, &args.grad_sigma}) {
        check_dtype(*out, "gradient", {wanted});
        check_same_device(*out, "gradient", args.forward.keypoints, "keypoints");
        POSEOPS_CHECK(out->is_contiguous(), "gradient", "contiguous memory", "other strides");
    }
    if (args.grad_sigma.numel() == 0) return;
    run_on_device(args.forward.keypoints.device, args, &gaussian_heatmap_backward_cpu,
                  &gaussian_heatmap_backward_cuda);
}

}  // namespace

void bind_gaussian_heatmap(py::module_& module) {
    module.def("gaussian_heatmap", &forward);
    module.def("gaussian_heatmap_backward", &backward);
}

}  // namespace pyposeops
