// soft_argmax: the centre of mass of each map, with the covariance of its mass, on 1, 2 or 3 axes.
//
// heatmaps   (B, K, W), (B, K, H, W) or (B, K, D, H, W), any floating dtype, any strides; n axes of at least 1 pixel
// coords     (B, K, n)    output, (x), (x, y) or (x, y, z) on the chosen grid
// confidence (B, K)       output: softmax: the largest weight over the sum; sigmoid: the largest weight; sum: the
//                         largest value
// covariance (B, K, n, n) output or none, in the units of coords
// normalizer (B, K, 2)    output or none: the reference value of the weights and their sum, for the gradient
//
// Outputs are contiguous, float32 (float64 with float64 heatmaps). A map whose weights sum to 0 has its centre as
// coordinates, covariance 0 and no gradient. A NaN anywhere in a map makes all its results NaN, and so does +inf
// except under sigmoid; -inf weighs nothing under softmax and sigmoid.
// Formulas: soft_argmax_math.h. Both devices follow this contract.
#pragma once

#include <type_traits>

#include "core/convert.h"
#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"
#include "ops/soft_argmax/soft_argmax_math.h"

namespace pyposeops {

// A map's three axes are sorted by stride, slowest first, whatever they mean; axes that are not there have one pixel.
// Loops thereby run along memory, and only the outputs know x, y and z.
struct SoftArgmaxArgs {
    TensorView heatmaps;       // (B, K, slow, middle, fast)
    int32_t coordinate_of[3];  // of the three axes: 0 for x, 1 for y, 2 for z
    SoftArgmaxWeight weight;
    SoftArgmaxGrid grid;
    double beta;  // inverse temperature
    TensorView coords;
    TensorView confidence;
    TensorView covariance;  // no data: not wanted
    TensorView normalizer;  // no data: not wanted
};

// Of `forward` the outputs are read. grad_coords and grad_covariance: as coords and covariance, contiguous, either
// without data where it is 0. grad_heatmaps (B, K, slow, middle, fast): output of the dtype of the heatmaps, any
// strides, every element written.
struct SoftArgmaxBackwardArgs {
    SoftArgmaxArgs forward;
    TensorView grad_coords;
    TensorView grad_covariance;
    TensorView grad_heatmaps;
};

// All joints of an image lie beside each other at every pixel: channels_last.
POSEOPS_HD bool has_interleaved_joints(const TensorView& maps) {
    return maps.shape[1] > 1 && maps.strides[1] == 1 && maps.strides[4] == maps.shape[1];
}

// Writes the results of map `map` = b * K + k. `moments` are taken relative to the pixel `origin`.
template <class Real>
POSEOPS_HD void store_soft_argmax(const SoftArgmaxArgs& args, int64_t map, Real maximum, Real reference,
                                  const SoftArgmaxMoments<double>& moments, const double (&origin)[3]) {
    const int64_t n = args.coords.shape[2];
    const bool empty = moments.sum == 0.0;
    const double share = empty ? 0.0 : 1.0 / moments.sum;
    for (int a = 0; a < 3; ++a) {
        const int64_t d = args.coordinate_of[a];
        if (d >= n) continue;
        const int64_t size = args.heatmaps.shape[2 + a];
        const SoftArgmaxAxis axis = soft_argmax_axis(args.grid, size);
        const double pixel =
            empty ? 0.5 * static_cast<double>(size - 1) : origin[a] + moments.first[a] * share;
        args.coords.as<Real>()[map * n + d] = static_cast<Real>(axis.scale * pixel + axis.offset);
        if (args.covariance.data == nullptr) continue;
        for (int b = a; b < 3; ++b) {
            const int64_t e = args.coordinate_of[b];
            if (e >= n) continue;
            const double scale = axis.scale * soft_argmax_axis(args.grid, args.heatmaps.shape[2 + b]).scale;
            const double mean_square = moments.second[soft_argmax_pair(a, b)] * share;
            const double square_mean = moments.first[a] * share * (moments.first[b] * share);
            const Real value = static_cast<Real>(scale * (mean_square - square_mean));
            args.covariance.as<Real>()[(map * n + d) * n + e] = value;
            args.covariance.as<Real>()[(map * n + e) * n + d] = value;
        }
    }
    if (args.normalizer.data != nullptr) {
        args.normalizer.as<Real>()[2 * map] = reference;
        args.normalizer.as<Real>()[2 * map + 1] = static_cast<Real>(moments.sum);
    }
    Real confidence = maximum;
    if (args.weight != SoftArgmaxWeight::kSum) {
        const Real rate = soft_argmax_rate<Real>(args.beta);
        const Real background = soft_argmax_background(args.weight, rate, reference);
        confidence =
            args.weight == SoftArgmaxWeight::kSigmoid
                ? soft_argmax_weight<SoftArgmaxWeight::kSigmoid>(maximum, rate, reference, background)
                : soft_argmax_weight<SoftArgmaxWeight::kSoftmax>(maximum, rate, reference, background) *
                      static_cast<Real>(share);
    }
    args.confidence.as<Real>()[map] =
        moments.sum == moments.sum ? confidence : static_cast<Real>(moments.sum);
}

// The gradient of a map: at the pixel with position d relative to `centre` it is the slope of the pixel's weight times
// constant + sum_a linear_a d_a + sum_{a <= b} quadratic_ab d_a d_b.
template <class Real>
struct SoftArgmaxGradient {
    Real reference;
    Real constant;
    Real centre[3];
    Real linear[3];
    Real quadratic[6];
};

// With p_i the weights over their sum S: dx/dh_i = w'_i / S (g_i - x), and for the covariance C of coordinates d and e
// dC/dh_i = w'_i / S ((g_i - x)_d (g_i - x)_e - C), because sum_i p_i (g_i - x) = 0.
template <class Real>
POSEOPS_HD SoftArgmaxGradient<Real> load_soft_argmax_gradient(const SoftArgmaxBackwardArgs& args,
                                                              int64_t map) {
    const SoftArgmaxArgs& forward = args.forward;
    const int64_t n = forward.coords.shape[2];
    SoftArgmaxGradient<Real> gradient = {};
    gradient.reference = forward.normalizer.as<Real>()[2 * map];
    const double sum = static_cast<double>(forward.normalizer.as<Real>()[2 * map + 1]);
    const double factor = sum == 0.0 ? 0.0 : soft_argmax_slope_factor(forward.weight, forward.beta) / sum;
    for (int a = 0; a < 3; ++a) {
        const int64_t d = forward.coordinate_of[a];
        if (d >= n) continue;
        const SoftArgmaxAxis axis = soft_argmax_axis(forward.grid, forward.heatmaps.shape[2 + a]);
        const double coordinate = static_cast<double>(forward.coords.as<Real>()[map * n + d]);
        gradient.centre[a] =
            axis.scale == 0.0 ? Real(0) : static_cast<Real>((coordinate - axis.offset) / axis.scale);
        if (args.grad_coords.data != nullptr) {
            const double upstream = static_cast<double>(args.grad_coords.as<Real>()[map * n + d]);
            gradient.linear[a] = static_cast<Real>(factor * axis.scale * upstream);
        }
        for (int b = 0; b < 3 && args.grad_covariance.data != nullptr; ++b) {
            const int64_t e = forward.coordinate_of[b];
            if (e >= n) continue;
            const int64_t at = (map * n + d) * n + e;
            const double upstream = factor * static_cast<double>(args.grad_covariance.as<Real>()[at]);
            const double scale =
                axis.scale * soft_argmax_axis(forward.grid, forward.heatmaps.shape[2 + b]).scale;
            const double covariance = static_cast<double>(forward.covariance.as<Real>()[at]);
            gradient.quadratic[soft_argmax_pair(a < b ? a : b, a < b ? b : a)] +=
                static_cast<Real>(upstream * scale);
            gradient.constant -= static_cast<Real>(upstream * covariance);
        }
    }
    return gradient;
}

// Calls f with the weight as a compile-time constant; the debiased softmax is a softmax with a background.
template <class F>
POSEOPS_INLINE void visit_weight(SoftArgmaxWeight weight, const F& f) {
    switch (weight) {
        case SoftArgmaxWeight::kSoftmax:
        case SoftArgmaxWeight::kSoftmaxDebiased:
            f(std::integral_constant<SoftArgmaxWeight, SoftArgmaxWeight::kSoftmax>{});
            return;
        case SoftArgmaxWeight::kSigmoid:
            f(std::integral_constant<SoftArgmaxWeight, SoftArgmaxWeight::kSigmoid>{});
            return;
        case SoftArgmaxWeight::kSum:
            f(std::integral_constant<SoftArgmaxWeight, SoftArgmaxWeight::kSum>{});
            return;
    }
}

POSEOPS_CPU_OPERATOR(soft_argmax, SoftArgmaxArgs)
POSEOPS_CPU_OPERATOR(soft_argmax_backward, SoftArgmaxBackwardArgs)
POSEOPS_CUDA_OPERATOR(soft_argmax, SoftArgmaxArgs)
POSEOPS_CUDA_OPERATOR(soft_argmax_backward, SoftArgmaxBackwardArgs)

}  // namespace pyposeops
