// The CUDA kernels of crop_features and of its centres' gradient: one launch for all joints and levels. Bound by
// memory: the crops are written or read once.
#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/crop_features/crop_features.h"
#include "ops/crop_features/crop_features_kernels.cuh"

namespace pyposeops {
namespace {

constexpr int kElementsPerThread = 8;
constexpr int kElementsPerBlock = kCropThreads * kElementsPerThread;

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
// kCropThreads-th of them: a warp stores 32 neighbours. Its first thread finds the window.
template <class T, bool kBilinear>
__global__ void __launch_bounds__(kCropThreads)
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
            static_cast<uint32_t>(place.part) * kElementsPerBlock + i * kCropThreads + threadIdx.x;
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

// One block sums one joint over all its windows: no atomics, the same bits every time.
template <class T>
__global__ void __launch_bounds__(kCropThreads)
    center_kernel(const __grid_constant__ CropCenterGradientArgs args) {
    using Real = compute_t<T>;
    __shared__ Real shared[2][kCropThreads / kWarpSize];
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
        for (uint32_t at = threadIdx.x; at < elements; at += kCropThreads) {
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

}  // namespace

void crop_features_cuda(const CropFeaturesArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.centers.device);
    const LevelBlocks blocks = forward_blocks(args);
    if (blocks.count == 0) return;
    const unsigned int grid = block_count(blocks.count, 1);
    visit_floating(args.levels[0].crops.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (args.bilinear) {
            crop_kernel<T, true><<<grid, kCropThreads, 0, as_cuda_stream(stream)>>>(args, blocks);
        } else {
            crop_kernel<T, false><<<grid, kCropThreads, 0, as_cuda_stream(stream)>>>(args, blocks);
        }
    });
    check_launch("crop_features");
}

void crop_features_center_gradient_cuda(const CropCenterGradientArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.grad_centers.device);
    const unsigned int blocks = block_count(args.grad_centers.shape[0] * args.grad_centers.shape[1], 1);
    visit_floating(args.forward.levels[0].features.dtype, [&](auto tag) {
        center_kernel<typename decltype(tag)::type>
            <<<blocks, kCropThreads, 0, as_cuda_stream(stream)>>>(args);
    });
    check_launch("crop_features_center_gradient");
}

}  // namespace pyposeops
