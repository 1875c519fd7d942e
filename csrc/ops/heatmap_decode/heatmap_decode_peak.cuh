// The maximum of a map on CUDA: what a thread has seen, and how lanes agree.
#pragma once

#include <limits>
#include <type_traits>

#include "core/cuda/reduce.cuh"
#include "ops/heatmap_decode/heatmap_decode_math.h"

namespace pyposeops {
namespace {

// The order_key, widened to what shuffles take, and the row-major index of a map's maximum.
template <class T>
struct Peak {
    using Key = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
    Key key;
    uint32_t index;

    __device__ __forceinline__ static Peak none() {
        return {std::numeric_limits<Key>::lowest(), std::numeric_limits<uint32_t>::max()};
    }

    // Strictly larger only: a thread sees its pixels in ascending order.
    __device__ __forceinline__ void see(T value, uint32_t at) {
        const Key seen = order_key(value);
        if (seen <= key) return;
        key = seen;
        index = at;
    }

    // In any order.
    __device__ __forceinline__ void see_unordered(T value, uint32_t at) {
        const Key seen = order_key(value);
        if (seen < key || (seen == key && at >= index)) return;
        key = seen;
        index = at;
    }
};

// The larger of each lane's peak and that of the lane `offset` after it; of equal ones the first pixel.
template <class T>
__device__ __forceinline__ void merge_from_lane(Peak<T>& peak, int offset) {
    const typename Peak<T>::Key key = __shfl_down_sync(kFullWarp, peak.key, offset);
    const uint32_t index = __shfl_down_sync(kFullWarp, peak.index, offset);
    if (key < peak.key || (key == peak.key && index >= peak.index)) return;
    peak = {key, index};
}

}  // namespace
}  // namespace pyposeops
