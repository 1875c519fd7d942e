// CPU: images in parallel. Each person who is kept is measured against all later ones by a few joints, in vectors;
// those who are not told apart that way are compared exactly.
#include "core/parallel.h"
#include "core/ranked_people_cpu.h"
#include "core/scratch.h"
#include "ops/oks_nms/oks_nms.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// People below which a second thread does not pay.
constexpr int64_t kPeoplePerThread = 256;

// A thread's memory for images of up to `most` people; the first `joints` joints are laid out joint by joint.
struct Workspace {
    int64_t joints;
    Scratch<double> scores, areas, parts, coords, weights;
    Scratch<int64_t> merged;
    Scratch<bool> kept;

    POSEOPS_INLINE Workspace(int64_t most, int64_t few)
        : joints(few),
          scores(most),
          areas(most),
          parts(most),
          coords(2 * few * most),
          weights(few),
          merged(most),
          kept(most) {}
};

// People of one image, by rank: what the vector loop reads.
template <class T>
POSEOPS_INLINE void gather(const OksPeople& people, const int64_t* order, int64_t count, Workspace& work) {
    const TensorView& points = people.keypoints;
    for (int64_t r = 0; r < count; ++r) {
        work.kept[r] = true;
        work.areas[r] = person_value(people.areas, order[r]);
        const T* const person = points.as<const T>() + order[r] * points.strides[0];
        for (int64_t k = 0; k < work.joints; ++k) {
            work.coords[2 * k * count + r] = static_cast<double>(person[k * points.strides[1]]);
            work.coords[(2 * k + 1) * count + r] =
                static_cast<double>(person[k * points.strides[1] + points.strides[2]]);
        }
    }
}

// work.parts of all people after rank r.
POSEOPS_INLINE void measure(Workspace& work, int64_t r, int64_t count) {
    double* const parts = work.parts.data();
    const double* const areas = work.areas.data();
    for (int64_t s = r + 1; s < count; ++s) parts[s] = 0.0;
    for (int64_t k = 0; k < work.joints; ++k) {
        const double* const x = work.coords.data() + 2 * k * count;
        const double* const y = x + count;
        const double own_x = x[r];
        const double own_y = y[r];
        const double own_area = areas[r];
        const double weight = work.weights[k];
        for (int64_t s = r + 1; s < count; ++s) {
            const double dx = x[s] - own_x;
            const double dy = y[s] - own_y;
            parts[s] += part_of_joint((dx * dx + dy * dy) * weight, (own_area + areas[s]) / 2.0 + kOksEps);
        }
    }
}

template <class T>
POSEOPS_INLINE void suppress_image(const OksNmsArgs& args, const OksLimit& limit, PersonRows rows,
                                   Workspace& work) {
    const int64_t count = rows.end - rows.begin;
    int64_t* const order = args.order.as<int64_t>() + rows.begin;
    for (int64_t i = 0; i < count; ++i) {
        order[i] = i;
        work.scores[i] = person_value(args.scores, rows.begin + i);
    }
    sort_falling(work.scores.data(), order, work.merged.data(), count, args.ties);
    for (int64_t r = 0; r < count; ++r) order[r] += rows.begin;
    gather<T>(args.people, order, count, work);
    for (int64_t r = 0; r < count; ++r) {
        if (!work.kept[r]) continue;
        measure(work, r, count);
        for (int64_t s = r + 1; s < count; ++s) {
            const double area = (work.areas[r] + work.areas[s]) / 2.0 + kOksEps;
            if (!work.kept[s] || tells_apart(work.parts[s], area, limit.deficit)) continue;
            work.kept[s] = !(oks_unless_below<T>(args.people, order[r], order[s], limit) > limit.threshold);
        }
    }
    for (int64_t r = 0; r < count; ++r) args.keep.as<bool>()[order[r]] = work.kept[r];
}

template <class T>
POSEOPS_INLINE void suppress(const OksNmsArgs& args) {
    const int64_t people = args.people.keypoints.shape[0];
    const int64_t joints = args.people.joints();
    const OksLimit limit = oks_limit(args.threshold, joints);
    // Which joints count is not known before they are looked at.
    const int64_t few = args.people.confidences.data == nullptr ? joints_that_tell(limit, joints) : 0;
    const int64_t most = most_people(args.offsets, people);
    const int64_t images = image_count(args.offsets);
    parallel_for(images, kPeoplePerThread * images / people + 1, [&](int64_t begin, int64_t end) {
        Workspace work(most, few);
        for (int64_t k = 0; k < few; ++k) work.weights[k] = 0.5 / args.people.variance(k);
        for (int64_t b = begin; b < end; ++b) {
            suppress_image<T>(args, limit, rows_of_image(args.offsets, people, b), work);
        }
    });
}

}  // namespace

void oks_nms(const OksNmsArgs& args) {
    visit_float_or_double(args.people.keypoints.dtype,
                          [&](auto tag) { suppress<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
