// The CUDA kernels of offset_heatmap. Bound by the store bandwidth where few people share a stretch of a map.
#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "core/cuda/stage.cuh"
#include "core/cuda/vector.cuh"
#include "ops/offset_heatmap/offset_heatmap.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarpSize;
// Vectors per thread and channel: enough to keep the staging of the joints a small share of a block's work.
constexpr int kVectorsPerThread = 4;
constexpr int kPixelsPerThread = 16;  // channels_last, where all joints are staged
// Shared memory for the joints of a block: small enough that an SM holds its full number of blocks.
constexpr int64_t kMapBytes = 4 * 1024;
constexpr int64_t kImageBytes = 16 * 1024;

// What stays on a pixel: the offset in map pixels, and the smallest measure.
template <class Real>
struct PixelOffset {
    Real x = Real(0);
    Real y = Real(0);
    double best = kNobody;
};

template <class Real>
__device__ __forceinline__ void draw_joint(const OffsetRule& rule, double limit, const OffsetJoint& joint,
                                           int x, int y, PixelOffset<Real>& pixel) {
    if (x < joint.x_begin || x >= joint.x_end || y < joint.y_begin || y >= joint.y_end) return;
    const double dx = joint.x - static_cast<double>(x);
    const double dy = joint.y - static_cast<double>(y);
    const double squared = squared_length(dx, dy);
    if (rule.region == OffsetRegion::kDisc && squared > limit) return;
    const double measure = offset_measure(rule, joint.size, squared);
    if (takes_pixel(rule.order, measure, pixel.best)) {
        pixel.x = static_cast<Real>(dx);
        pixel.y = static_cast<Real>(dy);
    }
    pixel.best = measure < pixel.best ? measure : pixel.best;
}

// The joints of (b, k) that reach rows [y_begin, y_end), in the order of the people, compacted by one warp into
// `staged`. Returns how many there are; those beyond `capacity` are counted but not kept.
__device__ int stage_joints(const OffsetHeatmapArgs& args, int64_t b, int64_t k, int y_begin, int y_end,
                            bool owns_weight, OffsetJoint* staged, int capacity) {
    const PeopleRange people = people_of_image(args.people, b);
    double weight = -kNobody;
    const int found =
        stage_by_warp(people.begin, people.end, staged, capacity, [&](int64_t n, OffsetJoint& joint) {
            const WeightedOffsetJoint one = load_offset_joint(args, b, n, k);
            weight = one.weight > weight ? one.weight : weight;
            joint = one.joint;
            return one.drawn && joint.y_begin < y_end && joint.y_end > y_begin;
        });
    if (owns_weight) {
        weight = warp_reduce(weight, [](double a, double c) { return a > c ? a : c; });
        if (threadIdx.x % kWarpSize == 0) {
            store_offset_weight(args, b * args.weights.shape[1] + k,
                                people.begin < people.end ? weight : 0.0);
        }
    }
    return found;
}

// Pixel (x, y) of joint k: from the staged joints, or, where they did not fit, from all people's.
template <class Real>
__device__ __forceinline__ PixelOffset<Real> offset_at(const OffsetHeatmapArgs& args, double limit,
                                                       const OffsetJoint* staged, int found, int capacity,
                                                       int64_t b, int64_t k, int x, int y) {
    PixelOffset<Real> pixel;
    if (found <= capacity) {
        for (int i = 0; i < found; ++i) draw_joint(args.rule, limit, staged[i], x, y, pixel);
    } else {
        const PeopleRange people = people_of_image(args.people, b);
        for (int64_t n = people.begin; n < people.end; ++n) {
            const WeightedOffsetJoint one = load_offset_joint(args, b, n, k);
            if (one.drawn) draw_joint(args.rule, limit, one.joint, x, y, pixel);
        }
    }
    pixel.x *= static_cast<Real>(args.rule.multiplier);
    pixel.y *= static_cast<Real>(args.rule.multiplier);
    return pixel;
}

template <class T>
__device__ __forceinline__ void store_mask(const OffsetHeatmapArgs& args, int64_t at, double mark) {
    if (args.rule.order == OffsetOrder::kSmallest) {
        store_from_compute(args.masks.as<T>() + at, static_cast<compute_t<T>>(mark));
    } else {
        args.masks.as<uint8_t>()[at] = static_cast<uint8_t>(mark);
    }
}

