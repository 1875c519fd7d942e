// The CUDA kernel of part_affinity_field. Bound by the store bandwidth where few people share a stretch of a field.
#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "core/cuda/stage.cuh"
#include "core/cuda/vector.cuh"
#include "ops/part_affinity_field/part_affinity_field.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarpSize;
// Vectors of x and of y per thread: enough to keep the staging of the limbs a small share of a block's work.
constexpr int kVectorsPerThread = 4;
// Shared memory for the limbs of a block: small enough that an SM holds its full number of blocks (NCHW) or half of it.
constexpr int64_t kFieldBytes = 8 * 1024;
constexpr int64_t kImageBytes = 24 * 1024;

template <class Real>
struct FieldSum {
    Real x = Real(0);
    Real y = Real(0);
    int people = 0;
};

template <class Real>
__device__ __forceinline__ Real strength_at(const Limb& limb, const LimbShape& shape, double scale, double dx,
                                            double dy) {
    switch (shape.profile) {
        case LimbProfile::kFlat:
            return limb_strength<LimbProfile::kFlat, Real>(limb, scale, dx, dy);
        case LimbProfile::kLinear:
            return limb_strength<LimbProfile::kLinear, Real>(limb, scale, dx, dy);
        case LimbProfile::kGaussian:
            return limb_strength<LimbProfile::kGaussian, Real>(limb, scale, dx, dy);
        case LimbProfile::kQuartic:
            return limb_strength<LimbProfile::kQuartic, Real>(limb, scale, dx, dy);
    }
    return Real(0);
}

template <class Real>
__device__ __forceinline__ void add_limb(const PartAffinityFieldArgs& args, double scale, const Limb& limb,
                                         int x, int y, FieldSum<Real>& sum) {
    if (x < limb.x_begin || x >= limb.x_end || y < limb.y_begin || y >= limb.y_end) return;
    const double dx = static_cast<double>(x) - limb.start_x;
    const double dy = static_cast<double>(y) - limb.start_y;
    if (has_edges(args.shape) && !limb_covers(limb, args.shape.ends, dx, dy)) return;
    const Real strength = strength_at<Real>(limb, args.shape, scale, dx, dy);
    const bool replace = args.overlap == LimbOverlap::kOverwrite;
    sum.x = (replace ? Real(0) : sum.x) + strength * static_cast<Real>(limb.unit_x);
    sum.y = (replace ? Real(0) : sum.y) + strength * static_cast<Real>(limb.unit_y);
    ++sum.people;
}

// The limbs that reach rows [y_begin, y_end) of field (b, l), in the order of the people, compacted by one warp into
// `staged`. Returns how many there are; those beyond `capacity` are counted but not kept.
template <class Real>
__device__ int stage_limbs(const PartAffinityFieldArgs& args, int64_t b, int64_t l, int y_begin, int y_end,
                           bool owns_weight, Limb* staged, int capacity) {
    const PeopleRange people = people_of_image(args.people, b);
    double weight = 0.0;  // below that of any limb that is drawn
    const int found = stage_by_warp(people.begin, people.end, staged, capacity, [&](int64_t n, Limb& limb) {
        const WeightedLimb one = load_limb<Real>(args, b, n, l);
        weight = one.weight > weight ? one.weight : weight;
        limb = one.limb;
        return limb.x_begin < limb.x_end && limb.y_begin < y_end && limb.y_end > y_begin;
    });
    if (owns_weight) {
        weight = warp_reduce(weight, [](double a, double c) { return a > c ? a : c; });
        if (threadIdx.x % kWarpSize == 0) store_limb_weight(args, b, l, weight);
    }
    return found;
}

// The vector of pixel (x, y) of field (b, l): from the staged limbs, or, where they did not fit, from all people's.
template <class Real>
__device__ __forceinline__ FieldSum<Real> field_at(const PartAffinityFieldArgs& args, double scale,
                                                   const Limb* staged, int found, int capacity, int64_t b,
                                                   int64_t l, int x, int y) {
    FieldSum<Real> sum;
    if (found <= capacity) {
        for (int i = 0; i < found; ++i) add_limb(args, scale, staged[i], x, y, sum);
    } else {
        const PeopleRange people = people_of_image(args.people, b);
        for (int64_t n = people.begin; n < people.end; ++n) {
            const Limb limb = load_limb<Real>(args, b, n, l).limb;
            if (limb.length_squared > 0.0) add_limb(args, scale, limb, x, y, sum);
        }
    }
    if (args.overlap == LimbOverlap::kMean && sum.people > 1) {
        sum.x /= static_cast<Real>(sum.people);
        sum.y /= static_cast<Real>(sum.people);
    }
    return sum;
}

