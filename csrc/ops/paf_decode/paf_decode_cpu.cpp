// CPU: maps in parallel, then limbs. Only the cells of a map that can hold a value above the threshold are enlarged.
#include <limits>

#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/paf_decode/paf_decode.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

constexpr int32_t kLanes = kMaxUpsampling;
constexpr int32_t kRing = 3;  // rows of cells that are kept
// A map's rows have two pixels more at either end, as cells reach over the border.
constexpr int32_t kFrame = 2;

// A thread's memory for maps of one size.
template <class Real>
struct Workspace {
    int32_t height, width, scale;
    int64_t map_stride, fine_stride;
    Scratch<Real, 64> map;              // (height + 2 * kFrame, width + 2 * kFrame), the border repeated
    Scratch<Real, 64> highest, lowest;  // of four rows, by column
    Scratch<Real, 64> fine;             // kRing rows of cells; minus infinity where nothing was computed
    Scratch<uint8_t, 64> state;         // of the cells of kRing rows

    POSEOPS_INLINE Workspace(int32_t map_height, int32_t map_width, int32_t upsampling)
        : height(map_height),
          width(map_width),
          scale(upsampling),
          map_stride(map_width + 2 * kFrame),
          fine_stride(int64_t{map_width} * upsampling + 3 * kLanes),
          map((height + 2 * kFrame) * map_stride),
          highest(map_stride),
          lowest(map_stride),
          fine(kRing * scale * fine_stride),
          state(int64_t{kRing} * (width + 1)) {
        for (int64_t i = 0; i < kRing * scale * fine_stride; ++i)
            fine[i] = -std::numeric_limits<Real>::infinity();
        for (int64_t i = 0; i < int64_t{kRing} * (width + 1); ++i) state[i] = 0;
    }

    // The pixel (-1, row) of the map's cells' upper left neighbours: column c - 1 of cell c is at [c + 1].
    POSEOPS_INLINE const Real* patch(int32_t row, int32_t column) {
        return map.data() + (row - 1 + kFrame) * map_stride + column - 1 + kFrame;
    }
    // Fine row y, at fine column x; x from -scale to width * scale + scale.
    POSEOPS_INLINE Real* fine_at(int32_t y, int32_t x) {
        return fine.data() + (y + kRing * scale) % (kRing * scale) * fine_stride + kLanes + x;
    }
    POSEOPS_INLINE uint8_t* states(int32_t row) {
        return state.data() + (row + kRing) % kRing * (width + 1) + 1;
    }
};

enum CellState : uint8_t { kEmpty, kComputed, kHigh };

template <class T, class Real>
POSEOPS_INLINE void load_map(const HeatmapPixels<T>& source, Workspace<Real>& work) {
    for (int32_t y = -kFrame; y < work.height + kFrame; ++y) {
        const T* const from = source.data + clamped(y, work.height) * source.row_stride;
        Real* const row = work.map.data() + (y + kFrame) * work.map_stride + kFrame;
        if (source.column_stride == 1) {
            for (int32_t x = 0; x < work.width; ++x) row[x] = load_as_compute(from[x]);
        } else {
            for (int32_t x = 0; x < work.width; ++x) row[x] = load_as_compute(from[x * source.column_stride]);
        }
        for (int32_t i = 1; i <= kFrame; ++i) {
            row[-i] = row[0];
            row[work.width - 1 + i] = row[work.width - 1];
        }
    }
}

// Marks the cells of a row whose bound is above the threshold; whether there are any.
template <class Real>
POSEOPS_INLINE bool mark_cells(Workspace<Real>& work, const CubicTable<Real>& table, int32_t row,
                               Real threshold) {
    const Real* const top = work.patch(row, -1);
    Real* const highest = work.highest.data();
    Real* const lowest = work.lowest.data();
    for (int64_t x = 0; x < work.map_stride; ++x) {
        Real high = top[x];
        Real low = top[x];
        for (int32_t r = 1; r < kTaps; ++r) {
            const Real value = top[r * work.map_stride + x];
            high = value > high || high != high ? value : high;
            low = value < low || low != low ? value : low;
        }
        highest[x] = high;
        lowest[x] = low;
    }
    uint8_t* const states = work.states(row);
    int32_t marked = 0;
    for (int32_t c = -1; c < work.width; ++c) {
        Real high = highest[c + 1];
        Real low = lowest[c + 1];
        for (int32_t i = 1; i < kTaps; ++i) {
            high = highest[c + 1 + i] > high || high != high ? highest[c + 1 + i] : high;
            low = lowest[c + 1 + i] < low || low != low ? lowest[c + 1 + i] : low;
        }
        const bool can = can_be_above(table, low, high, threshold);
        states[c] = can ? kComputed : kEmpty;
        marked += can;
    }
    return marked > 0;
}

