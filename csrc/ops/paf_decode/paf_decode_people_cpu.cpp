// CPU: images in parallel. Limbs between peaks become people, the strongest first.
#include <algorithm>
#include <limits>

#include "core/assignment_solver.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/paf_decode/paf_decode.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

constexpr int16_t kNone = -1;
constexpr double kPeakShare = 0.1;  // of the peaks' values in the order of the limbs
// People whose uncounted joints are joined to no more than so many counted ones are left out.
constexpr int32_t kFewCounted = 4;
// What an infinite score of a limb counts where scores are summed.
constexpr double kMostOfALimb = 1e100;

// Bits for the peaks of a joint.
struct PeakSet {
    uint64_t bits[4] = {};
    static_assert(kMaxPafPeaks < 4 * 64, "a bit for every peak");

    POSEOPS_INLINE bool has(int32_t peak) const { return (bits[peak / 64] >> peak % 64 & 1) != 0; }
    POSEOPS_INLINE void add(int32_t peak) { bits[peak / 64] |= uint64_t{1} << peak % 64; }
};

struct Edge {
    int32_t limb, a, b;
    double score;  // of the limb alone
    double total;
};

POSEOPS_INLINE bool same_order(const Edge& x, const Edge& y) {
    if (x.limb != y.limb) return x.limb < y.limb;
    return x.a != y.a ? x.a < y.a : x.b < y.b;
}

struct Stronger {
    bool operator()(const Edge& x, const Edge& y) const {
        return x.total != y.total ? x.total > y.total : same_order(x, y);
    }
};

// Limbs in the skeleton's order, each with its strongest edges first.
struct ByLimb {
    bool operator()(const Edge& x, const Edge& y) const {
        if (x.limb != y.limb) return x.limb < y.limb;
        return x.score != y.score ? x.score > y.score : same_order(x, y);
    }
};

// One image's people while they are put together.
template <class Real>
class Crowd {
  public:
    POSEOPS_INLINE Crowd(const PafPeopleArgs& args, int64_t image)
        : args_(args),
          joints_(static_cast<int32_t>(args.peaks.shape[1])),
          capacity_(static_cast<int32_t>(args.peaks.shape[2])),
          peaks_(args.peaks.as<Real>() + image * joints_ * capacity_ * 3),
          counts_(args.peak_counts.as<int32_t>() + image * joints_),
          owners_(int64_t{joints_} * capacity_),
          edges_(edge_total(image)),
          most_(most_people()),
          parts_(int64_t{most_} * joints_),
          scores_(most_),
          filled_(most_),
          order_(most_),
          costs_(pair_room()),
          partner_(pair_room() > 0 ? capacity_ : 0),
          solver_(pair_room() > 0 ? capacity_ : 0, pair_room() > 0 ? capacity_ : 0,
                  std::numeric_limits<double>::infinity()) {
        for (int64_t i = 0; i < int64_t{joints_} * capacity_; ++i) owners_[i] = -1;
        read_edges(image);
    }

    POSEOPS_INLINE void assemble() {
        if (args_.assembly == PafAssembly::kGlobal) {
            std::sort(edges_.data(), edges_.data() + edge_count_, Stronger());
            for (int64_t i = 0; i < edge_count_; ++i) join(edges_[i]);
        } else {
            std::sort(edges_.data(), edges_.data() + edge_count_, ByLimb());
            int64_t begin = 0;
            for (int32_t limb = 0; limb < args_.limb_count; ++limb) {
                int64_t end = begin;
                while (end < edge_count_ && edges_[end].limb == limb) ++end;
                attach_limb(limb, begin, end);
                begin = end;
            }
        }
    }

    POSEOPS_INLINE void store(int64_t image) {
        const bool feet = args_.uncounted != 0;
        int32_t kept = keep(feet);
        // Where nobody is left all joints count.
        if (kept == 0 && feet) kept = keep(false);
        std::sort(order_.data(), order_.data() + kept, ByScore{scores_.data()});
        const auto most = static_cast<int32_t>(args_.scores.shape[1]);
        Real* const keypoints = args_.keypoints.as<Real>() + image * most * joints_ * 3;
        Real* const scores = args_.scores.as<Real>() + image * most;
        for (int32_t i = 0; i < most; ++i) {
            if (i >= kept) {
                scores[i] = Real(0);
                for (int32_t k = 0; k < joints_ * 3; ++k) keypoints[i * joints_ * 3 + k] = Real(0);
                continue;
            }
            scores[i] = static_cast<Real>(scores_[order_[i]] / (joints_ + args_.limb_count));
            for (int32_t k = 0; k < joints_; ++k) {
                const int16_t peak = part(order_[i], k);
                for (int32_t d = 0; d < 3; ++d) {
                    keypoints[(i * joints_ + k) * 3 + d] =
                        peak == kNone ? Real(0) : peaks_[(k * capacity_ + peak) * 3 + d];
                }
            }
        }
        args_.counts.as<int64_t>()[image] = kept < most ? kept : most;
    }

  private:
    struct ByScore {
        const double* scores;
        bool operator()(int32_t x, int32_t y) const {
            return scores[x] != scores[y] ? scores[x] > scores[y] : x < y;
        }
    };

