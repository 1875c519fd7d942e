// CPU: images in parallel; joint after joint, its peaks are assigned to the people so far.
#include <limits>

#include "core/assignment_solver.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/tag_grouping/tag_grouping.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

constexpr double kCostOfTag = 100.0;   // per whole unit between the tags
constexpr double kLargestScore = 1e9;  // in costs; keeps their sums finite
constexpr int64_t kNobody = -1;

// By cost, of equal costs by the tags' distance up to the threshold. Rounded distances of tags on a line often add up
// to the same: it is then better to have one pair that fits and one that does not than two that nearly do.
struct PairCost {
    double cost;
    double distance;
};

POSEOPS_INLINE PairCost operator+(PairCost a, PairCost b) {
    return {a.cost + b.cost, a.distance + b.distance};
}
POSEOPS_INLINE PairCost operator-(PairCost a, PairCost b) {
    return {a.cost - b.cost, a.distance - b.distance};
}
POSEOPS_INLINE bool operator<(PairCost a, PairCost b) {
    return a.cost < b.cost || (a.cost == b.cost && a.distance < b.distance);
}

constexpr PairCost kInfinitelyFar = {std::numeric_limits<double>::infinity(),
                                     std::numeric_limits<double>::infinity()};

// A thread's memory.
struct Workspace {
    Scratch<int64_t, 64> entries;       // of the joint's peaks, P
    Scratch<int64_t, 64> person_of;     // each, P
    Scratch<double, 64> means;          // of the people before this joint, (M, T)
    Scratch<double, 64> sums;           // of their tags, (M, T)
    Scratch<double, 64> score_sums;     // M
    Scratch<int64_t, 64> joint_counts;  // M
    Scratch<double> distances;          // (P, M)
    AssignmentSolver<PairCost> solver;

    POSEOPS_INLINE Workspace(int64_t most_peaks, int64_t most_people, int64_t tags)
        : entries(most_peaks),
          person_of(most_peaks),
          means(most_people * tags),
          sums(most_people * tags),
          score_sums(most_people),
          joint_counts(most_people),
          distances(most_peaks * most_people),
          solver(most_peaks < most_people ? most_peaks : most_people,
                 most_peaks < most_people ? most_people : most_peaks, kInfinitelyFar) {}
};

POSEOPS_INLINE bool is_finite(double value) { return value - value == 0.0; }

// One image's people while they grow.
template <class Real>
class ImageGroups {
  public:
    POSEOPS_INLINE ImageGroups(const TagGroupsArgs& args, int64_t image, Workspace& work)
        : args_(args),
          work_(work),
          joints_(args.candidates.shape[1]),
          most_peaks_(args.candidates.shape[2]),
          tags_(args.candidates.shape[3] - 3),
          most_people_(args.peaks.shape[1]),
          candidates_(args.candidates.as<Real>() + image * joints_ * most_peaks_ * (tags_ + 3)),
          peaks_(args.peaks.as<int32_t>() + image * most_people_ * joints_) {
        for (int64_t i = 0; i < most_people_ * joints_; ++i) peaks_[i] = kNoPeak;
    }

    POSEOPS_INLINE void add_joint(int64_t joint) {
        find_peaks(joint);
        if (count_ == most_people_ && !args_.join_when_full) return;
        if (people_ > 0 && count_peaks_ > 0) assign();
        for (int64_t i = 0; i < count_peaks_; ++i) {
            int64_t person = people_ > 0 ? work_.person_of[i] : kNobody;
            if (person == kNobody) {
                if (count_ == most_people_) continue;
                person = open();
            }
            join(person, joint, work_.entries[i]);
        }
        people_ = count_;
    }

    POSEOPS_INLINE void store(int64_t image) {
        for (int64_t m = 0; m < most_people_; ++m) {
            const bool exists = m < count_;
            const double own = exists ? static_cast<double>(work_.joint_counts[m]) : 1.0;
            for (int64_t t = 0; t < tags_; ++t) {
                const double mean = exists ? work_.sums[m * tags_ + t] / own : 0.0;
                args_.means.as<Real>()[(image * most_people_ + m) * tags_ + t] = static_cast<Real>(mean);
            }
            const double score = exists ? work_.score_sums[m] / static_cast<double>(joints_) : 0.0;
            args_.scores.as<Real>()[image * most_people_ + m] = static_cast<Real>(score);
        }
        args_.counts.as<int64_t>()[image] = count_;
    }

  private:
    // x, y, score, tags.
    POSEOPS_INLINE const Real* candidate(int64_t joint, int64_t entry) const {
        return candidates_ + (joint * most_peaks_ + entry) * (tags_ + 3);
    }

