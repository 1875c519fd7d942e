// Checks and views of what the squared errors of heat maps are given.
#pragma once

#include <optional>

#include "bindings/tensor_import.h"
#include "core/squared_error.h"

namespace pyposeops {

// `losses` (B, K, S) and, where wanted, `gradient` are written. The scales: core/squared_error.h.
SquaredErrorArgs squared_error_args(const TensorView& pred, const TensorView& losses,
                                    const std::optional<ImportedTensor>& gradient, bool squared_weight,
                                    double loss_scale, double gradient_scale);

}  // namespace pyposeops
