// exp(x) in float64, in a form that compilers turn into vector code on the host.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/host_device.h"

namespace pyposeops {

// exp(x) for x <= 0, within 2 units in the last place of std::exp; exactly 1 at 0; NaN for NaN; 0 below log(2^-1022),
// where results would be subnormal. Range reduction x = n ln 2 + r and a rational function of r (Cephes, S. Moshier).
POSEOPS_HD double exp_nonpositive_in_rows(double x) {
#if defined(__CUDA_ARCH__)
    return x < -708.3964185322641 ? 0.0 : exp(x);
#else
    const double kLowest = -708.3964185322641;
    const double kRound = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer in the low bits
    const double above = x < kLowest ? kLowest : x;
    const double shifted = above * 1.4426950408889634 + kRound;
    const double n = shifted - kRound;
    const double r = (above - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6;
    const double square = r * r;
    double p = 1.26177193074810590878e-4 * square + 3.02994407707441961300e-2;
    p = r * (p * square + 1.0);
    double q = 3.00198505138664455042e-6 * square + 2.52448340349684104192e-3;
    q = (q * square + 2.27265548208155028766e-1) * square + 2.0;
    const double mantissa = 1.0 + 2.0 * (p / (q - p));
    uint64_t bits;
    std::memcpy(&bits, &shifted, sizeof(bits));
    bits = (bits + 1023) << 52;  // 2^n
    double power;
    std::memcpy(&power, &bits, sizeof(power));
    return x < kLowest ? 0.0 : mantissa * power;
#endif
}

}  // namespace pyposeops