// The values of a cell; lanes beyond the scale hold nothing of use.
template <class Real>
POSEOPS_INLINE void enlarge(const Real* patch, int64_t stride, const CubicTable<Real>& table,
                            Real (&values)[kMaxUpsampling][kLanes]) {
    Real across[kTaps][kLanes];
    for (int32_t r = 0; r < kTaps; ++r) {
        const Real* const p = patch + r * stride;
        const Real a = p[0], b = p[1], c = p[2], d = p[3];
        for (int32_t j = 0; j < kLanes; ++j) across[r][j] = weighted(table, j, a, b, c, d);
    }
    for (int32_t i = 0; i < table.scale; ++i) {
        for (int32_t j = 0; j < kLanes; ++j) {
            values[i][j] = weighted(table, i, across[0][j], across[1][j], across[2][j], across[3][j]);
        }
    }
}

template <class Real>
POSEOPS_INLINE void compute_cells(Workspace<Real>& work, const CubicTable<Real>& table, int32_t row,
                                  Real threshold) {
    const int32_t scale = table.scale;
    const int32_t first_row = first_fine(row, scale);
    uint8_t* const states = work.states(row);
    for (int32_t c = -1; c < work.width; ++c) {
        if (states[c] == kEmpty) continue;
        Real values[kMaxUpsampling][kLanes];
        enlarge(work.patch(row, c), work.map_stride, table, values);
        const int32_t first_column = first_fine(c, scale);
        int32_t begin = first_column < 0 ? -first_column : 0;
        int32_t end = first_column + scale > work.width * scale ? work.width * scale - first_column : scale;
        int32_t high = 0;
        for (int32_t i = 0; i < scale; ++i) {
            const int32_t y = first_row + i;
            if (y < 0 || y >= work.height * scale) continue;
            Real* const target = work.fine_at(y, first_column);
            if (begin == 0 && end == kLanes) {
                for (int32_t j = 0; j < kLanes; ++j) target[j] = values[i][j];
                for (int32_t j = 0; j < kLanes; ++j) high |= values[i][j] > threshold;
            } else {
                for (int32_t j = begin; j < end; ++j) {
                    target[j] = values[i][j];
                    high |= values[i][j] > threshold;
                }
            }
        }
        states[c] = high != 0 ? kHigh : kComputed;
    }
}

// The first `capacity` peaks in their order.
template <class Real>
struct PeakList {
    FinePeak<Real>* peaks;
    int32_t capacity;
    int32_t count;

    POSEOPS_INLINE void insert(const FinePeak<Real>& peak) {
        if (count == capacity && !comes_before(peak, peaks[count - 1])) return;
        int32_t at = count < capacity ? count++ : count - 1;
        for (; at > 0 && comes_before(peak, peaks[at - 1]); --at) peaks[at] = peaks[at - 1];
        peaks[at] = peak;
    }
};

template <class Real>
POSEOPS_INLINE void find_in_cells(Workspace<Real>& work, int32_t row, Real threshold, PeakList<Real>& list) {
    const int32_t scale = work.scale;
    const uint8_t* const states = work.states(row);
    for (int32_t c = -1; c < work.width; ++c) {
        if (states[c] != kHigh) continue;
        const int32_t x = first_fine(c, scale);
        for (int32_t i = 0; i < scale; ++i) {
            const int32_t y = first_fine(row, scale) + i;
            const Real* const own = work.fine_at(y, x);
            const Real* const above = work.fine_at(y - 1, x);
            const Real* const below = work.fine_at(y + 1, x);
            int32_t peaks[kLanes];
            int32_t any = 0;
            for (int32_t j = 0; j < kLanes; ++j) {
                const Real value = own[j];
                // Of equal neighbours the first in row-major order is the peak.
                peaks[j] = (value > threshold) & !(above[j - 1] >= value) & !(above[j] >= value) &
                           !(above[j + 1] >= value) & !(own[j - 1] >= value) & !(own[j + 1] > value) &
                           !(below[j - 1] > value) & !(below[j] > value) & !(below[j + 1] > value);
                any |= peaks[j];
            }
            if (any == 0) continue;
            for (int32_t j = 0; j < scale; ++j) {
                if (peaks[j] != 0) list.insert({own[j], x + j, y});
            }
        }
    }
}

template <class Real>
POSEOPS_INLINE void clear_cells(Workspace<Real>& work, int32_t row) {
    uint8_t* const states = work.states(row);
    for (int32_t c = -1; c < work.width; ++c) {
        if (states[c] == kEmpty) continue;
        states[c] = kEmpty;
        for (int32_t i = 0; i < work.scale; ++i) {
            Real* const target = work.fine_at(first_fine(row, work.scale) + i, first_fine(c, work.scale));
            for (int32_t j = 0; j < work.scale; ++j) target[j] = -std::numeric_limits<Real>::infinity();
        }
    }
}

// All peaks of the map in `work`.
template <class Real>
POSEOPS_INLINE void find_peaks(Workspace<Real>& work, const CubicTable<Real>& table, Real threshold,
                               PeakList<Real>& list) {
    bool last_has = false, previous_has = false;
    for (int32_t row = -1; row <= work.height; ++row) {
        const bool has = row < work.height && mark_cells(work, table, row, threshold);
        if (has) compute_cells(work, table, row, threshold);
        if (previous_has) find_in_cells(work, row - 1, threshold, list);
        if (last_has) clear_cells(work, row - 2);
        last_has = previous_has;
        previous_has = has;
    }
    if (last_has) clear_cells(work, work.height - 1);
}

