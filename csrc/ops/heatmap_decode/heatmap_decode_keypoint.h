// From a map's peak to the keypoint that is stored: predicted offsets, and the way to the image. Host and device.
#pragma once

#include "core/convert.h"
#include "ops/heatmap_decode/heatmap_decode.h"

namespace pyposeops {

// A map's pixels or, where there is a map of the mirrored image, their mean.
template <class T>
struct MergedPixels {
    using Real = compute_t<T>;

    HeatmapPixels<T> own;
    HeatmapPixels<T> flipped;  // data is null where there is none
    bool shift;
    int32_t height;
    int32_t width;

    POSEOPS_HD Real at(int32_t x, int32_t y) const {
        const Real value = own.at(x, y);
        return flipped.data == nullptr ? value
                                       : mean_of_two(value, flipped.at(mirrored_column(x, width, shift), y));
    }
};

template <class T>
POSEOPS_HD MergedPixels<T> merged_pixels(const HeatmapDecodeArgs& args, int64_t b, int64_t k) {
    const HeatmapPixels<T> own = heatmap_pixels<T>(args.heatmaps, b, k);
    HeatmapPixels<T> flipped = {};
    if (args.flipped.rank != 0) flipped = heatmap_pixels<T>(args.flipped, b, args.flip_order.partner[k]);
    return {own, flipped, args.shift, own.height, own.width};
}

template <class Real>
POSEOPS_HD HeatmapOffset<Real> offset_at(const TensorView& offsets, int64_t b, int64_t k, int32_t x,
                                         int32_t y) {
    const int64_t* strides = offsets.strides;
    const int64_t i = b * strides[0] + k * strides[1] + y * strides[3] + x * strides[4];
    return {load_any<Real>(offsets.data, offsets.dtype, i),
            load_any<Real>(offsets.data, offsets.dtype, i + strides[2])};
}

// What the offset maps add to the peak at pixel (x, y).
template <class Real>
POSEOPS_HD HeatmapOffset<Real> predicted_offset(const HeatmapDecodeArgs& args, int64_t b, int64_t k,
                                                int32_t x, int32_t y) {
    HeatmapOffset<Real> offset = offset_at<Real>(args.offsets, b, k, x, y);
    if (args.flipped_offsets.rank != 0) {
        const int32_t width = static_cast<int32_t>(args.heatmaps.shape[3]);
        const HeatmapOffset<Real> mirrored = offset_at<Real>(
            args.flipped_offsets, b, args.flip_order.partner[k], mirrored_column(x, width, args.shift), y);
        offset = {mean_of_two(offset.x, -mirrored.x), mean_of_two(offset.y, mirrored.y)};
    }
    const Real scale = static_cast<Real>(args.offset_scale);
    offset = {offset.x * scale, offset.y * scale};
    const bool finite = offset.x - offset.x == Real(0) && offset.y - offset.y == Real(0);
    if (finite) return offset;
    return {Real(0), Real(0)};
}

// Stores map (b, k): a peak at pixel (x, y) refined by `step`, or where there is none (`found` is false) empty_coord.
template <class Real>
POSEOPS_HD void store_keypoint(const HeatmapDecodeArgs& args, int64_t b, int64_t k, bool found, int32_t x,
                               int32_t y, HeatmapOffset<Real> step, Real score) {
    const int64_t i = b * args.heatmaps.shape[1] + k;
    Real coords[2] = {static_cast<Real>(args.empty_coord), static_cast<Real>(args.empty_coord)};
    if (found) {
        if (args.offsets.rank != 0) step = predicted_offset<Real>(args, b, k, x, y);
        coords[0] = static_cast<Real>(x) + step.x;
        coords[1] = static_cast<Real>(y) + step.y;
    }
    Position place = {static_cast<double>(coords[0]) * args.grid.scale.x + args.grid.shift.x,
                      static_cast<double>(coords[1]) * args.grid.scale.y + args.grid.shift.y};
    if (args.affines.rank != 0) place = image_position(place, args.affines, b);
    args.coords.as<Real>()[2 * i] = static_cast<Real>(place.x);
    args.coords.as<Real>()[2 * i + 1] = static_cast<Real>(place.y);
    args.scores.as<Real>()[i] = score;
}

// The quarter between four neighbours of a smoothed map, and the half that comes with it.
template <class Real>
POSEOPS_HD HeatmapOffset<Real> megvii_step(Real left, Real right, Real above, Real below) {
    return {Real(0.25) * sign_of_difference(right, left) + Real(0.5),
            Real(0.25) * sign_of_difference(below, above) + Real(0.5)};
}

template <class Real>
POSEOPS_HD Real megvii_score(Real maximum) {
    return maximum / Real(255) + Real(0.5);
}

}  // namespace pyposeops
