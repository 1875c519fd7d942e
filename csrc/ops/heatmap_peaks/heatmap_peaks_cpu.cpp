// CPU: maps in parallel; peaks are marked in one bit per pixel, then the largest are kept in a sorted list.
#include "core/local_maxima_cpu.h"
#include "core/newton_refine_cpu.h"
#include "core/parallel.h"
#include "ops/heatmap_peaks/heatmap_peaks.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Pixels below which a second thread does not pay.
constexpr int64_t kPixelsPerThread = 16384;

// The first `capacity` peaks in their order. Peaks come in by ascending index.
template <class Real>
struct PeakList {
    Peak<Real>* peaks;
    int32_t count;

    POSEOPS_INLINE void insert(const Peak<Real>& peak, int32_t capacity) {
        if (count == capacity && !(peak.score > peaks[count - 1].score)) return;
        int32_t at = count < capacity ? count++ : count - 1;
        for (; at > 0 && peak.score > peaks[at - 1].score; --at) peaks[at] = peaks[at - 1];
        peaks[at] = peak;
    }
};

// The largest value of the map, NaN if there is one.
template <class T, class Real = compute_t<T>>
POSEOPS_INLINE Real maximum_of(const HeatmapPixels<T>& map) {
    Real maximum = -std::numeric_limits<Real>::infinity();
    for (int32_t y = 0; y < map.height; ++y) {
        for (int32_t x = 0; x < map.width; ++x) {
            const Real value = map.at(x, y);
            maximum = value > maximum || value != value ? value : maximum;
            if (maximum != maximum) return maximum;
        }
    }
    return maximum;
}

template <class T, class Real = compute_t<T>>
POSEOPS_INLINE void store_peaks(const HeatmapPeaksArgs& args, const HeatmapPixels<T>& map,
                                const BlurTaps<Real>& taps, const PeakList<Real>& list, int64_t map_index) {
    const bool by_newton = smooths(args.refinement.refine);
    const Real map_maximum = by_newton && list.count > 0 ? maximum_of(map) : Real(0);
    Real blurred_peak = kNotSought<Real>;
    for (int32_t i = 0; i < list.count; ++i) {
        const int32_t x = list.peaks[i].index % map.width;
        const int32_t y = list.peaks[i].index / map.width;
        const Real score = list.peaks[i].score;
        const Real maximum = by_newton ? map_maximum : score;
        const HeatmapOffset<Real> offset =
            peak_offset(map, x, y, args.refinement, maximum, taps, blurred_peak);
        store_peak(args, map_index, i, x, y, offset, score);
    }
    for (int32_t i = list.count; i < args.max_peaks(); ++i) store_no_peak<Real>(args, map_index, i);
    args.counts.as<int64_t>()[map_index] = list.count;
}

template <class T>
POSEOPS_INLINE void find_peaks(const HeatmapPeaksArgs& args) {
    using Real = compute_t<T>;
    const TensorView& heatmaps = args.heatmaps;
    const MapGroups groups(heatmaps);
    const int32_t capacity = args.max_peaks();
    const int32_t height = static_cast<int32_t>(heatmaps.shape[2]);
    const int64_t columns = heatmaps.shape[3] * groups.channels;
    const BlurTaps<Real> taps = blur_taps_of<Real>(args.refinement);
    parallel_for(groups.count, kPixelsPerThread / (height * columns) + 1, [&](int64_t begin, int64_t end) {
        MaximaWorkspace<Real> work(height, columns, groups.channels, args.rule.radius);
        Scratch<Peak<Real>, 64> peaks(int64_t{groups.channels} * capacity);
        Scratch<PeakList<Real>, 32> lists(groups.channels);
        for (int64_t group = begin; group < end; ++group) {
            const InterleavedMaps<T> maps = groups.maps_of<T>(heatmaps, group);
            mark_peaks(maps, args.rule, work);
            for (int32_t c = 0; c < groups.channels; ++c)
                lists[c] = {peaks.data() + int64_t{c} * capacity, 0};
            work.bits().for_each(height, [&](int32_t y, int64_t column) {
                const int32_t x = static_cast<int32_t>(column / groups.channels);
                const int64_t c = column % groups.channels;
                const Real score =
                    load_as_compute(maps.data[y * maps.row_stride + x * maps.pixel_stride + c]);
                lists[c].insert({score, y * maps.width + x}, capacity);
            });
            for (int32_t c = 0; c < groups.channels; ++c) {
                const int64_t k = groups.first_channel(group) + c;
                const HeatmapPixels<T> map = heatmap_pixels<T>(heatmaps, groups.image(group), k);
                store_peaks(args, map, taps, lists[c], groups.image(group) * heatmaps.shape[1] + k);
            }
        }
    });
}

}  // namespace

void heatmap_peaks(const HeatmapPeaksArgs& args) {
    visit_floating(args.heatmaps.dtype, [&](auto tag) { find_peaks<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
