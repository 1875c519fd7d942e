// The CUDA kernel of crop_features' gradient: one launch for all levels. Bound by the stores of the features'
// gradients.
#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/crop_features/crop_features.h"
#include "ops/crop_features/crop_features_kernels.cuh"

namespace pyposeops {
namespace {

// Channels that a thread owns: they share the search for the windows that cover the pixel.
constexpr int kChannelsPerThread = 4;
constexpr int kStagedWindows = 64;

// Collects, by the block's first warp and in the order of the joints, windows that see one of the rows [first_row,
// last_row], until the joints or the places in `staged` run out. Returns, to that warp, the joint to go on with.
template <class Real>
__device__ int64_t stage_windows(const CropFeaturesArgs& args, const CropLevel& level, int64_t b,
                                 int64_t next, int32_t first_row, int32_t last_row, int32_t window_rows,
                                 StagedWindow<Real>* staged, int* staged_count) {
    const int64_t joints = level.crops.shape[1];
    const int lane = static_cast<int>(threadIdx.x);
    int count = 0;
    for (; next < joints && count <= kStagedWindows - kWarpSize; next += kWarpSize) {
        StagedWindow<Real> window = {0, 0, Real(0), Real(0), -1};
        if (next + lane < joints) {
            window = stage<Real>(load_joint_window(args, level, b, next + lane), next + lane);
        }
        const bool sees = window.joint >= 0 && window.y <= last_row && window.y + window_rows > first_row;
        const unsigned int seeing = __ballot_sync(kFullWarp, sees);
        if (sees) staged[count + __popc(seeing & ((1u << lane) - 1u))] = window;
        count += __popc(seeing);
    }
    if (lane == 0) *staged_count = count;
    return next;
}

// What a window's gradient contributes to the map's pixel at (y, x) of the window.
template <class T, bool kBilinear>
__device__ __forceinline__ compute_t<T> contribution(const ChannelMap<T>& grad,
                                                     const StagedWindow<compute_t<T>>& window, int32_t y,
                                                     int32_t x) {
    if (!kBilinear) return grad.at(y, x);
    const compute_t<T> own = blend(grad.at(y, x), grad.at(y, x - 1), window.fraction_x);
    const compute_t<T> above = blend(grad.at(y - 1, x), grad.at(y - 1, x - 1), window.fraction_x);
    return blend(own, above, window.fraction_y);
}

// The gradient gathers: a thread owns kChannelsPerThread channels of one pixel and sums what the windows that cover it
// contribute, joint by joint. Neighbouring threads own neighbouring pixels, or with the channels innermost
// neighbouring channels. Windows that miss the rows of a block are sorted out by its first warp.
template <class T, bool kBilinear>
__global__ void __launch_bounds__(kCropThreads)
    gather_kernel(const __grid_constant__ CropFeaturesArgs args, const __grid_constant__ LevelBlocks blocks) {
    using Real = compute_t<T>;
    __shared__ StagedWindow<Real> staged[kStagedWindows];
    __shared__ int staged_count;
    __shared__ int64_t next_joint;
    const BlockPlace place = block_place(blocks, args.level_count);
    const CropLevel& level = args.levels[place.level];
    const int64_t b = place.group;
    const uint32_t channels = static_cast<uint32_t>(level.features.shape[1]);
    const uint32_t width = static_cast<uint32_t>(level.features.shape[3]);
    const uint32_t pixels = static_cast<uint32_t>(level.features.shape[2]) * width;
    const uint32_t groups = (channels + kChannelsPerThread - 1) / kChannelsPerThread;
    const bool channels_innermost = level.features.strides[1] == 1 && channels > 1;
    const int32_t window_rows = static_cast<int32_t>(level.crops.shape[3]) + (kBilinear ? 1 : 0);
    const int32_t window_columns = static_cast<int32_t>(level.crops.shape[4]) + (kBilinear ? 1 : 0);

    const uint32_t block_begin = static_cast<uint32_t>(place.part) * kCropThreads;
    const uint32_t block_last = min(block_begin + kCropThreads, groups * pixels) - 1;
    const auto pixel_of = [&](uint32_t item) { return channels_innermost ? item / groups : item % pixels; };
    const bool one_stretch = channels_innermost || block_begin / pixels == block_last / pixels;
    const int32_t first_row = one_stretch ? static_cast<int32_t>(pixel_of(block_begin) / width) : 0;
    const int32_t last_row = static_cast<int32_t>((one_stretch ? pixel_of(block_last) : pixels - 1) / width);

    const uint32_t item = block_begin + threadIdx.x;
    const uint32_t pixel = pixel_of(item);
    const uint32_t group = channels_innermost ? item - pixel * groups : item / pixels;
    const int32_t y = static_cast<int32_t>(pixel / width);
    const int32_t x = static_cast<int32_t>(pixel - static_cast<uint32_t>(y) * width);
    Real sums[kChannelsPerThread] = {};
    int64_t next = 0;
    do {
        if (threadIdx.x < kWarpSize) {
            next =
                stage_windows(args, level, b, next, first_row, last_row, window_rows, staged, &staged_count);
            if (threadIdx.x == 0) next_joint = next;
        }
        __syncthreads();
        next = next_joint;
        for (int i = 0; item <= block_last && i < staged_count; ++i) {
            const StagedWindow<Real>& window = staged[i];
            const int32_t dy = y - window.y;
            const int32_t dx = x - window.x;
            if (dy < 0 || dy >= window_rows || dx < 0 || dx >= window_columns) continue;
            const T* const joint =
                level.crops.as<T>() + b * level.crops.strides[0] + window.joint * level.crops.strides[1];
#pragma unroll
            for (int j = 0; j < kChannelsPerThread; ++j) {
                const uint32_t channel = group + j * groups;
                if (channel >= channels) break;
                sums[j] +=
                    contribution<T, kBilinear>(channel_map(level.crops, joint, channel), window, dy, dx);
            }
        }
        __syncthreads();
    } while (next < level.crops.shape[1]);
    if (item > block_last) return;
    T* const out = level.features.as<T>() + b * channels * static_cast<int64_t>(pixels);
#pragma unroll
    for (int j = 0; j < kChannelsPerThread; ++j) {
        const uint32_t channel = group + j * groups;
        if (channel >= channels) break;
        const uint32_t at = channels_innermost ? pixel * channels + channel : channel * pixels + pixel;
        store_from_compute(out + at, sums[j]);
    }
}

LevelBlocks backward_blocks(const CropFeaturesArgs& args) {
    LevelBlocks blocks = {};
    for (int32_t i = 0; i < args.level_count; ++i) {
        const TensorView& features = args.levels[i].features;
        elements_of(features, 1);
        const int64_t groups = (features.shape[1] + kChannelsPerThread - 1) / kChannelsPerThread;
        add_level(blocks, i, features.shape[0],
                  block_count(groups * features.shape[2] * features.shape[3], kCropThreads));
    }
    return blocks;
}

}  // namespace

void crop_features_backward_cuda(const CropFeaturesArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.centers.device);
    const LevelBlocks blocks = backward_blocks(args);
    if (blocks.count == 0) return;
    const unsigned int grid = block_count(blocks.count, 1);
    visit_floating(args.levels[0].features.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (args.bilinear) {
            gather_kernel<T, true><<<grid, kCropThreads, 0, as_cuda_stream(stream)>>>(args, blocks);
        } else {
            gather_kernel<T, false><<<grid, kCropThreads, 0, as_cuda_stream(stream)>>>(args, blocks);
        }
    });
    check_launch("crop_features_backward");
}

}  // namespace pyposeops
