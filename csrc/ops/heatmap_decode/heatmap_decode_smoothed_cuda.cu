// The CUDA kernel of heatmap_decode for maps that are smoothed before their maximum is sought: one launch; a map is
// smoothed tile by tile in shared memory and never stored.
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/heatmap_decode/heatmap_decode.h"
#include "ops/heatmap_decode/heatmap_decode_keypoint.h"
#include "ops/heatmap_decode/heatmap_decode_peak.cuh"

namespace pyposeops {
namespace {

constexpr int kTile = 32;  // pixels of a tile on each side; a lane per column
constexpr int kWarps = 8;
constexpr int kBlocksPerMultiprocessor = 4;  // at least; leaves 64 registers a thread
constexpr int kRows = kTile + kMaxBlurKernel - 1;

// The map's value at (x, y); beyond the border 0 or, `reflect`, that of the pixel mirrored at it.
template <class T>
__device__ compute_t<T> padded_at(const MergedPixels<T>& map, int32_t x, int32_t y, bool reflect) {
    const bool inside = x >= 0 && x < map.width && y >= 0 && y < map.height;
    if (inside) return map.at(x, y);
    if (!reflect) return compute_t<T>(0);
    return map.at(reflected_position(x, map.width), reflected_position(y, map.height));
}

// The sum of taps times value(-radius), ..., value(radius), from the middle outwards, two of equal distance together:
// what is symmetric stays so to the last bit.
template <class Real, class Value>
__device__ Real symmetric_sum(const BlurTaps<Real>& taps, const Value& value) {
    const int32_t radius = taps.size / 2;
    Real sum = taps.tap[radius] * value(0);
    for (int32_t d = 1; d <= radius; ++d) sum += taps.tap[radius - d] * (value(-d) + value(d));
    return sum;
}

template <class T, class Real>
__device__ Real smoothed_across(const MergedPixels<T>& map, int32_t x, int32_t y, bool reflect,
                                const BlurTaps<Real>& taps) {
    return symmetric_sum(taps, [&](int32_t d) { return padded_at(map, x + d, y, reflect); });
}

template <class T, class Real>
__device__ Real smoothed_at(const MergedPixels<T>& map, int32_t x, int32_t y, bool reflect,
                            const BlurTaps<Real>& taps) {
    return symmetric_sum(taps, [&](int32_t d) { return smoothed_across(map, x, y + d, reflect, taps); });
}

// The maxima of the map itself and of the smoothed map.
template <class Real>
struct TwoPeaks {
    Peak<Real> own;
    Peak<Real> smoothed;
};

// What this thread sees of the tile at (left, top); `across` is smoothed along x.
template <class T, class Real>
__device__ void scan_tile(const MergedPixels<T>& map, int32_t left, int32_t top, bool reflect,
                          const BlurTaps<Real>& taps, Real (&across)[kRows][kTile], TwoPeaks<Real>& peaks) {
    const int32_t lane = static_cast<int32_t>(threadIdx.x) % kWarpSize;
    const int32_t warp = static_cast<int32_t>(threadIdx.x) / kWarpSize;
    const int32_t radius = taps.size / 2;
    const int32_t x = left + lane;
    const bool in_row = x < map.width;
    for (int32_t row = warp; row < kTile + 2 * radius; row += kWarps) {
        if (in_row) across[row][lane] = smoothed_across(map, x, top - radius + row, reflect, taps);
    }
    __syncthreads();
    for (int32_t row = warp; row < kTile && top + row < map.height; row += kWarps) {
        if (!in_row) continue;
        const uint32_t index = static_cast<uint32_t>(top + row) * map.width + x;
        peaks.own.see_unordered(map.at(x, top + row), index);
        peaks.smoothed.see_unordered(
            symmetric_sum(taps, [&](int32_t d) { return across[row + radius + d][lane]; }), index);
    }
    __syncthreads();
}

// The peaks of all threads, to every lane of warp 0.
template <class Real>
__device__ void merge_peaks(TwoPeaks<Real>& peaks, TwoPeaks<Real> (&shared)[kWarps]) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    const auto merge = [&] {
        for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
            merge_from_lane(peaks.own, offset);
            merge_from_lane(peaks.smoothed, offset);
        }
    };
    merge();
    if (lane == 0) shared[threadIdx.x / kWarpSize] = peaks;
    __syncthreads();
    peaks = lane < kWarps ? shared[lane] : TwoPeaks<Real>{Peak<Real>::none(), Peak<Real>::none()};
    merge();
    peaks.own.index = __shfl_sync(kFullWarp, peaks.own.index, 0);
    peaks.smoothed.index = __shfl_sync(kFullWarp, peaks.smoothed.index, 0);
}

