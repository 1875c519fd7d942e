// The arithmetic of tag_grouping: distances between tags, and the value of a pixel as a person's missing joint.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/dtype.h"
#include "core/host_device.h"
#include "core/product.h"

namespace pyposeops {

// Larger distances, infinite ones and NaN count as this: far beyond what joins a person, and sums of them stay exact.
constexpr double kFarthestTags = 1e6;

POSEOPS_HD float square_root(float value) { return sqrtf(value); }
POSEOPS_HD double square_root(double value) { return sqrt(value); }

// From the sum of squares of the tags' differences.
template <class Real>
POSEOPS_HD Real tag_distance(Real squared) {
    const Real distance = square_root(squared);
    return distance < Real(kFarthestTags) ? distance : Real(kFarthestTags);
}

// To the nearest integer, halves to the even one: the sum's last bit weighs 1. For 0 to kFarthestTags.
POSEOPS_HD float rounded(float value) { return (value + 12582912.0f) - 12582912.0f; }
POSEOPS_HD double rounded(double value) { return (value + 6755399441055744.0) - 6755399441055744.0; }

// What a pixel is worth as the joint of a person; NaN where the heatmap is.
template <class Real>
POSEOPS_HD Real fill_value(Real score, Real squared, Real weight) {
    return score - rounded_product(weight, rounded(tag_distance(squared)));
}

// A quarter of a pixel towards the larger neighbour, and back where it is not larger; beyond the border the pixel
// itself stands for its neighbour.
template <class Map>
POSEOPS_HD typename Map::Real quarter_step_x(const Map& map, int32_t x, int32_t y) {
    using Real = typename Map::Real;
    const int32_t after = x + 1 < map.width ? x + 1 : x;
    const int32_t before = x > 0 ? x - 1 : 0;
    return map.at(after, y) > map.at(before, y) ? Real(0.25) : Real(-0.25);
}

template <class Map>
POSEOPS_HD typename Map::Real quarter_step_y(const Map& map, int32_t x, int32_t y) {
    using Real = typename Map::Real;
    const int32_t after = y + 1 < map.height ? y + 1 : y;
    const int32_t before = y > 0 ? y - 1 : 0;
    return map.at(x, after) > map.at(x, before) ? Real(0.25) : Real(-0.25);
}

}  // namespace pyposeops
