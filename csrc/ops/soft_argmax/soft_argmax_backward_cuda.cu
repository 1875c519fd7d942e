// The gradient of soft_argmax on CUDA: one read of the maps and one write of their gradient. What a map's pixels have in
// common is worked out once per block.
#include "core/cuda/launch.cuh"
#include "ops/soft_argmax/soft_argmax.h"
#include "ops/soft_argmax/soft_argmax_cuda_walk.cuh"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;
// Vectors per thread: enough to make the shared part of a block's work small.
constexpr int kVectorsPerThread = 8;
constexpr int kVectorBytes = 16;
// Joints whose gradients a block of channels_last keeps in shared memory.
constexpr int kStagedJoints = 256;

// The polynomial of a map's gradient along a row: at x, relative to the centre, constant + x (linear + x quadratic).
template <class Real>
struct RowPolynomial {
    Real constant;
    Real linear;
    Real quadratic;

    __device__ RowPolynomial(const SoftArgmaxGradient<Real>& map, const PixelPlace& place) {
        const Real z = static_cast<Real>(place.slow) - map.centre[0];
        const Real y = static_cast<Real>(place.middle) - map.centre[1];
        const Real* const square = map.quadratic;
        constant = map.constant + z * (map.linear[0] + z * square[0] + y * square[1]) +
                   y * (map.linear[1] + y * square[3]);
        linear = map.linear[2] + z * square[2] + y * square[4];
        quadratic = square[5];
    }

    __device__ Real at(Real x) const { return constant + x * (linear + x * quadratic); }
};

template <SoftArgmaxWeight kWeight, class T, int kSize>
__device__ __forceinline__ void differentiate(const SoftArgmaxBackwardArgs& args,
                                              const SoftArgmaxGradient<compute_t<T>>& map,
                                              const PixelPlace& place, const T* source, T* target) {
    using Real = compute_t<T>;
    const Real rate = soft_argmax_rate<Real>(args.forward.beta);
    const auto pixels =
        *reinterpret_cast<const Pixels<T, kSize>*>(source + place.offset(args.forward.heatmaps));
    const RowPolynomial<Real> row(map, place);
    const Real x = static_cast<Real>(place.fast) - map.centre[2];
    Pixels<T, kSize> result;
#pragma unroll
    for (int e = 0; e < kSize; ++e) {
        const Real slope = soft_argmax_slope<kWeight>(load_as_compute(pixels.values[e]), rate, map.reference);
        store_from_compute(&result.values[e], slope * row.at(x + static_cast<Real>(e)));
    }
    *reinterpret_cast<Pixels<T, kSize>*>(target + place.offset(args.grad_heatmaps)) = result;
}

// A block owns a stretch of a map; neighbouring threads read and write neighbouring vectors.
template <SoftArgmaxWeight kWeight, class T, int kSize>
__global__ void __launch_bounds__(kThreads)
    map_kernel(const __grid_constant__ SoftArgmaxBackwardArgs args, const __grid_constant__ MapWalk walk,
               int blocks_per_map) {
    using Real = compute_t<T>;
    __shared__ SoftArgmaxGradient<Real> map;
    const int64_t index = blockIdx.x / blocks_per_map;
    if (threadIdx.x == 0) map = load_soft_argmax_gradient<Real>(args, index);
    __syncthreads();
    const TensorView& from = args.forward.heatmaps;
    const TensorView& to = args.grad_heatmaps;
    const int64_t b = index / from.shape[1];
    const int64_t k = index % from.shape[1];
    const T* const source = from.as<T>() + b * from.strides[0] + k * from.strides[1];
    T* const target = to.as<T>() + b * to.strides[0] + k * to.strides[1];
    const int first = static_cast<int>(blockIdx.x) % blocks_per_map * kThreads * kVectorsPerThread;
#pragma unroll
    for (int v = 0; v < kVectorsPerThread; ++v) {
        const int at = first + v * kThreads + static_cast<int>(threadIdx.x);
        if (at < walk.count) differentiate<kWeight, T, kSize>(args, map, walk.place(at), source, target);
    }
}

