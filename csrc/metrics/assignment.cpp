#include "metrics/assignment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace pyposeops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A square problem of size n, lines 1 to n; line 0 of the columns stands for "none".
class Solver {
  public:
    explicit Solver(int64_t n)
        : n_(n), row_price_(n + 1, 0.0), column_price_(n + 1, 0.0), row_of_(n + 1, 0), way_(n + 1, 0) {}

    template <class Cost>
    void solve(const Cost& cost) {
        for (int64_t row = 1; row <= n_; ++row) add(row, cost);
    }

    int64_t row_of(int64_t column) const { return row_of_[column]; }

  private:
    // The shortest path of reduced costs from `row` to a free column; along it all partners move on by one.
    template <class Cost>
    void add(int64_t row, const Cost& cost) {
        std::vector<double> least(n_ + 1, kInfinity);
        std::vector<uint8_t> done(n_ + 1, 0);
        row_of_[0] = row;
        int64_t column = 0;
        do {
            done[column] = 1;
            const int64_t from = row_of_[column];
            double delta = kInfinity;
            int64_t next = 0;
            for (int64_t j = 1; j <= n_; ++j) {
                if (done[j]) continue;
                const double reduced = cost(from - 1, j - 1) - row_price_[from] - column_price_[j];
                if (reduced < least[j]) {
                    least[j] = reduced;
                    way_[j] = column;
                }
                if (least[j] < delta) {
                    delta = least[j];
                    next = j;
                }
            }
            for (int64_t j = 0; j <= n_; ++j) {
                if (done[j]) {
                    row_price_[row_of_[j]] += delta;
                    column_price_[j] -= delta;
                } else {
                    least[j] -= delta;
                }
            }
            column = next;
        } while (row_of_[column] != 0);
        for (; column != 0; column = way_[column]) row_of_[column] = row_of_[way_[column]];
    }

    int64_t n_;
    std::vector<double> row_price_, column_price_;
    std::vector<int64_t> row_of_, way_;
};

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
    Solver solver(n);
    solver.solve(cost);
    for (int64_t column = 0; column < columns; ++column) {
        const int64_t row = solver.row_of(column + 1) - 1;
        if (row < rows && std::isfinite(costs[row * columns + column])) column_of_row[row] = column;
    }
}

}  // namespace pyposeops
