// The gradient of gaussian_heatmap on CUDA, for the encodings that move with the joint.
#include "core/convert.h"
#include "core/cuda/gaussian.cuh"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 256;

// The image that person `n` belongs to: the last one whose people begin at or before n; -1 where n is none of them.
__device__ int64_t image_of_person(const GaussianJointTensors& joints, int64_t batch, int64_t n) {
    if (batch == 0) return -1;
    int64_t begin = 0;
    int64_t end = batch;
    while (end - begin > 1) {
        const int64_t middle = (begin + end) / 2;
        if (gaussian_people(joints, middle).begin <= n) {
            begin = middle;
        } else {
            end = middle;
        }
    }
    const PeopleRange people = gaussian_people(joints, begin);
    return n >= people.begin && n < people.end ? begin : -1;
}

// Whether this person's value is the maximum at the pixel, the earlier person winning ties.
template <class Real>
__device__ bool is_maximal(const GaussianJointTensors& joints, int64_t b, int64_t n, int64_t k, Real own,
                           int32_t x, int32_t y) {
    const PeopleRange people = gaussian_people(joints, b);
    for (int64_t other = people.begin; other < people.end; ++other) {
        if (other == n) continue;
        const Real theirs =
            value_at(stage<Real>(load_gaussian_joint(joints, b, other, k), joints), x, y, joints);
        if (other < n ? theirs >= own : theirs > own) return false;
    }
    return true;
}

// One block sums one person-joint over its map: no atomics, the same bits every time.
template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const __grid_constant__ GaussianHeatmapBackwardArgs args) {
    using Real = compute_t<T>;
    __shared__ Real shared[5][kThreads / kWarpSize];
    const GaussianJointTensors& joints = args.joints;
    const TensorView& grad = args.grad_heatmaps;
    const bool ragged = joints.offsets.data != nullptr;
    const int64_t joint_count = grad.shape[1];
    const int64_t person = blockIdx.x / joint_count;
    const int64_t k = blockIdx.x % joint_count;
    const int64_t n = ragged ? person : person % joints.keypoints.shape[1];
    const int64_t b = ragged ? image_of_person(joints, grad.shape[0], n) : person / joints.keypoints.shape[1];
    GaussianJoint joint = {};
    if (b >= 0) joint = load_gaussian_joint(joints, b, n, k);
    const StagedJoint<Real> own = stage<Real>(joint, joints);
    const T* const source = grad.as<T>() + (b < 0 ? 0 : b) * grad.strides[0] + k * grad.strides[1];
    GaussianMoments<Real> sums = {};
    const int width = static_cast<int>(joints.map_width);
    const int pixels = static_cast<int>(joints.map_height) * width;
    for (int pixel = static_cast<int>(threadIdx.x); joint.drawn && pixel < pixels; pixel += kThreads) {
        const int y = pixel / width;
        const int x = pixel - y * width;
        const Real value = value_at(own, x, y, joints);
        if (joints.keypoints.shape[1] > 1 && !is_maximal(joints, b, n, k, value, x, y)) continue;
        const Real weighted = value * load_as_compute(source[y * grad.strides[2] + x * grad.strides[3]]);
        const Real dx = static_cast<Real>(x) - own.x.centre;
        const Real dy = static_cast<Real>(y) - own.y.centre;
        sums.plain += weighted;
        sums.x += weighted * dx;
        sums.y += weighted * dy;
        sums.xx += weighted * (dx * dx);
        sums.yy += weighted * (dy * dy);
    }
    const auto add = [](Real a, Real c) { return a + c; };
    sums.plain = block_reduce(sums.plain, Real(0), shared[0], add);
    sums.x = block_reduce(sums.x, Real(0), shared[1], add);
    sums.y = block_reduce(sums.y, Real(0), shared[2], add);
    sums.xx = block_reduce(sums.xx, Real(0), shared[3], add);
    sums.yy = block_reduce(sums.yy, Real(0), shared[4], add);
    if (threadIdx.x == 0) {
        store_gaussian_gradient<Real>(args, blockIdx.x, gaussian_gradient(joint, joints, sums));
    }
}

}  // namespace

void gaussian_heatmap_backward_cuda(const GaussianHeatmapBackwardArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.grad_heatmaps.device);
    const unsigned int blocks = block_count(args.grad_sigma.numel() / 2, 1);
    visit_floating(args.grad_heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        backward_kernel<T><<<blocks, kThreads, 0, as_cuda_stream(stream)>>>(args);
    });
    check_launch("gaussian_heatmap_backward");
}

}  // namespace pyposeops
