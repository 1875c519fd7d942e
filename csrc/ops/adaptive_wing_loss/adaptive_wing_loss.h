// adaptive_wing_loss: heat maps against stored targets, curved near the target and linear far from it.
//
// error    pred (B, K, H, W), losses (B, K, S) and, where wanted, the gradient: core/map_error.h
// target   values in [0, 1], with the weights: core/stored_target.h
//
// The formula and its parameters: adaptive_wing_loss_math.h.
#pragma once

#include <cmath>

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/map_error.h"
#include "core/stored_target.h"
#include "ops/adaptive_wing_loss/adaptive_wing_loss_math.h"

namespace pyposeops {

struct AdaptiveWingLossArgs {
    MapErrorArgs error;
    StoredTarget target;
    AdaptiveWing<double> wing;
};

template <class Real>
POSEOPS_INLINE AdaptiveWing<Real> wing_as(const AdaptiveWing<double>& wing) {
    return {static_cast<Real>(wing.alpha), static_cast<Real>(wing.omega), static_cast<Real>(wing.log_epsilon),
            static_cast<Real>(wing.theta)};
}

POSEOPS_CPU_OPERATOR(adaptive_wing_loss, AdaptiveWingLossArgs)
POSEOPS_CUDA_OPERATOR(adaptive_wing_loss, AdaptiveWingLossArgs)

}  // namespace pyposeops
