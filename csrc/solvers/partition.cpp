#include "solvers/partition.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace pyposeops {
namespace {

// Smaller gains are rounding: with the largest cost as unit.
constexpr double kLeastShare = 1e-9;
constexpr int64_t kNobody = -1;
constexpr double kInfinite = std::numeric_limits<double>::infinity();

// Where a detection may go, and what it would cost there.
struct Place {
    double cost;
    int64_t person;
    int64_t label;
};

class Search {
  public:
    explicit Search(const PartitionProblem& problem)
        : problem_(problem), labels_(problem.detections, kNobody), people_(problem.detections, kNobody) {
        double largest = 1.0;
        const int64_t pairs = problem.detections * problem.detections *
                              (problem.by_class ? problem.classes * problem.classes : int64_t{1});
        for (int64_t i = 0; i < pairs; ++i) largest = std::max(largest, std::abs(problem.pairwise[i]));
        for (int64_t i = 0; i < problem.detections * problem.classes; ++i) {
            if (problem.unaries[i] < kInfinite) largest = std::max(largest, std::abs(problem.unaries[i]));
        }
        least_gain_ = kLeastShare * largest;
    }

    Partition run() {
        contract();
        bool improved = true;
        while (improved) {
            improved = move_single();
            improved |= merge_people();
            improved |= drop_people();
            improved |= exchange_all();
        }
        return result();
    }

  private:
    using Members = std::vector<int64_t>;

    // ---- greedy contraction: everybody alone, then again and again the two people for whom it gains most become one --

    // What it gains (below 0) to make two people one, and the classes that their first members take: those of somebody
    // who is alone are still free.
    struct Joined {
        double change;
        int64_t label_of_first, label_of_second;
    };

    void contract() {
        for (int64_t d = 0; d < problem_.detections; ++d) {
            const Place own = alone(d);
            if (own.cost == kInfinite) continue;
            labels_[d] = own.label;
            people_[d] = static_cast<int64_t>(members_.size());
            members_.push_back({d});
        }
        const auto size = static_cast<int64_t>(members_.size());
        std::vector<Joined> table(size * size);
        for (int64_t p = 0; p < size; ++p) {
            for (int64_t q = p + 1; q < size; ++q) table[p * size + q] = joined(p, q);
        }
        while (true) {
            int64_t best = -1;
            double least = -least_gain_;
            for (int64_t p = 0; p < size; ++p) {
                for (int64_t q = p + 1; q < size && !members_[p].empty(); ++q) {
                    if (members_[q].empty() || !(table[p * size + q].change < least)) continue;
                    least = table[p * size + q].change;
                    best = p * size + q;
                }
            }
            if (best < 0) break;
            const int64_t p = best / size;
            const int64_t q = best % size;
            labels_[members_[p].front()] = table[best].label_of_first;
            labels_[members_[q].front()] = table[best].label_of_second;
            absorb(p, q);
            for (int64_t r = 0; r < size; ++r) {
                if (r == p || members_[r].empty()) continue;
                table[std::min(p, r) * size + std::max(p, r)] = joined(std::min(p, r), std::max(p, r));
            }
        }
    }

    Joined joined(int64_t p, int64_t q) const {
        const Members& first = members_[p];
        const Members& second = members_[q];
        const int64_t d = first.front();
        const int64_t e = second.front();
        Joined best = {kInfinite, labels_[d], labels_[e]};
        if (first.size() > 1 && second.size() > 1) {
            best.change = cost_between(first, second);
        } else if (second.size() == 1 && first.size() > 1) {
            for (int64_t c = 0; c < problem_.classes; ++c) {
                const double change = beside(e, c, first) - alone(e).cost;
                if (change < best.change) best = {change, labels_[d], c};
            }
        } else if (first.size() == 1 && second.size() > 1) {
            for (int64_t c = 0; c < problem_.classes; ++c) {
                const double change = beside(d, c, second) - alone(d).cost;
                if (change < best.change) best = {change, c, labels_[e]};
            }
        } else {
            const double before = alone(d).cost + alone(e).cost;
            for (int64_t c = 0; c < problem_.classes; ++c) {
                for (int64_t b = 0; b < problem_.classes; ++b) {
                    const double change =
                        problem_.unary(d, c) + problem_.unary(e, b) + problem_.pair(d, e, c, b) - before;
                    if (change < best.change) best = {change, c, b};
                }
            }
        }
        return best;
    }

