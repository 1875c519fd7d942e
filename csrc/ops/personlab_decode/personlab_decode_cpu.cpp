// CPU: the peaks' poses in parallel.
#include "core/parallel.h"
#include "ops/personlab_decode/personlab_decode_math.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

template <class T>
POSEOPS_INLINE void grow_poses(const PersonlabPosesArgs& args) {
    const int64_t joints = args.joints();
    parallel_for(args.heatmaps.shape[0] * joints, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t count = args.counts.as<int64_t>()[i];
            for (int64_t p = 0; p < count; ++p) grow_pose<T>(args, i / joints, i % joints, p);
        }
    });
}

}  // namespace

void personlab_poses(const PersonlabPosesArgs& args) {
    visit_floating(args.heatmaps.dtype, [&](auto tag) { grow_poses<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
