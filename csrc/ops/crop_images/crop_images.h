// crop_images: warps people out of uint8 images into normalised float crops, in one pass.
//
// images       (H, W, 3) uint8, any strides and any number of sizes; or M equally large ones at a fixed distance; or M
//              dense ones in an arena: bytes, with the byte offset (M,) and the height and width (M, 2) of each, int64
// affines      (N, 2, 3) or perspective matrices (N, 3, 3), float32 or float64, any strides: image pixel (x, y) -> crop
//              pixel (u, v)
// image_index  (N,) int32 or int64, or none: then crop n reads image n, or the only image
// gain, bias   (N,) or (N, 3), any floating dtype, any strides, or none: 1 and 0
// crops        (N, 3, h, w) output, float32, float16 or bfloat16, dense NCHW or channels_last; every element written
//
// crop(n, c, v, u) = ((b / 255) * gain + bias - mean[c]) / std[c], where b is the image at A^-1 (u, v),
// bilinear with exact weights: each of the four neighbouring pixels that lies outside the image counts as
// border_value, or, with another border mode, as the pixel of the image that is repeated or mirrored there. With
// antialias, b is the mean of across x down such samples in each crop pixel that covers more than two image pixels
// across or down, spread evenly, at most one image pixel apart and at most 64 along an axis. With round_uint8, b is
// first rounded to an integer, half to even. mean, std, gain and bias are in the order of the crop's channels;
// reverse_channels reads the image's channels from last to first. An
// affine that is singular or not finite, or that places a corner of the crop 2^30 pixels or more from the
// image's origin, gives a crop that is all border_value; so does a matrix that has no inverse or is not finite, and
// of other matrices so do the pixels that see no such place. An image_index outside [0, M) and an image that
// does not lie within the arena: the caller refuses them on the CPU; on CUDA, where looking would mean waiting for
// the device, that crop is NaN. Formulas: crop_images_math.h, and those of perspective, the other border modes and
// antialias, which have a loop and a kernel of their own, crop_images_general_math.h. Both devices follow this
// contract and give the same bits before the final rounding.
#pragma once

#include "core/convert.h"
#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"
#include "ops/crop_images/crop_images_general_math.h"
#include "ops/crop_images/crop_images_math.h"

namespace pyposeops {

// Images one after another in one buffer; looked up on the device.
struct ArenaView {
    const uint8_t* data;  // null: no arena
    int64_t bytes;
    const int64_t* offsets;
    const int64_t* sizes;
    int64_t offset_stride;
    int64_t size_strides[2];

    POSEOPS_HD int64_t height(int64_t image) const { return sizes[image * size_strides[0]]; }
    POSEOPS_HD int64_t width(int64_t image) const { return sizes[image * size_strides[0] + size_strides[1]]; }
    POSEOPS_HD int64_t offset(int64_t image) const { return offsets[image * offset_stride]; }
};

struct CropImagesArgs {
    const ImageView* images;  // in host memory: all of them, or the first one of a stack
    int64_t image_count;
    int64_t stack_stride;  // bytes from one image of a stack to the next
    bool is_stack;
    ArenaView arena;  // on the CPU, `images` lists its images as well
    TensorView affines;
    TensorView image_index;  // no data: none
    TensorView gain;         // no data: none
    TensorView bias;         // no data: none
    Normalisation normalisation;
    float border_value;  // 0 .. 255
    bool round_uint8;
    bool reverse_channels;
    BorderMode border;
    bool antialias;
    TensorView crops;
};

POSEOPS_HD bool is_perspective(const CropImagesArgs& args) { return args.affines.shape[1] == 3; }

// Whether the plain loop and kernel do not serve.
POSEOPS_HD bool is_general(const CropImagesArgs& args) {
    return is_perspective(args) || args.border != BorderMode::kConstant || args.antialias;
}

// Calls f(TypeTag<T>) with the C++ type of the crops.
template <class F>
POSEOPS_INLINE void visit_crop_dtype(DType dtype, const F& f) {
    switch (dtype) {
        case DType::kFloat16:
            f(TypeTag<Half>{});
            return;
        case DType::kBFloat16:
            f(TypeTag<BFloat16>{});
            return;
        default:
            f(TypeTag<float>{});
            return;
    }
}

// Which image crop n reads; may be out of range on CUDA.
POSEOPS_HD int64_t load_image_index(const CropImagesArgs& args, int64_t n) {
    const TensorView& index = args.image_index;
    if (index.data == nullptr) return args.image_count == 1 ? 0 : n;
    const int64_t at = n * index.strides[0];
    return index.dtype == DType::kInt32 ? index.as<int32_t>()[at] : index.as<int64_t>()[at];
}

// The first `count` numbers of crop n's matrix, row by row.
POSEOPS_HD void load_matrix(const CropImagesArgs& args, int64_t n, int count, double* a) {
    const TensorView& affines = args.affines;
    for (int i = 0; i < count; ++i) {
        const int64_t at = n * affines.strides[0] + i / 3 * affines.strides[1] + i % 3 * affines.strides[2];
        a[i] = load_any<double>(affines.data, affines.dtype, at);
    }
}

POSEOPS_HD SourceGrid load_source_grid(const CropImagesArgs& args, int64_t n) {
    double a[6];
    load_matrix(args, n, 6, a);
    return source_grid(a, args.crops.shape[3], args.crops.shape[2]);
}

POSEOPS_HD SampleGrid load_sample_grid(const CropImagesArgs& args, int64_t n) {
    Matrix3 a = {{0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0}};
    load_matrix(args, n, is_perspective(args) ? 9 : 6, a.m);
    return sample_grid(a, is_perspective(args), args.antialias, args.crops.shape[3], args.crops.shape[2]);
}

// Whether an image of the arena has a size that positions reach and lies within the bytes.
POSEOPS_HD bool is_in_arena(const ArenaView& arena, int64_t image) {
    constexpr int64_t kLimit = int64_t{1} << 30;
    const int64_t height = arena.height(image);
    const int64_t width = arena.width(image);
    const int64_t offset = arena.offset(image);
    if (height < 1 || height >= kLimit || width < 1 || width >= kLimit) return false;
    return offset >= 0 && offset <= arena.bytes && height <= (arena.bytes - offset) / (3 * width);
}

POSEOPS_HD ImageView image_in_arena(const ArenaView& arena, int64_t image) {
    const int64_t width = arena.width(image);
    return {arena.data + arena.offset(image), 3 * width, 3, 1, static_cast<int32_t>(arena.height(image)),
            static_cast<int32_t>(width)};
}

// Gain or bias of a channel of crop n.
POSEOPS_HD double load_jitter(const TensorView& jitter, int64_t n, int channel, double otherwise) {
    if (jitter.data == nullptr) return otherwise;
    const int64_t at = n * jitter.strides[0] + (jitter.rank == 2 ? channel * jitter.strides[1] : 0);
    return load_any<double>(jitter.data, jitter.dtype, at);
}

POSEOPS_HD ChannelTransform load_channel_transform(const CropImagesArgs& args, int64_t n, int channel) {
    return channel_transform(args.normalisation, channel, load_jitter(args.gain, n, channel, 1.0),
                             load_jitter(args.bias, n, channel, 0.0));
}

POSEOPS_CPU_OPERATOR(crop_images, CropImagesArgs)
POSEOPS_CUDA_OPERATOR(crop_images, CropImagesArgs)
POSEOPS_CPU_OPERATOR(crop_images_general, CropImagesArgs)
POSEOPS_CUDA_OPERATOR(crop_images_general, CropImagesArgs)

}  // namespace pyposeops
