// One Newton step on the logarithm of the smoothed map, from the peak of the map.
//
// dark       Zhang et al., Distribution-Aware Coordinate Representation (DARK), CVPR 2020, section 3.2
// dark_udp   Huang et al., The Devil is in the Details (UDP), CVPR 2020, with the step of mmpose 1.x
//
// By definition the map is smoothed, scaled back to its former maximum, clipped, and its logarithm taken. All
// derivatives are differences, in which the logarithm of the scale cancels as long as none of the values read
// is clipped. So the smoothed map is needed at a few pixels only, and its maximum almost never.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/host_device.h"
#include "core/peak_refine.h"

namespace pyposeops {

constexpr int32_t kMaxBlurKernel = 63;

// The smoothed map has no maximum at hand yet. It is sought when a refinement first needs it, and kept for
// the next peak.
template <class Real>
constexpr Real kNotSought = Real(0);

// dark reads the 13 pixels within two steps of the peak, dark_udp 7 of the 9 around it: patches of side 2 r + 1.
template <HeatmapRefine kRefine>
struct NewtonPatch {
    static constexpr int32_t kRadius = kRefine == HeatmapRefine::kDark ? 2 : 1;
    static constexpr int32_t kSide = 2 * kRadius + 1;
    static constexpr int32_t kCount = kSide * kSide;
    static constexpr double kClipLow = kRefine == HeatmapRefine::kDark ? 1e-10 : 1e-3;
    static constexpr double kClipHigh =
        kRefine == HeatmapRefine::kDark ? std::numeric_limits<double>::infinity() : 50.0;

    POSEOPS_HD static bool reads(int32_t dx, int32_t dy) {
        if (kRefine == HeatmapRefine::kDarkUdp) return dx * dy >= 0;
        return (dx < 0 ? -dx : dx) + (dy < 0 ? -dy : dy) <= kRadius;
    }

