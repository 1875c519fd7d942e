// nearby_joints_nms on CUDA: a block per image ranks its people and walks through the ranks; who is close to a person
// is found for everybody at once, a thread for each.
#include "core/cuda/launch.cuh"
#include "core/cuda/ranked_people.cuh"
#include "ops/nearby_joints_nms/nearby_joints_nms.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;

__device__ bool is_close(const NearbyPeople& people, int64_t i, int64_t j, double squared_reach) {
    int64_t near = 0;
    for (int64_t k = 0; k < people.joints(); ++k) {
        near += is_near(people.coord(j, k, 0) - people.coord(i, k, 0),
                        people.coord(j, k, 1) - people.coord(i, k, 1), squared_reach);
    }
    return i == j || near > people.joint_threshold;
}

__global__ void __launch_bounds__(kThreads)
    nearby_joints_nms_kernel(const __grid_constant__ NearbyJointsNmsArgs args) {
    const NearbyPeople& people = args.people;
    const int64_t everybody = people.keypoints.shape[0];
    const PersonRows rows = rows_of_image(args.offsets, everybody, blockIdx.x);
    auto* const order = args.order.as<int64_t>();
    auto* const keep = args.keep.as<bool>();
    auto* const reaches = args.scratch.as<double>();
    auto* const taken = reinterpret_cast<bool*>(reaches + everybody);
    bool* const close = taken + everybody;
    for (int64_t i = rows.begin + threadIdx.x; i < rows.end; i += kThreads) {
        keep[i] = taken[i] = false;
        reaches[i] = people.squared_reach(i);
    }
    rank_image([&](int64_t i) { return person_value(args.scores, i); }, rows, Ties::kFirst, order);
    for (int64_t r = rows.begin; r < rows.end; ++r) {
        const int64_t i = order[r];
        if (taken[i]) continue;  // the same for all threads, as is what follows
        for (int64_t j = rows.begin + threadIdx.x; j < rows.end; j += kThreads) {
            close[j] = is_close(people, i, j, reaches[i]);
        }
        __syncthreads();
        int64_t best = rows.begin;
        while (!close[order[best]]) ++best;
        const bool is_free = !taken[order[best]];
        __syncthreads();
        for (int64_t j = rows.begin + threadIdx.x; is_free && j < rows.end; j += kThreads) {
            taken[j] = taken[j] || close[j];
        }
        if (is_free && threadIdx.x == 0) keep[order[best]] = true;
        __syncthreads();
    }
    if (threadIdx.x != 0) return;
    int64_t kept = 0;
    for (int64_t r = rows.begin; r < rows.end; ++r) {
        if (keep[order[r]]) keep[order[r]] = ++kept <= args.max_dets;
    }
}

}  // namespace

void nearby_joints_nms_cuda(const NearbyJointsNmsArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.people.keypoints.device);
    nearby_joints_nms_kernel<<<block_count(image_count(args.offsets), 1), kThreads, 0,
                               as_cuda_stream(stream)>>>(args);
    check_launch("nearby_joints_nms");
}

}  // namespace pyposeops
