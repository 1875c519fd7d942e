// CUDA: a block marks the peaks of its maps in shared memory, then writes their pixels; heatmaps are read once.
#include "core/cuda/launch.cuh"
#include "core/cuda/local_maxima.cuh"
#include "ops/heatmap_nms/heatmap_nms.h"

namespace pyposeops {
namespace {

constexpr int kMostThreads = 1024;

// Block = maps that adjoin in memory, `warps_per_map` warps each. All warps of a map mark peaks; one of them
// thins plateaus; then all threads write, neighbouring threads neighbouring elements.
template <int32_t kReach, class T>
__global__ void __launch_bounds__(kMostThreads)
    heatmap_nms_kernel(const __grid_constant__ HeatmapNmsArgs args,
                       const __grid_constant__ PeakBlocks blocks) {
    const WarpOfMap<kReach, T> own =
        warp_of_map<kReach, T>(args.heatmaps, blocks, args.scratch.as<uint32_t>(), 0);
    const bool exists = own.exists(args.heatmaps);
    if (exists) mark_peaks(own.map, args.rule, own.marks, own.warp, blocks.warps_per_map);
    __syncthreads();
    if (exists && own.warp == 0 && args.rule.plateau == Plateau::kFirst) {
        keep_first_of_plateaus(own.marks, own.columns, args.rule.radius);
    }
    __syncthreads();

    const int64_t first_map = own.k - own.slot;
    const int64_t maps_left = args.heatmaps.shape[1] - first_map;
    const int32_t maps = maps_left < blocks.maps ? static_cast<int32_t>(maps_left) : blocks.maps;
    const int64_t elements = int64_t{own.map.height} * own.map.width * maps;
    for (int64_t i = threadIdx.x; i < elements; i += blockDim.x) {
        const int32_t slot = static_cast<int32_t>(i % maps);
        const int32_t pixel = static_cast<int32_t>(i / maps);
        const int32_t x = pixel % own.map.width;
        const int32_t y = pixel / own.map.width;
        PeakMarks<kReach> marks = own.marks;
        marks.words += (slot - own.slot) * blocks.words_per_map;
        const HeatmapPixels<T> values = heatmap_pixels<T>(args.values, own.b, first_map + slot);
        const HeatmapPixels<T> out = heatmap_pixels<T>(args.suppressed, own.b, first_map + slot);
        const_cast<T*>(out.data)[y * out.row_stride + x * out.column_stride] =
            kept_if_peak(marks.has(x, y), values.data + y * values.row_stride + x * values.column_stride);
    }
}

template <int32_t kReach, class T>
void launch(const HeatmapNmsArgs& args, const PeakBlocks& blocks, cudaStream_t stream) {
    heatmap_nms_kernel<kReach, T>
        <<<block_count(blocks.blocks, 1), threads_of(blocks), shared_bytes_of(blocks), stream>>>(args,
                                                                                                 blocks);
    check_launch("heatmap_nms");
}

}  // namespace

void heatmap_nms_cuda(const HeatmapNmsArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    const PeakBlocks blocks = peak_blocks(args.heatmaps, args.rule, 0);
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (args.rule.radius == 1) {
            launch<1, T>(args, blocks, as_cuda_stream(stream));
        } else {
            launch<kLargestWalkRadius, T>(args, blocks, as_cuda_stream(stream));
        }
    });
}

}  // namespace pyposeops