__device__ __forceinline__ uint8_t saturated(int people) {
    return static_cast<uint8_t>(people < 255 ? people : 255);
}

// One block owns a stretch of the pixels of one field: a plane of x and a plane of y. Its limbs are staged in shared
// memory by one warp. Neighbouring threads write neighbouring vectors of 16 bytes in both planes.
template <class T>
__global__ void __launch_bounds__(kThreads)
    planes_kernel(const __grid_constant__ PartAffinityFieldArgs args, int stretches, int capacity) {
    using Real = compute_t<T>;
    constexpr int kSize = Vector<T>::kSize;
    constexpr int kPerBlock = kThreads * kVectorsPerThread * kSize;
    extern __shared__ __align__(16) unsigned char shared_bytes[];
    auto* const staged = reinterpret_cast<Limb*>(shared_bytes);
    __shared__ int found;
    const int64_t limbs = args.weights.shape[1];
    const int64_t field = blockIdx.x / stretches;
    const int stretch = static_cast<int>(blockIdx.x) % stretches;
    const int64_t b = field / limbs;
    const int64_t l = field % limbs;
    const int width = static_cast<int>(args.fields.shape[3]);
    const int64_t pixels = args.fields.shape[2] * width;
    const int64_t block_begin = static_cast<int64_t>(stretch) * kPerBlock;
    const int64_t block_end = block_begin + kPerBlock < pixels ? block_begin + kPerBlock : pixels;
    if (threadIdx.x < kWarpSize) {
        const int count =
            stage_limbs<Real>(args, b, l, static_cast<int>(block_begin / width),
                              static_cast<int>((block_end - 1) / width) + 1, stretch == 0, staged, capacity);
        if (threadIdx.x == 0) found = count;
    }
    __syncthreads();

    const double scale = limb_exponent_scale(args.shape);
    T* const x_plane = args.fields.as<T>() + 2 * field * pixels;
    T* const y_plane = x_plane + pixels;
    uint8_t* const counts =
        args.counts.data == nullptr ? nullptr : args.counts.as<uint8_t>() + field * pixels;
    const bool aligned = pixels % kSize == 0 && reinterpret_cast<uintptr_t>(args.fields.data) % 16 == 0;
    for (int v = 0; v < kVectorsPerThread; ++v) {
        const int64_t begin = block_begin + (v * kThreads + static_cast<int>(threadIdx.x)) * kSize;
        if (begin >= pixels) return;
        int y = static_cast<int>(begin / width);
        int x = static_cast<int>(begin - static_cast<int64_t>(y) * width);
        Vector<T> across;
        Vector<T> down;
#pragma unroll
        for (int e = 0; e < kSize; ++e) {
            const FieldSum<Real> sum = field_at<Real>(args, scale, staged, found, capacity, b, l, x, y);
            store_from_compute(&across.values[e], sum.x);
            store_from_compute(&down.values[e], sum.y);
            if (counts != nullptr && begin + e < pixels) counts[begin + e] = saturated(sum.people);
            x = x + 1 == width ? 0 : x + 1;
            y = x == 0 ? y + 1 : y;
        }
        if (aligned) {
            *reinterpret_cast<Vector<T>*>(x_plane + begin) = across;
            *reinterpret_cast<Vector<T>*>(y_plane + begin) = down;
        } else {
            for (int e = 0; e < kSize && begin + e < pixels; ++e) {
                x_plane[begin + e] = across.values[e];
                y_plane[begin + e] = down.values[e];
            }
        }
    }
}

