// The arithmetic of paf_decode: bicubic values between the pixels of a map, and how well a field joins two peaks.
//
// Positions are in fine pixels: those of the map enlarged `scale` times, pixel centres at whole numbers; fine pixel i
// lies at (i + 0.5) / scale - 0.5 of the map. Every sum is written in the order in which it is to be rounded.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/convert.h"
#include "core/heatmap_pixels.h"
#include "core/host_device.h"
#include "core/peak_refine.h"
#include "core/product.h"

namespace pyposeops {

constexpr int32_t kMaxUpsampling = 8;
constexpr int32_t kTaps = 4;
constexpr double kCubicA = -0.75;  // as OpenCV's and PyTorch's bicubic interpolation
constexpr int32_t kMaxLimbs = 64;
constexpr int32_t kMaxPafPeaks = 255;  // an edge keeps each index in eight bits
constexpr int32_t kCentroidRadius = 3;
constexpr int32_t kFewestSamples = 5;
constexpr int32_t kMostSamples = 25;

// A cell is the square between four neighbouring pixels of the map, c from -1 (left of the first pixel) on. It holds
// the fine pixels [scale * c + scale / 2, scale * (c + 1) + scale / 2), with the same weights in every cell.
template <class Real>
struct CubicTable {
    int32_t scale;
    // Of the map's pixels c - 1 to c + 2, by the fine pixel's place in its cell.
    Real weights[kTaps][kMaxUpsampling];
    // The values of a cell are at most above * max - below * min over its 4 x 4 pixels of the map, but for rounding,
    // which is far below slack times the larger of their amounts.
    Real above;
    Real below;
    Real slack;
};

// Whether a cell whose 4 x 4 pixels lie between `low` and `high` can hold a value above the threshold. Not "the bound is
// above": where infinities make it NaN, the cell is looked at.
template <class Real>
POSEOPS_HD bool can_be_above(const CubicTable<Real>& table, Real low, Real high, Real threshold) {
    const Real most = high < 0 ? -high : high;
    const Real least = low < 0 ? -low : low;
    const Real rounding = table.slack * (most > least ? most : least);
    return !(table.above * high - table.below * low + rounding <= threshold);
}

POSEOPS_HD double cubic_weight(double distance) {
    const double d = distance < 0 ? -distance : distance;
    if (d <= 1) return ((kCubicA + 2) * d - (kCubicA + 3)) * d * d + 1;
    return d < 2 ? ((kCubicA * d - 5 * kCubicA) * d + 8 * kCubicA) * d - 4 * kCubicA : 0.0;
}

template <class Real>
POSEOPS_INLINE CubicTable<Real> cubic_table(int32_t scale) {
    CubicTable<Real> table = {};
    table.scale = scale;
    double largest = 1.0;
    for (int32_t j = 0; j < scale; ++j) {
        const double phase = (scale / 2 + j + 0.5) / scale - 0.5;
        double sum = 0.0;
        for (int32_t tap = 0; tap < kTaps; ++tap) {
            const double weight = cubic_weight(phase - (tap - 1));
            table.weights[tap][j] = static_cast<Real>(weight);
            sum += weight < 0 ? -weight : weight;
        }
        largest = sum > largest ? sum : largest;
    }
    // Positive weights of the plane sum to (s^2 + 1) / 2 and negative ones to (s^2 - 1) / 2.
    table.above = static_cast<Real>((largest * largest + 1) / 2);
    table.below = static_cast<Real>((largest * largest - 1) / 2);
    table.slack = static_cast<Real>(1e-4 * largest * largest);
    return table;
}

POSEOPS_HD int32_t cell_of(int32_t fine, int32_t scale) { return (fine - scale / 2 + scale) / scale - 1; }

POSEOPS_HD int32_t first_fine(int32_t cell, int32_t scale) { return cell * scale + scale / 2; }

template <class Real>
POSEOPS_HD Real weighted(const CubicTable<Real>& table, int32_t j, Real a, Real b, Real c, Real d) {
    Real sum = rounded_product(a, table.weights[0][j]) + rounded_product(b, table.weights[1][j]);
    sum = sum + rounded_product(c, table.weights[2][j]);
    return sum + rounded_product(d, table.weights[3][j]);
}

POSEOPS_HD int32_t clamped(int32_t value, int32_t size) {
    return value < 0 ? 0 : (value < size ? value : size - 1);
}

// The map at fine pixel (x, y); pixels beyond the border repeat it.
template <class T, class Real = compute_t<T>>
POSEOPS_HD Real fine_value(const HeatmapPixels<T>& map, const CubicTable<Real>& table, int32_t x, int32_t y) {
    const int32_t column = cell_of(x, table.scale);
    const int32_t row = cell_of(y, table.scale);
    const int32_t jx = x - first_fine(column, table.scale);
    Real rows[kTaps];
    for (int32_t r = 0; r < kTaps; ++r) {
        const int32_t at = clamped(row + r - 1, map.height);
        rows[r] = weighted(table, jx, map.at(clamped(column - 1, map.width), at),
                           map.at(clamped(column, map.width), at), map.at(clamped(column + 1, map.width), at),
                           map.at(clamped(column + 2, map.width), at));
    }
    return weighted(table, y - first_fine(row, table.scale), rows[0], rows[1], rows[2], rows[3]);
}

// A map as if it were enlarged, for rules that look at single pixels.
template <class T>
struct FineMap {
    using Real = compute_t<T>;

