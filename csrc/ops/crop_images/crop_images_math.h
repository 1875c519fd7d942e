// Where a crop's pixels lie in the image, and what a pixel's value is.
//
// Positions are 64-bit fixed-point numbers with 32 fraction bits. The crop's matrix is inverted once, in
// double; from there on every position is x0 + u * xu + v * xv in integers, so a loop that adds steps, a
// kernel thread that multiplies and any instruction set arrive at the same bits. The steps are rounded to
// 2^-33 px, so a position is exact to (w + h) * 2^-33 px: 1e-7 px for a crop of 384x288, wherever in an image
// of 10,000 px it lies; a float position is only good to 5e-4 px there. (Double would be exact enough too,
// but consumer GPUs compute it at 1/64 of the speed.)
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"

namespace pyposeops {

constexpr int kFractionBits = 32;
constexpr double kFixedOne = 4294967296.0;       // one pixel
constexpr double kPositionLimit = 1073741824.0;  // 2^30 px: sums of three positions stay below 2^63

// Products that are rounded on every device. CUDA would otherwise fuse them with a following sum, and positions and
// values on the edge of round_uint8 would fall differently than on the CPU.
POSEOPS_HD float product(float a, float b) {
#if defined(__CUDA_ARCH__)
    return __fmul_rn(a, b);
#else
    return a * b;
#endif
}
POSEOPS_HD double product(double a, double b) {
#if defined(__CUDA_ARCH__)
    return __dmul_rn(a, b);
#else
    return a * b;
#endif
}

// Source position of crop pixel (u, v), in image pixels, fixed-point: (x0 + u xu + v xv, y0 + u yu + v yv).
struct SourceGrid {
    int64_t x0, xu, xv;
    int64_t y0, yu, yv;
    bool valid;  // false: the whole crop is border
};

POSEOPS_HD int64_t to_fixed(double position) { return static_cast<int64_t>(rint(position * kFixedOne)); }

// True if origin + a * du + b * dv stays within the limit on the whole crop. False for NaN and infinities.
POSEOPS_HD bool within_position_limit(double origin, double du, double dv, double width, double height) {
    return fabs(origin) < kPositionLimit && fabs(origin + width * du) < kPositionLimit &&
           fabs(origin + height * dv) < kPositionLimit &&
           fabs(origin + width * du + height * dv) < kPositionLimit;
}

// `a`: the affine, row by row, image -> crop. A determinant of 0 makes the inverse infinite or NaN, hence invalid.
POSEOPS_HD SourceGrid source_grid(const double a[6], int64_t crop_width, int64_t crop_height) {
    const double inverse_determinant = 1.0 / (product(a[0], a[4]) - product(a[1], a[3]));
    const double xu = a[4] * inverse_determinant;
    const double xv = -a[1] * inverse_determinant;
    const double yu = -a[3] * inverse_determinant;
    const double yv = a[0] * inverse_determinant;
    const double x0 = -product(xu, a[2]) - product(xv, a[5]);
    const double y0 = -product(yu, a[2]) - product(yv, a[5]);
    const double width = static_cast<double>(crop_width);
    const double height = static_cast<double>(crop_height);
    SourceGrid grid = {};
    grid.valid =
        within_position_limit(x0, xu, xv, width, height) && within_position_limit(y0, yu, yv, width, height);
    if (!grid.valid) return grid;
    grid.x0 = to_fixed(x0);
    grid.xu = to_fixed(xu);
    grid.xv = to_fixed(xv);
    grid.y0 = to_fixed(y0);
    grid.yu = to_fixed(yu);
    grid.yv = to_fixed(yv);
    return grid;
}

// The pixel at or before a position, and the position's weight between it and the next one.
POSEOPS_HD int64_t whole_pixel(int64_t position) { return position >> kFractionBits; }
POSEOPS_HD float fraction(uint32_t fraction_bits) {
    // 24 bits, as many as a float holds, by way of int: no instruction set before AVX-512 converts unsigned numbers.
    return static_cast<float>(static_cast<int32_t>(fraction_bits >> 8)) * (1.0f / 16777216.0f);
}

POSEOPS_HD float bilinear(float top_left, float top_right, float bottom_left, float bottom_right,
                          float right_weight, float bottom_weight) {
    const float top = top_left + product(top_right - top_left, right_weight);
    const float bottom = bottom_left + product(bottom_right - bottom_left, right_weight);
    return top + product(bottom - top, bottom_weight);
}

// Half to even: adding 1.5 * 2^23 leaves no fraction bits. For 0 <= value <= 255.
POSEOPS_HD float round_half_even(float value) {
    constexpr float kShift = 12582912.0f;
    return (value + kShift) - kShift;
}

// Pixels [begin, end) of a crop's row.
struct PixelRange {
    int64_t begin;
    int64_t end;
};

POSEOPS_HD int64_t divide_down(int64_t dividend, int64_t positive_divisor) {
    const int64_t quotient = dividend / positive_divisor;
    return quotient - (dividend % positive_divisor < 0 ? 1 : 0);
}

// The pixels u of `range` with low <= origin + u * step <= high, exactly. Empty: {range.begin, range.begin}.
POSEOPS_HD PixelRange clip_range(PixelRange range, int64_t origin, int64_t step, int64_t low, int64_t high) {
    const PixelRange none = {range.begin, range.begin};
    if (step == 0) return low <= origin && origin <= high ? range : none;
    const int64_t first = step > 0 ? -divide_down(origin - low, step) : -divide_down(high - origin, -step);
    const int64_t last = step > 0 ? divide_down(high - origin, step) : divide_down(origin - low, -step);
    if (first > range.begin) range.begin = first;
    if (last < range.end - 1) range.end = last + 1;
    return range.begin < range.end ? range : none;
}

// mean and std of the crop's channels, as factors.
struct Normalisation {
    double mean[3];
    double inverse_std[3];
};

// value = b * scale + shift, with b in 0 .. 255.
struct ChannelTransform {
    float scale;
    float shift;
};

POSEOPS_HD ChannelTransform channel_transform(const Normalisation& normalisation, int channel, double gain,
                                              double bias) {
    const double inverse_std = normalisation.inverse_std[channel];
    return {static_cast<float>(gain * inverse_std * (1.0 / 255.0)),
            static_cast<float>((bias - normalisation.mean[channel]) * inverse_std)};
}

POSEOPS_HD float finished_value(float value, ChannelTransform transform, bool round_uint8) {
    return product(round_uint8 ? round_half_even(value) : value, transform.scale) + transform.shift;
}

// A uint8 image; strides in bytes, of either sign.
struct ImageView {
    const uint8_t* data;
    int64_t row_stride;
    int64_t column_stride;
    int64_t channel_stride;
    int32_t height;
    int32_t width;
};

// The same image with its channels from last to first.
POSEOPS_HD ImageView with_reversed_channels(ImageView image) {
    image.data += 2 * image.channel_stride;
    image.channel_stride = -image.channel_stride;
    return image;
}

POSEOPS_HD float load_pixel(const uint8_t* address) {
#if defined(__CUDA_ARCH__)
    return static_cast<float>(__ldg(address));
#else
    return static_cast<float>(*address);
#endif
}

// The three channels at a position anywhere, 0 .. 255.
POSEOPS_HD void sample_with_border(const ImageView& image, int64_t x, int64_t y, float border_value,
                                   float values[3]) {
    const int64_t column = whole_pixel(x);
    const int64_t row = whole_pixel(y);
    const bool left = column >= 0 && column < image.width;
    const bool right = column >= -1 && column < image.width - 1;
    const bool top = row >= 0 && row < image.height;
    const bool bottom = row >= -1 && row < image.height - 1;
    const float right_weight = fraction(static_cast<uint32_t>(x));
    const float bottom_weight = fraction(static_cast<uint32_t>(y));
    const int64_t offset = row * image.row_stride + column * image.column_stride;
    for (int c = 0; c < 3; ++c) {
        // Offsets, not pointers: those of pixels that do not exist are never turned into addresses.
        const int64_t at = offset + c * image.channel_stride;
        const int64_t below = at + image.row_stride;
        const float top_left = top && left ? load_pixel(image.data + at) : border_value;
        const float top_right =
            top && right ? load_pixel(image.data + at + image.column_stride) : border_value;
        const float bottom_left = bottom && left ? load_pixel(image.data + below) : border_value;
        const float bottom_right =
            bottom && right ? load_pixel(image.data + below + image.column_stride) : border_value;
        values[c] = bilinear(top_left, top_right, bottom_left, bottom_right, right_weight, bottom_weight);
    }
}

}  // namespace pyposeops
