// Ranks the people of an image within a block.
#pragma once

#include "core/ranked_people.h"

namespace pyposeops {

// order[begin, end): the image's rows by falling score_of(row); a person's rank is the number of people who come before. Ends
// with a barrier.
template <class ScoreOf>
__device__ void rank_image(const ScoreOf& score_of, PersonRows rows, Ties ties, int64_t* order) {
    for (int64_t i = rows.begin + threadIdx.x; i < rows.end; i += blockDim.x) {
        const double own = score_of(i);
        int64_t rank = rows.begin;
        for (int64_t j = rows.begin; j < rows.end; ++j) {
            rank += comes_before(score_of(j), j, own, i, ties);
        }
        order[rank] = i;
    }
    __syncthreads();
}

}  // namespace pyposeops
