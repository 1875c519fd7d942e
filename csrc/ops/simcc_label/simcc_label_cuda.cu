// CUDA: a warp writes the two rows of a joint, 16 bytes a lane where rows begin at such addresses.
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "core/cuda/vector.cuh"
#include "ops/simcc_label/simcc_label.h"

namespace pyposeops {
namespace {

constexpr int kWarps = 8;

template <class Real>
__device__ __forceinline__ Real value_of(const SimccRow<Real>& row, int32_t bin) {
    return bin >= row.begin && bin < row.end ? simcc_value(row, bin) : row.rest;
}

template <class T>
__device__ void write_row(T* bins, int32_t count, const SimccRow<compute_t<T>>& row, int32_t lane) {
    constexpr int32_t kSize = Vector<T>::kSize;
    const bool aligned = reinterpret_cast<uintptr_t>(bins) % sizeof(Vector<T>) == 0;
    const int32_t vectors = aligned ? count / kSize : 0;
    for (int32_t v = lane; v < vectors; v += kWarpSize) {
        Vector<T> vector;
#pragma unroll
        for (int32_t j = 0; j < kSize; ++j) {
            store_from_compute(&vector.values[j], value_of(row, v * kSize + j));
        }
        reinterpret_cast<Vector<T>*>(bins)[v] = vector;
    }
    for (int32_t i = vectors * kSize + lane; i < count; i += kWarpSize) {
        store_from_compute(bins + i, value_of(row, i));
    }
}

template <class T>
__global__ void __launch_bounds__(kWarps* kWarpSize)
    simcc_label_kernel(const __grid_constant__ SimccLabelArgs args) {
    const int64_t index = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarpSize;
    if (index >= args.weights.numel()) return;
    const int32_t lane = static_cast<int32_t>(threadIdx.x) % kWarpSize;
    const int64_t joints = args.weights.shape[1];
    const auto joint = load_simcc_joint<compute_t<T>>(args, index / joints, index % joints);
#pragma unroll
    for (int32_t d = 0; d < 2; ++d) {
        const int64_t count = args.labels[d].shape[2];
        write_row(args.labels[d].as<T>() + index * count, static_cast<int32_t>(count), joint.rows[d], lane);
    }
    if (lane == 0) store_simcc_weight(args, index, joint.weight);
}

}  // namespace

void simcc_label_cuda(const SimccLabelArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.weights.device);
    const unsigned int blocks = block_count(args.weights.numel(), kWarps);
    visit_floating(args.labels[0].dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        simcc_label_kernel<T><<<blocks, kWarps * kWarpSize, 0, as_cuda_stream(stream)>>>(args);
    });
    check_launch("simcc_label");
}

}  // namespace pyposeops
