// parametric_pose_nms: poses of one person are found, and merged into one; image by image.
//
// people         boxes (N, 4), box_scores (N,), keypoints (N, K, 2), scores (N, K), float32 or float64, any strides
// offsets        (B + 1,) int32 or int64: image b has the people [offsets[b], offsets[b + 1]); no data: one image
// merged         (N, K, 2) output, dtype of keypoints: the merged poses; 0 for who is not kept
// merged_scores  (N, K)    output, dtype of scores: likewise
// person_scores  (N,)      output, dtype of box_scores: likewise
// keep           (N,)      bool, output: who was picked and passed the thresholds
// groups         (N,)      int64, output: the row of the picked person of whose group each one is; the own one if picked
// order          (N,)      int64, output: the rows of the people by image, then by falling mean of the joints' scores
// scratch        (2, N)    float64, CUDA only
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "ops/parametric_pose_nms/parametric_pose_nms_math.h"

namespace pyposeops {

struct ParametricPoseNmsArgs {
    PosePeople people;
    TensorView offsets;
    TensorView merged;
    TensorView merged_scores;
    TensorView person_scores;
    TensorView keep;
    TensorView groups;
    TensorView order;
    TensorView scratch;
};

// Element `at` of a contiguous float32 or float64 output.
POSEOPS_HD void store_real(const TensorView& output, int64_t at, double value) {
    if (output.dtype == DType::kFloat64) {
        output.as<double>()[at] = value;
    } else {
        output.as<float>()[at] = static_cast<float>(value);
    }
}

POSEOPS_HD void store_joint(const ParametricPoseNmsArgs& args, int64_t i, int64_t k,
                            const MergedJoint& joint) {
    const int64_t at = i * args.people.joints() + k;
    store_real(args.merged, 2 * at, joint.x);
    store_real(args.merged, 2 * at + 1, joint.y);
    store_real(args.merged_scores, at, joint.score);
}

// Everything about person i, once the groups of the image are known.
POSEOPS_HD void write_person(const ParametricPoseNmsArgs& args, const PoseGroups& groups, int64_t i) {
    const PosePeople& people = args.people;
    const bool picked = groups.picked[i] == i;
    PoseSummary summary;
    for (int64_t k = 0; picked && k < people.joints(); ++k) {
        const MergedJoint joint = merged_joint(people, groups, i, k);
        store_joint(args, i, k, joint);
        summary.add(joint, people.score(i, k));
    }
    const bool kept = picked && summary.is_kept(people.rule);
    for (int64_t k = 0; !kept && k < people.joints(); ++k) store_joint(args, i, k, {0.0, 0.0, 0.0});
    args.keep.as<bool>()[i] = kept;
    store_real(args.person_scores, i,
               kept ? summary.person_score(person_value(people.box_scores, i), people.joints()) : 0.0);
}

POSEOPS_CPU_OPERATOR(parametric_pose_nms, ParametricPoseNmsArgs)
POSEOPS_CUDA_OPERATOR(parametric_pose_nms, ParametricPoseNmsArgs)

}  // namespace pyposeops
