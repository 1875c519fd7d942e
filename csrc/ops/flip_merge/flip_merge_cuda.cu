// The CUDA kernels of flip_merge: one launch, every element loaded once; bound by the memory's bandwidth.
#include <cstdint>

#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/vector.cuh"
#include "ops/flip_merge/flip_merge.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 256;
// Vectors of one thread: a 64 x 48 map of float32 is one block.
constexpr int kVectorsPerThread = 3;

template <class T>
__device__ __forceinline__ T merged_element(T own, T mirrored, bool negated) {
    using Real = compute_t<T>;
    const Real value = load_as_compute(mirrored);
    T out;
    store_from_compute(&out, mean_of_two(load_as_compute(own), negated ? -value : value));
    return out;
}

// Block = up to kThreads * kVectorsPerThread vectors of one channel's map, in memory order. The mirror image of a
// vector is a vector read from behind; with the shift its last element is exchanged for the one after it.
template <class T>
__global__ void __launch_bounds__(kThreads)
    flip_merge_vectors_kernel(const __grid_constant__ FlipMergeArgs args, uint32_t blocks_per_map) {
    constexpr int kSize = Vector<T>::kSize;
    const int64_t map = blockIdx.x / blocks_per_map;
    const int64_t b = map / args.out.shape[1];
    const int32_t c = static_cast<int32_t>(map % args.out.shape[1]);
    const FlippedChannel from = flipped_channel(c, args.order, args.channels);
    const T* own = args.heatmaps.as<T>() + b * args.heatmaps.strides[0] + c * args.heatmaps.strides[1];
    const T* mirrored =
        args.flipped.as<T>() + b * args.flipped.strides[0] + from.index * args.flipped.strides[1];
    T* out = args.out.as<T>() + b * args.out.strides[0] + c * args.out.strides[1];

    const uint32_t width = static_cast<uint32_t>(args.out.shape[3]);
    const uint32_t vectors_per_row = width / kSize;
    const uint32_t vectors = static_cast<uint32_t>(args.out.shape[2]) * vectors_per_row;
    const uint32_t first = blockIdx.x % blocks_per_map * (kThreads * kVectorsPerThread) + threadIdx.x;
#pragma unroll
    for (uint32_t i = 0; i < kVectorsPerThread; ++i) {
        const uint32_t v = first + i * kThreads;
        if (v >= vectors) break;
        const int64_t y = v / vectors_per_row;
        const uint32_t x = v % vectors_per_row * kSize;
        const T* mirrored_row = mirrored + y * args.flipped.strides[2];
        const auto own_vector = *reinterpret_cast<const Vector<T>*>(own + y * args.heatmaps.strides[2] + x);
        const auto behind = *reinterpret_cast<const Vector<T>*>(mirrored_row + (width - kSize - x));
        const T before =
            args.shift ? mirrored_row[mirrored_column(x, width, true)] : behind.values[kSize - 1];
        Vector<T> merged;
#pragma unroll
        for (int j = 0; j < kSize; ++j) {
            const T partner = j == 0       ? before
                              : args.shift ? behind.values[kSize - j]
                                           : behind.values[kSize - 1 - j];
            merged.values[j] = merged_element(own_vector.values[j], partner, from.negated);
        }
        *reinterpret_cast<Vector<T>*>(out + y * args.out.strides[2] + x) = merged;
    }
}

// Thread = one element; neighbouring threads are neighbours in the memory of `out`, whose channels or columns
// adjoin.
template <bool kChannelsAdjoin, class T>
__global__ void __launch_bounds__(kThreads)
    flip_merge_elements_kernel(const __grid_constant__ FlipMergeArgs args) {
    const int64_t channels = args.out.shape[1];
    const int64_t height = args.out.shape[2];
    const int64_t width = args.out.shape[3];
    int64_t rest = int64_t{blockIdx.x} * kThreads + threadIdx.x;
    if (rest >= args.out.shape[0] * channels * height * width) return;
    const auto next = [&](int64_t size) {
        const int64_t whole = rest / size;
        const int32_t index = static_cast<int32_t>(rest - whole * size);
        rest = whole;
        return index;
    };
    int32_t c = kChannelsAdjoin ? next(channels) : 0;
    const int32_t x = next(width);
    const int64_t y = next(height);
    if (!kChannelsAdjoin) c = next(channels);
    const int64_t b = rest;
    const FlippedChannel from = flipped_channel(c, args.order, args.channels);
    const auto at = [&](const TensorView& maps, int32_t channel, int32_t column) {
        return maps.as<T>() + b * maps.strides[0] + channel * maps.strides[1] + y * maps.strides[2] +
               column * maps.strides[3];
    };
    const int32_t column = mirrored_column(x, static_cast<int32_t>(width), args.shift);
    *at(args.out, c, x) =
        merged_element(*at(args.heatmaps, c, x), *at(args.flipped, from.index, column), from.negated);
}

// Whether every row starts on a 16-byte boundary and its elements adjoin.
template <class T>
bool has_vector_rows(const TensorView& maps) {
    bool aligned = maps.shape[3] % Vector<T>::kSize == 0 && reinterpret_cast<uintptr_t>(maps.data) % 16 == 0;
    for (int d = 0; d < 3; ++d) {
        aligned = aligned && (maps.shape[d] == 1 || maps.strides[d] % Vector<T>::kSize == 0);
    }
    return aligned && maps.has_unit_stride(3);
}

template <class T>
void launch(const FlipMergeArgs& args, cudaStream_t stream) {
    if (has_vector_rows<T>(args.heatmaps) && has_vector_rows<T>(args.flipped) &&
        has_vector_rows<T>(args.out)) {
        constexpr int64_t kPerBlock = int64_t{kThreads} * kVectorsPerThread * Vector<T>::kSize;
        const int64_t blocks_per_map = (args.out.shape[2] * args.out.shape[3] + kPerBlock - 1) / kPerBlock;
        const unsigned int blocks = block_count(args.out.shape[0] * args.out.shape[1] * blocks_per_map, 1);
        flip_merge_vectors_kernel<T>
            <<<blocks, kThreads, 0, stream>>>(args, static_cast<uint32_t>(blocks_per_map));
    } else {
        const unsigned int blocks = block_count(args.out.numel(), kThreads);
        if (args.out.has_unit_stride(1) && !args.out.has_unit_stride(3)) {
            flip_merge_elements_kernel<true, T><<<blocks, kThreads, 0, stream>>>(args);
        } else {
            flip_merge_elements_kernel<false, T><<<blocks, kThreads, 0, stream>>>(args);
        }
    }
    check_launch("flip_merge");
}

}  // namespace

void flip_merge_cuda(const FlipMergeArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.out.device);
    visit_floating(args.out.dtype,
                   [&](auto tag) { launch<typename decltype(tag)::type>(args, as_cuda_stream(stream)); });
}

}  // namespace pyposeops
