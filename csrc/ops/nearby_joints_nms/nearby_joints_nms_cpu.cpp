// CPU: images in parallel; the near joints of a person and all others are counted in vectors.
#include "core/parallel.h"
#include "core/ranked_people_cpu.h"
#include "core/scratch.h"
#include "ops/nearby_joints_nms/nearby_joints_nms.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// People below which a second thread does not pay.
constexpr int64_t kPeoplePerThread = 64;

// A thread's memory for images of up to `most` people, by rank.
struct Workspace {
    Scratch<double> scores, near, coords;
    Scratch<int64_t> merged;
    Scratch<bool> taken, kept;

    POSEOPS_INLINE Workspace(int64_t most, int64_t joints)
        : scores(most),
          near(row_length(most)),
          coords(2 * joints * row_length(most)),
          merged(most),
          taken(most),
          kept(most) {}
};

// The joints, joint by joint, and to the end of the rows the origin.
POSEOPS_INLINE void gather(const NearbyPeople& people, const int64_t* order, int64_t count, Workspace& work) {
    const int64_t length = row_length(count);
    for (int64_t r = 0; r < length; ++r) {
        for (int64_t k = 0; k < people.joints(); ++k) {
            work.coords[2 * k * length + r] = r < count ? people.coord(order[r], k, 0) : 0.0;
            work.coords[(2 * k + 1) * length + r] = r < count ? people.coord(order[r], k, 1) : 0.0;
        }
    }
}

// work.near: how many joints of each person are near those of rank r.
POSEOPS_INLINE void count_near(int64_t joints, int64_t r, double squared_reach, int64_t count,
                               Workspace& work) {
    double* const near = work.near.data();
    const int64_t length = row_length(count);
    for (int64_t s = 0; s < length; ++s) near[s] = 0.0;
    for (int64_t k = 0; k < joints; ++k) {
        const double* const x = work.coords.data() + 2 * k * length;
        const double* const y = x + length;
        const double own_x = x[r];
        const double own_y = y[r];
        for (int64_t s = 0; s < length; ++s) {
            near[s] += is_near(x[s] - own_x, y[s] - own_y, squared_reach) ? 1.0 : 0.0;
        }
    }
}

POSEOPS_INLINE void suppress_image(const NearbyJointsNmsArgs& args, PersonRows rows, Workspace& work) {
    const NearbyPeople& people = args.people;
    const int64_t count = rows.end - rows.begin;
    int64_t* const order = args.order.as<int64_t>() + rows.begin;
    for (int64_t i = 0; i < count; ++i) {
        order[i] = i;
        work.scores[i] = person_value(args.scores, rows.begin + i);
        work.taken[i] = work.kept[i] = false;
    }
    sort_falling(work.scores.data(), order, work.merged.data(), count);
    for (int64_t r = 0; r < count; ++r) order[r] += rows.begin;
    gather(people, order, count, work);
    const auto needed = static_cast<double>(people.joint_threshold);
    for (int64_t r = 0; r < count; ++r) {
        if (work.taken[r]) continue;
        count_near(people.joints(), r, people.squared_reach(order[r]), count, work);
        work.near[r] = needed + 1.0;  // close to itself, whatever the reach
        int64_t best = 0;
        while (!(work.near[best] > needed)) ++best;
        if (work.taken[best]) continue;
        work.kept[best] = true;
        for (int64_t s = 0; s < count; ++s) work.taken[s] = work.taken[s] || work.near[s] > needed;
    }
    int64_t kept = 0;
    for (int64_t r = 0; r < count; ++r) {
        args.keep.as<bool>()[order[r]] = work.kept[r] && ++kept <= args.max_dets;
    }
}

}  // namespace

void nearby_joints_nms(const NearbyJointsNmsArgs& args) {
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
