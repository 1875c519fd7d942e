// CUDA: a warp decodes a joint. Nothing is stored on the way: values are normalised and merged whenever they are
// read, once for the maximum and, for the softmax, once for its sum.
#include <limits>

#include "core/cuda/launch.cuh"
#include "core/cuda/reduce.cuh"
#include "ops/simcc_decode/simcc_decode.h"

namespace pyposeops {
namespace {

constexpr int kWarps = 8;

template <class Real>
struct DecodeTaps {
    BlurTaps<Real> axes[2];
};

__device__ __forceinline__ int32_t lane_of_warp() { return static_cast<int32_t>(threadIdx.x) % kWarpSize; }

template <class Real, class Combine>
__device__ __forceinline__ Real over_warp(Real value, Combine combine) {
    return __shfl_sync(kFullWarp, warp_reduce(value, combine), 0);
}

template <class Real>
struct Candidate {
    Real value;
    int32_t index;
};

// NaN before numbers, larger numbers before smaller ones, of equal ones the first.
template <class Real>
__device__ __forceinline__ bool comes_before(const Candidate<Real>& a, const Candidate<Real>& b) {
    const bool a_is_nan = a.value != a.value;
    const bool b_is_nan = b.value != b.value;
    if (a_is_nan != b_is_nan) return a_is_nan;
    if (a_is_nan || a.value == b.value) return a.index < b.index;
    return a.value > b.value;
}

// The first maximum of values at(0), ..., at(count - 1), for all lanes.
template <class Real, class At>
__device__ Candidate<Real> first_maximum(int32_t count, const At& at) {
    Candidate<Real> best = {-std::numeric_limits<Real>::infinity(), std::numeric_limits<int32_t>::max()};
#pragma unroll 4
    for (int32_t i = lane_of_warp(); i < count; i += kWarpSize) {
        const Candidate<Real> other = {at(i), i};
        if (comes_before(other, best)) best = other;
    }
#pragma unroll
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
        const Candidate<Real> other = {__shfl_xor_sync(kFullWarp, best.value, offset),
                                       __shfl_xor_sync(kFullWarp, best.index, offset)};
        if (comes_before(other, best)) best = other;
    }
    return best;
}

// The softmax of a row whose maximum is known. A NaN as maximum makes all of it NaN.
template <class T, class Real>
__device__ RowSoftmax<Real> softmax_of(const SimccBins<T>& bins, Real beta, Real maximum) {
    RowSoftmax<Real> softmax = {beta, maximum, Real(1)};
    Real sum = Real(0);
#pragma unroll 4
    for (int32_t i = lane_of_warp(); i < bins.count; i += kWarpSize) sum += softmax.numerator(bins.at(i));
    softmax.inverse_sum = Real(1) / over_warp(sum, [](Real a, Real b) { return a + b; });
    return softmax;
}

// One row of a joint, normalised and merged as it is read.
template <class T>
struct MergedBins {
    using Real = compute_t<T>;

    SimccBins<T> own;
    SimccBins<T> flipped;  // data is null where there is none
    RowSoftmax<Real> own_softmax;
    RowSoftmax<Real> flipped_softmax;
    int32_t shift;
    bool mirrored;
    bool softmax;

