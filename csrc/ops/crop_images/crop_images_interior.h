// The pixels of a run whose four neighbours all lie in the image: nearly all of them. The neighbours are collected
// one pixel after the other, then blended as vectors.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/host_device.h"
#include "ops/crop_images/crop_images_math.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {

constexpr int64_t kRunLength = 256;

// Raw values of a run, 0 .. 255, in the image's order of channels.
struct RunValues {
    alignas(64) float channel[3][kRunLength];
};

// A run's fixed-point position of pixel 0 and its steps from pixel to pixel.
struct Run {
    int64_t x, xu;
    int64_t y, yu;

    POSEOPS_INLINE Run from(int64_t pixel) const { return {x + pixel * xu, xu, y + pixel * yu, yu}; }
};

// Two neighbouring pixels are six adjacent bytes. They travel as two words, the first pixel's channels in
// bytes 0 to 2 and the second's in 3 to 5, for the pixel pair above each position of a run and the pair below.
struct PixelPairs {
    alignas(64) uint32_t top[2 * kRunLength];
    alignas(64) uint32_t bottom[2 * kRunLength];
};

// How a pixel and its right neighbour are read. One load of eight bytes is the fastest, and reads two bytes too many.
struct EightBytes {
    POSEOPS_INLINE static uint64_t load(const ImageView&, const uint8_t* pixel) {
        uint64_t pair;
        std::memcpy(&pair, pixel, sizeof(pair));
        return pair;
    }
};
struct SixBytes {
    POSEOPS_INLINE static uint64_t load(const ImageView&, const uint8_t* pixel) {
        uint32_t low;
        uint16_t high;
        std::memcpy(&low, pixel, sizeof(low));
        std::memcpy(&high, pixel + sizeof(low), sizeof(high));
        return low | static_cast<uint64_t>(high) << 32;
    }
};
struct ByteByByte {
    POSEOPS_INLINE static uint64_t load(const ImageView& image, const uint8_t* pixel) {
        uint64_t pair = 0;
        for (int c = 0; c < 3; ++c) {
            const uint8_t* channel = pixel + c * image.channel_stride;
            pair |= static_cast<uint64_t>(channel[0]) << (8 * c) |
                    static_cast<uint64_t>(channel[image.column_stride]) << (8 * c + 24);
        }
        return pair;
    }
};

template <class Reader>
POSEOPS_INLINE void gather_pixel(const ImageView& image, int64_t x, int64_t y, int64_t i, PixelPairs& out) {
    const uint8_t* pixel =
        image.data + whole_pixel(y) * image.row_stride + whole_pixel(x) * image.column_stride;
    const uint64_t top = Reader::load(image, pixel);
    const uint64_t bottom = Reader::load(image, pixel + image.row_stride);
    std::memcpy(out.top + 2 * i, &top, sizeof(top));
    std::memcpy(out.bottom + 2 * i, &bottom, sizeof(bottom));
}

// All four neighbours of all positions are pixels of the image.
template <class Reader>
POSEOPS_INLINE void gather(const ImageView& image, Run run, int64_t count, PixelPairs& out) {
    for (int64_t i = 0; i < count; ++i) {
        gather_pixel<Reader>(image, run.x, run.y, i, out);
        run.x += run.xu;
        run.y += run.yu;
    }
}

enum class PairReader { kEightBytes, kSixBytes, kByteByByte };

// What reads a run whose lowest position is in the row `lowest_row`.
POSEOPS_INLINE PairReader reader_of_run(const ImageView& image, int64_t lowest_row) {
    if (image.channel_stride != 1 || image.column_stride != 3) return PairReader::kByteByByte;
    // The row below is read too. Behind the last row there may be no more bytes; behind any other there is the next.
    const bool is_followed =
        lowest_row + 1 < image.height - 1 && image.row_stride >= int64_t{3} * image.width;
    return is_followed ? PairReader::kEightBytes : PairReader::kSixBytes;
}

POSEOPS_INLINE void gather_interior(const ImageView& image, const Run& run, int64_t count, PixelPairs& out) {
    const int64_t first_row = whole_pixel(run.y);
    const int64_t last_row = whole_pixel(run.y + (count - 1) * run.yu);
    switch (reader_of_run(image, first_row > last_row ? first_row : last_row)) {
        case PairReader::kEightBytes:
            gather<EightBytes>(image, run, count, out);
            return;
        case PairReader::kSixBytes:
            gather<SixBytes>(image, run, count, out);
            return;
        case PairReader::kByteByByte:
            gather<ByteByByte>(image, run, count, out);
            return;
    }
}

POSEOPS_INLINE float byte_of(uint32_t word, int byte) {
    return static_cast<float>(static_cast<int32_t>((word >> (8 * byte)) & 255u));
}

// Pixel pair i, blended into place `at`.
POSEOPS_INLINE void blend_pair(const PixelPairs& in, int32_t i, float right_weight, float bottom_weight,
                               RunValues& out, int64_t at) {
    const uint32_t top = in.top[2 * i];
    const uint32_t top_end = in.top[2 * i + 1];
    const uint32_t bottom = in.bottom[2 * i];
    const uint32_t bottom_end = in.bottom[2 * i + 1];
    out.channel[0][at] = bilinear(byte_of(top, 0), byte_of(top, 3), byte_of(bottom, 0), byte_of(bottom, 3),
                                  right_weight, bottom_weight);
    out.channel[1][at] = bilinear(byte_of(top, 1), byte_of(top_end, 0), byte_of(bottom, 1),
                                  byte_of(bottom_end, 0), right_weight, bottom_weight);
    out.channel[2][at] = bilinear(byte_of(top, 2), byte_of(top_end, 1), byte_of(bottom, 2),
                                  byte_of(bottom_end, 1), right_weight, bottom_weight);
}

// The weights need only the low words of the positions, so 32-bit vectors serve.
POSEOPS_INLINE void blend(const PixelPairs& in, const Run& run, int64_t count, RunValues& out,
                          int64_t offset) {
    uint32_t x = static_cast<uint32_t>(run.x);
    uint32_t y = static_cast<uint32_t>(run.y);
    const uint32_t xu = static_cast<uint32_t>(run.xu);
    const uint32_t yu = static_cast<uint32_t>(run.yu);
    for (int32_t i = 0; i < static_cast<int32_t>(count); ++i) {
        blend_pair(in, i, fraction(x), fraction(y), out, offset + i);
        x += xu;
        y += yu;
    }
}

// `interior` is not empty.
POSEOPS_INLINE void sample_interior(const ImageView& image, const Run& run, PixelRange interior,
                                    PixelPairs& scratch, RunValues& out) {
    const Run first = run.from(interior.begin);
    const int64_t count = interior.end - interior.begin;
    gather_interior(image, first, count, scratch);
    blend(scratch, first, count, out, interior.begin);
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
