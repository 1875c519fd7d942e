// One limb of one person: which pixels it covers, and how strong its unit vector is there.
//
// The geometry is in double on every device, because a pixel is in or out: integer joints with a half width of 1 put
// whole rows of pixels exactly on the edge.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/exp.h"
#include "core/host_device.h"
#include "core/product.h"

namespace pyposeops {

// flat      1 where the limb covers the pixel: Cao et al., CVPR 2017, equation 8
// linear    1 - d / half_width where it covers the pixel
// gaussian  exp(-d^2 / half_width^2), d the distance to the segment, on the whole map
// quartic   exp(-d^4 / (2 half_width^2)), likewise
enum class LimbProfile : int32_t { kFlat, kLinear, kGaussian, kQuartic };

// Where a flat or linear limb ends along its axis.
// clipped      at the joints
// openpose     at the sides of the joints' box grown by half_width, rounded, the last pixel left out
// lightweight  likewise, rounded down
enum class LimbEnds : int32_t { kClipped, kOpenPose, kLightweight };

struct LimbShape {
    LimbProfile profile;
    LimbEnds ends;
    double half_width;  // map pixels
};

POSEOPS_HD bool has_edges(const LimbShape& shape) {
    return shape.profile == LimbProfile::kFlat || shape.profile == LimbProfile::kLinear;
}

struct Limb {
    double start_x, start_y;
    double along_x, along_y;  // from the first joint to the second
    double unit_x, unit_y;
    double length_squared;  // 0: there is no limb
    double inverse_square;
    double edge;  // the largest |cross product| on the limb: half_width times length
    int32_t x_begin, x_end, y_begin, y_end;  // no pixel outside is touched
};

POSEOPS_HD int32_t first_pixel_from(double position, int32_t size) {
    if (!(position > 0.0)) return 0;
    return position < static_cast<double>(size) ? static_cast<int32_t>(position) : size;
}

// Beyond this distance from the segment the value is below the smallest normal number of Real, hence 0.
template <class Real>
POSEOPS_HD double limb_reach(const LimbShape& shape) {
    const double exponent = sizeof(Real) == sizeof(double) ? 709.0 : 88.0;
    return shape.profile == LimbProfile::kGaussian ? shape.half_width * sqrt(exponent)
                                                   : sqrt(shape.half_width * sqrt(2.0 * exponent));
}

// The limb between two joints in map pixels. Joints at the same place have no direction and no limb.
template <class Real>
POSEOPS_HD Limb make_limb(double ax, double ay, double bx, double by, const LimbShape& shape, int32_t width,
                          int32_t height) {
    Limb limb = {};
    const double vx = bx - ax;
    const double vy = by - ay;
    const double squared = rounded_product(vx, vx) + rounded_product(vy, vy);
    if (!(squared > 0.0) || squared - squared != 0.0) return limb;  // zero, NaN or infinite
    const double length = sqrt(squared);
    limb.start_x = ax;
    limb.start_y = ay;
    limb.along_x = vx;
    limb.along_y = vy;
    limb.unit_x = vx / length;
    limb.unit_y = vy / length;
    limb.length_squared = squared;
    limb.inverse_square = 1.0 / squared;
    limb.edge = rounded_product(shape.half_width, length);

    double side_x = shape.half_width;
    double side_y = shape.half_width;
    double before = 0.0;  // added before rounding down
    double past = 0.0;
    if (!has_edges(shape)) {
        side_x = side_y = limb_reach<Real>(shape);
        past = 2.0;
    } else if (shape.ends == LimbEnds::kClipped) {
        side_x *= fabs(limb.unit_y);
        side_y *= fabs(limb.unit_x);
        past = 2.0;  // one for the open end, one so that rounding errors cannot cut a pixel off
    } else if (shape.ends == LimbEnds::kOpenPose) {
        before = past = 0.5;
    }
    limb.x_begin = first_pixel_from(floor((ax < bx ? ax : bx) - side_x + before), width);
    limb.y_begin = first_pixel_from(floor((ay < by ? ay : by) - side_y + before), height);
    limb.x_end = first_pixel_from(floor((ax > bx ? ax : bx) + side_x + past), width);
    limb.y_end = first_pixel_from(floor((ay > by ? ay : by) + side_y + past), height);
    return limb;
}

// Twice the area between the axis and the pixel: the distance from the axis times the length.
POSEOPS_HD double limb_cross(const Limb& limb, double dx, double dy) {
    return rounded_product(limb.along_x, dy) - rounded_product(limb.along_y, dx);
}

POSEOPS_HD double limb_dot(const Limb& limb, double dx, double dy) {
    return rounded_product(limb.along_x, dx) + rounded_product(limb.along_y, dy);
}

// Whether a limb with edges covers a pixel of its box, (dx, dy) away from the first joint.
POSEOPS_HD bool limb_covers(const Limb& limb, LimbEnds ends, double dx, double dy) {
    const double cross = limb_cross(limb, dx, dy);
    const double dot = limb_dot(limb, dx, dy);
    const bool between = (dot >= 0.0) & (dot <= limb.length_squared);
    return (fabs(cross) <= limb.edge) & (between | (ends != LimbEnds::kClipped));
}

POSEOPS_HD double squared_distance_to_limb(const Limb& limb, double dx, double dy) {
    const double dot = limb_dot(limb, dx, dy);
    const double positive = dot > 0.0 ? dot : 0.0;
    const double share =
        (positive < limb.length_squared ? positive : limb.length_squared) * limb.inverse_square;
    const double off_x = dx - share * limb.along_x;
    const double off_y = dy - share * limb.along_y;
    return off_x * off_x + off_y * off_y;
}

// The factor of a squared distance (gaussian) or of its square (quartic) in the exponent, kept finite.
POSEOPS_HD double limb_exponent_scale(const LimbShape& shape) {
    const double share = shape.profile == LimbProfile::kGaussian ? -1.0 : -0.5;
    const double scale = share / (shape.half_width * shape.half_width);
    return scale > -1e30 ? scale : -1e30;
}

// How strong the unit vector is at a covered pixel. `scale`: limb_exponent_scale.
template <LimbProfile kProfile, class Real>
POSEOPS_HD Real limb_strength(const Limb& limb, double scale, double dx, double dy) {
    if (kProfile == LimbProfile::kFlat) return Real(1);
    if (kProfile == LimbProfile::kLinear) {
        return static_cast<Real>(1.0 - fabs(limb_cross(limb, dx, dy)) / limb.edge);
    }
    const double squared = squared_distance_to_limb(limb, dx, dy);
    const double power = kProfile == LimbProfile::kGaussian ? squared : squared * squared;
    return exp_nonpositive(static_cast<Real>(scale * power));
}

}  // namespace pyposeops
