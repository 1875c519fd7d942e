// joints_mse_loss on the CPU: rows of the target beside rows of the predictions.
#include "core/convert.h"
#include "core/scratch.h"
#include "core/squared_error_cpu.h"
#include "ops/joints_mse_loss/joints_mse_loss.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

template <class U, class Real>
POSEOPS_INLINE void convert_row(Real* row, const U* from, int64_t pixels, int64_t pixel_step,
                                int64_t channels, int64_t channel_step) {
    if (channels == 1 && pixel_step == 1) {
        channels = pixels;
        channel_step = pixels = 1;
    }
    if (channel_step == 1 && (pixels == 1 || pixel_step == channels)) {
#pragma omp simd
        for (int64_t j = 0; j < pixels * channels; ++j) row[j] = static_cast<Real>(load_as_compute(from[j]));
        return;
    }
    for (int64_t x = 0; x < pixels; ++x) {
        for (int64_t c = 0; c < channels; ++c) {
            row[x * channels + c] =
                static_cast<Real>(load_as_compute(from[x * pixel_step + c * channel_step]));
        }
    }
}

// The Target of core/squared_error_cpu.h.
template <class Real>
class StoredTarget {
  public:
    POSEOPS_INLINE StoredTarget(const JointsMseLossArgs& args, int64_t channels)
        : args_(args),
          channels_(channels),
          weights_(channels),
          rows_(args.target.shape[3] * (channels == 1 ? rows_of_band(args.target.shape[3]) : channels)) {}

    POSEOPS_INLINE void load(int64_t b, int64_t k, RowRange) {
        plane_ = b * args_.target.strides[0] + k * args_.target.strides[1];
        for (int64_t c = 0; c < channels_; ++c) weights_[c] = load_weight(args_, b, k + c);
    }

    POSEOPS_INLINE double weight(int64_t channel) { return weights_[channel]; }

    POSEOPS_INLINE const Real* rows(int32_t y, int32_t count) {
        const TensorView& target = args_.target;
        const int64_t length = target.shape[3] * channels_;
        visit_floating(target.dtype, [&](auto tag) {
            using U = typename decltype(tag)::type;
            const U* from = target.as<const U>() + plane_ + y * target.strides[2];
            for (int32_t i = 0; i < count; ++i, from += target.strides[2]) {
                convert_row(rows_.data() + i * length, from, target.shape[3], target.strides[3], channels_,
                            target.strides[1]);
            }
        });
        return rows_.data();
    }

  private:
    const JointsMseLossArgs& args_;
    int64_t channels_;
    int64_t plane_ = 0;
    Scratch<double, 64> weights_;
    Scratch<Real, kBandElements> rows_;
};

}  // namespace

void joints_mse_loss(const JointsMseLossArgs& args) {
    visit_floating(args.error.pred.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        squared_error<T>(args.error,
                         [&](int64_t channels) { return StoredTarget<compute_t<T>>(args, channels); });
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
