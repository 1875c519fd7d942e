// CPU: maps in parallel; the maximum is found on integers that sort like the numbers, which vectorises for
// every dtype and needs no special case for NaN.
#include "core/convert.h"
#include "core/newton_refine_cpu.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/heatmap_decode/heatmap_decode.h"
#include "ops/heatmap_decode/heatmap_decode_keypoint.h"
#include "ops/heatmap_decode/heatmap_decode_planes_cpu.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Pixels below which a second thread does not pay.
constexpr int64_t kPixelsPerThread = 16384;
// Pixels that are reduced to one maximum before a comparison; the search for its position covers that many.
constexpr int64_t kRun = 128;

template <class T>
struct Peak {
    order_key_t<T> key = std::numeric_limits<order_key_t<T>>::lowest();
    int64_t index = 0;  // in row-major order
};

// The largest order_key of `count` neighbouring elements, from two reductions that compilers vectorise: the
// maximum of keys that are wrong for NaN, and that of magnitudes, which tells whether there is any.
template <class T>
POSEOPS_INLINE order_key_t<T> largest_key(const T* run, int64_t count) {
    using Key = order_key_t<T>;
    Key largest = std::numeric_limits<Key>::lowest();
    Key magnitude = 0;
    for (int64_t i = 0; i < count; ++i) {
        const Key bits = float_bits(run[i]);
        const Key key = order_of_bits(bits);
        const Key size = bits & std::numeric_limits<Key>::max();
        largest = key > largest ? key : largest;
        magnitude = size > magnitude ? size : magnitude;
    }
    return magnitude > FloatBits<T>::kInfinity ? std::numeric_limits<Key>::max() : largest;
}

template <class T>
POSEOPS_INLINE int64_t first_with_key(const T* run, order_key_t<T> key) {
    const bool is_nan = key == std::numeric_limits<order_key_t<T>>::max();
    const order_key_t<T> bits = order_of_bits(key);  // its own inverse
    int64_t i = 0;
    while (is_nan ? order_key(run[i]) != key : float_bits(run[i]) != bits) ++i;
    return i;
}

// `rows` rows of `width` neighbouring elements each.
template <class T>
POSEOPS_INLINE Peak<T> peak_of_rows(const T* map, int64_t rows, int64_t width, int64_t row_stride) {
    Peak<T> peak;
    const T* best_run = map;
    for (int64_t y = 0; y < rows; ++y) {
        for (int64_t x = 0; x < width; x += kRun) {
            const T* run = map + y * row_stride + x;
            const order_key_t<T> key = largest_key(run, width - x < kRun ? width - x : kRun);
            if (key <= peak.key) continue;
            peak = {key, y * width + x};
            best_run = run;
        }
    }
    peak.index += first_with_key(best_run, peak.key);
    return peak;
}

template <class T>
POSEOPS_INLINE Peak<T> peak_of_any_strides(const HeatmapPixels<T>& map) {
    Peak<T> peak;
    for (int64_t y = 0; y < map.height; ++y) {
        for (int64_t x = 0; x < map.width; ++x) {
            const order_key_t<T> key = order_key(map.data[y * map.row_stride + x * map.column_stride]);
            if (key > peak.key) peak = {key, y * map.width + x};
        }
    }
    return peak;
}

// channels_last: the peaks of all channels of one image, in memory order. Every column of every channel keeps
// its largest key and the row it was first seen in; the columns are compared at the end.
template <class T>
POSEOPS_INLINE void peaks_of_image(const T* image, int64_t rows, int64_t width, int64_t channels,
                                   int64_t row_stride, order_key_t<T>* keys, order_key_t<T>* key_rows,
                                   Peak<T>* peaks) {
    using Key = order_key_t<T>;
    const int64_t columns = width * channels;
    for (int64_t i = 0; i < columns; ++i) keys[i] = std::numeric_limits<Key>::lowest();
    for (int64_t y = 0; y < rows; ++y) {
        const T* row = image + y * row_stride;
        for (int64_t i = 0; i < columns; ++i) {
            const Key key = order_key(row[i]);
            key_rows[i] = key > keys[i] ? static_cast<Key>(y) : key_rows[i];
            keys[i] = key > keys[i] ? key : keys[i];
        }
    }
    for (int64_t k = 0; k < channels; ++k) peaks[k] = Peak<T>();
    for (int64_t i = 0; i < columns; ++i) {
        Peak<T>& peak = peaks[i % channels];
        const int64_t index = key_rows[i] * width + i / channels;
        if (keys[i] > peak.key || (keys[i] == peak.key && index < peak.index)) peak = {keys[i], index};
    }
}

