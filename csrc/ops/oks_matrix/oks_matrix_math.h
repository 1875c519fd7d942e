// The formulas of oks_matrix. Of a detection d and a ground truth g of `area`, over the n joints that count:
//
//   OKS(d, g) = 1/n sum_k exp(-|d_k - g_k|^2 / (2 sigma_k)^2 / (area + eps) / 2)
//
// core/oks.h has the exponent of one joint.
#pragma once

#include <cmath>

#include "core/exp.h"
#include "core/exp_rows.h"
#include "core/host_device.h"
#include "core/oks.h"

namespace pyposeops {

// Where a joint is to be: a point, or anywhere in a box.
template <class Real>
struct OksTarget {
    Real left;
    Real right;
    Real top;
    Real bottom;
};

template <class Real>
POSEOPS_HD OksTarget<Real> oks_point(Real x, Real y) {
    return {x, x, y, y};
}

// COCO's rule for people without a labelled joint: the person's box, three times as wide and high.
template <class Real>
POSEOPS_HD OksTarget<Real> oks_wide_box(Real x, Real y, Real width, Real height) {
    return {x - width, x + width * Real(2), y - height, y + height * Real(2)};
}

// The area of one person as it is used: NaN where it is below 0.
template <class Real>
POSEOPS_HD Real oks_area(Real area) {
    return area < Real(0) ? static_cast<Real>(NAN) : area;
}

// The area of a pair from the ground truth's: that one alone, or the mean with the detection's.
template <class Real>
struct OksPairArea {
    Real other;
    Real share;

    POSEOPS_HD Real operator()(Real area) const { return (area + other) * share; }
};

template <class Real>
POSEOPS_HD OksPairArea<Real> oks_truth_area() {
    return {Real(0), Real(1)};
}

template <class Real>
POSEOPS_HD OksPairArea<Real> oks_mean_area(Real detection_area) {
    return {detection_area, Real(0.5)};
}

// exp(-exponent), on the CPU in vectors: most of the time goes here.
POSEOPS_HD float oks_of_exponent(float exponent) { return exp_nonpositive(-exponent); }
POSEOPS_HD double oks_of_exponent(double exponent) {
#if defined(__CUDA_ARCH__)
    return exp_nonpositive(-exponent);
#else
    return exp_nonpositive_in_rows(-exponent);
#endif
}

// The exponent of one joint, whose similarity is oks_of_exponent of it.
template <class Real>
POSEOPS_HD Real oks_exponent(const OksTarget<Real>& target, Real x, Real y, Real variance, Real area) {
    const Real dx = oks_offset(target.left, x, target.right);
    const Real dy = oks_offset(target.top, y, target.bottom);
    return oks_exponent(dx, dy, variance, area);
}

// The derivative of a joint's similarity in the detection's coordinates.
template <class Real>
struct OksSlope {
    Real x;
    Real y;
};

template <class Real>
POSEOPS_HD OksSlope<Real> oks_slope(const OksTarget<Real>& target, Real x, Real y, Real variance, Real area,
                                    Real similarity) {
    const Real dx = oks_offset(target.left, x, target.right);
    const Real dy = oks_offset(target.top, y, target.bottom);
    const Real down = -similarity * oks_exponent_slope(variance, area);
    return {dx * down, dy * down};
}

}  // namespace pyposeops
