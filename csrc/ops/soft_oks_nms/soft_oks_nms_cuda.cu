// soft_oks_nms on CUDA: a block per image. In each turn the scores of all people who are left fall beside the picked
// one, a thread for each, and then their ranks are counted anew.
#include "core/cuda/launch.cuh"
#include "core/cuda/ranked_people.cuh"
#include "ops/soft_oks_nms/soft_oks_nms.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;

// Puts order[first, end) in order of falling `scores`, equal ones by their places so far. `other` has room for as
// many. Ends with a barrier.
__device__ void rank_again(const double* scores, int64_t first, int64_t end, Ties ties, int64_t* order,
                           int64_t* other) {
    for (int64_t s = first + threadIdx.x; s < end; s += kThreads) {
        const double own = scores[order[s]];
        int64_t rank = first;
        for (int64_t o = first; o < end; ++o) rank += comes_before(scores[order[o]], o, own, s, ties);
        other[rank] = order[s];
    }
    __syncthreads();
    for (int64_t s = first + threadIdx.x; s < end; s += kThreads) order[s] = other[s];
    __syncthreads();
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    soft_oks_nms_kernel(const __grid_constant__ SoftOksNmsArgs args, const OksLimit limit) {
    const OksPeople& people = args.people;
    const int64_t everybody = people.keypoints.shape[0];
    const PersonRows rows = rows_of_image(args.offsets, everybody, blockIdx.x);
    auto* const scores = args.scratch.as<double>();
    auto* const other = reinterpret_cast<int64_t*>(scores + everybody);
    auto* const order = args.order.as<int64_t>();
    for (int64_t i = rows.begin + threadIdx.x; i < rows.end; i += kThreads) {
        scores[i] = person_value(args.scores, i);
    }
    rank_image([&](int64_t i) { return person_value(args.scores, i); }, rows, args.ties, order);
    for (int64_t turn = 0; turn < args.max_dets && rows.begin + turn + 1 < rows.end; ++turn) {
        const int64_t picked = order[rows.begin + turn];
        const int64_t first = rows.begin + turn + 1;
        for (int64_t s = first + threadIdx.x; s < rows.end; s += kThreads) {
            const double similarity = oks_unless_below<T>(people, picked, order[s], limit);
            scores[order[s]] *= decay_factor(similarity, args.decay, args.threshold);
        }
        __syncthreads();
        rank_again(scores, first, rows.end, args.ties, order, other);
    }
    for (int64_t s = rows.begin + threadIdx.x; s < rows.end; s += kThreads) {
        const int64_t row = order[s];
        args.keep.as<bool>()[row] = s - rows.begin < args.max_dets;
        if (args.rescored.dtype == DType::kFloat64) {
            args.rescored.as<double>()[row] = scores[row];
        } else {
            args.rescored.as<float>()[row] = static_cast<float>(scores[row]);
        }
    }
}

}  // namespace

void soft_oks_nms_cuda(const SoftOksNmsArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.people.keypoints.device);
    const OksLimit limit = decay_limit(args.decay, args.threshold, args.people.joints());
    visit_float_or_double(args.people.keypoints.dtype, [&](auto tag) {
        soft_oks_nms_kernel<typename decltype(tag)::type>
            <<<block_count(image_count(args.offsets), 1), kThreads, 0, as_cuda_stream(stream)>>>(args, limit);
    });
    check_launch("soft_oks_nms");
}

}  // namespace pyposeops
