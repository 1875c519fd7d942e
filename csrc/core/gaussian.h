// A Gaussian per joint, for one joint along one axis; the 2-D value is the product of the two axes.
//
// msra      Xiao et al., Simple Baselines, ECCV 2018, with the published window of 3 sigma around the rounded centre
// unbiased  Zhang et al., DARK, CVPR 2020: un-rounded centre, whole map
// udp       Huang et al., UDP, CVPR 2020: window around the rounded centre, Gaussian at the exact one
#pragma once

#include <cmath>
#include <cstdint>

#include "core/exp.h"
#include "core/host_device.h"

namespace pyposeops {

enum class GaussianEncoding : int32_t { kMsra, kUnbiased, kUdp };

// One joint along one axis: the Gaussian's centre and the pixels [begin, end) that it is drawn on.
struct GaussianAxis {
    double centre;
    int32_t begin;
    int32_t end;
    bool off_map;
};

POSEOPS_HD int32_t clamp_to_map(double position, int64_t size) {
    if (!(position > 0.0)) return 0;
    return position < static_cast<double>(size) ? static_cast<int32_t>(position) : static_cast<int32_t>(size);
}

// `position`: the joint in heatmap pixels, in the precision of the keypoints (float or double), because that
// is what gets rounded. Windows are computed in double so that no coordinate, however large, overflows an integer.
template <class Position>
POSEOPS_HD GaussianAxis gaussian_axis(Position position, double sigma, int64_t size,
                                      GaussianEncoding encoding, bool reference_quirks) {
    const double radius = 3.0 * sigma;
    const double exact = static_cast<double>(position);
    const double map_size = static_cast<double>(size);
    if (encoding == GaussianEncoding::kUnbiased) {
        const bool off = exact - radius >= map_size || exact + radius + 1.0 < 0.0;
        return {exact, 0, static_cast<int32_t>(size), off};
    }
    double rounded;
    double first;
    double past;
    double centre;
    bool off;
    if (reference_quirks) {
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
    if (encoding == GaussianEncoding::kUdp) centre += exact - rounded;
    return {centre, clamp_to_map(first, size), clamp_to_map(past, size), off};
}

// -1 / (2 sigma^2), kept finite so that it times a squared distance of 0 is 0 for the smallest sigma too.
template <class Real>
POSEOPS_HD Real gaussian_scale(double sigma) {
    const double scale = -0.5 / (sigma * sigma);
    return static_cast<Real>(scale > -1e37 ? scale : -1e37);
}

// exp(-(pixel - centre)^2 / (2 sigma^2)), with `scale` from gaussian_scale.
template <class Real>
POSEOPS_HD Real gaussian_value(Real pixel, Real centre, Real scale) {
    const Real d = pixel - centre;
    return exp_nonpositive(scale * (d * d));
}

// One joint of one person on one map. `drawn` is false where nothing is to be drawn; then only `weight` counts.
struct GaussianJoint {
    GaussianAxis x;
    GaussianAxis y;
    double sigma;
    double weight;
    bool drawn;
};

// `position_x`, `position_y`: heatmap pixels.
template <class Position>
POSEOPS_HD GaussianJoint gaussian_joint(Position position_x, Position position_y, double visibility,
                                        double sigma, int64_t width, int64_t height,
                                        GaussianEncoding encoding, bool reference_quirks) {
    GaussianJoint joint = {};
    // x - x is NaN for NaN and for infinities.
    const bool finite = position_x - position_x == Position(0) && position_y - position_y == Position(0) &&
                        sigma - sigma == 0.0 && visibility == visibility;
    if (!finite || !(sigma > 0.0)) return joint;
    joint.x = gaussian_axis(position_x, sigma, width, encoding, reference_quirks);
    joint.y = gaussian_axis(position_y, sigma, height, encoding, reference_quirks);
    if (joint.x.off_map || joint.y.off_map) return joint;
    joint.sigma = sigma;
    joint.weight = visibility;
    joint.drawn = visibility >= 0.5 && joint.x.begin < joint.x.end && joint.y.begin < joint.y.end;
    return joint;
}

}  // namespace pyposeops
