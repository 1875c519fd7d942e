// Where the maps of a mirrored image belong: sides swapped, columns mirrored, moved by a pixel where wanted.
//
// Source: Newell et al., Stacked Hourglass Networks, ECCV 2016 (published code); the shift by one pixel is that of
// Xiao et al., Simple Baselines, ECCV 2018 (published code).
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace pyposeops {

// The order is handed to kernels by value, so that a call copies nothing to the device.
constexpr int32_t kMaxFlipJoints = 512;

// For every joint the one on the other side of the body; a joint without one is its own partner.
struct FlipOrder {
    int16_t partner[kMaxFlipJoints];
};

// The column of the mirrored image's map that belongs to column x. With `shift` the map, mirrored back, moves one
// pixel to the right, and its first column keeps its values.
POSEOPS_HD int32_t mirrored_column(int32_t x, int32_t width, bool shift) {
    return shift && x > 0 ? width - x : width - 1 - x;
}

template <class Real>
POSEOPS_HD Real mean_of_two(Real a, Real b) {
    return Real(0.5) * (a + b);
}

}  // namespace pyposeops
