// oks_matrix on the CPU: the joints that count of all ground truths of an image, packed one after the other, against one
// detection after the other. The loop over the packed joints has no tails between people and skips what does not count.
#include "core/convert.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/oks_matrix/oks_matrix.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Joints of pairs below which a second thread does not pay.
constexpr int64_t kTermsPerThread = 4096;

// (x, y) side by side: copied as one.
template <class Real>
struct Point {
    Real x;
    Real y;
};

// The loops over packed joints run to the next multiple of this, so that they have no tail of single elements.
constexpr int64_t kStep = 16;
POSEOPS_INLINE int64_t whole_steps(int64_t count) { return (count + kStep - 1) / kStep * kStep; }

// The packed joints of one image's ground truths, filled up with joints that nobody reads.
template <class Real>
struct Targets {
    Scratch<Real> left, right, top, bottom, variance, area;
    Scratch<int32_t> joint;
    Scratch<int64_t, 128> begin;  // of each ground truth and, last, the end
    int64_t truths = 0;

    POSEOPS_INLINE explicit Targets(int64_t most_joints, int64_t most_truths)
        : left(whole_steps(most_joints)),
          right(whole_steps(most_joints)),
          top(whole_steps(most_joints)),
          bottom(whole_steps(most_joints)),
          variance(whole_steps(most_joints)),
          area(whole_steps(most_joints)),
          joint(whole_steps(most_joints)),
          begin(most_truths + 1) {}

    POSEOPS_INLINE int64_t count() { return begin[truths]; }

    POSEOPS_INLINE void pack(const OksMatrixArgs& args, const OksImage& image) {
        truths = image.truths;
        int64_t next = 0;
        for (int64_t g = 0; g < truths; ++g) {
            begin[g] = next;
            next = pack_truth(args, image.batch, image.truth + g, false, next);
            if (next == begin[g] && args.box_rule) {
                next = pack_truth(args, image.batch, image.truth + g, true, next);
            }
        }
        begin[truths] = next;
        for (; next < whole_steps(count()); ++next) {
            put(next, oks_point(Real(0), Real(0)), Real(1), Real(1), 0);
        }
    }

    POSEOPS_INLINE int64_t pack_truth(const OksMatrixArgs& args, int64_t batch, int64_t truth, bool in_box,
                                      int64_t next) {
        const TensorView& sigmas = args.sigmas;
        const Real scale = oks_truth_scale<Real>(args, batch, truth);
        for (int64_t k = 0; k < args.joints(); ++k) {
            if (!in_box && !oks_labelled(args, batch, truth, k)) continue;
            const Real sigma = load_any<Real>(sigmas.data, sigmas.dtype, k * sigmas.strides[0]);
            put(next++, oks_target<Real>(args, batch, truth, k, in_box), oks_variance(sigma), scale, k);
        }
        return next;
    }

    POSEOPS_INLINE void put(int64_t i, const OksTarget<Real>& target, Real of_joint, Real of_person,
                            int64_t k) {
        left[i] = target.left;
        right[i] = target.right;
        top[i] = target.top;
        bottom[i] = target.bottom;
        variance[i] = of_joint;
        area[i] = of_person;
        joint[i] = static_cast<int32_t>(k);
    }
};

// One detection beside the packed joints.
template <class Real>
struct Detection {
    Scratch<Point<Real>, 256> joints;
    Scratch<uint8_t, 256> sure;    // where a joint may count
    Scratch<Point<Real>> aligned;  // the joints in the order of the packed ones
    OksPairArea<Real> pair_area = {};
    bool all_sure = true;

    POSEOPS_INLINE Detection(int64_t joint_count, int64_t most_joints)
        : joints(joint_count), sure(joint_count), aligned(whole_steps(most_joints)) {}

