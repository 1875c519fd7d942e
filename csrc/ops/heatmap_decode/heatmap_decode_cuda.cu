// The CUDA kernel of heatmap_decode: one launch, one pass over the maps; bound by the load bandwidth. For maps that are
// smoothed first see heatmap_decode_smoothed_cuda.cu.
#include "core/cuda/launch.cuh"
#include "core/cuda/newton_refine.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/heatmap_decode/heatmap_decode.h"
#include "ops/heatmap_decode/heatmap_decode_keypoint.h"
#include "ops/heatmap_decode/heatmap_decode_peak.cuh"

namespace pyposeops {
namespace {

// A block decodes kChannels maps of one image: 1 where the pixels of a map are neighbours (NCHW), one memory
// sector of channels where those are (channels_last).
constexpr int kSectorBytes = 32;
template <class T>
constexpr int kChannelsPerSector = kSectorBytes / static_cast<int>(sizeof(T));
// A 64 x 48 map of float32 is six 16-byte loads for each of 128 threads.
template <int kChannels>
constexpr int kThreads = kChannels == 1 ? 128 : 512;
// Residence on the smallest architecture; leaves 64 registers a thread, with which nothing is
// spilled but a few words by the flip test in float64.
constexpr int kThreadsPerMultiprocessor = 1024;

// ---- argmax -----------------------------------------------------------------------------------------------

// Every `threads`-th of `count` items, from `thread` on, with kBatch loads in flight. What would lie past the
// end is the last item, seen once more.
template <int kBatch, class Load, class See>
__device__ __forceinline__ void scan_items(uint32_t count, uint32_t thread, uint32_t threads,
                                           const Load& load, const See& see) {
    for (uint32_t first = thread; first < count; first += kBatch * threads) {
        decltype(load(0u)) items[kBatch];
#pragma unroll
        for (uint32_t j = 0; j < kBatch; ++j) items[j] = load(min(first + j * threads, count - 1));
#pragma unroll
        for (uint32_t j = 0; j < kBatch; ++j) see(items[j], min(first + j * threads, count - 1));
    }
}

// Pixels in memory order, 16 bytes a load; single elements before the first and after the last aligned address.
template <class T>
__device__ Peak<T> scan_contiguous(const T* map, uint32_t count, uint32_t thread, uint32_t threads) {
    constexpr uint32_t kVector = 16 / sizeof(T);
    const uint32_t misaligned = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(map) % 16 / sizeof(T));
    const uint32_t head = min((kVector - misaligned) % kVector, count);
    const uint32_t vectors = (count - head) / kVector;
    const uint4* body = reinterpret_cast<const uint4*>(map + head);
    Peak<T> peak = Peak<T>::none();
    if (thread < head) peak.see(map[thread], thread);
    scan_items<4>(
        vectors, thread, threads, [&](uint32_t v) { return body[v]; },
        [&](const uint4& packed, uint32_t v) {
            T values[kVector];
            std::memcpy(values, &packed, sizeof(packed));
#pragma unroll
            for (uint32_t i = 0; i < kVector; ++i) peak.see(values[i], head + v * kVector + i);
        });
    const uint32_t last = head + vectors * kVector + thread;
    if (last < count) peak.see(map[last], last);
    return peak;
}

// kOneStride: the step from pixel to pixel is the same at the end of a row.
template <bool kOneStride, class T>
__device__ Peak<T> scan_strided(const HeatmapPixels<T>& map, uint32_t thread, uint32_t threads) {
    const uint32_t width = static_cast<uint32_t>(map.width);
    Peak<T> peak = Peak<T>::none();
    scan_items<8>(
        static_cast<uint32_t>(map.height) * width, thread, threads,
        [&](uint32_t i) {
            return kOneStride ? map.data[i * map.column_stride]
                              : map.data[i / width * map.row_stride + i % width * map.column_stride];
        },
        [&](T value, uint32_t i) { peak.see(value, i); });
    return peak;
}

template <class T>
__device__ Peak<T> scan(const HeatmapPixels<T>& map, uint32_t thread, uint32_t threads) {
    const bool one_stride = map.height == 1 || map.row_stride == map.width * map.column_stride;
    if (one_stride && map.column_stride == 1) {
        return scan_contiguous(map.data, static_cast<uint32_t>(map.height * map.width), thread, threads);
    }
    return one_stride ? scan_strided<true>(map, thread, threads) : scan_strided<false>(map, thread, threads);
}

// Merged with the map of the mirrored image: two elements a pixel, each loaded once.
template <class T>
__device__ Peak<compute_t<T>> scan(const MergedPixels<T>& map, uint32_t thread, uint32_t threads) {
    using Real = compute_t<T>;
    const uint32_t width = static_cast<uint32_t>(map.width);
    Peak<Real> peak = Peak<Real>::none();
    scan_items<sizeof(Real) == 8 ? 4 : 8>(
        static_cast<uint32_t>(map.height) * width, thread, threads,
        [&](uint32_t i) { return map.at(static_cast<int32_t>(i % width), static_cast<int32_t>(i / width)); },
        [&](Real value, uint32_t i) { peak.see(value, i); });
    return peak;
}

// ---- refinement: one warp per map -------------------------------------------------------------------------

// One warp stores the keypoint of map (b, k), whose maximum is at row-major `index`.
template <class Map, class Real>
__device__ void store_peak(const HeatmapDecodeArgs& args, const Map& map, uint32_t index,
                           const BlurTaps<Real>& taps, Real* scratch, int64_t b, int64_t k) {
    const int32_t x = static_cast<int32_t>(index % map.width);
    const int32_t y = static_cast<int32_t>(index / map.width);
    const Real score = map.at(x, y);
    const bool found = score > Real(0);
    HeatmapOffset<Real> step = {Real(0), Real(0)};
    Real blurred_peak = kNotSought<Real>;
    if (found) step = peak_offset_by_warp(map, x, y, args.refinement, score, taps, blurred_peak, scratch);
    if (threadIdx.x % kWarpSize == 0) store_keypoint(args, b, k, found, x, y, step, score);
}

template <bool kMerged, class T>
__device__ __forceinline__ auto pixels_of(const HeatmapDecodeArgs& args, int64_t b, int64_t k) {
    if constexpr (kMerged) {
        return merged_pixels<T>(args, b, k);
    } else {
        return heatmap_pixels<T>(args.heatmaps, b, k);
    }
}

// Block = kChannels channels of one image. Thread = one channel (thread % kChannels) and every so-many-th
// pixel; the peaks of a channel meet by shuffles, then in shared memory. Then warp w refines and stores
// channel w, reading its few pixels from the caches.
template <int kChannels, bool kMerged, class T>
__global__ void __launch_bounds__(kThreads<kChannels>, kThreadsPerMultiprocessor / kThreads<kChannels>)
    heatmap_decode_kernel(const __grid_constant__ HeatmapDecodeArgs args,
                          const __grid_constant__ BlurTaps<compute_t<T>> taps) {
    using Seen = Peak<std::conditional_t<kMerged, compute_t<T>, T>>;
    constexpr int kWarps = kThreads<kChannels> / kWarpSize;
    static_assert(kChannels <= kWarps, "a warp per channel");
    __shared__ Seen peaks[kWarps][kChannels];
    __shared__ compute_t<T> scratch[kChannels][kNewtonScratch];
    const int64_t joints = args.heatmaps.shape[1];
    const int64_t groups = (joints + kChannels - 1) / kChannels;
    const int64_t b = blockIdx.x / groups;
    const int64_t first = blockIdx.x % groups * kChannels;
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % kWarpSize;
    const int warp = thread / kWarpSize;

    Seen peak = Seen::none();
    const int64_t scanned = first + thread % kChannels;
    if (scanned < joints) {
        peak = scan(pixels_of<kMerged, T>(args, b, scanned), thread / kChannels,
                    kThreads<kChannels> / kChannels);
    }
#pragma unroll
    for (int offset = kWarpSize / 2; offset >= kChannels; offset /= 2) merge_from_lane(peak, offset);
    if (lane < kChannels) peaks[warp][lane] = peak;
    __syncthreads();

    const int64_t k = first + warp;
    if (warp >= kChannels || k >= joints) return;
    peak = lane < kWarps ? peaks[lane][warp] : Seen::none();
#pragma unroll
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) merge_from_lane(peak, offset);
    const uint32_t index = __shfl_sync(kFullWarp, peak.index, 0);
    store_peak(args, pixels_of<kMerged, T>(args, b, k), index, taps, scratch[warp], b, k);
}

