// Loads and stores of every element type as float or double, on host and device.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/dtype.h"
#include "core/host_device.h"

#if defined(__CUDACC__)
#include "core/cuda/half_bits.cuh"
#endif

namespace pyposeops {

POSEOPS_HD float float_from_bits(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}

POSEOPS_HD uint32_t bits_from_float(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return bits;
}

// A half's exponent and mantissa, moved into a float's place, are off by the factor 2^112 (the biases 127 and
// 15 differ by 112); one multiplication repairs that for normal and subnormal numbers alike.
POSEOPS_HD float half_to_float_portable(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
    const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fffu) << 13;
    const float scaled = float_from_bits(magnitude) * float_from_bits(0x77800000u);  // x 2^112
    const uint32_t special =
        (half & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;  // inf and NaN keep their exponent
    return float_from_bits(sign | bits_from_float(scaled) | special);
}

// condition ? yes : no, in arithmetic: compilers turn the operator into branches here and no longer vectorise
// the loop.
POSEOPS_HD uint32_t select_bits(bool condition, uint32_t yes, uint32_t no) {
    const uint32_t mask = 0u - static_cast<uint32_t>(condition);
    return (yes & mask) | (no & ~mask);
}

// Round to nearest, ties to even. Subnormal results come from adding 0.5, whose last bit weighs 2^-24, the
// smallest half.
POSEOPS_HD uint16_t float_to_half_portable(float value) {
    const uint32_t bits = bits_from_float(value);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    const uint32_t subnormal = bits_from_float(float_from_bits(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t half = select_bits(magnitude < 0x38800000u, subnormal, normal);
    half = select_bits(magnitude >= 0x47800000u, 0x7c00u, half);  // 65536 and above
    half = select_bits(magnitude > 0x7f800000u, 0x7e00u, half);   // NaN
    return static_cast<uint16_t>(sign | half);
}

POSEOPS_HD uint16_t float_to_bfloat16_bits(float value) {
    const uint32_t bits = bits_from_float(value);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
}

POSEOPS_HD float load_as_compute(float value) { return value; }
POSEOPS_HD double load_as_compute(double value) { return value; }
POSEOPS_HD float load_as_compute(BFloat16 value) {
    return float_from_bits(static_cast<uint32_t>(value.bits) << 16);
}
POSEOPS_HD float load_as_compute(Half value) {
#if defined(__CUDA_ARCH__)
    return half_bits_to_float(value.bits);
#else
    return half_to_float_portable(value.bits);
#endif
}

POSEOPS_HD void store_from_compute(float* target, float value) { *target = value; }
POSEOPS_HD void store_from_compute(double* target, double value) { *target = value; }
POSEOPS_HD void store_from_compute(BFloat16* target, float value) {
    target->bits = float_to_bfloat16_bits(value);
}
POSEOPS_HD void store_from_compute(Half* target, float value) {
#if defined(__CUDA_ARCH__)
    target->bits = float_to_half_bits(value);
#else
    target->bits = float_to_half_portable(value);
#endif
}

// One element of a small tensor whose type is only known at run time (keypoints, visibility, boxes).
template <class Real>
POSEOPS_HD Real load_any(const void* data, DType dtype, int64_t index) {
    switch (dtype) {
        case DType::kFloat32:
            return static_cast<Real>(static_cast<const float*>(data)[index]);
        case DType::kFloat64:
            return static_cast<Real>(static_cast<const double*>(data)[index]);
        case DType::kFloat16:
            return static_cast<Real>(load_as_compute(static_cast<const Half*>(data)[index]));
        case DType::kBFloat16:
            return static_cast<Real>(load_as_compute(static_cast<const BFloat16*>(data)[index]));
        case DType::kInt32:
            return static_cast<Real>(static_cast<const int32_t*>(data)[index]);
        case DType::kInt64:
            return static_cast<Real>(static_cast<const int64_t*>(data)[index]);
        case DType::kUInt8:
        case DType::kBool:
            return static_cast<Real>(static_cast<const uint8_t*>(data)[index]);
    }
    return Real(0);
}

}  // namespace pyposeops
