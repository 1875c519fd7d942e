// oks_matrix on CUDA. Forward: eight neighbouring threads own a pair and share its joints, so that a warp reads whole
// people and a few thousand pairs fill the device. Backward: a warp owns a detection and gathers over the ground truths:
// no atomics, the same bits every time.
#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/oks_matrix/oks_matrix.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 256;
constexpr int kPairLanes = 8;

// A detection and a ground truth: indices in the tensors.
struct Pair {
    int64_t batch;
    int64_t detection;
    int64_t truth;
};

// The neighbouring threads that share a pair, all of them together in every call below.
template <int kCount>
struct Lanes {
    int lane;
    unsigned mask;

    __device__ Lanes()
        : lane(static_cast<int>(threadIdx.x) % kCount),
          mask((kFullWarp >> (kWarpSize - kCount)) << (static_cast<int>(threadIdx.x) % kWarpSize - lane)) {}

    __device__ int count(bool value) const { return __popc(__ballot_sync(mask, value)); }

    template <class Real>
    __device__ Real sum(Real value) const {
#pragma unroll
        for (int offset = kCount / 2; offset > 0; offset /= 2) {
            value += __shfl_xor_sync(mask, value, offset);
        }
        return value;
    }
};

// How many joints count, and whether they are measured against the box of a person without a labelled joint.
struct Counted {
    int joints;
    bool in_box;
};

template <int kCount>
__device__ Counted count_joints(const OksMatrixArgs& args, const Pair& pair, const Lanes<kCount>& lanes) {
    const int joints = static_cast<int>(args.joints());
    int labelled = 0;
    int confident = 0;
    int both = 0;
    for (int first = 0; first < joints; first += kCount) {
        const int k = first + lanes.lane;
        const bool seen = k < joints && oks_labelled(args, pair.batch, pair.truth, k);
        const bool sure = k < joints && oks_confident(args, pair.batch, pair.detection, k);
        labelled += lanes.count(seen);
        confident += lanes.count(sure);
        both += lanes.count(seen && sure);
    }
    const bool in_box = args.box_rule && labelled == 0;
    return {in_box ? confident : both, in_box};
}

__device__ bool joint_counts(const OksMatrixArgs& args, const Pair& pair, int k, bool in_box) {
    return (in_box || oks_labelled(args, pair.batch, pair.truth, k)) &&
           oks_confident(args, pair.batch, pair.detection, k);
}

template <class Real>
__device__ Real area_of(const OksMatrixArgs& args, const Pair& pair) {
    const Real area = oks_truth_scale<Real>(args, pair.batch, pair.truth);
    return oks_pair_area<Real>(args, pair.batch, pair.detection)(area);
}

template <class Real>
__device__ Real variance_of(const OksMatrixArgs& args, int k) {
    return oks_variance(load_any<Real>(args.sigmas.data, args.sigmas.dtype, k * args.sigmas.strides[0]));
}

template <class T>
__device__ const T* joint_of(const OksMatrixArgs& args, const Pair& pair, int k) {
    const int64_t* const strides = args.detections.strides;
    return args.detections.as<const T>() + pair.batch * strides[0] + pair.detection * strides[1] +
           k * strides[2];
}

template <class T>
__device__ compute_t<T> pair_similarity(const OksMatrixArgs& args, const Pair& pair,
                                        const Lanes<kPairLanes>& lanes) {
    using Real = compute_t<T>;
    const Counted counted = count_joints(args, pair, lanes);
    const Real area = area_of<Real>(args, pair);
    Real sum = Real(0);
    for (int k = lanes.lane; k < static_cast<int>(args.joints()); k += kPairLanes) {
        if (!joint_counts(args, pair, k, counted.in_box)) continue;
        const T* const joint = joint_of<T>(args, pair, k);
        sum += oks_of_exponent(oks_exponent(
            oks_target<Real>(args, pair.batch, pair.truth, k, counted.in_box), load_as_compute(joint[0]),
            load_as_compute(joint[args.detections.strides[3]]), variance_of<Real>(args, k), area));
    }
    sum = lanes.sum(sum);
    return counted.joints > 0 ? sum / static_cast<Real>(counted.joints) : Real(0);
}

