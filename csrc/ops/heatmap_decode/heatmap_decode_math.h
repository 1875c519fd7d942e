// How heatmap_decode compares pixels, as integers that sort like the numbers, and where a pixel lies in the crop.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "core/dtype.h"
#include "core/host_device.h"
#include "core/image_position.h"

namespace pyposeops {

template <class T>
struct FloatBits;
template <>
struct FloatBits<float> {
    using Key = int32_t;
    static constexpr Key kInfinity = 0x7f800000;
};
template <>
struct FloatBits<double> {
    using Key = int64_t;
    static constexpr Key kInfinity = 0x7ff0000000000000;
};
template <>
struct FloatBits<Half> {
    using Key = int16_t;
    static constexpr Key kInfinity = 0x7c00;
};
template <>
struct FloatBits<BFloat16> {
    using Key = int16_t;
    static constexpr Key kInfinity = 0x7f80;
};
template <class T>
using order_key_t = typename FloatBits<T>::Key;

template <class T>
POSEOPS_HD order_key_t<T> float_bits(T value) {
    order_key_t<T> bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return bits;
}

// Sorts like the numbers (not NaN) that the bits stand for: where the sign is set, a larger magnitude is
// less. -0 sorts below 0, which nobody sees: a maximum of 0 has no position.
template <class Key>
POSEOPS_HD Key order_of_bits(Key bits) {
    return bits ^ ((bits >> (8 * sizeof(Key) - 1)) & std::numeric_limits<Key>::max());
}

// Sorts like the numbers, with every NaN equal and above all.
template <class T>
POSEOPS_HD order_key_t<T> order_key(T value) {
    using Key = order_key_t<T>;
    const Key bits = float_bits(value);
    const Key magnitude = bits & std::numeric_limits<Key>::max();
    return magnitude > FloatBits<T>::kInfinity ? std::numeric_limits<Key>::max() : order_of_bits(bits);
}

// Smoothing of a whole map before its maximum is sought; see heatmap_decode.h.
enum class HeatmapSmoothing : int32_t { kNone, kPeakPreserving, kReflected };

// A position beyond the border, mirrored about the border's pixel until it is on the map.
POSEOPS_HD int32_t reflected_position(int32_t position, int32_t size) {
    if (size == 1) return 0;
    while (position < 0 || position >= size) position = position < 0 ? -position : 2 * size - 2 - position;
    return position;
}

// Whether HRNet's rule lets a peak move: the pixels next to the border stay where they are, on one side.
POSEOPS_HD bool is_off_border(int32_t x, int32_t y, int32_t width, int32_t height) {
    return x > 1 && x < width - 1 && y > 1 && y < height - 1;
}

// Crop pixels of a heatmap pixel: position * scale + shift.
struct CropGrid {
    Position scale;
    Position shift;
};

}  // namespace pyposeops
