// On the CPU: the factors of a joint along one axis, pixel by pixel.
//
// Factors are computed in blocks of a fixed number of pixels, so that a window 13 pixels wide too is one full register.
// A block that would pass the end of the axis is moved back and redoes a few pixels; factors outside a joint's window
// are 0, so a block may also pass the end of the window.
#pragma once

#include <cstdint>

#include "core/gaussian_factor.h"
#include "core/host_device.h"

namespace pyposeops {

constexpr int32_t kGaussianBlock = 16;  // floats in the widest register

// `at`, or as far back as a block needs to end within `length` >= kGaussianBlock elements.
POSEOPS_INLINE int64_t block_start(int64_t at, int64_t length) {
    return at < length - kGaussianBlock ? at : length - kGaussianBlock;
}

template <class Real>
POSEOPS_INLINE void fill_block(Real* factors, int32_t first, int32_t count,
                               const GaussianFactor<Real>& axis) {
#pragma omp simd
    for (int32_t i = first; i < first + count; ++i) {
        const Real value = exp_nonpositive(gaussian_exponent(axis, static_cast<Real>(i)));
        factors[i] = i >= axis.begin && i < axis.end ? value : Real(0);
    }
}

template <class Real>
POSEOPS_INLINE void fill_blurred(Real* factors, int32_t first, int32_t count,
                                 const GaussianFactor<Real>& axis, int64_t length, const GaussianForm& form) {
    for (int32_t i = first; i < first + count; ++i) {
        const bool inside = i >= axis.begin && i < axis.end;
        factors[i] = inside ? axis.gain * factor_value(axis, i, length, form) : Real(0);
    }
}

// Divides by the sum. One partial sum per lane of a block: the same bits on every instruction set.
template <class Real>
POSEOPS_INLINE void normalize(Real* factors, int64_t length) {
    Real lanes[kGaussianBlock] = {};
    int64_t i = 0;
    for (; i + kGaussianBlock <= length; i += kGaussianBlock) {
#pragma omp simd
        for (int32_t lane = 0; lane < kGaussianBlock; ++lane) lanes[lane] += factors[i + lane];
    }
    for (; i < length; ++i) lanes[0] += factors[i];
    Real sum = 0;
    for (int32_t lane = 0; lane < kGaussianBlock; ++lane) sum += lanes[lane];
    const Real gain = Real(1) / sum;
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) factors[j] *= gain;
}

// The factors of a joint on the pixels of its window, and 0 beside it as far as the blocks reach; with `whole`, on the
// whole axis.
template <class Real>
POSEOPS_INLINE void fill_gaussian(Real* factors, const GaussianAxis& axis, int64_t length,
                                  const GaussianForm& form, bool whole) {
    const GaussianFactor<Real> factor = gaussian_factor<Real>(axis, length, form);
    const int32_t begin = whole ? 0 : axis.begin;
    const int32_t end = whole ? static_cast<int32_t>(length) : axis.end;
    const bool blurred = form.encoding == GaussianEncoding::kMegvii;
    if (blurred || length < kGaussianBlock) {
        if (blurred) {
            fill_blurred(factors, 0, static_cast<int32_t>(length), factor, length, form);
        } else {
            fill_block(factors, 0, static_cast<int32_t>(length), factor);
        }
    } else {
        for (int32_t i = begin; i < end; i += kGaussianBlock) {
            fill_block(factors, static_cast<int32_t>(block_start(i, length)), kGaussianBlock, factor);
        }
    }
    if (form.encoding == GaussianEncoding::kNormalized) normalize(factors, length);
}

// Factors along y with the peak of the map in them.
template <class Real>
POSEOPS_INLINE void fill_gaussian_rows(Real* factors, const GaussianJoint& joint, const GaussianForm& form,
                                       bool whole) {
    fill_gaussian(factors, joint.y, form.map_height, form, whole);
    if (form.encoding != GaussianEncoding::kMegvii) return;
    const Real peak = static_cast<Real>(gaussian_peak(form));
    for (int64_t y = 0; y < form.map_height; ++y) factors[y] *= peak;
}

}  // namespace pyposeops