template <class T>
__device__ __forceinline__ void store_vector(T* target, const Vector<T>& vector, bool aligned, int64_t left) {
    if (aligned) {
        *reinterpret_cast<Vector<T>*>(target) = vector;
        return;
    }
    for (int e = 0; e < Vector<T>::kSize && e < left; ++e) target[e] = vector.values[e];
}

// One block owns a stretch of the pixels of one joint: two or three planes. Its people are staged in shared memory by
// one warp. Neighbouring threads write neighbouring vectors of 16 bytes in each plane.
template <class T>
__global__ void __launch_bounds__(kThreads)
    planes_kernel(const __grid_constant__ OffsetHeatmapArgs args, int stretches, int capacity) {
    using Real = compute_t<T>;
    constexpr int kSize = Vector<T>::kSize;
    constexpr int kPerBlock = kThreads * kVectorsPerThread * kSize;
    extern __shared__ __align__(16) unsigned char shared_bytes[];
    auto* const staged = reinterpret_cast<OffsetJoint*>(shared_bytes);
    __shared__ int found;
    const int64_t joints = args.weights.shape[1];
    const int64_t map = blockIdx.x / stretches;
    const int stretch = static_cast<int>(blockIdx.x) % stretches;
    const int64_t b = map / joints;
    const int64_t k = map % joints;
    const int width = args.map_width();
    const int64_t pixels = static_cast<int64_t>(args.map_height()) * width;
    const int64_t block_begin = static_cast<int64_t>(stretch) * kPerBlock;
    const int64_t block_end = block_begin + kPerBlock < pixels ? block_begin + kPerBlock : pixels;
    if (threadIdx.x < kWarpSize) {
        const int count =
            stage_joints(args, b, k, static_cast<int>(block_begin / width),
                         static_cast<int>((block_end - 1) / width) + 1, stretch == 0, staged, capacity);
        if (threadIdx.x == 0) found = count;
    }
    __syncthreads();

    const double limit = rounded_product(args.rule.radius, args.rule.radius);
    const int64_t channels = args.channels();
    T* const planes = args.heatmaps.as<T>() + map * channels * pixels;
    T* const x_plane = planes + (channels - 2) * pixels;
    const bool aligned = pixels % kSize == 0 && reinterpret_cast<uintptr_t>(args.heatmaps.data) % 16 == 0;
    for (int v = 0; v < kVectorsPerThread; ++v) {
        const int64_t begin = block_begin + (v * kThreads + static_cast<int>(threadIdx.x)) * kSize;
        if (begin >= pixels) return;
        int y = static_cast<int>(begin / width);
        int x = static_cast<int>(begin - static_cast<int64_t>(y) * width);
        Vector<T> mask;
        Vector<T> across;
        Vector<T> down;
#pragma unroll
        for (int e = 0; e < kSize; ++e) {
            const PixelOffset<Real> pixel = offset_at<Real>(args, limit, staged, found, capacity, b, k, x, y);
            const double mark = offset_mark(args.rule, pixel.best);
            store_from_compute(&mask.values[e], static_cast<Real>(mark));
            store_from_compute(&across.values[e], pixel.x);
            store_from_compute(&down.values[e], pixel.y);
            if (channels == 2 && begin + e < pixels) store_mask<T>(args, map * pixels + begin + e, mark);
            x = x + 1 == width ? 0 : x + 1;
            y = x == 0 ? y + 1 : y;
        }
        if (channels == 3) store_vector(planes + begin, mask, aligned, pixels - begin);
        store_vector(x_plane + begin, across, aligned, pixels - begin);
        store_vector(x_plane + pixels + begin, down, aligned, pixels - begin);
    }
}

