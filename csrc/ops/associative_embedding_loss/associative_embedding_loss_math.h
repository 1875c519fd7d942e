// The formulas of associative_embedding_loss. With h the tag of a joint, m its person's mean tag and N the people:
//
//             pull                                push, over ordered pairs of people
// paper       1/N sum_n sum_k (h - m_n)^2         1/N^2 sum exp(-(m_n - m_l)^2 / 2), with n = l
// mmpose      1/N sum_n mean_k (h - m_n)^2        1/(N (N - 1)) sum exp(-(m_n - m_l)^2), with n = l
// higherhrnet 1/N sum_n mean_k (h - m_n)^2        1/(2 N (N - 1)) sum exp(-(m_n - m_l)^2), without n = l
//
// paper: Newell et al., Associative Embedding, NeurIPS 2017, section 3.2, with sigma = 1; a joint's pixel is the nearest.
// The others, as published, take no push of fewer than two people and truncate the position plus a half (mmpose) or
// the position (higherhrnet).
#pragma once

#include <cmath>
#include <cstdint>

#include "core/exp.h"
#include "core/host_device.h"

namespace pyposeops {

enum class EmbeddingConvention : int32_t { kPaper, kMmpose, kHigherHrnet };

// The whole pixel that a coordinate belongs to.
template <class Position>
POSEOPS_HD Position tag_pixel(Position position, EmbeddingConvention convention) {
    switch (convention) {
        case EmbeddingConvention::kMmpose:
            return trunc(position + Position(0.5));
        case EmbeddingConvention::kHigherHrnet:
            return trunc(position);
        default:
            return floor(position + Position(0.5));
    }
}

// What the sums of a group of `people` are multiplied with.
template <class Real>
struct EmbeddingScales {
    Real pull;      // of a person's sum or mean of squares
    Real push;      // of the sum over ordered pairs
    Real exponent;  // of the squared difference
    bool mean;      // a person counts with the mean over the joints
    bool diagonal;  // each person is a pair with itself
};

template <class Real>
POSEOPS_HD EmbeddingScales<Real> embedding_scales(int64_t people, EmbeddingConvention convention) {
    if (people == 0) return {Real(0), Real(0), Real(0), false, false};
    const Real count = static_cast<Real>(people);
    if (convention == EmbeddingConvention::kPaper) {
        return {Real(1) / count, Real(1) / (count * count), Real(-0.5), false, true};
    }
    const bool mmpose = convention == EmbeddingConvention::kMmpose;
    const Real pairs = people > 1 ? (mmpose ? Real(1) : Real(0.5)) / (count * (count - Real(1))) : Real(0);
    return {Real(1) / count, pairs, Real(-1), true, mmpose};
}

// exp(exponent * difference^2)
template <class Real>
POSEOPS_HD Real push_term(Real difference, Real exponent) {
    return exp_nonpositive(exponent * (difference * difference));
}

// The derivative, in the first person's mean, of both ordered pairs of two people.
template <class Real>
POSEOPS_HD Real push_slope(Real difference, Real exponent) {
    return Real(4) * exponent * difference * push_term(difference, exponent);
}

}  // namespace pyposeops
