// The CUDA kernels of crop_features: one launch for all joints and levels. Bound by memory: the forward pass by its
// stores, the gradient by the features it writes.
#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/crop_features/crop_features.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 256;
constexpr int kElementsPerThread = 8;
constexpr int kElementsPerBlock = kThreads * kElementsPerThread;
// Channels that a thread of the gradient owns: they share the search for the windows that cover the pixel.
constexpr int kChannelsPerThread = 4;
constexpr int kStagedWindows = 64;
constexpr int64_t kMaxElements = 2147483647;

// Which blocks of a launch work on which level.
struct LevelBlocks {
    int64_t first[kMaxCropLevels];
    int32_t per_group[kMaxCropLevels];  // blocks of a window (forward) or of an image (gradient)
    int64_t count;
};
static_assert(sizeof(CropCenterGradientArgs) + sizeof(LevelBlocks) <= 4096, "kernel parameters");

// A block's level, its window or image there, and which of the blocks of that it is.
struct BlockPlace {
    int level;
    int64_t group;
    int32_t part;
};

__device__ __forceinline__ BlockPlace block_place(const LevelBlocks& blocks, int level_count) {
    const int64_t block = blockIdx.x;
    int level = level_count - 1;
    while (level > 0 && block < blocks.first[level]) --level;
    const int64_t within = block - blocks.first[level];
    const int64_t group = within / blocks.per_group[level];
    return {level, group, static_cast<int32_t>(within - group * blocks.per_group[level])};
}

template <class Real>
struct StagedWindow {
    int32_t y, x;
    Real fraction_y, fraction_x;
    int32_t joint;  // -1: nothing to see
};

template <class Real>
__device__ __forceinline__ StagedWindow<Real> stage(const JointWindow& window, int64_t joint) {
    return {window.y, window.x, static_cast<Real>(window.fraction_y), static_cast<Real>(window.fraction_x),
            window.known ? static_cast<int32_t>(joint) : -1};
}

// A (height, width) map of one channel with any strides; 0 outside.
template <class T>
struct ChannelMap {
    const T* data;
    int64_t row_stride, pixel_stride;
    uint32_t height, width;

    __device__ __forceinline__ bool contains(int32_t y, int32_t x) const {
        return static_cast<uint32_t>(y) < height && static_cast<uint32_t>(x) < width;
    }
    __device__ __forceinline__ compute_t<T> at(int32_t y, int32_t x) const {
        if (!contains(y, x)) return compute_t<T>(0);
        return load_as_compute(data[y * row_stride + x * pixel_stride]);
    }
};

// Of the last three dimensions (C, height, width) of a tensor.
template <class T>
__device__ __forceinline__ ChannelMap<T> channel_map(const TensorView& tensor, const T* first,
                                                     int64_t channel) {
    const int32_t c = tensor.rank - 3;
    return {first + channel * tensor.strides[c], tensor.strides[c + 1], tensor.strides[c + 2],
            static_cast<uint32_t>(tensor.shape[c + 1]), static_cast<uint32_t>(tensor.shape[c + 2])};
}

struct CropElement {
    int32_t channel, y, x;
};

// Element `at` of a window's memory: channels before the pixels, or innermost.
__device__ __forceinline__ CropElement crop_element(const TensorView& crops, uint32_t at,
                                                    bool channels_innermost) {
    const uint32_t channels = static_cast<uint32_t>(crops.shape[2]);
    const uint32_t width = static_cast<uint32_t>(crops.shape[4]);
    const uint32_t pixels = static_cast<uint32_t>(crops.shape[3]) * width;
    const uint32_t pixel = channels_innermost ? at / channels : at % pixels;
    const uint32_t channel = channels_innermost ? at - pixel * channels : at / pixels;
    const uint32_t y = pixel / width;
    return {static_cast<int32_t>(channel), static_cast<int32_t>(y), static_cast<int32_t>(pixel - y * width)};
}

