// adaptive_wing_loss on CUDA.
#include "core/cuda/stored_target.cuh"
#include "ops/adaptive_wing_loss/adaptive_wing_loss.h"

namespace pyposeops {

void adaptive_wing_loss_cuda(const AdaptiveWingLossArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.error.pred.device);
    visit_floating(args.error.pred.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        launch_stored_map_error<T>(args.error, wing_as<compute_t<T>>(args.wing), args.target,
                                   as_cuda_stream(stream), "adaptive_wing_loss");
    });
}

}  // namespace pyposeops
