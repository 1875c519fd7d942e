// The rules of simcc_decode for one joint, on values that are read already.
//
// Source: Li et al., SimCC, ECCV 2022, section 3.1. dark: Zhang et al., DARK, CVPR 2020, along one axis, with the step
// of mmpose 1.x (refine_simcc_dark).
#pragma once

#include <cstdint>

#include "core/exp.h"
#include "core/host_device.h"
#include "core/newton_refine.h"

namespace pyposeops {

// Of the maxima along x and y.
enum class SimccScore : int32_t { kMin, kMax, kMean };

// NaN if one of the two is.
template <class Real>
POSEOPS_HD Real simcc_score(Real x, Real y, SimccScore score) {
    if (score == SimccScore::kMean || x != x || y != y) return Real(0.5) * (x + y);
    return (x < y) == (score == SimccScore::kMin) ? x : y;
}

// The bin of the mirrored crop's row that belongs to bin i: mirrored back, the row moves `shift` bins to the left, and
// its last bins repeat what is last.
POSEOPS_HD int32_t mirrored_bin(int32_t i, int32_t bins, int32_t shift) {
    const int32_t mirrored = bins - 1 - i - shift;
    return mirrored > 0 ? mirrored : 0;
}

// softmax(beta * values), given their maximum and the sum of the exponentials.
template <class Real>
struct RowSoftmax {
    Real beta;
    Real maximum;
    Real inverse_sum;

    POSEOPS_HD Real numerator(Real value) const { return exp_nonpositive(beta * (value - maximum)); }
    POSEOPS_HD Real of(Real value) const { return numerator(value) * inverse_sum; }
};

// Whether the maximum of a row takes a Newton step.
template <class Real>
POSEOPS_HD bool takes_simcc_step(Real maximum) {
    return maximum > Real(0) && maximum - maximum == Real(0);
}

// Nothing for `size` 0: no refinement.
template <class Real>
POSEOPS_INLINE BlurTaps<Real> simcc_taps(int32_t size) {
    return size == 0 ? BlurTaps<Real>{} : blur_taps<Real>(size);
}

constexpr int32_t kDarkBins = 5;  // the maximum's and two to either side

// The bin that is read at `distance` -2 to 2 from the maximum; beyond the border, the border's.
POSEOPS_HD int32_t dark_bin(int32_t index, int32_t distance, int32_t bins) {
    const int32_t bin = index + distance;
    return bin < 0 ? 0 : bin >= bins ? bins - 1 : bin;
}

// Clipping is that of dark_udp, and so is the reasoning when the scale of the smoothed row does not matter.
constexpr HeatmapRefine kSimccClipping = HeatmapRefine::kDarkUdp;

// What the smoothed row's maximum is needed for, given the values that are read.
template <class Real>
POSEOPS_HD Rescaling simcc_rescaling(Real maximum, const Real (&smoothed)[kDarkBins]) {
    Real least = smoothed[0];
    Real largest = smoothed[0];
    for (int32_t j = 1; j < kDarkBins; ++j) {
        least = smoothed[j] < least ? smoothed[j] : least;
        largest = smoothed[j] > largest ? smoothed[j] : largest;
    }
    return rescaling<kSimccClipping>(maximum, least, largest);
}

// The step from the smoothed values, scaled already where that matters; 0 where it is not finite.
template <class Real>
POSEOPS_HD Real simcc_step(const Real (&smoothed)[kDarkBins]) {
    Real logs[kDarkBins];
    for (int32_t j = 0; j < kDarkBins; ++j) logs[j] = log_clipped<kSimccClipping>(smoothed[j]);
    const Real slope = Real(0.5) * (logs[3] - logs[1]);
    const Real curvature = Real(1e-9) + Real(0.25) * ((logs[4] - logs[2]) + (logs[0] - logs[2]));
    const Real step = -slope / curvature;
    return step - step == Real(0) ? step : Real(0);
}

}  // namespace pyposeops
