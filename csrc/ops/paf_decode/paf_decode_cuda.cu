// CUDA: a block finds the peaks of a map, a block scores all pairs of a limb; people are put together on the CPU.
#include <limits>

#include "core/cuda/launch.cuh"
#include "core/cuda/newton_refine.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/paf_decode/paf_decode.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int32_t kCellsPerRound = 2048;
constexpr int32_t kPixelsPerCell = kMaxUpsampling * kMaxUpsampling;
// Of eight by eight pixels no more than every second one in a row and in a column is larger than its neighbours.
constexpr int32_t kPeaksPerCell = kPixelsPerCell / 4;
// A power of two; a list is cut to the wanted peaks, at most 255, while a round of all warps still finds room.
constexpr int32_t kListCapacity = 512;
static_assert(kListCapacity - kMaxPafPeaks >= kWarps * kPeaksPerCell, "a round's peaks must find room");

template <class Real>
struct SharedPeaks {
    FinePeak<Real> list[kListCapacity];
    Real values[kWarps][kPixelsPerCell];
    int32_t cells[kCellsPerRound];
    int32_t count;
    int32_t cell_count;
};

__device__ __forceinline__ int32_t lane_of_warp() { return static_cast<int32_t>(threadIdx.x) % kWarpSize; }

// Bitonic sort of the list by the whole block.
template <class Real>
__device__ void sort_list(SharedPeaks<Real>& shared) {
    __syncthreads();
    const int32_t count = shared.count;
    int32_t size = 1;
    while (size < count) size *= 2;
    const FinePeak<Real> last = {-std::numeric_limits<Real>::infinity(), std::numeric_limits<int32_t>::max(),
                                 std::numeric_limits<int32_t>::max()};
    for (int32_t i = count + static_cast<int32_t>(threadIdx.x); i < size; i += kThreads)
        shared.list[i] = last;
    __syncthreads();
    for (int32_t run = 2; run <= size; run *= 2) {
        for (int32_t step = run / 2; step > 0; step /= 2) {
            for (int32_t i = static_cast<int32_t>(threadIdx.x); i < size / 2; i += kThreads) {
                const int32_t low = 2 * i - i % step;
                const bool falling = (low & run) == 0;
                const FinePeak<Real> first = shared.list[low];
                const FinePeak<Real> second = shared.list[low + step];
                if (falling ? comes_before(second, first) : comes_before(first, second)) {
                    shared.list[low] = second;
                    shared.list[low + step] = first;
                }
            }
            __syncthreads();
        }
    }
}

// Whether the cell can hold a value above the threshold: as mark_cells of the CPU.
template <class T, class Real>
__device__ bool can_be_high(const HeatmapPixels<T>& map, const CubicTable<Real>& table, int32_t column,
                            int32_t row, Real threshold) {
    Real high = map.at(clamped(column, map.width), clamped(row, map.height));
    Real low = high;
    for (int32_t y = row - 1; y <= row + 2; ++y) {
        for (int32_t x = column - 1; x <= column + 2; ++x) {
            const Real value = map.at(clamped(x, map.width), clamped(y, map.height));
            high = value > high || high != high ? value : high;
            low = value < low || low != low ? value : low;
        }
    }
    return can_be_above(table, low, high, threshold);
}

