// The CUDA kernels of soft_argmax: every thread keeps the maximum and the sums of its own pixels, relative to that
// maximum, and the threads of a map merge theirs at the end. Each pixel is read once.
#include <limits>

#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/soft_argmax/soft_argmax.h"
#include "ops/soft_argmax/soft_argmax_cuda_walk.cuh"

namespace pyposeops {
namespace {

constexpr int kMaxThreads = 512;
constexpr int kMinThreads = 128;
// Loads in flight per thread: 64 bytes in vectors of 16, and the maximum is raised once for all of them.
constexpr int kVectorsAtOnce = 4;
constexpr int kVectorBytes = 16;
// Joints of a block in channels_last: a warp reads up to 32 neighbouring elements.
constexpr int kJointsPerBlock = 32;

// What a thread, or a map, knows of its pixels. Positions count from the middle of the map, which keeps the second
// moments small.
template <class Real, bool kSquares>
struct PartialSums {
    Real maximum;
    Real reference;
    SoftArgmaxMoments<Real> moments;

    __device__ explicit PartialSums(SoftArgmaxWeight weight)
        : maximum(-std::numeric_limits<Real>::infinity()),
          reference(soft_argmax_reference(weight, -std::numeric_limits<Real>::infinity())),
          moments{} {}

    __device__ __forceinline__ void scale(Real factor) {
        moments.sum *= factor;
#pragma unroll
        for (int a = 0; a < 3; ++a) moments.first[a] *= factor;
#pragma unroll
        for (int ab = 0; kSquares && ab < 6; ++ab) moments.second[ab] *= factor;
    }

    __device__ __forceinline__ void raise(SoftArgmaxWeight weight, Real rate, Real value) {
        if (!(value > maximum)) return;
        maximum = value;
        const Real raised = soft_argmax_reference(weight, value);
        if (raised > reference) scale(exp2_nonpositive(rate * (reference - raised)));
        reference = raised;
    }

    __device__ __forceinline__ void merge(SoftArgmaxWeight weight, Real rate, PartialSums other) {
        raise(weight, rate, other.maximum);
        if (reference > other.reference) other.scale(exp2_nonpositive(rate * (other.reference - reference)));
        moments.sum += other.moments.sum;
#pragma unroll
        for (int a = 0; a < 3; ++a) moments.first[a] += other.moments.first[a];
#pragma unroll
        for (int ab = 0; kSquares && ab < 6; ++ab) moments.second[ab] += other.moments.second[ab];
    }

    // The sums of the lane `offset` further up.
    __device__ __forceinline__ PartialSums from_lane(int offset) const {
        PartialSums other = *this;
        other.maximum = __shfl_down_sync(kFullWarp, maximum, offset);
        other.reference = __shfl_down_sync(kFullWarp, reference, offset);
        other.moments.sum = __shfl_down_sync(kFullWarp, moments.sum, offset);
#pragma unroll
        for (int a = 0; a < 3; ++a)
            other.moments.first[a] = __shfl_down_sync(kFullWarp, moments.first[a], offset);
#pragma unroll
        for (int ab = 0; kSquares && ab < 6; ++ab) {
            other.moments.second[ab] = __shfl_down_sync(kFullWarp, moments.second[ab], offset);
        }
        return other;
    }

    // Pixels side by side on the fast axis, the first of them at (z, y, x).
    template <SoftArgmaxWeight kWeight, class T, int kSize>
    __device__ __forceinline__ void add(const Pixels<T, kSize>& pixels, Real rate, Real background, Real z,
                                        Real y, Real x) {
        Real sum = Real(0);
        Real first = Real(0);
        Real second = Real(0);
#pragma unroll
        for (int e = 0; e < kSize; ++e) {
            const Real value = load_as_compute(pixels.values[e]);
            const Real weight = soft_argmax_weight<kWeight>(value, rate, reference, background);
            sum += weight;
            first += static_cast<Real>(e) * weight;
            if (kSquares) second += static_cast<Real>(e * e) * weight;
        }
        const Real on_x = x * sum + first;
        moments.sum += sum;
        moments.first[0] += z * sum;
        moments.first[1] += y * sum;
        moments.first[2] += on_x;
        if (!kSquares) return;
        moments.second[0] += z * z * sum;
        moments.second[1] += z * y * sum;
        moments.second[2] += z * on_x;
        moments.second[3] += y * y * sum;
        moments.second[4] += y * on_x;
        moments.second[5] += x * (on_x + first) + second;
    }
};

// The middle of the map, from which positions count.
template <class Real>
struct Middle {
    Real axis[3];

