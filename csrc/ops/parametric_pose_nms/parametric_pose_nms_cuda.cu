// parametric_pose_nms on CUDA: a block per image ranks its people, then walks through the ranks: whoever is picked is
// compared with all later people at once, a thread for each. In the end each thread merges the poses of a picked
// person.
#include "core/cuda/launch.cuh"
#include "core/cuda/ranked_people.cuh"
#include "ops/parametric_pose_nms/parametric_pose_nms.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;

// Whether the nearness of their joints tells people i and j apart, i being picked.
__device__ bool far_apart(const PosePeople& people, int64_t i, int64_t j) {
    double sum = 0.0;
    double near = 0.0;
    for (int64_t k = 0; k < people.joints(); ++k) {
        const JointBound bound = joint_bound(people, i, k);
        const double dx = people.coord(j, k, 0) - people.coord(i, k, 0);
        const double dy = people.coord(j, k, 1) - people.coord(i, k, 1);
        const bool is_near = dx * dx + dy * dy <= bound.far_squared;
        sum += is_near ? bound.if_near : bound.if_far;
        near += is_near ? 1.0 : 0.0;
    }
    return are_two_people(people.rule, sum, near);
}

__global__ void __launch_bounds__(kThreads)
    parametric_pose_nms_kernel(const __grid_constant__ ParametricPoseNmsArgs args) {
    const PosePeople& people = args.people;
    const int64_t everybody = people.keypoints.shape[0];
    const PersonRows rows = rows_of_image(args.offsets, everybody, blockIdx.x);
    auto* const order = args.order.as<int64_t>();
    auto* const groups = args.groups.as<int64_t>();
    auto* const means = args.scratch.as<double>();
    auto* const next = reinterpret_cast<int64_t*>(means + everybody) + rows.begin;
    for (int64_t i = rows.begin + threadIdx.x; i < rows.end; i += kThreads) {
        groups[i] = i;
        means[i] = people.mean_score(i);
    }
    __syncthreads();
    rank_image([&](int64_t i) { return means[i]; }, rows, Ties::kFirst, order);
    for (int64_t r = rows.begin; r < rows.end; ++r) {
        const int64_t i = order[r];
        if (groups[i] != i) continue;  // the same for all threads: nobody writes it any more
        for (int64_t s = r + 1 + threadIdx.x; s < rows.end; s += kThreads) {
            const int64_t j = order[s];
            if (groups[j] == j && !far_apart(people, i, j) && is_same_person(people, i, j)) groups[j] = i;
        }
        __syncthreads();
    }
    for (int64_t i = rows.begin + threadIdx.x; i < rows.end; i += kThreads) {
        next[i - rows.begin] = next_of_group(groups, rows, i);
    }
    __syncthreads();
    const PoseGroups rings = {groups, next, rows.begin};
    for (int64_t i = rows.begin + threadIdx.x; i < rows.end; i += kThreads) write_person(args, rings, i);
}

}  // namespace

void parametric_pose_nms_cuda(const ParametricPoseNmsArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.people.keypoints.device);
    parametric_pose_nms_kernel<<<block_count(image_count(args.offsets), 1), kThreads, 0,
                                 as_cuda_stream(stream)>>>(args);
    check_launch("parametric_pose_nms");
}

}  // namespace pyposeops
