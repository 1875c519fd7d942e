// associative_embedding_loss on CUDA: a warp gathers the tags of a person, a block those of an image. Bound by the
// latency of the gathers; the maps are hardly read.
#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/associative_embedding_loss/associative_embedding_loss.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 256;
// Shared memory that every device gives without being asked.
constexpr int64_t kSharedBytes = 44 * 1024;

// A person in shared memory; own: joints that count.
template <class Real>
struct Person {
    Real mean;
    Real squares;  // of the differences from the mean
    int own;
};

template <class T>
__device__ compute_t<T> load_tag(const AssociativeEmbeddingLossArgs& args, const TagPlace& place, int64_t b,
                                 int64_t k) {
    return load_as_compute(args.tags.as<const T>()[place.offset(args.tags, b, k)]);
}

template <class Value>
__device__ Value warp_sum(Value value) {
    value = warp_reduce(value, [](Value a, Value b) { return a + b; });
    return __shfl_sync(kFullWarp, value, 0);
}

// Fills `people` of image b, a warp per person; ends with a barrier.
template <class T>
__device__ void gather(const AssociativeEmbeddingLossArgs& args, int64_t b, Person<compute_t<T>>* people) {
    using Real = compute_t<T>;
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    const int count = static_cast<int>(args.keypoints.shape[1]);
    const int joints = static_cast<int>(args.tags.shape[1]);
    for (int n = static_cast<int>(threadIdx.x) / kWarpSize; n < count; n += kThreads / kWarpSize) {
        Real sum = Real(0);
        int own = 0;
        for (int k = lane; k < joints; k += kWarpSize) {
            const TagPlace place = tag_place(args, b, n, k);
            if (!place.counts()) continue;
            sum += load_tag<T>(args, place, b, k);
            ++own;
        }
        own = warp_sum(own);
        const Real mean = own == 0 ? Real(0) : warp_sum(sum) / static_cast<Real>(own);
        Real squares = Real(0);
        for (int k = lane; own > 0 && k < joints; k += kWarpSize) {
            const TagPlace place = tag_place(args, b, n, k);
            if (!place.counts()) continue;
            const Real difference = load_tag<T>(args, place, b, k) - mean;
            squares += difference * difference;
        }
        squares = warp_sum(squares);
        if (lane == 0) people[n] = {mean, squares, own};
    }
    __syncthreads();
}

// The sum of one value per thread, known to all of them; has barriers.
template <class Value>
__device__ Value block_sum(Value value) {
    __shared__ Value shared[kThreads / kWarpSize];
    __shared__ Value total;
    value = block_reduce(value, Value(0), shared, [](Value a, Value b) { return a + b; });
    if (threadIdx.x == 0) total = value;
    __syncthreads();
    const Value result = total;
    __syncthreads();
    return result;
}

template <class Real>
__device__ int count_people(const Person<Real>* people, int count) {
    int mine = 0;
    for (int n = static_cast<int>(threadIdx.x); n < count; n += kThreads) mine += people[n].own > 0;
    return block_sum(mine);
}

// One block owns one image.
template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const __grid_constant__ AssociativeEmbeddingLossArgs args) {
    using Real = compute_t<T>;
    extern __shared__ __align__(16) unsigned char shared[];
    auto* const people = reinterpret_cast<Person<Real>*>(shared);
    const int64_t b = blockIdx.x;
    const int count = static_cast<int>(args.keypoints.shape[1]);
    gather<T>(args, b, people);
    const int present = count_people(people, count);
    const EmbeddingScales<Real> scales = embedding_scales<Real>(present, args.convention);
    Real pull = Real(0);
    Real pairs = Real(0);
    for (int n = static_cast<int>(threadIdx.x); n < count; n += kThreads) {
        const Person<Real> person = people[n];
        if (person.own == 0) continue;
        pull += scales.mean ? person.squares / static_cast<Real>(person.own) : person.squares;
        for (int m = 0; m < n; ++m) {
            if (people[m].own > 0) pairs += push_term(person.mean - people[m].mean, scales.exponent);
        }
    }
    pull = block_sum(pull);
    pairs = block_sum(pairs);
    if (threadIdx.x != 0) return;
    const Real diagonal = scales.diagonal ? static_cast<Real>(present) : Real(0);
    args.pull.as<Real>()[b] = scales.pull * pull;
    args.push.as<Real>()[b] = scales.push * (Real(2) * pairs + diagonal);
}

