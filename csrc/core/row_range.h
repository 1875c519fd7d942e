// A stretch of the rows of a map.
#pragma once

#include <cstdint>

namespace pyposeops {

// Rows [begin, end).
struct RowRange {
    int32_t begin;
    int32_t end;
};

}  // namespace pyposeops