// A warp looks at one cell: its pixels by their place, and what they are compared with beyond it one by one.
template <class T, class Real>
__device__ void find_in_cell(const HeatmapPixels<T>& map, const CubicTable<Real>& table, int32_t cell,
                             Real threshold, Real* values, SharedPeaks<Real>& shared) {
    const int32_t scale = table.scale;
    const int32_t left = first_fine(cell % (map.width + 1) - 1, scale);
    const int32_t top = first_fine(cell / (map.width + 1) - 1, scale);
    const int32_t wide = map.width * scale;
    const int32_t high = map.height * scale;
    const Real nothing = -std::numeric_limits<Real>::infinity();
    for (int32_t i = lane_of_warp(); i < scale * scale; i += kWarpSize) {
        const int32_t x = left + i % scale;
        const int32_t y = top + i / scale;
        const bool inside = x >= 0 && y >= 0 && x < wide && y < high;
        values[i] = inside ? fine_value(map, table, x, y) : nothing;
    }
    __syncwarp();
    for (int32_t i = lane_of_warp(); i < scale * scale; i += kWarpSize) {
        const Real value = values[i];
        bool is_peak = value > threshold;
        for (int32_t n = 0; n < 9 && is_peak; ++n) {
            if (n == 4) continue;
            const int32_t column = i % scale + n % 3 - 1;
            const int32_t row = i / scale + n / 3 - 1;
            const int32_t x = left + column;
            const int32_t y = top + row;
            if (x < 0 || y < 0 || x >= wide || y >= high) continue;
            const bool own = column >= 0 && row >= 0 && column < scale && row < scale;
            const Real other = own ? values[row * scale + column] : fine_value(map, table, x, y);
            // Of equal neighbours the first in row-major order is the peak.
            is_peak = n < 4 ? !(other >= value) : !(other > value);
        }
        if (is_peak) shared.list[atomicAdd(&shared.count, 1)] = {value, left + i % scale, top + i / scale};
    }
    __syncwarp();
}

// The mean position of the positive values around a peak, by one warp.
template <class T, class Real>
__device__ FinePoint<Real> centroid(const HeatmapPixels<T>& map, const CubicTable<Real>& table,
                                    const FinePeak<Real>& peak) {
    constexpr int32_t kSide = 2 * kCentroidRadius + 1;
    double sum = 0.0, sum_x = 0.0, sum_y = 0.0;
    for (int32_t i = lane_of_warp(); i < kSide * kSide; i += kWarpSize) {
        const int32_t x = peak.x - kCentroidRadius + i % kSide;
        const int32_t y = peak.y - kCentroidRadius + i / kSide;
        if (x < 0 || y < 0 || x >= map.width * table.scale || y >= map.height * table.scale) continue;
        const double value = static_cast<double>(fine_value(map, table, x, y));
        if (!(value > 0)) continue;
        sum += value;
        sum_x += value * x;
        sum_y += value * y;
    }
    const auto add = [](double a, double b) { return a + b; };
    sum = warp_total(sum, add);
    sum_x = warp_total(sum_x, add);
    sum_y = warp_total(sum_y, add);
    if (!(sum > 0) || !(sum < std::numeric_limits<double>::infinity()))
        return {static_cast<Real>(peak.x), static_cast<Real>(peak.y)};
    return {static_cast<Real>(sum_x / sum), static_cast<Real>(sum_y / sum)};
}

