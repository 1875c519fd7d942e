// gaussian_heatmap_loss on CUDA: the target is evaluated at the pixel, from joints staged in shared memory.
#include "core/convert.h"
#include "core/cuda/gaussian.cuh"
#include "core/cuda/map_error.cuh"
#include "ops/gaussian_heatmap_loss/gaussian_heatmap_loss.h"

namespace pyposeops {
namespace {

// The joints of a block, person by person, all of `own` before all of `others`.
template <class Real>
struct StagedPeople {
    const GaussianForm& form;
    const double* weights;
    const StagedJoint<Real>* joints;
    int channels;
    int own_count;
    int other_count;
    Real mu;

    __device__ __forceinline__ double weight(int c) const {
        double largest = 0.0;
        for (int n = 0; n < own_count; ++n)
            largest = larger_weight(largest, weights[n * channels + c], n == 0);
        return largest;
    }

    template <int kCount>
    __device__ __forceinline__ void load(int c, int x, int y, Real (&values)[kCount]) const {
#pragma unroll
        for (int e = 0; e < kCount; ++e) values[e] = Real(0);
        for (int n = 0; n < own_count; ++n) {
            const StagedJoint<Real> joint = joints[n * channels + c];
#pragma unroll
            for (int e = 0; e < kCount; ++e)
                values[e] = with_person(values[e], value_at(joint, x + e, y, form), false);
        }
        if (other_count == 0) return;
        Real others[kCount] = {};
        for (int n = own_count; n < own_count + other_count; ++n) {
            const StagedJoint<Real> joint = joints[n * channels + c];
#pragma unroll
            for (int e = 0; e < kCount; ++e)
                others[e] = with_person(others[e], value_at(joint, x + e, y, form), false);
        }
#pragma unroll
        for (int e = 0; e < kCount; ++e) values[e] = with_interference(values[e], others[e], mu);
    }
};

// The Target of core/cuda/map_error.cuh.
template <class Real>
struct GaussianTarget {
    GaussianJointTensors own;
    GaussianJointTensors others;
    Real mu;
    int own_count;
    int other_count;

    int64_t shared_bytes(int64_t channels) const {
        return channels * (own_count * static_cast<int64_t>(sizeof(double)) +
                           (own_count + other_count) * static_cast<int64_t>(sizeof(StagedJoint<Real>)));
    }

    __device__ __forceinline__ StagedPeople<Real> stage(unsigned char* shared, int64_t b, int64_t k,
                                                        int channels) const {
        auto* const weights = reinterpret_cast<double*>(shared);
        auto* const joints = reinterpret_cast<StagedJoint<Real>*>(weights + own_count * channels);
        const int own_joints = own_count * channels;
        const int all_joints = (own_count + other_count) * channels;
        for (int i = static_cast<int>(threadIdx.x); i < all_joints; i += kErrorThreads) {
            const bool mine = i < own_joints;
            const int at = mine ? i : i - own_joints;
            const GaussianJoint joint =
                load_gaussian_joint(mine ? own : others, b, at / channels, k + at % channels);
            joints[i] = pyposeops::stage<Real>(joint, own);
            if (mine) weights[i] = joint.weight;
        }
        return {own, weights, joints, channels, own_count, other_count, mu};
    }
};

int people_of(const GaussianJointTensors& tensors) {
    return tensors.keypoints.data == nullptr ? 0 : static_cast<int>(tensors.keypoints.shape[1]);
}

}  // namespace

void gaussian_heatmap_loss_cuda(const GaussianHeatmapLossArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.error.pred.device);
    visit_floating(args.error.pred.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Real = compute_t<T>;
        const GaussianTarget<Real> target = {args.own, args.others, static_cast<Real>(args.others_weight),
                                             people_of(args.own), people_of(args.others)};
        launch_map_error<T>(args.error, SquaredError{}, target, as_cuda_stream(stream),
                            "gaussian_heatmap_loss");
    });
}

}  // namespace pyposeops
