// Block-wide reductions by warp shuffles.
#pragma once

#include <cuda_runtime.h>

namespace pyposeops {

constexpr unsigned int kFullWarp = 0xffffffffu;
constexpr int kWarpSize = 32;

// Combines one value per lane with `combine`; lane 0 gets the total, the others partial results.
template <class T, class Combine>
__device__ __forceinline__ T warp_reduce(T value, Combine combine) {
#pragma unroll
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
        value = combine(value, __shfl_down_sync(kFullWarp, value, offset));
    }
    return value;
}

// The total of one value per thread, returned to thread 0 (others get a partial value). The order of the
// combination depends only on the block size, so sums are reproducible. `shared` has one T per warp;
// blockDim.x is a multiple of 32. Ends with the threads past their last use of `shared` only after the
// caller's next barrier.
template <class T, class Combine>
__device__ __forceinline__ T block_reduce(T value, T identity, T* shared, Combine combine) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
    const int warps = static_cast<int>(blockDim.x) / kWarpSize;
    value = warp_reduce(value, combine);
    if (lane == 0) shared[warp] = value;
    __syncthreads();
    if (warp == 0) {
        value = lane < warps ? shared[lane] : identity;
        value = warp_reduce(value, combine);
    }
    return value;
}

}  // namespace pyposeops