// Block = the map of one joint.
template <class T>
__global__ void __launch_bounds__(kThreads)
    peaks_kernel(const __grid_constant__ PafCandidatesArgs args,
                 const __grid_constant__ CubicTable<compute_t<T>> table) {
    using Real = compute_t<T>;
    __shared__ SharedPeaks<Real> shared;
    const int32_t joint = static_cast<int32_t>(blockIdx.x) % args.joints();
    const int64_t image = static_cast<int32_t>(blockIdx.x) / args.joints();
    const int32_t warp = static_cast<int32_t>(threadIdx.x) / kWarpSize;
    const HeatmapPixels<T> map = heatmap_pixels<T>(args.heatmaps, image, joint);
    const Real threshold = static_cast<Real>(args.rule.heatmap_threshold);
    const int32_t cells = (map.width + 1) * (map.height + 1);
    if (threadIdx.x == 0) {
        shared.count = 0;
        if (joint == 0) args.edge_counts.as<int32_t>()[image] = 0;
    }
    for (int32_t base = 0; base < cells; base += kCellsPerRound) {
        if (threadIdx.x == 0) shared.cell_count = 0;
        __syncthreads();
        const int32_t end = min(base + kCellsPerRound, cells);
        for (int32_t cell = base + static_cast<int32_t>(threadIdx.x); cell < end; cell += kThreads) {
            if (can_be_high(map, table, cell % (map.width + 1) - 1, cell / (map.width + 1) - 1, threshold))
                shared.cells[atomicAdd(&shared.cell_count, 1)] = cell;
        }
        __syncthreads();
        const int32_t marked = shared.cell_count;
        for (int32_t i = 0; i < marked; i += kWarps) {
            if (i + warp < marked)
                find_in_cell(map, table, shared.cells[i + warp], threshold, shared.values[warp], shared);
            __syncthreads();
            const bool is_full = shared.count > kListCapacity - kWarps * kPeaksPerCell;
            __syncthreads();
            if (!is_full) continue;
            sort_list(shared);
            if (threadIdx.x == 0) shared.count = min(shared.count, args.max_peaks());
            __syncthreads();
        }
    }
    sort_list(shared);
    const int32_t count = min(shared.count, args.max_peaks());
    Real* const peaks = args.peaks_of<Real>(image, joint);
    for (int32_t p = warp; p < count; p += kWarps) {
        const FinePeak<Real> peak = shared.list[p];
        FinePoint<Real> point = {static_cast<Real>(peak.x), static_cast<Real>(peak.y)};
        if (args.rule.refine == PafRefine::kCentroid) point = centroid(map, table, peak);
        if (lane_of_warp() != 0) continue;
        if (args.rule.refine == PafRefine::kQuarter) point = moved_by_a_quarter(map, table, peak);
        peaks[3 * p] = point.x;
        peaks[3 * p + 1] = point.y;
        peaks[3 * p + 2] = peak.score;
    }
    if (threadIdx.x == 0) args.peak_counts.as<int32_t>()[image * args.joints() + joint] = count;
}

// Block = one limb of an image, thread = a pair of peaks after the other.
template <class T>
__global__ void __launch_bounds__(kThreads)
    limbs_kernel(const __grid_constant__ PafCandidatesArgs args,
                 const __grid_constant__ CubicTable<compute_t<T>> table) {
    using Real = compute_t<T>;
    const int32_t index = static_cast<int32_t>(blockIdx.x) % args.limb_count;
    const int64_t image = static_cast<int32_t>(blockIdx.x) / args.limb_count;
    const Limb limb = args.limbs[index];
    const int32_t* const counts = args.peak_counts.as<int32_t>() + image * args.joints();
    const Real* const first = args.peaks_of<Real>(image, limb.a);
    const Real* const second = args.peaks_of<Real>(image, limb.b);
    const LimbField<T> field = {heatmap_pixels<T>(args.pafs, image, limb.x),
                                heatmap_pixels<T>(args.pafs, image, limb.y)};
    const int32_t others = counts[limb.b];
    const int32_t pairs = counts[limb.a] * others;
    const int64_t start = image * args.edges.shape[2];
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < pairs; i += kThreads) {
        const int32_t a = i / others;
        const int32_t b = i % others;
        const Real score = limb_score<T>(field, {first[3 * a], first[3 * a + 1]},
                                         {second[3 * b], second[3 * b + 1]}, args.rule, table);
        if (!(score > Real(kNearScore))) continue;
        const int64_t at = start + atomicAdd(args.edge_counts.as<int32_t>() + image, 1);
        args.edges.as<int32_t>()[at] = packed_edge(index, a, b);
        args.edge_scores.as<Real>()[at] = score;
    }
}

template <class T>
void launch(const PafCandidatesArgs& args, cudaStream_t stream) {
    const auto table = cubic_table<compute_t<T>>(args.rule.upsampling);
    const int64_t images = args.heatmaps.shape[0];
    peaks_kernel<T><<<block_count(images * args.joints(), 1), kThreads, 0, stream>>>(args, table);
    check_launch("paf_decode");
    limbs_kernel<T><<<block_count(images * args.limb_count, 1), kThreads, 0, stream>>>(args, table);
    check_launch("paf_decode");
}

}  // namespace

void paf_candidates_cuda(const PafCandidatesArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    visit_floating(args.heatmaps.dtype,
                   [&](auto tag) { launch<typename decltype(tag)::type>(args, as_cuda_stream(stream)); });
}

}  // namespace pyposeops