    const HeatmapPixels<T>& map;
    const CubicTable<Real>& table;
    int32_t height;
    int32_t width;

    POSEOPS_HD FineMap(const HeatmapPixels<T>& pixels, const CubicTable<Real>& weights)
        : map(pixels),
          table(weights),
          height(pixels.height * weights.scale),
          width(pixels.width * weights.scale) {}

    POSEOPS_HD Real at(int32_t x, int32_t y) const { return fine_value(map, table, x, y); }
};

template <class Real>
struct FinePeak {
    Real score;
    int32_t x;
    int32_t y;
};

// Larger values first, of equal ones the first in row-major order.
template <class Real>
POSEOPS_HD bool comes_before(const FinePeak<Real>& a, const FinePeak<Real>& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.y != b.y ? a.y < b.y : a.x < b.x;
}

template <class Real>
struct FinePoint {
    Real x;
    Real y;
};

// A quarter of a fine pixel towards the larger neighbour.
template <class T, class Real = compute_t<T>>
POSEOPS_HD FinePoint<Real> moved_by_a_quarter(const HeatmapPixels<T>& map, const CubicTable<Real>& table,
                                              const FinePeak<Real>& peak) {
    const auto offset = quarter_offset(FineMap<T>(map, table), peak.x, peak.y, false);
    return {static_cast<Real>(peak.x) + offset.x, static_cast<Real>(peak.y) + offset.y};
}

enum class PafRefine : int32_t { kNone, kCentroid, kQuarter };

// Linear interpolation of both components of a field, or its bicubic value at the nearest fine pixel.
enum class PafSampling : int32_t { kBilinear, kBicubic };

template <class Real>
struct LinearAxis {
    int32_t low;
    int32_t high;
    Real share;  // of the pixel `high`
};

template <class Real>
POSEOPS_HD LinearAxis<Real> linear_axis(Real fine, int32_t scale, int32_t size) {
    Real at = (fine + Real(0.5)) / static_cast<Real>(scale) - Real(0.5);
    at = at > Real(0) ? at : Real(0);
    const Real last = static_cast<Real>(size - 1);
    at = at < last ? at : last;
    const int32_t low = static_cast<int32_t>(at);
    return {low, low + 1 < size ? low + 1 : low, at - static_cast<Real>(low)};
}

template <class T, class Real = compute_t<T>>
POSEOPS_HD Real linear_value(const HeatmapPixels<T>& map, const LinearAxis<Real>& x,
                             const LinearAxis<Real>& y) {
    const Real left = Real(1) - x.share;
    const Real top =
        rounded_product(map.at(x.low, y.low), left) + rounded_product(map.at(x.high, y.low), x.share);
    const Real bottom =
        rounded_product(map.at(x.low, y.high), left) + rounded_product(map.at(x.high, y.high), x.share);
    return rounded_product(top, Real(1) - y.share) + rounded_product(bottom, y.share);
}

template <class T, class Real = compute_t<T>>
struct LimbField {
    HeatmapPixels<T> x;
    HeatmapPixels<T> y;

