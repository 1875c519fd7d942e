// centernet_decode on CUDA: a thread for each joint of each person, which goes over the detected joints of its kind; one
// more thread per person for the box. The lists are small and stay in the L1 cache.
#include "core/cuda/launch.cuh"
#include "ops/centernet_decode/centernet_decode_math.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;

template <class Real>
__global__ void __launch_bounds__(kThreads) centernet_decode_kernel(CenternetDecodeArgs args) {
    const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    const int64_t slots = args.joints() + 1;
    if (index >= args.images() * args.most_people() * slots) return;
    // Neighbours look at the same list.
    const int64_t n = index % args.most_people();
    const int64_t slot = index / args.most_people() % slots;
    const int64_t b = index / args.most_people() / slots;
    if (slot == args.joints()) {
        decode_box<Real>(args, b, n);
    } else {
        decode_joint<Real>(args, b, n, slot);
    }
}

}  // namespace

void centernet_decode_cuda(const CenternetDecodeArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.people.device);
    const unsigned int blocks =
        block_count(args.images() * args.most_people() * (args.joints() + 1), kThreads);
    if (args.people.dtype == DType::kFloat64) {
        centernet_decode_kernel<double><<<blocks, kThreads, 0, as_cuda_stream(stream)>>>(args);
    } else {
        centernet_decode_kernel<float><<<blocks, kThreads, 0, as_cuda_stream(stream)>>>(args);
    }
    check_launch("centernet_decode");
}

}  // namespace pyposeops
