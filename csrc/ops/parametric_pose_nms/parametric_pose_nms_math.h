// When two poses are of one person, and what becomes of the poses of one person. In float64.
#pragma once

#include <cmath>

#include "core/exp_rows.h"
#include "core/ranked_people.h"

namespace pyposeops {

// kRelative: confidences count within the reference distance, in which distances are measured.
// kPaper: confidences count where a joint lies in a box around the picked one, and distances are squared.
// kAlphaPose: confidences count within a pixel, in which distances are measured.
// The numbers are those of the binding.
enum class PoseNmsVariant { kRelative = 0, kPaper = 1, kAlphaPose = 2 };

struct PoseNmsRule {
    PoseNmsVariant variant;
    double delta1;
    double mu;
    double delta2;
    double gamma;
    double alpha;             // a joint's surroundings as a share of the box
    int64_t match_threshold;  // joints that make two poses one whatever their similarity; 0: no such rule
    double match_limit;       // pixels, at most, at which joints match
    double merge_limit;       // pixels, at most, at which joints are merged
    bool merge;
    double score_threshold;
    double area_threshold;
};

// Rows of PosePeople::factors.
enum class JointFactor { kScoreWeight, kDistanceWeight, kDistanceScale };

constexpr double kLeastJointScore = 1e-5;  // in place of 0, so that every joint weighs something

struct PosePeople {
    TensorView boxes;       // (N, 4) x, y, width, height
    TensorView box_scores;  // (N,)
    TensorView keypoints;   // (N, K, 2)
    TensorView scores;      // (N, K)
    TensorView factors;     // (3, K) float64, or no data where all are 1
    PoseNmsRule rule;

    POSEOPS_HD int64_t joints() const { return keypoints.shape[1]; }

    POSEOPS_HD double coord(int64_t i, int64_t k, int64_t axis) const {
        const int64_t at = i * keypoints.strides[0] + k * keypoints.strides[1] + axis * keypoints.strides[2];
        return load_any<double>(keypoints.data, keypoints.dtype, at);
    }

    POSEOPS_HD double score(int64_t i, int64_t k) const {
        const int64_t at = i * scores.strides[0] + k * scores.strides[1];
        const auto value = load_any<double>(scores.data, scores.dtype, at);
        return value == 0.0 ? kLeastJointScore : value;
    }

    POSEOPS_HD double mean_score(int64_t i) const {
        double sum = 0.0;
        for (int64_t k = 0; k < joints(); ++k) sum += score(i, k);
        return sum / static_cast<double>(joints());
    }

    POSEOPS_HD double factor(JointFactor kind, int64_t k) const {
        if (factors.data == nullptr) return 1.0;
        const int64_t at = static_cast<int64_t>(kind) * factors.strides[0] + k * factors.strides[1];
        return factors.as<const double>()[at];
    }

    // Width (side 0) or height (side 1) of what surrounds a joint of person i.
    POSEOPS_HD double surroundings(int64_t i, int64_t side) const {
        const int64_t at = i * boxes.strides[0] + (2 + side) * boxes.strides[1];
        return rule.alpha * load_any<double>(boxes.data, boxes.dtype, at);
    }

    POSEOPS_HD double reference_distance(int64_t i) const {
        const double width = surroundings(i, 0);
        const double height = surroundings(i, 1);
        return width > height ? width : height;
    }

