// The CUDA kernels of gaussian_heatmap. Bound by the store bandwidth: the exponentials hide behind the writes.
#include "core/convert.h"
#include "core/cuda/gaussian.cuh"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "core/cuda/vector.cuh"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;
constexpr int kBackwardThreads = 256;
// 16-byte stores per thread: enough to keep the staging of the joints a small share of a block's work.
constexpr int kVectorsPerThread = 8;
// Every CUDA device gives a block this much shared memory without being asked.
constexpr int64_t kSharedBytes = 48 * 1024;

__device__ void store_weight(const GaussianHeatmapArgs& args, int64_t b, int64_t k) {
    double weight = 0.0;
    for (int64_t n = 0; n < args.keypoints.shape[1]; ++n) {
        const double one = load_gaussian_joint(args, b, n, k).weight;
        weight = n == 0 || one > weight ? one : weight;
    }
    const int64_t at = b * args.heatmaps.shape[1] + k;
    if (args.weights.dtype == DType::kFloat64) {
        args.weights.as<double>()[at] = weight;
    } else {
        args.weights.as<float>()[at] = static_cast<float>(weight);
    }
}

// One block owns a stretch of one plane's memory: of one map (NCHW) or of one image with all its joints
// (channels_last). The joints of the plane, person by person, are staged in shared memory; where they do not
// fit (whole-body joints of dozens of people, channels_last) they are read again for every element.
// Neighbouring threads write neighbouring vectors of 16 bytes; a vector finds its first pixel by division,
// the next ones by counting.
template <class T, bool kChannelsLast, bool kStaged>
__global__ void __launch_bounds__(kThreads)
    render_kernel(const __grid_constant__ GaussianHeatmapArgs args, int elements_per_plane) {
    using Real = compute_t<T>;
    constexpr int kSize = Vector<T>::kSize;
    extern __shared__ __align__(16) unsigned char shared_bytes[];
    auto* const staged = reinterpret_cast<StagedJoint<Real>*>(shared_bytes);
    const int people = static_cast<int>(args.keypoints.shape[1]);
    const int joints = static_cast<int>(args.heatmaps.shape[1]);
    const int channels = kChannelsLast ? joints : 1;
    const int64_t b = blockIdx.x / (kChannelsLast ? 1 : joints);
    const int first_joint = kChannelsLast ? 0 : static_cast<int>(blockIdx.x) % joints;

    if (blockIdx.y == 0) {
        for (int k = static_cast<int>(threadIdx.x); k < channels; k += kThreads)
            store_weight(args, b, first_joint + k);
    }
    if (kStaged) {
        for (int i = static_cast<int>(threadIdx.x); i < channels * people; i += kThreads) {
            staged[i] = stage<Real>(load_gaussian_joint(args, b, i / channels, first_joint + i % channels));
        }
        __syncthreads();
    }

    T* const out = args.heatmaps.as<T>() + static_cast<int64_t>(blockIdx.x) * elements_per_plane;
    const int width = static_cast<int>(args.map_width);
    const bool aligned =
        elements_per_plane % kSize == 0 && reinterpret_cast<uintptr_t>(args.heatmaps.data) % 16 == 0;
    const int64_t block_begin = static_cast<int64_t>(blockIdx.y) * kThreads * kVectorsPerThread * kSize;
    for (int v = 0; v < kVectorsPerThread; ++v) {
        const int64_t begin = block_begin + (v * kThreads + static_cast<int>(threadIdx.x)) * kSize;
        if (begin >= elements_per_plane) return;
        const int at = static_cast<int>(begin);
        int k = at % channels;
        int x = at / channels % width;
        int y = at / channels / width;
        Vector<T> result;
#pragma unroll
        for (int e = 0; e < kSize; ++e) {
            Real value = Real(0);
            for (int n = 0; n < people; ++n) {
                const Real one =
                    kStaged ? value_at(staged[n * channels + k], x, y)
                            : value_at(stage<Real>(load_gaussian_joint(args, b, n, first_joint + k)), x, y);
                value = one > value ? one : value;
            }
            store_from_compute(&result.values[e], value);
            k = k + 1 == channels ? 0 : k + 1;
            x = k == 0 ? x + 1 : x;
            y = x == width ? y + 1 : y;
            x = x == width ? 0 : x;
        }
        if (aligned) {
            *reinterpret_cast<Vector<T>*>(out + at) = result;
        } else {
            for (int e = 0; e < kSize && at + e < elements_per_plane; ++e) out[at + e] = result.values[e];
        }
    }
}

