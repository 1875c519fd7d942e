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
// Formulas: gaussian_heatmap_math.h. Both devices follow this contract.
#pragma once

#include "core/convert.h"
#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"
#include "ops/gaussian_heatmap/gaussian_heatmap_math.h"

namespace pyposeops {

struct GaussianHeatmapArgs {
    TensorView keypoints;
    TensorView visibility;
    TensorView sigma;  // rank 1, or no data: then sigma_px holds for all joints
    double sigma_px;
    double stride_x;  // input pixels per heatmap pixel
    double stride_y;
    GaussianEncoding encoding;
    bool reference_quirks;
    int64_t map_height;
    int64_t map_width;
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

// The joint at (b, n, k), read from the arguments.
POSEOPS_HD GaussianJoint load_gaussian_joint(const GaussianHeatmapArgs& args, int64_t b, int64_t n,
                                             int64_t k) {
    const TensorView& points = args.keypoints;
    const TensorView& seen = args.visibility;
    const int64_t x_at = b * points.strides[0] + n * points.strides[1] + k * points.strides[2];
    const int64_t y_at = x_at + points.strides[3];
    const int64_t seen_at = b * seen.strides[0] + n * seen.strides[1] + k * seen.strides[2];
    const double visibility = load_any<double>(seen.data, seen.dtype, seen_at);
    const double sigma = args.sigma.data == nullptr
                             ? args.sigma_px
                             : load_any<double>(args.sigma.data, args.sigma.dtype, k * args.sigma.strides[0]);
    const int64_t height = args.map_height;
    const int64_t width = args.map_width;
    if (points.dtype == DType::kFloat64) {
        return gaussian_joint(load_any<double>(points.data, points.dtype, x_at) / args.stride_x,
                              load_any<double>(points.data, points.dtype, y_at) / args.stride_y, visibility,
                              sigma, width, height, args.encoding, args.reference_quirks);
    }
    return gaussian_joint(
        load_any<float>(points.data, points.dtype, x_at) / static_cast<float>(args.stride_x),
        load_any<float>(points.data, points.dtype, y_at) / static_cast<float>(args.stride_y), visibility,
        sigma, width, height, args.encoding, args.reference_quirks);
}

// Turns the sums of g * gradient weighted with (x - cx), (y - cy) and the squared distance into the gradients
// of person-joint `index`: dg/dcx = g (x - cx) / sigma^2, dg/dsigma = g d^2 / sigma^3, and 1 / stride from
// heatmap pixels to the keypoint's own.
template <class Real>
POSEOPS_HD void store_gaussian_gradient(const GaussianHeatmapBackwardArgs& args, int64_t index,
                                        const GaussianJoint& joint, Real moment_x, Real moment_y,
                                        Real moment_square) {
    Real* keypoint = args.grad_keypoints.as<Real>() + 2 * index;
    Real* sigma = args.grad_sigma.as<Real>() + index;
    keypoint[0] = keypoint[1] = *sigma = Real(0);
    if (!joint.drawn) return;
    const double variance = joint.sigma * joint.sigma;
    keypoint[0] = static_cast<Real>(moment_x / (variance * args.forward.stride_x));
    keypoint[1] = static_cast<Real>(moment_y / (variance * args.forward.stride_y));
    *sigma = static_cast<Real>(moment_square / (variance * joint.sigma));
}

POSEOPS_CPU_OPERATOR(gaussian_heatmap, GaussianHeatmapArgs)
POSEOPS_CPU_OPERATOR(gaussian_heatmap_backward, GaussianHeatmapBackwardArgs)
POSEOPS_CUDA_OPERATOR(gaussian_heatmap, GaussianHeatmapArgs)
POSEOPS_CUDA_OPERATOR(gaussian_heatmap_backward, GaussianHeatmapBackwardArgs)

}  // namespace pyposeops
