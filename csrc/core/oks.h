// Object keypoint similarity, joint by joint, in float64.
#pragma once

#include "core/host_device.h"

namespace pyposeops {

constexpr double kOksEps =
    2.220446049250313e-16;  // the spacing of 1, which COCO's evaluation adds to the area

POSEOPS_HD double oks_variance(double sigma) { return (2.0 * sigma) * (2.0 * sigma); }

// A joint's similarity is exp(-oks_exponent). In the order of operations of COCO's evaluation.
POSEOPS_HD double oks_exponent(double dx, double dy, double variance, double area) {
    return (dx * dx + dy * dy) / variance / (area + kOksEps) / 2.0;
}

}  // namespace pyposeops