// The keypoint of map (b, k), whose maximum is at row-major `index`.
template <class T>
POSEOPS_INLINE void store_peak(const HeatmapDecodeArgs& args, const HeatmapPixels<T>& map, int64_t index,
                               const BlurTaps<compute_t<T>>& taps, int64_t b, int64_t k) {
    using Real = compute_t<T>;
    const int32_t x = static_cast<int32_t>(index % map.width);
    const int32_t y = static_cast<int32_t>(index / map.width);
    const Real score = map.at(x, y);
    const bool found = score > Real(0);
    HeatmapOffset<Real> step = {Real(0), Real(0)};
    Real blurred_peak = kNotSought<Real>;
    if (found) step = peak_offset(map, x, y, args.refinement, score, taps, blurred_peak);
    store_keypoint(args, b, k, found, x, y, step, score);
}

// The same with the peak-preserving smoothing; `index` is the maximum of the map itself.
template <class Real>
POSEOPS_INLINE void store_megvii(const HeatmapDecodeArgs& args, const HeatmapPixels<Real>& map, int64_t index,
                                 const HeatmapPixels<Real>& smoothed, int64_t b, int64_t k) {
    const Real maximum = map.data[index];
    const int64_t smoothed_index = peak_of_rows(smoothed.data, 1, int64_t{map.height} * map.width, 0).index;
    const bool moves = maximum - maximum == Real(0) && smoothed.data[smoothed_index] > Real(0);
    if (moves) index = smoothed_index;
    const int32_t x = static_cast<int32_t>(index % map.width);
    const int32_t y = static_cast<int32_t>(index / map.width);
    HeatmapOffset<Real> step = {Real(0), Real(0)};
    if (moves && is_off_border(x, y, map.width, map.height)) {
        step = megvii_step(smoothed.at(x - 1, y), smoothed.at(x + 1, y), smoothed.at(x, y - 1),
                           smoothed.at(x, y + 1));
    }
    store_keypoint(args, b, k, maximum > Real(0), x, y, step, megvii_score(maximum));
}

// Rows in memory order (NCHW), or any strides.
template <class T>
POSEOPS_INLINE void decode_maps(const HeatmapDecodeArgs& args, const BlurTaps<compute_t<T>>& taps) {
    const TensorView& heatmaps = args.heatmaps;
    const int64_t joints = heatmaps.shape[1];
    const int64_t height = heatmaps.shape[2];
    const int64_t width = heatmaps.shape[3];
    const bool unit_rows = heatmaps.has_unit_stride(3);
    const bool one_run = height == 1 || heatmaps.strides[2] == width;
    parallel_for(
        heatmaps.shape[0] * joints, kPixelsPerThread / (height * width) + 1, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const HeatmapPixels<T> map = heatmap_pixels<T>(heatmaps, i / joints, i % joints);
                const Peak<T> peak = !unit_rows ? peak_of_any_strides(map)
                                     : one_run  ? peak_of_rows(map.data, 1, height * width, 0)
                                                : peak_of_rows(map.data, height, width, map.row_stride);
                store_peak(args, map, peak.index, taps, i / joints, i % joints);
            }
        });
}

template <class T>
POSEOPS_INLINE void decode_images(const HeatmapDecodeArgs& args, const BlurTaps<compute_t<T>>& taps) {
    const TensorView& heatmaps = args.heatmaps;
    const int64_t joints = heatmaps.shape[1];
    const int64_t height = heatmaps.shape[2];
    const int64_t width = heatmaps.shape[3];
    const int64_t pixels = joints * height * width;
    parallel_for(heatmaps.shape[0], kPixelsPerThread / pixels + 1, [&](int64_t begin, int64_t end) {
        Scratch<order_key_t<T>> keys(width * joints);
        Scratch<order_key_t<T>> key_rows(width * joints);
        Scratch<Peak<T>, 32> peaks(joints);
        for (int64_t b = begin; b < end; ++b) {
            const T* image = heatmap_pixels<T>(heatmaps, b, 0).data;
            peaks_of_image(image, height, width, joints, heatmaps.strides[2], keys.data(), key_rows.data(),
                           peaks.data());
            for (int64_t k = 0; k < joints; ++k) {
                store_peak(args, heatmap_pixels<T>(heatmaps, b, k), peaks[k].index, taps, b, k);
            }
        }
    });
}

