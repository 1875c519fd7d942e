// Rows of elements to and from compute types on the CPU, with the processor's own half-precision conversions where the
// instruction set has them: compilers do not find those in a loop over load_as_compute.
#pragma once

#include <cstdint>

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "core/convert.h"

namespace pyposeops {

template <class T, class Real>
POSEOPS_INLINE void load_row(const T* from, Real* to, int64_t count) {
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) to[j] = static_cast<Real>(load_as_compute(from[j]));
}

template <class T, class Real>
POSEOPS_INLINE void store_row(const Real* from, T* to, int64_t count) {
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) store_from_compute(to + j, from[j]);
}

#if defined(__F16C__)
POSEOPS_INLINE void load_row(const Half* from, float* to, int64_t count) {
    int64_t j = 0;
    for (; j + 8 <= count; j += 8) {
        const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + j));
        _mm256_storeu_ps(to + j, _mm256_cvtph_ps(halves));
    }
    for (; j < count; ++j) to[j] = load_as_compute(from[j]);
}

POSEOPS_INLINE void store_row(const float* from, Half* to, int64_t count) {
    int64_t j = 0;
    for (; j + 8 <= count; j += 8) {
        const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(from + j), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + j), halves);
    }
    for (; j < count; ++j) store_from_compute(to + j, from[j]);
}
#endif

// Elements `step` apart.
template <class T, class Real>
POSEOPS_INLINE void load_row(const T* from, int64_t step, Real* to, int64_t count) {
    if (step == 1) return load_row(from, to, count);
    for (int64_t j = 0; j < count; ++j) to[j] = static_cast<Real>(load_as_compute(from[j * step]));
}

template <class T, class Real>
POSEOPS_INLINE void store_row(const Real* from, T* to, int64_t step, int64_t count) {
    if (step == 1) return store_row(from, to, count);
    for (int64_t j = 0; j < count; ++j) store_from_compute(to + j * step, from[j]);
}

}  // namespace pyposeops
