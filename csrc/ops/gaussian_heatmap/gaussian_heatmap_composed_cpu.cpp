// gaussian_heatmap on the CPU where a map is more than the maximum of its people: people added up, the joints of
// others, the background. A row is put together in full precision and rounded once.
#include <cstring>

#include "core/convert.h"
#include "core/denormals.h"
#include "core/gaussian_people.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Output elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 8192;

// Where element (k, y, x) of an image lies.
struct MapSteps {
    int64_t image, map, row, pixel;

    POSEOPS_INLINE MapSteps(const TensorView& maps, bool channels_last) {
        const int64_t count = maps.shape[1];
        const int64_t width = maps.shape[3];
        pixel = channels_last ? count : 1;
        row = width * pixel;
        map = channels_last ? 1 : maps.shape[2] * width;
        image = maps.shape[2] * width * count;
    }
};

// Rows of one image, `channels` maps at a time: one (NCHW) or all joints (channels_last).
template <class T>
class ComposedRows {
  public:
    using Real = compute_t<T>;

    POSEOPS_INLINE ComposedRows(const GaussianHeatmapArgs& args, int64_t joints, bool channels_last)
        : args_(args),
          steps_(args.heatmaps, channels_last),
          joints_(joints),
          channels_(channels_last ? joints : 1),
          width_(args.map_width),
          own_(args, args.heatmaps.shape[0], channels_),
          others_(args.others, args.heatmaps.shape[0], channels_),
          row_(width_ * channels_),
          others_row_(width_ * channels_),
          largest_(args.background ? width_ * args.map_height : 0),
          weights_(channels_) {}

    POSEOPS_INLINE void draw(int64_t b, RowRange range) {
        const int64_t maps = args_.heatmaps.shape[1];
        T* image = args_.heatmaps.as<T>() + b * steps_.image;
        const int64_t pixels = args_.background ? (range.end - range.begin) * width_ : 0;
        for (int64_t i = 0; i < pixels; ++i) largest_[i] = Real(0);
        for (int64_t k = 0; k < joints_; k += channels_) {
            own_.load(b, k, range, weights_.data());
            others_.load(b, k, range, nullptr);
            for (int64_t c = 0; range.begin == 0 && c < channels_; ++c) {
                store_gaussian_weight(args_, b * maps + k + c, weights_[c]);
            }
            for (int32_t y = range.begin; y < range.end; ++y) {
                const bool drawn = compose(y);
                if (drawn && args_.background) keep_largest(largest_row(y, range));
                store_row(image + k * steps_.map + y * steps_.row);
            }
        }
        if (!args_.background) return;
        if (range.begin == 0) store_gaussian_weight(args_, b * maps + joints_, 1.0);
        for (int32_t y = range.begin; y < range.end; ++y) {
            store_background(image + joints_ * steps_.map + y * steps_.row, largest_row(y, range));
        }
    }

  private:
    POSEOPS_INLINE Real* largest_row(int32_t y, RowRange range) {
        return largest_.data() + (y - range.begin) * width_;
    }

    // Row y of the maps, in row_; false where all of it is 0.
    POSEOPS_INLINE bool compose(int32_t y) {
        const int64_t length = width_ * channels_;
        Real* row = row_.data();
        const bool any_own = own_.render(y, row);
        if (!any_own) std::memset(row, 0, sizeof(Real) * static_cast<size_t>(length));
        const Real* others = others_row_.data();
        if (!others_.render(y, others_row_.data())) return any_own;
        const Real weight = static_cast<Real>(args_.others_weight);
#pragma omp simd
        for (int64_t i = 0; i < length; ++i) row[i] += weight * others[i];
        return true;
    }

    POSEOPS_INLINE void keep_largest(Real* largest) {
        const Real* row = row_.data();
        for (int64_t x = 0; x < width_; ++x) {
            for (int64_t c = 0; c < channels_; ++c) {
                const Real value = row[x * channels_ + c];
                largest[x] = value > largest[x] ? value : largest[x];
            }
        }
    }

    POSEOPS_INLINE void store_row(T* target) {
        const Real* row = row_.data();
        if (steps_.pixel == 1) {
#pragma omp simd
            for (int64_t x = 0; x < width_; ++x) store_from_compute(target + x, row[x]);
            return;
        }
        for (int64_t x = 0; x < width_; ++x, target += steps_.pixel, row += channels_) {
            for (int64_t c = 0; c < channels_; ++c) store_from_compute(target + c, row[c]);
        }
    }

    POSEOPS_INLINE void store_background(T* target, const Real* largest) {
        for (int64_t x = 0; x < width_; ++x) {
            const Real rest = Real(1) - largest[x];
            store_from_compute(target + x * steps_.pixel, rest > Real(0) ? rest : Real(0));
        }
    }

    const GaussianHeatmapArgs& args_;
    MapSteps steps_;
    int64_t joints_;
    int64_t channels_;
    int64_t width_;
    PeopleRows<Real> own_;
    PeopleRows<Real> others_;
    Scratch<Real> row_;
    Scratch<Real> others_row_;
    Scratch<Real> largest_;
    Scratch<double, 64> weights_;
};

// One task is a range of rows, which may begin and end within an image.
template <class T>
POSEOPS_INLINE void compose_maps(const GaussianHeatmapArgs& args, bool channels_last) {
    const int64_t height = args.map_height;
    const int64_t joints = args.heatmaps.shape[1] - (args.background ? 1 : 0);
    const int64_t grain = kElementsPerThread / (args.map_width * args.heatmaps.shape[1]) + 1;
    parallel_for(args.heatmaps.shape[0] * height, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        ComposedRows<T> rows(args, joints, channels_last);
        for (int64_t next = begin; next < end;) {
            const int64_t b = next / height;
            const int64_t first = b * height;
            const int64_t past = first + height < end ? first + height : end;
            rows.draw(b, {static_cast<int32_t>(next - first), static_cast<int32_t>(past - first)});
            next = past;
        }
    });
}

}  // namespace

void gaussian_heatmap_composed(const GaussianHeatmapArgs& args) {
    const bool channels_last = !args.heatmaps.is_contiguous();
    visit_floating(args.heatmaps.dtype,
                   [&](auto tag) { compose_maps<typename decltype(tag)::type>(args, channels_last); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
