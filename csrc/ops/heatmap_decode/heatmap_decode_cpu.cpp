// CPU: maps in parallel; the maximum is found on integers that sort like the numbers, which vectorises for
// every dtype and needs no special case for NaN.
#include "core/convert.h"
#include "core/newton_refine_cpu.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/heatmap_decode/heatmap_decode.h"

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

template <class T>
POSEOPS_INLINE void store_keypoint(const HeatmapDecodeArgs& args, const HeatmapPixels<T>& map, int64_t index,
                                   const BlurTaps<compute_t<T>>& taps, int64_t i) {
    using Real = compute_t<T>;
    const int32_t x = static_cast<int32_t>(index % map.width);
    const int32_t y = static_cast<int32_t>(index / map.width);
    const Real score = map.at(x, y);
    Real* coords = args.coords.as<Real>() + 2 * i;
    args.scores.as<Real>()[i] = score;
    coords[0] = coords[1] = static_cast<Real>(args.empty_coord);
    if (!(score > Real(0))) return;
    Real blurred_peak = kNotSought<Real>;
    const HeatmapOffset<Real> offset = peak_offset(map, x, y, args.refinement, score, taps, blurred_peak);
    coords[0] = static_cast<Real>(x) + offset.x;
    coords[1] = static_cast<Real>(y) + offset.y;
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
                store_keypoint(args, map, peak.index, taps, i);
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
                store_keypoint(args, heatmap_pixels<T>(heatmaps, b, k), peaks[k].index, taps, b * joints + k);
            }
        }
    });
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
        const BlurTaps<compute_t<T>> taps = blur_taps_of<compute_t<T>>(args.refinement);
        if (!args.heatmaps.has_unit_stride(3) && is_channels_last<T>(args.heatmaps)) {
            decode_images<T>(args, taps);
        } else {
            decode_maps<T>(args, taps);
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
