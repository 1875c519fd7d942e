// centernet_decode: boxes and joints of the people whose centres were found. All tensors are contiguous, numbers are
// float32 or float64.
//
// people            (B, N, 6 + 2K) x, y of the centre's pixel, what is to be added to them, the box's width and height,
//                                  and each joint's place, x and y, from the centre's pixel
// counts            (B,)           int64: the first so many of the N entries are people
// candidates        (B, K, P, 3)   detected joints, x, y and value, largest value first; no data: there are none
// candidate_counts  (B, K)         int64: the first so many of the P entries are joints
// keypoints         (B, N, K, 2)   output
// joint_scores      (B, N, K)      output: the value of the detected joint that was taken, else 0
// boxes             (B, N, 4)      output: x, y, width, height; like keypoints 0 beyond the people
//
// A comparison with NaN fails: such a joint stays where its person says.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"

namespace pyposeops {

constexpr int64_t kPersonNumbers = 6;  // before the joints'

struct CenternetDecodeArgs {
    TensorView people;
    TensorView counts;
    TensorView candidates;
    TensorView candidate_counts;
    double max_distance;  // of the longer side of the box
    TensorView keypoints;
    TensorView joint_scores;
    TensorView boxes;

    POSEOPS_HD int64_t images() const { return people.shape[0]; }
    POSEOPS_HD int64_t most_people() const { return people.shape[1]; }
    POSEOPS_HD int64_t joints() const { return joint_scores.shape[2]; }
};

POSEOPS_CPU_OPERATOR(centernet_decode, CenternetDecodeArgs)
POSEOPS_CUDA_OPERATOR(centernet_decode, CenternetDecodeArgs)

}  // namespace pyposeops