// channels_last: one block owns a stretch of an image's memory, in which x and y of a limb are neighbours and the
// limbs of a pixel follow each other. The warps stage the limbs of all fields, `capacity` people each.
template <class T>
__global__ void __launch_bounds__(kThreads)
    image_kernel(const __grid_constant__ PartAffinityFieldArgs args, int stretches, int capacity) {
    using Real = compute_t<T>;
    constexpr int kPairs = Vector<T>::kSize / 2;
    constexpr int kPerBlock = kThreads * kVectorsPerThread * kPairs;
    extern __shared__ __align__(16) unsigned char shared_bytes[];
    auto* const staged = reinterpret_cast<Limb*>(shared_bytes);
    const int limbs = static_cast<int>(args.weights.shape[1]);
    int* const found = reinterpret_cast<int*>(staged + static_cast<int64_t>(limbs) * capacity);
    const int width = static_cast<int>(args.fields.shape[3]);
    const int64_t b = blockIdx.x / stretches;
    const int stretch = static_cast<int>(blockIdx.x) % stretches;
    const int64_t row_pairs = static_cast<int64_t>(width) * limbs;
    const int64_t pairs = args.fields.shape[2] * row_pairs;
    const int64_t block_begin = static_cast<int64_t>(stretch) * kPerBlock;
    const int64_t block_end = block_begin + kPerBlock < pairs ? block_begin + kPerBlock : pairs;
    const int y_begin = static_cast<int>(block_begin / row_pairs);
    const int y_end = static_cast<int>((block_end - 1) / row_pairs) + 1;
    for (int l = static_cast<int>(threadIdx.x) / kWarpSize; l < limbs; l += kWarps) {
        const int count =
            stage_limbs<Real>(args, b, l, y_begin, y_end, stretch == 0, staged + l * capacity, capacity);
        if (threadIdx.x % kWarpSize == 0) found[l] = count;
    }
    __syncthreads();

    const double scale = limb_exponent_scale(args.shape);
    T* const out = args.fields.as<T>() + 2 * b * pairs;
    uint8_t* const counts = args.counts.data == nullptr ? nullptr : args.counts.as<uint8_t>() + b * pairs;
    const bool aligned = pairs % kPairs == 0 && reinterpret_cast<uintptr_t>(args.fields.data) % 16 == 0;
    for (int v = 0; v < kVectorsPerThread; ++v) {
        const int64_t begin = block_begin + (v * kThreads + static_cast<int>(threadIdx.x)) * kPairs;
        if (begin >= pairs) return;
        int y = static_cast<int>(begin / row_pairs);
        const auto in_row = static_cast<int>(begin - y * row_pairs);
        int x = in_row / limbs;
        int l = in_row - x * limbs;
        Vector<T> result;
#pragma unroll
        for (int e = 0; e < kPairs; ++e) {
            const FieldSum<Real> sum =
                field_at<Real>(args, scale, staged + l * capacity, found[l], capacity, b, l, x, y);
            store_from_compute(&result.values[2 * e], sum.x);
            store_from_compute(&result.values[2 * e + 1], sum.y);
            if (counts != nullptr && begin + e < pairs) counts[begin + e] = saturated(sum.people);
            l = l + 1 == limbs ? 0 : l + 1;
            x = l == 0 ? x + 1 : x;
            y = x == width ? y + 1 : y;
            x = x == width ? 0 : x;
        }
        if (aligned) {
            *reinterpret_cast<Vector<T>*>(out + 2 * begin) = result;
        } else {
            for (int e = 0; e < 2 * kPairs && 2 * begin + e < 2 * pairs; ++e)
                out[2 * begin + e] = result.values[e];
        }
    }
}

template <class T>
void launch_planes(const PartAffinityFieldArgs& args, cudaStream_t stream) {
    const int64_t pixels = args.fields.shape[2] * args.fields.shape[3];
    const int64_t per_block = int64_t{kThreads} * kVectorsPerThread * Vector<T>::kSize;
    const unsigned int stretches = block_count(pixels, per_block);
    const unsigned int blocks = block_count(args.weights.numel() * stretches, 1);
    const int capacity = staged_capacity<Limb>(1, args.people.keypoints.shape[1], kFieldBytes);
    planes_kernel<T>
        <<<blocks, kThreads, capacity * sizeof(Limb), stream>>>(args, static_cast<int>(stretches), capacity);
}

template <class T>
void launch_image(const PartAffinityFieldArgs& args, cudaStream_t stream) {
    const int64_t limbs = args.weights.shape[1];
    const int64_t pairs = args.fields.shape[2] * args.fields.shape[3] * limbs;
    const int64_t per_block = int64_t{kThreads} * kVectorsPerThread * Vector<T>::kSize / 2;
    const unsigned int stretches = block_count(pairs, per_block);
    const unsigned int blocks = block_count(args.fields.shape[0] * stretches, 1);
    const int capacity = staged_capacity<Limb>(limbs, args.people.keypoints.shape[1], kImageBytes);
    const size_t bytes = static_cast<size_t>(limbs) * (capacity * sizeof(Limb) + sizeof(int));
    image_kernel<T><<<blocks, kThreads, bytes, stream>>>(args, static_cast<int>(stretches), capacity);
}

}  // namespace

void part_affinity_field_cuda(const PartAffinityFieldArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.fields.device);
    const bool channels_last = !args.fields.is_contiguous();
    visit_floating(args.fields.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (channels_last) {
            launch_image<T>(args, as_cuda_stream(stream));
        } else {
            launch_planes<T>(args, as_cuda_stream(stream));
        }
    });
    check_launch("part_affinity_field");
}

}  // namespace pyposeops
