// People of a batch of images in one list, and their ranks by score within each image.
#pragma once

#include "core/convert.h"
#include "core/host_device.h"
#include "core/tensor_view.h"

namespace pyposeops {

struct PersonRows {
    int64_t begin;
    int64_t end;
};

POSEOPS_HD int64_t image_count(const TensorView& offsets) {
    return offsets.data == nullptr ? 1 : offsets.shape[0] - 1;
}

// The people of image b among `count`: [offsets[b], offsets[b + 1]), or all where there are no offsets. On CUDA
// nobody has checked the offsets: they are cut to the list, and the first image begins and the last one ends with it.
// They must not fall: the blocks of images that overlap would write each other's rows.
POSEOPS_HD PersonRows rows_of_image(const TensorView& offsets, int64_t count, int64_t b) {
    PersonRows rows = {0, count};
    if (b > 0) rows.begin = load_any<int64_t>(offsets.data, offsets.dtype, b * offsets.strides[0]);
    if (b + 1 < image_count(offsets)) {
        rows.end = load_any<int64_t>(offsets.data, offsets.dtype, (b + 1) * offsets.strides[0]);
    }
    rows.begin = rows.begin > 0 ? rows.begin : 0;
    rows.end = rows.end < count ? rows.end : count;
    return rows;
}

// Element `row` of a (N,) tensor of floats.
POSEOPS_HD double person_value(const TensorView& values, int64_t row) {
    return load_any<double>(values.data, values.dtype, row * values.strides[0]);
}

// Equal scores: the person who stands first comes first, or the one who stands last.
enum class Ties { kFirst, kLast };

// Whether a person comes before another one: by score, largest first, then by place. NaN comes last.
POSEOPS_HD bool comes_before(double score, int64_t place, double other, int64_t other_place, Ties ties) {
    if (score > other) return true;
    if (score < other) return false;
    const bool is_nan = score != score;
    const bool other_is_nan = other != other;
    if (is_nan != other_is_nan) return other_is_nan;
    return ties == Ties::kFirst ? place < other_place : place > other_place;
}

// Calls f(TypeTag<T>) for float32 or float64, the dtypes of keypoints that are compared with each other.
template <class F>
POSEOPS_INLINE void visit_float_or_double(DType dtype, const F& f) {
    if (dtype == DType::kFloat64) {
        f(TypeTag<double>{});
    } else {
        f(TypeTag<float>{});
    }
}

}  // namespace pyposeops