    POSEOPS_INLINE int16_t& part(int32_t person, int32_t joint) {
        return parts_[int64_t{person} * joints_ + joint];
    }
    POSEOPS_INLINE int32_t& owner(int32_t joint, int32_t peak) { return owners_[joint * capacity_ + peak]; }
    POSEOPS_INLINE double peak_score(int32_t joint, int32_t peak) const {
        return static_cast<double>(peaks_[(joint * capacity_ + peak) * 3 + 2]);
    }

    POSEOPS_INLINE int64_t edge_total(int64_t image) const {
        const int64_t lists = args_.edge_counts.shape[1];
        int64_t total = 0;
        for (int64_t s = 0; s < lists; ++s) total += args_.edge_counts.as<int32_t>()[image * lists + s];
        return total;
    }
    POSEOPS_INLINE int64_t pair_room() const {
        return args_.assembly == PafAssembly::kHungarian ? int64_t{capacity_} * capacity_ : 0;
    }
    // Everybody has an edge or a peak of their own.
    POSEOPS_INLINE int32_t most_people() const {
        int32_t total = 1;
        for (int32_t k = 0; k < joints_; ++k) total += counts_[k];
        return total;
    }

    POSEOPS_INLINE void read_edges(int64_t image) {
        const int64_t lists = args_.edge_counts.shape[1];
        const int64_t room = args_.edges.shape[2];
        for (int64_t s = image * lists; s < (image + 1) * lists; ++s) {
            for (int64_t i = s * room; i < s * room + args_.edge_counts.as<int32_t>()[s]; ++i) {
                const int32_t packed = args_.edges.as<int32_t>()[i];
                Edge edge = {packed >> 16, packed >> 8 & 0xff, packed & 0xff,
                             static_cast<double>(args_.edge_scores.as<Real>()[i]), 0.0};
                const Limb& limb = args_.limbs[edge.limb];
                edge.total = edge.score + kPeakShare * peak_score(limb.a, edge.a);
                edge.total = edge.total + kPeakShare * peak_score(limb.b, edge.b);
                edges_[edge_count_++] = edge;
            }
        }
    }

    POSEOPS_INLINE int32_t start_person(double score) {
        for (int32_t k = 0; k < joints_; ++k) part(people_, k) = kNone;
        scores_[people_] = score;
        filled_[people_] = 0;
        return people_++;
    }
    POSEOPS_INLINE void give(int32_t person, int32_t joint, int32_t peak) {
        part(person, joint) = static_cast<int16_t>(peak);
        owner(joint, peak) = person;
    }

    // ---- global: any limb at any time, people merge -------------------------------------------------------------

    POSEOPS_INLINE void join(const Edge& edge) {
        const Limb& limb = args_.limbs[edge.limb];
        const int32_t first = owner(limb.a, edge.a);
        const int32_t second = owner(limb.b, edge.b);
        if (first < 0 && second < 0) {
            const double scores = peak_score(limb.a, edge.a) + peak_score(limb.b, edge.b);
            const int32_t person = start_person(scores + edge.score);
            give(person, limb.a, edge.a);
            give(person, limb.b, edge.b);
        } else if (first < 0) {
            add(second, limb.a, edge.a, edge.score);
        } else if (second < 0) {
            add(first, limb.b, edge.b, edge.score);
        } else if (first == second) {
            scores_[first] += edge.score;
        } else {
            merge(std::min(first, second), std::max(first, second), edge.score);
        }
    }
    POSEOPS_INLINE void add(int32_t person, int32_t joint, int32_t peak, double score) {
        if (part(person, joint) != kNone) return;
        give(person, joint, peak);
        scores_[person] += peak_score(joint, peak) + score;
    }
    POSEOPS_INLINE void merge(int32_t person, int32_t other, double score) {
        for (int32_t k = 0; k < joints_; ++k) {
            if (part(person, k) != kNone && part(other, k) != kNone) return;
        }
        for (int32_t k = 0; k < joints_; ++k) {
            const int16_t peak = part(other, k);
            if (peak == kNone) continue;
            give(person, k, peak);
            part(other, k) = kNone;
        }
        scores_[person] += scores_[other] + score;
    }

    // ---- sequential, hungarian: limb after limb in the skeleton's order ----------------------------------------------------

