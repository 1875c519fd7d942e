// CPU: images in parallel. Each picked person is measured against all later ones in vectors, by how many joints are
// near; those who are not told apart that way are compared exactly.
#include "core/parallel.h"
#include "core/ranked_people_cpu.h"
#include "core/scratch.h"
#include "ops/parametric_pose_nms/parametric_pose_nms.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// People below which a second thread does not pay.
constexpr int64_t kPeoplePerThread = 64;

// A thread's memory for images of up to `most` people, joint by joint in order of rank.
struct Workspace {
    Scratch<double> means, coords, bounds, near;
    Scratch<int64_t> merged, next;

    POSEOPS_INLINE Workspace(int64_t most, int64_t joints)
        : means(most),
          coords(2 * joints * row_length(most)),
          bounds(row_length(most)),
          near(row_length(most)),
          merged(most),
          next(most) {}
};

// order[0, count): the image's rows by falling mean score.
POSEOPS_INLINE void rank(const PosePeople& people, PersonRows rows, int64_t* order, Workspace& work) {
    const int64_t count = rows.end - rows.begin;
    for (int64_t i = 0; i < count; ++i) {
        order[i] = i;
        work.means[i] = people.mean_score(rows.begin + i);
    }
    sort_falling(work.means.data(), order, work.merged.data(), count);
    for (int64_t r = 0; r < count; ++r) order[r] += rows.begin;
}

// The joints, and to the end of the rows the origin.
POSEOPS_INLINE void gather(const PosePeople& people, const int64_t* order, int64_t count, Workspace& work) {
    const int64_t length = row_length(count);
    for (int64_t r = count; r < length; ++r) {
        for (int64_t row = 0; row < 2 * people.joints(); ++row) work.coords[row * length + r] = 0.0;
    }
    for (int64_t r = 0; r < count; ++r) {
        for (int64_t k = 0; k < people.joints(); ++k) {
            work.coords[2 * k * length + r] = people.coord(order[r], k, 0);
            work.coords[(2 * k + 1) * length + r] = people.coord(order[r], k, 1);
        }
    }
}

// work.bounds and work.near of all people after rank r, who is row i.
POSEOPS_INLINE void measure(const PosePeople& people, int64_t i, int64_t r, int64_t count, Workspace& work) {
    double* const bounds = work.bounds.data();
    double* const near = work.near.data();
    const int64_t begin = vector_begin(r + 1);
    const int64_t length = row_length(count);
    for (int64_t s = begin; s < length; ++s) bounds[s] = near[s] = 0.0;
    JointBound bound = joint_bound(people, i, 0);
    for (int64_t k = 0; k < people.joints(); ++k) {
        const double* const x = work.coords.data() + 2 * k * length;
        const double* const y = x + length;
        const double own_x = x[r];
        const double own_y = y[r];
        if (people.factors.data != nullptr) bound = joint_bound(people, i, k);
        for (int64_t s = begin; s < length; ++s) {
            const double dx = x[s] - own_x;
            const double dy = y[s] - own_y;
            const bool is_near = dx * dx + dy * dy <= bound.far_squared;
            bounds[s] += is_near ? bound.if_near : bound.if_far;
            near[s] += is_near ? 1.0 : 0.0;
        }
    }
}

POSEOPS_INLINE void suppress_image(const ParametricPoseNmsArgs& args, PersonRows rows, Workspace& work) {
    const PosePeople& people = args.people;
    const int64_t count = rows.end - rows.begin;
    int64_t* const order = args.order.as<int64_t>() + rows.begin;
    int64_t* const groups = args.groups.as<int64_t>();
    rank(people, rows, order, work);
    gather(people, order, count, work);
    for (int64_t i = rows.begin; i < rows.end; ++i) groups[i] = i;
    for (int64_t r = 0; r < count; ++r) {
        const int64_t i = order[r];
        if (groups[i] != i) continue;
        measure(people, i, r, count, work);
        for (int64_t s = r + 1; s < count; ++s) {
            const int64_t j = order[s];
            if (groups[j] != j || are_two_people(people.rule, work.bounds[s], work.near[s])) continue;
            if (is_same_person(people, i, j)) groups[j] = i;
        }
    }
    for (int64_t i = rows.begin; i < rows.end; ++i)
        work.next[i - rows.begin] = next_of_group(groups, rows, i);
    for (int64_t i = rows.begin; i < rows.end; ++i)
        write_person(args, {groups, work.next.data(), rows.begin}, i);
}

}  // namespace

void parametric_pose_nms(const ParametricPoseNmsArgs& args) {
    const int64_t people = args.people.keypoints.shape[0];
    const int64_t most = most_people(args.offsets, people);
    const int64_t images = image_count(args.offsets);
    parallel_for(images, kPeoplePerThread * images / people + 1, [&](int64_t begin, int64_t end) {
        Workspace work(most, args.people.joints());
        for (int64_t b = begin; b < end; ++b) {
            suppress_image(args, rows_of_image(args.offsets, people, b), work);
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
