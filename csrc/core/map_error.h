// The weighted error of (B, K, H, W) predictions against a target that an operator supplies: a loss per joint and,
// where wanted, its gradient from the same pass over the predictions.
//
// An Error is a small struct that is called with a prediction and its target and gives their ErrorValue; the derivative
// of its loss is Error::kSlopeScale times the slope, so that the scale costs nothing per element.
#pragma once

#include <cstdint>

#include "core/convert.h"
#include "core/host_device.h"
#include "core/row_range.h"
#include "core/tensor_view.h"

namespace pyposeops {

template <class Real>
struct ErrorValue {
    Real loss;
    Real slope;
};

struct SquaredError {
    static constexpr double kSlopeScale = 2.0;

    template <class Real>
    POSEOPS_HD ErrorValue<Real> operator()(Real value, Real target) const {
        const Real difference = value - target;
        return {difference * difference, difference};
    }
};

// A joint of weight 0 has loss and gradient 0, whatever its predictions are, NaN too; they are not looked at.
struct MapErrorArgs {
    TensorView pred;      // (B, K, H, W) any strides
    TensorView gradient;  // as pred, any strides, every element written; no data: not wanted
    TensorView losses;    // (B, K, S) contiguous, pred's compute dtype: each loss in S parts, ranges of rows
    bool squared_weight;  // the error counts w^2 / 2 times (Simple Baselines), or w times
    double loss_scale;    // of the mean over a joint's pixels: 1, or 1 / (B K) for the mean over joints
    double gradient_scale;  // stored gradient = this times the gradient of the loss
};

// What the sum of the errors is multiplied with, and what each slope is.
struct MapErrorFactors {
    double loss;
    double gradient;
};

template <class Error>
POSEOPS_HD MapErrorFactors map_error_factors(const MapErrorArgs& args, double weight) {
    const double pixels = static_cast<double>(args.pred.shape[2] * args.pred.shape[3]);
    const double loss = (args.squared_weight ? 0.5 * weight * weight : weight) * args.loss_scale / pixels;
    return {loss, Error::kSlopeScale * loss * args.gradient_scale};
}

// The rows of part `part` of `parts`.
POSEOPS_HD RowRange rows_of_part(int64_t height, int64_t part, int64_t parts) {
    return {static_cast<int32_t>(height * part / parts), static_cast<int32_t>(height * (part + 1) / parts)};
}

// Whether the joints of a pixel lie side by side in both tensors: then images are worked on, otherwise single maps.
POSEOPS_HD bool joints_interleaved(const TensorView& pred, const TensorView& gradient) {
    if (pred.is_contiguous() || !pred.is_channels_last()) return false;
    return gradient.data == nullptr || gradient.is_channels_last();
}

POSEOPS_HD void store_loss(const TensorView& losses, int64_t index, double loss) {
    if (losses.dtype == DType::kFloat64) {
        losses.as<double>()[index] = loss;
    } else {
        losses.as<float>()[index] = static_cast<float>(loss);
    }
}

}  // namespace pyposeops
