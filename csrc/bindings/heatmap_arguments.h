// Checks that the operators on heatmaps share.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <string>

#include "bindings/tensor_import.h"
#include "core/check.h"
#include "core/local_maxima.h"

namespace pyposeops {

inline int32_t odd_size(int64_t size, const char* name, int32_t largest) {
    POSEOPS_CHECK(size >= 3 && size <= largest && size % 2 == 1, name,
                  "an odd number from 3 to " + std::to_string(largest), std::to_string(size));
    return static_cast<int32_t>(size);
}

inline MaximaRule maxima_rule(double threshold, int64_t window, int plateau) {
    POSEOPS_CHECK(threshold == threshold, "threshold", "a number", "nan");
    POSEOPS_CHECK(plateau >= 0 && plateau <= static_cast<int>(Plateau::kNone), "plateau",
                  "a code from 0 to 2", std::to_string(plateau));
    return {threshold, odd_size(window, "window", kMaxWindow) / 2, static_cast<Plateau>(plateau)};
}

inline void check_heatmaps(const TensorView& heatmaps) {
    constexpr int64_t kMaxMapSize = int64_t{1} << 24;  // pixel positions stay exact in float
    check_shape(heatmaps, "heatmaps", {kAnySize, kAnySize, kAnySize, kAnySize}, "(B, K, H, W)");
    check_dtype(heatmaps, "heatmaps", {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    const int64_t height = heatmaps.shape[2];
    const int64_t width = heatmaps.shape[3];
    const bool usable = height > 0 && width > 0 && height < kMaxMapSize && width < kMaxMapSize &&
                        height * width < (int64_t{1} << 31);
    POSEOPS_CHECK(usable, "heatmaps", "a height and width of at least 1 and fewer than 2^31 pixels",
                  shape_text(heatmaps));
}

// The scratch tensor for `words` 32-bit words; None where none are needed.
inline std::optional<ImportedTensor> import_scratch(pybind11::handle scratch, const TensorView& heatmaps,
                                                    int64_t words) {
    if (words == 0) return std::nullopt;
    std::optional<ImportedTensor> memory(std::in_place, scratch, "scratch", Access::kWrite);
    check_shape(memory->view(), "scratch", {words}, "(n,)");
    check_dtype(memory->view(), "scratch", {DType::kInt32});
    check_same_device(memory->view(), "scratch", heatmaps, "heatmaps");
    POSEOPS_CHECK(memory->view().is_contiguous(), "scratch", "contiguous memory", "other strides");
    return memory;
}

}  // namespace pyposeops