template <class T, bool kChannelsLast>
void launch_render(const GaussianHeatmapArgs& args, cudaStream_t stream) {
    const int64_t joints = args.heatmaps.shape[1];
    const int64_t planes = args.heatmaps.shape[0] * (kChannelsLast ? 1 : joints);
    const int64_t channels = kChannelsLast ? joints : 1;
    const int64_t elements = args.map_height * args.map_width * channels;
    if (elements >= int64_t{1} << 26) {
        throw std::invalid_argument("size: expected fewer than 2^26 elements per image on CUDA, got " +
                                    std::to_string(elements));
    }
    const int64_t per_block = int64_t{kThreads} * kVectorsPerThread * Vector<T>::kSize;
    const dim3 grid(block_count(planes, 1), block_count(elements, per_block));
    const int64_t bytes = channels * args.keypoints.shape[1] * sizeof(StagedJoint<compute_t<T>>);
    if (bytes <= kSharedBytes) {
        render_kernel<T, kChannelsLast, true>
            <<<grid, kThreads, static_cast<size_t>(bytes), stream>>>(args, static_cast<int>(elements));
    } else {
        render_kernel<T, kChannelsLast, false>
            <<<grid, kThreads, 0, stream>>>(args, static_cast<int>(elements));
    }
    check_launch("gaussian_heatmap");
}

// Whether this person's value is the maximum at the pixel, the earlier person winning ties.
template <class Real>
__device__ bool is_maximal(const GaussianHeatmapArgs& args, int64_t b, int64_t n, int64_t k, Real own,
                           int32_t x, int32_t y) {
    for (int64_t other = 0; other < args.keypoints.shape[1]; ++other) {
        if (other == n) continue;
        const Real theirs = value_at(stage<Real>(load_gaussian_joint(args, b, other, k)), x, y);
        if (other < n ? theirs >= own : theirs > own) return false;
    }
    return true;
}

// One block sums one person-joint over its map: no atomics, the same bits every time.
template <class T>
__global__ void __launch_bounds__(kBackwardThreads)
    backward_kernel(const __grid_constant__ GaussianHeatmapBackwardArgs args) {
    using Real = compute_t<T>;
    __shared__ Real shared[3][kBackwardThreads / kWarpSize];
    const GaussianHeatmapArgs& forward = args.forward;
    const TensorView& grad = args.grad_heatmaps;
    const int64_t people = forward.keypoints.shape[1];
    const int64_t joints = grad.shape[1];
    const int64_t index = blockIdx.x;
    const int64_t b = index / (people * joints);
    const int64_t n = index / joints % people;
    const int64_t k = index % joints;
    const GaussianJoint joint = load_gaussian_joint(forward, b, n, k);
    const StagedJoint<Real> own = stage<Real>(joint);
    const T* const source = grad.as<T>() + b * grad.strides[0] + k * grad.strides[1];
    Real sum_x = Real(0);
    Real sum_y = Real(0);
    Real sum_square = Real(0);
    const int width = static_cast<int>(forward.map_width);
    const int pixels = static_cast<int>(forward.map_height) * width;
    for (int pixel = static_cast<int>(threadIdx.x); joint.drawn && pixel < pixels;
         pixel += kBackwardThreads) {
        const int y = pixel / width;
        const int x = pixel - y * width;
        const Real value = value_at(own, x, y);
        if (people > 1 && !is_maximal(forward, b, n, k, value, x, y)) continue;
        const Real weighted = value * load_as_compute(source[y * grad.strides[2] + x * grad.strides[3]]);
        const Real dx = static_cast<Real>(x) - own.centre_x;
        const Real dy = static_cast<Real>(y) - own.centre_y;
        sum_x += weighted * dx;
        sum_y += weighted * dy;
        sum_square += weighted * (dx * dx + dy * dy);
    }
    const auto add = [](Real a, Real c) { return a + c; };
    sum_x = block_reduce(sum_x, Real(0), shared[0], add);
    sum_y = block_reduce(sum_y, Real(0), shared[1], add);
    sum_square = block_reduce(sum_square, Real(0), shared[2], add);
    if (threadIdx.x == 0) store_gaussian_gradient(args, index, joint, sum_x, sum_y, sum_square);
}

}  // namespace

void gaussian_heatmap_cuda(const GaussianHeatmapArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    const bool channels_last = !args.heatmaps.is_contiguous();
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (channels_last) {
            launch_render<T, true>(args, as_cuda_stream(stream));
        } else {
            launch_render<T, false>(args, as_cuda_stream(stream));
        }
    });
}

void gaussian_heatmap_backward_cuda(const GaussianHeatmapBackwardArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.grad_heatmaps.device);
    const unsigned int blocks = block_count(args.grad_sigma.numel(), 1);
    visit_floating(args.grad_heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        backward_kernel<T><<<blocks, kBackwardThreads, 0, as_cuda_stream(stream)>>>(args);
    });
    check_launch("gaussian_heatmap_backward");
}

}  // namespace pyposeops
