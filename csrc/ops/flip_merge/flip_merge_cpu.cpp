// CPU: maps in parallel (NCHW), or rows of pixels (channels_last); other strides element by element.
#include "core/convert.h"
#include "core/flip_cpu.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/flip_merge/flip_merge.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 16384;

template <class T>
POSEOPS_INLINE T* row_of(const TensorView& maps, int64_t b, int64_t c, int64_t y) {
    return maps.as<T>() + b * maps.strides[0] + c * maps.strides[1] + y * maps.strides[2];
}

template <class T>
POSEOPS_INLINE void merge_strided_map(const FlipMergeArgs& args, int64_t b, int64_t c, FlippedChannel from) {
    using Real = compute_t<T>;
    const Real sign = from.negated ? Real(-1) : Real(1);
    const int32_t width = static_cast<int32_t>(args.out.shape[3]);
    for (int64_t y = 0; y < args.out.shape[2]; ++y) {
        const T* own = row_of<const T>(args.heatmaps, b, c, y);
        const T* flipped = row_of<const T>(args.flipped, b, from.index, y);
        T* out = row_of<T>(args.out, b, c, y);
        for (int32_t x = 0; x < width; ++x) {
            const Real partner =
                load_as_compute(flipped[mirrored_column(x, width, args.shift) * args.flipped.strides[3]]);
            store_from_compute(
                out + x * args.out.strides[3],
                mean_of_two(load_as_compute(own[x * args.heatmaps.strides[3]]), sign * partner));
        }
    }
}

template <class T>
POSEOPS_INLINE void merge_map(const FlipMergeArgs& args, int64_t b, int64_t c, FlippedChannel from) {
    using Real = compute_t<T>;
    const PlaneRows<const T> own = {row_of<const T>(args.heatmaps, b, c, 0), args.heatmaps.strides[2]};
    const PlaneRows<const T> flipped = {row_of<const T>(args.flipped, b, from.index, 0),
                                        args.flipped.strides[2]};
    const PlaneRows<T> out = {row_of<T>(args.out, b, c, 0), args.out.strides[2]};
    merge_planes<T, T>(own, flipped, static_cast<int32_t>(args.out.shape[2]),
                       static_cast<int32_t>(args.out.shape[3]), args.shift, from.negated ? Real(-1) : Real(1),
                       out);
}

template <class T>
POSEOPS_INLINE void merge_maps(const FlipMergeArgs& args) {
    const int64_t channels = args.out.shape[1];
    const bool unit_rows =
        args.heatmaps.has_unit_stride(3) && args.flipped.has_unit_stride(3) && args.out.has_unit_stride(3);
    const int64_t pixels = args.out.shape[2] * args.out.shape[3];
    const auto merge = [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t b = i / channels;
            const int32_t c = static_cast<int32_t>(i % channels);
            const FlippedChannel from = flipped_channel(c, args.order, args.channels);
            if (unit_rows) {
                merge_map<T>(args, b, c, from);
            } else {
                merge_strided_map<T>(args, b, c, from);
            }
        }
    };
    parallel_for(args.out.shape[0] * channels, kElementsPerThread / pixels + 1, merge);
}

// Channels adjoin: a pixel's are read together.
template <class T>
POSEOPS_INLINE void merge_pixels(const FlipMergeArgs& args) {
    using Real = compute_t<T>;
    const int64_t channels = args.out.shape[1];
    const int64_t height = args.out.shape[2];
    const int32_t width = static_cast<int32_t>(args.out.shape[3]);
    Scratch<int32_t> source(channels);
    Scratch<Real> sign(channels);
    for (int32_t c = 0; c < channels; ++c) {
        const FlippedChannel from = flipped_channel(c, args.order, args.channels);
        source[c] = from.index;
        sign[c] = from.negated ? Real(-1) : Real(1);
    }
    const auto merge = [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const T* row = row_of<const T>(args.heatmaps, i / height, 0, i % height);
            const T* flipped_row = row_of<const T>(args.flipped, i / height, 0, i % height);
            T* out_row = row_of<T>(args.out, i / height, 0, i % height);
            for (int32_t x = 0; x < width; ++x) {
                const T* pixel = row + x * args.heatmaps.strides[3];
                const T* flipped =
                    flipped_row + mirrored_column(x, width, args.shift) * args.flipped.strides[3];
                T* out = out_row + x * args.out.strides[3];
                for (int64_t c = 0; c < channels; ++c) {
                    store_from_compute(out + c, mean_of_two(load_as_compute(pixel[c]),
                                                            sign[c] * load_as_compute(flipped[source[c]])));
                }
            }
        }
    };
    parallel_for(args.out.shape[0] * height, kElementsPerThread / (channels * width) + 1, merge);
}

}  // namespace

void flip_merge(const FlipMergeArgs& args) {
    const bool channels_adjoin = !args.out.has_unit_stride(3) && args.heatmaps.has_unit_stride(1) &&
                                 args.flipped.has_unit_stride(1) && args.out.has_unit_stride(1);
    visit_floating(args.out.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (channels_adjoin) {
            merge_pixels<T>(args);
        } else {
            merge_maps<T>(args);
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
