// What the kernels of crop_features share: which block works on what, windows and maps as a thread reads them.
#pragma once

#include <string>

#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "ops/crop_features/crop_features.h"

namespace pyposeops {

constexpr int kCropThreads = 256;
// Of an image or a crop: indices and the sums of block and thread fit into 32 bits.
constexpr int64_t kMaxCropElements = (int64_t{1} << 31) - 1 - 65536;

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

inline int64_t elements_of(const TensorView& tensor, int32_t first_dimension) {
    int64_t count = 1;
    for (int32_t d = first_dimension; d < tensor.rank; ++d) count *= tensor.shape[d];
    if (count > kMaxCropElements) {
        throw std::invalid_argument(
            "features: expected fewer than 2^31 - 65536 elements per image and crop, got " +
            std::to_string(count));
    }
    return count;
}

// `groups` windows or images on a level, each of so many blocks.
inline void add_level(LevelBlocks& blocks, int32_t level, int64_t groups, unsigned int per_group) {
    blocks.first[level] = blocks.count;
    blocks.per_group[level] = per_group > 0 ? static_cast<int32_t>(per_group) : 1;
    blocks.count += groups * per_group;
}

}  // namespace pyposeops
