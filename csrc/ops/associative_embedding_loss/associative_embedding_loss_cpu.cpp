// associative_embedding_loss on the CPU: an image per task, its tags gathered once.
#include "core/convert.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/associative_embedding_loss/associative_embedding_loss.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Tags and pairs of people below which a second thread does not pay.
constexpr int64_t kTermsPerThread = 4096;

// The people of one image that have joints which count, one after the other.
template <class Real>
struct TagGroup {
    Scratch<Real> tag;         // (people, joints)
    Scratch<TagPlace> place;   // (people, joints)
    Scratch<Real, 64> mean;    // (people,)
    Scratch<Real, 64> slope;   // (people,): derivative of the push in the mean
    Scratch<int32_t, 64> own;  // (people,): joints that count
    int64_t joints;
    int64_t people = 0;

    POSEOPS_INLINE TagGroup(int64_t most_people, int64_t joint_count)
        : tag(most_people * joint_count),
          place(most_people * joint_count),
          mean(most_people),
          slope(most_people),
          own(most_people),
          joints(joint_count) {}
};

template <class T>
POSEOPS_INLINE void gather(const AssociativeEmbeddingLossArgs& args, int64_t b,
                           TagGroup<compute_t<T>>& group) {
    using Real = compute_t<T>;
    group.people = 0;
    for (int64_t n = 0; n < args.keypoints.shape[1]; ++n) {
        const int64_t first = group.people * group.joints;
        Real sum = Real(0);
        int32_t own = 0;
        for (int64_t k = 0; k < group.joints; ++k) {
            const TagPlace place = tag_place(args, b, n, k);
            group.place[first + k] = place;
            if (!place.counts()) continue;
            const Real tag = load_as_compute(args.tags.as<const T>()[place.offset(args.tags, b, k)]);
            group.tag[first + k] = tag;
            sum += tag;
            ++own;
        }
        if (own == 0) continue;
        group.own[group.people] = own;
        group.mean[group.people] = sum / static_cast<Real>(own);
        ++group.people;
    }
}

template <class Real>
POSEOPS_INLINE Real pull_of(TagGroup<Real>& group, const EmbeddingScales<Real>& scales) {
    Real total = Real(0);
    for (int64_t n = 0; n < group.people; ++n) {
        Real squares = Real(0);
        for (int64_t i = n * group.joints; i < (n + 1) * group.joints; ++i) {
            if (!group.place[i].counts()) continue;
            const Real difference = group.tag[i] - group.mean[n];
            squares += difference * difference;
        }
        total += scales.mean ? squares / static_cast<Real>(group.own[n]) : squares;
    }
    return total * scales.pull;
}

template <class Real>
POSEOPS_INLINE Real push_of(TagGroup<Real>& group, const EmbeddingScales<Real>& scales) {
    const Real* mean = group.mean.data();
    Real pairs = Real(0);
    for (int64_t n = 0; n < group.people; ++n) {
        Real row = Real(0);
#pragma omp simd reduction(+ : row)
        for (int64_t m = 0; m < n; ++m) row += push_term(mean[n] - mean[m], scales.exponent);
        pairs += row;
    }
    const Real diagonal = scales.diagonal ? static_cast<Real>(group.people) : Real(0);
    return scales.push * (Real(2) * pairs + diagonal);
}

// The derivative of the push in each person's mean.
template <class Real>
POSEOPS_INLINE void fill_slopes(TagGroup<Real>& group, const EmbeddingScales<Real>& scales) {
    const Real* mean = group.mean.data();
    for (int64_t n = 0; n < group.people; ++n) {
        Real slope = Real(0);
#pragma omp simd reduction(+ : slope)
        for (int64_t m = 0; m < group.people; ++m) slope += push_slope(mean[n] - mean[m], scales.exponent);
        group.slope[n] = scales.push * slope;
    }
}

template <class T>
POSEOPS_INLINE void scatter(const AssociativeEmbeddingLossBackwardArgs& args, int64_t b,
                            TagGroup<compute_t<T>>& group, const EmbeddingScales<compute_t<T>>& scales) {
    using Real = compute_t<T>;
    const Real grad_pull = args.grad_pull.as<const Real>()[b * args.grad_pull.strides[0]];
    const Real grad_push = args.grad_push.as<const Real>()[b * args.grad_push.strides[0]];
    const auto slope_of_tag = [&](int64_t n, int64_t k) {
        const Real own = static_cast<Real>(group.own[n]);
        const Real to_difference = Real(2) * grad_pull * scales.pull / (scales.mean ? own : Real(1));
        const Real difference = group.tag[n * group.joints + k] - group.mean[n];
        return to_difference * difference + grad_push * group.slope[n] / own;
    };
    const auto same_pixel = [&](int64_t n, int64_t m, int64_t k) {
        const TagPlace one = group.place[n * group.joints + k];
        const TagPlace other = group.place[m * group.joints + k];
        return one.x == other.x && one.y == other.y;
    };
    for (int64_t n = 0; n < group.people; ++n) {
        for (int64_t k = 0; k < group.joints; ++k) {
            const TagPlace place = group.place[n * group.joints + k];
            if (!place.counts()) continue;
            // The first of several people on a pixel adds up for all, so that the sum is rounded once.
            bool first = true;
            for (int64_t m = 0; m < n && first; ++m) first = !same_pixel(n, m, k);
            if (!first) continue;
            Real sum = slope_of_tag(n, k);
            for (int64_t m = n + 1; m < group.people; ++m) {
                if (same_pixel(n, m, k)) sum += slope_of_tag(m, k);
            }
            store_from_compute(args.grad_tags.as<T>() + place.offset(args.grad_tags, b, k), sum);
        }
    }
}

// body(b, group, scales) for every image.
template <class T, class Body>
POSEOPS_INLINE void for_each_image(const AssociativeEmbeddingLossArgs& args, const Body& body) {
    const int64_t people = args.keypoints.shape[1];
    const int64_t joints = args.tags.shape[1];
    const int64_t grain = kTermsPerThread / (people * (people + joints) + 1) + 1;
    parallel_for(args.tags.shape[0], grain, [&](int64_t begin, int64_t end) {
        TagGroup<compute_t<T>> group(people, joints);
        for (int64_t b = begin; b < end; ++b) {
            gather<T>(args, b, group);
            body(b, group, embedding_scales<compute_t<T>>(group.people, args.convention));
        }
    });
}

}  // namespace

void associative_embedding_loss(const AssociativeEmbeddingLossArgs& args) {
    visit_floating(args.tags.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        for_each_image<T>(args, [&](int64_t b, auto& group, const auto& scales) {
            args.pull.as<compute_t<T>>()[b] = pull_of(group, scales);
            args.push.as<compute_t<T>>()[b] = push_of(group, scales);
        });
    });
}

void associative_embedding_loss_backward(const AssociativeEmbeddingLossBackwardArgs& args) {
    visit_floating(args.forward.tags.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        for_each_image<T>(args.forward, [&](int64_t b, auto& group, const auto& scales) {
            fill_slopes(group, scales);
            scatter<T>(args, b, group, scales);
        });
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
