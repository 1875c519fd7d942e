// On the CPU: the people of a map, or of all maps of an image at once (channels_last), rendered row by row.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/gaussian_fill.h"
#include "core/gaussian_joints.h"
#include "core/host_device.h"
#include "core/row_range.h"
#include "core/scratch.h"

namespace pyposeops {

// Repeats the first `period` of `count` elements.
template <class Real>
POSEOPS_INLINE void repeat(Real* values, int64_t period, int64_t count) {
    for (int64_t done = period; done < count; done *= 2) {
        const int64_t more = done < count - done ? done : count - done;
        std::memcpy(values + done, values, sizeof(Real) * static_cast<size_t>(more));
    }
}

// The most people on one image. On the CPU offsets can be read.
POSEOPS_INLINE int64_t most_people(const GaussianJointTensors& joints, int64_t batch) {
    int64_t most = 0;
    for (int64_t b = 0; b < (joints.offsets.data == nullptr ? 1 : batch); ++b) {
        const PeopleRange people = gaussian_people(joints, b);
        most = people.end - people.begin > most ? people.end - people.begin : most;
    }
    return most;
}

// Per person factors along x (width, channels) and y (height, channels), and the rows on which any of the person's
// joints is drawn. `channels`: 1, or all joints of an image.
template <class Real>
class PeopleRows {
  public:
    POSEOPS_INLINE PeopleRows(const GaussianJointTensors& tensors, int64_t batch, int64_t channels)
        : tensors_(tensors),
          capacity_(most_people(tensors, batch)),
          channels_(channels),
          length_(tensors.map_width * channels),
          column_(tensors.map_height * channels),
          cut_(gaussian_cut<Real>(tensors)),
          across_(capacity_ * length_),
          down_(capacity_ * column_),
          drawn_(capacity_),
          line_(tensors.map_width > tensors.map_height ? tensors.map_width : tensors.map_height),
          factor_(channels > 1 ? length_ : 0) {}

    // Joints k .. k + channels - 1 of image b, to be drawn on the rows of `range`; `weights` gets their weights, unless
    // null.
    POSEOPS_INLINE void load(int64_t b, int64_t k, RowRange range, double* weights) {
        for (int64_t c = 0; weights != nullptr && c < channels_; ++c) weights[c] = 0.0;
        const PeopleRange people = gaussian_people(tensors_, b);
        count_ = people.end > people.begin ? people.end - people.begin : 0;
        for (int64_t n = 0; n < count_; ++n) {
            drawn_[n] = {range.end, range.begin};
            for (int64_t c = 0; c < channels_; ++c) {
                const GaussianJoint joint = load_gaussian_joint(tensors_, b, people.begin + n, k + c);
                if (weights != nullptr) weights[c] = larger_weight(weights[c], joint.weight, n == 0);
                load_joint(joint, n, c, range);
            }
        }
    }

    // Whether anybody is drawn on a row of [begin, end).
    POSEOPS_INLINE bool drawn_on(int32_t begin, int32_t end) {
        for (int64_t n = 0; n < count_; ++n) {
            if (drawn_[n].begin < end && drawn_[n].end > begin) return true;
        }
        return false;
    }

    // Row y of the people together in `row` (width, channels); false, with nothing written, where nobody is drawn.
    POSEOPS_INLINE bool render(int32_t y, Real* row) {
        bool empty = true;
        for (int64_t n = 0; n < count_; ++n) {
            if (y < drawn_[n].begin || y >= drawn_[n].end) continue;
            const Real* down = down_.data() + n * column_ + y * channels_;
            if (channels_ == 1) {
                add_person(row, across_.data() + n * length_, *down, empty);
            } else {
                std::memcpy(factor_.data(), down, sizeof(Real) * static_cast<size_t>(channels_));
                repeat(factor_.data(), channels_, length_);
                const Real* factors = factor_.data();
                add_person(row, across_.data() + n * length_, factors, empty);
            }
            empty = false;
        }
        if (!empty && tensors_.add_people) limit_to_one(row);
        return !empty;
    }

  private:
    POSEOPS_INLINE void load_joint(const GaussianJoint& joint, int64_t n, int64_t c, RowRange range) {
        if (channels_ == 1 && !joint.drawn) return;  // no row of this person is drawn
        fill_column(across_.data() + n * length_ + c, joint, true);
        fill_column(down_.data() + n * column_ + c, joint, false);
        if (!joint.drawn) return;
        RowRange& drawn = drawn_[n];
        const int32_t begin = joint.y.begin > range.begin ? joint.y.begin : range.begin;
        const int32_t end = joint.y.end < range.end ? joint.y.end : range.end;
        drawn.begin = begin < drawn.begin ? begin : drawn.begin;
        drawn.end = end > drawn.end ? end : drawn.end;
    }

    // One joint's factors along one axis, `channels` elements apart; 0 for a joint that is not drawn.
    POSEOPS_INLINE void fill_column(Real* column, const GaussianJoint& joint, bool along_x) {
        const int64_t length = along_x ? tensors_.map_width : tensors_.map_height;
        Real* line = channels_ == 1 ? column : line_.data();
        if (!joint.drawn) {
            std::memset(line, 0, sizeof(Real) * static_cast<size_t>(length));
        } else if (along_x) {
            fill_gaussian(line, joint.x, length, tensors_, true);
        } else {
            fill_gaussian_rows(line, joint, tensors_, true);
        }
        for (int64_t i = 0; channels_ > 1 && i < length; ++i) column[i * channels_] = line[i];
    }

    POSEOPS_INLINE static Real factor_at(Real factor, int64_t) { return factor; }
    POSEOPS_INLINE static Real factor_at(const Real* factors, int64_t i) { return factors[i]; }

    template <class Factor>
    POSEOPS_INLINE void add_person(Real* row, const Real* across, Factor down, bool first) {
        const Real cut = cut_;
        const bool add = tensors_.add_people;
#pragma omp simd
        for (int64_t i = 0; i < length_; ++i) {
            const Real product = across[i] * factor_at(down, i);
            row[i] = with_person(first ? Real(0) : row[i], product >= cut ? product : Real(0), add);
        }
    }

    POSEOPS_INLINE void limit_to_one(Real* row) {
#pragma omp simd
        for (int64_t i = 0; i < length_; ++i) row[i] = row[i] < Real(1) ? row[i] : Real(1);
    }

    const GaussianJointTensors& tensors_;
    int64_t capacity_;
    int64_t channels_;
    int64_t length_;
    int64_t column_;
    int64_t count_ = 0;
    Real cut_;
    Scratch<Real> across_;
    Scratch<Real> down_;
    Scratch<RowRange, 8> drawn_;
    Scratch<Real> line_;
    Scratch<Real> factor_;
};

}  // namespace pyposeops
