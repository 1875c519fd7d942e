// oks_nms: greedy non-maximum suppression of people by object keypoint similarity, image by image.
//
// people   keypoints (N, K, 2), areas (N,), sigmas (K,), perhaps confidences (N, K): core/oks_people.h
// scores   (N,)    float32 or float64: people are taken by falling score
// offsets  (B + 1,) int32 or int64: image b has the people [offsets[b], offsets[b + 1]); no data: one image
// keep     (N,)    bool, output: who is not suppressed
// order    (N,)    int64, output: the rows of the people by image, then by falling score
//
// Both devices follow this contract; similarities that decide are computed in float64.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "ops/oks_nms/oks_nms_math.h"

namespace pyposeops {

struct OksNmsArgs {
    OksPeople people;
    TensorView scores;
    TensorView offsets;
    double threshold;
    Ties ties;
    TensorView keep;
    TensorView order;
};

POSEOPS_CPU_OPERATOR(oks_nms, OksNmsArgs)
POSEOPS_CUDA_OPERATOR(oks_nms, OksNmsArgs)

}  // namespace pyposeops
