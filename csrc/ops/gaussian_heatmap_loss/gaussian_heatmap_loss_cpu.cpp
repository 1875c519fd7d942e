// gaussian_heatmap_loss on the CPU: the target exists a few rows at a time, as the product of the factors along x and y.
#include <cstring>

#include "core/scratch.h"
#include "core/squared_error_cpu.h"
#include "ops/gaussian_heatmap_loss/gaussian_heatmap_loss.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Factors of one axis, 0 outside the window, at pixels first .. first + count - 1, `step` elements apart.
template <class Real>
POSEOPS_INLINE void fill_factors(Real* factors, const GaussianAxis& axis, Real scale, int32_t first,
                                 int32_t count, int64_t step) {
    const Real centre = static_cast<Real>(axis.centre);
    if (step == 1) {
#pragma omp simd
        for (int32_t i = 0; i < count; ++i) {
            const int32_t pixel = first + i;
            const Real value = gaussian_value(static_cast<Real>(pixel), centre, scale);
            factors[i] = pixel >= axis.begin && pixel < axis.end ? value : Real(0);
        }
        return;
    }
    for (int32_t i = 0; i < count; ++i) factors[i * step] = Real(0);
    const int32_t begin = axis.begin > first ? axis.begin : first;
    const int32_t end = axis.end < first + count ? axis.end : first + count;
    for (int32_t pixel = begin; pixel < end; ++pixel) {
        factors[(pixel - first) * step] = gaussian_value(static_cast<Real>(pixel), centre, scale);
    }
}

// The people of one plane: factors along x (people, width, channels) and y (people, rows, channels), and the rows on
// which any of a person's joints is drawn.
template <class Real>
class PeopleRows {
  public:
    POSEOPS_INLINE PeopleRows(const GaussianJointTensors& tensors, int64_t channels)
        : tensors_(tensors),
          people_(tensors.keypoints.data == nullptr ? 0 : tensors.keypoints.shape[1]),
          channels_(channels),
          length_(tensors.map_width * channels),
          across_(people_ * length_),
          down_(people_ * tensors.map_height * channels),
          drawn_(people_),
          factor_(channels > 1 ? length_ : 0) {}

    // Joints k .. k + channels - 1 of image b; `weights` gets their weights, unless null.
    POSEOPS_INLINE void load(int64_t b, int64_t k, RowRange range, double* weights) {
        range_ = range;
        for (int64_t c = 0; weights != nullptr && c < channels_; ++c) weights[c] = 0.0;
        for (int64_t n = 0; n < people_; ++n) {
            drawn_[n] = {range.end, range.begin};
            for (int64_t c = 0; c < channels_; ++c) {
                const GaussianJoint joint = load_gaussian_joint(tensors_, b, n, k + c);
                if (weights != nullptr) weights[c] = larger_weight(weights[c], joint.weight, n);
                load_joint(joint, n, c);
            }
        }
    }

    POSEOPS_INLINE bool drawn_on(int32_t begin, int32_t end) {
        for (int64_t n = 0; n < people_; ++n) {
            if (drawn_[n].begin < end && drawn_[n].end > begin) return true;
        }
        return false;
    }

    // The maximum over the people on row y, in `row`; false, with nothing written, where nobody is drawn.
    POSEOPS_INLINE bool render(int32_t y, Real* row) {
        bool fresh = true;
        for (int64_t n = 0; n < people_; ++n) {
            if (y < drawn_[n].begin || y >= drawn_[n].end) continue;
            const Real* across = across_.data() + n * length_;
            const Real* down = down_.data() + (n * tensors_.map_height + y - range_.begin) * channels_;
            if (channels_ == 1) {
                const Real factor = *down;
#pragma omp simd
                for (int64_t j = 0; j < length_; ++j) {
                    row[j] = with_person(fresh ? Real(0) : row[j], across[j] * factor);
                }
            } else {
                repeat_factors(down);
#pragma omp simd
                for (int64_t j = 0; j < length_; ++j) {
                    row[j] = with_person(fresh ? Real(0) : row[j], across[j] * factor_[j]);
                }
            }
            fresh = false;
        }
        return !fresh;
    }

  private:
    POSEOPS_INLINE void load_joint(const GaussianJoint& joint, int64_t n, int64_t c) {
        // Not drawn: an empty window, so factors of 0.
        const Real scale = joint.drawn ? gaussian_scale<Real>(joint.sigma) : Real(0);
        const GaussianAxis nowhere = {0.0, 0, 0, false};
        const GaussianAxis& x = joint.drawn ? joint.x : nowhere;
        const GaussianAxis& y = joint.drawn ? joint.y : nowhere;
        if (channels_ == 1 && !joint.drawn) return;
        const int32_t width = static_cast<int32_t>(tensors_.map_width);
        fill_factors(across_.data() + n * length_ + c, x, scale, 0, width, channels_);
        fill_factors(down_.data() + n * tensors_.map_height * channels_ + c, y, scale, range_.begin,
                     range_.end - range_.begin, channels_);
        if (!joint.drawn) return;
        RowRange& drawn = drawn_[n];
        drawn.begin = y.begin < drawn.begin ? (y.begin > range_.begin ? y.begin : range_.begin) : drawn.begin;
        drawn.end = y.end > drawn.end ? (y.end < range_.end ? y.end : range_.end) : drawn.end;
    }

    // The y factors of the channels, once for every pixel of a row, by doubling what is there.
    POSEOPS_INLINE void repeat_factors(const Real* down) {
        Real* factor = factor_.data();
        std::memcpy(factor, down, sizeof(Real) * channels_);
        for (int64_t done = channels_; done < length_; done *= 2) {
            const int64_t count = done < length_ - done ? done : length_ - done;
            std::memcpy(factor + done, factor, sizeof(Real) * count);
        }
    }

    const GaussianJointTensors& tensors_;
    int64_t people_;
    int64_t channels_;
    int64_t length_;
    RowRange range_ = {0, 0};
    Scratch<Real> across_;
    Scratch<Real> down_;
    Scratch<RowRange, 8> drawn_;
    Scratch<Real> factor_;
};

// The Target of core/squared_error_cpu.h.
template <class Real>
class GaussianTarget {
  public:
    POSEOPS_INLINE GaussianTarget(const GaussianHeatmapLossArgs& args, int64_t channels)
        : own_(args.own, channels),
          others_(args.others, channels),
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
        squared_error<T>(args.error,
                         [&](int64_t channels) { return GaussianTarget<compute_t<T>>(args, channels); });
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
