// soft_oks_nms: people are picked by score, and the scores of those who resemble a picked one fall; image by image.
//
// people    keypoints (N, K, 2), areas (N,), sigmas (K,), perhaps confidences (N, K): core/oks_people.h
// scores    (N,)     float32 or float64
// offsets   (B + 1,) int32 or int64: image b has the people [offsets[b], offsets[b + 1]); no data: one image
// keep      (N,)     bool, output: the first max_dets of each image
// order     (N,)     int64, output: the rows of the people by image: first the picked ones, in turn, then the others
//                    by falling new score
// rescored  (N,)     output, dtype of scores: those of the picked when they were picked, of the others in the end
// scratch   (2, N)   float64, CUDA only
//
// Everything is computed in float64.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "ops/soft_oks_nms/soft_oks_nms_math.h"

namespace pyposeops {

struct SoftOksNmsArgs {
    OksPeople people;
    TensorView scores;
    TensorView offsets;
    double threshold;
    int64_t max_dets;
    ScoreDecay decay;
    Ties ties;
    TensorView keep;
    TensorView order;
    TensorView rescored;
    TensorView scratch;
};

POSEOPS_CPU_OPERATOR(soft_oks_nms, SoftOksNmsArgs)
POSEOPS_CUDA_OPERATOR(soft_oks_nms, SoftOksNmsArgs)

}  // namespace pyposeops