// The mean position of the positive values around a peak.
template <class Real>
POSEOPS_INLINE FinePoint<Real> centroid(const HeatmapPixels<Real>& map, const CubicTable<Real>& table,
                                        const FinePeak<Real>& peak) {
    double sum = 0.0, sum_x = 0.0, sum_y = 0.0;
    for (int32_t y = peak.y - kCentroidRadius; y <= peak.y + kCentroidRadius; ++y) {
        for (int32_t x = peak.x - kCentroidRadius; x <= peak.x + kCentroidRadius; ++x) {
            if (x < 0 || y < 0 || x >= map.width * table.scale || y >= map.height * table.scale) continue;
            const auto value = static_cast<double>(fine_value(map, table, x, y));
            if (!(value > 0)) continue;
            sum += value;
            sum_x += value * x;
            sum_y += value * y;
        }
    }
    const FinePoint<Real> whole = {static_cast<Real>(peak.x), static_cast<Real>(peak.y)};
    if (!(sum > 0) || !(sum < std::numeric_limits<double>::infinity())) return whole;
    return {static_cast<Real>(sum_x / sum), static_cast<Real>(sum_y / sum)};
}

template <class T>
POSEOPS_INLINE void find_all_peaks(const PafCandidatesArgs& args) {
    using Real = compute_t<T>;
    const int32_t joints = args.joints();
    const auto height = static_cast<int32_t>(args.heatmaps.shape[2]);
    const auto width = static_cast<int32_t>(args.heatmaps.shape[3]);
    const CubicTable<Real> table = cubic_table<Real>(args.rule.upsampling);
    const auto threshold = static_cast<Real>(args.rule.heatmap_threshold);
    parallel_for(args.heatmaps.shape[0] * joints, 1, [&](int64_t begin, int64_t end) {
        Workspace<Real> work(height, width, table.scale);
        Scratch<FinePeak<Real>, kMaxPafPeaks> found(args.max_peaks());
        const HeatmapPixels<Real> map = {work.map.data() + kFrame * work.map_stride + kFrame, work.map_stride,
                                         1, height, width};
        for (int64_t i = begin; i < end; ++i) {
            load_map(heatmap_pixels<T>(args.heatmaps, i / joints, i % joints), work);
            PeakList<Real> list = {found.data(), args.max_peaks(), 0};
            find_peaks(work, table, threshold, list);
            Real* const peaks = args.peaks_of<Real>(i / joints, static_cast<int32_t>(i % joints));
            for (int32_t p = 0; p < list.count; ++p) {
                FinePoint<Real> point = {static_cast<Real>(found[p].x), static_cast<Real>(found[p].y)};
                if (args.rule.refine == PafRefine::kCentroid) point = centroid(map, table, found[p]);
                if (args.rule.refine == PafRefine::kQuarter) point = moved_by_a_quarter(map, table, found[p]);
                peaks[3 * p] = point.x;
                peaks[3 * p + 1] = point.y;
                peaks[3 * p + 2] = found[p].score;
            }
            args.peak_counts.as<int32_t>()[i] = list.count;
        }
    });
}

template <class T>
POSEOPS_INLINE void score_limbs(const PafCandidatesArgs& args) {
    using Real = compute_t<T>;
    const int32_t limbs = args.limb_count;
    const int32_t joints = args.joints();
    const CubicTable<Real> table = cubic_table<Real>(args.rule.upsampling);
    parallel_for(args.heatmaps.shape[0] * limbs, 4, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t image = i / limbs;
            const auto l = static_cast<int32_t>(i % limbs);
            const Limb limb = args.limbs[l];
            const int32_t* const counts = args.peak_counts.as<int32_t>() + image * joints;
            const Real* const first = args.peaks_of<Real>(image, limb.a);
            const Real* const second = args.peaks_of<Real>(image, limb.b);
            const LimbField<T> field = {heatmap_pixels<T>(args.pafs, image, limb.x),
                                        heatmap_pixels<T>(args.pafs, image, limb.y)};
            const int64_t start = i * args.edges.shape[2];
            int32_t count = 0;
            for (int32_t a = 0; a < counts[limb.a]; ++a) {
                for (int32_t b = 0; b < counts[limb.b]; ++b) {
                    const Real score = limb_score<T>(field, {first[3 * a], first[3 * a + 1]},
                                                     {second[3 * b], second[3 * b + 1]}, args.rule, table);
                    if (!(score > Real(kNearScore))) continue;
                    args.edges.as<int32_t>()[start + count] = packed_edge(l, a, b);
                    args.edge_scores.as<Real>()[start + count] = score;
                    ++count;
                }
            }
            args.edge_counts.as<int32_t>()[i] = count;
        }
    });
}

}  // namespace

void paf_candidates(const PafCandidatesArgs& args) {
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        find_all_peaks<T>(args);
        score_limbs<T>(args);
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
