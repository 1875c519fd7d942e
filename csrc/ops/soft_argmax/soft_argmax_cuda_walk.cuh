// How the CUDA kernels of soft_argmax find the pixels of a map, and read and write several at once.
#pragma once

#include <cstdint>

#include "core/convert.h"
#include "core/cuda/divider.cuh"
#include "core/tensor_view.h"

namespace pyposeops {

// Neighbours on the fast axis, loaded and stored at once.
template <class T, int kSize>
struct alignas(sizeof(T) * kSize) Pixels {
    T values[kSize];
};

struct PixelPlace {
    int slow;
    int middle;
    int fast;

    __device__ __forceinline__ int64_t offset(const TensorView& maps) const {
        return slow * maps.strides[2] + middle * maps.strides[3] + fast * maps.strides[4];
    }
};

// The pixels of a map, `size` at a time, counted in the order of the axes.
struct MapWalk {
    Divider row;
    Divider slice;
    int size;
    int count;

    MapWalk(const TensorView& maps, int pixels_at_once)
        : row(maps.shape[4] / pixels_at_once),
          slice(maps.shape[3]),
          size(pixels_at_once),
          count(static_cast<int>(maps.shape[2] * maps.shape[3] * maps.shape[4] / pixels_at_once)) {}

    __device__ __forceinline__ PixelPlace place(int index) const {
        const int line = row.quotient(index);
        const int slow = slice.quotient(line);
        return {slow, slice.remainder(line, slow), row.remainder(index, line) * size};
    }
};

// Whether rows can be read in vectors of `bytes`: neighbours side by side, every vector aligned and within its row.
inline bool allows_vectors(const TensorView& maps, int64_t element_bytes, int64_t bytes) {
    const int64_t size = bytes / element_bytes;
    bool aligned = maps.strides[4] == 1 && maps.shape[4] % size == 0 &&
                   reinterpret_cast<uintptr_t>(maps.data) % static_cast<uintptr_t>(bytes) == 0;
    for (int d = 0; d < 4; ++d) aligned = aligned && (maps.shape[d] == 1 || maps.strides[d] % size == 0);
    return aligned;
}

}  // namespace pyposeops
