// Where a position in a crop lies in the image that the crop was cut from.
#pragma once

#include <cstdint>
#include <limits>

#include "core/convert.h"
#include "core/host_device.h"
#include "core/tensor_view.h"

namespace pyposeops {

struct Position {
    double x;
    double y;
};

// The image position of a crop's, with the affine ((a, b, c), (d, e, f)) from image to crop. NaN where that has no
// inverse.
POSEOPS_HD Position image_position(Position crop, const double (&affine)[6]) {
    const double a = affine[0], b = affine[1], d = affine[3], e = affine[4];
    const double determinant = a * e - b * d;
    const double u = crop.x - affine[2];
    const double v = crop.y - affine[5];
    const Position image = {(e * u - b * v) / determinant, (a * v - d * u) / determinant};
    const bool usable =
        determinant - determinant == 0.0 && image.x - image.x == 0.0 && image.y - image.y == 0.0;
    if (usable) return image;
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    return {kNan, kNan};
}

// The same with the affine of crop b, of a (B, 2, 3) tensor.
POSEOPS_HD Position image_position(Position crop, const TensorView& affines, int64_t b) {
    double affine[6];
    for (int32_t j = 0; j < 6; ++j) {
        const int64_t at = b * affines.strides[0] + j / 3 * affines.strides[1] + j % 3 * affines.strides[2];
        affine[j] = load_any<double>(affines.data, affines.dtype, at);
    }
    return image_position(crop, affine);
}

}  // namespace pyposeops
