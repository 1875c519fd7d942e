// How the CPU loops of soft_argmax walk over maps: which rows lie beside each other in memory, and their elements as
// float or double.
#pragma once

#include <cstdint>

#include "core/convert.h"
#include "core/host_device.h"
#include "core/tensor_view.h"
#include "ops/soft_argmax/soft_argmax.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {

// Elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 16384;
// A stretch of memory that is worked on at once: with its per-element constants it stays in the L1 cache.
constexpr int64_t kStretchElements = 2048;
// Rows that lie back to back are joined up to this length: short loops cost more than their work.
constexpr int64_t kJoinedElements = 64;

POSEOPS_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// A task is one map, or with interleaved joints one image: `lanes` maps whose elements take turns along a row. `joined`
// rows, a divisor of their number, are walked over as one; rows that are too long are cut into stretches.
struct MapTasks {
    int64_t lanes;
    int64_t count;
    int64_t joints;
    int64_t joined;
    int64_t stretch_pixels;  // of the fast axis, at most

    POSEOPS_INLINE MapTasks(const TensorView& maps, bool interleaved, bool may_join)
        : lanes(interleaved ? maps.shape[1] : 1),
          count(maps.shape[0] * maps.shape[1] / lanes),
          joints(maps.shape[1]),
          joined(1),
          stretch_pixels(1) {
        const int64_t row = maps.shape[4] * lanes;
        stretch_pixels = row <= kStretchElements ? maps.shape[4] : kStretchElements / lanes;
        if (stretch_pixels < 1) stretch_pixels = 1;
        if (!may_join || row * 2 > kJoinedElements) return;
        joined = smaller(maps.shape[3], kJoinedElements / row);
        while (maps.shape[3] % joined != 0) --joined;
    }

    POSEOPS_INLINE int64_t stretch_elements() const { return stretch_pixels * lanes * joined; }
    POSEOPS_INLINE int64_t first_map(int64_t task) const { return task * lanes; }
    POSEOPS_INLINE int64_t grain(const TensorView& maps) const {
        return kElementsPerThread / (maps.shape[2] * maps.shape[3] * maps.shape[4] * lanes) + 1;
    }
    POSEOPS_INLINE int64_t offset(const TensorView& maps, int64_t task) const {
        return first_map(task) / joints * maps.strides[0] + first_map(task) % joints * maps.strides[1];
    }
    POSEOPS_INLINE int64_t element_stride(const TensorView& maps) const {
        return lanes > 1 ? 1 : maps.strides[4];
    }
};

POSEOPS_INLINE bool has_rows_back_to_back(const TensorView& maps) {
    return maps.strides[3] == maps.shape[4] * maps.strides[4];
}

// The elements, converted, as a contiguous row in `buffer`.
template <class T>
POSEOPS_INLINE void fetch_row(const T* source, int64_t stride, int64_t count, compute_t<T>* buffer) {
    if (stride == 1) {
        for (int64_t i = 0; i < count; ++i) buffer[i] = load_as_compute(source[i]);
    } else {
        for (int64_t i = 0; i < count; ++i) buffer[i] = load_as_compute(source[i * stride]);
    }
}

// A contiguous row of results to where it belongs.
template <class T>
POSEOPS_INLINE void flush_row(T* target, int64_t stride, int64_t count, const compute_t<T>* buffer) {
    if (stride == 1) {
        for (int64_t i = 0; i < count; ++i) store_from_compute(target + i, buffer[i]);
    } else {
        for (int64_t i = 0; i < count; ++i) store_from_compute(target + i * stride, buffer[i]);
    }
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