    POSEOPS_INLINE void attach_limb(int32_t index, int64_t begin, int64_t end) {
        const Limb& limb = args_.limbs[index];
        const bool no_first = counts_[limb.a] == 0;
        if (no_first || counts_[limb.b] == 0) {
            const int32_t joint = no_first ? limb.b : limb.a;
            for (int32_t p = 0; p < counts_[joint]; ++p) {
                if (owner(joint, p) >= 0) continue;
                give(start_person(peak_score(joint, p)), joint, p);
            }
            return;
        }
        if (args_.assembly == PafAssembly::kHungarian) {
            match(counts_[limb.a], counts_[limb.b], begin, end);
            for (int64_t i = begin; i < end; ++i) {
                if (partner_[edges_[i].a] == edges_[i].b) attach(limb, index == 0, edges_[i]);
            }
            return;
        }
        PeakSet used_a, used_b;
        for (int64_t i = begin; i < end; ++i) {
            const Edge& edge = edges_[i];
            if (used_a.has(edge.a) || used_b.has(edge.b)) continue;
            used_a.add(edge.a);
            used_b.add(edge.b);
            attach(limb, index == 0, edge);
        }
    }
    // The partner of each of the first joint's peaks, so that the scores of the edges [begin, end) among them sum to
    // the most. Peaks that no edge joins may be partners, which changes no sum.
    POSEOPS_INLINE void match(int32_t firsts, int32_t seconds, int64_t begin, int64_t end) {
        for (int64_t i = 0; i < int64_t{firsts} * seconds; ++i) costs_[i] = 0.0;
        for (int64_t i = begin; i < end; ++i) {
            const double score = edges_[i].score < kMostOfALimb ? edges_[i].score : kMostOfALimb;
            costs_[int64_t{edges_[i].a} * seconds + edges_[i].b] = -score;
        }
        for (int32_t a = 0; a < firsts; ++a) partner_[a] = kNone;
        if (firsts <= seconds) {
            solver_.solve(firsts, seconds, [&](int64_t a, int64_t b) { return costs_[a * seconds + b]; });
            for (int32_t b = 0; b < seconds; ++b) {
                if (solver_.row_of(b) >= 0) partner_[solver_.row_of(b)] = static_cast<int16_t>(b);
            }
        } else {
            solver_.solve(seconds, firsts, [&](int64_t b, int64_t a) { return costs_[a * seconds + b]; });
            for (int32_t a = 0; a < firsts; ++a) partner_[a] = static_cast<int16_t>(solver_.row_of(a));
        }
    }
    POSEOPS_INLINE void attach(const Limb& limb, bool is_first, const Edge& edge) {
        const int32_t first = owner(limb.a, edge.a);
        const int32_t second = owner(limb.b, edge.b);
        if (limb.extra != 0) {
            if (first >= 0 && second < 0 && part(first, limb.b) == kNone) fill(first, limb.b, edge.b);
            if (second >= 0 && first < 0 && part(second, limb.a) == kNone) fill(second, limb.a, edge.a);
            return;
        }
        if (first < 0 || is_first) {
            const double scores = peak_score(limb.a, edge.a) + peak_score(limb.b, edge.b);
            const int32_t person = start_person(scores + edge.score);
            give(person, limb.a, edge.a);
            give(person, limb.b, edge.b);
            return;
        }
        const int16_t former = part(first, limb.b);
        if (former != kNone && owner(limb.b, former) == first) owner(limb.b, former) = -1;
        give(first, limb.b, edge.b);
        filled_[first] &= ~(uint64_t{1} << limb.b);
        scores_[first] += peak_score(limb.b, edge.b) + edge.score;
    }
    // Takes a place, but neither counts nor scores.
    POSEOPS_INLINE void fill(int32_t person, int32_t joint, int32_t peak) {
        give(person, joint, peak);
        filled_[person] |= uint64_t{1} << joint;
    }

    // ---- who stays ----------------------------------------------------------------------------------------------

    POSEOPS_INLINE int32_t keep(bool feet) {
        int32_t kept = 0;
        for (int32_t person = 0; person < people_; ++person) {
            int32_t size = 0;
            int32_t uncounted = 0;
            for (int32_t k = 0; k < joints_; ++k) {
                if (part(person, k) == kNone) continue;
                if (feet && (args_.uncounted >> k & 1) != 0) {
                    ++uncounted;
                } else if ((filled_[person] >> k & 1) == 0) {
                    ++size;
                }
            }
            if (size < args_.min_joints || size <= 0) continue;
            if (uncounted > 0 && size <= kFewCounted) continue;
            if (!(scores_[person] / size >= args_.min_score)) continue;
            order_[kept++] = person;
        }
        return kept;
    }

    const PafPeopleArgs& args_;
    const int32_t joints_, capacity_;
    const Real* const peaks_;
    const int32_t* const counts_;
    Scratch<int32_t> owners_;
    Scratch<Edge, 256> edges_;
    int64_t edge_count_ = 0;
    const int32_t most_;
    Scratch<int16_t> parts_;
    Scratch<double, 256> scores_;
    Scratch<uint64_t, 256> filled_;  // bit k: joint k was only filled in
    Scratch<int32_t, 256> order_;
    Scratch<double> costs_;  // of the pairs of a limb, first joint's peak by second joint's
    Scratch<int16_t, 256> partner_;
    AssignmentSolver<double> solver_;
    int32_t people_ = 0;
};

}  // namespace

void paf_people(const PafPeopleArgs& args) {
    const bool wide = args.peaks.dtype == DType::kFloat64;
    parallel_for(args.peaks.shape[0], 1, [&](int64_t begin, int64_t end) {
        for (int64_t image = begin; image < end; ++image) {
            if (wide) {
                Crowd<double> crowd(args, image);
                crowd.assemble();
                crowd.store(image);
            } else {
                Crowd<float> crowd(args, image);
                crowd.assemble();
                crowd.store(image);
            }
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
