// joints_mse_loss on the CPU: rows of the target beside rows of the predictions.
#include "core/stored_target_cpu.h"
#include "ops/joints_mse_loss/joints_mse_loss.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {

void joints_mse_loss(const JointsMseLossArgs& args) {
    visit_floating(args.error.pred.dtype, [&](auto tag) {
        stored_map_error<typename decltype(tag)::type>(args.error, SquaredError{}, args.target);
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
