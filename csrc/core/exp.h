// exp(x) and 2^x, in forms that compilers turn into vector code on the host.
#pragma once

#include <cmath>

#include "core/convert.h"
#include "core/host_device.h"

namespace pyposeops {

// exp(x) for x in [log(2^-126), 88], within 2 units in the last place of std::exp; exactly 1 at 0; NaN for NaN. Range
// reduction x = n ln 2 + r and a minimax polynomial in r (Cephes, S. Moshier).
POSEOPS_HD float exp_between(float x) {
    const float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
    const float shifted = x * 1.44269504088896341f + kRound;
    const float n = shifted - kRound;
    const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    const float mantissa = p * (r * r) + r + 1.0f;
    const float power = float_from_bits((bits_from_float(shifted) + 127u) << 23);  // 2^n
    return mantissa * power;
}

// exp(x) for x <= 0; 0 below log(2^-126), where results would be subnormal.
POSEOPS_HD float exp_nonpositive(float x) {
#if defined(__CUDA_ARCH__)
    return x < -87.33654f ? 0.0f : expf(x);
#else
    const float value = exp_between(x < -87.33654f ? -87.33654f : x);
    return float_from_bits(select_bits(x < -87.33654f, 0u, bits_from_float(value)));
#endif
}

// exp(x) for any x, as exp_nonpositive; exp(88) above 88.
POSEOPS_HD float exp_up_to_88(float x) {
#if defined(__CUDA_ARCH__)
    return x < -87.33654f ? 0.0f : expf(x > 88.0f ? 88.0f : x);
#else
    const float below = x > 88.0f ? 88.0f : x;
    const float value = exp_between(below < -87.33654f ? -87.33654f : below);
    return float_from_bits(select_bits(x < -87.33654f, 0u, bits_from_float(value)));
#endif
}

POSEOPS_HD double exp_nonpositive(double x) {
#if defined(__CUDA_ARCH__)
    return x < -708.3964185322641 ? 0.0 : exp(x);
#else
    return std::exp(x);
#endif
}

POSEOPS_HD double exp_up_to_88(double x) { return x < -708.3964185322641 ? 0.0 : exp(x > 88.0 ? 88.0 : x); }

// 2^x for x <= 0, within 2 units in the last place of std::exp2; exactly 1 at 0; NaN for NaN; 0 from -126.5 down, where
// results would be subnormal. With x = n + r, |r| <= 1/2, it is 2^n (1 + r p(r)) with p of degree 4, minimax in the
// relative error: 1.1e-7. A third cheaper than exp_nonpositive.
POSEOPS_HD float exp2_nonpositive(float x) {
#if defined(__CUDA_ARCH__)
    return x < -126.5f ? 0.0f : exp2f(x);
#else
    // 1.5 * 2^23 + 127: adding it rounds to an integer in the low bits, there already with the exponent's bias.
    const float kRound = 12583039.0f;
    const float clamped = x < -127.0f ? -127.0f : x;  // whose power below has the bits of 0
    const float shifted = clamped + kRound;
    const float r = clamped - (shifted - kRound);
    float p = 1.3264727317e-3f;
    p = p * r + 9.6715126410e-3f;
    p = p * r + 5.5507337428e-2f;
    p = p * r + 2.4022242085e-1f;
    p = p * r + 6.9314697760e-1f;
    p = p * r + 1.0f;
    return p * float_from_bits(bits_from_float(shifted) << 23);
#endif
}

POSEOPS_HD double exp2_nonpositive(double x) {
#if defined(__CUDA_ARCH__)
    return x < -1022.0 ? 0.0 : exp2(x);
#else
    return std::exp2(x);
#endif
}

}  // namespace pyposeops