// megvii, by one warp: lanes 0 to 3 smooth the neighbours of the peak, all of them the peak.
template <class T, class Real>
__device__ void store_megvii(const HeatmapDecodeArgs& args, const MergedPixels<T>& map,
                             const TwoPeaks<Real>& peaks, const BlurTaps<Real>& taps, int64_t b, int64_t k) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    int32_t x = static_cast<int32_t>(peaks.own.index % map.width);
    int32_t y = static_cast<int32_t>(peaks.own.index / map.width);
    const Real maximum = map.at(x, y);
    const int32_t smoothed_x = static_cast<int32_t>(peaks.smoothed.index % map.width);
    const int32_t smoothed_y = static_cast<int32_t>(peaks.smoothed.index / map.width);
    const bool positive = smoothed_at(map, smoothed_x, smoothed_y, false, taps) > Real(0);
    const bool moves = maximum - maximum == Real(0) && positive;
    if (moves) {
        x = smoothed_x;
        y = smoothed_y;
    }
    HeatmapOffset<Real> step = {Real(0), Real(0)};
    if (moves && is_off_border(x, y, map.width, map.height)) {
        const int32_t dx = lane == 0 ? -1 : lane == 1 ? 1 : 0;
        const int32_t dy = lane == 2 ? -1 : lane == 3 ? 1 : 0;
        const Real value = lane < 4 ? smoothed_at(map, x + dx, y + dy, false, taps) : Real(0);
        step = megvii_step(__shfl_sync(kFullWarp, value, 0), __shfl_sync(kFullWarp, value, 1),
                           __shfl_sync(kFullWarp, value, 2), __shfl_sync(kFullWarp, value, 3));
    }
    if (lane == 0) store_keypoint(args, b, k, maximum > Real(0), x, y, step, megvii_score(maximum));
}

// Block = one map, 8 warps on tiles of 32 x 32 pixels one after the other. A tile and the rows around it are smoothed
// along x into shared memory (at most 94 rows, 12 KB in float), then along y; pixels come from the caches.
template <class T>
__global__ void __launch_bounds__(kWarps* kWarpSize, kBlocksPerMultiprocessor)
    heatmap_decode_smoothed_kernel(const __grid_constant__ HeatmapDecodeArgs args,
                                   const __grid_constant__ BlurTaps<compute_t<T>> taps) {
    using Real = compute_t<T>;
    __shared__ Real across[kRows][kTile];
    __shared__ TwoPeaks<Real> shared[kWarps];
    const int64_t b = blockIdx.x / args.heatmaps.shape[1];
    const int64_t k = blockIdx.x % args.heatmaps.shape[1];
    const MergedPixels<T> map = merged_pixels<T>(args, b, k);
    const bool reflect = args.smoothing == HeatmapSmoothing::kReflected;
    TwoPeaks<Real> peaks = {Peak<Real>::none(), Peak<Real>::none()};
    for (int32_t top = 0; top < map.height; top += kTile) {
        for (int32_t left = 0; left < map.width; left += kTile) {
            scan_tile(map, left, top, reflect, taps, across, peaks);
        }
    }
    merge_peaks(peaks, shared);
    if (threadIdx.x >= kWarpSize) return;
    if (!reflect) {
        store_megvii(args, map, peaks, taps, b, k);
        return;
    }
    const int32_t x = static_cast<int32_t>(peaks.smoothed.index % map.width);
    const int32_t y = static_cast<int32_t>(peaks.smoothed.index / map.width);
    const Real score = smoothed_at(map, x, y, true, taps);
    if (threadIdx.x == 0) store_keypoint(args, b, k, score > Real(0), x, y, {Real(0), Real(0)}, score);
}

}  // namespace

void heatmap_decode_smoothed_cuda(const HeatmapDecodeArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    const unsigned int blocks = block_count(args.scores.numel(), 1);
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        heatmap_decode_smoothed_kernel<T><<<blocks, kWarps * kWarpSize, 0, as_cuda_stream(stream)>>>(
            args, blur_taps<compute_t<T>>(args.refinement.blur_kernel));
    });
    check_launch("heatmap_decode_smoothed");
}

}  // namespace pyposeops
