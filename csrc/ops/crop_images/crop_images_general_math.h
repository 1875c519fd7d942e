// What the rarer options of crop_images add: perspective, borders that repeat the image, several samples per pixel.
//
// A crop pixel that covers more than two image pixels across or down is the average of across x down bilinear
// samples. They are the pixels of a crop `across` times as wide and `down` times as high at the same place, so
// that all positions come from one larger grid, and a run of samples is a run of that crop's pixels.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"
#include "ops/crop_images/crop_images_math.h"

namespace pyposeops {

enum class BorderMode : int32_t { kConstant, kReplicate, kReflect };

// The pixel that stands for the pixel `at` of a line: replicate aaa|abc|ccc, reflect (OpenCV's REFLECT_101) cb|abc|ba.
POSEOPS_HD int64_t border_pixel(int64_t at, int64_t size, BorderMode mode) {
    if (at >= 0 && at < size) return at;
    if (mode == BorderMode::kReplicate || size == 1) return at < 0 ? 0 : size - 1;
    const int64_t period = 2 * (size - 1);
    at %= period;
    if (at < 0) at += period;
    return at < size ? at : period - at;
}

// The three channels at a position anywhere, the image being continued in its own pixels, 0 .. 255.
POSEOPS_HD void sample_continued(const ImageView& image, int64_t x, int64_t y, BorderMode mode,
                                 float values[3]) {
    const int64_t column = whole_pixel(x);
    const int64_t row = whole_pixel(y);
    const int64_t left = border_pixel(column, image.width, mode) * image.column_stride;
    const int64_t right = border_pixel(column + 1, image.width, mode) * image.column_stride;
    const int64_t top = border_pixel(row, image.height, mode) * image.row_stride;
    const int64_t bottom = border_pixel(row + 1, image.height, mode) * image.row_stride;
    const float right_weight = fraction(static_cast<uint32_t>(x));
    const float bottom_weight = fraction(static_cast<uint32_t>(y));
    for (int c = 0; c < 3; ++c) {
        const uint8_t* channel = image.data + c * image.channel_stride;
        values[c] = bilinear(load_pixel(channel + top + left), load_pixel(channel + top + right),
                             load_pixel(channel + bottom + left), load_pixel(channel + bottom + right),
                             right_weight, bottom_weight);
    }
}

POSEOPS_HD void sample_anywhere(const ImageView& image, int64_t x, int64_t y, BorderMode mode,
                                float border_value, float values[3]) {
    if (mode == BorderMode::kConstant) {
        sample_with_border(image, x, y, border_value, values);
    } else {
        sample_continued(image, x, y, mode, values);
    }
}

// A 3x3 matrix row by row.
struct Matrix3 {
    double m[9];
};

POSEOPS_HD double minor(const Matrix3& a, int first, int second, int third, int fourth) {
    return product(a.m[first], a.m[fourth]) - product(a.m[second], a.m[third]);
}

// The inverse times the determinant: the same map of the plane, and no division.
POSEOPS_HD Matrix3 adjugate(const Matrix3& a) {
    return {{minor(a, 4, 5, 7, 8), minor(a, 2, 1, 8, 7), minor(a, 1, 2, 4, 5),  //
             minor(a, 5, 3, 8, 6), minor(a, 0, 2, 6, 8), minor(a, 2, 0, 5, 3),  //
             minor(a, 3, 4, 6, 7), minor(a, 1, 0, 7, 6), minor(a, 0, 1, 3, 4)}};
}

POSEOPS_HD bool is_finite(double value) { return value - value == 0.0; }

// False where the matrix has no inverse or a number is not finite.
POSEOPS_HD bool is_invertible(const Matrix3& a, const Matrix3& adjugate_of_a) {
    for (int i = 0; i < 9; ++i) {
        if (!is_finite(a.m[i]) || !is_finite(adjugate_of_a.m[i])) return false;
    }
    const double determinant = product(a.m[0], adjugate_of_a.m[0]) + product(a.m[1], adjugate_of_a.m[3]) +
                               product(a.m[2], adjugate_of_a.m[6]);
    return is_finite(determinant) && determinant != 0.0;
}

// (numerator x, numerator y, denominator) of the map at (u, v).
POSEOPS_HD void map_point(const Matrix3& a, double u, double v, double out[3]) {
    for (int i = 0; i < 3; ++i) {
        out[i] = product(a.m[3 * i], u) + product(a.m[3 * i + 1], v) + a.m[3 * i + 2];
    }
}

constexpr int32_t kMostSamples = 64;  // per crop pixel and axis
// Lengths are known to this many image pixels: a ratio of 3 that rounding made 3.0000002 still takes 3 samples.
constexpr double kLengthSlack = 1e-3;

// How many samples stand for a step of this many image pixels; 1 for NaN.
POSEOPS_HD int32_t sample_count(double length) {
    if (!(length > 2.0 + kLengthSlack)) return 1;
    if (length >= kMostSamples) return kMostSamples;
    return static_cast<int32_t>(ceil(length - kLengthSlack));
}

struct SampleCounts {
    int32_t across;
    int32_t down;
};

// From the steps in the image at the crop's centre; an affine has the same ones everywhere.
POSEOPS_HD SampleCounts sample_counts(const Matrix3& inverse, int64_t crop_width, int64_t crop_height) {
    double at[3];
    map_point(inverse, 0.5 * static_cast<double>(crop_width - 1), 0.5 * static_cast<double>(crop_height - 1),
              at);
    const double x = at[0] / at[2];
    const double y = at[1] / at[2];
    double length[2];
    for (int axis = 0; axis < 2; ++axis) {
        const double bend = inverse.m[6 + axis];
        const double dx = (inverse.m[axis] - product(x, bend)) / at[2];
        const double dy = (inverse.m[3 + axis] - product(y, bend)) / at[2];
        length[axis] = sqrt(product(dx, dx) + product(dy, dy));
    }
    return {sample_count(length[0]), sample_count(length[1])};
}

// The map into the crop of all samples: u' = across u + (across - 1) / 2, v' likewise.
POSEOPS_HD Matrix3 map_to_samples(const Matrix3& a, SampleCounts counts) {
    const double scale[2] = {static_cast<double>(counts.across), static_cast<double>(counts.down)};
    Matrix3 scaled = a;
    for (int i = 0; i < 6; ++i) {
        const double s = scale[i / 3];
        scaled.m[i] = product(s, a.m[i]) + product(0.5 * (s - 1.0), a.m[6 + i % 3]);
    }
    return scaled;
}

// Where a crop's samples lie in the image.
struct SampleGrid {
    SourceGrid grid;      // of an affine
    Matrix3 perspective;  // sample -> image, where the map is no affine
    SampleCounts counts;
    bool is_perspective;
    bool valid;  // false: the whole crop is border
};

POSEOPS_HD SampleGrid sample_grid(const Matrix3& a, bool is_perspective, bool antialias, int64_t crop_width,
                                  int64_t crop_height) {
    SampleGrid samples = {};
    samples.is_perspective = is_perspective;
    const Matrix3 inverse = adjugate(a);
    samples.counts = antialias ? sample_counts(inverse, crop_width, crop_height) : SampleCounts{1, 1};
    const Matrix3 scaled = map_to_samples(a, samples.counts);
    if (is_perspective) {
        samples.perspective = adjugate(scaled);
        samples.valid = is_invertible(scaled, samples.perspective);
    } else {
        samples.grid =
            source_grid(scaled.m, crop_width * samples.counts.across, crop_height * samples.counts.down);
        samples.valid = samples.grid.valid;
    }
    return samples;
}

struct FixedPosition {
    int64_t x, y;
    bool valid;  // false: on or beyond the limit, or not finite: border
};

POSEOPS_HD FixedPosition perspective_position(const Matrix3& inverse, int64_t u, int64_t v) {
    double at[3];
    map_point(inverse, static_cast<double>(u), static_cast<double>(v), at);
    const double x = at[0] / at[2];
    const double y = at[1] / at[2];
    if (!(fabs(x) < kPositionLimit && fabs(y) < kPositionLimit)) return {0, 0, false};
    return {to_fixed(x), to_fixed(y), true};
}

}  // namespace pyposeops