template <int kChannels, bool kMerged, class T>
void launch(const HeatmapDecodeArgs& args, cudaStream_t stream) {
    const int64_t groups = (args.heatmaps.shape[1] + kChannels - 1) / kChannels;
    const unsigned int blocks = block_count(args.heatmaps.shape[0] * groups, 1);
    heatmap_decode_kernel<kChannels, kMerged, T>
        <<<blocks, kThreads<kChannels>, 0, stream>>>(args, blur_taps_of<compute_t<T>>(args.refinement));
    check_launch("heatmap_decode");
}

template <bool kMerged, class T>
void launch(const HeatmapDecodeArgs& args, cudaStream_t stream) {
    if (args.heatmaps.has_unit_stride(1) && !args.heatmaps.has_unit_stride(3)) {  // channels adjoin
        launch<kChannelsPerSector<T>, kMerged, T>(args, stream);
    } else {
        launch<1, kMerged, T>(args, stream);
    }
}

}  // namespace

void heatmap_decode_cuda(const HeatmapDecodeArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    if (args.smoothing != HeatmapSmoothing::kNone) {
        heatmap_decode_smoothed_cuda(args, stream);
        return;
    }
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (args.flipped.rank != 0) {
            launch<true, T>(args, as_cuda_stream(stream));
        } else {
            launch<false, T>(args, as_cuda_stream(stream));
        }
    });
}

}  // namespace pyposeops
