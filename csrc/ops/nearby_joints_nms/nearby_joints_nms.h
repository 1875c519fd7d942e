// nearby_joints_nms: of people who have most joints in one place the best is kept; image by image.
//
// people   keypoints (N, K, 2)
// scores   (N,)      float32 or float64: people are taken by falling score
// offsets  (B + 1,)  int32 or int64: image b has the people [offsets[b], offsets[b + 1]); no data: one image
// keep     (N,)      bool, output
// order    (N,)      int64, output: the rows of the people by image, then by falling score
// scratch  (2, N)    float64, CUDA only
//
// In float64. A person is always close to itself; others are close to i with more than joint_threshold joints within
// the reach of i.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "ops/nearby_joints_nms/nearby_joints_nms_math.h"

namespace pyposeops {

struct NearbyJointsNmsArgs {
    NearbyPeople people;
    TensorView scores;
    TensorView offsets;
    int64_t max_dets;
    TensorView keep;
    TensorView order;
    TensorView scratch;
};

POSEOPS_CPU_OPERATOR(nearby_joints_nms, NearbyJointsNmsArgs)
POSEOPS_CUDA_OPERATOR(nearby_joints_nms, NearbyJointsNmsArgs)

}  // namespace pyposeops
