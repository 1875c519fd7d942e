// CPU: images in parallel. Poses grow from the best seeds along the best links; people are what is not taken of them.
#include <cmath>

#include "core/parallel.h"
#include "core/ranked_people_cpu.h"
#include "core/scratch.h"
#include "ops/pifpaf_decode/pifpaf_decode_bins.h"
#include "ops/pifpaf_decode/pifpaf_decode_math.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

constexpr int64_t kBinSide = 2;
constexpr double kLeastRadiusPx = 2.0;  // that a joint covers
constexpr double kBlendShare = 0.5;     // of the best link's value, from which the second best counts

struct Link {
    double x, y;  // where it starts
    FieldPoint end;
    double score;
    int64_t cell;
};

struct Joint {
    FieldPoint point;
    double score;  // 0 where there is none
};

// One image's links. Way 2 l leads from the first joint of limb l to its second, way 2 l + 1 back.
template <class T>
class LinkLists {
  public:
    POSEOPS_INLINE LinkLists(const PifpafPeopleArgs& args, int64_t image)
        : args_(args),
          image_(image),
          ways_(2 * args.limb_count),
          cells_(args.caf.shape[3] * args.caf.shape[4]),
          bins_(args.caf.shape[4], args.caf.shape[3], kBinSide),
          starts_(ways_ * bins_.count() + 1),
          links_(count()) {
        int64_t total = 0;
        for (int64_t i = 0; i <= ways_ * bins_.count(); ++i) {
            const int64_t own = starts_[i];
            starts_[i] = total;
            total += own;
        }
        for_each_link([&](int64_t bin, const Link& link) { links_[starts_[bin]++] = link; });
        for (int64_t i = ways_ * bins_.count(); i > 0; --i) starts_[i] = starts_[i - 1];
        starts_[0] = 0;
    }

    // The best end of a way from near the source, with its value; with the second best one, where they agree.
    POSEOPS_INLINE Joint follow(int64_t way, const FieldPoint& source) {
        const double sigma = 0.5 * larger(source.size, kLeastSize);
        const PifpafBinRange range(bins_, source.x, source.y, std::sqrt(2.0 * kBellEnd) * sigma);
        Found best, second;
        for (int64_t row = range.top; row <= range.bottom; ++row) {
            const int64_t bin = way * bins_.count() + row * bins_.columns;
            for (int64_t i = starts_[bin + range.left]; i < starts_[bin + range.right + 1]; ++i) {
                const Link& link = links_[i];
                const double squared = squared_length(link.x - source.x, link.y - source.y);
                const double t = squared / (2.0 * (sigma * sigma));
                if (!(t < kBellEnd)) continue;
                const Found found = {&link, link.score * bell(t)};
                if (found.before(best)) {
                    second = best;
                    best = found;
                } else if (found.before(second)) {
                    second = found;
                }
            }
        }
        if (!(best.value > 0.0)) return {{}, 0.0};
        return second.value >= kBlendShare * best.value ? blend(best, second)
                                                        : Joint{best.link->end, best.value};
    }

  private:
    struct Found {
        const Link* link = nullptr;
        double value = 0.0;

        POSEOPS_INLINE bool before(const Found& other) const {
            if (value != other.value || value == 0.0) return value > other.value;
            return link->cell < other.link->cell;
        }
    };

    POSEOPS_INLINE static Joint blend(const Found& best, const Found& second) {
        const FieldPoint& a = best.link->end;
        const FieldPoint& b = second.link->end;
        const double half = 0.5 * a.size;
        if (!(squared_length(a.x - b.x, a.y - b.y) <= half * half)) return {a, best.value};
        const double total = best.value + second.value;
        const auto mean = [&](double own, double other) {
            return (best.value * own + second.value * other) / total;
        };
        return {{mean(a.x, b.x), mean(a.y, b.y), mean(a.size, b.size)}, 0.5 * total};
    }

    // Into starts_, how many links begin in each bin; returns how many there are in all.
    POSEOPS_INLINE int64_t count() {
        int64_t total = 0;
        for (int64_t i = 0; i <= ways_ * bins_.count(); ++i) starts_[i] = 0;
        for_each_link([&](int64_t bin, const Link&) {
            ++starts_[bin];
            ++total;
        });
        return total;
    }