    // The component along `direction` at a fine position.
    POSEOPS_HD Real along(FinePoint<Real> direction, FinePoint<Real> at, PafSampling sampling,
                          const CubicTable<Real>& table) const {
        Real fx;
        Real fy;
        if (sampling == PafSampling::kBilinear) {
            const auto column = linear_axis(at.x, table.scale, x.width);
            const auto row = linear_axis(at.y, table.scale, x.height);
            fx = linear_value(x, column, row);
            fy = linear_value(y, column, row);
        } else {
            const auto column = nearest(at.x, x.width * table.scale);
            const auto row = nearest(at.y, x.height * table.scale);
            fx = fine_value(x, table, column, row);
            fy = fine_value(y, table, column, row);
        }
        return rounded_product(direction.x, fx) + rounded_product(direction.y, fy);
    }

    POSEOPS_HD static int32_t nearest(Real at, int32_t size) {
        return clamped(static_cast<int32_t>(floor_of(at + Real(0.5))), size);
    }
    POSEOPS_HD static float floor_of(float value) { return floorf(value); }
    POSEOPS_HD static double floor_of(double value) { return floor(value); }
};

struct PafRule {
    double heatmap_threshold;
    double paf_threshold;
    double ratio;          // this share of the samples must be above paf_threshold
    double near_distance;  // in fine pixels: closer peaks are joined without the field
    int32_t upsampling;
    PafSampling sampling;
    bool include_end;
    PafRefine refine;
};

POSEOPS_HD float square_root(float value) { return sqrtf(value); }
POSEOPS_HD double square_root(double value) { return sqrt(value); }

// How many points are looked at between two peaks so far apart.
template <class Real>
POSEOPS_HD int32_t sample_count(Real dx, Real dy) {
    const Real across = dx < 0 ? -dx : dx;
    const Real down = dy < 0 ? -dy : dy;
    const Real longer = across > down ? across : down;
    const Real wanted = square_root(rounded_product(Real(5), longer)) + Real(0.5);
    if (!(wanted < static_cast<Real>(kMostSamples))) return kMostSamples;
    return wanted < static_cast<Real>(kFewestSamples) ? kFewestSamples : static_cast<int32_t>(wanted);
}

constexpr double kNearScore = 1e-6;  // of peaks joined for their nearness, beside the peaks' threshold

// The score of the limb from a to b; 0 where it is not accepted.
template <class T, class Real = compute_t<T>>
POSEOPS_HD Real limb_score(const LimbField<T>& field, FinePoint<Real> a, FinePoint<Real> b,
                           const PafRule& rule, const CubicTable<Real>& table) {
    const Real dx = b.x - a.x;
    const Real dy = b.y - a.y;
    const Real length = square_root(rounded_product(dx, dx) + rounded_product(dy, dy));
    const int32_t count = sample_count(dx, dy);
    const Real steps = static_cast<Real>(rule.include_end ? count - 1 : count);
    const Real threshold = static_cast<Real>(rule.paf_threshold);
    const double needed = rule.ratio * count;
    double sum = 0.0;
    int32_t passed = 0;
    if (length > Real(0)) {
        const FinePoint<Real> direction = {dx / length, dy / length};
        // From the middle on: that is where a wrong pair fails.
        for (int32_t i = 0; i < count; ++i) {
            if (!(passed + (count - i) > needed)) break;
            const int32_t k = (count / 2 + i) % count;
            const Real share = static_cast<Real>(k) / steps;
            const FinePoint<Real> at = {a.x + rounded_product(dx, share), a.y + rounded_product(dy, share)};
            const Real value = field.along(direction, at, rule.sampling, table);
            if (!(value > threshold)) continue;
            sum += static_cast<double>(value);
            ++passed;
        }
        if (passed > needed) return static_cast<Real>(sum / passed);
    }
    return static_cast<double>(length) < rule.near_distance
               ? static_cast<Real>(rule.heatmap_threshold + kNearScore)
               : Real(0);
}

}  // namespace pyposeops
