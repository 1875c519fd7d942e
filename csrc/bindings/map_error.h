// Checks and views of what the errors of heat maps are given.
#pragma once

#include <optional>

#include "bindings/tensor_import.h"
#include "core/map_error.h"
#include "core/stored_target.h"

namespace pyposeops {

// `losses` (B, K, S) and, where wanted, `gradient` are written. The scales: core/map_error.h.
MapErrorArgs map_error_args(const TensorView& pred, const TensorView& losses,
                            const std::optional<ImportedTensor>& gradient, bool squared_weight,
                            double loss_scale, double gradient_scale);

// A weight per joint (B, K) of `pred`, or no data.
TensorView joint_weights(const std::optional<ImportedTensor>& weights, const TensorView& pred);

// `target` of the shape of `pred`, with its weights.
StoredTarget stored_target(const TensorView& target, const std::optional<ImportedTensor>& weights,
                           const TensorView& pred);

}  // namespace pyposeops
