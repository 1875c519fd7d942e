// Logarithms, in a form that compilers turn into vector code on the host.
#pragma once

#include <cmath>

#include "core/convert.h"
#include "core/host_device.h"

namespace pyposeops {

// log(x) for x = 0 or x >= 2^-126, within 2 units in the last place of std::log: -inf at 0, inf at inf, NaN below 0 and
// for NaN. x = m 2^n with m in [sqrt(1/2), sqrt(2)), and a minimax polynomial in m - 1 (Cephes, S. Moshier).
POSEOPS_HD float log_normal(float x) {
#if defined(__CUDA_ARCH__)
    return logf(x);
#else
    const uint32_t bits = bits_from_float(x) - 0x3f3504f3u;  // sqrt(1/2)
    const float n = static_cast<float>(static_cast<int32_t>(bits) >> 23);
    const float r = float_from_bits((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float p = 7.0376836292e-2f;
    p = p * r - 1.1514610310e-1f;
    p = p * r + 1.1676998740e-1f;
    p = p * r - 1.2420140846e-1f;
    p = p * r + 1.4249322787e-1f;
    p = p * r - 1.6668057665e-1f;
    p = p * r + 2.0000714765e-1f;
    p = p * r - 2.4999993993e-1f;
    p = p * r + 3.3333331174e-1f;
    const float square = r * r;
    const float small = p * (r * square) + n * -2.12194440e-4f - 0.5f * square;
    const float result = (r + small) + n * 0.693359375f;
    // In arithmetic, as compilers would branch here: a number, otherwise -inf at 0, NaN below, and inf and NaN as given.
    const uint32_t given = bits_from_float(x);
    uint32_t value = select_bits(x < 0.0f, 0x7fc00000u, given);
    value = select_bits((given << 1) == 0u, 0xff800000u, value);
    value = select_bits(given - 1u < 0x7f800000u - 1u, bits_from_float(result), value);
    return float_from_bits(value);
#endif
}

POSEOPS_HD double log_normal(double x) { return log(x); }

// log(1 + x) for x >= 0, exact to rounding also where 1 + x is 1.
template <class Real>
POSEOPS_HD Real log1p_nonnegative(Real x) {
    const Real sum = Real(1) + x;
    const Real rounding = x - (sum - Real(1));
    return log_normal(sum) + rounding / sum;
}

}  // namespace pyposeops
