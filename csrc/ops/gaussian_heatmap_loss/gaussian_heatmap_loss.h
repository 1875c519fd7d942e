// gaussian_heatmap_loss: squared error against Gaussian targets that are never stored.
//
// error      pred (B, K, H, W), losses (B, K, S) and, where wanted, the gradient: core/map_error.h
// own        the joints to be learnt (B, N, K), as in gaussian_heatmap: people combined by the maximum; the weight of a
//            joint is the largest weight of the people, which is 0 off the map
// others     joints (B, M, K) of other people, or no data: their maximum is added to the target, times others_weight;
//            they do not count for the weight. Same sigma, encoding and size as `own`.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/gaussian_joints.h"
#include "core/map_error.h"
#include "ops/gaussian_heatmap_loss/gaussian_heatmap_loss_math.h"

namespace pyposeops {

struct GaussianHeatmapLossArgs {
    MapErrorArgs error;
    GaussianJointTensors own;
    GaussianJointTensors others;
    double others_weight;
};

POSEOPS_CPU_OPERATOR(gaussian_heatmap_loss, GaussianHeatmapLossArgs)
POSEOPS_CUDA_OPERATOR(gaussian_heatmap_loss, GaussianHeatmapLossArgs)

}  // namespace pyposeops
