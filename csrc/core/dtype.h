// Element types, the 16-bit floats as plain bits, and the one visitor that turns a run-time type into a C++ type.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "core/host_device.h"

namespace pyposeops {

enum class DType : int32_t { kFloat32, kFloat64, kFloat16, kBFloat16, kUInt8, kInt32, kInt64, kBool };

// Storage of the 16-bit floats; arithmetic happens in float (core/convert.h, core/cuda/half_bits.cuh).
struct Half {
    uint16_t bits;
};
struct BFloat16 {
    uint16_t bits;
};

POSEOPS_INLINE const char* dtype_name(DType dtype) {
    switch (dtype) {
        case DType::kFloat32:
            return "float32";
        case DType::kFloat64:
            return "float64";
        case DType::kFloat16:
            return "float16";
        case DType::kBFloat16:
            return "bfloat16";
        case DType::kUInt8:
            return "uint8";
        case DType::kInt32:
            return "int32";
        case DType::kInt64:
            return "int64";
        case DType::kBool:
            return "bool";
    }
    return "unknown";
}

template <class T>
struct TypeTag {
    using type = T;
};

// The type in which an element of type T is computed.
template <class T>
struct ComputeType {
    using type = float;
};
template <>
struct ComputeType<double> {
    using type = double;
};
template <class T>
using compute_t = typename ComputeType<T>::type;

// Calls f(TypeTag<T>) with the C++ type of a floating-point dtype. The caller has checked that it is one.
template <class F>
POSEOPS_INLINE void visit_floating(DType dtype, const F& f) {
    switch (dtype) {
        case DType::kFloat32:
            f(TypeTag<float>{});
            return;
        case DType::kFloat64:
            f(TypeTag<double>{});
            return;
        case DType::kFloat16:
            f(TypeTag<Half>{});
            return;
        case DType::kBFloat16:
            f(TypeTag<BFloat16>{});
            return;
        default:
            throw std::logic_error("visit_floating: not a floating-point dtype");
    }
}

}  // namespace pyposeops
