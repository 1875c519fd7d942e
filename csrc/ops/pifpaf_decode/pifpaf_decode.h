// pifpaf_decode: people out of composite fields, whose cells point at joints and limbs near them, in two steps.
//
// pifpaf_scores, on either device
//   cif         (B, K, 5, H, W)    any floating dtype and strides: unused, confidence, x, y, size of joints
//   caf         (B, L, 8, H, W)    the same dtype, any strides: unused, confidence, x and y of both joints, both sizes
//   seeds       (B, K, H, W)       output, contiguous, float64: each cell's score as a joint; 0 where it is none
//   links       (B, L, 2, H, W)    output, contiguous, float64: its score as a way from the limb's first joint to its
//                                  second, and back; 0 where it is none
//
// pifpaf_people, on the CPU
//   cif, caf, seeds, links: as above
//   keypoints   (B, M, K, 3)       output, contiguous, cif's compute dtype: x and y in pixels of the image, and the
//                                  score; 0 where a person lacks the joint
//   scores      (B, M)             output, contiguous, cif's compute dtype; 0 beyond the people
//   people      (B,)               output, contiguous, int64: the first so many of the M entries are people
//
// Places and sizes are in cells. All arithmetic is in double, and the same to the bit on either device. A cell with
// a component that is NaN, infinite or farther away than kFarthestCells, or with a negative size, does not exist.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"

namespace pyposeops {

constexpr int64_t kMaxPifpafLimbs = 128;
constexpr double kFarthestCells = 1e6;

struct PifpafLimb {
    int16_t joints[2];
};

struct PifpafScoresArgs {
    TensorView cif;
    TensorView caf;
    PifpafLimb limbs[kMaxPifpafLimbs];
    int32_t limb_count;
    double stride_px;
    double cif_threshold;   // cells that speak for a joint
    double caf_threshold;   // cells that are ways
    double seed_threshold;  // cells that are seeds
    TensorView seeds;
    TensorView links;

    POSEOPS_HD int64_t joints() const { return cif.shape[1]; }
    POSEOPS_HD int64_t height() const { return cif.shape[3]; }
    POSEOPS_HD int64_t width() const { return cif.shape[4]; }
};

struct PifpafPeopleArgs {
    TensorView cif;
    TensorView caf;
    TensorView seeds;
    TensorView links;
    PifpafLimb limbs[kMaxPifpafLimbs];
    int32_t limb_count;
    double stride_px;
    double min_joint_score;
    double min_joint_share;  // of the score of the joint that it was reached from
    double min_score;
    TensorView keypoints;
    TensorView scores;
    TensorView people;
};

POSEOPS_CPU_OPERATOR(pifpaf_scores, PifpafScoresArgs)
POSEOPS_CUDA_OPERATOR(pifpaf_scores, PifpafScoresArgs)
POSEOPS_CPU_OPERATOR(pifpaf_people, PifpafPeopleArgs)

}  // namespace pyposeops
