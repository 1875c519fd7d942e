// CPU: maps in parallel; peaks are marked in one bit per pixel, then the output is written once.
#include "core/local_maxima_cpu.h"
#include "core/parallel.h"
#include "ops/heatmap_nms/heatmap_nms.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Pixels below which a second thread does not pay.
constexpr int64_t kPixelsPerThread = 16384;

// Zeroes row y of the maps [first, first + count) of image b.
template <class T>
POSEOPS_INLINE void clear_row(const TensorView& maps, int64_t b, int64_t first, int64_t count, int64_t y) {
    T* const row = maps.as<T>() + b * maps.strides[0] + first * maps.strides[1] + y * maps.strides[2];
    const int64_t width = maps.shape[3];
    if (maps.has_unit_stride(1) && maps.strides[3] == count) {
        for (int64_t i = 0; i < width * count; ++i) row[i] = T{};
        return;
    }
    for (int64_t k = 0; k < count; ++k) {
        for (int64_t x = 0; x < width; ++x) row[k * maps.strides[1] + x * maps.strides[3]] = T{};
    }
}

template <class T>
POSEOPS_INLINE void write_group(const HeatmapNmsArgs& args, const MapGroups& groups, int64_t group,
                                const PeakBits& peaks) {
    const TensorView& values = args.values;
    const TensorView& out = args.suppressed;
    const int64_t b = groups.image(group);
    const int64_t first = groups.first_channel(group);
    const int32_t height = static_cast<int32_t>(out.shape[2]);
    for (int32_t y = 0; y < height; ++y) clear_row<T>(out, b, first, groups.channels, y);
    peaks.for_each(height, [&](int64_t y, int64_t column) {
        const int64_t x = column / groups.channels;
        const int64_t k = first + column % groups.channels;
        const T* value = values.as<T>() + b * values.strides[0] + k * values.strides[1] +
                         y * values.strides[2] + x * values.strides[3];
        out.as<T>()[b * out.strides[0] + k * out.strides[1] + y * out.strides[2] + x * out.strides[3]] =
            kept_if_peak(true, value);
    });
}

template <class T>
POSEOPS_INLINE void suppress(const HeatmapNmsArgs& args) {
    using Real = compute_t<T>;
    const MapGroups groups(args.heatmaps);
    const int32_t height = static_cast<int32_t>(args.heatmaps.shape[2]);
    const int64_t columns = args.heatmaps.shape[3] * groups.channels;
    parallel_for(groups.count, kPixelsPerThread / (height * columns) + 1, [&](int64_t begin, int64_t end) {
        MaximaWorkspace<Real> work(height, columns, groups.channels, args.rule.radius);
        for (int64_t group = begin; group < end; ++group) {
            mark_peaks(groups.maps_of<T>(args.heatmaps, group), args.rule, work);
            write_group<T>(args, groups, group, work.bits());
        }
    });
}

}  // namespace

void heatmap_nms(const HeatmapNmsArgs& args) {
    visit_floating(args.heatmaps.dtype, [&](auto tag) { suppress<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
