// Bins of a map, by which cells that matter to a place are found without a look at all of them.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"

namespace pyposeops {

// Bins so many cells wide and high; what lies beyond the borders of the map is in the outermost ones.
struct PifpafBins {
    int64_t side, columns, rows;

    POSEOPS_INLINE PifpafBins(int64_t width, int64_t height, int64_t side_cells)
        : side(side_cells),
          columns((width + side_cells - 1) / side_cells),
          rows((height + side_cells - 1) / side_cells) {}

    POSEOPS_INLINE int64_t count() const { return columns * rows; }

    POSEOPS_INLINE int64_t along(double place, int64_t count) const {
        const double index = std::floor(place / static_cast<double>(side));
        if (!(index > 0.0)) return 0;
        return index < static_cast<double>(count - 1) ? static_cast<int64_t>(index) : count - 1;
    }

    POSEOPS_INLINE int64_t of(double x, double y) const {
        return along(y, rows) * columns + along(x, columns);
    }
};

// The bins of all places within `reach` of a place.
struct PifpafBinRange {
    int64_t left, right, top, bottom;

    POSEOPS_INLINE PifpafBinRange(const PifpafBins& bins, double x, double y, double reach) {
        constexpr double kMargin = 1e-6;  // for places that rounding puts into the next bin
        left = bins.along(x - reach - kMargin, bins.columns);
        right = bins.along(x + reach + kMargin, bins.columns);
        top = bins.along(y - reach - kMargin, bins.rows);
        bottom = bins.along(y + reach + kMargin, bins.rows);
    }

    POSEOPS_INLINE int64_t count() const { return (right - left + 1) * (bottom - top + 1); }
};

}  // namespace pyposeops
