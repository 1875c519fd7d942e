// A product that is rounded on every device.
#pragma once

#include "core/host_device.h"

namespace pyposeops {

// CUDA would fuse a product with the sum that follows it; a comparison whose two sides are equal in exact arithmetic
// would then fall differently than on the CPU.
POSEOPS_HD double rounded_product(double a, double b) {
#if defined(__CUDA_ARCH__)
    return __dmul_rn(a, b);
#else
    return a * b;
#endif
}

POSEOPS_HD float rounded_product(float a, float b) {
#if defined(__CUDA_ARCH__)
    return __fmul_rn(a, b);
#else
    return a * b;
#endif
}

}  // namespace pyposeops
