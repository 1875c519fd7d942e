// Checks and views of the people that the operators on multi-person targets are given.
#pragma once

#include <optional>

#include "bindings/tensor_import.h"
#include "core/people.h"

namespace pyposeops {

// Without offsets (B, K, 2) or (B, N, K, 2) keypoints with their visibility; with offsets (M, K, 2). Offsets on the CPU
// are checked here, those on CUDA are not read.
PeopleTensors people_tensors(const ImportedTensor& keypoints, const ImportedTensor& visibility,
                             const std::optional<ImportedTensor>& offsets);

// One dimension more at `at`, of size 1 and stride 0.
TensorView unsqueeze(TensorView view, int32_t at);

int64_t image_count(const PeopleTensors& people);

// A (B, C, H, W) output, contiguous or channels_last, of fewer pixels than an int32 counts.
void check_maps(const TensorView& maps, const char* name, const PeopleTensors& people, int64_t channels,
                const char* wanted);

// Fewer page faults where fresh CPU memory is about to be written. Harmless to what is there.
void prepare_to_write(const TensorView& maps);

// A contiguous output of float32, or float64 with float64 maps.
void check_weights(const TensorView& weights, const char* name, const TensorView& maps,
                   std::initializer_list<int64_t> sizes, const char* wanted);

}  // namespace pyposeops
