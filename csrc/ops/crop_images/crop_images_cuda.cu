// The CUDA side of crop_images for affine maps, a constant border and one sample per pixel.
#include "ops/crop_images/crop_images_kernel.cuh"

namespace pyposeops {
namespace {

struct PlainSampler {
    SourceGrid grid;

    __device__ void load(const CropImagesArgs& args, int64_t n) { grid = load_source_grid(args, n); }
    __device__ bool valid() const { return grid.valid; }
    __device__ void sample(const CropImagesArgs& args, const ImageView& image, uint32_t u, uint32_t v,
                           float values[3]) const {
        sample_with_border(image, grid.x0 + u * grid.xu + v * grid.xv, grid.y0 + u * grid.yu + v * grid.yv,
                           args.border_value, values);
    }
};

}  // namespace

void crop_images_cuda(const CropImagesArgs& args, StreamHandle stream) {
    launch_crops<PlainSampler>(args, stream);
}

}  // namespace pyposeops
