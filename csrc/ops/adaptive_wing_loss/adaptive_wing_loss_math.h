// The adaptive wing error of one pixel: Wang, Bo, Fuxin, Adaptive Wing Loss for Robust Face Alignment via Heatmap
// Regression, ICCV 2019, section 4. With d = |p - t| and n = alpha - t:
//
//     d < theta   omega ln(1 + (d / epsilon)^n)
//     otherwise   A d - C, the tangent of the former at theta
//
// Both are one formula: with r = min(d, theta), the value and the slope at r, and on from there along the slope.
#pragma once

#include "core/exp.h"
#include "core/host_device.h"
#include "core/log.h"
#include "core/map_error.h"

namespace pyposeops {

template <class Real>
struct AdaptiveWing {
    static constexpr double kSlopeScale = 1.0;

    Real alpha;
    Real omega;
    Real log_epsilon;
    Real theta;

    POSEOPS_HD ErrorValue<Real> operator()(Real value, Real target) const {
        const Real difference = value - target;
        const Real distance = difference < Real(0) ? -difference : difference;
        const Real power = alpha - target;
        const Real curved = distance < theta ? distance : theta;
        const Real ratio = exp_up_to_88(power * (log_normal(curved) - log_epsilon));  // (r / epsilon)^n
        const Real steep = omega * power * ratio / (curved * (Real(1) + ratio));
        const Real slope = distance == Real(0) ? Real(0) : steep;
        const Real loss = omega * log1p_nonnegative(ratio) + slope * (distance - curved);
        return {loss, difference < Real(0) ? -slope : slope};
    }
};

}  // namespace pyposeops
