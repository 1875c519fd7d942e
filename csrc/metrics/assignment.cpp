#include "metrics/assignment.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/assignment_solver.h"

namespace pyposeops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

void assign(const double* costs, int64_t rows, int64_t columns, int64_t* column_of_row) {
    std::fill(column_of_row, column_of_row + rows, -1);
    double low = kInfinity;
    double high = -kInfinity;
    for (int64_t i = 0; i < rows * columns; ++i) {
        if (!std::isfinite(costs[i])) continue;
        low = std::min(low, costs[i]);
        high = std::max(high, costs[i]);
    }
    if (low > high) return;  // nothing is allowed
    const int64_t n = std::max(rows, columns);
    // Costs as shares of their range, so that one pair less always costs more than any sum of the others; halved where
    // the range is more than the largest double.
    const double half = std::isfinite(high - low) ? 1.0 : 0.5;
    const double range = high > low ? half * high - half * low : 1.0;
    const double forbidden = static_cast<double>(n) + 1.0;
    const auto cost = [&](int64_t row, int64_t column) {
        if (row >= rows || column >= columns) return forbidden;
        const double value = costs[row * columns + column];
        return std::isfinite(value) ? (half * value - half * low) / range : forbidden;
    };
    AssignmentSolver<double> solver(n, n, kInfinity);
    solver.solve(n, n, cost);
    for (int64_t column = 0; column < columns; ++column) {
        const int64_t row = solver.row_of(column);
        if (row < rows && std::isfinite(costs[row * columns + column])) column_of_row[row] = column;
    }
}

}  // namespace pyposeops
