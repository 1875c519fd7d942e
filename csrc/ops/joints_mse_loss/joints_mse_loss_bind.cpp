// Checks the arguments of joints_mse_loss and picks the device.
#include <optional>

#include "bindings/map_error.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/joints_mse_loss/joints_mse_loss.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

void forward(py::handle pred, py::handle target, py::handle weights, bool squared_weight, double loss_scale,
             double gradient_scale, py::handle losses, py::handle gradient) {
    const ImportedTensor predictions(pred, "pred");
    const ImportedTensor targets(target, "target");
    const std::optional<ImportedTensor> per_joint = import_optional(weights, "weights");
    const ImportedTensor results(losses, "losses", Access::kWrite);
    const std::optional<ImportedTensor> slope = import_optional(gradient, "gradient");
    JointsMseLossArgs args = {};
    args.error =
        map_error_args(predictions.view(), results.view(), slope, squared_weight, loss_scale, gradient_scale);
    args.target = stored_target(targets.view(), per_joint, args.error.pred);
    if (args.error.losses.numel() == 0) return;
    run_on_device(args.error.pred.device, args, &joints_mse_loss_cpu, &joints_mse_loss_cuda);
}

void backward(py::handle gradient, py::handle factor, double scale) {
    const ImportedTensor slope(gradient, "gradient", Access::kWrite);
    const ImportedTensor factors(factor, "factor");
    JointsMseLossBackwardArgs args = {slope.view(), factors.view(), scale};
    check_shape(args.gradient, "gradient", {kAnySize, kAnySize, kAnySize, kAnySize}, "(B, K, H, W)");
    check_dtype(args.gradient, "gradient",
                {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_shape(args.factor, "factor", {args.gradient.shape[0], args.gradient.shape[1]}, "(B, K)");
    check_dtype(args.factor, "factor",
                {args.gradient.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(args.factor, "factor", args.gradient, "gradient");
    if (args.gradient.numel() == 0) return;
    run_on_device(args.gradient.device, args, &joints_mse_loss_backward_cpu, &joints_mse_loss_backward_cuda);
}

}  // namespace

void bind_joints_mse_loss(py::module_& module) {
    module.def("joints_mse_loss", &forward);
    module.def("joints_mse_loss_backward", &backward);
}

}  // namespace pyposeops
