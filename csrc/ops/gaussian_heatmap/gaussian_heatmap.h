// gaussian_heatmap: renders one Gaussian per joint, the training target of heat-map regression.
//
// keypoints   (B, N, K, 2), or (P, K, 2) with offsets (B + 1,); any floating dtype, (x, y); divided by the stride they
//             are heatmap pixels
// visibility  as keypoints without the 2; any dtype; below 0.5 (or NaN) nothing is drawn
// sigma       none, per joint, or per person and joint, each for both axes or for x and y; any floating dtype, heatmap
//             pixels; a joint whose sigma is not finite and above 0 is treated as off the map
// others      further people (CrowdPose's interference joints): what they draw is added, times others_weight
// heatmaps    (B, K, H, W) output, contiguous NCHW or channels_last; every element is written. With `background`
//             (B, K + 1, H, W): the last map is 1 minus the largest of the others, at least 0
// weights     (B, K) or (B, K + 1) output, float32 (float64 with float64 heatmaps), contiguous
//
// Several people on one map are combined by the maximum, or added up to at most 1; the weight is the largest weight of
// the people. A person's weight is the visibility as given, and 0 if the joint is off the map or not finite; others do
// not count. The background's weight is 1.
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
    GaussianJointTensors others;  // without keypoints: nobody
    double others_weight;
    bool background;
};

// Gradient of the encodings that move with the joint: unbiased, normalized and cmu; people by the maximum, no others,
// no background. grad_heatmaps (B, K, H, W), any strides; grad_keypoints and grad_sigma, (B, N, K, 2) or (P, K, 2),
// contiguous, of the compute dtype of the heatmaps, every element written. Where several people have the same maximal
// value the first of them gets the gradient.
struct GaussianHeatmapBackwardArgs {
    GaussianJointTensors joints;
    TensorView grad_heatmaps;
    TensorView grad_keypoints;
    TensorView grad_sigma;  // (x, y) as in sigma
};

// Stores the gradients of person-joint `index`.
template <class Real>
POSEOPS_HD void store_gaussian_gradient(const GaussianHeatmapBackwardArgs& args, int64_t index,
                                        const GaussianGradient& gradient) {
    Real* keypoint = args.grad_keypoints.as<Real>() + 2 * index;
    keypoint[0] = static_cast<Real>(gradient.x.centre / args.joints.stride_x);
    keypoint[1] = static_cast<Real>(gradient.y.centre / args.joints.stride_y);
    Real* sigma = args.grad_sigma.as<Real>() + 2 * index;
    sigma[0] = static_cast<Real>(gradient.x.sigma);
    sigma[1] = static_cast<Real>(gradient.y.sigma);
}

POSEOPS_HD void store_gaussian_weight(const GaussianHeatmapArgs& args, int64_t map, double weight) {
    if (args.weights.dtype == DType::kFloat64) {
        args.weights.as<double>()[map] = weight;
    } else {
        args.weights.as<float>()[map] = static_cast<float>(weight);
    }
}

POSEOPS_CPU_OPERATOR(gaussian_heatmap, GaussianHeatmapArgs)
POSEOPS_CPU_OPERATOR(gaussian_heatmap_composed, GaussianHeatmapArgs)
POSEOPS_CPU_OPERATOR(gaussian_heatmap_backward, GaussianHeatmapBackwardArgs)
POSEOPS_CUDA_OPERATOR(gaussian_heatmap, GaussianHeatmapArgs)
POSEOPS_CUDA_OPERATOR(gaussian_heatmap_backward, GaussianHeatmapBackwardArgs)

}  // namespace pyposeops
