// A stored target as the kernels of core/cuda/map_error.cuh want it: read beside the predictions.
#pragma once

#include <cuda_runtime.h>

#include "core/convert.h"
#include "core/cuda/map_error.cuh"
#include "core/stored_target.h"

namespace pyposeops {

// What is loaded at once; aligned as vectors of predictions are.
template <class U, int kCount>
struct alignas(kCount * sizeof(U) < 16 ? kCount * sizeof(U) : 16) Pixels {
    U values[kCount];
};

// The maps of a block. Dense: elements U, a row lies together and vectors of it are aligned.
template <class Real, class U>
struct DenseMaps {
    const StoredTarget& target;
    int64_t b;
    int64_t k;

    __device__ __forceinline__ double weight(int c) const { return load_weight(target.weights, b, k + c); }

    template <int kCount>
    __device__ __forceinline__ void load(int c, int x, int y, Real (&values)[kCount]) const {
        const TensorView& maps = target.maps;
        const int64_t map = b * maps.shape[1] + k + c;
        const U* const row = maps.as<const U>() + (map * maps.shape[2] + y) * maps.shape[3];
        const auto pixels = *reinterpret_cast<const Pixels<U, kCount>*>(row + x);
#pragma unroll
        for (int e = 0; e < kCount; ++e) values[e] = static_cast<Real>(load_as_compute(pixels.values[e]));
    }
};

// Any dtype, any strides.
template <class Real>
struct AnyMaps {
    const StoredTarget& target;
    int64_t b;
    int64_t k;

    __device__ __forceinline__ double weight(int c) const { return load_weight(target.weights, b, k + c); }

    template <int kCount>
    __device__ __forceinline__ void load(int c, int x, int y, Real (&values)[kCount]) const {
        const TensorView& maps = target.maps;
        const int64_t* const strides = maps.strides;
        const int64_t row = b * strides[0] + (k + c) * strides[1] + y * strides[2];
#pragma unroll
        for (int e = 0; e < kCount; ++e) {
            values[e] = load_any<Real>(maps.data, maps.dtype, row + (x + e) * strides[3]);
        }
    }
};

// The Target of core/cuda/map_error.cuh; nothing is staged.
template <class Maps>
struct StoredMaps {
    StoredTarget target;

    int64_t shared_bytes(int64_t) const { return 0; }

    __device__ __forceinline__ Maps stage(unsigned char*, int64_t b, int64_t k, int) const {
        return {target, b, k};
    }
};

// The error of `args.pred` against a stored target. Targets in the dtype of the predictions, and in float32 beside half
// precision, are loaded in vectors.
template <class T, class Error>
void launch_stored_map_error(const MapErrorArgs& args, const Error& error, const StoredTarget& target,
                             cudaStream_t stream, const char* name) {
    using Real = compute_t<T>;
    const bool dense = is_vector_aligned(target.maps, Vector<T>::kSize);
    if (dense && target.maps.dtype == args.pred.dtype) {
        launch_map_error<T>(args, error, StoredMaps<DenseMaps<Real, T>>{target}, stream, name);
    } else if (dense && sizeof(T) == 2 && target.maps.dtype == DType::kFloat32) {
        launch_map_error<T>(args, error, StoredMaps<DenseMaps<Real, float>>{target}, stream, name);
    } else {
        launch_map_error<T>(args, error, StoredMaps<AnyMaps<Real>>{target}, stream, name);
    }
}

}  // namespace pyposeops
