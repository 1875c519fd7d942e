// pifpaf_scores on CUDA: a thread scores each cell. Few cells are sure enough to be scored; those look at all cells of
// the joint's field in order, which are read from the caches, so that sums are those of the CPU to the bit.
#include "core/cuda/launch.cuh"
#include "ops/pifpaf_decode/pifpaf_decode_math.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;

template <class T>
struct WholeField {
    const PifpafScoresArgs& args;
    FieldComponents<T> field;
    int64_t cells;

    __device__ double operator()(double x, double y) const {
        double total = 0.0;
        for (int64_t cell = 0; cell < cells; ++cell) {
            SpeakingCell speaking;
            if (speaks(args, field, cell, speaking)) total += speaking.confidence_at(x, y);
        }
        return total < 1.0 ? total : 1.0;
    }
};

template <class T>
__global__ void __launch_bounds__(kThreads) pifpaf_scores_kernel(PifpafScoresArgs args) {
    const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    const int64_t cells = args.height() * args.width();
    const int64_t joints = args.joints();
    const int64_t fields = joints + 2 * args.limb_count;
    const int64_t image = index / cells / fields;
    if (image >= args.cif.shape[0]) return;
    const int64_t cell = index % cells;
    const int64_t field = index / cells % fields;
    if (field < joints) {
        const WholeField<T> sure = {args, {args.cif, image, field}, cells};
        args.seeds.as<double>()[(image * joints + field) * cells + cell] =
            seed_score(args, sure.field, cell, sure);
        return;
    }
    const int64_t limb = (field - joints) / 2;
    const int64_t to = 1 - (field - joints) % 2;
    const WholeField<T> sure = {args, {args.cif, image, args.limbs[limb].joints[to]}, cells};
    const FieldComponents<T> own(args.caf, image, limb);
    args.links.as<double>()[((image * args.limb_count + limb) * 2 + (1 - to)) * cells + cell] =
        link_score(args, own, cell, to, sure);
}

}  // namespace

void pifpaf_scores_cuda(const PifpafScoresArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.cif.device);
    const int64_t fields = args.joints() + 2 * args.limb_count;
    const unsigned int blocks =
        block_count(args.cif.shape[0] * fields * args.height() * args.width(), kThreads);
    visit_floating(args.cif.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        pifpaf_scores_kernel<T><<<blocks, kThreads, 0, as_cuda_stream(stream)>>>(args);
    });
    check_launch("pifpaf_scores");
}

}  // namespace pyposeops