    __device__ explicit Middle(const TensorView& maps) {
#pragma unroll
        for (int a = 0; a < 3; ++a) axis[a] = Real(0.5) * static_cast<Real>(maps.shape[2 + a] - 1);
    }
};

// Reads the vectors first, first + step, ... of a map: several at once, then their maximum, then their weights.
template <SoftArgmaxWeight kWeight, class T, int kSize, bool kSquares>
__device__ __forceinline__ void sum_pixels(const SoftArgmaxArgs& args, const MapWalk& walk, const T* source,
                                           int first, int step, PartialSums<compute_t<T>, kSquares>& sums) {
    using Real = compute_t<T>;
    const Real rate = soft_argmax_rate<Real>(args.beta);
    const Middle<Real> middle(args.heatmaps);
    for (int begin = first; begin < walk.count; begin += kVectorsAtOnce * step) {
        Pixels<T, kSize> pixels[kVectorsAtOnce];
        PixelPlace place[kVectorsAtOnce];
#pragma unroll
        for (int u = 0; u < kVectorsAtOnce; ++u) {
            if (begin + u * step >= walk.count) continue;
            place[u] = walk.place(begin + u * step);
            pixels[u] = *reinterpret_cast<const Pixels<T, kSize>*>(source + place[u].offset(args.heatmaps));
        }
        Real highest = sums.maximum;
#pragma unroll
        for (int u = 0; u < kVectorsAtOnce; ++u) {
            if (begin + u * step >= walk.count) continue;
#pragma unroll
            for (int e = 0; e < kSize; ++e) {
                const Real value = load_as_compute(pixels[u].values[e]);
                highest = value > highest ? value : highest;
            }
        }
        sums.raise(args.weight, rate, highest);
        const Real background = soft_argmax_background(args.weight, rate, sums.reference);
#pragma unroll
        for (int u = 0; u < kVectorsAtOnce; ++u) {
            if (begin + u * step >= walk.count) continue;
            sums.template add<kWeight>(pixels[u], rate, background,
                                       static_cast<Real>(place[u].slow) - middle.axis[0],
                                       static_cast<Real>(place[u].middle) - middle.axis[1],
                                       static_cast<Real>(place[u].fast) - middle.axis[2]);
        }
    }
}

// Merges partial[first + i * pitch], i < count, into partial[first]; every thread of the block takes part, as number
// `member` of its set.
template <class Real, bool kSquares>
__device__ __forceinline__ void merge_partials(const SoftArgmaxArgs& args,
                                               PartialSums<Real, kSquares>* partial, int first, int pitch,
                                               int count, int member) {
    while (count > 1) {
        __syncthreads();
        const int kept = (count + 1) / 2;
        if (member < count - kept) {
            partial[first + member * pitch].merge(args.weight, soft_argmax_rate<Real>(args.beta),
                                                  partial[first + (member + kept) * pitch]);
        }
        count = kept;
    }
}

template <class Real, bool kSquares>
__device__ void store(const SoftArgmaxArgs& args, int64_t map, const PartialSums<Real, kSquares>& sums) {
    const Middle<double> middle(args.heatmaps);
    SoftArgmaxMoments<double> moments;
    moments.sum = static_cast<double>(sums.moments.sum);
    for (int a = 0; a < 3; ++a) moments.first[a] = static_cast<double>(sums.moments.first[a]);
    for (int ab = 0; ab < 6; ++ab) moments.second[ab] = static_cast<double>(sums.moments.second[ab]);
    store_soft_argmax(args, map, sums.maximum, sums.reference, moments, middle.axis);
}

// Uninitialised shared memory for PartialSums, which have a constructor.
template <class Sums, int kCount>
struct alignas(16) SharedSums {
    unsigned char bytes[sizeof(Sums) * kCount];

