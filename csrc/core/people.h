// The people of a batch of images, padded or ragged, and their joints in map pixels.
#pragma once

#include "core/convert.h"
#include "core/host_device.h"
#include "core/tensor_view.h"

namespace pyposeops {

// Padded: every image has N people. Ragged: one list of M people, of which [offsets[b], offsets[b + 1]) are in image
// b; the list is then the one "image" of the tensors, with a stride of 0 over images.
struct PeopleTensors {
    TensorView keypoints;   // (B, N, K, 2) or (1, M, K, 2), any floating dtype
    TensorView visibility;  // (B, N, K) or (1, M, K), any dtype
    TensorView offsets;     // (B + 1,) int32 or int64; no data where padded
};

struct PeopleRange {
    int64_t begin;
    int64_t end;
};

// The people of image b. Offsets that leave the list are cut to it: on CUDA nobody has checked them.
POSEOPS_HD PeopleRange people_of_image(const PeopleTensors& people, int64_t b) {
    const int64_t count = people.keypoints.shape[1];
    if (people.offsets.data == nullptr) return {0, count};
    const TensorView& offsets = people.offsets;
    const auto begin = load_any<int64_t>(offsets.data, offsets.dtype, b * offsets.strides[0]);
    const auto end = load_any<int64_t>(offsets.data, offsets.dtype, (b + 1) * offsets.strides[0]);
    return {begin > 0 ? begin : 0, end < count ? end : count};
}

// A keypoint p is at (p + before) / stride + after in map pixels, the centre of the first pixel at 0.0.
struct MapGrid {
    double stride_x;
    double stride_y;
    double before;
    double after;
};

struct MapJoint {
    double x;  // map pixels
    double y;
    double visibility;
    bool visible;  // visibility at least 0.5 and both coordinates finite
};

// Joint k of person n of image b.
POSEOPS_HD MapJoint load_map_joint(const PeopleTensors& people, const MapGrid& grid, int64_t b, int64_t n,
                                   int64_t k) {
    const TensorView& points = people.keypoints;
    const TensorView& seen = people.visibility;
    const int64_t x_at = b * points.strides[0] + n * points.strides[1] + k * points.strides[2];
    const int64_t seen_at = b * seen.strides[0] + n * seen.strides[1] + k * seen.strides[2];
    const auto x = load_any<double>(points.data, points.dtype, x_at);
    const auto y = load_any<double>(points.data, points.dtype, x_at + points.strides[3]);
    const auto visibility = load_any<double>(seen.data, seen.dtype, seen_at);
    // x - x is NaN for NaN and for infinities.
    const bool finite = x - x == 0.0 && y - y == 0.0;
    return {(x + grid.before) / grid.stride_x + grid.after, (y + grid.before) / grid.stride_y + grid.after,
            visibility, finite && visibility >= 0.5};
}

}  // namespace pyposeops
