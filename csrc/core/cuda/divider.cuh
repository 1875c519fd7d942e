// Division by a number that is fixed for a launch, in three instructions.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace pyposeops {

// Quotients of ints from 0 to 2^31 - 1. With 2^shift >= divisor > 2^(shift - 1) the multiplier
// 2^32 (2^shift - divisor) / divisor + 1 is below 2^32 and the rounding error too small to reach the next integer.
// Source: Granlund and Montgomery, Division by Invariant Integers using Multiplication, PLDI 1994, section 4.
class Divider {
  public:
    explicit Divider(int64_t divisor) : divisor_(static_cast<uint32_t>(divisor)) {
        while ((uint64_t{1} << shift_) < divisor_) ++shift_;
        const uint64_t excess = (uint64_t{1} << shift_) - divisor_;
        multiplier_ = static_cast<uint32_t>((excess << 32) / divisor_ + 1);
    }

    __device__ __forceinline__ int quotient(int n) const {
        const uint32_t value = static_cast<uint32_t>(n);
        return static_cast<int>((__umulhi(value, multiplier_) + value) >> shift_);
    }
    __device__ __forceinline__ int remainder(int n, int quotient) const {
        return n - quotient * static_cast<int>(divisor_);
    }

  private:
    uint32_t divisor_;
    uint32_t multiplier_ = 0;
    uint32_t shift_ = 0;
};

}  // namespace pyposeops
