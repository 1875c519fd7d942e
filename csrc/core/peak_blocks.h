// How CUDA blocks share out the maps whose peaks are sought, and what scratch memory a map needs there.
#pragma once

#include <cstdint>

#include "core/local_maxima.h"
#include "core/tensor_view.h"

namespace pyposeops {

// The walk over a map covers windows up to 5 x 5 itself; see core/cuda/local_maxima.cuh.
constexpr int32_t kLargestWalkRadius = 2;

// The pixels of a row in one word of marks: a warp's lanes less those that only serve their neighbours.
constexpr int32_t columns_per_mark(int32_t radius) {
    return 32 - 2 * (radius < kLargestWalkRadius ? radius : kLargestWalkRadius);
}

struct PeakBlocks {
    int32_t maps;  // of one image, per block
    int32_t warps_per_map;
    int32_t blocks_per_image;
    int64_t blocks;
    int64_t words_per_map;  // of scratch, 4 bytes each: marks, columns, and the list
    bool in_shared_memory;  // else in the scratch tensor
};

// A block takes one map, with more warps where maps are large; where channels adjoin (channels_last), as many
// maps as share a memory sector, a warp each, so that what one of them loads serves the others from the L1 cache.
inline PeakBlocks peak_blocks(const TensorView& heatmaps, const MaximaRule& rule, int64_t list_bytes) {
    constexpr int64_t kSectorBytes = 32;
    constexpr int64_t kSharedBytes = 48 * 1024;  // what every device gives a block without being asked
    constexpr int64_t kLargeMap = int64_t{1} << 15;
    const int64_t joints = heatmaps.shape[1];
    const int64_t height = heatmaps.shape[2];
    const int64_t width = heatmaps.shape[3];
    const int64_t element_bytes = heatmaps.dtype == DType::kFloat64   ? 8
                                  : heatmaps.dtype == DType::kFloat32 ? 4
                                                                      : 2;
    const bool channels_adjoin = heatmaps.has_unit_stride(1) && !heatmaps.has_unit_stride(3);
    const int64_t columns = columns_per_mark(rule.radius);
    const int64_t marks = height * ((width + columns - 1) / columns);
    const int64_t latest = rule.plateau == Plateau::kFirst ? 2 * width : 0;
    PeakBlocks blocks = {};
    blocks.maps = 1;
    blocks.warps_per_map = height * width < kLargeMap ? 4 : 16;
    if (channels_adjoin) {
        const int64_t per_sector = kSectorBytes / element_bytes;
        blocks.maps = static_cast<int32_t>(joints < per_sector ? joints : per_sector);
        blocks.warps_per_map = height * width < kLargeMap ? 1 : 32 / static_cast<int32_t>(per_sector);
    }
    blocks.blocks_per_image = static_cast<int32_t>((joints + blocks.maps - 1) / blocks.maps);
    blocks.blocks = heatmaps.shape[0] * blocks.blocks_per_image;
    blocks.words_per_map = (list_bytes / 4 + marks + latest + 3) / 4 * 4;
    blocks.in_shared_memory = blocks.maps * blocks.words_per_map * 4 <= kSharedBytes;
    return blocks;
}

// The words of the scratch tensor; 0 where shared memory suffices.
inline int64_t peak_scratch_words(const TensorView& heatmaps, const PeakBlocks& blocks) {
    return blocks.in_shared_memory ? 0 : heatmaps.shape[0] * heatmaps.shape[1] * blocks.words_per_map;
}

}  // namespace pyposeops
