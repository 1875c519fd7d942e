// A warp gathers what a block needs of a list into shared memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/cuda/reduce.cuh"

namespace pyposeops {

// load(n, item) for every n in [begin, end), one per lane; those it returns true for follow each other in `staged` in
// the order of n. Returns how many there are; those beyond `capacity` are counted but not kept. Called by a whole warp.
template <class Item, class Load>
__device__ __forceinline__ int stage_by_warp(int64_t begin, int64_t end, Item* staged, int capacity,
                                             const Load& load) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    int found = 0;
    for (int64_t first = begin; first < end; first += kWarpSize) {
        const int64_t n = first + lane;
        Item item = {};
        const bool keep = n < end && load(n, item);
        const unsigned int mask = __ballot_sync(kFullWarp, keep);
        const int at = found + __popc(mask & ((1u << lane) - 1u));
        if (keep && at < capacity) staged[at] = item;
        found += __popc(mask);
    }
    return found;
}

// How many people fit into `bytes` of shared memory for each of `fields`; never more than there are.
template <class Item>
int staged_capacity(int64_t fields, int64_t people, int64_t bytes) {
    const int64_t fitting = bytes / (fields * static_cast<int64_t>(sizeof(Item)));
    return static_cast<int>(people < fitting ? people : fitting);
}

}  // namespace pyposeops
