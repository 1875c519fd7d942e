// Targets that are tensors, with a weight per joint.
#pragma once

#include "core/convert.h"
#include "core/host_device.h"
#include "core/tensor_view.h"

namespace pyposeops {

struct StoredTarget {
    TensorView maps;     // (B, K, H, W) any floating dtype, any strides
    TensorView weights;  // (B, K) any dtype, any strides, or no data: all 1; NaN counts as 0
};

POSEOPS_HD double load_weight(const TensorView& weights, int64_t b, int64_t k) {
    if (weights.data == nullptr) return 1.0;
    const int64_t at = b * weights.strides[0] + k * weights.strides[1];
    const double weight = load_any<double>(weights.data, weights.dtype, at);
    return weight == weight ? weight : 0.0;
}

}  // namespace pyposeops