// One map as a plane of numbers; `room` serves the smoothing.
template <class Real>
POSEOPS_INLINE void decode_plane(const HeatmapDecodeArgs& args, const Real* plane, const BlurTaps<Real>& taps,
                                 Real* smoothed, Real* room, int64_t b, int64_t k) {
    const int32_t height = static_cast<int32_t>(args.heatmaps.shape[2]);
    const int32_t width = static_cast<int32_t>(args.heatmaps.shape[3]);
    const int64_t pixels = int64_t{height} * width;
    const HeatmapPixels<Real> map = {plane, width, 1, height, width};
    if (args.smoothing == HeatmapSmoothing::kNone) {
        store_peak(args, map, peak_of_rows(plane, 1, pixels, 0).index, taps, b, k);
        return;
    }
    const bool reflect = args.smoothing == HeatmapSmoothing::kReflected;
    smooth_plane(plane, height, width, reflect, taps, room, smoothed);
    const HeatmapPixels<Real> smooth = {smoothed, width, 1, height, width};
    if (reflect) {
        store_peak(args, smooth, peak_of_rows(smoothed, 1, pixels, 0).index, taps, b, k);
    } else {
        store_megvii(args, map, peak_of_rows(plane, 1, pixels, 0).index, smooth, b, k);
    }
}

// Maps that are merged with the mirrored image's or smoothed: a few at a time as planes, which stay in the cache.
template <class T>
POSEOPS_INLINE void decode_planes(const HeatmapDecodeArgs& args, const BlurTaps<compute_t<T>>& taps) {
    using Real = compute_t<T>;
    constexpr int64_t kChannels = 16;
    constexpr int64_t kLargestPlane = int64_t{1} << 16;
    const int64_t joints = args.heatmaps.shape[1];
    const int64_t pixels = args.heatmaps.shape[2] * args.heatmaps.shape[3];
    const bool unit_rows =
        args.heatmaps.has_unit_stride(3) && (args.flipped.rank == 0 || args.flipped.has_unit_stride(3));
    const int64_t planes = unit_rows || pixels > kLargestPlane ? 1 : joints < kChannels ? joints : kChannels;
    const int64_t groups = (joints + planes - 1) / planes;
    const bool smooths_map = args.smoothing != HeatmapSmoothing::kNone;
    const int64_t room = smoothing_room(args.heatmaps.shape[2], args.heatmaps.shape[3], taps.size);
    const auto decode = [&](int64_t begin, int64_t end) {
        Scratch<Real> memory(planes * pixels + (smooths_map ? pixels + room : 0));
        Real* smoothed = memory.data() + planes * pixels;
        for (int64_t i = begin; i < end; ++i) {
            const int64_t b = i / groups;
            const int64_t first = i % groups * planes;
            const int64_t count = joints - first < planes ? joints - first : planes;
            if (unit_rows) {
                load_plane<T>(args, b, first, memory.data());
            } else {
                load_planes_by_row<T>(args, b, first, count, memory.data());
            }
            for (int64_t k = 0; k < count; ++k) {
                decode_plane(args, memory.data() + k * pixels, taps, smoothed, smoothed + pixels, b,
                             first + k);
            }
        }
    };
    parallel_for(args.heatmaps.shape[0] * groups, kPixelsPerThread / (planes * pixels) + 1, decode);
}

// Whether the rows of all channels together lie in memory order. Row numbers must fit the keys' type.
template <class T>
POSEOPS_INLINE bool is_channels_last(const TensorView& heatmaps) {
    const bool pixels = heatmaps.shape[3] == 1 || heatmaps.strides[3] == heatmaps.shape[1];
    return heatmaps.has_unit_stride(1) && pixels &&
           heatmaps.shape[2] <= std::numeric_limits<order_key_t<T>>::max();
}

}  // namespace

void heatmap_decode(const HeatmapDecodeArgs& args) {
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        const bool smooths_map = args.smoothing != HeatmapSmoothing::kNone;
        const BlurTaps<compute_t<T>> taps = smooths_map ? blur_taps<compute_t<T>>(args.refinement.blur_kernel)
                                                        : blur_taps_of<compute_t<T>>(args.refinement);
        if (smooths_map || args.flipped.rank != 0) {
            decode_planes<T>(args, taps);
        } else if (!args.heatmaps.has_unit_stride(3) && is_channels_last<T>(args.heatmaps)) {
            decode_images<T>(args, taps);
        } else {
            decode_maps<T>(args, taps);
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
