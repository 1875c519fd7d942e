// How a person's score falls beside a better person.
#pragma once

#include "core/oks_people.h"

namespace pyposeops {

enum class ScoreDecay { kGaussian, kLinear };

// When similarities need not be known: with the linear rule those below the threshold.
POSEOPS_HD OksLimit decay_limit(ScoreDecay decay, double threshold, int64_t joints) {
    OksLimit limit = oks_limit(threshold, joints);
    if (decay == ScoreDecay::kGaussian) limit.deficit = static_cast<double>(joints);  // no sum exceeds it
    return limit;
}

// What the score is multiplied by; 1 for a similarity that is NaN.
POSEOPS_HD double decay_factor(double similarity, ScoreDecay decay, double threshold) {
    if (decay == ScoreDecay::kLinear) return similarity >= threshold ? 1.0 - similarity : 1.0;
    const double factor = exp_nonpositive_in_rows(-(similarity * similarity) / threshold);
    return factor == factor ? factor : 1.0;
}

}  // namespace pyposeops