// The gradient in the tag of joint k of person n.
template <class T>
__device__ compute_t<T> tag_gradient(const AssociativeEmbeddingLossBackwardArgs& args,
                                     const EmbeddingScales<compute_t<T>>& scales,
                                     const Person<compute_t<T>>* people, const TagPlace& place, int64_t b,
                                     int n, int k) {
    using Real = compute_t<T>;
    const Person<Real> person = people[n];
    const Real own = static_cast<Real>(person.own);
    Real slope = Real(0);
    for (int m = 0; m < static_cast<int>(args.forward.keypoints.shape[1]); ++m) {
        if (people[m].own > 0) slope += push_slope(person.mean - people[m].mean, scales.exponent);
    }
    const Real grad_pull = args.grad_pull.as<const Real>()[b * args.grad_pull.strides[0]];
    const Real grad_push = args.grad_push.as<const Real>()[b * args.grad_push.strides[0]];
    const Real difference = load_tag<T>(args.forward, place, b, k) - person.mean;
    return Real(2) * grad_pull * scales.pull / (scales.mean ? own : Real(1)) * difference +
           grad_push * scales.push * slope / own;
}

// One thread owns one joint of one person. Where several people have the joint on one pixel, the first of them adds up
// for all and the others leave: no atomics, the same bits every time.
template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const __grid_constant__ AssociativeEmbeddingLossBackwardArgs args) {
    using Real = compute_t<T>;
    extern __shared__ __align__(16) unsigned char shared[];
    auto* const people = reinterpret_cast<Person<Real>*>(shared);
    const AssociativeEmbeddingLossArgs& forward = args.forward;
    const int64_t b = blockIdx.x;
    const int count = static_cast<int>(forward.keypoints.shape[1]);
    const int joints = static_cast<int>(forward.tags.shape[1]);
    gather<T>(forward, b, people);
    const int present = count_people(people, count);
    const EmbeddingScales<Real> scales = embedding_scales<Real>(present, forward.convention);
    const int64_t index = int64_t{blockIdx.y} * kThreads + threadIdx.x;
    if (index >= int64_t{count} * joints) return;
    const int n = static_cast<int>(index / joints);
    const int k = static_cast<int>(index % joints);
    const TagPlace place = tag_place(forward, b, n, k);
    if (!place.counts()) return;
    Real sum = Real(0);
    for (int m = 0; m < count; ++m) {
        const TagPlace other = tag_place(forward, b, m, k);
        if (other.y != place.y || other.x != place.x) continue;
        if (m < n) return;
        sum += tag_gradient<T>(args, scales, people, place, b, m, k);
    }
    store_from_compute(args.grad_tags.as<T>() + place.offset(args.grad_tags, b, k), sum);
}

template <class Real>
size_t shared_bytes(const AssociativeEmbeddingLossArgs& args) {
    const int64_t bytes = args.keypoints.shape[1] * static_cast<int64_t>(sizeof(Person<Real>));
    if (bytes > kSharedBytes) {
        throw std::invalid_argument(
            "keypoints: expected at most " +
            std::to_string(kSharedBytes / static_cast<int64_t>(sizeof(Person<Real>))) +
            " people an image on CUDA, got " + std::to_string(args.keypoints.shape[1]));
    }
    return static_cast<size_t>(bytes);
}

}  // namespace

void associative_embedding_loss_cuda(const AssociativeEmbeddingLossArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.tags.device);
    visit_floating(args.tags.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        forward_kernel<T><<<block_count(args.tags.shape[0], 1), kThreads, shared_bytes<compute_t<T>>(args),
                            as_cuda_stream(stream)>>>(args);
    });
    check_launch("associative_embedding_loss");
}

void associative_embedding_loss_backward_cuda(const AssociativeEmbeddingLossBackwardArgs& args,
                                              StreamHandle stream) {
    const DeviceGuard guard(args.forward.tags.device);
    const AssociativeEmbeddingLossArgs& forward = args.forward;
    const int64_t tags = forward.keypoints.shape[1] * forward.keypoints.shape[2];
    if (tags == 0) return;
    const dim3 grid(block_count(forward.tags.shape[0], 1), block_count(tags, kThreads));
    visit_floating(forward.tags.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        backward_kernel<T>
            <<<grid, kThreads, shared_bytes<compute_t<T>>(forward), as_cuda_stream(stream)>>>(args);
    });
    check_launch("associative_embedding_loss_backward");
}

}  // namespace pyposeops
