// crop_features: a window around every joint, out of every level of a feature pyramid.
//
// centers   (B, K, 2) floating or integer, any strides, (x, y)
// features  per level (B, C, H, W) floating, all levels of one dtype, any strides
// crops     per level (B, K, C, h, w), the same dtype, dense with the channels before or behind the pixels
//
// A level has its own C, H, W, window (h, w) and scale: its pixels per pixel of the centres' map. Position on
// the level: center * scale, or with half_pixel (center + 0.5) * scale - 0.5. Whole pixels: the window whose
// middle is nearest to the position, of two equally near the one of lower index. Bilinear: the middle is at the
// position, every sample between its four neighbours. Outside of the map there is 0. The window of a centre
// that is not finite or 2^29 pixels or more from the origin is 0.
//
// crop_features_backward: reads the crops as gradients and writes every element of the features: the sum, over
// the windows in the order of the joints, of what each contributes; the same bits for any number of threads.
// Features are then dense NCHW or channels_last and crops have any strides.
//
// crop_features_center_gradient: reads features and the crops' gradients, both with any strides, and writes
// grad_centers (B, K, 2), contiguous, of the compute dtype. Bilinear only. At a whole-pixel position it is the
// derivative to the right and downward.
//
// Formulas: crop_features_math.h. Both devices follow this contract.
#pragma once

#include "core/convert.h"
#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"
#include "ops/crop_features/crop_features_math.h"

namespace pyposeops {

constexpr int kMaxCropLevels = 8;

struct CropLevel {
    TensorView features;
    TensorView crops;
    double scale_y;
    double scale_x;
};

struct CropFeaturesArgs {
    CropLevel levels[kMaxCropLevels];
    int32_t level_count;
    TensorView centers;
    bool half_pixel;
    bool bilinear;
};

struct CropCenterGradientArgs {
    CropFeaturesArgs forward;
    TensorView grad_centers;
};

// The tensor's memory is dense with the channels, the third dimension from the end, innermost.
POSEOPS_INLINE bool has_channels_innermost(const TensorView& tensor) {
    const int32_t channels = tensor.rank - 3;
    TensorView stored = tensor;
    for (int32_t d = channels; d < tensor.rank; ++d) {
        const int32_t from = d == tensor.rank - 1 ? channels : d + 1;
        stored.shape[d] = tensor.shape[from];
        stored.strides[d] = tensor.strides[from];
    }
    return stored.is_contiguous();
}

// The window of joint (b, k) on one level.
struct JointWindow {
    int32_t y, x;
    double fraction_y, fraction_x;
    bool known;
};

POSEOPS_HD JointWindow load_joint_window(const CropFeaturesArgs& args, const CropLevel& level, int64_t b,
                                         int64_t k) {
    const TensorView& centers = args.centers;
    const int64_t at = b * centers.strides[0] + k * centers.strides[1];
    const double center_x = load_any<double>(centers.data, centers.dtype, at);
    const double center_y = load_any<double>(centers.data, centers.dtype, at + centers.strides[2]);
    const WindowStart x = window_start(center_x, level.scale_x, args.half_pixel, args.bilinear,
                                       static_cast<int32_t>(level.crops.shape[4]));
    const WindowStart y = window_start(center_y, level.scale_y, args.half_pixel, args.bilinear,
                                       static_cast<int32_t>(level.crops.shape[3]));
    return {y.first, x.first, y.fraction, x.fraction, x.known && y.known};
}

POSEOPS_CPU_OPERATOR(crop_features, CropFeaturesArgs)
POSEOPS_CPU_OPERATOR(crop_features_backward, CropFeaturesArgs)
POSEOPS_CPU_OPERATOR(crop_features_center_gradient, CropCenterGradientArgs)
POSEOPS_CUDA_OPERATOR(crop_features, CropFeaturesArgs)
POSEOPS_CUDA_OPERATOR(crop_features_backward, CropFeaturesArgs)
POSEOPS_CUDA_OPERATOR(crop_features_center_gradient, CropCenterGradientArgs)

}  // namespace pyposeops
