// What tells people apart before any exponential is computed.
//
// The first few joints of most pairs already lack more similarity than the threshold leaves: 1 - exp(-e) is at least
// min(e, kChordEnd) * kChordSlope. With e = s / area and s = d^2 / (2 (2 sigma)^2), and everything times the area,
// that takes no division.
#pragma once

#include "core/oks_people.h"

namespace pyposeops {

// Joints that have to be far apart to tell people apart, and one more; none where all joints would not do.
POSEOPS_HD int64_t joints_that_tell(const OksLimit& limit, int64_t joints) {
    const double needed = limit.deficit / (kChordSlope * kChordEnd);
    if (!(needed < static_cast<double>(joints))) return 0;
    const int64_t enough = static_cast<int64_t>(needed) + 2;
    return enough < joints ? enough : joints;
}

// One joint's part: `spread` is s above. NaN stays NaN, which tells nobody apart.
template <class Real>
POSEOPS_HD Real part_of_joint(Real spread, Real area) {
    const Real most = static_cast<Real>(kChordEnd) * area;
    return spread > most ? most : spread;
}

// Whether the sum of parts tells them apart; `deficit` is that of OksLimit.
template <class Real>
POSEOPS_HD bool tells_apart(Real parts, Real area, Real deficit) {
    return parts * static_cast<Real>(kChordSlope) > deficit * area;
}

}  // namespace pyposeops
