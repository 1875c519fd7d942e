// Checks the arguments of gaussian_heatmap and picks the device.
#include <optional>

#include "bindings/gaussian_joints.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace py = pybind11;
using namespace py::literals;

namespace pyposeops {
namespace {

// The joints of other people: drawn as the own ones, at other places.
void set_others(GaussianHeatmapArgs& args, const TensorView& keypoints, const TensorView& visibility,
                const std::optional<ImportedTensor>& offsets) {
    args.others = args;
    args.others.offsets = {};
    set_gaussian_people(args.others, keypoints, visibility, offsets, "interference_keypoints",
                        "interference_visibility", "interference_offsets");
    check_same_device(keypoints, "interference_keypoints", args.keypoints, "keypoints");
    const TensorView& starts = args.others.offsets;
    const int64_t batch = starts.data != nullptr ? starts.shape[0] - 1 : args.others.keypoints.shape[0];
    POSEOPS_CHECK(
        batch == args.heatmaps.shape[0] && args.others.keypoints.shape[2] == args.keypoints.shape[2],
        "interference_keypoints", "the images and the joints of keypoints", shape_text(keypoints));
    POSEOPS_CHECK(args.sigma.data == nullptr || (args.sigma.strides[0] == 0 && args.sigma.strides[1] == 0),
                  "sigma", "one for all people where there are interference joints", "one per person");
}

void set_outputs(GaussianHeatmapArgs& args, const TensorView& heatmaps, const TensorView& weights) {
    set_gaussian_maps(args, heatmaps, "heatmaps", args.background ? 1 : 0);
    args.heatmaps = heatmaps;
    POSEOPS_CHECK(heatmaps.is_contiguous() || heatmaps.is_channels_last(), "heatmaps",
                  "contiguous or channels_last memory", "other strides");
    args.weights = weights;
    check_shape(weights, "weights", {heatmaps.shape[0], heatmaps.shape[1]},
                args.background ? "(B, K + 1)" : "(B, K)");
    check_dtype(weights, "weights", {heatmaps.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(weights, "weights", args.keypoints, "keypoints");
    POSEOPS_CHECK(weights.is_contiguous(), "weights", "contiguous memory", "other strides");
}

void forward(py::handle keypoints, py::handle visibility, py::handle sigma, double sigma_px, double stride_y,
             double stride_x, int encoding, int compat, py::handle heatmaps, py::handle weights,
             int kernel_size, bool add_people, bool background, py::handle offsets,
             py::handle other_keypoints, py::handle other_visibility, py::handle other_offsets,
             double others_weight) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const std::optional<ImportedTensor> sigmas = import_optional(sigma, "sigma");
    const std::optional<ImportedTensor> starts = import_optional(offsets, "offsets");
    const ImportedTensor maps(heatmaps, "heatmaps", Access::kWrite);
    const ImportedTensor weight(weights, "weights", Access::kWrite);
    const auto other_points = import_optional(other_keypoints, "interference_keypoints");
    const auto other_seen = import_optional(other_visibility, "interference_visibility");
    const auto other_starts = import_optional(other_offsets, "interference_offsets");
    GaussianHeatmapArgs args = {};
    static_cast<GaussianForm&>(args) = gaussian_form(encoding, compat, kernel_size, stride_y, stride_x);
    args.add_people = add_people;
    args.background = background;
    args.others_weight = others_weight;
    set_gaussian_people(args, points.view(), seen.view(), starts);
    set_gaussian_sigma(args, sigmas, sigma_px);
    set_outputs(args, maps.view(), weight.view());
    if (other_points && other_seen) set_others(args, other_points->view(), other_seen->view(), other_starts);
    if (args.weights.numel() == 0) return;
    const bool composed = background || add_people || args.others.keypoints.data != nullptr;
    run_on_device(args.keypoints.device, args,
                  composed ? &gaussian_heatmap_composed_cpu : &gaussian_heatmap_cpu, &gaussian_heatmap_cuda);
}

void backward(py::handle keypoints, py::handle visibility, py::handle sigma, double sigma_px, double stride_y,
              double stride_x, int encoding, int compat, py::handle grad_heatmaps, py::handle grad_keypoints,
              py::handle grad_sigma, py::handle offsets) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const std::optional<ImportedTensor> sigmas = import_optional(sigma, "sigma");
    const std::optional<ImportedTensor> starts = import_optional(offsets, "offsets");
    const ImportedTensor grad(grad_heatmaps, "grad_heatmaps");
    const ImportedTensor to_keypoints(grad_keypoints, "grad_keypoints", Access::kWrite);
    const ImportedTensor to_sigma(grad_sigma, "grad_sigma", Access::kWrite);
    GaussianHeatmapBackwardArgs args = {};
    static_cast<GaussianForm&>(args.joints) = gaussian_form(encoding, compat, 0, stride_y, stride_x);
    set_gaussian_people(args.joints, points.view(), seen.view(), starts);
    set_gaussian_sigma(args.joints, sigmas, sigma_px);
    set_gaussian_maps(args.joints, grad.view(), "grad_heatmaps");
    args.grad_heatmaps = grad.view();
    args.grad_keypoints = to_keypoints.view();
    args.grad_sigma = to_sigma.view();
    const DType wanted = grad->dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
    for (const TensorView* out : {&args.grad_keypoints, &args.grad_sigma}) {
        const TensorView& given = points.view();
        const bool same = out->rank == given.rank && out->numel() == given.numel();
        POSEOPS_CHECK(same, "gradient", "the shape of keypoints", shape_text(*out));
        check_dtype(*out, "gradient", {wanted});
        check_same_device(*out, "gradient", args.joints.keypoints, "keypoints");
        POSEOPS_CHECK(out->is_contiguous(), "gradient", "contiguous memory", "other strides");
    }
    if (args.grad_sigma.numel() == 0) return;
    run_on_device(args.joints.keypoints.device, args, &gaussian_heatmap_backward_cpu,
                  &gaussian_heatmap_backward_cuda);
}

}  // namespace

void bind_gaussian_heatmap(py::module_& module) {
    // What a plain call leaves out stands last: it is cheaper not to hand it over.
    module.def("gaussian_heatmap", &forward, "keypoints"_a, "visibility"_a, "sigma"_a, "sigma_px"_a,
               "stride_y"_a, "stride_x"_a, "encoding"_a, "compat"_a, "heatmaps"_a, "weights"_a,
               "kernel_size"_a = 0, "add_people"_a = false, "background"_a = false, "offsets"_a = py::none(),
               "interference_keypoints"_a = py::none(), "interference_visibility"_a = py::none(),
               "interference_offsets"_a = py::none(), "interference_weight"_a = 0.0);
    module.def("gaussian_heatmap_backward", &backward);
}

}  // namespace pyposeops
