// The CPU loop of crop_images for affine maps, a constant border and one sample per pixel.
#include "ops/crop_images/crop_images_run.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

template <class T, int64_t kPixelStride>
POSEOPS_INLINE void crop_rows(const CropImagesArgs& args, int64_t n, int64_t row_begin, int64_t row_end) {
    const int64_t width = args.crops.shape[3];
    const int64_t pixels = args.crops.shape[2] * width;
    const SourceGrid grid = load_source_grid(args, n);
    // An image without pixels makes the whole crop border.
    const ImageView image = grid.valid ? image_of_crop(args, n) : ImageView{};
    const Finish finish = finish_of_crop(args, n);
    const ConstantBorder border = {args.border_value};
    PixelPairs scratch;
    RunValues values;
    T* crop = args.crops.as<T>() + n * 3 * pixels;
    for (int64_t v = row_begin; v < row_end; ++v) {
        const Run row = {grid.x0 + v * grid.xv, grid.xu, grid.y0 + v * grid.yv, grid.yu};
        for (int64_t u = 0; u < width; u += kRunLength) {
            const int64_t count = width - u < kRunLength ? width - u : kRunLength;
            sample_run(image, row.from(u), count, border, scratch, values);
            store_run<T, kPixelStride>(values, count, finish, crop + (v * width + u) * kPixelStride, pixels);
        }
    }
}

template <class T, int64_t kPixelStride>
POSEOPS_INLINE void crop_all(const CropImagesArgs& args) {
    for_row_ranges(args, [&](int64_t n, int64_t row_begin, int64_t row_end) {
        crop_rows<T, kPixelStride>(args, n, row_begin, row_end);
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
