// CPU: joints in parallel, a row at a time; exponentials only as far as the Gaussian reaches.
#include "core/convert.h"
#include "core/denormals.h"
#include "core/parallel.h"
#include "ops/simcc_label/simcc_label.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Bins below which a second thread does not pay.
constexpr int64_t kBinsPerThread = 16384;

template <class T, class Real>
POSEOPS_INLINE void write_rest(T* bins, int32_t begin, int32_t end, Real rest) {
#pragma omp simd
    for (int32_t i = begin; i < end; ++i) store_from_compute(bins + i, rest);
}

template <class T, class Real>
POSEOPS_INLINE void write_row(T* bins, int32_t count, const SimccRow<Real>& row) {
    write_rest(bins, 0, row.begin, row.rest);
#pragma omp simd
    for (int32_t i = row.begin; i < row.end; ++i) store_from_compute(bins + i, simcc_value(row, i));
    write_rest(bins, row.end, count, row.rest);
}

template <class T>
POSEOPS_INLINE void write_labels(const SimccLabelArgs& args) {
    const int64_t joints = args.weights.shape[1];
    const int64_t counts[2] = {args.labels[0].shape[2], args.labels[1].shape[2]};
    const int64_t grain = kBinsPerThread / (counts[0] + counts[1]) + 1;
    parallel_for(args.weights.numel(), grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        for (int64_t i = begin; i < end; ++i) {
            const auto joint = load_simcc_joint<compute_t<T>>(args, i / joints, i % joints);
            for (int32_t d = 0; d < 2; ++d) {
                write_row(args.labels[d].as<T>() + i * counts[d], static_cast<int32_t>(counts[d]),
                          joint.rows[d]);
            }
            store_simcc_weight(args, i, joint.weight);
        }
    });
}

}  // namespace

void simcc_label(const SimccLabelArgs& args) {
    visit_floating(args.labels[0].dtype, [&](auto tag) { write_labels<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
