// Local maxima of a map: what counts as one, and which pixel of a plateau stays.
//
// A pixel is a peak when its value is above a threshold and no value in the square window around it is
// larger. Pixels outside the map count as minus infinity, and so do values that are not above the threshold,
// NaN among them. Equal peaks within each other's window belong to one plateau, and so does whatever is
// linked by a chain of them.
#pragma once

#include <cstdint>
#include <limits>

#include "core/host_device.h"

namespace pyposeops {

enum class Plateau : int32_t {
    kFirst,  // of every plateau the first pixel in row-major order
    kAll,    // every peak
    kNone    // only peaks that are larger than everything else in their window
};

constexpr int32_t kMaxWindow = 63;

struct MaximaRule {
    double threshold;
    int32_t radius;  // the window has 2 radius + 1 pixels on a side
    Plateau plateau;
};

// What an upright line of pixels remembers of its latest peak.
struct LatestPeak {
    int32_t row;
    int32_t first;  // the plateau, by the row-major index of its first pixel
};

// Before the first peak: out of every window's reach.
POSEOPS_HD LatestPeak no_peak_yet() { return {std::numeric_limits<int32_t>::min() / 2, -1}; }

// Whether the peak (x, y) is the first of its plateau, when all peaks of a map come by in row-major order.
// Where it joins two plateaus, the later one's first pixel proves not to be a first one and is cleared in
// `peaks`. One peak per column suffices to know the plateaus in reach: two within reach of (x, y) are within
// reach of each other. `columns` has one entry every `step` elements.
template <class Peaks>
POSEOPS_HD bool starts_plateau(LatestPeak* columns, int64_t step, int32_t width, int32_t x, int32_t y,
                               int32_t radius, const Peaks& peaks) {
    const int32_t begin = x > radius ? x - radius : 0;
    const int32_t end = width - x > radius ? x + radius + 1 : width;
    const int32_t own = y * width + x;
    int32_t first = own;
    int32_t last = -1;
    for (int32_t i = begin; i < end; ++i) {
        const LatestPeak& seen = columns[i * step];
        if (y - seen.row > radius) continue;
        first = seen.first < first ? seen.first : first;
        last = seen.first > last ? seen.first : last;
    }
    for (int32_t i = begin; i < (last > first ? end : begin); ++i) {
        const LatestPeak seen = columns[i * step];
        if (y - seen.row > radius || seen.first == first) continue;
        peaks.clear(seen.first);
        for (int32_t j = 0; j < width; ++j) {
            if (columns[j * step].first == seen.first) columns[j * step].first = first;
        }
    }
    columns[x * step] = {y, first};
    return first == own;
}

}  // namespace pyposeops
