// Merging a map with that of the mirrored image on the CPU.
#pragma once

#include <cstdint>

#include "core/convert.h"
#include "core/flip.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Mirrored elements that wait for their partners.
constexpr int32_t kMirrorBuffer = 1024;

template <class T>
struct PlaneRows {
    T* data;
    int64_t stride;  // from row to row; the elements of a row adjoin
};

// Compilers vectorise a loop of assignments of integers, not of structures.
POSEOPS_INLINE void copy_bits(float value, float* to) { *to = value; }
POSEOPS_INLINE void copy_bits(double value, double* to) { *to = value; }
POSEOPS_INLINE void copy_bits(const Half& value, Half* to) { to->bits = value.bits; }
POSEOPS_INLINE void copy_bits(const BFloat16& value, BFloat16* to) { to->bits = value.bits; }

// The `count` columns from `begin` on of a mirrored row, brought back.
template <class T>
POSEOPS_INLINE void mirror_row(const T* flipped, int32_t width, bool shift, int32_t begin, int32_t count,
                               T* back) {
    const T* last = flipped + (shift ? width : width - 1) - begin;
    const int32_t first = shift && begin == 0 ? 1 : 0;
    if (first == 1) copy_bits(flipped[width - 1], &back[0]);
    for (int32_t i = first; i < count; ++i) copy_bits(last[-i], &back[i]);
}

// `out` may be `own`: the iterations do not depend on each other.
template <class T, class Out>
POSEOPS_INLINE void merge_run(const T* own, const T* back, int32_t count, compute_t<T> sign, Out* out) {
#pragma GCC ivdep
    for (int32_t i = 0; i < count; ++i) {
        store_from_compute(out + i, mean_of_two(load_as_compute(own[i]), sign * load_as_compute(back[i])));
    }
}

// out(x, y) = mean of own(x, y) and sign * flipped(mirrored_column(x), y). Elements are turned around as they are,
// several rows together, so that what computes runs through long stretches of memory.
template <class T, class Out>
POSEOPS_INLINE void merge_planes(PlaneRows<const T> own, PlaneRows<const T> flipped, int32_t height,
                                 int32_t width, bool shift, compute_t<T> sign, PlaneRows<Out> out) {
    T back[kMirrorBuffer];
    const bool adjoin = own.stride == width && out.stride == width;
    const int32_t columns = width < kMirrorBuffer ? width : kMirrorBuffer;
    const int32_t rows = kMirrorBuffer / columns;
    for (int32_t y = 0; y < height; y += rows) {
        const int32_t some = height - y < rows ? height - y : rows;
        for (int32_t x = 0; x < width; x += columns) {
            const int32_t count = width - x < columns ? width - x : columns;
            for (int32_t i = 0; i < some; ++i) {
                mirror_row(flipped.data + (y + i) * flipped.stride, width, shift, x, count, back + i * count);
            }
            const int32_t runs = adjoin ? 1 : some;
            for (int32_t i = 0; i < runs; ++i) {
                merge_run(own.data + (y + i) * own.stride + x, back + i * count,
                          adjoin ? some * count : count, sign, out.data + (y + i) * out.stride + x);
            }
        }
    }
}

}  // namespace
}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
