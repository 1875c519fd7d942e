// The CPU loop of crop_images for perspective, other borders and several samples per pixel. Wherever the image is, the
// samples go through the plain path's vectors.
#include "ops/crop_images/crop_images_perspective.h"
#include "ops/crop_images/crop_images_run.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// A border that continues the image: no part of a run is without it.
struct ContinuedBorder {
    BorderMode mode;
    float value;  // of crops without an image under them

    POSEOPS_INLINE PixelRange touched(const ImageView&, const Run&, PixelRange range) const { return range; }
    POSEOPS_INLINE void sample(const ImageView& image, int64_t x, int64_t y, float values[3]) const {
        sample_continued(image, x, y, mode, values);
    }
};

// `count` samples from (u, v) of the crop of all samples, on its row v.
POSEOPS_INLINE void sample_row(const CropImagesArgs& args, const ImageView& image, const SampleGrid& samples,
                               int64_t u, int64_t v, int64_t count, PixelPairs& scratch, RunValues& out) {
    if (!samples.valid) {
        fill_border(out, {0, count}, args.border_value);
        return;
    }
    if (samples.is_perspective) {
        sample_perspective(args, image, samples.perspective, u, v, count, scratch, out);
        return;
    }
    const SourceGrid& grid = samples.grid;
    const Run row = {grid.x0 + v * grid.xv, grid.xu, grid.y0 + v * grid.yv, grid.yu};
    if (args.border == BorderMode::kConstant) {
        sample_run(image, row.from(u), count, ConstantBorder{args.border_value}, scratch, out);
    } else {
        sample_run(image, row.from(u), count, ContinuedBorder{args.border, args.border_value}, scratch, out);
    }
}

// The means over across x down samples of `count` pixels from (u, v): sums of rows, then of those, as the CUDA kernel adds
// them. Rounding grows with the longer of the two sums, not with their product.
POSEOPS_INLINE void average_row(const CropImagesArgs& args, const ImageView& image, const SampleGrid& samples,
                                int64_t u, int64_t v, int64_t count, PixelPairs& scratch, RunValues& values,
                                RunValues& out) {
    const int64_t across = samples.counts.across;
    const int64_t down = samples.counts.down;
    fill_border(out, {0, count}, 0.0f);
    for (int64_t j = 0; j < down; ++j) {
        sample_row(args, image, samples, u * across, v * down + j, count * across, scratch, values);
        for (int c = 0; c < 3; ++c) {
            for (int64_t i = 0; i < count; ++i) {
                float sum = 0.0f;
                for (int64_t k = 0; k < across; ++k) sum += values.channel[c][i * across + k];
                out.channel[c][i] += sum;
            }
        }
    }
    const float share = 1.0f / static_cast<float>(across * down);
    for (int c = 0; c < 3; ++c) {
        for (int64_t i = 0; i < count; ++i) out.channel[c][i] *= share;
    }
}

template <class T, int64_t kPixelStride>
POSEOPS_INLINE void crop_rows(const CropImagesArgs& args, int64_t n, int64_t row_begin, int64_t row_end) {
    const int64_t width = args.crops.shape[3];
    const int64_t pixels = args.crops.shape[2] * width;
    const SampleGrid samples = load_sample_grid(args, n);
    const ImageView image = image_of_crop(args, n);
    const Finish finish = finish_of_crop(args, n);
    const bool one_sample = samples.counts.across == 1 && samples.counts.down == 1;
    const int64_t run_length = kRunLength / samples.counts.across;
    PixelPairs scratch;
    RunValues values;
    RunValues means;
    T* crop = args.crops.as<T>() + n * 3 * pixels;
    for (int64_t v = row_begin; v < row_end; ++v) {
        for (int64_t u = 0; u < width; u += run_length) {
            const int64_t count = width - u < run_length ? width - u : run_length;
            if (one_sample) {
                sample_row(args, image, samples, u, v, count, scratch, means);
            } else {
                average_row(args, image, samples, u, v, count, scratch, values, means);
            }
            store_run<T, kPixelStride>(means, count, finish, crop + (v * width + u) * kPixelStride, pixels);
        }
    }
}

}  // namespace

void crop_images_general(const CropImagesArgs& args) {
    const bool channels_last = !args.crops.is_contiguous();
    visit_crop_dtype(args.crops.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        for_row_ranges(args, [&](int64_t n, int64_t row_begin, int64_t row_end) {
            if (channels_last) {
                crop_rows<T, 3>(args, n, row_begin, row_end);
            } else {
                crop_rows<T, 1>(args, n, row_begin, row_end);
            }
        });
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
