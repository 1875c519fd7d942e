// A Gaussian per joint, as kernels hold it in registers or shared memory.
#pragma once

#include <cstdint>

#include "core/gaussian_factor.h"
#include "core/gaussian_joints.h"

namespace pyposeops {

// A joint as the inner loop needs it; an empty box draws nothing.
template <class Real>
struct StagedJoint {
    GaussianFactor<Real> x;
    GaussianFactor<Real> y;
};

template <class Real>
__device__ __forceinline__ StagedJoint<Real> stage(const GaussianJoint& joint, const GaussianForm& form) {
    if (!joint.drawn) return {};
    StagedJoint<Real> staged = {gaussian_factor<Real>(joint.x, form.map_width, form),
                                gaussian_factor<Real>(joint.y, form.map_height, form)};
    staged.x.gain *= static_cast<Real>(gaussian_peak(form));
    if (form.encoding == GaussianEncoding::kNormalized) {
        staged.x.gain = Real(1) / gaussian_axis_sums(staged.x, joint.x.sigma, form.map_width).plain;
        staged.y.gain = Real(1) / gaussian_axis_sums(staged.y, joint.y.sigma, form.map_height).plain;
    }
    return staged;
}

template <class Real>
__device__ __forceinline__ Real value_at(const StagedJoint<Real>& joint, int32_t x, int32_t y,
                                         const GaussianForm& form) {
    const bool inside = x >= joint.x.begin && x < joint.x.end && y >= joint.y.begin && y < joint.y.end;
    if (!inside) return Real(0);
    const Real gain = joint.x.gain * joint.y.gain;
    if (form.encoding == GaussianEncoding::kMegvii) {
        return gain * factor_value(joint.x, x, form.map_width, form) *
               factor_value(joint.y, y, form.map_height, form);
    }
    const Real exponent =
        gaussian_exponent(joint.x, static_cast<Real>(x)) + gaussian_exponent(joint.y, static_cast<Real>(y));
    const Real value = gain * exp_nonpositive(exponent);
    return value >= gaussian_cut<Real>(form) ? value : Real(0);
}

}  // namespace pyposeops
