// Checks the arguments of adaptive_wing_loss and picks the device.
#include <cmath>
#include <optional>
#include <string>

#include "bindings/map_error.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/adaptive_wing_loss/adaptive_wing_loss.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

void check_above(double value, int low, const char* name) {
    POSEOPS_CHECK(value > low && std::isfinite(value), name, "a finite number above " + std::to_string(low),
                  std::to_string(value));
}

void forward(py::handle pred, py::handle target, py::handle weights, double alpha, double omega,
             double epsilon, double theta, double loss_scale, double gradient_scale, py::handle losses,
             py::handle gradient) {
    const ImportedTensor predictions(pred, "pred");
    const ImportedTensor targets(target, "target");
    const std::optional<ImportedTensor> per_joint = import_optional(weights, "weights");
    const ImportedTensor results(losses, "losses", Access::kWrite);
    const std::optional<ImportedTensor> slope = import_optional(gradient, "gradient");
    check_above(alpha, 1, "alpha");
    check_above(omega, 0, "omega");
    check_above(epsilon, 0, "epsilon");
    check_above(theta, 0, "theta");
    AdaptiveWingLossArgs args = {};
    args.error = map_error_args(predictions.view(), results.view(), slope, false, loss_scale, gradient_scale);
    args.target = stored_target(targets.view(), per_joint, args.error.pred);
    args.wing = {alpha, omega, std::log(epsilon), theta};
    if (args.error.losses.numel() == 0) return;
    run_on_device(args.error.pred.device, args, &adaptive_wing_loss_cpu, &adaptive_wing_loss_cuda);
}

}  // namespace

void bind_adaptive_wing_loss(py::module_& module) { module.def("adaptive_wing_loss", &forward); }

}  // namespace pyposeops