    // The entry for offset d along an axis, moved to the border's own where position + d is off the map.
    POSEOPS_HD static int32_t entry(int32_t position, int32_t d, int32_t size) {
        const int32_t moved = position + d < 0 ? -position : position + d >= size ? size - 1 - position : d;
        return moved + kRadius;
    }
};

// What a warp needs to smooth around a peak: every row of the widest kernel, as wide as the largest patch.
constexpr int32_t kLargestSide = NewtonPatch<HeatmapRefine::kDark>::kSide;
constexpr int32_t kNewtonScratch = (kMaxBlurKernel + kLargestSide - 1) * kLargestSide;

template <HeatmapRefine kRefine>
POSEOPS_HD bool takes_newton_step(int32_t x, int32_t y, int32_t width, int32_t height) {
    return kRefine == HeatmapRefine::kDarkUdp || (x > 1 && x < width - 2 && y > 1 && y < height - 2);
}

// What the maximum of the smoothed map is needed for, given the map's peak p and the least and the largest of
// the smoothed values that are read. Scaling multiplies by p / maximum, which is at least 1 and leaves no
// value above p.
enum class Rescaling { kCancels, kFlat, kByMaximum };

template <HeatmapRefine kRefine, class Real>
POSEOPS_HD Rescaling rescaling(Real peak, Real least, Real largest) {
    const Real low = static_cast<Real>(NewtonPatch<kRefine>::kClipLow);
    const Real high = static_cast<Real>(NewtonPatch<kRefine>::kClipHigh);
    if (least >= low && peak <= high) return Rescaling::kCancels;
    if (largest <= Real(0) || peak <= low || least >= high) return Rescaling::kFlat;  // all are clipped alike
    return Rescaling::kByMaximum;
}

template <HeatmapRefine kRefine, class Real>
POSEOPS_HD Real log_clipped(Real value) {
    const Real low = static_cast<Real>(NewtonPatch<kRefine>::kClipLow);
    const Real high = static_cast<Real>(NewtonPatch<kRefine>::kClipHigh);
    return natural_log(value < low ? low : value > high ? high : value);
}

// -H^-1 g; 0 where H is singular or the step is not finite. The two products of the determinant are compared,
// because their difference, fused, need not be 0 when they are equal.
template <class Real>
POSEOPS_HD HeatmapOffset<Real> newton_step(Real dx, Real dy, Real dxx, Real dyy, Real dxy) {
    const Real straight = dxx * dyy;
    const Real mixed = dxy * dxy;
    if (straight == mixed) return {Real(0), Real(0)};
    const Real determinant = straight - mixed;
    const Real x = (dxy * dy - dyy * dx) / determinant;
    const Real y = (dxy * dx - dxx * dy) / determinant;
    const bool finite = x - x == Real(0) && y - y == Real(0);
    return {finite ? x : Real(0), finite ? y : Real(0)};
}

// `logs`: the patch around the peak, row by row. Neighbours are subtracted first, so that values repeated
// beyond a border cancel exactly.
template <HeatmapRefine kRefine, class Real>
POSEOPS_HD HeatmapOffset<Real> newton_offset(const Real* logs) {
    constexpr int32_t kSide = NewtonPatch<kRefine>::kSide;
    const Real* l = logs + NewtonPatch<kRefine>::kCount / 2;  // l[dx + dy * kSide]
    const Real dx = Real(0.5) * (l[1] - l[-1]);
    const Real dy = Real(0.5) * (l[kSide] - l[-kSide]);
    if constexpr (kRefine == HeatmapRefine::kDark) {
        const Real dxx = Real(0.25) * ((l[2] - l[0]) + (l[-2] - l[0]));
        const Real dyy = Real(0.25) * ((l[2 * kSide] - l[0]) + (l[-2 * kSide] - l[0]));
        const Real dxy = Real(0.25) * ((l[kSide + 1] - l[-kSide + 1]) - (l[kSide - 1] - l[-kSide - 1]));
        return newton_step(dx, dy, dxx, dyy, dxy);
    } else {
        const Real epsilon = static_cast<Real>(std::numeric_limits<float>::epsilon());
        const Real dxx = (l[1] - l[0]) + (l[-1] - l[0]);
        const Real dyy = (l[kSide] - l[0]) + (l[-kSide] - l[0]);
        const Real after = (l[kSide + 1] - l[1]) - (l[kSide] - l[0]);
        const Real before = (l[-kSide - 1] - l[-1]) - (l[-kSide] - l[0]);
        return newton_step(dx, dy, dxx + epsilon, dyy + epsilon, Real(0.5) * (after + before));
    }
}

// The taps of OpenCV's GaussianBlur with `size` taps and no sigma given: tables up to 9, a formula beyond.
template <class Real>
struct BlurTaps {
    Real tap[kMaxBlurKernel];
    int32_t size;
};

template <class Real>
POSEOPS_INLINE BlurTaps<Real> blur_taps(int32_t size) {
    constexpr double kTables[4][5] = {{2 / 4., 1 / 4., 0, 0, 0},
                                      {6 / 16., 4 / 16., 1 / 16., 0, 0},
                                      {9 / 32., 7 / 32., 3.5 / 32., 1 / 32., 0},
                                      {60 / 256., 51 / 256., 30 / 256., 13 / 256., 4 / 256.}};
    const int32_t radius = size / 2;
    const double sigma = 0.3 * (radius - 1) + 0.8;
    double weight[kMaxBlurKernel];
    double sum = 0.0;
    for (int32_t i = 0; i < size; ++i) {
        const int32_t distance = i < radius ? radius - i : i - radius;
        weight[i] =
            size <= 9 ? kTables[radius - 1][distance] : exp(-0.5 * distance * distance / (sigma * sigma));
        sum += weight[i];
    }
    BlurTaps<Real> taps = {};
    taps.size = size;
    for (int32_t i = 0; i < size; ++i) taps.tap[i] = static_cast<Real>(weight[i] / sum);
    return taps;
}

// The taps for the refinements that smooth; nothing for the others.
template <class Real>
POSEOPS_INLINE BlurTaps<Real> blur_taps_of(const PeakRefinement& refinement) {
    return smooths(refinement.refine) ? blur_taps<Real>(refinement.blur_kernel) : BlurTaps<Real>{};
}

}  // namespace pyposeops