// A block owns kElementsPerBlock neighbouring elements of one joint's crop on one level, each of its threads every
// kThreads-th of them: a warp stores 32 neighbours. Its first thread finds the window.
template <class T, bool kBilinear>
__global__ void __launch_bounds__(kThreads)
    crop_kernel(const __grid_constant__ CropFeaturesArgs args, const __grid_constant__ LevelBlocks blocks) {
    using Real = compute_t<T>;
    __shared__ StagedWindow<Real> window;
    const BlockPlace place = block_place(blocks, args.level_count);
    const CropLevel& level = args.levels[place.level];
    const int64_t joints = level.crops.shape[1];
    const int64_t b = place.group / joints;
    if (threadIdx.x == 0) {
        const int64_t k = place.group - b * joints;
        window = stage<Real>(load_joint_window(args, level, b, k), k);
    }
    __syncthreads();
    const uint32_t elements =
        static_cast<uint32_t>(level.crops.shape[2] * level.crops.shape[3] * level.crops.shape[4]);
    const bool channels_innermost = level.crops.strides[2] == 1 && level.crops.shape[2] > 1;
    const T* const image = level.features.as<T>() + b * level.features.strides[0];
    T* const out = level.crops.as<T>() + place.group * elements;
    for (int i = 0; i < kElementsPerThread; ++i) {
        const uint32_t at =
            static_cast<uint32_t>(place.part) * kElementsPerBlock + i * kThreads + threadIdx.x;
        if (at >= elements) return;
        const CropElement element = crop_element(level.crops, at, channels_innermost);
        const ChannelMap<T> map = channel_map(level.features, image, element.channel);
        const int32_t y = window.y + element.y;
        const int32_t x = window.x + element.x;
        Real value = Real(0);
        if (window.joint < 0) {
            value = Real(0);
        } else if (kBilinear) {
            const Real above = blend(map.at(y, x), map.at(y, x + 1), window.fraction_x);
            const Real below = blend(map.at(y + 1, x), map.at(y + 1, x + 1), window.fraction_x);
            value = blend(above, below, window.fraction_y);
        } else {
            value = map.at(y, x);
        }
        store_from_compute(out + at, value);
    }
}

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
__global__ void __launch_bounds__(kThreads)
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

    const uint32_t block_begin = static_cast<uint32_t>(place.part) * kThreads;
    const uint32_t block_last = min(block_begin + kThreads, groups * pixels) - 1;
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

// One block sums one joint over all its windows: no atomics, the same bits every time.
template <class T>
__global__ void __launch_bounds__(kThreads)
    center_kernel(const __grid_constant__ CropCenterGradientArgs args) {
    using Real = compute_t<T>;
    __shared__ Real shared[2][kThreads / kWarpSize];
    const int64_t joints = args.grad_centers.shape[1];
    const int64_t b = blockIdx.x / joints;
    const int64_t k = blockIdx.x - b * joints;
    Real sum_x = Real(0);
    Real sum_y = Real(0);
    for (int i = 0; i < args.forward.level_count; ++i) {
        const CropLevel& level = args.forward.levels[i];
        const StagedWindow<Real> window = stage<Real>(load_joint_window(args.forward, level, b, k), k);
        if (window.joint < 0) continue;
        const T* const image = level.features.as<T>() + b * level.features.strides[0];
        const T* const joint = level.crops.as<T>() + b * level.crops.strides[0] + k * level.crops.strides[1];
        const bool channels_innermost = level.crops.strides[2] == 1 && level.crops.shape[2] > 1;
        const uint32_t elements =
            static_cast<uint32_t>(level.crops.shape[2] * level.crops.shape[3] * level.crops.shape[4]);
        Real level_x = Real(0);
        Real level_y = Real(0);
        for (uint32_t at = threadIdx.x; at < elements; at += kThreads) {
            const CropElement element = crop_element(level.crops, at, channels_innermost);
            const Real grad = channel_map(level.crops, joint, element.channel).at(element.y, element.x);
            const ChannelMap<T> map = channel_map(level.features, image, element.channel);
            const int32_t y = window.y + element.y;
            const int32_t x = window.x + element.x;
            const Real top_left = map.at(y, x);
            const Real top_right = map.at(y, x + 1);
            const Real bottom_left = map.at(y + 1, x);
            const Real bottom_right = map.at(y + 1, x + 1);
            level_x += grad * blend(top_right - top_left, bottom_right - bottom_left, window.fraction_y);
            level_y += grad * (blend(bottom_left, bottom_right, window.fraction_x) -
                               blend(top_left, top_right, window.fraction_x));
        }
        sum_x += level_x * static_cast<Real>(level.scale_x);
        sum_y += level_y * static_cast<Real>(level.scale_y);
    }
    const auto add = [](Real a, Real c) { return a + c; };
    sum_x = block_reduce(sum_x, Real(0), shared[0], add);
    sum_y = block_reduce(sum_y, Real(0), shared[1], add);
    if (threadIdx.x == 0) {
        Real* const out = args.grad_centers.as<Real>() + 2 * static_cast<int64_t>(blockIdx.x);
        out[0] = sum_x;
        out[1] = sum_y;
    }
}