// channels_last: one block owns a stretch of an image's memory, in which the channels of a joint and the joints of a
// pixel are neighbours. The warps stage all joints, `capacity` people each. A thread works on one pixel of one joint at
// a time, so that 2 or 3 channels need no vectors that begin in the midst of a joint; a warp still writes whole lines.
template <class T>
__global__ void __launch_bounds__(kThreads)
    image_kernel(const __grid_constant__ OffsetHeatmapArgs args, int stretches, int capacity) {
    using Real = compute_t<T>;
    constexpr int kPerBlock = kThreads * kPixelsPerThread;
    extern __shared__ __align__(16) unsigned char shared_bytes[];
    auto* const staged = reinterpret_cast<OffsetJoint*>(shared_bytes);
    const int joints = static_cast<int>(args.weights.shape[1]);
    int* const found = reinterpret_cast<int*>(staged + static_cast<int64_t>(joints) * capacity);
    const int64_t row_elements = static_cast<int64_t>(args.map_width()) * joints;
    const int64_t elements = args.map_height() * row_elements;
    const int64_t b = blockIdx.x / stretches;
    const int stretch = static_cast<int>(blockIdx.x) % stretches;
    const int64_t block_begin = static_cast<int64_t>(stretch) * kPerBlock;
    const int64_t block_end = block_begin + kPerBlock < elements ? block_begin + kPerBlock : elements;
    const int y_begin = static_cast<int>(block_begin / row_elements);
    const int y_end = static_cast<int>((block_end - 1) / row_elements) + 1;
    for (int k = static_cast<int>(threadIdx.x) / kWarpSize; k < joints; k += kWarps) {
        const int count =
            stage_joints(args, b, k, y_begin, y_end, stretch == 0, staged + k * capacity, capacity);
        if (threadIdx.x % kWarpSize == 0) found[k] = count;
    }
    __syncthreads();

    const double limit = rounded_product(args.rule.radius, args.rule.radius);
    const int64_t channels = args.channels();
    for (int64_t at = block_begin + threadIdx.x; at < block_end; at += kThreads) {
        const int y = static_cast<int>(at / row_elements);
        const int64_t in_row = at - y * row_elements;
        const int x = static_cast<int>(in_row / joints);
        const int k = static_cast<int>(in_row - static_cast<int64_t>(x) * joints);
        const PixelOffset<Real> pixel =
            offset_at<Real>(args, limit, staged + k * capacity, found[k], capacity, b, k, x, y);
        const double mark = offset_mark(args.rule, pixel.best);
        T* target = args.heatmaps.as<T>() + (b * elements + at) * channels;
        if (channels == 3) {
            store_from_compute(target++, static_cast<Real>(mark));
        } else {
            store_mask<T>(args, b * elements + at, mark);
        }
        store_from_compute(target, pixel.x);
        store_from_compute(target + 1, pixel.y);
    }
}

template <class T>
void launch_planes(const OffsetHeatmapArgs& args, cudaStream_t stream) {
    const int64_t pixels = args.heatmaps.shape[2] * args.heatmaps.shape[3];
    const int64_t per_block = int64_t{kThreads} * kVectorsPerThread * Vector<T>::kSize;
    const unsigned int stretches = block_count(pixels, per_block);
    const unsigned int blocks = block_count(args.weights.numel() * stretches, 1);
    const int capacity = staged_capacity<OffsetJoint>(1, args.people.keypoints.shape[1], kMapBytes);
    planes_kernel<T><<<blocks, kThreads, capacity * sizeof(OffsetJoint), stream>>>(
        args, static_cast<int>(stretches), capacity);
}

template <class T>
void launch_image(const OffsetHeatmapArgs& args, cudaStream_t stream) {
    const int64_t joints = args.weights.shape[1];
    if (joints > 4096) {
        throw std::invalid_argument("keypoints: expected at most 4096 joints in channels_last on CUDA, got " +
                                    std::to_string(joints));
    }
    const int64_t elements = args.heatmaps.shape[2] * args.heatmaps.shape[3] * joints;
    const unsigned int stretches = block_count(elements, int64_t{kThreads} * kPixelsPerThread);
    const unsigned int blocks = block_count(args.heatmaps.shape[0] * stretches, 1);
    const int capacity = staged_capacity<OffsetJoint>(joints, args.people.keypoints.shape[1], kImageBytes);
    const size_t bytes = static_cast<size_t>(joints) * (capacity * sizeof(OffsetJoint) + sizeof(int));
    image_kernel<T><<<blocks, kThreads, bytes, stream>>>(args, static_cast<int>(stretches), capacity);
}

}  // namespace

void offset_heatmap_cuda(const OffsetHeatmapArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    const bool channels_last = !args.heatmaps.is_contiguous();
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (channels_last) {
            launch_image<T>(args, as_cuda_stream(stream));
        } else {
            launch_planes<T>(args, as_cuda_stream(stream));
        }
    });
    check_launch("offset_heatmap");
}

}  // namespace pyposeops
