// The gradient of one Gaussian (core/gaussian_factor.h) in its centre and its width.
#pragma once

#include "core/gaussian.h"
#include "core/gaussian_factor.h"
#include "core/host_device.h"

namespace pyposeops {

// Sums over a map of g * gradient, with g the drawn value, times 1, the distance to the centre along an axis, and that
// distance squared.
template <class Real>
struct GaussianMoments {
    Real plain;
    Real x, y;
    Real xx, yy;
};

struct GaussianAxisGradient {
    double centre;  // per heatmap pixel
    double sigma;
};

struct GaussianGradient {
    GaussianAxisGradient x;
    GaussianAxisGradient y;
};

// dg/dcentre = g d / sigma^2 and dg/dsigma = g d^2 / sigma^3; where g is divided by the sum over the axis, both less
// their mean over the axis.
template <class Real>
POSEOPS_HD GaussianAxisGradient gaussian_axis_gradient(const GaussianAxis& axis, int64_t size,
                                                       const GaussianForm& form, double plain, double first,
                                                       double second) {
    if (form.encoding == GaussianEncoding::kNormalized) {
        const auto factor = gaussian_factor<Real>(axis, size, form);
        const GaussianAxisSums<Real> sums = gaussian_axis_sums(factor, axis.sigma, size);
        first -= plain * static_cast<double>(sums.first / sums.plain);
        second -= plain * static_cast<double>(sums.second / sums.plain);
    }
    const double variance = axis.sigma * axis.sigma;
    return {first / variance, second / (variance * axis.sigma)};
}

template <class Real>
POSEOPS_HD GaussianGradient gaussian_gradient(const GaussianJoint& joint, const GaussianForm& form,
                                              const GaussianMoments<Real>& moments) {
    if (!joint.drawn) return {};
    return {
        gaussian_axis_gradient<Real>(joint.x, form.map_width, form, moments.plain, moments.x, moments.xx),
        gaussian_axis_gradient<Real>(joint.y, form.map_height, form, moments.plain, moments.y, moments.yy)};
}

}  // namespace pyposeops