    POSEOPS_INLINE void find_peaks(int64_t joint) {
        joint_ = joint;
        count_peaks_ = 0;
        for (int64_t entry = 0; entry < most_peaks_; ++entry) {
            const Real* const numbers = candidate(joint, entry);
            bool counts = numbers[0] >= Real(0);
            for (int64_t i = 2; i < tags_ + 3; ++i) {
                counts = counts && is_finite(static_cast<double>(numbers[i]));
            }
            if (counts) work_.entries[count_peaks_++] = entry;
        }
    }

    POSEOPS_INLINE double distance(int64_t peak, int64_t person) {
        const Real* const own = candidate(joint_, work_.entries[peak]) + 3;
        double squared = 0.0;
        for (int64_t t = 0; t < tags_; ++t) {
            const double apart = static_cast<double>(own[t]) - work_.means[person * tags_ + t];
            squared += apart * apart;
        }
        return tag_distance(squared);
    }

    POSEOPS_INLINE PairCost cost(int64_t peak, int64_t person) {
        const double apart = work_.distances[peak * people_ + person];
        const double within = apart < args_.threshold ? apart : args_.threshold;
        if (!args_.use_scores) return {apart, within};
        const double score = static_cast<double>(candidate(joint_, work_.entries[peak])[2]);
        const double most = score < kLargestScore ? score : kLargestScore;
        return {kCostOfTag * rounded(apart) - (most > -kLargestScore ? most : -kLargestScore), within};
    }

    // work.person_of: the people whom the joint's peaks join.
    POSEOPS_INLINE void assign() {
        for (int64_t i = 0; i < people_; ++i) {
            for (int64_t t = 0; t < tags_; ++t) {
                work_.means[i * tags_ + t] =
                    work_.sums[i * tags_ + t] / static_cast<double>(work_.joint_counts[i]);
            }
        }
        for (int64_t i = 0; i < count_peaks_; ++i) {
            work_.person_of[i] = kNobody;
            for (int64_t m = 0; m < people_; ++m) work_.distances[i * people_ + m] = distance(i, m);
        }
        // The fewer are the rows.
        const bool by_person = people_ < count_peaks_;
        const int64_t rows = by_person ? people_ : count_peaks_;
        const int64_t columns = by_person ? count_peaks_ : people_;
        work_.solver.solve(rows, columns, [&](int64_t row, int64_t column) {
            return by_person ? cost(column, row) : cost(row, column);
        });
        for (int64_t column = 0; column < columns; ++column) {
            const int64_t row = work_.solver.row_of(column);
            if (row < 0) continue;
            const int64_t peak = by_person ? column : row;
            const int64_t person = by_person ? row : column;
            if (work_.distances[peak * people_ + person] < args_.threshold) work_.person_of[peak] = person;
        }
    }

    POSEOPS_INLINE int64_t open() {
        for (int64_t t = 0; t < tags_; ++t) work_.sums[count_ * tags_ + t] = 0.0;
        work_.score_sums[count_] = 0.0;
        work_.joint_counts[count_] = 0;
        return count_++;
    }

    POSEOPS_INLINE void join(int64_t person, int64_t joint, int64_t entry) {
        const Real* const numbers = candidate(joint, entry);
        peaks_[person * joints_ + joint] = static_cast<int32_t>(entry);
        work_.score_sums[person] += static_cast<double>(numbers[2]);
        work_.joint_counts[person] += 1;
        for (int64_t t = 0; t < tags_; ++t) {
            work_.sums[person * tags_ + t] += static_cast<double>(numbers[3 + t]);
        }
    }

    const TagGroupsArgs& args_;
    Workspace& work_;
    int64_t joints_, most_peaks_, tags_, most_people_;
    const Real* candidates_;
    int32_t* peaks_;
    int64_t joint_ = 0;
    int64_t count_peaks_ = 0;
    int64_t count_ = 0;   // people
    int64_t people_ = 0;  // before this joint
};

template <class Real>
POSEOPS_INLINE void group_images(const TagGroupsArgs& args) {
    const int64_t images = args.candidates.shape[0];
    const int64_t joints = args.candidates.shape[1];
    parallel_for(images, 1, [&](int64_t begin, int64_t end) {
        Workspace work(args.candidates.shape[2], args.peaks.shape[1], args.candidates.shape[3] - 3);
        for (int64_t image = begin; image < end; ++image) {
            ImageGroups<Real> groups(args, image, work);
            for (int64_t i = 0; i < joints; ++i) groups.add_joint(args.order[i]);
            groups.store(image);
        }
    });
}

}  // namespace

void tag_groups(const TagGroupsArgs& args) {
    if (args.candidates.dtype == DType::kFloat64) {
        group_images<double>(args);
    } else {
        group_images<float>(args);
    }
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
