// The object keypoint similarity of one joint, in the order of operations of COCO's published evaluation: in float64 the
// exponents have its bits.
#pragma once

#include "core/host_device.h"

namespace pyposeops {

constexpr double kOksEps = 2.220446049250313e-16;  // np.spacing(1): COCO's evaluation adds it to the area

// What divides the squared distance of a joint, beside the area: (2 sigma)^2.
template <class Real>
POSEOPS_HD Real oks_variance(Real sigma) {
    const Real twice = sigma * Real(2);
    return twice * twice;
}

// How far `value` lies beyond [low, high], with the sign of the way out; 0 inside, NaN for NaN. With low == high it is the
// plain difference, to the last bit.
template <class Real>
POSEOPS_HD Real oks_offset(Real low, Real value, Real high) {
    const Real above = value - high;
    const Real below = value - low;
    return (above < Real(0) ? Real(0) : above) + (below > Real(0) ? Real(0) : below);
}

// The similarity of the joint is exp(-oks_exponent).
template <class Real>
POSEOPS_HD Real oks_exponent(Real dx, Real dy, Real variance, Real area) {
    return (dx * dx + dy * dy) / variance / (area + static_cast<Real>(kOksEps)) / Real(2);
}

// The derivative of oks_exponent in dx is dx times this.
template <class Real>
POSEOPS_HD Real oks_exponent_slope(Real variance, Real area) {
    return Real(1) / variance / (area + static_cast<Real>(kOksEps));
}

}  // namespace pyposeops
