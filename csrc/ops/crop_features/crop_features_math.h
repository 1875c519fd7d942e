// Where the window of a joint lies on a map, and how the pixels of a window are blended.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"
#include "core/product.h"

namespace pyposeops {

// Windows that start farther from the origin, in pixels, see nothing of any map; maps and windows are smaller.
constexpr double kCropReach = 536870912.0;  // 2^29: sums of a position and two sizes fit into 32 bits

// Window pixel i lies at map pixel `first + i`, plus `fraction` of a pixel.
struct WindowStart {
    int32_t first;
    double fraction;
    bool known;  // false for a position that is not finite or out of reach
};

// A window of `length` pixels around `center`, which is in pixels of another map: `scale` times its size is this one's.
// Whole pixels: the window whose middle lies nearest, of two equally near the one of lower index.
POSEOPS_HD WindowStart window_start(double center, double scale, bool half_pixel, bool bilinear,
                                    int32_t length) {
    const double shift = half_pixel ? 0.5 : 0.0;
    const double start = rounded_product(center + shift, scale) - shift - 0.5 * (length - 1);
    if (!(fabs(start) < kCropReach)) return {0, 0.0, false};
    const double first = bilinear ? floor(start) : ceil(start - 0.5);
    return {static_cast<int32_t>(first), bilinear ? start - first : 0.0, true};
}

// The pixels [begin, end) of a window that lie on the map; end >= begin.
struct WindowSpan {
    int32_t begin;
    int32_t end;
};

POSEOPS_HD int32_t clamped(int32_t value, int32_t low, int32_t high) {
    return value < low ? low : value > high ? high : value;
}

POSEOPS_HD WindowSpan visible_span(int32_t first, int32_t length, int32_t map_size) {
    const int32_t begin = clamped(-first, 0, length);
    return {begin, clamped(map_size - first, begin, length)};
}

// Between two neighbours; and, with the arguments swapped in place, what a neighbour gets of two gradients.
template <class Real>
POSEOPS_HD Real blend(Real first, Real second, Real fraction) {
    return (Real(1) - fraction) * first + fraction * second;
}

}  // namespace pyposeops
