// A run of samples of a perspective: its positions lie on a line, but not at equal distances. They are computed first;
// the part of the run whose four neighbours are all pixels of the image then goes through vectors.
#pragma once

#include "ops/crop_images/crop_images_interior.h"
#include "ops/crop_images/crop_images_run.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {

struct RunPositions {
    alignas(64) int64_t x[kRunLength];
    alignas(64) int64_t y[kRunLength];
    alignas(64) bool valid[kRunLength];
};

POSEOPS_INLINE void find_positions(const Matrix3& inverse, int64_t u, int64_t v, int64_t count,
                                   RunPositions& out) {
    for (int64_t i = 0; i < count; ++i) {
        const FixedPosition at = perspective_position(inverse, u + i, v);
        out.x[i] = at.x;
        out.y[i] = at.y;
        out.valid[i] = at.valid;
    }
}

// The first stretch of positions whose four neighbours are all pixels of the image; empty at the end where there is
// none.
POSEOPS_INLINE PixelRange interior_stretch(const ImageView& image, const RunPositions& at, int64_t count) {
    const auto is_interior = [&](int64_t i) {
        return at.valid[i] && is_within(image, Run{at.x[i], 0, at.y[i], 0}, 0);
    };
    PixelRange stretch = {0, 0};
    while (stretch.begin < count && !is_interior(stretch.begin)) ++stretch.begin;
    stretch.end = stretch.begin;
    while (stretch.end < count && is_interior(stretch.end)) ++stretch.end;
    return stretch;
}

template <class Reader>
POSEOPS_INLINE void gather_at(const ImageView& image, const RunPositions& at, PixelRange range,
                              PixelPairs& out) {
    for (int64_t i = range.begin; i < range.end; ++i)
        gather_pixel<Reader>(image, at.x[i], at.y[i], i - range.begin, out);
}

POSEOPS_INLINE void sample_stretch(const ImageView& image, const RunPositions& at, PixelRange range,
                                   PixelPairs& scratch, RunValues& out) {
    // Not simply at one end: rounding may bend a level line, and beyond the horizon the image comes again.
    int64_t lowest = at.y[range.begin];
    for (int64_t i = range.begin; i < range.end; ++i) lowest = at.y[i] > lowest ? at.y[i] : lowest;
    switch (reader_of_run(image, whole_pixel(lowest))) {
        case PairReader::kEightBytes:
            gather_at<EightBytes>(image, at, range, scratch);
            break;
        case PairReader::kSixBytes:
            gather_at<SixBytes>(image, at, range, scratch);
            break;
        case PairReader::kByteByByte:
            gather_at<ByteByByte>(image, at, range, scratch);
            break;
    }
    for (int64_t i = range.begin; i < range.end; ++i) {
        blend_pair(scratch, static_cast<int32_t>(i - range.begin), fraction(static_cast<uint32_t>(at.x[i])),
                   fraction(static_cast<uint32_t>(at.y[i])), out, i);
    }
}

POSEOPS_INLINE void sample_one_by_one(const CropImagesArgs& args, const ImageView& image,
                                      const RunPositions& at, PixelRange range, RunValues& out) {
    for (int64_t i = range.begin; i < range.end; ++i) {
        float values[3] = {args.border_value, args.border_value, args.border_value};
        if (at.valid[i]) sample_anywhere(image, at.x[i], at.y[i], args.border, args.border_value, values);
        for (int c = 0; c < 3; ++c) out.channel[c][i] = values[c];
    }
}

// `count` samples from (u, v) on, at most kRunLength.
POSEOPS_INLINE void sample_perspective(const CropImagesArgs& args, const ImageView& image,
                                       const Matrix3& inverse, int64_t u, int64_t v, int64_t count,
                                       PixelPairs& scratch, RunValues& out) {
    RunPositions at;
    find_positions(inverse, u, v, count, at);
    const PixelRange interior = interior_stretch(image, at, count);
    sample_one_by_one(args, image, at, {0, interior.begin}, out);
    if (interior.begin < interior.end) sample_stretch(image, at, interior, scratch, out);
    sample_one_by_one(args, image, at, {interior.end, count}, out);
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
