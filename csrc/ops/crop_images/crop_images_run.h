// A run of crop pixels on the CPU: raw values are collected channel by channel in the L1 cache, then normalised,
// converted and stored. And how crops are cut into runs and spread over threads.
#pragma once

#include "core/convert.h"
#include "core/parallel.h"
#include "ops/crop_images/crop_images.h"
#include "ops/crop_images/crop_images_interior.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {

constexpr int64_t kRowsPerTask = 16;
// Pixels below which a second thread does not pay.
constexpr int64_t kPixelsPerThread = 4096;

POSEOPS_INLINE void fill_border(RunValues& out, PixelRange range, float border_value) {
    for (int c = 0; c < 3; ++c) {
        for (int64_t i = range.begin; i < range.end; ++i) out.channel[c][i] = border_value;
    }
}

template <class Border>
POSEOPS_INLINE void sample_edge(const ImageView& image, const Run& run, PixelRange range,
                                const Border& border, RunValues& out) {
    for (int64_t i = range.begin; i < range.end; ++i) {
        float values[3];
        border.sample(image, run.x + i * run.xu, run.y + i * run.yu, values);
        for (int c = 0; c < 3; ++c) out.channel[c][i] = values[c];
    }
}

// Whether the pixel at or before a position is at least -reach and at most size - 2 + reach, along both axes:
// with reach 0 all four neighbours are pixels of the image, with reach 1 one of them may be.
POSEOPS_INLINE bool is_within(const ImageView& image, const Run& at, int64_t reach) {
    const int64_t column = whole_pixel(at.x);
    const int64_t row = whole_pixel(at.y);
    return column >= -reach && column < image.width - 1 + reach && row >= -reach &&
           row < image.height - 1 + reach;
}

// The part of `range` that is_within. Positions lie on a line: if both ends are, all are; otherwise the
// crossings are divided out.
POSEOPS_INLINE PixelRange part_within(const ImageView& image, const Run& run, PixelRange range,
                                      int64_t reach) {
    if (range.begin >= range.end) return range;
    if (is_within(image, run.from(range.begin), reach) && is_within(image, run.from(range.end - 1), reach)) {
        return range;
    }
    const int64_t low = -(reach << kFractionBits);
    range = clip_range(range, run.x, run.xu, low, ((image.width - 1 + reach) << kFractionBits) - 1);
    return clip_range(range, run.y, run.yu, low, ((image.height - 1 + reach) << kFractionBits) - 1);
}

// What lies around the image. `touched` is the part of a run that the image has to do with; the rest is one value.
struct ConstantBorder {
    float value;

    POSEOPS_INLINE PixelRange touched(const ImageView& image, const Run& run, PixelRange range) const {
        return part_within(image, run, range, 1);
    }
    POSEOPS_INLINE void sample(const ImageView& image, int64_t x, int64_t y, float values[3]) const {
        sample_with_border(image, x, y, value, values);
    }
};

// A run is border, edge, interior, edge, border; each part may be empty.
template <class Border>
POSEOPS_INLINE void sample_run(const ImageView& image, const Run& run, int64_t count, const Border& border,
                               PixelPairs& scratch, RunValues& out) {
    const PixelRange touched = border.touched(image, run, {0, count});
    const PixelRange interior = part_within(image, run, touched, 0);
    fill_border(out, {0, touched.begin}, border.value);
    sample_edge(image, run, {touched.begin, interior.begin}, border, out);
    if (interior.begin < interior.end) sample_interior(image, run, interior, scratch, out);
    sample_edge(image, run, {interior.end, touched.end}, border, out);
    fill_border(out, {touched.end, count}, border.value);
}

// Which of the image's channels become the crop's, and how.
struct Finish {
    int source[3];
    ChannelTransform transform[3];
    bool round_uint8;
};

POSEOPS_INLINE Finish finish_of_crop(const CropImagesArgs& args, int64_t n) {
    Finish finish = {{0, 1, 2}, {}, args.round_uint8};
    for (int c = 0; c < 3; ++c) {
        finish.source[c] = args.reverse_channels ? 2 - c : c;
        finish.transform[c] = load_channel_transform(args, n, c);
    }
    return finish;
}

template <class T>
POSEOPS_INLINE void finish_channel(const RunValues& in, int64_t count, const Finish& finish, int channel,
                                   T* out) {
    const float* values = in.channel[finish.source[channel]];
    const ChannelTransform transform = finish.transform[channel];
    const bool round_uint8 = finish.round_uint8;
    for (int64_t i = 0; i < count; ++i)
        store_from_compute(out + i, finished_value(values[i], transform, round_uint8));
}

// kPixelStride: 1 for NCHW, 3 for channels_last. There the channels are finished side by side first: loops
// that write every third element and convert at once are not vectorised.
template <class T, int64_t kPixelStride>
POSEOPS_INLINE void store_run(const RunValues& in, int64_t count, const Finish& finish, T* out,
                              int64_t channel_stride) {
    if constexpr (kPixelStride == 1) {
        for (int c = 0; c < 3; ++c) finish_channel(in, count, finish, c, out + c * channel_stride);
    } else {
        alignas(64) T finished[3][kRunLength];
        for (int c = 0; c < 3; ++c) finish_channel(in, count, finish, c, finished[c]);
        for (int64_t i = 0; i < count; ++i) {
            for (int c = 0; c < 3; ++c) out[3 * i + c] = finished[c][i];
        }
    }
}

POSEOPS_INLINE ImageView image_of_crop(const CropImagesArgs& args, int64_t n) {
    const int64_t index = load_image_index(args, n);
    if (!args.is_stack) return args.images[index];
    ImageView image = args.images[0];
    image.data += index * args.stack_stride;
    return image;
}

// Calls rows(crop, first row, end row) for parts of all crops, on all threads.
template <class Rows>
POSEOPS_INLINE void for_row_ranges(const CropImagesArgs& args, const Rows& rows) {
    const int64_t height = args.crops.shape[2];
    const int64_t tasks = (height + kRowsPerTask - 1) / kRowsPerTask;
    const int64_t grain = kPixelsPerThread / (kRowsPerTask * args.crops.shape[3]) + 1;
    parallel_for(args.crops.shape[0] * tasks, grain, [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
            const int64_t row = task % tasks * kRowsPerTask;
            const int64_t row_end = row + kRowsPerTask < height ? row + kRowsPerTask : height;
            rows(task / tasks, row, row_end);
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
