// Checks the arguments of gaussian_heatmap_loss and picks the device.
#include <optional>

#include "bindings/gaussian_joints.h"
#include "bindings/map_error.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/gaussian_heatmap_loss/gaussian_heatmap_loss.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

// The joints of other people: as `own`, at other places.
void set_others(GaussianHeatmapLossArgs& args, const TensorView& keypoints, const TensorView& visibility) {
    args.others = args.own;
    set_gaussian_people(args.others, keypoints, visibility, {}, "interference_keypoints",
                        "interference_visibility");
    const bool fits = args.others.keypoints.shape[0] == args.own.keypoints.shape[0] &&
                      args.others.keypoints.shape[2] == args.own.keypoints.shape[2];
    POSEOPS_CHECK(fits, "interference_keypoints", "the batch and the joints of keypoints",
                  shape_text(keypoints));
    check_same_device(keypoints, "interference_keypoints", args.own.keypoints, "keypoints");
}

void forward(py::handle pred, py::handle keypoints, py::handle visibility, py::handle sigma,
             py::handle other_keypoints, py::handle other_visibility, double sigma_px, double stride_y,
             double stride_x, int encoding, int compat, int kernel_size, double others_weight,
             bool squared_weight, double loss_scale, double gradient_scale, py::handle losses,
             py::handle gradient) {
    const ImportedTensor predictions(pred, "pred");
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const std::optional<ImportedTensor> per_joint = import_optional(sigma, "sigma");
    const std::optional<ImportedTensor> other_points =
        import_optional(other_keypoints, "interference_keypoints");
    const std::optional<ImportedTensor> other_seen =
        import_optional(other_visibility, "interference_visibility");
    const ImportedTensor results(losses, "losses", Access::kWrite);
    const std::optional<ImportedTensor> slope = import_optional(gradient, "gradient");
    GaussianHeatmapLossArgs args = {};
    args.error =
        map_error_args(predictions.view(), results.view(), slope, squared_weight, loss_scale, gradient_scale);
    static_cast<GaussianForm&>(args.own) = gaussian_form(encoding, compat, kernel_size, stride_y, stride_x);
    set_gaussian_people(args.own, points.view(), seen.view());
    set_gaussian_sigma(args.own, per_joint, sigma_px);
    set_gaussian_maps(args.own, predictions.view(), "pred");
    args.others_weight = others_weight;
    if (other_points && other_seen) set_others(args, other_points->view(), other_seen->view());
    if (args.error.losses.numel() == 0) return;
    run_on_device(args.error.pred.device, args, &gaussian_heatmap_loss_cpu, &gaussian_heatmap_loss_cuda);
}

}  // namespace

void bind_gaussian_heatmap_loss(py::module_& module) { module.def("gaussian_heatmap_loss", &forward); }

}  // namespace pyposeops
