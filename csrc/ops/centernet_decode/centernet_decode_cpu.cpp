// CPU: people in parallel.
#include "core/parallel.h"
#include "ops/centernet_decode/centernet_decode_math.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Joints below which a second thread does not pay.
constexpr int64_t kJointsPerThread = 256;

template <class Real>
POSEOPS_INLINE void decode_people(const CenternetDecodeArgs& args) {
    const int64_t people = args.images() * args.most_people();
    parallel_for(people, kJointsPerThread / (args.joints() + 1) + 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t b = i / args.most_people();
            const int64_t n = i % args.most_people();
            decode_box<Real>(args, b, n);
            for (int64_t k = 0; k < args.joints(); ++k) decode_joint<Real>(args, b, n, k);
        }
    });
}

}  // namespace

void centernet_decode(const CenternetDecodeArgs& args) {
    if (args.people.dtype == DType::kFloat64) {
        decode_people<double>(args);
    } else {
        decode_people<float>(args);
    }
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
