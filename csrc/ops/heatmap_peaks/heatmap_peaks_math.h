// The order of the peaks that heatmap_peaks returns, and how many of them a list must hold on the way.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace pyposeops {

constexpr int32_t kMaxPeaks = 1024;

template <class Real>
struct Peak {
    Real score;
    int32_t index;  // row-major
};

// Larger scores first, of equal ones the earlier pixel.
template <class Real>
POSEOPS_HD bool comes_before(const Peak<Real>& a, const Peak<Real>& b) {
    return a.score > b.score || (a.score == b.score && a.index < b.index);
}

// Lists that are sorted when they are full: a power of two, at least twice what is wanted.
POSEOPS_HD int32_t peak_list_capacity(int32_t max_peaks) {
    int32_t capacity = 128;
    while (capacity < 2 * max_peaks) capacity *= 2;
    return capacity;
}

}  // namespace pyposeops
