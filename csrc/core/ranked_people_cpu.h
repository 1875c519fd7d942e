// Ranks people on the CPU.
#pragma once

#include "core/ranked_people.h"

namespace pyposeops {

constexpr int64_t kInsertionRun = 16;

// order[begin, end) by falling keys[order[i]], equal keys in the order they have.
POSEOPS_INLINE void insertion_sort(const double* keys, int64_t* order, int64_t begin, int64_t end) {
    for (int64_t i = begin + 1; i < end; ++i) {
        const int64_t moved = order[i];
        int64_t at = i;
        for (; at > begin && keys[order[at - 1]] < keys[moved]; --at) order[at] = order[at - 1];
        order[at] = moved;
    }
}

// Sorts the `count` entries of `order` by falling keys[order[i]], equal keys in the order they have; keys without
// NaN. `work` has room for `count` entries. A merge sort, since std::stable_sort would be compiled per instruction
// set.
POSEOPS_INLINE void sort_falling(const double* keys, int64_t* order, int64_t* work, int64_t count) {
    for (int64_t begin = 0; begin < count; begin += kInsertionRun) {
        insertion_sort(keys, order, begin, begin + kInsertionRun < count ? begin + kInsertionRun : count);
    }
    for (int64_t run = kInsertionRun; run < count; run *= 2) {
        for (int64_t begin = 0; begin + run < count; begin += 2 * run) {
            const int64_t middle = begin + run;
            const int64_t end = middle + run < count ? middle + run : count;
            if (keys[order[middle - 1]] >= keys[order[middle]]) continue;
            for (int64_t i = begin; i < middle; ++i) work[i] = order[i];
            int64_t left = begin;
            int64_t right = middle;
            for (int64_t at = begin; left < middle; ++at) {
                const bool take_right = right < end && keys[order[right]] > keys[work[left]];
                order[at] = take_right ? order[right++] : work[left++];
            }
        }
    }
}

// The same where of equal keys the later one comes first, as in a stable ascending sort read backwards.
POSEOPS_INLINE void sort_falling(const double* keys, int64_t* order, int64_t* work, int64_t count,
                                 Ties ties) {
    if (ties == Ties::kLast) {
        for (int64_t i = 0, j = count - 1; i < j; ++i, --j) {
            const int64_t swapped = order[i];
            order[i] = order[j];
            order[j] = swapped;
        }
    }
    sort_falling(keys, order, work, count);
}

// Rows of people are computed in steps of a vector, so that there is no remainder: how long a row of `count` people
// is.
constexpr int64_t kVectorPeople = 8;

POSEOPS_INLINE int64_t row_length(int64_t count) {
    return (count + kVectorPeople - 1) / kVectorPeople * kVectorPeople;
}

// Where the vector begins that has person `i`.
POSEOPS_INLINE int64_t vector_begin(int64_t i) { return i - i % kVectorPeople; }

// People of the image with most of them.
POSEOPS_INLINE int64_t most_people(const TensorView& offsets, int64_t count) {
    int64_t most = 0;
    for (int64_t b = 0; b < image_count(offsets); ++b) {
        const PersonRows rows = rows_of_image(offsets, count, b);
        most = rows.end - rows.begin > most ? rows.end - rows.begin : most;
    }
    return most;
}

}  // namespace pyposeops
