// The CUDA side of crop_images for perspective, other borders and several samples per pixel.
#include "ops/crop_images/crop_images_kernel.cuh"

namespace pyposeops {
namespace {

// A thread adds its pixel's samples in rows, then the rows, as the CPU loop does.
struct GeneralSampler {
    SampleGrid samples;

    __device__ void load(const CropImagesArgs& args, int64_t n) { samples = load_sample_grid(args, n); }
    __device__ bool valid() const { return samples.valid; }

    __device__ FixedPosition position(int64_t u, int64_t v) const {
        if (samples.is_perspective) return perspective_position(samples.perspective, u, v);
        const SourceGrid& grid = samples.grid;
        return {grid.x0 + u * grid.xu + v * grid.xv, grid.y0 + u * grid.yu + v * grid.yv, true};
    }

    __device__ void sample(const CropImagesArgs& args, const ImageView& image, uint32_t u, uint32_t v,
                           float values[3]) const {
        for (int c = 0; c < 3; ++c) values[c] = args.border_value;
        if (image.data == nullptr) return;
        const int32_t across = samples.counts.across;
        const int32_t down = samples.counts.down;
        float sums[3] = {};
        for (int32_t j = 0; j < down; ++j) {
            float row[3] = {};
            for (int32_t i = 0; i < across; ++i) {
                const FixedPosition at = position(int64_t{u} * across + i, int64_t{v} * down + j);
                float sampled[3] = {args.border_value, args.border_value, args.border_value};
                if (at.valid) sample_anywhere(image, at.x, at.y, args.border, args.border_value, sampled);
                for (int c = 0; c < 3; ++c) row[c] += sampled[c];
            }
            for (int c = 0; c < 3; ++c) sums[c] += row[c];
        }
        const float share = 1.0f / static_cast<float>(across * down);
        for (int c = 0; c < 3; ++c) values[c] = product(sums[c], share);
    }
};

}  // namespace

void crop_images_general_cuda(const CropImagesArgs& args, StreamHandle stream) {
    launch_crops<GeneralSampler>(args, stream);
}

}  // namespace pyposeops
