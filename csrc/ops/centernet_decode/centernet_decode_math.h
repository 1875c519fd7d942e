// Joint k of person n: the detected joint nearest to where the person's centre says, if it is near enough.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/dtype.h"
#include "core/host_device.h"
#include "core/product.h"
#include "ops/centernet_decode/centernet_decode.h"

namespace pyposeops {

template <class Real>
struct Box {
    Real left;
    Real top;
    Real right;
    Real bottom;

    POSEOPS_HD bool holds(Real x, Real y) const { return x >= left && x <= right && y >= top && y <= bottom; }
};

// x, y, dx, dy, width, height, then the joints' offsets.
template <class Real>
POSEOPS_HD Box<Real> person_box(const Real* person) {
    const Real x = person[0] + person[2];
    const Real y = person[1] + person[3];
    const Real half_width = person[4] * Real(0.5);
    const Real half_height = person[5] * Real(0.5);
    return {x - half_width, y - half_height, x + half_width, y + half_height};
}

// The entry nearest to (x, y), of equally near ones the first; -1 if there is none. Squares of the distances, since
// roots of different squares may be the same.
template <class Real>
POSEOPS_HD int64_t nearest_candidate(const Real* candidates, int64_t count, Real x, Real y, Real& squared) {
    int64_t nearest = -1;
    squared = std::numeric_limits<Real>::infinity();
    for (int64_t p = 0; p < count; ++p) {
        const Real dx = candidates[3 * p] - x;
        const Real dy = candidates[3 * p + 1] - y;
        const Real own = rounded_product(dx, dx) + rounded_product(dy, dy);
        if (own < squared) {
            squared = own;
            nearest = p;
        }
    }
    return nearest;
}

template <class Real>
POSEOPS_HD void decode_joint(const CenternetDecodeArgs& args, int64_t b, int64_t n, int64_t k) {
    const int64_t at = b * args.most_people() + n;
    Real* const keypoint = args.keypoints.as<Real>() + 2 * (at * args.joints() + k);
    Real* const score = args.joint_scores.as<Real>() + at * args.joints() + k;
    keypoint[0] = keypoint[1] = *score = Real(0);
    if (n >= args.counts.as<int64_t>()[b]) return;
    const Real* const person = args.people.as<Real>() + at * args.people.shape[2];
    keypoint[0] = person[0] + person[kPersonNumbers + 2 * k];
    keypoint[1] = person[1] + person[kPersonNumbers + 2 * k + 1];
    if (args.candidates.data == nullptr) return;
    const int64_t joint = b * args.joints() + k;
    const Real* const candidates = args.candidates.as<Real>() + 3 * joint * args.candidates.shape[2];
    Real squared;
    const int64_t nearest = nearest_candidate(candidates, args.candidate_counts.as<int64_t>()[joint],
                                              keypoint[0], keypoint[1], squared);
    if (nearest < 0) return;
    const Real* const found = candidates + 3 * nearest;
    const Real longer = person[4] > person[5] ? person[4] : person[5];
    const Real reach = longer * static_cast<Real>(args.max_distance);
    const bool near_enough = reach >= Real(0) && squared <= rounded_product(reach, reach);
    if (!near_enough || !person_box(person).holds(found[0], found[1])) return;
    keypoint[0] = found[0];
    keypoint[1] = found[1];
    *score = found[2];
}

// The person's box, x, y, width, height.
template <class Real>
POSEOPS_HD void decode_box(const CenternetDecodeArgs& args, int64_t b, int64_t n) {
    const int64_t at = b * args.most_people() + n;
    Real* const box = args.boxes.as<Real>() + 4 * at;
    const bool exists = n < args.counts.as<int64_t>()[b];
    const Real* const person = args.people.as<Real>() + at * args.people.shape[2];
    const Box<Real> own = person_box(person);
    box[0] = exists ? own.left : Real(0);
    box[1] = exists ? own.top : Real(0);
    box[2] = exists ? person[4] : Real(0);
    box[3] = exists ? person[5] : Real(0);
}

}  // namespace pyposeops
