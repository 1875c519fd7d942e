// A Gaussian per joint: where it is centred and which pixels it is drawn on, for one joint along one axis. The 2-D value
// is the product of the two axes; the factors are in core/gaussian_factor.h.
//
// msra        Xiao et al., Simple Baselines, ECCV 2018, with the published window of 3 sigma around the rounded centre
// unbiased    Zhang et al., DARK, CVPR 2020: un-rounded centre, whole map
// udp         Huang et al., UDP, CVPR 2020: window around the rounded centre, Gaussian at the exact one
// megvii      Chen et al., CPN, CVPR 2018; Li et al., MSPN, 2019: OpenCV's blur of the joint's pixel
// cmu         Cao et al., OpenPose, CVPR 2017: on the grid of the pixels' centres, cut where it falls below 0.01
// normalized  Nibali et al., DSNT, 2018: the whole map sums to 1
#pragma once

#include <cmath>
#include <cstdint>

#include "core/exp.h"
#include "core/host_device.h"

namespace pyposeops {

enum class GaussianEncoding : int32_t { kMsra, kUnbiased, kUdp, kMegvii, kCmu, kNormalized };

// Whose corner cases are repeated; kFixed nobody's.
enum class GaussianCompat : int32_t { kFixed, kReference, kMspn, kLightningPose };

// What the maps of a call have in common.
struct GaussianForm {
    GaussianEncoding encoding;
    GaussianCompat compat;
    int32_t kernel_size;  // megvii: taps of the blur; odd, at most 2 * min(map size) - 1
    double taps[5];       // up to 9 taps: from the centre outwards, over the one at the centre
    double stride_x;      // input pixels per heatmap pixel
    double stride_y;
    int64_t map_height;
    int64_t map_width;
};

// One joint along one axis: the Gaussian and the pixels [begin, end) that it is drawn on.
struct GaussianAxis {
    double centre;
    double sigma;  // heatmap pixels; infinite: the same value everywhere
    int32_t begin;
    int32_t end;
    bool off_map;
};

// OpenPose draws nothing where the exponent passes 4.6052.
constexpr double kCmuCutExponent = 4.6052;
constexpr double kCmuCutValue = 0.009999701864325247;  // exp(-4.6052)
constexpr double kCmuCutRadius = 3.0348640826238;      // sqrt(2 * 4.6052), in sigmas

POSEOPS_HD int32_t clamp_to_map(double position, int64_t size) {
    if (!(position > 0.0)) return 0;
    return position < static_cast<double>(size) ? static_cast<int32_t>(position) : static_cast<int32_t>(size);
}

POSEOPS_HD GaussianAxis whole_axis(double centre, double sigma, int64_t size, bool off_map) {
    return {centre, sigma, 0, static_cast<int32_t>(size), off_map};
}

// Pixels [first, past) of the map.
POSEOPS_HD GaussianAxis window_axis(double centre, double sigma, double first, double past, int64_t size,
                                    bool off_map) {
    return {centre, sigma, clamp_to_map(first, size), clamp_to_map(past, size), off_map};
}

// msra and udp: a window of 3 sigma around the nearest pixel.
template <class Position>
POSEOPS_HD GaussianAxis rounded_axis(Position position, double sigma, int64_t size,
                                     const GaussianForm& form) {
    const double radius = 3.0 * sigma;
    const double map_size = static_cast<double>(size);
    double rounded;
    double first;
    double past;
    double centre;
    bool off;
    if (form.compat == GaussianCompat::kReference) {
        // As published: truncation toward zero, so windows near the left and top border are shifted when 3
        // sigma is no integer, and a window that ends just before the border counts as on the map.
        rounded = trunc(static_cast<double>(position + Position(0.5)));
        first = trunc(rounded - radius);
        past = trunc(rounded + radius + 1.0);
        centre = first + floor(0.5 * (2.0 * radius + 1.0));
        off = first >= map_size || past < 0.0;
        const double patch_end = first + ceil(2.0 * radius + 1.0);
        past = past < patch_end ? past : patch_end;
    } else {
        rounded = floor(static_cast<double>(position + Position(0.5)));
        first = rounded - floor(radius);
        past = rounded + floor(radius) + 1.0;
        centre = rounded;
        off = first >= map_size || past <= 0.0;
    }
    if (form.encoding == GaussianEncoding::kUdp) centre += static_cast<double>(position) - rounded;
    return window_axis(centre, sigma, first, past, size, off);
}

// `position`: the joint in heatmap pixels, in the precision of the keypoints (float or double), because that
// is what gets rounded. Windows are computed in double so that no coordinate, however large, overflows an integer.
template <class Position>
POSEOPS_HD GaussianAxis gaussian_axis(Position position, double sigma, double stride, int64_t size,
                                      const GaussianForm& form) {
    const double exact = static_cast<double>(position);
    const double map_size = static_cast<double>(size);
    switch (form.encoding) {
        case GaussianEncoding::kUnbiased:
        case GaussianEncoding::kNormalized: {
            const double margin = form.compat == GaussianCompat::kLightningPose ? 1.0 : 3.0 * sigma;
            const bool off = form.compat == GaussianCompat::kLightningPose
                                 ? exact < -margin || exact > map_size + margin
                                 : exact - margin >= map_size || exact + margin + 1.0 < 0.0;
            return whole_axis(exact, sigma, size, off);
        }
        case GaussianEncoding::kMegvii: {
            const double pixel = form.compat == GaussianCompat::kFixed ? floor(exact) : trunc(exact);
            const double radius = static_cast<double>(form.kernel_size / 2);
            const bool off = !(pixel >= 0.0 && pixel < map_size);
            return window_axis(pixel, sigma, pixel - radius, pixel + radius + 1.0, size, off);
        }
        case GaussianEncoding::kCmu: {
            // The centres of the heatmap's pixels lie at stride * i + stride / 2 - 0.5 in the input image.
            const double centre = exact + 0.5 / stride - 0.5;
            const double first = ceil(centre - kCmuCutRadius * sigma);
            const double past = floor(centre + kCmuCutRadius * sigma) + 1.0;
            return window_axis(centre, sigma, first, past, size, first >= map_size || past <= 0.0);
        }
        default:
            return rounded_axis(position, sigma, size, form);
    }
}

// -1 / (2 sigma^2), kept finite so that it times a squared distance of 0 is 0 for the smallest sigma too.
template <class Real>
POSEOPS_HD Real gaussian_scale(double sigma) {
    const double scale = -0.5 / (sigma * sigma);
    return static_cast<Real>(scale > -1e37 ? scale : -1e37);
}

// One joint of one person on one map. `drawn` is false where nothing is to be drawn; then only `weight` counts.
struct GaussianJoint {
    GaussianAxis x;
    GaussianAxis y;
    double weight;
    bool drawn;
};

// Lightning-pose: a joint of visibility 1 is occluded; its map is uniform, wherever the joint is.
POSEOPS_HD bool is_occluded(double visibility, const GaussianForm& form) {
    return form.compat == GaussianCompat::kLightningPose && visibility >= 0.5 && visibility < 1.5;
}

// `position_x`, `position_y`: heatmap pixels.
template <class Position>
POSEOPS_HD GaussianJoint gaussian_joint(Position position_x, Position position_y, double visibility,
                                        double sigma_x, double sigma_y, const GaussianForm& form) {
    GaussianJoint joint = {};
    if (is_occluded(visibility, form)) {
        joint.x = whole_axis(0.0, HUGE_VAL, form.map_width, false);
        joint.y = whole_axis(0.0, HUGE_VAL, form.map_height, false);
        joint.weight = 1.0;
        joint.drawn = true;
        return joint;
    }
    // x - x is NaN for NaN and for infinities.
    const bool finite = position_x - position_x == Position(0) && position_y - position_y == Position(0) &&
                        sigma_x - sigma_x == 0.0 && sigma_y - sigma_y == 0.0 && visibility == visibility;
    if (!finite || !(sigma_x > 0.0) || !(sigma_y > 0.0)) return joint;
    joint.x = gaussian_axis(position_x, sigma_x, form.stride_x, form.map_width, form);
    joint.y = gaussian_axis(position_y, sigma_y, form.stride_y, form.map_height, form);
    if (joint.x.off_map || joint.y.off_map) return joint;
    const bool labels = form.compat == GaussianCompat::kLightningPose;  // then 0 and 2 are no weights
    joint.weight = labels ? (visibility >= 0.5 ? 1.0 : 0.0) : visibility;
    joint.drawn = visibility >= 0.5 && joint.x.begin < joint.x.end && joint.y.begin < joint.y.end;
    return joint;
}

}  // namespace pyposeops
