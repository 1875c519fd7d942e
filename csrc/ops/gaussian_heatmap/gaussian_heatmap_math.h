// The gradient of one Gaussian (core/gaussian.h) in its centre and its width.
#pragma once

#include "core/gaussian.h"
#include "core/host_device.h"

namespace pyposeops {

struct GaussianGradient {
    double x;
    double y;
    double sigma;
};

// From the sums over the map of g * gradient, weighted with (x - cx), (y - cy) and the squared distance:
// dg/dcx = g (x - cx) / sigma^2, dg/dsigma = g d^2 / sigma^3, and 1 / stride from heatmap pixels to the keypoint's own.
POSEOPS_HD GaussianGradient gaussian_gradient(const GaussianJoint& joint, double stride_x, double stride_y,
                                              double moment_x, double moment_y, double moment_square) {
    if (!joint.drawn) return {0.0, 0.0, 0.0};
    const double variance = joint.sigma * joint.sigma;
    return {moment_x / (variance * stride_x), moment_y / (variance * stride_y),
            moment_square / (variance * joint.sigma)};
}

}  // namespace pyposeops