    template <class Visit>
    POSEOPS_INLINE void for_each_link(const Visit& visit) {
        for (int64_t way = 0; way < ways_; ++way) {
            const FieldComponents<T> field(args_.caf, image_, way / 2);
            const double* const scores = args_.links.as<double>() + (image_ * ways_ + way) * cells_;
            for (int64_t cell = 0; cell < cells_; ++cell) {
                if (!(scores[cell] > 0.0)) continue;
                const FieldPoint start = field.end(cell, way % 2);
                const Link link = {start.x, start.y, field.end(cell, 1 - way % 2), scores[cell], cell};
                visit(way * bins_.count() + bins_.of(link.x, link.y), link);
            }
        }
    }

    const PifpafPeopleArgs& args_;
    int64_t image_, ways_, cells_;
    PifpafBins bins_;
    Scratch<int64_t> starts_;
    Scratch<Link, 64> links_;
};

// One image's people.
template <class T>
class Crowd {
  public:
    POSEOPS_INLINE Crowd(const PifpafPeopleArgs& args, int64_t image)
        : args_(args),
          image_(image),
          joints_(args.cif.shape[1]),
          cells_(args.cif.shape[3] * args.cif.shape[4]),
          most_(args.keypoints.shape[1]),
          least_radius_(kLeastRadiusPx / args.stride_px),
          seeds_(args.seeds.as<double>() + image * joints_ * cells_),
          links_(args, image),
          poses_(most_ * joints_),
          totals_(most_),
          order_(most_),
          kept_(most_),
          work_(most_),
          reached_(2 * int64_t{args.limb_count}) {}

    POSEOPS_INLINE void find() {
        grow_poses();
        drop_what_is_taken();
    }

    POSEOPS_INLINE void store() {
        using Real = compute_t<T>;
        args_.people.as<int64_t>()[image_] = people_;
        for (int64_t m = 0; m < most_; ++m) {
            args_.scores.as<Real>()[image_ * most_ + m] =
                static_cast<Real>(m < people_ ? totals_[kept_[m]] : 0.0);
            Real* const keypoints = args_.keypoints.as<Real>() + (image_ * most_ + m) * joints_ * 3;
            for (int64_t k = 0; k < joints_; ++k) {
                const Joint joint = m < people_ ? pose(kept_[m])[k] : Joint{};
                const bool has = joint.score > 0.0;
                keypoints[3 * k] = static_cast<Real>(has ? joint.point.x * args_.stride_px : 0.0);
                keypoints[3 * k + 1] = static_cast<Real>(has ? joint.point.y * args_.stride_px : 0.0);
                keypoints[3 * k + 2] = static_cast<Real>(joint.score);
            }
        }
    }

  private:
    POSEOPS_INLINE Joint* pose(int64_t index) { return poses_.data() + index * joints_; }

    // ---- poses, by falling seeds ---------------------------------------------------------------------------------

    POSEOPS_INLINE bool is_seed(int64_t entry) const {
        return seeds_[entry] > 0.0 && seeds_[entry] >= args_.min_joint_score;
    }

    POSEOPS_INLINE void grow_poses() {
        int64_t count = 0;
        for (int64_t entry = 0; entry < joints_ * cells_; ++entry) count += is_seed(entry) ? 1 : 0;
        Scratch<int64_t> order(count), work(count);
        count = 0;
        for (int64_t entry = 0; entry < joints_ * cells_; ++entry) {
            if (is_seed(entry)) order[count++] = entry;
        }
        sort_falling(seeds_, order.data(), work.data(), count);
        for (int64_t i = 0; i < count && grown_ < most_; ++i) {
            const int64_t root = order[i] / cells_;
            const FieldComponents<T> field(args_.cif, image_, root);
            const Joint seed = {field.joint(order[i] % cells_), seeds_[order[i]]};
            if (is_taken(seed.point, root, order_.data(), grown_)) continue;
            grow(pose(grown_), root, seed);
            order_[grown_] = grown_;
            ++grown_;
        }
    }

