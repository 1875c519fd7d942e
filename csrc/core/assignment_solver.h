// The cheapest one-to-one assignment of rows to columns, by shortest augmenting paths (Jonker and Volgenant, Computing
// 1987; the same problem as Kuhn and Munkres'). Costs are numbers, or anything ordered that adds and subtracts.
#pragma once

#include <cstdint>

#include "core/host_device.h"
#include "core/scratch.h"

namespace pyposeops {

// Memory for problems of up to `most_rows` and `most_columns` lines, and the last solution. Lines count from 1 inside;
// line 0 of the columns stands for "none".
template <class Cost, int64_t kInlineCount = 64>
class AssignmentSolver {
  public:
    // Every cost is below `infinity`, and infinity less a cost remains infinity.
    POSEOPS_INLINE AssignmentSolver(int64_t most_rows, int64_t most_columns, Cost infinity)
        : infinity_(infinity),
          row_price_(most_rows + 1),
          column_price_(most_columns + 1),
          least_(most_columns + 1),
          row_of_(most_columns + 1),
          way_(most_columns + 1),
          done_(most_columns + 1) {}

    // Gives every row a column: `rows` <= `columns`, cost(row, column) finite. Rows come in one after the other; of
    // equally short paths that through the first column is taken, so that the same costs give the same pairs.
    template <class CostOf>
    POSEOPS_INLINE void solve(int64_t rows, int64_t columns, const CostOf& cost) {
        columns_ = columns;
        for (int64_t i = 0; i <= rows; ++i) row_price_[i] = Cost{};
        for (int64_t j = 0; j <= columns; ++j) {
            column_price_[j] = Cost{};
            row_of_[j] = 0;
        }
        for (int64_t row = 1; row <= rows; ++row) add(row, cost);
    }

    // The row of column `column`, -1 if it has none.
    POSEOPS_INLINE int64_t row_of(int64_t column) { return row_of_[column + 1] - 1; }

  private:
    // The shortest path of reduced costs from `row` to a free column; along it all partners move on by one.
    template <class CostOf>
    POSEOPS_INLINE void add(int64_t row, const CostOf& cost) {
        for (int64_t j = 0; j <= columns_; ++j) {
            least_[j] = infinity_;
            done_[j] = false;
        }
        row_of_[0] = row;
        int64_t column = 0;
        do {
            done_[column] = true;
            column = step(column, cost);
        } while (row_of_[column] != 0);
        for (; column != 0; column = way_[column]) row_of_[column] = row_of_[way_[column]];
    }

    // Relaxes the columns by way of `column`, moves the prices, and returns the nearest column that is not done.
    template <class CostOf>
    POSEOPS_INLINE int64_t step(int64_t column, const CostOf& cost) {
        const int64_t from = row_of_[column];
        Cost delta = infinity_;
        int64_t next = 0;
        for (int64_t j = 1; j <= columns_; ++j) {
            if (done_[j]) continue;
            const Cost reduced = cost(from - 1, j - 1) - row_price_[from] - column_price_[j];
            if (reduced < least_[j]) {
                least_[j] = reduced;
                way_[j] = column;
            }
            if (least_[j] < delta) {
                delta = least_[j];
                next = j;
            }
        }
        for (int64_t j = 0; j <= columns_; ++j) {
            if (done_[j]) {
                row_price_[row_of_[j]] = row_price_[row_of_[j]] + delta;
                column_price_[j] = column_price_[j] - delta;
            } else {
                least_[j] = least_[j] - delta;
            }
        }
        return next;
    }

    Cost infinity_;
    int64_t columns_ = 0;
    Scratch<Cost, kInlineCount> row_price_, column_price_, least_;
    Scratch<int64_t, kInlineCount> row_of_, way_;
    Scratch<bool, kInlineCount> done_;
};

}  // namespace pyposeops