    // Of the distances from the joints of person i, in pixels.
    POSEOPS_HD double unit(int64_t i) const {
        return rule.variant == PoseNmsVariant::kRelative ? reference_distance(i) : 1.0;
    }
};

POSEOPS_HD double at_most(double value, double limit) { return value < limit ? value : limit; }

constexpr double kLargestExponent = 1e6;  // stands for infinity

// Whether person j is the picked person i once more: their similarity exceeds gamma or enough joints match. No term
// is negative, so that summing ends as soon as either is certain. A joint with a coordinate that is NaN adds nothing.
POSEOPS_HD bool is_same_person(const PosePeople& people, int64_t i, int64_t j) {
    const PoseNmsRule& rule = people.rule;
    const bool paper = rule.variant == PoseNmsVariant::kPaper;
    const double reach = at_most(people.reference_distance(i), rule.match_limit);
    const double unit = people.unit(i);
    double similarity = 0.0;
    int64_t matches = 0;
    for (int64_t k = 0; k < people.joints(); ++k) {
        const double dx = people.coord(j, k, 0) - people.coord(i, k, 0);
        const double dy = people.coord(j, k, 1) - people.coord(i, k, 1);
        const double squared = dx * dx + dy * dy;
        if (squared != squared) continue;
        const double distance = sqrt(squared);
        const double scale = people.factor(JointFactor::kDistanceScale, k);
        // No distance is 0 in every unit, even in those of a box without extent.
        const double apart = paper ? squared : distance > 0.0 ? distance / unit : 0.0;
        const double exponent = at_most(apart / (rule.delta2 * scale), kLargestExponent);
        similarity +=
            rule.mu * people.factor(JointFactor::kDistanceWeight, k) * exp_nonpositive_in_rows(-exponent);
        const bool close =
            paper ? fabs(dx) <= people.surroundings(i, 0) / 2.0 && fabs(dy) <= people.surroundings(i, 1) / 2.0
                  : distance <= unit;
        if (close) {
            similarity += people.factor(JointFactor::kScoreWeight, k) *
                          tanh(people.score(i, k) / rule.delta1) * tanh(people.score(j, k) / rule.delta1);
        }
        matches += distance <= reach * scale;
        if (similarity > rule.gamma) return true;
        if (rule.match_threshold > 0 && matches >= rule.match_threshold) return true;
    }
    return false;
}

// Most pairs are told apart without exponentials: a far joint adds next to nothing, a near one at most what it can.
constexpr double kFarExponent = 6.0;
constexpr double kFarShare = 0.00247876;  // exp(-6), rounded up

// Joint k beside the picked person: the squared distance from which on it is far, and what it then adds at most, or
// else.
struct JointBound {
    double far_squared;
    double if_near;
    double if_far;
};

POSEOPS_HD JointBound joint_bound(const PosePeople& people, int64_t i, int64_t k) {
    const PoseNmsRule& rule = people.rule;
    const bool paper = rule.variant == PoseNmsVariant::kPaper;
    const double scale = people.factor(JointFactor::kDistanceScale, k);
    const double reference = people.reference_distance(i);
    const double match = at_most(reference, rule.match_limit) * scale;
    const double unit = people.unit(i);
    const double close = paper ? reference : unit;
    const double faint = kFarExponent * rule.delta2 * scale * unit;
    double far_squared = paper ? faint : faint * faint;
    far_squared = match * match > far_squared ? match * match : far_squared;
    far_squared = close * close > far_squared ? close * close : far_squared;
    const double most = rule.mu * people.factor(JointFactor::kDistanceWeight, k);
    return {far_squared * (1.0 + 1e-9), most + people.factor(JointFactor::kScoreWeight, k), most * kFarShare};
}

// Whether two poses whose joints add at most `bound`, `near` of them being near, are certainly of two people.
POSEOPS_HD bool are_two_people(const PoseNmsRule& rule, double bound, double near) {
    const bool few_match = rule.match_threshold == 0 || near < static_cast<double>(rule.match_threshold);
    return few_match && bound * (1.0 + 1e-9) <= rule.gamma;
}

struct MergedJoint {
    double x;
    double y;
    double score;
};

// The groups of an image as rings. picked[j] is the picked person of whose group j is, next[j - first] who comes
// after j in the group: the next row of it, and after the last one the first.
struct PoseGroups {
    const int64_t* picked;
    const int64_t* next;
    int64_t first;  // row of the image
};

POSEOPS_HD int64_t next_of_group(const int64_t* picked, PersonRows rows, int64_t j) {
    int64_t next = j + 1;
    while (next < rows.end && picked[next] != picked[j]) ++next;
    if (next < rows.end) return next;
    next = rows.begin;
    while (picked[next] != picked[j]) ++next;
    return next;
}

// Joint k of picked person i: the mean over those of the group who have it close to i, weighted by their scores,
// with the mean of the scores weighted in the same way.
POSEOPS_HD MergedJoint merged_joint(const PosePeople& people, const PoseGroups& groups, int64_t i,
                                    int64_t k) {
    const MergedJoint own = {people.coord(i, k, 0), people.coord(i, k, 1), people.score(i, k)};
    if (!people.rule.merge) return own;
    const double reach = at_most(people.reference_distance(i), people.rule.merge_limit);
    double x = 0.0;
    double y = 0.0;
    double squares = 0.0;
    double sum = 0.0;
    int64_t j = i;
    do {
        const double other_x = people.coord(j, k, 0);
        const double other_y = people.coord(j, k, 1);
        const double dx = other_x - own.x;
        const double dy = other_y - own.y;
        if (sqrt(dx * dx + dy * dy) <= reach) {
            const double score = people.score(j, k);
            x += score * other_x;
            y += score * other_y;
            squares += score * score;
            sum += score;
        }
        j = groups.next[j - groups.first];
    } while (j != i);
    if (!(sum > 0.0)) return own;  // a coordinate that is NaN is close to nobody's
    return {x / sum, y / sum, squares / sum};
}

// A merged pose as a whole, joint by joint.
struct PoseSummary {
    double best_own = 0.0;  // joint score of the picked person
    double best = 0.0;
    double sum = 0.0;
    double left = INFINITY;
    double right = -INFINITY;
    double top = INFINITY;
    double bottom = -INFINITY;

    POSEOPS_HD void add(const MergedJoint& joint, double own_score) {
        best_own = own_score > best_own ? own_score : best_own;
        best = joint.score > best ? joint.score : best;
        sum += joint.score;
        left = joint.x < left ? joint.x : left;
        right = joint.x > right ? joint.x : right;
        top = joint.y < top ? joint.y : top;
        bottom = joint.y > bottom ? joint.y : bottom;
    }

    POSEOPS_HD bool is_kept(const PoseNmsRule& rule) const {
        const double area = 1.5 * 1.5 * (right - left) * (bottom - top);
        return best_own >= rule.score_threshold && best >= rule.score_threshold &&
               !(area < rule.area_threshold);
    }

    POSEOPS_HD double person_score(double box_score, int64_t joints) const {
        return sum / static_cast<double>(joints) + box_score + 1.25 * best;
    }
};

}  // namespace pyposeops
