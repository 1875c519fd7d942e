// CUDA: all warps of a map mark its peaks in shared memory, then one of them lists, sorts, refines and stores.
#include "core/cuda/launch.cuh"
#include "core/cuda/local_maxima.cuh"
#include "core/cuda/newton_refine.cuh"
#include "ops/heatmap_peaks/heatmap_peaks.h"

namespace pyposeops {
namespace {

constexpr int kMostThreads = 1024;

// What sorts after every peak.
template <class Real>
__device__ Peak<Real> no_peak() {
    return {-std::numeric_limits<Real>::infinity(), std::numeric_limits<int32_t>::max()};
}

// Bitonic sort by one warp. The list is filled up to a power of two.
template <class Real>
__device__ void sort_peaks(Peak<Real>* list, int32_t count) {
    int32_t size = 1;
    while (size < count) size *= 2;
    for (int32_t i = count + lane_index(); i < size; i += kWarpSize) list[i] = no_peak<Real>();
    __syncwarp();
    for (int32_t run = 2; run <= size; run *= 2) {
        for (int32_t step = run / 2; step > 0; step /= 2) {
            for (int32_t i = lane_index(); i < size / 2; i += kWarpSize) {
                const int32_t low = 2 * i - i % step;
                const bool ascending = (low & run) == 0;
                const Peak<Real> first = list[low];
                const Peak<Real> second = list[low + step];
                if (ascending ? comes_before(second, first) : comes_before(first, second)) {
                    list[low] = second;
                    list[low + step] = first;
                }
            }
            __syncwarp();
        }
    }
}

// One warp brings the first `max_peaks` of the marked peaks to the front of `list`, and returns how many
// there are. Each lane offers the peaks of one word, one at a time; a full list is sorted and cut, and its
// last entry is the next bar.
template <int32_t kReach, class T, class Real>
__device__ int32_t list_peaks(const HeatmapPixels<T>& map, const PeakMarks<kReach>& marks, int32_t max_peaks,
                              Peak<Real>* list) {
    const int32_t lane = lane_index();
    const int32_t capacity = peak_list_capacity(max_peaks);
    Peak<Real> bar = no_peak<Real>();
    int32_t count = 0;
    for (int32_t base = 0; base < marks.word_count(); base += kWarpSize) {
        uint32_t word = base + lane < marks.word_count() ? marks.words[base + lane] : 0u;
        while (__any_sync(kFullWarp, word != 0)) {
            Peak<Real> peak = no_peak<Real>();
            if (word != 0) {
                peak.index = marks.index_of(base + lane, __ffs(static_cast<int>(word)) - 1);
                peak.score = map.at(peak.index % map.width, peak.index / map.width);
                word &= word - 1;
            }
            const bool enters = comes_before(peak, bar);
            const uint32_t entering = __ballot_sync(kFullWarp, enters);
            if (enters) list[count + __popc(entering & ((1u << lane) - 1u))] = peak;
            count += __popc(entering);
            if (count + kWarpSize <= capacity) continue;
            sort_peaks(list, count);
            count = count < max_peaks ? count : max_peaks;
            if (count == max_peaks) bar = list[count - 1];
        }
    }
    __syncwarp();
    sort_peaks(list, count);
    return count < max_peaks ? count : max_peaks;
}

// The largest value of the map, NaN if there is one, in all lanes.
template <class T, class Real = compute_t<T>>
__device__ Real maximum_of(const HeatmapPixels<T>& map) {
    const auto larger_or_nan = [](Real a, Real b) { return a > b || a != a ? a : b; };
    Real maximum = -std::numeric_limits<Real>::infinity();
    for (int32_t y = 0; y < map.height; ++y) {
        for (int32_t x = lane_index(); x < map.width; x += kWarpSize) {
            maximum = larger_or_nan(maximum, map.at(x, y));
        }
    }
    return warp_total(maximum, larger_or_nan);
}

// A lane per peak.
template <class T, class Real>
__device__ void store_refined_on_map(const HeatmapPeaksArgs& args, const HeatmapPixels<T>& map,
                                     const Peak<Real>* list, int32_t count, int64_t map_index) {
    for (int32_t i = lane_index(); i < count; i += kWarpSize) {
        const int32_t x = list[i].index % map.width;
        const int32_t y = list[i].index / map.width;
        HeatmapOffset<Real> offset = {Real(0), Real(0)};
        if (is_refined(args.refinement.refine, list[i].score)) {
            offset = offset_on_map(map, x, y, args.refinement);
        }
        store_peak(args, map_index, i, x, y, offset, list[i].score);
    }
}

// The warp on one peak after the other.
template <class T, class Real>
__device__ void store_refined_by_newton(const HeatmapPeaksArgs& args, const HeatmapPixels<T>& map,
                                        const BlurTaps<Real>& taps, const Peak<Real>* list, int32_t count,
                                        int64_t map_index, Real* scratch) {
    const Real maximum = count > 0 ? maximum_of(map) : Real(0);
    Real blurred_peak = kNotSought<Real>;
    for (int32_t i = 0; i < count; ++i) {
        const int32_t x = list[i].index % map.width;
        const int32_t y = list[i].index / map.width;
        const HeatmapOffset<Real> offset =
            peak_offset_by_warp(map, x, y, args.refinement, maximum, taps, blurred_peak, scratch);
        if (lane_index() == 0) store_peak(args, map_index, i, x, y, offset, list[i].score);
    }
}

// Block = maps that adjoin in memory, `warps_per_map` warps each. All warps of a map mark peaks; then the
// first of them works alone on what is left, the others are done.
template <int32_t kReach, class T>
__global__ void __launch_bounds__(kMostThreads)
    heatmap_peaks_kernel(const __grid_constant__ HeatmapPeaksArgs args,
                         const __grid_constant__ PeakBlocks blocks,
                         const __grid_constant__ BlurTaps<compute_t<T>> taps, int64_t list_bytes) {
    using Real = compute_t<T>;
    const WarpOfMap<kReach, T> own =
        warp_of_map<kReach, T>(args.heatmaps, blocks, args.scratch.as<uint32_t>(), list_bytes);
    const bool exists = own.exists(args.heatmaps);
    if (exists) mark_peaks(own.map, args.rule, own.marks, own.warp, blocks.warps_per_map);
    __syncthreads();
    if (!exists || own.warp != 0) return;

    if (args.rule.plateau == Plateau::kFirst)
        keep_first_of_plateaus(own.marks, own.columns, args.rule.radius);
    auto* const list = reinterpret_cast<Peak<Real>*>(own.list);
    const int32_t max_peaks = args.max_peaks();
    const int32_t count = list_peaks(own.map, own.marks, max_peaks, list);
    const int64_t map_index = own.b * args.heatmaps.shape[1] + own.k;
    if (smooths(args.refinement.refine)) {
        auto* const scratch = reinterpret_cast<Real*>(list + peak_list_capacity(max_peaks));
        store_refined_by_newton(args, own.map, taps, list, count, map_index, scratch);
    } else {
        store_refined_on_map(args, own.map, list, count, map_index);
    }
    for (int32_t i = count + lane_index(); i < max_peaks; i += kWarpSize)
        store_no_peak<Real>(args, map_index, i);
    if (lane_index() == 0) args.counts.as<int64_t>()[map_index] = count;
}

template <int32_t kReach, class T>
void launch(const HeatmapPeaksArgs& args, cudaStream_t stream) {
    const int64_t list_bytes = peak_list_bytes(args.heatmaps.dtype, args.max_peaks(), args.refinement.refine);
    const PeakBlocks blocks = peak_blocks(args.heatmaps, args.rule, list_bytes);
    const auto taps = blur_taps_of<compute_t<T>>(args.refinement);
    heatmap_peaks_kernel<kReach, T>
        <<<block_count(blocks.blocks, 1), threads_of(blocks), shared_bytes_of(blocks), stream>>>(
            args, blocks, taps, list_bytes);
    check_launch("heatmap_peaks");
}

}  // namespace

void heatmap_peaks_cuda(const HeatmapPeaksArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (args.rule.radius == 1) {
            launch<1, T>(args, as_cuda_stream(stream));
        } else {
            launch<kLargestWalkRadius, T>(args, as_cuda_stream(stream));
        }
    });
}

}  // namespace pyposeops