    Place alone(int64_t d) const {
        Place best = {kInfinite, kNobody, kNobody};
        for (int64_t c = 0; c < problem_.classes; ++c) {
            if (problem_.unary(d, c) < best.cost) best = {problem_.unary(d, c), kNobody, c};
        }
        return best;
    }

    void absorb(int64_t person, int64_t other) {
        for (const int64_t d : members_[other]) {
            members_[person].push_back(d);
            people_[d] = person;
        }
        members_[other].clear();
    }

    double cost_between(const Members& first, const Members& second) const {
        double cost = 0.0;
        for (const int64_t d : first) {
            for (const int64_t e : second) cost += problem_.pair(d, e, labels_[d], labels_[e]);
        }
        return cost;
    }

    // ---- one detection at a time to where it costs least ---------------------------------------------------------

    // The cost of d with label c beside those of `person` other than d.
    double beside(int64_t d, int64_t c, const Members& person) const {
        double cost = problem_.unary(d, c);
        for (const int64_t e : person) {
            if (e != d && cost < kInfinite) cost += problem_.pair(d, e, c, labels_[e]);
        }
        return cost;
    }

    bool move_single() {
        bool improved = false;
        for (bool again = true; again;) {
            again = false;
            for (int64_t d = 0; d < problem_.detections; ++d) {
                const double now = people_[d] == kNobody ? 0.0 : beside(d, labels_[d], members_[people_[d]]);
                Place best = {0.0, kNobody, kNobody};
                for (int64_t p = 0; p < static_cast<int64_t>(members_.size()); ++p) {
                    if (members_[p].empty()) continue;
                    for (int64_t c = 0; c < problem_.classes; ++c) {
                        const double cost = beside(d, c, members_[p]);
                        if (cost < best.cost) best = {cost, p, c};
                    }
                }
                const Place own = alone(d);
                if (own.cost < best.cost) best = {own.cost, empty_person(), own.label};
                if (!(best.cost < now - least_gain_)) continue;
                place(d, best.person, best.label);
                again = improved = true;
            }
        }
        return improved;
    }

    int64_t empty_person() {
        for (int64_t p = 0; p < static_cast<int64_t>(members_.size()); ++p) {
            if (members_[p].empty()) return p;
        }
        members_.emplace_back();
        return static_cast<int64_t>(members_.size()) - 1;
    }

    void place(int64_t d, int64_t person, int64_t label) {
        if (people_[d] != kNobody) {
            Members& former = members_[people_[d]];
            former.erase(std::find(former.begin(), former.end(), d));
        }
        people_[d] = person;
        labels_[d] = label;
        if (person != kNobody) members_[person].push_back(d);
    }

    // ---- whole people --------------------------------------------------------------------------------------------

    bool merge_people() {
        bool improved = false;
        for (size_t p = 0; p < members_.size(); ++p) {
            for (size_t q = p + 1; q < members_.size(); ++q) {
                if (members_[p].empty() || members_[q].empty()) continue;
                if (!(cost_between(members_[p], members_[q]) < -least_gain_)) continue;
                absorb(static_cast<int64_t>(p), static_cast<int64_t>(q));
                improved = true;
            }
        }
        return improved;
    }

    double cost_of(const Members& person) const {
        double cost = 0.0;
        for (size_t i = 0; i < person.size(); ++i) {
            cost += problem_.unary(person[i], labels_[person[i]]);
            for (size_t j = i + 1; j < person.size(); ++j)
                cost += problem_.pair(person[i], person[j], labels_[person[i]], labels_[person[j]]);
        }
        return cost;
    }

