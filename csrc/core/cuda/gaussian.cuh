// A Gaussian per joint, as kernels hold it in registers or shared memory.
#pragma once

#include <cstdint>

#include "core/gaussian.h"

namespace pyposeops {

// A joint as the inner loop needs it; an empty box draws nothing.
template <class Real>
struct StagedJoint {
    Real centre_x, centre_y, scale;
    int32_t x_begin, x_end, y_begin, y_end;
};

template <class Real>
__device__ __forceinline__ StagedJoint<Real> stage(const GaussianJoint& joint) {
    if (!joint.drawn) return {Real(0), Real(0), Real(0), 0, 0, 0, 0};
    return {static_cast<Real>(joint.x.centre),
            static_cast<Real>(joint.y.centre),
            gaussian_scale<Real>(joint.sigma),
            joint.x.begin,
            joint.x.end,
            joint.y.begin,
            joint.y.end};
}

template <class Real>
__device__ __forceinline__ Real value_at(const StagedJoint<Real>& joint, int32_t x, int32_t y) {
    const bool inside = x >= joint.x_begin && x < joint.x_end && y >= joint.y_begin && y < joint.y_end;
    if (!inside) return Real(0);
    const Real dx = static_cast<Real>(x) - joint.centre_x;
    const Real dy = static_cast<Real>(y) - joint.centre_y;
    return exp_nonpositive(joint.scale * (dx * dx + dy * dy));
}

}  // namespace pyposeops
