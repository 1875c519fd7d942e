// tag_people on CUDA: a block for each joint of each person; those that are searched for go over the map, pixels in
// turn, and look at the tags where the heatmap alone beats the thread's best. Maps stay in the L2 cache meanwhile.
#include <limits>

#include "core/cuda/divider.cuh"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/tag_grouping/tag_grouping.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / kWarpSize;

template <class Real>
struct BestPixel {
    Real value;
    int32_t index;
};

// Of equal values the first pixel.
template <class Real>
__device__ BestPixel<Real> better(BestPixel<Real> a, BestPixel<Real> b) {
    return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
}

template <class Real>
__device__ BestPixel<Real> best_of_warp(BestPixel<Real> best) {
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
        const BestPixel<Real> other = {__shfl_down_sync(kFullWarp, best.value, offset),
                                       __shfl_down_sync(kFullWarp, best.index, offset)};
        best = better(best, other);
    }
    return best;
}

// The best pixel of all threads, for thread 0.
template <class Real>
__device__ BestPixel<Real> best_of_block(BestPixel<Real> best, BestPixel<Real>* shared) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
    best = best_of_warp(best);
    if (lane == 0) shared[warp] = best;
    __syncthreads();
    if (warp == 0) best = best_of_warp(shared[lane < kWarps ? lane : 0]);
    return best;
}

// What the pixel is worth as this thread's share of the search.
template <class T, class Real>
__device__ void look_at(const TagPeopleArgs& args, const HeatmapPixels<T>& map, const T* tags,
                        const Real* mean, int32_t x, int32_t y, BestPixel<Real>& best) {
    const Real score = map.at(x, y);
    if (!(score > best.value)) return;
    const T* const own = tags + y * args.tags.strides[2] + x * args.tags.strides[3];
    Real squared = Real(0);
    for (int32_t t = 0; t < args.tag_count(); ++t) {
        const Real apart = load_as_compute(own[t * args.tags.strides[4]]) - mean[t];
        squared += rounded_product(apart, apart);
    }
    const Real value = fill_value(score, squared, static_cast<Real>(args.fill_weight));
    if (value > best.value) best = {value, y * map.width + x};
}

template <class T>
__global__ void __launch_bounds__(kThreads) tag_people_kernel(TagPeopleArgs args, Divider by_width) {
    using Real = compute_t<T>;
    __shared__ BestPixel<Real> of_warps[kWarps];
    __shared__ bool searched;
    const int64_t joint = blockIdx.x;
    const int64_t k = joint % args.joints();
    const int64_t m = joint / args.joints() % args.most_people();
    const int64_t b = joint / args.joints() / args.most_people();
    const HeatmapPixels<T> map = heatmap_pixels<T>(args.heatmaps, b, k);
    if (threadIdx.x == 0) searched = store_peak_or_none(args, map, b, m, k);
    __syncthreads();
    if (!searched) return;
    const T* const tags = args.tags.as<T>() + b * args.tags.strides[0] + k * args.tags.strides[1];
    const Real* const mean = args.means.as<Real>() + (b * args.most_people() + m) * args.tag_count();
    BestPixel<Real> best = {-std::numeric_limits<Real>::infinity(), 0};
    const int64_t pixels = static_cast<int64_t>(map.height) * map.width;
    for (int64_t i = threadIdx.x; i < pixels; i += kThreads) {
        const int32_t y = by_width.quotient(static_cast<int>(i));
        look_at(args, map, tags, mean, by_width.remainder(static_cast<int>(i), y), y, best);
    }
    best = best_of_block(best, of_warps);
    if (threadIdx.x != 0 || !(best.value > -std::numeric_limits<Real>::infinity())) return;
    const int32_t y = by_width.quotient(best.index);
    const int32_t x = by_width.remainder(best.index, y);
    if (map.at(x, y) > Real(0)) store_joint(args, map, joint, x, y);
}

}  // namespace

void tag_people_cuda(const TagPeopleArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    const unsigned int blocks = block_count(args.heatmaps.shape[0] * args.most_people() * args.joints(), 1);
    const Divider by_width(args.heatmaps.shape[3]);
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        tag_people_kernel<T><<<blocks, kThreads, 0, as_cuda_stream(stream)>>>(args, by_width);
    });
    check_launch("tag_people");
}

}  // namespace pyposeops
