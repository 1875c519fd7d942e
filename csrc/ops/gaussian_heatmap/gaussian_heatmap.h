// gaussian_heatmap: renders one Gaussian per joint, the training target of heat-map regression.
//
// keypoints   (B, N, K, 2) any floating dtype, (x, y); divided by the stride they are heatmap pixels
// visibility  (B, N, K)    any dtype; below 0.5 (or NaN) nothing is drawn
// sigma       (K,) or none, any floating dtype, heatmap pixels; a joint whose sigma is not finite and above 0 is
//             treated as off the map
// heatmaps    (B, K, H, W) output, contiguous NCHW or channels_last; every element is written
// weights     (B, K)       output, float32 (float64 with float64 heatmaps), contiguous
//
// Several people on one map are combined by the maximum; the weight is the largest weight of the people.
// A person's weight is the visibility as given, and 0 if the joint is off the map or not finite.
// Values below the smallest normal number of the dtype they are computed in are 0.
// Formulas: core/gaussian.h. Both devices follow this contract.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/gaussian_joints.h"
#include "core/tensor_view.h"
#include "ops/gaussian_heatmap/gaussian_heatmap_math.h"

namespace pyposeops {

struct GaussianHeatmapArgs : GaussianJointTensors {
    TensorView heatmaps;
    TensorView weights;
};

// Gradient of the `unbiased` encoding. grad_heatmaps (B, K, H, W), any strides; grad_keypoints (B, N, K, 2)
// and grad_sigma (B, N, K), contiguous, of the compute dtype of the heatmaps, every element written. Where
// several people have the same maximal value the first of them gets the gradient.
struct GaussianHeatmapBackwardArgs {
    GaussianHeatmapArgs forward;  // its heatmaps and weights are not used
    TensorView grad_heatmaps;
    TensorView grad_keypoints;
    TensorView grad_sigma;
};

// Stores the gradients of person-joint `index`.
template <class Real>
POSEOPS_HD void store_gaussian_gradient(const GaussianHeatmapBackwardArgs& args, int64_t index,
                                        const GaussianJoint& joint, Real moment_x, Real moment_y,
                                        Real moment_square) {
    const GaussianGradient gradient = gaussian_gradient(joint, args.forward.stride_x, args.forward.stride_y,
                                                        moment_x, moment_y, moment_square);
    Real* keypoint = args.grad_keypoints.as<Real>() + 2 * index;
    keypoint[0] = static_cast<Real>(gradient.x);
    keypoint[1] = static_cast<Real>(gradient.y);
    args.grad_sigma.as<Real>()[index] = static_cast<Real>(gradient.sigma);
}

POSEOPS_CPU_OPERATOR(gaussian_heatmap, GaussianHeatmapArgs)
POSEOPS_CPU_OPERATOR(gaussian_heatmap_backward, GaussianHeatmapBackwardArgs)
POSEOPS_CUDA_OPERATOR(gaussian_heatmap, GaussianHeatmapArgs)
POSEOPS_CUDA_OPERATOR(gaussian_heatmap_backward, GaussianHeatmapBackwardArgs)

}  // namespace pyposeops
