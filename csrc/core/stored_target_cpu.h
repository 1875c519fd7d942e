// A stored target as the loop of core/map_error_cpu.h wants it: rows in the compute type, beside those of the predictions.
#pragma once

#include <type_traits>

#include "core/convert_rows.h"
#include "core/map_error_cpu.h"
#include "core/scratch.h"
#include "core/stored_target.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {

template <class Real>
class StoredTargetRows {
  public:
    POSEOPS_INLINE StoredTargetRows(const StoredTarget& target, int64_t channels)
        : target_(target),
          channels_(channels),
          length_(target.maps.shape[3] * channels),
          weights_(channels),
          rows_(length_ * (channels == 1 ? rows_of_band(length_) : 1)) {}

    POSEOPS_INLINE void load(int64_t b, int64_t k, RowRange) {
        plane_ = b * target_.maps.strides[0] + k * target_.maps.strides[1];
        for (int64_t c = 0; c < channels_; ++c) weights_[c] = load_weight(target_.weights, b, k + c);
    }

    POSEOPS_INLINE double weight(int64_t channel) { return weights_[channel]; }

    // In place where the target lies as it is wanted.
    POSEOPS_INLINE const Real* rows(int32_t y, int32_t count) {
        const int64_t* const strides = target_.maps.strides;
        const bool dense_rows = strides[3] == channels_ && (channels_ == 1 || strides[1] == 1);
        const bool dense = dense_rows && (count == 1 || strides[2] == length_);
        const Real* result = rows_.data();
        visit_floating(target_.maps.dtype, [&](auto tag) {
            using U = typename decltype(tag)::type;
            const U* const from = target_.maps.as<const U>() + plane_ + y * strides[2];
            if constexpr (std::is_same<U, Real>::value) {
                if (dense) {
                    result = from;
                    return;
                }
            }
            if (dense) return load_row(from, rows_.data(), count * length_);
            for (int32_t i = 0; i < count; ++i)
                load_pixels(from + i * strides[2], rows_.data() + i * length_);
        });
        return result;
    }

  private:
    template <class U>
    POSEOPS_INLINE void load_pixels(const U* from, Real* row) {
        const int64_t* const strides = target_.maps.strides;
        if (channels_ == 1) return load_row(from, strides[3], row, length_);
        for (int64_t x = 0; x < target_.maps.shape[3]; ++x) {
            load_row(from + x * strides[3], strides[1], row + x * channels_, channels_);
        }
    }

    const StoredTarget& target_;
    int64_t channels_;
    int64_t length_;
    int64_t plane_ = 0;
    Scratch<double, 64> weights_;
    Scratch<Real, kBandElements> rows_;
};

// The error of `args.pred`, elements T, against a stored target.
template <class T, class Error>
POSEOPS_INLINE void stored_map_error(const MapErrorArgs& args, const Error& error,
                                     const StoredTarget& target) {
    map_error<T>(args, error,
                 [&](int64_t channels) { return StoredTargetRows<compute_t<T>>(target, channels); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
