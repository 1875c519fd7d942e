// What the gradient that the forward pass stored is multiplied with, once the gradient of the loss is known.
#pragma once

#include "core/host_device.h"

namespace pyposeops {

// 0 masks: a joint that does not count has gradient 0 even where the predictions are NaN.
template <class Real>
POSEOPS_HD Real scaled_gradient(Real gradient, Real factor) {
    return factor == Real(0) ? Real(0) : gradient * factor;
}

}  // namespace pyposeops
