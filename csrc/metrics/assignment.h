// The cheapest one-to-one assignment of rows to columns, by shortest augmenting paths (Jonker and Volgenant, Computing
// 1987; the same problem as Kuhn and Munkres'). As many pairs as are allowed, and among those the smallest sum.
#pragma once

#include <cstdint>

namespace pyposeops {

// costs: (rows, columns), row by row; NaN or infinite where a pair is not allowed, otherwise any finite number.
// column_of_row: (rows), -1 for a row without a partner. The same costs give the same pairs; among assignments of equal
// cost none is preferred.
void assign(const double* costs, int64_t rows, int64_t columns, int64_t* column_of_row);

}  // namespace pyposeops
