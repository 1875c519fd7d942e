// The CUDA kernel of crop_images, whatever a sampler does for one pixel. Bound by the stores of the crops: the
// neighbours of a warp's pixels share most of their cache lines.
#pragma once

#include <cmath>

#include "core/convert.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/crop_images/crop_images.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 256;
// Enough that preparing the crop in double, slow on most GPUs, is a small share of a block's work.
constexpr int kPixelsPerThread = 4;
constexpr int kPixelsPerBlock = kThreads * kPixelsPerThread;
// As many as fit, with the arguments, into the 4 KiB that every driver passes to a kernel. They travel by
// value: no device memory is allocated, nothing is waited for, and a CUDA graph captures them.
constexpr int kImagesPerLaunch = 64;

struct ImageTable {
    ImageView images[kImagesPerLaunch];
    int64_t first;  // index of images[0]
};
static_assert(sizeof(CropImagesArgs) + sizeof(ImageTable) + sizeof(int) <= 4096, "kernel parameters");

// What all pixels of a block share. A sampler is, or begins with, where the crop's pixels lie:
//   Sampler(args, n) by load(), bool valid(), and sample(args, image, u, v, values) for the raw values of a pixel.
template <class Sampler>
struct StagedCrop {
    Sampler sampler;
    ImageView image;
    ChannelTransform transform[3];
};

__device__ bool is_known(const CropImagesArgs& args, int64_t index) {
    if (index < 0 || index >= args.image_count) return false;
    return args.arena.data == nullptr || is_in_arena(args.arena, index);
}

// A stack and an arena are read in one launch; the images of a list take as many as their tables.
__device__ __host__ bool has_table(const CropImagesArgs& args) {
    return !args.is_stack && args.arena.data == nullptr;
}

__device__ ImageView image_of_crop(const CropImagesArgs& args, const ImageTable& table, int64_t index) {
    if (args.arena.data != nullptr) return image_in_arena(args.arena, index);
    ImageView image = table.images[args.is_stack ? 0 : index - table.first];
    if (args.is_stack) image.data += index * args.stack_stride;
    return image;
}

// An unknown image makes the crop NaN; an invalid place makes it all border, by an image without pixels.
template <class Sampler>
__device__ void stage_source(const CropImagesArgs& args, const ImageTable& table, int64_t n, int64_t index,
                             bool known, StagedCrop<Sampler>& crop) {
    crop.sampler.load(args, n);
    crop.image = ImageView{};
    if (!known || !crop.sampler.valid()) return;
    crop.image = image_of_crop(args, table, index);
    if (args.reverse_channels) crop.image = with_reversed_channels(crop.image);
}

__device__ void stage_transform(const CropImagesArgs& args, int64_t n, bool known,
                                ChannelTransform transform[3]) {
    for (int c = 0; c < 3; ++c) {
        transform[c] = known ? load_channel_transform(args, n, c) : ChannelTransform{NAN, NAN};
    }
}

template <class Sampler>
__device__ void crop_pixel(const CropImagesArgs& args, const StagedCrop<Sampler>& crop, uint32_t pixel,
                           float values[3]) {
    const uint32_t width = static_cast<uint32_t>(args.crops.shape[3]);
    const uint32_t v = pixel / width;
    const uint32_t u = pixel - v * width;
    crop.sampler.sample(args, crop.image, u, v, values);
    for (int c = 0; c < 3; ++c) values[c] = finished_value(values[c], crop.transform[c], args.round_uint8);
}

// A block owns kPixelsPerBlock neighbouring pixels of one crop, each of its threads every kThreads-th of them
// with all three channels; its first warp finds the crop's place in the image, its second one the channels'
// factors. In NCHW a warp stores 32 neighbours of each plane; for channels_last it passes its 96 values
// through shared memory, so that neighbouring threads again store neighbouring elements.
template <class Sampler, class T, bool kChannelsLast>
__global__ void __launch_bounds__(kThreads)
    crop_kernel(const __grid_constant__ CropImagesArgs args, const __grid_constant__ ImageTable table,
                int blocks_per_crop) {
    __shared__ StagedCrop<Sampler> crop;
    const int64_t n = blockIdx.x / blocks_per_crop;
    const int64_t index = load_image_index(args, n);
    const bool known = is_known(args, index);
    const bool in_table =
        !has_table(args) || (index >= table.first && index < table.first + kImagesPerLaunch);
    if (known ? !in_table : table.first != 0) return;  // another launch's crop
    const int thread = static_cast<int>(threadIdx.x);
    if (thread == 0) stage_source(args, table, n, index, known, crop);
    if (thread == kWarpSize) stage_transform(args, n, known, crop.transform);
    __syncthreads();

    const uint32_t pixels = static_cast<uint32_t>(args.crops.shape[2] * args.crops.shape[3]);
    const uint32_t block_begin = (blockIdx.x % blocks_per_crop) * kPixelsPerBlock;
    T* const out = args.crops.as<T>() + n * 3 * pixels;
    for (int k = 0; k < kPixelsPerThread; ++k) {
        const uint32_t pixel = block_begin + k * kThreads + thread;
        float values[3] = {};
        if (pixel < pixels) crop_pixel(args, crop, pixel, values);
        if constexpr (kChannelsLast) {
            __shared__ float exchange[kThreads / kWarpSize][3 * kWarpSize];
            const int lane = thread % kWarpSize;
            float* const own = exchange[thread / kWarpSize];
            for (int c = 0; c < 3; ++c) own[3 * lane + c] = values[c];
            __syncwarp();
            const int64_t warp_begin = int64_t{3} * (pixel - lane);
            for (int c = 0; c < 3; ++c) {
                const int64_t at = warp_begin + c * kWarpSize + lane;
                if (at < int64_t{3} * pixels) store_from_compute(out + at, own[c * kWarpSize + lane]);
            }
            __syncwarp();
        } else if (pixel < pixels) {
            for (int c = 0; c < 3; ++c) {
                store_from_compute(out + int64_t{c} * pixels + pixel, values[c]);
            }
        }
    }
}

template <class Sampler, class T>
void launch_one(const CropImagesArgs& args, const ImageTable& table, cudaStream_t stream) {
    const int64_t pixels = args.crops.shape[2] * args.crops.shape[3];
    const unsigned int per_crop = block_count(pixels, kPixelsPerBlock);
    const unsigned int blocks = block_count(args.crops.shape[0] * per_crop, 1);
    if (args.crops.is_contiguous()) {
        crop_kernel<Sampler, T, false>
            <<<blocks, kThreads, 0, stream>>>(args, table, static_cast<int>(per_crop));
    } else {
        crop_kernel<Sampler, T, true>
            <<<blocks, kThreads, 0, stream>>>(args, table, static_cast<int>(per_crop));
    }
    check_launch("crop_images");
}

template <class Sampler>
void launch_crops(const CropImagesArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.crops.device);
    const int64_t views = has_table(args) ? args.image_count : 1;
    for (int64_t first = 0; first < views; first += kImagesPerLaunch) {
        ImageTable table = {};
        table.first = first;
        for (int64_t i = 0; i < kImagesPerLaunch && first + i < views && args.images != nullptr; ++i)
            table.images[i] = args.images[first + i];
        visit_crop_dtype(args.crops.dtype, [&](auto tag) {
            launch_one<Sampler, typename decltype(tag)::type>(args, table, as_cuda_stream(stream));
        });
    }
}

}  // namespace
}  // namespace pyposeops
