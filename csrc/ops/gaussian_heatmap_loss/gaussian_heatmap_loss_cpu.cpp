// gaussian_heatmap_loss on the CPU: the target exists a few rows at a time, as the product of the factors along x and y.
#include <cstring>

#include "core/gaussian_people.h"
#include "core/map_error_cpu.h"
#include "core/scratch.h"
#include "ops/gaussian_heatmap_loss/gaussian_heatmap_loss.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// The Target of core/map_error_cpu.h.
template <class Real>
class GaussianTarget {
  public:
    POSEOPS_INLINE GaussianTarget(const GaussianHeatmapLossArgs& args, int64_t channels)
        : own_(args.own, args.error.pred.shape[0], channels),
          others_(args.others, args.error.pred.shape[0], channels),
          mu_(static_cast<Real>(args.others_weight)),
          length_(args.own.map_width * channels),
          weights_(channels),
          rows_(channels == 1 ? rows_of_band(length_) * length_ : length_),
          others_row_(length_) {}

    POSEOPS_INLINE void load(int64_t b, int64_t k, RowRange range) {
        own_.load(b, k, range, weights_.data());
        others_.load(b, k, range, nullptr);
    }

    POSEOPS_INLINE double weight(int64_t channel) { return weights_[channel]; }

    // Null where nothing is drawn on any of the rows.
    POSEOPS_INLINE const Real* rows(int32_t y, int32_t count) {
        if (!own_.drawn_on(y, y + count) && !others_.drawn_on(y, y + count)) return nullptr;
        for (int32_t i = 0; i < count; ++i) render_row(y + i, rows_.data() + i * length_);
        return rows_.data();
    }

  private:
    POSEOPS_INLINE void render_row(int32_t y, Real* row) {
        const bool any_own = own_.render(y, row);
        if (!any_own) std::memset(row, 0, sizeof(Real) * length_);
        if (!others_.render(y, others_row_.data())) return;
        for (int64_t j = 0; j < length_; ++j) row[j] = with_interference(row[j], others_row_[j], mu_);
    }

    PeopleRows<Real> own_;
    PeopleRows<Real> others_;
    Real mu_;
    int64_t length_;
    Scratch<double, 64> weights_;
    Scratch<Real, kBandElements> rows_;
    Scratch<Real> others_row_;
};

}  // namespace

void gaussian_heatmap_loss(const GaussianHeatmapLossArgs& args) {
    visit_floating(args.error.pred.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        map_error<T>(args.error, SquaredError{},
                     [&](int64_t channels) { return GaussianTarget<compute_t<T>>(args, channels); });
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
