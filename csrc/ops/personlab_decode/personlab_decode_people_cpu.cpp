// CPU: images in parallel; the poses of the largest peaks that are nobody's yet.
#include "core/parallel.h"
#include "core/ranked_people_cpu.h"
#include "core/scratch.h"
#include "ops/personlab_decode/personlab_decode.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

struct Workspace {
    Scratch<double> scores;  // of the peaks, K P
    Scratch<int64_t> entries, order, merged;
    Scratch<int64_t, 64> accepted;  // M

    POSEOPS_INLINE Workspace(int64_t peaks, int64_t people)
        : scores(peaks), entries(peaks), order(peaks), merged(peaks), accepted(people) {}
};

// One image's people, as entries of its K P poses.
template <class Real>
class ImagePeople {
  public:
    POSEOPS_INLINE ImagePeople(const PersonlabPeopleArgs& args, int64_t image, Workspace& work)
        : args_(args),
          work_(work),
          joints_(args.poses.shape[1]),
          most_peaks_(args.poses.shape[2]),
          most_people_(args.keypoints.shape[1]),
          squared_radius_(args.radius_px * args.radius_px),
          image_(image),
          poses_(args.poses.as<Real>() + image * joints_ * most_peaks_ * joints_ * 3) {}

    POSEOPS_INLINE void find() {
        const int64_t peaks = rank_peaks();
        for (int64_t i = 0; i < peaks && count_ < most_people_; ++i) {
            const int64_t entry = work_.entries[work_.order[i]];
            if (is_taken(entry, entry / most_peaks_)) continue;
            const double score = score_of(entry);
            if (!(score >= args_.min_score)) continue;
            args_.scores.as<Real>()[image_ * most_people_ + count_] = static_cast<Real>(score);
            work_.accepted[count_++] = entry;
        }
    }

    POSEOPS_INLINE void store() {
        args_.people.as<int64_t>()[image_] = count_;
        for (int64_t m = 0; m < most_people_; ++m) {
            Real* const keypoints = args_.keypoints.as<Real>() + (image_ * most_people_ + m) * joints_ * 3;
            for (int64_t i = 0; i < joints_ * 3; ++i) {
                const Real value = m < count_ ? pose(work_.accepted[m])[i] : Real(0);
                keypoints[i] = value == value ? value : Real(0);
            }
            if (m >= count_) args_.scores.as<Real>()[image_ * most_people_ + m] = Real(0);
        }
    }

  private:
    POSEOPS_INLINE const Real* pose(int64_t entry) const { return poses_ + entry * joints_ * 3; }

    // The peaks that are joints, by falling score; returns how many.
    POSEOPS_INLINE int64_t rank_peaks() {
        int64_t count = 0;
        for (int64_t k = 0; k < joints_; ++k) {
            const int64_t peaks = args_.counts.as<int64_t>()[image_ * joints_ + k];
            for (int64_t p = 0; p < peaks; ++p) {
                const double score = static_cast<double>(pose(k * most_peaks_ + p)[3 * k + 2]);
                if (score != score) continue;
                work_.entries[count] = k * most_peaks_ + p;
                work_.scores[count] = score;
                work_.order[count] = count;
                ++count;
            }
        }
        sort_falling(work_.scores.data(), work_.order.data(), work_.merged.data(), count);
        return count;
    }

    // Whether the pose's joint k is where an accepted person has it. Joints that are missing are nowhere.
    POSEOPS_INLINE bool is_taken(int64_t entry, int64_t k) {
        for (int64_t m = 0; m < count_; ++m) {
            const Real* const own = pose(entry) + 3 * k;
            const Real* const other = pose(work_.accepted[m]) + 3 * k;
            const double dx = static_cast<double>(own[0]) - static_cast<double>(other[0]);
            const double dy = static_cast<double>(own[1]) - static_cast<double>(other[1]);
            if (dx * dx + dy * dy <= squared_radius_) return true;
        }
        return false;
    }

    POSEOPS_INLINE double score_of(int64_t entry) {
        double sum = 0.0;
        for (int64_t k = 0; k < joints_; ++k) {
            const double score = static_cast<double>(pose(entry)[3 * k + 2]);
            if (score == score && !is_taken(entry, k)) sum += score;
        }
        return sum / static_cast<double>(joints_);
    }

    const PersonlabPeopleArgs& args_;
    Workspace& work_;
    int64_t joints_, most_peaks_, most_people_;
    double squared_radius_;
    int64_t image_;
    const Real* poses_;
    int64_t count_ = 0;
};

template <class Real>
POSEOPS_INLINE void find_people(const PersonlabPeopleArgs& args) {
    parallel_for(args.poses.shape[0], 1, [&](int64_t begin, int64_t end) {
        Workspace work(args.poses.shape[1] * args.poses.shape[2], args.keypoints.shape[1]);
        for (int64_t image = begin; image < end; ++image) {
            ImagePeople<Real> people(args, image, work);
            people.find();
            people.store();
        }
    });
}

}  // namespace

void personlab_people(const PersonlabPeopleArgs& args) {
    if (args.poses.dtype == DType::kFloat64) {
        find_people<double>(args);
    } else {
        find_people<float>(args);
    }
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
