// The weighted squared error of (B, K, H, W) predictions against a target that an operator supplies: a loss per joint
// and, where wanted, its gradient from the same pass over the predictions.
#pragma once

#include <cstdint>

#include "core/convert.h"
#include "core/host_device.h"
#include "core/row_range.h"
#include "core/tensor_view.h"

namespace pyposeops {

// A joint of weight 0 has loss and gradient 0, whatever its predictions are, NaN too; they are not looked at.
struct SquaredErrorArgs {
    TensorView pred;  // (B, K, H, W) any strides
    TensorView
        gradient;  // of pred's shape and dtype, any strides, every element written; no data: not wanted
    TensorView
        losses;  // (B, K, S) contiguous, pred's compute dtype: the parts of each loss, S ranges of rows
    bool squared_weight;    // (w (p - t))^2 / 2 as Simple Baselines, or w (p - t)^2 as mmpose
    double loss_scale;      // of the mean over a joint's pixels: 1, or 1 / (B K) for the mean over joints
    double gradient_scale;  // stored gradient = this times the gradient of the loss
};

// What the sum of squared differences is multiplied with, and what each difference is.
struct SquaredErrorFactors {
    double loss;
    double gradient;
};

POSEOPS_HD SquaredErrorFactors squared_error_factors(const SquaredErrorArgs& args, double weight) {
    const double pixels = static_cast<double>(args.pred.shape[2] * args.pred.shape[3]);
    const double loss = (args.squared_weight ? 0.5 * weight * weight : weight) * args.loss_scale / pixels;
    return {loss, 2.0 * loss * args.gradient_scale};
}

// The rows of part `part` of `parts`.
POSEOPS_HD RowRange rows_of_part(int64_t height, int64_t part, int64_t parts) {
    return {static_cast<int32_t>(height * part / parts), static_cast<int32_t>(height * (part + 1) / parts)};
}

// Whether the joints of a pixel lie side by side in both tensors: then images are worked on, otherwise single maps.
POSEOPS_HD bool squared_error_interleaved(const SquaredErrorArgs& args) {
    if (args.pred.is_contiguous() || !args.pred.is_channels_last()) return false;
    return args.gradient.data == nullptr || args.gradient.is_channels_last();
}

POSEOPS_HD void store_loss(const SquaredErrorArgs& args, int64_t index, double loss) {
    if (args.losses.dtype == DType::kFloat64) {
        args.losses.as<double>()[index] = loss;
    } else {
        args.losses.as<float>()[index] = static_cast<float>(loss);
    }
}

}  // namespace pyposeops
