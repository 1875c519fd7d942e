// float16 conversions by the device's own instructions.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

namespace pyposeops {

__device__ __forceinline__ float half_bits_to_float(uint16_t bits) {
    return __half2float(__ushort_as_half(bits));
}

__device__ __forceinline__ uint16_t float_to_half_bits(float value) {
    return __half_as_ushort(__float2half_rn(value));
}

}  // namespace pyposeops