    __device__ Sums* data() { return reinterpret_cast<Sums*>(bytes); }
};

// A row of blockDim.x threads, whole warps, owns a map: one warp for small maps, a block for large ones. Neighbouring
// threads read neighbouring vectors. Warps merge by shuffles, then through shared memory.
template <SoftArgmaxWeight kWeight, class T, int kSize, bool kSquares>
__global__ void __launch_bounds__(kMaxThreads)
    map_kernel(const __grid_constant__ SoftArgmaxArgs args, const __grid_constant__ MapWalk walk) {
    using Real = compute_t<T>;
    using Sums = PartialSums<Real, kSquares>;
    __shared__ SharedSums<Sums, kMaxThreads / kWarpSize> shared;
    const TensorView& maps = args.heatmaps;
    const int64_t joints = maps.shape[1];
    const int64_t map = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
    const bool exists = map < maps.shape[0] * joints;
    Sums sums(args.weight);
    if (exists) {
        const T* const source =
            maps.as<T>() + map / joints * maps.strides[0] + map % joints * maps.strides[1];
        sum_pixels<kWeight, T, kSize>(args, walk, source, static_cast<int>(threadIdx.x),
                                      static_cast<int>(blockDim.x), sums);
    }
#pragma unroll
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
        sums.merge(args.weight, soft_argmax_rate<Real>(args.beta), sums.from_lane(offset));
    }
    const int warps = static_cast<int>(blockDim.x) / kWarpSize;
    const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
    if (warps > 1) {
        Sums* const partial = shared.data();
        if (threadIdx.x % kWarpSize == 0) partial[warp] = sums;
        merge_partials(args, partial, 0, 1, warps, static_cast<int>(threadIdx.x));
        if (threadIdx.x == 0) sums = partial[0];
    }
    if (threadIdx.x == 0 && exists) store(args, map, sums);
}

// channels_last: a block owns up to kJointsPerBlock neighbouring joints of an image, a thread one of them and every
// step-th pixel, so that neighbouring threads read neighbouring elements.
template <SoftArgmaxWeight kWeight, class T, bool kSquares>
__global__ void __launch_bounds__(kMaxThreads)
    image_kernel(const __grid_constant__ SoftArgmaxArgs args, const __grid_constant__ MapWalk walk,
                 int joints_per_block, int blocks_per_image) {
    using Real = compute_t<T>;
    using Sums = PartialSums<Real, kSquares>;
    constexpr int kThreads = kMaxThreads * sizeof(float) / sizeof(Real);
    __shared__ SharedSums<Sums, kThreads> shared;
    const TensorView& maps = args.heatmaps;
    const int64_t b = blockIdx.x / blocks_per_image;
    const int64_t first_joint = static_cast<int64_t>(blockIdx.x) % blocks_per_image * joints_per_block;
    const int64_t left = maps.shape[1] - first_joint;
    const int joints = left < joints_per_block ? static_cast<int>(left) : joints_per_block;
    const int joint = static_cast<int>(threadIdx.x) % joints;
    const int member = static_cast<int>(threadIdx.x) / joints;
    const int members = kThreads / joints;
    Sums sums(args.weight);
    if (member < members) {
        const T* const source = maps.as<T>() + b * maps.strides[0] + first_joint + joint;
        sum_pixels<kWeight, T, 1>(args, walk, source, member, members, sums);
    }
    Sums* const partial = shared.data();
    partial[threadIdx.x] = sums;
    merge_partials(args, partial, joint, joints, members, member);
    if (member == 0) store(args, b * maps.shape[1] + first_joint + joint, partial[joint]);
}

template <SoftArgmaxWeight kWeight, class T, int kSize, bool kSquares>
void launch_maps(const SoftArgmaxArgs& args, cudaStream_t stream) {
    const MapWalk walk(args.heatmaps, kSize);
    const int64_t maps = args.heatmaps.shape[0] * args.heatmaps.shape[1];
    dim3 threads(kWarpSize, kMinThreads / kWarpSize);
    if (walk.count > kVectorsAtOnce * kWarpSize) threads = dim3(kMinThreads);
    if (walk.count > kVectorsAtOnce * kMaxThreads) threads = dim3(kMaxThreads);
    map_kernel<kWeight, T, kSize, kSquares><<<block_count(maps, threads.y), threads, 0, stream>>>(args, walk);
}

template <SoftArgmaxWeight kWeight, class T, bool kSquares>
void launch_images(const SoftArgmaxArgs& args, cudaStream_t stream) {
    const MapWalk walk(args.heatmaps, 1);
    const int64_t joints = args.heatmaps.shape[1];
    const int64_t fewest = (joints + kJointsPerBlock - 1) / kJointsPerBlock;
    const int64_t joints_per_block = (joints + fewest - 1) / fewest;  // 33 joints are 17 and 16
    const int64_t blocks_per_image = (joints + joints_per_block - 1) / joints_per_block;
    const unsigned int blocks = block_count(args.heatmaps.shape[0] * blocks_per_image, 1);
    constexpr int kThreads = kMaxThreads * sizeof(float) / sizeof(compute_t<T>);
    image_kernel<kWeight, T, kSquares><<<blocks, kThreads, 0, stream>>>(
        args, walk, static_cast<int>(joints_per_block), static_cast<int>(blocks_per_image));
}

template <SoftArgmaxWeight kWeight, class T, bool kSquares>
void launch(const SoftArgmaxArgs& args, cudaStream_t stream) {
    constexpr int kSize = kVectorBytes / sizeof(T);
    if (has_interleaved_joints(args.heatmaps)) {
        launch_images<kWeight, T, kSquares>(args, stream);
    } else if (allows_vectors(args.heatmaps, sizeof(T), kVectorBytes)) {
        launch_maps<kWeight, T, kSize, kSquares>(args, stream);
    } else {
        launch_maps<kWeight, T, 1, kSquares>(args, stream);
    }
    check_launch("soft_argmax");
}

}  // namespace

void soft_argmax_cuda(const SoftArgmaxArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        visit_weight(args.weight, [&](auto weight) {
            if (args.covariance.data == nullptr) {
                launch<decltype(weight)::value, T, false>(args, as_cuda_stream(stream));
            } else {
                launch<decltype(weight)::value, T, true>(args, as_cuda_stream(stream));
            }
        });
    });
}

}  // namespace pyposeops
