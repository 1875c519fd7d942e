// CPU: joints in parallel; a row is brought to a buffer, where it is normalised, merged, searched and smoothed.
#include <limits>

#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/simcc_decode/simcc_decode.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Bins below which a second thread does not pay.
constexpr int64_t kBinsPerThread = 16384;
// Sums are taken in so many interleaved parts, whatever the registers hold.
constexpr int32_t kParts = 16;
// Zeros around a row in its buffer: what smoothing reads beyond it.
constexpr int32_t kMargin = kMaxBlurKernel / 2;

template <class T, class Real>
POSEOPS_INLINE void load_row(const SimccBins<T>& bins, Real* row) {
    if (bins.stride == 1) {
#pragma omp simd
        for (int32_t i = 0; i < bins.count; ++i) row[i] = load_as_compute(bins.data[i]);
    } else {
        for (int32_t i = 0; i < bins.count; ++i) row[i] = bins.at(i);
    }
}

template <class Real>
POSEOPS_INLINE Real total(const Real (&parts)[kParts]) {
    Real sum = Real(0);
    for (int32_t j = 0; j < kParts; ++j) sum += parts[j];
    return sum;
}

// The largest number of the row, NaN aside, and whether there is a NaN.
template <class Real>
struct Largest {
    Real value;
    bool has_nan;
};

template <class Real>
POSEOPS_INLINE Largest<Real> largest_of(const Real* row, int32_t count) {
    Real parts[kParts];
    int32_t unordered[kParts] = {};
    for (Real& part : parts) part = -std::numeric_limits<Real>::infinity();
    int32_t i = 0;
    for (; i + kParts <= count; i += kParts) {
#pragma omp simd
        for (int32_t j = 0; j < kParts; ++j) {
            parts[j] = row[i + j] > parts[j] ? row[i + j] : parts[j];
            unordered[j] |= row[i + j] != row[i + j] ? 1 : 0;
        }
    }
    for (int32_t j = 0; i + j < count; ++j) {
        parts[j] = row[i + j] > parts[j] ? row[i + j] : parts[j];
        unordered[j] |= row[i + j] != row[i + j] ? 1 : 0;
    }
    Largest<Real> largest = {parts[0], false};
    for (int32_t j = 0; j < kParts; ++j) {
        largest.value = parts[j] > largest.value ? parts[j] : largest.value;
        largest.has_nan |= unordered[j] != 0;
    }
    return largest;
}

template <class Real>
POSEOPS_INLINE int32_t first_of(const Real* row, int32_t count, const Largest<Real>& largest) {
    int32_t i = 0;
    if (largest.has_nan) {
        while (row[i] == row[i]) ++i;
        return i;
    }
    for (; i + kParts <= count; i += kParts) {
        int32_t found = 0;
#pragma omp simd reduction(| : found)
        for (int32_t j = 0; j < kParts; ++j) found |= row[i + j] == largest.value ? 1 : 0;
        if (found != 0) break;
    }
    while (row[i] != largest.value) ++i;
    return i;
}

template <class Real>
POSEOPS_INLINE void take_softmax(Real* row, int32_t count, Real beta, Real maximum) {
    RowSoftmax<Real> softmax = {beta, maximum, Real(1)};
    Real parts[kParts] = {};
    int32_t i = 0;
    for (; i + kParts <= count; i += kParts) {
#pragma omp simd
        for (int32_t j = 0; j < kParts; ++j) {
            row[i + j] = softmax.numerator(row[i + j]);
            parts[j] += row[i + j];
        }
    }
    for (int32_t j = 0; i + j < count; ++j) {
        row[i + j] = softmax.numerator(row[i + j]);
        parts[j] += row[i + j];
    }
    softmax.inverse_sum = Real(1) / total(parts);
#pragma omp simd
    for (int32_t j = 0; j < count; ++j) row[j] *= softmax.inverse_sum;
}

// The smoothed row at bin i; `row` has its margins.
template <class Real>
POSEOPS_INLINE Real smoothed_at(const Real* row, int32_t i, const BlurTaps<Real>& taps) {
    const Real* const first = row + i - taps.size / 2;
    Real parts[kParts] = {};
    int32_t t = 0;
    for (; t + kParts <= taps.size; t += kParts) {
#pragma omp simd
        for (int32_t j = 0; j < kParts; ++j) parts[j] += taps.tap[t + j] * first[t + j];
    }
    for (int32_t j = 0; t + j < taps.size; ++j) parts[j] += taps.tap[t + j] * first[t + j];
    return total(parts);
}

