// CPU: joints in parallel. The cells that speak for a joint are listed by where they are heard, so that a place looks
// at those alone.
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/pifpaf_decode/pifpaf_decode_bins.h"
#include "ops/pifpaf_decode/pifpaf_decode_math.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Lists get longer than this many times the cells only where bins cannot be larger.
constexpr int64_t kMostCopies = 64;

// The cells that speak for one joint of one image.
template <class T>
class Speakers {
  public:
    POSEOPS_INLINE Speakers(const PifpafScoresArgs& args, int64_t image, int64_t joint)
        : cells_(speaking(args, image, joint, nullptr)),
          bins_(args.width(), args.height(), 1),
          starts_(bins_.count() + 1) {
        count_ = speaking(args, image, joint, cells_.data());
        while (copies() > kMostCopies * count_ && bins_.count() > 1) {
            bins_ = PifpafBins(args.width(), args.height(), 2 * bins_.side);
        }
    }

    // Lists by bin, each in the order of the cells; `entries` has room for copies().
    POSEOPS_INLINE void list(int32_t* entries) {
        const int64_t total = bins_.count();
        for (int64_t bin = 0; bin <= total; ++bin) starts_[bin] = 0;
        for_each_copy([&](int64_t bin, int32_t) { ++starts_[bin + 1]; });
        for (int64_t bin = 0; bin < total; ++bin) starts_[bin + 1] += starts_[bin];
        for_each_copy([&](int64_t bin, int32_t cell) { entries[starts_[bin]++] = cell; });
        for (int64_t bin = total; bin > 0; --bin) starts_[bin] = starts_[bin - 1];
        starts_[0] = 0;
        entries_ = entries;
    }

    POSEOPS_INLINE int64_t copies() {
        int64_t total = 0;
        for (int64_t i = 0; i < count_; ++i) total += heard(cells_[i]).count();
        return total;
    }

    // How sure they are that the joint is at (x, y).
    POSEOPS_INLINE double confidence(double x, double y) {
        const int64_t bin = bins_.of(x, y);
        double total = 0.0;
        for (int64_t i = starts_[bin]; i < starts_[bin + 1]; ++i) {
            total += cells_[entries_[i]].confidence_at(x, y);
        }
        return total < 1.0 ? total : 1.0;
    }

  private:
    // How many there are; they are written where there is room.
    POSEOPS_INLINE static int64_t speaking(const PifpafScoresArgs& args, int64_t image, int64_t joint,
                                           SpeakingCell* cells) {
        const FieldComponents<T> field(args.cif, image, joint);
        int64_t count = 0;
        for (int64_t cell = 0; cell < args.height() * args.width(); ++cell) {
            SpeakingCell speaking;
            if (!speaks(args, field, cell, speaking)) continue;
            if (cells != nullptr) cells[count] = speaking;
            ++count;
        }
        return count;
    }

    POSEOPS_INLINE PifpafBinRange heard(const SpeakingCell& cell) const {
        return {bins_, cell.x, cell.y, cell.sigma};
    }

    template <class Visit>
    POSEOPS_INLINE void for_each_copy(const Visit& visit) {
        for (int64_t i = 0; i < count_; ++i) {
            const PifpafBinRange range = heard(cells_[i]);
            for (int64_t row = range.top; row <= range.bottom; ++row) {
                for (int64_t column = range.left; column <= range.right; ++column) {
                    visit(row * bins_.columns + column, static_cast<int32_t>(i));
                }
            }
        }
    }

    Scratch<SpeakingCell, 256> cells_;
    PifpafBins bins_;
    Scratch<int64_t> starts_;
    int64_t count_;
    const int32_t* entries_ = nullptr;
};

// All scores that depend on one joint of one image.
template <class T>
POSEOPS_INLINE void score_joint(const PifpafScoresArgs& args, int64_t image, int64_t joint) {
    const int64_t cells = args.height() * args.width();
    Speakers<T> speakers(args, image, joint);
    Scratch<int32_t> entries(speakers.copies());
    speakers.list(entries.data());
    const auto sure = [&](double x, double y) { return speakers.confidence(x, y); };
    const FieldComponents<T> field(args.cif, image, joint);
    double* const seeds = args.seeds.as<double>() + (image * args.joints() + joint) * cells;
    for (int64_t cell = 0; cell < cells; ++cell) seeds[cell] = seed_score(args, field, cell, sure);
    for (int64_t limb = 0; limb < args.limb_count; ++limb) {
        const FieldComponents<T> way(args.caf, image, limb);
        for (int64_t to = 0; to < 2; ++to) {
            if (args.limbs[limb].joints[to] != joint) continue;
            double* const links =
                args.links.as<double>() + ((image * args.limb_count + limb) * 2 + (1 - to)) * cells;
            for (int64_t cell = 0; cell < cells; ++cell) links[cell] = link_score(args, way, cell, to, sure);
        }
    }
}

}  // namespace

void pifpaf_scores(const PifpafScoresArgs& args) {
    visit_floating(args.cif.dtype, [&](auto tag) {
        const int64_t joints = args.joints();
        parallel_for(args.cif.shape[0] * joints, 1, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                score_joint<typename decltype(tag)::type>(args, i / joints, i % joints);
            }
        });
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
