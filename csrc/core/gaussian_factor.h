// The value of a joint's Gaussian at a pixel, as the product of a factor along x and one along y.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/exp.h"
#include "core/gaussian.h"
#include "core/host_device.h"

namespace pyposeops {

// One axis of a joint in the type that values are computed in: gain * exp(scale * (pixel - centre)^2), relative to the
// value at `anchor`. 0 outside [begin, end).
template <class Real>
struct GaussianFactor {
    Real centre;
    Real
        anchor;  // the centre; normalized: the pixel nearest to it, so that the sum over the pixels is at least 1
    Real scale;
    Real gain;
    int32_t begin;
    int32_t end;
};

// A product below this is 0.
template <class Real>
POSEOPS_HD Real gaussian_cut(const GaussianForm& form) {
    return form.encoding == GaussianEncoding::kCmu ? static_cast<Real>(kCmuCutValue) : Real(0);
}

// scale * ((pixel - centre)^2 - (anchor - centre)^2), in a form that is exactly 0 at the anchor.
template <class Real>
POSEOPS_HD Real gaussian_exponent(const GaussianFactor<Real>& factor, Real pixel) {
    const Real squares =
        (pixel - factor.anchor) * ((pixel - factor.centre) + (factor.anchor - factor.centre));
    return factor.scale * squares;
}

// The sigma that OpenCV gives a blur of `size` taps.
POSEOPS_HD double blur_sigma(int32_t size) { return 0.3 * (size / 2 - 1) + 0.8; }

// The tap `distance` pixels from the centre of OpenCV's blur with no sigma given, over the tap at the centre: tables up
// to 9 taps (form.taps), a Gaussian beyond.
template <class Real>
POSEOPS_HD Real blur_tap(int32_t distance, const GaussianForm& form, Real scale) {
    if (distance > form.kernel_size / 2) return Real(0);
    if (form.kernel_size <= 9) return static_cast<Real>(form.taps[distance]);
    return exp_nonpositive(scale * static_cast<Real>(distance * distance));
}

// A 1 at pixel `joint`, blurred, at `pixel`: the border is a mirror through the middle of pixels 0 and `last`, so what
// falls over it comes back. The blur reaches no farther than the other border.
template <class Real>
POSEOPS_HD Real blurred_pixel(int32_t pixel, int32_t joint, int32_t last, const GaussianForm& form,
                              Real scale) {
    const int32_t distance = pixel > joint ? pixel - joint : joint - pixel;
    Real value = blur_tap(distance, form, scale);
    if (joint > 0) value += blur_tap(pixel + joint, form, scale);
    if (joint < last) value += blur_tap(2 * last - joint - pixel, form, scale);
    return value;
}

// What makes a blurred pixel 1: where the joint is, or (MSPN) where the map is largest, which next to a border is not
// the joint's pixel.
template <class Real>
POSEOPS_HD Real blurred_gain(const GaussianFactor<Real>& factor, int32_t last, const GaussianForm& form) {
    const auto joint = static_cast<int32_t>(factor.centre);
    Real largest = blurred_pixel(joint, joint, last, form, factor.scale);
    if (form.compat == GaussianCompat::kMspn) {
        for (int32_t i = factor.begin; i < factor.end; ++i) {
            const Real value = blurred_pixel(i, joint, last, form, factor.scale);
            largest = value > largest ? value : largest;
        }
    }
    return Real(1) / largest;
}

// `normalized` maps come out relative to their largest value: the caller divides by the sum over the axis.
template <class Real>
POSEOPS_HD GaussianFactor<Real> gaussian_factor(const GaussianAxis& axis, int64_t size,
                                                const GaussianForm& form) {
    GaussianFactor<Real> factor = {static_cast<Real>(axis.centre),
                                   static_cast<Real>(axis.centre),
                                   gaussian_scale<Real>(axis.sigma),
                                   Real(1),
                                   axis.begin,
                                   axis.end};
    if (form.encoding == GaussianEncoding::kNormalized) {
        const int32_t nearest = clamp_to_map(axis.centre + 0.5, size);
        factor.anchor = static_cast<Real>(nearest < size ? nearest : size - 1);
    }
    if (form.encoding == GaussianEncoding::kMegvii && axis.begin < axis.end) {
        factor.gain = blurred_gain(factor, static_cast<int32_t>(size) - 1, form);
    }
    return factor;
}

// Without the gain.
template <class Real>
POSEOPS_HD Real factor_value(const GaussianFactor<Real>& factor, int32_t pixel, int64_t size,
                             const GaussianForm& form) {
    if (form.encoding == GaussianEncoding::kMegvii) {
        return blurred_pixel(pixel, static_cast<int32_t>(factor.centre), static_cast<int32_t>(size) - 1, form,
                             factor.scale);
    }
    return exp_nonpositive(gaussian_exponent(factor, static_cast<Real>(pixel)));
}

// The peak of a map: 255 for megvii, else 1.
POSEOPS_HD double gaussian_peak(const GaussianForm& form) {
    return form.encoding == GaussianEncoding::kMegvii ? 255.0 : 1.0;
}

// Sums over an axis of the factors (no gain) times 1, (pixel - centre) and (pixel - centre)^2. Nine sigmas away a pixel
// adds less than a double can hold.
template <class Real>
struct GaussianAxisSums {
    Real plain;
    Real first;
    Real second;
};

template <class Real>
POSEOPS_HD GaussianAxisSums<Real> gaussian_axis_sums(const GaussianFactor<Real>& factor, double sigma,
                                                     int64_t size) {
    const double anchor = static_cast<double>(factor.anchor);
    const int32_t begin = clamp_to_map(anchor - 9.0 * sigma, size);
    const int32_t end = clamp_to_map(anchor + 9.0 * sigma + 1.0, size);
    GaussianAxisSums<Real> sums = {};
    for (int32_t i = begin; i < end; ++i) {
        const Real value = exp_nonpositive(gaussian_exponent(factor, static_cast<Real>(i)));
        const Real distance = static_cast<Real>(i) - factor.centre;
        sums.plain += value;
        sums.first += value * distance;
        sums.second += value * (distance * distance);
    }
    return sums;
}

}  // namespace pyposeops
