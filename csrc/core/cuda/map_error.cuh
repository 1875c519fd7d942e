// The kernels of the weighted error of maps (core/map_error.h), for a target that an operator supplies.
//
// A Target is a small struct passed by value. target.stage(shared, b, k, channels), called by all threads of a block
// that works on `channels` joints from joint k of image b, may fill the target.shared_bytes(channels) bytes at `shared`
// and returns what is, after a barrier, asked for
//   weight(c) -> double                     the weight of joint k + c
//   load<kCount>(c, x, y, values)           its target at kCount pixels from (x, y) on
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "core/cuda/vector.cuh"
#include "core/map_error.h"

namespace pyposeops {

constexpr int kErrorThreads = 256;

// One block owns one part of one map whose rows are whole vectors of 16 bytes in NCHW memory: neighbouring threads load,
// and store, neighbouring vectors. The sum of a block takes the same order every time; no atomics.
template <class T, class Target, class Error>
__global__ void __launch_bounds__(kErrorThreads)
    error_maps_kernel(const __grid_constant__ MapErrorArgs args, const __grid_constant__ Target target,
                      const Error error) {
    using Real = compute_t<T>;
    constexpr int kSize = Vector<T>::kSize;
    extern __shared__ __align__(16) unsigned char shared[];
    __shared__ Real sums[kErrorThreads / kWarpSize];
    const int64_t joints = args.pred.shape[1];
    const int64_t map = blockIdx.x;
    const auto staged = target.stage(shared, map / joints, map % joints, 1);
    __syncthreads();
    const MapErrorFactors factors = map_error_factors<Error>(args, staged.weight(0));
    const Real coefficient = static_cast<Real>(factors.gradient);
    const bool counts = coefficient != Real(0);

    const int width = static_cast<int>(args.pred.shape[3]);
    const int64_t pixels = args.pred.shape[2] * args.pred.shape[3];
    const RowRange range = rows_of_part(args.pred.shape[2], blockIdx.y, gridDim.y);
    const T* __restrict__ pred = args.pred.as<const T>() + map * pixels;
    T* __restrict__ gradient = args.gradient.as<T>();
    if (gradient != nullptr) gradient += map * pixels;
    Real sum = Real(0);
    const int end = range.end * width;
    for (int at = range.begin * width + static_cast<int>(threadIdx.x) * kSize; at < end;
         at += kErrorThreads * kSize) {
        Vector<T> slope = {};
        if (counts) {
            const Vector<T> value = *reinterpret_cast<const Vector<T>*>(pred + at);
            const int y = at / width;
            Real goal[kSize];
            staged.template load<kSize>(0, at - y * width, y, goal);
#pragma unroll
            for (int e = 0; e < kSize; ++e) {
                const ErrorValue<Real> one = error(load_as_compute(value.values[e]), goal[e]);
                sum += one.loss;
                store_from_compute(&slope.values[e], coefficient * one.slope);
            }
        }
        if (gradient != nullptr) *reinterpret_cast<Vector<T>*>(gradient + at) = slope;
    }
    sum = block_reduce(sum, Real(0), sums, [](Real a, Real b) { return a + b; });
    if (threadIdx.x == 0)
        store_loss(args.losses, map * gridDim.y + blockIdx.y, counts ? factors.loss * sum : 0.0);
}

// Any strides. One block owns one part of one image, for up to `tile` joints. A thread stays with one joint and
// walks over the pixels, so that with interleaved joints neighbouring threads read neighbouring elements; the threads
// of a joint then add up their sums in a fixed order.
template <class T, class Target, class Error>
__global__ void __launch_bounds__(kErrorThreads)
    error_pixels_kernel(const __grid_constant__ MapErrorArgs args, const __grid_constant__ Target target,
                        const Error error, int tile) {
    using Real = compute_t<T>;
    extern __shared__ __align__(16) unsigned char shared[];
    __shared__ Real sums[kErrorThreads];
    const int64_t b = blockIdx.x;
    const int joints = static_cast<int>(args.pred.shape[1]);
    const int first = static_cast<int>(blockIdx.z) * tile;
    const int channels = joints - first < tile ? joints - first : tile;
    const auto staged = target.stage(shared, b, first, channels);
    __syncthreads();
    const int walkers = kErrorThreads / channels;
    const int c = static_cast<int>(threadIdx.x) % channels;
    const int walker = static_cast<int>(threadIdx.x) / channels;
    const MapErrorFactors factors = map_error_factors<Error>(args, staged.weight(c));
    const Real coefficient = static_cast<Real>(factors.gradient);
    const bool counts = coefficient != Real(0);

    const int64_t* const from = args.pred.strides;
    const int64_t* const to = args.gradient.strides;
    const int width = static_cast<int>(args.pred.shape[3]);
    const RowRange range = rows_of_part(args.pred.shape[2], blockIdx.y, gridDim.y);
    const T* __restrict__ pred = args.pred.as<const T>() + b * from[0] + (first + c) * from[1];
    T* __restrict__ gradient = args.gradient.as<T>();
    if (gradient != nullptr) gradient += b * to[0] + (first + c) * to[1];
    Real sum = Real(0);
    const int end = walker < walkers ? range.end * width : 0;
    for (int pixel = range.begin * width + walker; pixel < end; pixel += walkers) {
        const int y = pixel / width;
        const int x = pixel - y * width;
        Real slope = Real(0);
        if (counts) {
            Real goal[1];
            staged.template load<1>(c, x, y, goal);
            const ErrorValue<Real> one = error(load_as_compute(pred[y * from[2] + x * from[3]]), goal[0]);
            sum += one.loss;
            slope = one.slope;
        }
        if (gradient != nullptr) store_from_compute(&gradient[y * to[2] + x * to[3]], coefficient * slope);
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (walker > 0) return;
    for (int w = 1; w < walkers; ++w) sum += sums[w * channels + c];
    store_loss(args.losses, (b * joints + first + c) * gridDim.y + blockIdx.y,
               counts ? factors.loss * sum : 0.0);
}

inline bool is_vector_aligned(const TensorView& maps, int elements) {
    return maps.is_contiguous() && maps.shape[3] % elements == 0 &&
           reinterpret_cast<uintptr_t>(maps.data) % 16 == 0;
}

// The joints a block takes on, of those there are: at most a thread each, and what they stage must fit into the shared
// memory that every device gives without being asked (48 KB, some of it used by the kernels).
template <class Target>
int64_t joints_per_block(const Target& target, int64_t joints) {
    constexpr int64_t kSharedBytes = 44 * 1024;
    const int64_t fitting = kSharedBytes / (target.shared_bytes(1) > 0 ? target.shared_bytes(1) : 1);
    if (fitting < 1) {
        throw std::invalid_argument("keypoints: expected people whose joints fit into " +
                                    std::to_string(kSharedBytes) + " bytes of shared memory, got " +
                                    std::to_string(target.shared_bytes(1)) + " bytes a map");
    }
    const int64_t most = fitting < kErrorThreads ? fitting : kErrorThreads;
    return joints < most ? joints : most;
}

template <class T, class Error, class Target>
void launch_map_error(const MapErrorArgs& args, const Error& error, const Target& target, cudaStream_t stream,
                      const char* name) {
    const bool aligned =
        is_vector_aligned(args.pred, Vector<T>::kSize) &&
        (args.gradient.data == nullptr || is_vector_aligned(args.gradient, Vector<T>::kSize));
    const int64_t joints = args.pred.shape[1];
    const unsigned int parts = static_cast<unsigned int>(args.losses.shape[2]);
    const int64_t tile = joints_per_block(target, joints);
    if (aligned) {
        const dim3 grid(block_count(args.pred.shape[0] * joints, 1), parts);
        const auto bytes = static_cast<size_t>(target.shared_bytes(1));
        error_maps_kernel<T><<<grid, kErrorThreads, bytes, stream>>>(args, target, error);
    } else {
        const dim3 grid(block_count(args.pred.shape[0], 1), parts, block_count(joints, tile));
        const auto bytes = static_cast<size_t>(target.shared_bytes(tile));
        error_pixels_kernel<T>
            <<<grid, kErrorThreads, bytes, stream>>>(args, target, error, static_cast<int>(tile));
    }
    check_launch(name);
}

}  // namespace pyposeops