    POSEOPS_INLINE void grow(Joint* own, int64_t root, const Joint& seed) {
        const int64_t ways = 2 * int64_t{args_.limb_count};
        for (int64_t k = 0; k < joints_; ++k) own[k] = {};
        for (int64_t way = 0; way < ways; ++way) reached_[way].score = 0.0;
        own[root] = seed;
        reach_from(own, root);
        for (;;) {
            int64_t best = 0;
            for (int64_t way = 1; way < ways; ++way) {
                if (reached_[way].score > reached_[best].score) best = way;
            }
            if (ways == 0 || !(reached_[best].score > 0.0)) return;
            const Joint found = reached_[best];
            reached_[best].score = 0.0;
            const int64_t end = joint_of(best, 1);
            if (own[end].score > 0.0 || !returns(best, own[joint_of(best, 0)].point, found.point)) continue;
            own[end] = found;
            reach_from(own, end);
        }
    }

    // The joint where a way starts (0) or ends (1).
    POSEOPS_INLINE int64_t joint_of(int64_t way, int64_t end) const {
        return args_.limbs[way / 2].joints[(way + end) % 2];
    }

    // What the ways from a joint of the pose to those that it lacks lead to.
    POSEOPS_INLINE void reach_from(const Joint* own, int64_t start) {
        for (int64_t way = 0; way < 2 * int64_t{args_.limb_count}; ++way) {
            if (joint_of(way, 0) != start || own[joint_of(way, 1)].score > 0.0) continue;
            Joint found = links_.follow(way, own[start].point);
            found.score = std::sqrt(found.score * own[start].score);
            const double share = args_.min_joint_share * own[start].score;
            if (found.score >= args_.min_joint_score && found.score >= share) reached_[way] = found;
        }
    }

    // Whether the way back ends near the source.
    POSEOPS_INLINE bool returns(int64_t way, const FieldPoint& source, const FieldPoint& found) {
        const Joint back = links_.follow(way ^ 1, found);
        if (!(back.score > 0.0)) return false;
        return std::fabs(back.point.x - source.x) + std::fabs(back.point.y - source.y) <= source.size;
    }

    // ---- people, by falling scores -------------------------------------------------------------------------------

    // Whether the same joint of one of these poses covers the place.
    POSEOPS_INLINE bool is_taken(const FieldPoint& place, int64_t joint, const int64_t* poses,
                                 int64_t count) {
        for (int64_t i = 0; i < count; ++i) {
            const Joint& own = pose(poses[i])[joint];
            if (!(own.score > 0.0)) continue;
            const double radius = larger(own.point.size, least_radius_);
            if (squared_length(own.point.x - place.x, own.point.y - place.y) <= radius * radius) return true;
        }
        return false;
    }

    POSEOPS_INLINE double score_of(const Joint* own) const {
        double total = 0.0;
        for (int64_t k = 0; k < joints_; ++k) total += own[k].score;
        return total / static_cast<double>(joints_);
    }

    POSEOPS_INLINE void drop_what_is_taken() {
        for (int64_t m = 0; m < grown_; ++m) totals_[m] = score_of(pose(m));
        sort_falling(totals_.data(), order_.data(), work_.data(), grown_);
        for (int64_t i = 0; i < grown_; ++i) {
            Joint* const own = pose(order_[i]);
            for (int64_t k = 0; k < joints_; ++k) {
                if (own[k].score > 0.0 && is_taken(own[k].point, k, kept_.data(), people_)) own[k] = {};
            }
            const double score = score_of(own);
            totals_[order_[i]] = score;
            if (score > 0.0 && score >= args_.min_score) kept_[people_++] = order_[i];
        }
        sort_falling(totals_.data(), kept_.data(), work_.data(), people_);
    }

    const PifpafPeopleArgs& args_;
    int64_t image_, joints_, cells_, most_;
    double least_radius_;
    const double* seeds_;
    LinkLists<T> links_;
    Scratch<Joint, 256> poses_;
    Scratch<double, 256> totals_;  // of the poses
    Scratch<int64_t, 256> order_;  // of the poses, as they grew, then by falling scores
    Scratch<int64_t, 256> kept_, work_;
    Scratch<Joint, 64> reached_;  // by each way, while a pose grows
    int64_t grown_ = 0;
    int64_t people_ = 0;
};

}  // namespace

void pifpaf_people(const PifpafPeopleArgs& args) {
    visit_floating(args.cif.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        parallel_for(args.cif.shape[0], 1, [&](int64_t begin, int64_t end) {
            for (int64_t image = begin; image < end; ++image) {
                Crowd<T> crowd(args, image);
                crowd.find();
                crowd.store();
            }
        });
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
