// One joint of one person as a field of offsets: on which pixels it is drawn, and who wins where several people are.
//
// Distances are in double on every device, because a pixel is in or out, and one joint or the other is nearer.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"
#include "core/product.h"

namespace pyposeops {

// disc      within the radius of the joint
// map       on every pixel
// root_box  on the square of twice the radius around the person's root
enum class OffsetRegion : int32_t { kDisc, kMap, kRootBox };

// Which person's offset stays where several are drawn on a pixel. nearest: the one whose joint is nearest, the first of
// equals. last: the last one. smallest: the smallest person, the last of equals.
enum class OffsetOrder : int32_t { kNearest, kLast, kSmallest };

struct OffsetRule {
    OffsetRegion region;
    OffsetOrder order;
    double radius;      // map pixels
    double multiplier;  // of joint minus pixel; negative for pixel minus joint
};

struct OffsetJoint {
    double x, y;                             // map pixels
    double size;                             // of the person, in order smallest
    int32_t x_begin, x_end, y_begin, y_end;  // the pixels it may be drawn on
};

POSEOPS_HD int32_t pixel_from(double position, int32_t size) {
    if (!(position > 0.0)) return 0;
    return position < static_cast<double>(size) ? static_cast<int32_t>(position) : size;
}

// The pixels around `root`: from its coordinates minus the radius to its coordinates plus the radius, both rounded
// down and the last one excluded; with a radius of 0 the one pixel that the root is in.
POSEOPS_HD void set_root_box(OffsetJoint& joint, double root_x, double root_y, double radius, int32_t width,
                             int32_t height) {
    const double past = radius > 0.0 ? 0.0 : 1.0;
    joint.x_begin = pixel_from(floor(root_x - radius), width);
    joint.y_begin = pixel_from(floor(root_y - radius), height);
    joint.x_end = pixel_from(floor(root_x + radius) + past, width);
    joint.y_end = pixel_from(floor(root_y + radius) + past, height);
}

// The box of a disc, a pixel too large on the far side so that rounding errors cannot cut one off.
POSEOPS_HD void set_disc_box(OffsetJoint& joint, double radius, int32_t width, int32_t height) {
    joint.x_begin = pixel_from(floor(joint.x - radius), width);
    joint.y_begin = pixel_from(floor(joint.y - radius), height);
    joint.x_end = pixel_from(floor(joint.x + radius) + 2.0, width);
    joint.y_end = pixel_from(floor(joint.y + radius) + 2.0, height);
}

POSEOPS_HD double squared_length(double dx, double dy) {
    return rounded_product(dx, dx) + rounded_product(dy, dy);
}

// The smallest size, or squared distance, of the people drawn on a pixel: above all of them where there is none.
constexpr double kNobody = 1.7976931348623157e308;

// What a person is measured by on a pixel `squared` away from its joint.
POSEOPS_HD double offset_measure(const OffsetRule& rule, double size, double squared) {
    return rule.order == OffsetOrder::kSmallest ? size : squared;
}

// Whether a person measured so takes the pixel from those before it, the smallest of whom measured `best`.
POSEOPS_HD bool takes_pixel(OffsetOrder order, double measure, double best) {
    return (measure < best) | (order == OffsetOrder::kLast) |
           ((order == OffsetOrder::kSmallest) & (measure == best));
}

// The mask of a pixel: 1 within the radius of a joint; in order smallest the weight, 1 / size of the person.
POSEOPS_HD double offset_mark(const OffsetRule& rule, double best) {
    if (rule.order == OffsetOrder::kSmallest) return best < kNobody ? 1.0 / best : 0.0;
    return best <= rounded_product(rule.radius, rule.radius) ? 1.0 : 0.0;
}

}  // namespace pyposeops
