// adaptive_wing_loss on the CPU. Bound by three transcendental functions a pixel, not by memory.
#include "core/stored_target_cpu.h"
#include "ops/adaptive_wing_loss/adaptive_wing_loss.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {

void adaptive_wing_loss(const AdaptiveWingLossArgs& args) {
    visit_floating(args.error.pred.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        stored_map_error<T>(args.error, wing_as<compute_t<T>>(args.wing), args.target);
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
