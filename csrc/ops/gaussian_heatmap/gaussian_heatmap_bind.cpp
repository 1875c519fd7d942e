// Checks the arguments of gaussian_heatmap and picks the device.
#include <optional>
#include <string>

#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr int64_t kMaxMapSize = int64_t{1} << 24;  // pixel positions stay exact in float

GaussianEncoding encoding_from(int code) {
    POSEOPS_CHECK(code >= 0 && code <= static_cast<int>(GaussianEncoding::kUdp), "encoding", "0, 1 or 2",
                  std::to_string(code));
    return static_cast<GaussianEncoding>(code);
}

// (B, K, ...) as (B, 1, K, ...): one person.
TensorView with_people(TensorView view, int32_t full_rank) {
    if (view.rank != full_rank - 1 || view.rank < 1) return view;
    for (int32_t d = view.rank; d > 1; --d) {
        view.shape[d] = view.shape[d - 1];
        view.strides[d] = view.strides[d - 1];
    }
    view.shape[1] = 1;
    view.strides[1] = 0;
    view.rank = full_rank;
    return view;
}

void set_people(GaussianHeatmapArgs& args, const TensorView& keypoints, const TensorView& visibility) {
    args.keypoints = with_people(keypoints, 4);
    args.visibility = with_people(visibility, 3);
    const int64_t* shape = args.keypoints.shape;
    const bool right = args.keypoints.rank == 4 && shape[3] == 2;
    POSEOPS_CHECK(right, "keypoints", "(B, K, 2) or (B, N, K, 2)", shape_text(keypoints));
    check_dtype(keypoints, "keypoints",
                {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    const bool fits = visibility.rank == keypoints.rank - 1 && args.visibility.shape[0] == shape[0] &&
                      args.visibility.shape[1] == shape[1] && args.visibility.shape[2] == shape[2];
    POSEOPS_CHECK(fits, "visibility",
                  "the shape of keypoints " + shape_text(keypoints) + " without its last dimension",
                  shape_text(visibility));
    check_same_device(visibility, "visibility", keypoints, "keypoints");
}

void set_sigma(GaussianHeatmapArgs& args, const std::optional<ImportedTensor>& sigma, double sigma_px) {
    args.sigma_px = sigma_px;
    if (!sigma) {
        POSEOPS_CHECK(sigma_px > 0.0 && sigma_px - sigma_px == 0.0, "sigma", "a finite number above 0",
                      std::to_string(sigma_px));
        return;
    }
    args.sigma = sigma->view();
    check_shape(args.sigma, "sigma", {args.keypoints.shape[2]}, "a number or one per joint");
    check_dtype(args.sigma, "sigma", {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(args.sigma, "sigma", args.keypoints, "keypoints");
}

void set_maps(GaussianHeatmapArgs& args, const TensorView& maps, const char* name) {
    check_shape(maps, name, {args.keypoints.shape[0], args.keypoints.shape[2], kAnySize, kAnySize},
                "(B, K, H, W)");
    check_dtype(maps, name, {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(maps, name, args.keypoints, "keypoints");
    args.map_height = maps.shape[2];
    args.map_width = maps.shape[3];
    const bool usable = args.map_height > 0 && args.map_width > 0 && args.map_height < kMaxMapSize &&
                        args.map_width < kMaxMapSize && args.map_height * args.map_width < (int64_t{1} << 31);
    POSEOPS_CHECK(usable, "size", "a height and width of at least 1 and fewer than 2^31 pixels",
                  "(" + std::to_string(args.map_height) + ", " + std::to_string(args.map_width) + ")");
}

void forward(py::handle keypoints, py::handle visibility, py::handle sigma, double sigma_px, double stride_y,
             double stride_x, int encoding, bool reference_quirks, py::handle heatmaps, py::handle weights) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const std::optional<ImportedTensor> per_joint = import_optional(sigma, "sigma");
    const ImportedTensor maps(heatmaps, "heatmaps", Access::kWrite);
    const ImportedTensor weight(weights, "weights", Access::kWrite);
    GaussianHeatmapArgs args = {};
    args.encoding = encoding_from(encoding);
    args.reference_quirks = reference_quirks;
    args.stride_x = stride_x;
    args.stride_y = stride_y;
    set_people(args, points.view(), seen.view());
    set_sigma(args, per_joint, sigma_px);
    set_maps(args, maps.view(), "heatmaps");
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
    set_people(args.forward, points.view(), seen.view());
    set_sigma(args.forward, per_joint, sigma_px);
    set_maps(args.forward, grad.view(), "grad_heatmaps");
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
