// oks_nms on CUDA: a block per image ranks its people, then walks through the ranks: whoever is kept is compared with
// all later people at once, a thread for each. Images have tens of people, so that many blocks share a multiprocessor
// and hide each other's barriers.
#include "core/cuda/launch.cuh"
#include "core/cuda/ranked_people.cuh"
#include "ops/oks_nms/oks_nms.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;

// Room for the rounding of float32, in which joints are told apart: a tenth of a thousandth of a joint.
constexpr double kFloatRoom = 1e-4;
// Larger weights lose nothing but speed: parts then are smaller than they could be.
constexpr float kLargestWeight = 1e18f;

// Whether a few joints tell people i and j apart, in float32: float64 is slow on most devices.
template <class T>
__device__ bool far_apart(const OksPeople& people, int64_t i, int64_t j, const OksLimit& limit, int64_t few) {
    const auto joints = static_cast<double>(people.joints());
    const auto deficit = static_cast<float>(limit.deficit + kFloatRoom * joints);
    const auto area = static_cast<float>(people.mean_area(i, j) + kOksEps);
    float parts = 0.0f;
    for (int64_t k = 0; k < few; ++k) {
        double dx;
        double dy;
        people.difference<T>(i, j, k, dx, dy);
        const auto x = static_cast<float>(dx);
        const auto y = static_cast<float>(dy);
        const float sigma = static_cast<float>(person_value(people.sigmas, k));
        const float weight = fminf(0.125f / (sigma * sigma), kLargestWeight);
        parts += part_of_joint((x * x + y * y) * weight, area);
    }
    return tells_apart(parts, area, deficit);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    oks_nms_kernel(const __grid_constant__ OksNmsArgs args, const OksLimit limit, int64_t few) {
    const OksPeople& people = args.people;
    const PersonRows rows = rows_of_image(args.offsets, people.keypoints.shape[0], blockIdx.x);
    int64_t* const order = args.order.as<int64_t>();
    bool* const keep = args.keep.as<bool>();
    for (int64_t i = rows.begin + threadIdx.x; i < rows.end; i += kThreads) keep[i] = true;
    rank_image([&](int64_t i) { return person_value(args.scores, i); }, rows, args.ties, order);
    for (int64_t r = rows.begin; r < rows.end; ++r) {
        const int64_t i = order[r];
        if (!keep[i]) continue;  // the same for all threads: nobody writes it any more
        for (int64_t s = r + 1 + threadIdx.x; s < rows.end; s += kThreads) {
            const int64_t j = order[s];
            if (!keep[j] || (few > 0 && far_apart<T>(people, i, j, limit, few))) continue;
            if (oks_unless_below<T>(people, i, j, limit) > limit.threshold) keep[j] = false;
        }
        __syncthreads();
    }
}

}  // namespace

void oks_nms_cuda(const OksNmsArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.people.keypoints.device);
    const int64_t joints = args.people.joints();
    const OksLimit limit = oks_limit(args.threshold, joints);
    const int64_t few = args.people.confidences.data == nullptr ? joints_that_tell(limit, joints) : 0;
    visit_float_or_double(args.people.keypoints.dtype, [&](auto tag) {
        oks_nms_kernel<typename decltype(tag)::type>
            <<<block_count(image_count(args.offsets), 1), kThreads, 0, as_cuda_stream(stream)>>>(args, limit,
                                                                                                 few);
    });
    check_launch("oks_nms");
}

}  // namespace pyposeops