__device__ OksImage image_of_pair(const OksMatrixArgs& args, int64_t pair) {
    if (!args.is_ragged()) {
        return oks_image(args, pair / (args.detections.shape[1] * args.truths.shape[1]));
    }
    const int64_t starts = args.layout.shape[1];
    return oks_image(args, last_start(args.layout.as<const int64_t>() + 2 * starts, starts - 1, pair));
}

// A pair that the offsets, which nobody has checked here, give to no image has similarity 0.
template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const __grid_constant__ OksMatrixArgs args, int64_t pairs) {
    const int64_t index = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kPairLanes;
    if (index >= pairs) return;
    const Lanes<kPairLanes> lanes;
    const OksImage image = image_of_pair(args, index);
    const int64_t at = index - image.pair;
    const bool known =
        image.detections > 0 && image.truths > 0 && at >= 0 && at < image.detections * image.truths;
    compute_t<T> similarity = compute_t<T>(0);
    if (known) {
        const Pair pair = {image.batch, image.detection + at / image.truths, image.truth + at % image.truths};
        similarity = pair_similarity<T>(args, pair, lanes);
    }
    if (lanes.lane == 0) args.similarities.as<compute_t<T>>()[index] = similarity;
}

// The lanes own a detection's joints, 32 at a time.
template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const __grid_constant__ OksMatrixBackwardArgs backward, int64_t rows, int64_t pairs) {
    using Real = compute_t<T>;
    const OksMatrixArgs& args = backward.forward;
    const int64_t row = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kWarpSize;
    if (row >= rows) return;
    const Lanes<kWarpSize> lanes;
    const OksImage image = oks_image(args, oks_image_of_row(args, row));
    const int64_t local = row - image.batch * args.detections.shape[1] - image.detection;
    const int64_t first_pair = image.pair + local * image.truths;
    const bool known =
        local >= 0 && local < image.detections && first_pair >= 0 && first_pair + image.truths <= pairs;
    const int joints = static_cast<int>(args.joints());
    for (int first = 0; first < joints; first += kWarpSize) {
        const int k = first + lanes.lane;
        OksSlope<Real> total = {Real(0), Real(0)};
        for (int64_t g = 0; known && g < image.truths; ++g) {
            const Pair pair = {image.batch, image.detection + local, image.truth + g};
            const Counted counted = count_joints(args, pair, lanes);
            if (k >= joints || !joint_counts(args, pair, k, counted.in_box)) continue;
            const T* const joint = joint_of<T>(args, pair, k);
            const Real x = load_as_compute(joint[0]);
            const Real y = load_as_compute(joint[args.detections.strides[3]]);
            const OksTarget<Real> target = oks_target<Real>(args, pair.batch, pair.truth, k, counted.in_box);
            const Real area = area_of<Real>(args, pair);
            const Real variance = variance_of<Real>(args, k);
            const Real similarity = oks_of_exponent(oks_exponent(target, x, y, variance, area));
            const OksSlope<Real> slope = oks_slope(target, x, y, variance, area, similarity);
            const Real share =
                args.similarities.as<const Real>()[first_pair + g] / static_cast<Real>(counted.joints);
            total = {total.x + share * slope.x, total.y + share * slope.y};
        }
        if (k >= joints) continue;
        T* const out = backward.grad_detections.as<T>() + (row * joints + k) * 2;
        store_from_compute(out, total.x);
        store_from_compute(out + 1, total.y);
    }
}

}  // namespace

void oks_matrix_cuda(const OksMatrixArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.detections.device);
    const int64_t pairs = args.similarities.numel();
    visit_floating(args.detections.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        forward_kernel<T>
            <<<block_count(pairs, kThreads / kPairLanes), kThreads, 0, as_cuda_stream(stream)>>>(args, pairs);
    });
    check_launch("oks_matrix");
}

void oks_matrix_backward_cuda(const OksMatrixBackwardArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.forward.detections.device);
    const int64_t rows = oks_rows(args.forward);
    visit_floating(args.grad_detections.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        backward_kernel<T><<<block_count(rows, kThreads / kWarpSize), kThreads, 0, as_cuda_stream(stream)>>>(
            args, rows, args.forward.similarities.numel());
    });
    check_launch("oks_matrix_backward");
}

}  // namespace pyposeops