    bool drop_people() {
        bool improved = false;
        for (Members& person : members_) {
            if (person.empty() || !(cost_of(person) > least_gain_)) continue;
            for (const int64_t d : person) people_[d] = labels_[d] = kNobody;
            person.clear();
            improved = true;
        }
        return improved;
    }

    // ---- sequences of moves between two people, or a person and nobody, of which the best beginning is kept -------

    bool exchange_all() {
        bool improved = false;
        const auto count = static_cast<int64_t>(members_.size());
        for (int64_t p = 0; p < count; ++p) {
            for (int64_t q = p + 1; q < count; ++q) {
                if (!members_[p].empty() && !members_[q].empty()) improved |= exchange(p, q);
            }
            if (!members_[p].empty()) improved |= exchange(p, empty_person());
            if (!members_[p].empty()) improved |= exchange(p, kNobody);
        }
        return improved;
    }

    struct Step {
        int64_t detection, person, label;
    };

    // Every detection of both moves once, the best first, even where that costs; what follows the best moment is undone.
    bool exchange(int64_t first, int64_t second) {
        Members movable = members_[first];
        if (second == kNobody) {
            for (int64_t d = 0; d < problem_.detections; ++d) {
                if (people_[d] == kNobody) movable.push_back(d);
            }
        } else {
            movable.insert(movable.end(), members_[second].begin(), members_[second].end());
        }
        std::sort(movable.begin(), movable.end());
        std::vector<Step> undo;
        double total = 0.0;
        double best_total = -least_gain_;
        size_t kept = 0;
        while (!movable.empty()) {
            size_t chosen = movable.size();
            Place best = {kInfinite, kNobody, kNobody};
            for (size_t i = 0; i < movable.size(); ++i) {
                const int64_t d = movable[i];
                const Place there = best_at(d, people_[d] == first ? second : first);
                if (there.cost == kInfinite) continue;
                const double now = people_[d] == kNobody ? 0.0 : beside(d, labels_[d], members_[people_[d]]);
                if (there.cost - now < best.cost) {
                    best = {there.cost - now, there.person, there.label};
                    chosen = i;
                }
            }
            if (chosen == movable.size()) break;
            const int64_t d = movable[chosen];
            undo.push_back({d, people_[d], labels_[d]});
            place(d, best.person, best.label);
            movable.erase(movable.begin() + static_cast<std::ptrdiff_t>(chosen));
            total += best.cost;
            if (total < best_total) {
                best_total = total;
                kept = undo.size();
            }
        }
        while (undo.size() > kept) {
            place(undo.back().detection, undo.back().person, undo.back().label);
            undo.pop_back();
        }
        return kept > 0;
    }

    Place best_at(int64_t d, int64_t person) const {
        if (person == kNobody) return {0.0, kNobody, kNobody};
        Place best = {kInfinite, person, kNobody};
        for (int64_t c = 0; c < problem_.classes; ++c) {
            const double cost = beside(d, c, members_[person]);
            if (cost < best.cost) best = {cost, person, c};
        }
        return best;
    }

    Partition result() const {
        Partition found = {labels_, std::vector<int64_t>(problem_.detections, kNobody), 0.0};
        std::vector<int64_t> number(members_.size(), kNobody);
        int64_t next = 0;
        for (int64_t d = 0; d < problem_.detections; ++d) {
            if (people_[d] == kNobody) continue;
            if (number[people_[d]] == kNobody) number[people_[d]] = next++;
            found.people[d] = number[people_[d]];
        }
        for (const Members& person : members_) found.cost += cost_of(person);
        return found;
    }

    const PartitionProblem& problem_;
    std::vector<int64_t> labels_, people_;
    std::vector<Members> members_;
    double least_gain_;
};

}  // namespace

Partition solve_partition(const PartitionProblem& problem) { return Search(problem).run(); }

}  // namespace pyposeops
