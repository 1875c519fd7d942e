// The pixels of one map of a (B, K, H, W) tensor.
#pragma once

#include <cstdint>

#include "core/convert.h"
#include "core/dtype.h"
#include "core/host_device.h"
#include "core/tensor_view.h"

namespace pyposeops {

template <class T>
struct HeatmapPixels {
    using Real = compute_t<T>;

    const T* data;
    int64_t row_stride;
    int64_t column_stride;
    int32_t height;
    int32_t width;

    POSEOPS_HD Real at(int32_t x, int32_t y) const {
        return load_as_compute(data[y * row_stride + x * column_stride]);
    }
};

template <class T>
POSEOPS_HD HeatmapPixels<T> heatmap_pixels(const TensorView& heatmaps, int64_t b, int64_t k) {
    return {heatmaps.as<T>() + b * heatmaps.strides[0] + k * heatmaps.strides[1], heatmaps.strides[2],
            heatmaps.strides[3], static_cast<int32_t>(heatmaps.shape[2]),
            static_cast<int32_t>(heatmaps.shape[3])};
}

}  // namespace pyposeops