template <class Real>
POSEOPS_INLINE Real dark_step(const Real* row, int32_t count, int32_t index, Real maximum,
                              const BlurTaps<Real>& taps) {
    if (!takes_simcc_step(maximum)) return Real(0);
    Real smoothed[kDarkBins];
    for (int32_t j = 0; j < kDarkBins; ++j) {
        smoothed[j] = smoothed_at(row, dark_bin(index, j - kDarkBins / 2, count), taps);
    }
    const Rescaling needed = simcc_rescaling(maximum, smoothed);
    if (needed == Rescaling::kFlat) return Real(0);
    if (needed == Rescaling::kByMaximum) {
        Real largest = smoothed[0];
        for (int32_t i = 0; i < count; ++i) {
            const Real value = smoothed_at(row, i, taps);
            largest = value > largest ? value : largest;
        }
        for (Real& value : smoothed) value = value / largest * maximum;
    }
    return simcc_step(smoothed);
}

// A thread's rows, each with its margins.
template <class Real>
struct Buffers {
    Scratch<Real, 2048> own;
    Scratch<Real, 1024> mirrored;

    POSEOPS_INLINE explicit Buffers(int64_t bins) : own(bins + 2 * kMargin), mirrored(bins) {}
};

// What the two rows of joint (b, k) along axis d come to in buffers.own, and its maximum.
template <class T, class Real>
POSEOPS_INLINE SimccPeak<Real> peak_of(const SimccDecodeArgs& args, int64_t b, int64_t k, int32_t d,
                                       const BlurTaps<Real>& taps, Buffers<Real>& buffers) {
    const Real beta = static_cast<Real>(args.inverse_temperature);
    const SimccBins<T> bins = simcc_bins<T>(args.rows[d], b, k);
    const int32_t count = bins.count;
    Real* const row = buffers.own.data() + kMargin;
    load_row(bins, row);
    Largest<Real> largest = largest_of(row, count);
    int32_t index = 0;
    if (args.flipped[d].rank == 0) {
        index = first_of(row, count, largest);
        if (args.softmax) take_softmax(row, count, beta, largest.value);
    } else {
        Real* const mirrored = buffers.mirrored.data();
        load_row(simcc_bins<T>(args.flipped[d], b, args.flip_order.partner[k]), mirrored);
        if (args.softmax) {
            take_softmax(row, count, beta, largest.value);
            take_softmax(mirrored, count, beta, largest_of(mirrored, count).value);
        }
        for (int32_t i = 0; i < count; ++i) {
            row[i] = mean_of_two(row[i], mirrored[d == 0 ? mirrored_bin(i, count, args.shift) : i]);
        }
        largest = largest_of(row, count);
        index = first_of(row, count, largest);
    }
    SimccPeak<Real> peak = {row[index], index, Real(0)};
    if (taps.size == 0) return peak;
    for (int32_t i = 1; i <= kMargin; ++i) row[-i] = Real(0);
    for (int32_t i = 0; i < kMargin; ++i) row[count + i] = Real(0);
    peak.step = dark_step(row, count, index, peak.value, taps);
    return peak;
}

template <class T>
POSEOPS_INLINE void decode(const SimccDecodeArgs& args) {
    using Real = compute_t<T>;
    const int64_t joints = args.scores.shape[1];
    const int64_t bins = args.rows[0].shape[2] + args.rows[1].shape[2];
    const BlurTaps<Real> taps[2] = {simcc_taps<Real>(args.blur_kernels[0]),
                                    simcc_taps<Real>(args.blur_kernels[1])};
    parallel_for(args.scores.numel(), kBinsPerThread / bins + 1, [&](int64_t begin, int64_t end) {
        Buffers<Real> buffers(bins);
        for (int64_t i = begin; i < end; ++i) {
            const int64_t b = i / joints;
            const int64_t k = i % joints;
            const SimccPeak<Real> peaks[2] = {peak_of<T>(args, b, k, 0, taps[0], buffers),
                                              peak_of<T>(args, b, k, 1, taps[1], buffers)};
            store_simcc_joint(args, b, k, peaks);
        }
    });
}

}  // namespace

void simcc_decode(const SimccDecodeArgs& args) {
    visit_floating(args.rows[0].dtype, [&](auto tag) { decode<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
