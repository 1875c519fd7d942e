// joints_mse_loss on CUDA. Bound by memory bandwidth.
#include "core/convert.h"
#include "core/cuda/stored_target.cuh"
#include "ops/joints_mse_loss/joints_mse_loss.h"

namespace pyposeops {
namespace {

// One block owns one map of a gradient in NCHW memory or, by its grid, a stretch of it; nothing is read where the
// factor is 1.
template <class T>
__global__ void __launch_bounds__(kErrorThreads)
    scale_maps_kernel(const __grid_constant__ JointsMseLossBackwardArgs args) {
    using Real = compute_t<T>;
    constexpr int kSize = Vector<T>::kSize;
    const int64_t joints = args.gradient.shape[1];
    const int64_t map = blockIdx.x;
    const Real factor = load_factor<Real>(args, map / joints, map % joints);
    if (factor == Real(1)) return;
    const int64_t pixels = args.gradient.shape[2] * args.gradient.shape[3];
    T* const first = args.gradient.as<T>() + map * pixels;
    const int64_t step = int64_t{gridDim.y} * kErrorThreads * kSize;
    for (int64_t at = (int64_t{blockIdx.y} * kErrorThreads + threadIdx.x) * kSize; at < pixels; at += step) {
        auto* const place = reinterpret_cast<Vector<T>*>(first + at);
        Vector<T> values = *place;
#pragma unroll
        for (int e = 0; e < kSize; ++e) {
            store_from_compute(&values.values[e], scaled_gradient(load_as_compute(values.values[e]), factor));
        }
        *place = values;
    }
}

// Any strides: one thread per element, the joints fastest, as they lie in channels_last memory.
template <class T>
__global__ void __launch_bounds__(kErrorThreads)
    scale_pixels_kernel(const __grid_constant__ JointsMseLossBackwardArgs args) {
    using Real = compute_t<T>;
    const TensorView& gradient = args.gradient;
    const int64_t index = int64_t{blockIdx.x} * kErrorThreads + threadIdx.x;
    if (index >= gradient.numel()) return;
    const int64_t k = index % gradient.shape[1];
    const int64_t pixel = index / gradient.shape[1];
    const int64_t x = pixel % gradient.shape[3];
    const int64_t y = pixel / gradient.shape[3] % gradient.shape[2];
    const int64_t b = pixel / (gradient.shape[3] * gradient.shape[2]);
    const Real factor = load_factor<Real>(args, b, k);
    if (factor == Real(1)) return;
    const int64_t* const strides = gradient.strides;
    T* const place = gradient.as<T>() + b * strides[0] + k * strides[1] + y * strides[2] + x * strides[3];
    store_from_compute(place, scaled_gradient(load_as_compute(*place), factor));
}

template <class T>
void launch_backward(const JointsMseLossBackwardArgs& args, cudaStream_t stream) {
    constexpr int64_t kVectorsPerThread = 4;
    const int64_t pixels = args.gradient.shape[2] * args.gradient.shape[3];
    if (is_vector_aligned(args.gradient, Vector<T>::kSize)) {
        const unsigned int maps = block_count(args.gradient.shape[0] * args.gradient.shape[1], 1);
        const unsigned int parts = block_count(pixels, kErrorThreads * kVectorsPerThread * Vector<T>::kSize);
        const dim3 grid(maps, parts < 65535 ? parts : 65535);
        scale_maps_kernel<T><<<grid, kErrorThreads, 0, stream>>>(args);
    } else {
        const unsigned int blocks = block_count(args.gradient.numel(), kErrorThreads);
        scale_pixels_kernel<T><<<blocks, kErrorThreads, 0, stream>>>(args);
    }
    check_launch("joints_mse_loss_backward");
}

}  // namespace

void joints_mse_loss_cuda(const JointsMseLossArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.error.pred.device);
    visit_floating(args.error.pred.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        launch_stored_map_error<T>(args.error, SquaredError{}, args.target, as_cuda_stream(stream),
                                   "joints_mse_loss");
    });
}

void joints_mse_loss_backward_cuda(const JointsMseLossBackwardArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.gradient.device);
    visit_floating(args.gradient.dtype, [&](auto tag) {
        launch_backward<typename decltype(tag)::type>(args, as_cuda_stream(stream));
    });
}

}  // namespace pyposeops
