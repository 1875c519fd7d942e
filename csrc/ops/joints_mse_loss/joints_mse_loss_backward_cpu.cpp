// The second half of the gradient on the CPU: the stored one times a factor per joint, in place.
#include "core/convert.h"
#include "core/denormals.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/joints_mse_loss/joints_mse_loss.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

constexpr int64_t kElementsPerThread = 16384;

template <class T, class Real>
POSEOPS_INLINE void scale_row(T* row, const Real* factor, int64_t length, int64_t step) {
    if (step == 1) {
#pragma omp simd
        for (int64_t j = 0; j < length; ++j) {
            store_from_compute(row + j, scaled_gradient(load_as_compute(row[j]), factor[j]));
        }
        return;
    }
    for (int64_t j = 0; j < length; ++j) {
        store_from_compute(row + j * step, scaled_gradient(load_as_compute(row[j * step]), factor[j]));
    }
}

// Rows of maps or, with joints interleaved in memory, of images.
template <class T>
POSEOPS_INLINE void scale(const JointsMseLossBackwardArgs& args) {
    using Real = compute_t<T>;
    const TensorView& gradient = args.gradient;
    const bool interleaved = !gradient.is_contiguous() && gradient.is_channels_last();
    const int64_t joints = gradient.shape[1];
    const int64_t channels = interleaved ? joints : 1;
    const int64_t groups = joints / channels;
    const int64_t length = gradient.shape[3] * channels;
    const int64_t height = gradient.shape[2];
    const int64_t step = interleaved ? 1 : gradient.strides[3];
    const int64_t grain = kElementsPerThread / (length * height) + 1;
    parallel_for(gradient.shape[0] * groups, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        Scratch<Real> factor(length);
        for (int64_t plane = begin; plane < end; ++plane) {
            const int64_t b = plane / groups;
            const int64_t k = plane % groups;
            bool changes = false;
            for (int64_t c = 0; c < channels; ++c) {
                const Real one = load_factor<Real>(args, b, k + c);
                changes = changes || one != Real(1);
                for (int64_t j = c; j < length; j += channels) factor[j] = one;
            }
            T* const first = gradient.as<T>() + b * gradient.strides[0] + k * gradient.strides[1];
            for (int64_t y = 0; changes && y < height; ++y) {
                scale_row(first + y * gradient.strides[2], factor.data(), length, step);
            }
        }
    });
}

}  // namespace

void joints_mse_loss_backward(const JointsMseLossBackwardArgs& args) {
    visit_floating(args.gradient.dtype, [&](auto tag) { scale<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
