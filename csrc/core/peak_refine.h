// Refinements of a peak below the pixel that read the map as it is. For dark and dark_udp see
// newton_refine.h.
//
// quarter         Newell et al., Stacked Hourglass Networks, ECCV 2016, with the border rule of HRNet's code
// quarter_mmpose  the same step with the border rule of mmpose
// parabola        the vertex of a parabola through three log-values: exact for a Gaussian without noise
// centroid        Cao et al., OpenPose, TPAMI 2021, as its code does it: the mean
//                 position of the positive values around the peak
#pragma once

#include <cmath>
#include <cstdint>

#include "core/dtype.h"
#include "core/heatmap_pixels.h"
#include "core/host_device.h"

namespace pyposeops {

enum class HeatmapRefine : int32_t { kNone, kQuarter, kQuarterMmpose, kDark, kDarkUdp, kParabola, kCentroid };

struct PeakRefinement {
    HeatmapRefine refine;
    int32_t blur_kernel;      // taps, odd, of kDark and kDarkUdp
    int32_t centroid_radius;  // of the window of kCentroid
};

template <class Real>
struct HeatmapOffset {
    Real x;
    Real y;
};

// Whether a peak is refined; for dark and dark_udp, `peak` is the map's maximum. An infinite one or a NaN
// moves nothing but the quarter steps.
template <class Real>
POSEOPS_HD bool is_refined(HeatmapRefine refine, Real peak) {
    if (refine == HeatmapRefine::kNone) return false;
    const bool finite = peak - peak == Real(0);
    return finite || refine == HeatmapRefine::kQuarter || refine == HeatmapRefine::kQuarterMmpose;
}

// The sign of a - b; 0 for two equal infinities.
template <class Real>
POSEOPS_HD Real sign_of_difference(Real a, Real b) {
    return static_cast<Real>(static_cast<int32_t>(a > b) - static_cast<int32_t>(a < b));
}

template <class Map>
POSEOPS_HD HeatmapOffset<typename Map::Real> quarter_offset(const Map& map, int32_t x, int32_t y,
                                                            bool per_axis) {
    using Real = typename Map::Real;
    const bool inside_x = x > 1 && x < map.width - 1;
    const bool inside_y = y > 1 && y < map.height - 1;
    const bool take_x = inside_x && (per_axis ? y > 0 : inside_y);
    const bool take_y = inside_y && (per_axis ? x > 0 : inside_x);
    HeatmapOffset<Real> offset = {Real(0), Real(0)};
    if (take_x) offset.x = Real(0.25) * sign_of_difference(map.at(x + 1, y), map.at(x - 1, y));
    if (take_y) offset.y = Real(0.25) * sign_of_difference(map.at(x, y + 1), map.at(x, y - 1));
    return offset;
}

POSEOPS_HD float natural_log(float value) { return logf(value); }
POSEOPS_HD double natural_log(double value) { return log(value); }

// NaN stays NaN.
template <class Real>
POSEOPS_HD Real log_above_1e_10(Real value) {
    return natural_log(value < Real(1e-10) ? Real(1e-10) : value);
}

// The peak at `centre` is not below its neighbours, so both falls are at most 0 and the vertex is within half a pixel.
// Beside a NaN the peak stays where it is.
template <class Real>
POSEOPS_HD Real parabola_vertex(Real before, Real centre, Real after) {
    const Real log_centre = log_above_1e_10(centre);
    const Real fall_before = log_above_1e_10(before) - log_centre;
    const Real fall_after = log_above_1e_10(after) - log_centre;
    const Real curvature = fall_before + fall_after;
    if (!(curvature < Real(0))) return Real(0);
    const Real offset = Real(0.5) * (fall_before - fall_after) / curvature;
    return offset < Real(-0.5) ? Real(-0.5) : offset > Real(0.5) ? Real(0.5) : offset;
}

template <class Map>
POSEOPS_HD HeatmapOffset<typename Map::Real> parabola_offset(const Map& map, int32_t x, int32_t y) {
    using Real = typename Map::Real;
    const Real centre = map.at(x, y);
    HeatmapOffset<Real> offset = {Real(0), Real(0)};
    if (x > 0 && x < map.width - 1) offset.x = parabola_vertex(map.at(x - 1, y), centre, map.at(x + 1, y));
    if (y > 0 && y < map.height - 1) offset.y = parabola_vertex(map.at(x, y - 1), centre, map.at(x, y + 1));
    return offset;
}

// The mean of the positions in the window, weighted with the positive values; 0 where their sum is not finite or 0.
template <class Map>
POSEOPS_HD HeatmapOffset<typename Map::Real> centroid_offset(const Map& map, int32_t x, int32_t y,
                                                             int32_t radius) {
    using Real = typename Map::Real;
    Real sum = Real(0);
    Real sum_x = Real(0);
    Real sum_y = Real(0);
    for (int32_t dy = -radius; dy <= radius; ++dy) {
        if (y + dy < 0 || y + dy >= map.height) continue;
        for (int32_t dx = -radius; dx <= radius; ++dx) {
            if (x + dx < 0 || x + dx >= map.width) continue;
            const Real value = map.at(x + dx, y + dy);
            if (!(value > Real(0))) continue;
            sum += value;
            sum_x += value * static_cast<Real>(dx);
            sum_y += value * static_cast<Real>(dy);
        }
    }
    if (sum == Real(0) || sum - sum != Real(0)) return {Real(0), Real(0)};
    return {sum_x / sum, sum_y / sum};
}

// The step of a refinement that is neither kNone nor one of the DARK family.
template <class Map>
POSEOPS_HD HeatmapOffset<typename Map::Real> offset_on_map(const Map& map, int32_t x, int32_t y,
                                                           const PeakRefinement& refinement) {
    if (refinement.refine == HeatmapRefine::kCentroid) {
        return centroid_offset(map, x, y, refinement.centroid_radius);
    }
    if (refinement.refine == HeatmapRefine::kParabola) return parabola_offset(map, x, y);
    return quarter_offset(map, x, y, refinement.refine == HeatmapRefine::kQuarterMmpose);
}

POSEOPS_HD bool smooths(HeatmapRefine refine) {
    return refine == HeatmapRefine::kDark || refine == HeatmapRefine::kDarkUdp;
}

}  // namespace pyposeops