int64_t elements_of(const TensorView& tensor, int32_t first_dimension) {
    int64_t count = 1;
    for (int32_t d = first_dimension; d < tensor.rank; ++d) count *= tensor.shape[d];
    if (count > kMaxElements - kElementsPerBlock) {
        throw std::invalid_argument(
            "features: expected fewer than 2^31 - 2048 elements per image and crop, got " +
            std::to_string(count));
    }
    return count;
}

// `groups` windows or images on a level, each of so many blocks.
void add_level(LevelBlocks& blocks, int32_t level, int64_t groups, unsigned int per_group) {
    blocks.first[level] = blocks.count;
    blocks.per_group[level] = per_group > 0 ? static_cast<int32_t>(per_group) : 1;
    blocks.count += groups * per_group;
}

LevelBlocks forward_blocks(const CropFeaturesArgs& args) {
    LevelBlocks blocks = {};
    for (int32_t i = 0; i < args.level_count; ++i) {
        const TensorView& crops = args.levels[i].crops;
        elements_of(args.levels[i].features, 1);
        add_level(blocks, i, crops.shape[0] * crops.shape[1],
                  block_count(elements_of(crops, 2), kElementsPerBlock));
    }
    return blocks;
}

LevelBlocks backward_blocks(const CropFeaturesArgs& args) {
    LevelBlocks blocks = {};
    for (int32_t i = 0; i < args.level_count; ++i) {
        const TensorView& features = args.levels[i].features;
        elements_of(features, 1);
        const int64_t groups = (features.shape[1] + kChannelsPerThread - 1) / kChannelsPerThread;
        add_level(blocks, i, features.shape[0],
                  block_count(groups * features.shape[2] * features.shape[3], kThreads));
    }
    return blocks;
}

}  // namespace

void crop_features_cuda(const CropFeaturesArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.centers.device);
    const LevelBlocks blocks = forward_blocks(args);
    if (blocks.count == 0) return;
    const unsigned int grid = block_count(blocks.count, 1);
    visit_floating(args.levels[0].crops.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (args.bilinear) {
            crop_kernel<T, true><<<grid, kThreads, 0, as_cuda_stream(stream)>>>(args, blocks);
        } else {
            crop_kernel<T, false><<<grid, kThreads, 0, as_cuda_stream(stream)>>>(args, blocks);
        }
    });
    check_launch("crop_features");
}

void crop_features_backward_cuda(const CropFeaturesArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.centers.device);
    const LevelBlocks blocks = backward_blocks(args);
    if (blocks.count == 0) return;
    const unsigned int grid = block_count(blocks.count, 1);
    visit_floating(args.levels[0].features.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (args.bilinear) {
            gather_kernel<T, true><<<grid, kThreads, 0, as_cuda_stream(stream)>>>(args, blocks);
        } else {
            gather_kernel<T, false><<<grid, kThreads, 0, as_cuda_stream(stream)>>>(args, blocks);
        }
    });
    check_launch("crop_features_backward");
}

void crop_features_center_gradient_cuda(const CropCenterGradientArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.grad_centers.device);
    const unsigned int blocks = block_count(args.grad_centers.shape[0] * args.grad_centers.shape[1], 1);
    visit_floating(args.forward.levels[0].features.dtype, [&](auto tag) {
        center_kernel<typename decltype(tag)::type><<<blocks, kThreads, 0, as_cuda_stream(stream)>>>(args);
    });
    check_launch("crop_features_center_gradient");
}

}  // namespace pyposeops