    __device__ Real at(int32_t i) const {
        const Real value = own.at(i);
        const Real ours = softmax ? own_softmax.of(value) : value;
        if (flipped.data == nullptr) return ours;
        const Real other = flipped.at(mirrored ? mirrored_bin(i, own.count, shift) : i);
        return mean_of_two(ours, softmax ? flipped_softmax.of(other) : other);
    }
};

// The smoothed row at bin i, for all lanes.
template <class T, class Real>
__device__ Real smoothed_by_warp(const MergedBins<T>& row, int32_t i, const BlurTaps<Real>& taps) {
    Real sum = Real(0);
    for (int32_t t = lane_of_warp(); t < taps.size; t += kWarpSize) {
        const int32_t bin = i - taps.size / 2 + t;
        if (bin >= 0 && bin < row.own.count) sum += taps.tap[t] * row.at(bin);
    }
    return over_warp(sum, [](Real a, Real b) { return a + b; });
}

template <class T, class Real>
__device__ Real smoothed_maximum(const MergedBins<T>& row, const BlurTaps<Real>& taps, Real known) {
    for (int32_t i = lane_of_warp(); i < row.own.count; i += kWarpSize) {
        Real sum = Real(0);
        for (int32_t t = 0; t < taps.size; ++t) {
            const int32_t bin = i - taps.size / 2 + t;
            if (bin >= 0 && bin < row.own.count) sum += taps.tap[t] * row.at(bin);
        }
        known = sum > known ? sum : known;
    }
    return over_warp(known, [](Real a, Real b) { return a > b ? a : b; });
}

// All lanes take the same branches and return the same step.
template <class T, class Real>
__device__ Real dark_step(const MergedBins<T>& row, int32_t index, Real maximum, const BlurTaps<Real>& taps) {
    if (!takes_simcc_step(maximum)) return Real(0);
    Real smoothed[kDarkBins];
#pragma unroll
    for (int32_t j = 0; j < kDarkBins; ++j) {
        smoothed[j] = smoothed_by_warp(row, dark_bin(index, j - kDarkBins / 2, row.own.count), taps);
    }
    const Rescaling needed = simcc_rescaling(maximum, smoothed);
    if (needed == Rescaling::kFlat) return Real(0);
    if (needed == Rescaling::kByMaximum) {
        const Real largest = smoothed_maximum(row, taps, smoothed[0]);
#pragma unroll
        for (int32_t j = 0; j < kDarkBins; ++j) smoothed[j] = smoothed[j] / largest * maximum;
    }
    return simcc_step(smoothed);
}

template <class T>
__device__ SimccPeak<compute_t<T>> peak_of(const SimccDecodeArgs& args, int64_t b, int64_t k, int32_t d,
                                           const BlurTaps<compute_t<T>>& taps) {
    using Real = compute_t<T>;
    const Real beta = static_cast<Real>(args.inverse_temperature);
    MergedBins<T> row = {};
    row.own = simcc_bins<T>(args.rows[d], b, k);
    row.shift = args.shift;
    row.mirrored = d == 0;
    row.softmax = args.softmax;
    const bool merges = args.flipped[d].rank != 0;
    if (merges) row.flipped = simcc_bins<T>(args.flipped[d], b, args.flip_order.partner[k]);

    Candidate<Real> best = {};
    if (!merges || args.softmax) {
        best = first_maximum<Real>(row.own.count, [&](int32_t i) { return row.own.at(i); });
    }
    if (args.softmax) {
        row.own_softmax = softmax_of(row.own, beta, best.value);
        if (merges) {
            const auto flipped = row.flipped;
            const auto other = first_maximum<Real>(flipped.count, [&](int32_t i) { return flipped.at(i); });
            row.flipped_softmax = softmax_of(flipped, beta, other.value);
        }
    }
    if (merges) best = first_maximum<Real>(row.own.count, [&](int32_t i) { return row.at(i); });
    if (args.softmax && !merges) best.value = row.own_softmax.of(best.value);
    const Real step = taps.size == 0 ? Real(0) : dark_step(row, best.index, best.value, taps);
    return {best.value, best.index, step};
}

template <class T>
__global__ void __launch_bounds__(kWarps* kWarpSize)
    simcc_decode_kernel(const __grid_constant__ SimccDecodeArgs args,
                        const __grid_constant__ DecodeTaps<compute_t<T>> taps) {
    const int64_t index = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarpSize;
    if (index >= args.scores.numel()) return;
    const int64_t b = index / args.scores.shape[1];
    const int64_t k = index % args.scores.shape[1];
    const SimccPeak<compute_t<T>> peaks[2] = {peak_of<T>(args, b, k, 0, taps.axes[0]),
                                              peak_of<T>(args, b, k, 1, taps.axes[1])};
    if (lane_of_warp() == 0) store_simcc_joint(args, b, k, peaks);
}

}  // namespace

void simcc_decode_cuda(const SimccDecodeArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.scores.device);
    const unsigned int blocks = block_count(args.scores.numel(), kWarps);
    visit_floating(args.rows[0].dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        const DecodeTaps<compute_t<T>> taps = {
            {simcc_taps<compute_t<T>>(args.blur_kernels[0]), simcc_taps<compute_t<T>>(args.blur_kernels[1])}};
        simcc_decode_kernel<T><<<blocks, kWarps * kWarpSize, 0, as_cuda_stream(stream)>>>(args, taps);
    });
    check_launch("simcc_decode");
}

}  // namespace pyposeops
