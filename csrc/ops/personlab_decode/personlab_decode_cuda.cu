// personlab_poses on CUDA: a thread grows the pose of each peak; the steps along the skeleton depend on each other.
#include "core/cuda/launch.cuh"
#include "ops/personlab_decode/personlab_decode_math.h"

namespace pyposeops {
namespace {

// Small blocks: there are few peaks, and each thread waits for memory most of the time.
constexpr int kThreads = 64;

template <class T>
__global__ void __launch_bounds__(kThreads) personlab_poses_kernel(PersonlabPosesArgs args) {
    const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    const int64_t joint = index / args.most_peaks();
    if (joint >= args.heatmaps.shape[0] * args.joints()) return;
    grow_pose<T>(args, joint / args.joints(), joint % args.joints(), index % args.most_peaks());
}

}  // namespace

void personlab_poses_cuda(const PersonlabPosesArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    const unsigned int blocks =
        block_count(args.heatmaps.shape[0] * args.joints() * args.most_peaks(), kThreads);
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        personlab_poses_kernel<T><<<blocks, kThreads, 0, as_cuda_stream(stream)>>>(args);
    });
    check_launch("personlab_poses");
}

}  // namespace pyposeops
