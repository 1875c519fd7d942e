// Rows by falling score, ties in the order given: a radix sort, since at tens of thousands of rows the branches of a
// comparing sort are what the drawing of all curves costs.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace pyposeops {

// A finite number as bits whose order as integers is the opposite of the number's own; both zeros alike.
inline uint64_t falling_key(double score) {
    const double number = score + 0.0;
    uint64_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    constexpr uint64_t kSign = uint64_t{1} << 63;
    return bits & kSign ? bits : ~(bits | kSign);
}

// `first`, `first` + 1, ... up to the number of scores, by falling score.
inline std::vector<int32_t> order_by_score(const double* scores, int64_t count, int32_t first) {
    constexpr int kDigitBits = 11;
    constexpr int kDigits = 6;  // 6 * 11 bits cover 64
    constexpr int64_t kBuckets = int64_t{1} << kDigitBits;
    struct Row {
        uint64_t key;
        int32_t index;
    };
    std::vector<Row> rows(count);
    std::vector<Row> next(count);
    std::vector<int64_t> places(kDigits * kBuckets, 0);
    for (int64_t i = 0; i < count; ++i) {
        rows[i] = {falling_key(scores[i]), static_cast<int32_t>(first + i)};
        for (int digit = 0; digit < kDigits; ++digit) {
            ++places[digit * kBuckets + (rows[i].key >> digit * kDigitBits) % kBuckets];
        }
    }
    for (int digit = 0; digit < kDigits; ++digit) {
        int64_t* place = places.data() + digit * kBuckets;
        int64_t before = 0;
        for (int64_t bucket = 0; bucket < kBuckets; ++bucket) before += std::exchange(place[bucket], before);
        for (const Row& row : rows) next[place[(row.key >> digit * kDigitBits) % kBuckets]++] = row;
        rows.swap(next);
    }
    std::vector<int32_t> order(count);
    for (int64_t i = 0; i < count; ++i) order[i] = rows[i].index;
    return order;
}

}  // namespace pyposeops
