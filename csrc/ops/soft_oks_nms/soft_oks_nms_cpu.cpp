// CPU: images in parallel. With the Gaussian rule every similarity matters: those of a picked person with all others
// are summed in vectors. With the linear rule most pairs are told apart by their first joints.
#include "core/exp_rows.h"
#include "core/parallel.h"
#include "core/ranked_people_cpu.h"
#include "core/scratch.h"
#include "ops/soft_oks_nms/soft_oks_nms.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// People below which a second thread does not pay.
constexpr int64_t kPeoplePerThread = 64;

// A thread's memory for images of up to `most` people. Everywhere here a person goes by the rank of the first score,
// so that those who are picked early stand in front; `rows` says where that is among all people.
struct Workspace {
    Scratch<double> scores, areas, scales, sums, coords, weights;
    Scratch<int64_t> rows, order, merged;

    POSEOPS_INLINE Workspace(int64_t most, int64_t joints)
        : scores(most),
          areas(row_length(most)),
          scales(row_length(most)),
          sums(row_length(most)),
          coords(2 * joints * row_length(most)),
          weights(joints),
          rows(most),
          order(most),
          merged(most) {}
};

// The people of an image by falling score.
POSEOPS_INLINE void rank(const SoftOksNmsArgs& args, PersonRows rows, Workspace& work) {
    const int64_t count = rows.end - rows.begin;
    for (int64_t i = 0; i < count; ++i) {
        work.rows[i] = i;
        work.sums[i] = person_value(args.scores, rows.begin + i);
    }
    sort_falling(work.sums.data(), work.rows.data(), work.merged.data(), count, args.ties);
    for (int64_t i = 0; i < count; ++i) {
        work.scores[i] = work.sums[work.rows[i]];
        work.rows[i] += rows.begin;
        work.order[i] = i;
    }
}

// Their joints, joint by joint, and to the end of the rows people without size at the origin.
template <class T>
POSEOPS_INLINE void gather(const OksPeople& people, int64_t count, Workspace& work) {
    const TensorView& points = people.keypoints;
    const int64_t length = row_length(count);
    for (int64_t i = count; i < length; ++i) {
        work.areas[i] = 0.0;
        for (int64_t row = 0; row < 2 * people.joints(); ++row) work.coords[row * length + i] = 0.0;
    }
    for (int64_t i = 0; i < count; ++i) {
        work.areas[i] = person_value(people.areas, work.rows[i]);
        const T* const person = points.as<const T>() + work.rows[i] * points.strides[0];
        for (int64_t k = 0; k < people.joints(); ++k) {
            work.coords[2 * k * length + i] = static_cast<double>(person[k * points.strides[1]]);
            work.coords[(2 * k + 1) * length + i] =
                static_cast<double>(person[k * points.strides[1] + points.strides[2]]);
        }
    }
}

// work.sums from person `first` on: exp(-e) of all joints, beside person `picked`.
POSEOPS_INLINE void sum_similarities(Workspace& work, int64_t joints, int64_t picked, int64_t first,
                                     int64_t count) {
    double* const sums = work.sums.data();
    double* const scales = work.scales.data();
    const double* const areas = work.areas.data();
    const int64_t begin = vector_begin(first);
    const int64_t length = row_length(count);
    for (int64_t i = begin; i < length; ++i) {
        sums[i] = 0.0;
        scales[i] = 1.0 / ((areas[picked] + areas[i]) / 2.0 + kOksEps);
    }
    for (int64_t k = 0; k < joints; ++k) {
        const double* const x = work.coords.data() + 2 * k * length;
        const double* const y = x + length;
        const double own_x = x[picked];
        const double own_y = y[picked];
        const double weight = work.weights[k];
        for (int64_t i = begin; i < length; ++i) {
            const double dx = x[i] - own_x;
            const double dy = y[i] - own_y;
            sums[i] += exp_nonpositive_in_rows(-((dx * dx + dy * dy) * weight * scales[i]));
        }
    }
}

// Lowers the scores of order[after, count) beside the picked person; nobody of them stands before `first`.
template <class T>
POSEOPS_INLINE void lower_scores(const SoftOksNmsArgs& args, const OksLimit& limit, int64_t picked,
                                 int64_t after, int64_t first, int64_t count, Workspace& work) {
    const OksPeople& people = args.people;
    const bool in_rows = args.decay == ScoreDecay::kGaussian && people.confidences.data == nullptr;
    if (in_rows) sum_similarities(work, people.joints(), picked, first, count);
    for (int64_t s = after; s < count; ++s) {
        const int64_t i = work.order[s];
        const double similarity = in_rows
                                      ? work.sums[i] / static_cast<double>(people.joints())
                                      : oks_unless_below<T>(people, work.rows[picked], work.rows[i], limit);
        work.scores[i] *= decay_factor(similarity, args.decay, args.threshold);
    }
}

POSEOPS_INLINE void write_image(const SoftOksNmsArgs& args, PersonRows rows, Workspace& work) {
    for (int64_t s = 0; s < rows.end - rows.begin; ++s) {
        const int64_t i = work.order[s];
        const int64_t row = work.rows[i];
        args.order.as<int64_t>()[rows.begin + s] = row;
        args.keep.as<bool>()[row] = s < args.max_dets;
        if (args.rescored.dtype == DType::kFloat64) {
            args.rescored.as<double>()[row] = work.scores[i];
        } else {
            args.rescored.as<float>()[row] = static_cast<float>(work.scores[i]);
        }
    }
}

template <class T>
POSEOPS_INLINE void pick_people(const SoftOksNmsArgs& args, const OksLimit& limit, PersonRows rows,
                                Workspace& work) {
    const int64_t count = rows.end - rows.begin;
    rank(args, rows, work);
    if (args.decay == ScoreDecay::kGaussian) gather<T>(args.people, count, work);
    int64_t first = 0;  // all people before are picked
    for (int64_t turn = 0; turn < args.max_dets && turn + 1 < count; ++turn) {
        const int64_t picked = work.order[turn];
        if (picked == first) ++first;
        lower_scores<T>(args, limit, picked, turn + 1, first, count, work);
        sort_falling(work.scores.data(), work.order.data() + turn + 1, work.merged.data(), count - turn - 1,
                     args.ties);
    }
    write_image(args, rows, work);
}

template <class T>
POSEOPS_INLINE void pick(const SoftOksNmsArgs& args) {
    const int64_t people = args.people.keypoints.shape[0];
    const int64_t joints = args.people.joints();
    const OksLimit limit = decay_limit(args.decay, args.threshold, joints);
    const int64_t most = most_people(args.offsets, people);
    const int64_t images = image_count(args.offsets);
    parallel_for(images, kPeoplePerThread * images / people + 1, [&](int64_t begin, int64_t end) {
        Workspace work(most, joints);
        for (int64_t k = 0; k < joints; ++k) work.weights[k] = 0.5 / args.people.variance(k);
        for (int64_t b = begin; b < end; ++b) {
            pick_people<T>(args, limit, rows_of_image(args.offsets, people, b), work);
        }
    });
}

}  // namespace

void soft_oks_nms(const SoftOksNmsArgs& args) {
    visit_float_or_double(args.people.keypoints.dtype,
                          [&](auto tag) { pick<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