// channels_last: a block owns all joints of a stretch of an image's pixels; neighbouring threads read and write
// neighbouring elements, one joint after the other, pixel by pixel.
template <SoftArgmaxWeight kWeight, class T>
__global__ void __launch_bounds__(kThreads)
    image_kernel(const __grid_constant__ SoftArgmaxBackwardArgs args, const __grid_constant__ MapWalk walk,
                 const __grid_constant__ Divider joint_of, int pixels_per_block, int blocks_per_image) {
    using Real = compute_t<T>;
    __shared__ SoftArgmaxGradient<Real> staged[kStagedJoints];
    const TensorView& from = args.forward.heatmaps;
    const TensorView& to = args.grad_heatmaps;
    const int joints = static_cast<int>(from.shape[1]);
    const int64_t b = blockIdx.x / blocks_per_image;
    for (int k = static_cast<int>(threadIdx.x); k < joints; k += kThreads) {
        staged[k] = load_soft_argmax_gradient<Real>(args, b * joints + k);
    }
    __syncthreads();
    const T* const source = from.as<T>() + b * from.strides[0];
    T* const target = to.as<T>() + b * to.strides[0];
    const int first = static_cast<int>(blockIdx.x) % blocks_per_image * pixels_per_block;
    const int left = walk.count - first;
    const int elements = (left < pixels_per_block ? left : pixels_per_block) * joints;
#pragma unroll 4
    for (int i = static_cast<int>(threadIdx.x); i < elements; i += kThreads) {
        const int pixel = joint_of.quotient(i);
        const int k = joint_of.remainder(i, pixel);
        differentiate<kWeight, T, 1>(args, staged[k], walk.place(first + pixel), source + k, target + k);
    }
}

template <SoftArgmaxWeight kWeight, class T, int kSize>
void launch_maps(const SoftArgmaxBackwardArgs& args, cudaStream_t stream) {
    const TensorView& from = args.forward.heatmaps;
    const MapWalk walk(from, kSize);
    constexpr int64_t kPerBlock = kThreads * kVectorsPerThread;
    const int64_t blocks_per_map = (walk.count + kPerBlock - 1) / kPerBlock;
    const unsigned int blocks = block_count(from.shape[0] * from.shape[1] * blocks_per_map, 1);
    map_kernel<kWeight, T, kSize>
        <<<blocks, kThreads, 0, stream>>>(args, walk, static_cast<int>(blocks_per_map));
}

// A block's pixels outweigh the joints that it has to stage: at least as many as there are threads.
template <SoftArgmaxWeight kWeight, class T>
void launch_images(const SoftArgmaxBackwardArgs& args, cudaStream_t stream) {
    const TensorView& from = args.forward.heatmaps;
    const MapWalk walk(from, 1);
    const int64_t blocks_per_image = (walk.count + kThreads - 1) / kThreads;
    const unsigned int blocks = block_count(from.shape[0] * blocks_per_image, 1);
    image_kernel<kWeight, T><<<blocks, kThreads, 0, stream>>>(args, walk, Divider(from.shape[1]), kThreads,
                                                              static_cast<int>(blocks_per_image));
}

template <SoftArgmaxWeight kWeight, class T>
void launch(const SoftArgmaxBackwardArgs& args, cudaStream_t stream) {
    const TensorView& from = args.forward.heatmaps;
    const TensorView& to = args.grad_heatmaps;
    if (has_interleaved_joints(from) && has_interleaved_joints(to) && from.shape[1] <= kStagedJoints) {
        launch_images<kWeight, T>(args, stream);
    } else if (allows_vectors(from, sizeof(T), kVectorBytes) && allows_vectors(to, sizeof(T), kVectorBytes)) {
        launch_maps<kWeight, T, kVectorBytes / sizeof(T)>(args, stream);
    } else {
        launch_maps<kWeight, T, 1>(args, stream);
    }
    check_launch("soft_argmax_backward");
}

}  // namespace

void soft_argmax_backward_cuda(const SoftArgmaxBackwardArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.grad_heatmaps.device);
    visit_floating(args.forward.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        visit_weight(args.forward.weight,
                     [&](auto weight) { launch<decltype(weight)::value, T>(args, as_cuda_stream(stream)); });
    });
}

}  // namespace pyposeops
