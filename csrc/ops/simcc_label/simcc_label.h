// simcc_label: for every joint a distribution over the bins along x, and one over the bins along y.
//
// keypoints  (B, K, 2) any floating dtype and strides, (x, y) in crop pixels
// visibility (B, K)    any dtype and strides
// labels[0]  (B, K, X) output, any floating dtype, contiguous; every element is written
// labels[1]  (B, K, Y) output, the dtype of labels[0], contiguous
// weights    (B, K)    output, float32, or float64 where the labels are, contiguous
//
// Positions are multiplied by split_ratio in the precision of the keypoints: that is what gets rounded.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"
#include "ops/simcc_label/simcc_label_math.h"

namespace pyposeops {

struct SimccLabelArgs {
    TensorView keypoints;
    TensorView visibility;
    SimccRule rule;
    TensorView labels[2];
    TensorView weights;
};

POSEOPS_CPU_OPERATOR(simcc_label, SimccLabelArgs)
POSEOPS_CUDA_OPERATOR(simcc_label, SimccLabelArgs)

template <class Real>
struct SimccJoint {
    SimccRow<Real> rows[2];
    double weight;
};

// Joint (b, k), read from the tensors.
template <class Real>
POSEOPS_HD SimccJoint<Real> load_simcc_joint(const SimccLabelArgs& args, int64_t b, int64_t k) {
    const TensorView& points = args.keypoints;
    const TensorView& seen = args.visibility;
    const double visibility =
        load_any<double>(seen.data, seen.dtype, b * seen.strides[0] + k * seen.strides[1]);
    SimccAxis axes[2];
    for (int32_t d = 0; d < 2; ++d) {
        const int64_t at = b * points.strides[0] + k * points.strides[1] + d * points.strides[2];
        const double bins = static_cast<double>(args.labels[d].shape[2]);
        if (points.dtype == DType::kFloat64) {
            axes[d] = simcc_axis(load_any<double>(points.data, points.dtype, at), args.rule, d, bins);
        } else {
            axes[d] = simcc_axis(load_any<float>(points.data, points.dtype, at), args.rule, d, bins);
        }
    }
    const bool counts = visibility == visibility && !axes[0].off && !axes[1].off;
    const bool drawn = counts && visibility >= 0.5;
    SimccJoint<Real> joint;
    joint.weight = counts ? visibility : 0.0;
    for (int32_t d = 0; d < 2; ++d) {
        joint.rows[d] = simcc_row<Real>(axes[d], args.rule, d, args.labels[d].shape[2], drawn);
    }
    return joint;
}

POSEOPS_HD void store_simcc_weight(const SimccLabelArgs& args, int64_t joint, double weight) {
    if (args.weights.dtype == DType::kFloat64) {
        args.weights.as<double>()[joint] = weight;
    } else {
        args.weights.as<float>()[joint] = static_cast<float>(weight);
    }
}

}  // namespace pyposeops
