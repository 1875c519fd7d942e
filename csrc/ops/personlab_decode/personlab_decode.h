// personlab_decode: people out of heatmaps, offsets to the joints and displacements along the skeleton, in two steps.
//
// personlab_poses, on either device
//   heatmaps    (B, K, H, W)     any floating dtype and strides, as are the next three
//   offsets     (B, 2K, H, W)    x and y from each pixel to the joint near it, in pixels of the image
//   forward     (B, 2E, H, W)    x and y from a joint to the other end of an edge that starts there
//   backward    (B, 2E, H, W)    x and y from a joint to the start of an edge that ends there
//   candidates  (B, K, P, 3)     contiguous, compute dtype: x and y of a peak's pixel, and its value
//   counts      (B, K)           contiguous, int64: the first so many of the P entries are peaks
//   poses       (B, K, P, K, 3)  output, contiguous, compute dtype: the pose that starts from each peak, x and y in
//                                pixels of the image and the score; NaN where it lacks the joint; only the first
//                                counts of P are written
//
// personlab_people, on the CPU
//   poses, counts: as above
//   keypoints   (B, M, K, 3)     output, contiguous, the poses' dtype: 0 where a person lacks the joint
//   scores      (B, M)           output, contiguous, the poses' dtype
//   people      (B,)             output, contiguous, int64: the first so many of the M entries are people
//
// A joint whose position or score is not finite is missing; nothing is looked for from there.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"

namespace pyposeops {

constexpr int64_t kMaxPersonlabEdges = 128;

struct PersonlabEdge {
    int16_t start;  // joints
    int16_t end;
};

struct PersonlabPosesArgs {
    TensorView heatmaps;
    TensorView offsets;
    TensorView forward;
    TensorView backward;
    TensorView candidates;
    TensorView counts;
    TensorView poses;
    PersonlabEdge edges[kMaxPersonlabEdges];
    int32_t edge_count;
    int32_t refine_steps;
    double stride_px;

    POSEOPS_HD int64_t joints() const { return heatmaps.shape[1]; }
    POSEOPS_HD int64_t most_peaks() const { return candidates.shape[2]; }
};

struct PersonlabPeopleArgs {
    TensorView poses;
    TensorView counts;
    double radius_px;
    double min_score;
    TensorView keypoints;
    TensorView scores;
    TensorView people;
};

POSEOPS_CPU_OPERATOR(personlab_poses, PersonlabPosesArgs)
POSEOPS_CUDA_OPERATOR(personlab_poses, PersonlabPosesArgs)
POSEOPS_CPU_OPERATOR(personlab_people, PersonlabPeopleArgs)

}  // namespace pyposeops
