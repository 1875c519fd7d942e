// The rules of heatmap_decode for one map: what its maximum is, and the refinements that read the map as it
// is. For dark and dark_udp see heatmap_decode_newton_math.h.
//
// quarter         Newell et al., Stacked Hourglass Networks, ECCV 2016, with the border rule of HRNet's code
// quarter_mmpose  the same step with the border rule of mmpose
// parabola        the vertex of a parabola through three log-values: exact for a Gaussian without noise
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/convert.h"
#include "core/dtype.h"
#include "core/host_device.h"

namespace pyposeops {

enum class HeatmapRefine : int32_t { kNone, kQuarter, kQuarterMmpose, kDark, kDarkUdp, kParabola };

// The pixels of one map.
template <class T>
struct HeatmapPixels {
    const T* data;
    int64_t row_stride;
    int64_t column_stride;
    int32_t height;
    int32_t width;

    POSEOPS_HD compute_t<T> at(int32_t x, int32_t y) const {
        return load_as_compute(data[y * row_stride + x * column_stride]);
    }
};

// ---- argmax: numbers as integers --------------------------------------------------------------------------

template <class T>
struct FloatBits;
template <>
struct FloatBits<float> {
    using Key = int32_t;
    static constexpr Key kInfinity = 0x7f800000;
};
template <>
struct FloatBits<double> {
    using Key = int64_t;
    static constexpr Key kInfinity = 0x7ff0000000000000;
};
template <>
struct FloatBits<Half> {
    using Key = int16_t;
    static constexpr Key kInfinity = 0x7c00;
};
template <>
struct FloatBits<BFloat16> {
    using Key = int16_t;
    static constexpr Key kInfinity = 0x7f80;
};
template <class T>
using order_key_t = typename FloatBits<T>::Key;

template <class T>
POSEOPS_HD order_key_t<T> float_bits(T value) {
    order_key_t<T> bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return bits;
}

// Sorts like the numbers (not NaN) that the bits stand for: where the sign is set, a larger magnitude is
// less. -0 sorts below 0, which nobody sees: a maximum of 0 has no position.
template <class Key>
POSEOPS_HD Key order_of_bits(Key bits) {
    return bits ^ ((bits >> (8 * sizeof(Key) - 1)) & std::numeric_limits<Key>::max());
}

// Sorts like the numbers, with every NaN equal and above all.
template <class T>
POSEOPS_HD order_key_t<T> order_key(T value) {
    using Key = order_key_t<T>;
    const Key bits = float_bits(value);
    const Key magnitude = bits & std::numeric_limits<Key>::max();
    return magnitude > FloatBits<T>::kInfinity ? std::numeric_limits<Key>::max() : order_of_bits(bits);
}

// ---- steps that read the map as it is ---------------------------------------------------------------------

template <class Real>
struct HeatmapOffset {
    Real x;
    Real y;
};

// Whether a peak above 0 is refined: where logarithms are taken, an infinite one stays where it is.
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

template <class T>
POSEOPS_HD HeatmapOffset<compute_t<T>> quarter_offset(const HeatmapPixels<T>& map, int32_t x, int32_t y,
                                                      bool per_axis) {
    using Real = compute_t<T>;
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

template <class Real>
POSEOPS_HD Real log_above_1e_10(Real value) {
    return natural_log(value > Real(1e-10) ? value : Real(1e-10));
}

// The peak at `centre` is not below its neighbours, so both falls are at most 0 and the vertex is within half a pixel.
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

template <class T>
POSEOPS_HD HeatmapOffset<compute_t<T>> parabola_offset(const HeatmapPixels<T>& map, int32_t x, int32_t y) {
    using Real = compute_t<T>;
    const Real centre = map.at(x, y);
    HeatmapOffset<Real> offset = {Real(0), Real(0)};
    if (x > 0 && x < map.width - 1) offset.x = parabola_vertex(map.at(x - 1, y), centre, map.at(x + 1, y));
    if (y > 0 && y < map.height - 1) offset.y = parabola_vertex(map.at(x, y - 1), centre, map.at(x, y + 1));
    return offset;
}

}  // namespace pyposeops
