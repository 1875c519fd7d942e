// joints_mse_loss: weighted squared error of heat maps against stored targets, one loss per joint.
//
// error    pred (B, K, H, W), losses (B, K, S) and, where wanted, the gradient: core/map_error.h
// target   with the weights: core/stored_target.h
//
// joints_mse_loss_backward: multiplies a stored gradient (B, K, H, W), any strides, by factor * scale in place. factor
// (B, K) of the gradient's compute dtype, any strides (0 for one value). Maps whose product is 1 are not touched.
#pragma once

#include "core/convert.h"
#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/map_error.h"
#include "core/stored_target.h"
#include "core/tensor_view.h"
#include "ops/joints_mse_loss/joints_mse_loss_math.h"

namespace pyposeops {

struct JointsMseLossArgs {
    MapErrorArgs error;
    StoredTarget target;
};

struct JointsMseLossBackwardArgs {
    TensorView gradient;
    TensorView factor;
    double scale;
};

template <class Real>
POSEOPS_HD Real load_factor(const JointsMseLossBackwardArgs& args, int64_t b, int64_t k) {
    const TensorView& factor = args.factor;
    const Real value = factor.as<Real>()[b * factor.strides[0] + k * factor.strides[1]];
    return static_cast<Real>(static_cast<double>(value) * args.scale);
}

POSEOPS_CPU_OPERATOR(joints_mse_loss, JointsMseLossArgs)
POSEOPS_CPU_OPERATOR(joints_mse_loss_backward, JointsMseLossBackwardArgs)
POSEOPS_CUDA_OPERATOR(joints_mse_loss, JointsMseLossArgs)
POSEOPS_CUDA_OPERATOR(joints_mse_loss_backward, JointsMseLossBackwardArgs)

}  // namespace pyposeops
