// The second half of the gradient on the CPU: the stored one times a factor per joint, in place.
#include <type_traits>

#include "core/convert_rows.h"
#include "core/denormals.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/joints_mse_loss/joints_mse_loss.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

constexpr int64_t kElementsPerThread = 16384;

constexpr int64_t kChunk = 1024;

// Each of `count` elements, `step` apart, times factor(j): in place where that is as fast, otherwise through `row`.
template <class T, class Real, class Factor>
POSEOPS_INLINE void scale_elements(T* first, int64_t step, int64_t count, Real* row, const Factor& factor) {
    if (step == 1 && !std::is_same<T, Half>::value) {
#pragma omp simd
        for (int64_t j = 0; j < count; ++j) {
            store_from_compute(first + j, scaled_gradient(load_as_compute(first[j]), factor(j)));
        }
        return;
    }
    load_row(first, step, row, count);
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) row[j] = scaled_gradient(row[j], factor(j));
    store_row(row, first, step, count);
}

template <class T>
POSEOPS_INLINE void scale_map(const JointsMseLossBackwardArgs& args, int64_t b, int64_t k,
                              compute_t<T>* row) {
    const TensorView& gradient = args.gradient;
    const int64_t height = gradient.shape[2];
    const int64_t width = gradient.shape[3];
    const compute_t<T> one = load_factor<compute_t<T>>(args, b, k);
    if (one == compute_t<T>(1)) return;
    const auto factor = [one](int64_t) { return one; };
    T* const first = gradient.as<T>() + b * gradient.strides[0] + k * gradient.strides[1];
    if (gradient.strides[3] == 1 && gradient.strides[2] == width) {
        for (int64_t at = 0; at < height * width; at += kChunk) {
            const int64_t left = height * width - at;
            scale_elements(first + at, 1, left < kChunk ? left : kChunk, row, factor);
        }
        return;
    }
    for (int64_t y = 0; y < height; ++y) {
        scale_elements(first + y * gradient.strides[2], gradient.strides[3], width, row, factor);
    }
}

// An image with its joints interleaved in memory.
template <class T>
POSEOPS_INLINE void scale_image(const JointsMseLossBackwardArgs& args, int64_t b, compute_t<T>* row,
                                compute_t<T>* factors) {
    using Real = compute_t<T>;
    const TensorView& gradient = args.gradient;
    const int64_t joints = gradient.shape[1];
    const int64_t length = joints * gradient.shape[3];
    bool changes = false;
    for (int64_t k = 0; k < joints; ++k) {
        const Real one = load_factor<Real>(args, b, k);
        changes = changes || one != Real(1);
        for (int64_t j = k; j < length; j += joints) factors[j] = one;
    }
    const auto factor = [factors](int64_t j) { return factors[j]; };
    T* const first = gradient.as<T>() + b * gradient.strides[0];
    for (int64_t y = 0; changes && y < gradient.shape[2]; ++y) {
        scale_elements(first + y * gradient.strides[2], 1, length, row, factor);
    }
}

template <class T>
POSEOPS_INLINE void scale(const JointsMseLossBackwardArgs& args) {
    using Real = compute_t<T>;
    const TensorView& gradient = args.gradient;
    const bool interleaved = !gradient.is_contiguous() && gradient.is_channels_last();
    const int64_t joints = gradient.shape[1];
    const int64_t planes = gradient.shape[0] * (interleaved ? 1 : joints);
    const int64_t length = gradient.shape[3] * (interleaved ? joints : 1);
    const int64_t grain = kElementsPerThread / (length * gradient.shape[2]) + 1;
    parallel_for(planes, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        Scratch<Real, kChunk> row(length);
        Scratch<Real, kChunk> factors(interleaved ? length : 0);
        for (int64_t plane = begin; plane < end; ++plane) {
            if (interleaved) {
                scale_image<T>(args, plane, row.data(), factors.data());
            } else {
                scale_map<T>(args, plane / joints, plane % joints, row.data());
            }
        }
    });
}

}  // namespace

void joints_mse_loss_backward(const JointsMseLossBackwardArgs& args) {
    visit_floating(args.gradient.dtype, [&](auto tag) { scale<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
