// What a cell of the fields says: where a joint is and how sure, what it adds to a place's confidence.
#pragma once

#include <cstdint>

#include "core/convert.h"
#include "core/dtype.h"
#include "core/product.h"
#include "ops/pifpaf_decode/pifpaf_decode.h"

namespace pyposeops {

// Where a Gaussian ends: exp(-t) is computed as (1 - t / 8)^8.
constexpr double kBellEnd = 8.0;
// Cells that speak for one joint, by which their sum is divided.
constexpr double kCellsOfJoint = 16.0;
constexpr double kLeastSize = 0.5;  // of a joint that links are looked for from

// exp(-t) for t in 0..kBellEnd.
POSEOPS_HD double bell(double t) {
    const double base = 1.0 - t / kBellEnd;
    const double squared = base * base;
    return (squared * squared) * (squared * squared);
}

POSEOPS_HD double squared_length(double dx, double dy) {
    return rounded_product(dx, dx) + rounded_product(dy, dy);
}

POSEOPS_HD double larger(double a, double b) { return a > b ? a : b; }

POSEOPS_HD bool is_near(double value) { return value >= -kFarthestCells && value <= kFarthestCells; }
POSEOPS_HD bool is_size(double value) { return value >= 0.0 && value <= kFarthestCells; }

struct FieldPoint {
    double x;
    double y;
    double size;

    POSEOPS_HD bool exists() const { return is_near(x) && is_near(y) && is_size(size); }
};

// The components of one field of one image.
template <class T>
class FieldComponents {
  public:
    POSEOPS_HD FieldComponents(const TensorView& fields, int64_t image, int64_t field)
        : data_(fields.as<T>() + image * fields.strides[0] + field * fields.strides[1]),
          component_(fields.strides[2]),
          row_(fields.strides[3]),
          column_(fields.strides[4]),
          width_(fields.shape[4]) {}

    POSEOPS_HD double at(int64_t component, int64_t cell) const {
        // A division costs more than all else that is done for most cells.
        const int64_t offset =
            row_ == width_ * column_ ? cell * column_ : cell / width_ * row_ + cell % width_ * column_;
        return static_cast<double>(load_as_compute(data_[component * component_ + offset]));
    }
    POSEOPS_HD double confidence(int64_t cell) const {
        const double value = at(1, cell);
        return value > 1.0 && is_near(value) ? 1.0 : value;
    }
    POSEOPS_HD FieldPoint joint(int64_t cell) const { return {at(2, cell), at(3, cell), at(4, cell)}; }
    // The first or second joint of a limb.
    POSEOPS_HD FieldPoint end(int64_t cell, int64_t which) const {
        return {at(2 + 2 * which, cell), at(3 + 2 * which, cell), at(6 + which, cell)};
    }

  private:
    const T* data_;
    int64_t component_, row_, column_, width_;
};

// A cell that speaks for a joint.
struct SpeakingCell {
    double x;
    double y;
    double sigma;
    double share;  // of the place's confidence, where it points

    POSEOPS_HD double confidence_at(double place_x, double place_y) const {
        const double squared = squared_length(x - place_x, y - place_y);
        const double reach = rounded_product(sigma, sigma);
        return squared <= reach ? rounded_product(share, bell(squared / (2.0 * reach))) : 0.0;
    }
};

// Whether the cell speaks, and if so what.
template <class T>
POSEOPS_HD bool speaks(const PifpafScoresArgs& args, const FieldComponents<T>& field, int64_t cell,
                       SpeakingCell& result) {
    const double confidence = field.confidence(cell);
    if (!(confidence >= args.cif_threshold)) return false;
    const FieldPoint point = field.joint(cell);
    result = {point.x, point.y, larger(0.5 * point.size, 1.0 / args.stride_px), confidence / kCellsOfJoint};
    return point.exists() && is_near(confidence);
}

// The score of a cell as a joint, `sure(x, y)` being the confidence of a place; 0 where it is none.
template <class T, class Sure>
POSEOPS_HD double seed_score(const PifpafScoresArgs& args, const FieldComponents<T>& field, int64_t cell,
                             const Sure& sure) {
    const double confidence = field.confidence(cell);
    if (!(confidence >= args.seed_threshold) || !is_near(confidence)) return 0.0;
    const FieldPoint point = field.joint(cell);
    if (!point.exists()) return 0.0;
    const double score = rounded_product(0.9, sure(point.x, point.y)) + rounded_product(0.1, confidence);
    return larger(score, 0.0);
}

// The score of a cell as a way to the limb's joint `to`; 0 where it is none.
template <class T, class Sure>
POSEOPS_HD double link_score(const PifpafScoresArgs& args, const FieldComponents<T>& field, int64_t cell,
                             int64_t to, const Sure& sure) {
    const double confidence = field.confidence(cell);
    if (!(confidence >= args.caf_threshold) || !is_near(confidence)) return 0.0;
    const FieldPoint point = field.end(cell, to);
    if (!point.exists() || !field.end(cell, 1 - to).exists()) return 0.0;
    const double score = rounded_product(confidence, 0.1 + rounded_product(0.9, sure(point.x, point.y)));
    return larger(score, 0.0);
}

}  // namespace pyposeops
