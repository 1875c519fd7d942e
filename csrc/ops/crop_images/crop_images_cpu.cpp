// The CPU loop of crop_images. A row of the crop is cut into runs of at most kRunLength pixels; a run's raw
// values are first collected channel by channel in the L1 cache, then normalised, converted and stored.
#include "core/convert.h"
#include "core/parallel.h"
#include "ops/crop_images/crop_images.h"
#include "ops/crop_images/crop_images_interior.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

constexpr int64_t kRowsPerTask = 16;
// Pixels below which a second thread does not pay.
constexpr int64_t kPixelsPerThread = 4096;

POSEOPS_INLINE void fill_border(RunValues& out, PixelRange range, float border_value) {
    for (int c = 0; c < 3; ++c) {
        for (int64_t i = range.begin; i < range.end; ++i) out.channel[c][i] = border_value;
    }
}

POSEOPS_INLINE void sample_edge(const ImageView& image, const Run& run, PixelRange range, float border_value,
                                RunValues& out) {
    for (int64_t i = range.begin; i < range.end; ++i) {
        float values[3];
        sample_with_border(image, run.x + i * run.xu, run.y + i * run.yu, border_value, values);
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

// A run is border, edge, interior, edge, border; each part may be empty.
POSEOPS_INLINE void sample_run(const ImageView& image, const Run& run, int64_t count, float border_value,
                               PixelPairs& scratch, RunValues& out) {
    const PixelRange touched = part_within(image, run, {0, count}, 1);
    const PixelRange interior = part_within(image, run, touched, 0);
    fill_border(out, {0, touched.begin}, border_value);
    sample_edge(image, run, {touched.begin, interior.begin}, border_value, out);
    if (interior.begin < interior.end) sample_interior(image, run, interior, scratch, out);
    sample_edge(image, run, {interior.end, touched.end}, border_value, out);
    fill_border(out, {touched.end, count}, border_value);
}

// Which of the image's channels become the crop's, and how.
struct Finish {
    int source[3];
    ChannelTransform transform[3];
    bool round_uint8;
};

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

template <class T, int64_t kPixelStride>
POSEOPS_INLINE void crop_rows(const CropImagesArgs& args, int64_t n, int64_t row_begin, int64_t row_end) {
    const int64_t width = args.crops.shape[3];
    const int64_t pixels = args.crops.shape[2] * width;
    const SourceGrid grid = load_source_grid(args, n);
    // An image without pixels makes the whole crop border.
    const ImageView image = grid.valid ? image_of_crop(args, n) : ImageView{};
    Finish finish = {{0, 1, 2}, {}, args.round_uint8};
    for (int c = 0; c < 3; ++c) {
        finish.source[c] = args.reverse_channels ? 2 - c : c;
        finish.transform[c] = load_channel_transform(args, n, c);
    }
    PixelPairs scratch;
    RunValues values;
    T* crop = args.crops.as<T>() + n * 3 * pixels;
    for (int64_t v = row_begin; v < row_end; ++v) {
        const Run row = {grid.x0 + v * grid.xv, grid.xu, grid.y0 + v * grid.yv, grid.yu};
        for (int64_t u = 0; u < width; u += kRunLength) {
            const int64_t count = width - u < kRunLength ? width - u : kRunLength;
            sample_run(image, row.from(u), count, args.border_value, scratch, values);
            store_run<T, kPixelStride>(values, count, finish, crop + (v * width + u) * kPixelStride, pixels);
        }
    }
}

template <class T, int64_t kPixelStride>
POSEOPS_INLINE void crop_all(const CropImagesArgs& args) {
    const int64_t height = args.crops.shape[2];
    const int64_t tasks = (height + kRowsPerTask - 1) / kRowsPerTask;
    const int64_t grain = kPixelsPerThread / (kRowsPerTask * args.crops.shape[3]) + 1;
    parallel_for(args.crops.shape[0] * tasks, grain, [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
            const int64_t row = task % tasks * kRowsPerTask;
            const int64_t row_end = row + kRowsPerTask < height ? row + kRowsPerTask : height;
            crop_rows<T, kPixelStride>(args, task / tasks, row, row_end);
        }
    });
}

}  // namespace

void crop_images(const CropImagesArgs& args) {
    const bool channels_last = !args.crops.is_contiguous();
    visit_crop_dtype(args.crops.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (channels_last) {
            crop_all<T, 3>(args);
        } else {
            crop_all<T, 1>(args);
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