    template <class T>
    POSEOPS_INLINE void load(const OksMatrixArgs& args, int64_t batch, int64_t detection,
                             Targets<Real>& targets) {
        const int64_t* strides = args.detections.strides;
        const T* row = args.detections.as<const T>() + batch * strides[0] + detection * strides[1];
        for (int64_t k = 0; k < args.joints(); ++k) {
            joints[k] = {load_as_compute(row[k * strides[2]]),
                         load_as_compute(row[k * strides[2] + strides[3]])};
        }
        pair_area = oks_pair_area<Real>(args, batch, detection);
        all_sure = args.detection_scores.data == nullptr;
        for (int64_t k = 0; !all_sure && k < args.joints(); ++k) {
            sure[k] = oks_confident(args, batch, detection, k);
        }
        const int32_t* const joint = targets.joint.data();
        const Point<Real>* const from = joints.data();
        Point<Real>* const to = aligned.data();
        for (int64_t i = 0; i < whole_steps(targets.count()); ++i) to[i] = from[joint[i]];
    }

    // How many joints of a ground truth count.
    POSEOPS_INLINE int64_t counted(Targets<Real>& targets, int64_t begin, int64_t end) {
        if (all_sure) return end - begin;
        int64_t sum = 0;
        for (int64_t i = begin; i < end; ++i) sum += sure[targets.joint[i]];
        return sum;
    }
};

// Eight partial sums, as NumPy adds up to 128 numbers: the same bits with every instruction set.
template <class Real>
POSEOPS_INLINE Real sum_of(const Real* values, int64_t count) {
    if (count < 8) {
        Real sum = Real(0);
        for (int64_t i = 0; i < count; ++i) sum += values[i];
        return sum;
    }
    Real part[8];
    for (int i = 0; i < 8; ++i) part[i] = values[i];
    int64_t next = 8;
    for (; next + 8 <= count; next += 8) {
        for (int i = 0; i < 8; ++i) part[i] += values[next + i];
    }
    Real sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    for (; next < count; ++next) sum += values[next];
    return sum;
}

// Plain pointers to the packed joints and to the detection beside them: what a loop must see to become vector code.
template <class Real>
struct Terms {
    const Real *left, *right, *top, *bottom, *variance, *area;
    const Real* points;  // x and y by turns
    OksPairArea<Real> pair_area;
    int64_t count;

    POSEOPS_INLINE Terms(Targets<Real>& targets, Detection<Real>& detection)
        : left(targets.left.data()),
          right(targets.right.data()),
          top(targets.top.data()),
          bottom(targets.bottom.data()),
          variance(targets.variance.data()),
          area(targets.area.data()),
          points(&detection.aligned.data()->x),
          pair_area(detection.pair_area),
          count(whole_steps(targets.count())) {}
};

// The similarities of the packed joints. One loop for both steps takes a tenth longer.
template <class Real>
POSEOPS_INLINE void fill_terms(const Terms<Real>& of, Real* terms) {
#pragma omp simd
    for (int64_t i = 0; i < of.count; ++i) {
        const OksTarget<Real> target = {of.left[i], of.right[i], of.top[i], of.bottom[i]};
        terms[i] = oks_exponent(target, of.points[2 * i], of.points[2 * i + 1], of.variance[i],
                                of.pair_area(of.area[i]));
    }
#pragma omp simd
    for (int64_t i = 0; i < of.count; ++i) terms[i] = oks_of_exponent(terms[i]);
}

template <class Real>
POSEOPS_INLINE void write_similarities(Targets<Real>& targets, Detection<Real>& detection, Real* terms,
                                       Real* similarities) {
    fill_terms(Terms<Real>(targets, detection), terms);
    for (int64_t i = 0; !detection.all_sure && i < targets.count(); ++i) {
        if (!detection.sure[targets.joint[i]]) terms[i] = Real(0);
    }
    for (int64_t g = 0; g < targets.truths; ++g) {
        const int64_t begin = targets.begin[g];
        const int64_t end = targets.begin[g + 1];
        const int64_t counted = detection.counted(targets, begin, end);
        const Real sum = sum_of(terms + begin, end - begin);
        similarities[g] = counted > 0 ? sum / static_cast<Real>(counted) : Real(0);
    }
}

