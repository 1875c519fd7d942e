// The pairs of joints that trade places in a mirrored image, as the operators take them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/flip.h"

namespace pyposeops {

// `pairs`: left, right, left, right, ... of `joints` joints.
inline FlipOrder flip_order(const std::vector<int64_t>& pairs, int64_t joints) {
    POSEOPS_CHECK(joints <= kMaxFlipJoints, "flipped", "at most 512 joints", std::to_string(joints));
    POSEOPS_CHECK(pairs.size() % 2 == 0, "flip_pairs", "pairs of joints",
                  std::to_string(pairs.size()) + " numbers");
    FlipOrder order = {};
    for (int64_t k = 0; k < joints; ++k) order.partner[k] = static_cast<int16_t>(k);
    for (size_t i = 0; i < pairs.size(); i += 2) {
        const int64_t left = pairs[i];
        const int64_t right = pairs[i + 1];
        const bool known = left >= 0 && left < joints && right >= 0 && right < joints;
        const bool fresh =
            known && left != right && order.partner[left] == left && order.partner[right] == right;
        POSEOPS_CHECK(fresh, "flip_pairs",
                      "joints from 0 to " + std::to_string(joints - 1) + ", each in one pair at most",
                      "(" + std::to_string(left) + ", " + std::to_string(right) + ")");
        order.partner[left] = static_cast<int16_t>(right);
        order.partner[right] = static_cast<int16_t>(left);
    }
    return order;
}

}  // namespace pyposeops