// Adds to `gradient` (K,); `terms` and `slopes` are working rows of the packed joints.
template <class Real>
POSEOPS_INLINE void add_gradient(Targets<Real>& targets, Detection<Real>& detection, const Real* grad,
                                 Real* terms, OksSlope<Real>* slopes, OksSlope<Real>* gradient) {
    const Terms<Real> of(targets, detection);
    fill_terms(of, terms);
#pragma omp simd
    for (int64_t i = 0; i < of.count; ++i) {
        const OksTarget<Real> target = {of.left[i], of.right[i], of.top[i], of.bottom[i]};
        slopes[i] = oks_slope(target, of.points[2 * i], of.points[2 * i + 1], of.variance[i],
                              of.pair_area(of.area[i]), terms[i]);
    }
    for (int64_t g = 0; g < targets.truths; ++g) {
        const int64_t begin = targets.begin[g];
        const int64_t end = targets.begin[g + 1];
        const Real share = grad[g] / static_cast<Real>(detection.counted(targets, begin, end));
        for (int64_t i = begin; i < end; ++i) {
            const int32_t k = targets.joint[i];
            if (!detection.all_sure && !detection.sure[k]) continue;
            gradient[k] = {gradient[k].x + share * slopes[i].x, gradient[k].y + share * slopes[i].y};
        }
    }
}

POSEOPS_INLINE int64_t most_truths(const OksMatrixArgs& args) {
    if (!args.is_ragged()) return args.truths.shape[1];
    const int64_t images = args.layout.shape[1] - 1;
    const int64_t* const first = args.layout.as<const int64_t>() + images + 1;
    int64_t most = 0;
    for (int64_t b = 0; b < images; ++b)
        most = first[b + 1] - first[b] > most ? first[b + 1] - first[b] : most;
    return most;
}

// body(targets, detection, index of its first pair, row) for the detections of all images.
template <class T, class Body>
POSEOPS_INLINE void for_each_detection(const OksMatrixArgs& args, const Body& body) {
    using Real = compute_t<T>;
    const int64_t rows = oks_rows(args);
    const int64_t truths = most_truths(args);
    const int64_t terms = args.joints() * truths;
    parallel_for(rows, kTermsPerThread / (terms + 1) + 1, [&](int64_t begin, int64_t end) {
        Targets<Real> targets(terms, truths);
        Detection<Real> detection(args.joints(), terms);
        for (int64_t row = begin; row < end;) {
            const OksImage image = oks_image(args, oks_image_of_row(args, row));
            const int64_t first = image.batch * args.detections.shape[1] + image.detection;
            const int64_t stop = first + image.detections < end ? first + image.detections : end;
            targets.pack(args, image);
            for (; row < stop; ++row) {
                detection.template load<T>(args, image.batch, image.detection + row - first, targets);
                body(targets, detection, image.pair + (row - first) * image.truths, row);
            }
        }
    });
}

}  // namespace

void oks_matrix(const OksMatrixArgs& args) {
    visit_floating(args.detections.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Real = compute_t<T>;
        for_each_detection<T>(args, [&](auto& targets, auto& detection, int64_t pair, int64_t) {
            Scratch<Real> terms(whole_steps(targets.count()));
            write_similarities(targets, detection, terms.data(), args.similarities.as<Real>() + pair);
        });
    });
}

void oks_matrix_backward(const OksMatrixBackwardArgs& args) {
    visit_floating(args.grad_detections.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        using Real = compute_t<T>;
        const int64_t joints = args.forward.joints();
        for_each_detection<T>(args.forward, [&](auto& targets, auto& detection, int64_t pair, int64_t row) {
            Scratch<Real> terms(whole_steps(targets.count()));
            Scratch<OksSlope<Real>> slopes(whole_steps(targets.count()));
            Scratch<OksSlope<Real>, 256> gradient(joints);
            for (int64_t k = 0; k < joints; ++k) gradient[k] = {Real(0), Real(0)};
            const Real* const grad = args.forward.similarities.as<const Real>() + pair;
            add_gradient(targets, detection, grad, terms.data(), slopes.data(), gradient.data());
            T* const out = args.grad_detections.as<T>() + row * joints * 2;
            for (int64_t k = 0; k < joints; ++k) {
                store_from_compute(out + 2 * k, gradient[k].x);
                store_from_compute(out + 2 * k + 1, gradient[k].y);
            }
        });
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
