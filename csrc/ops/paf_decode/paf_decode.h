// paf_decode: people out of heatmaps of joints and part affinity fields, in two steps.
//
// paf_candidates, on either device
//   heatmaps     (B, C, H, W) any floating dtype and strides; the first K channels are the joints of the skeleton
//   pafs         (B, F, H, W) of the same dtype and device
//   peaks        (B, K, P, 3) output, contiguous, compute dtype: x, y in fine pixels and the value, largest first
//   peak_counts  (B, K)       output, contiguous, int32
//   edges        (B, S, E)    output, contiguous, int32: limb << 16 | first peak << 8 | second peak
//   edge_scores  (B, S, E)    output, contiguous, compute dtype
//   edge_counts  (B, S)       output, contiguous, int32
//                On the CPU S is the number of limbs and E is P * P; on CUDA S is 1 and E is that times the limbs,
//                in no certain order.
//
// paf_people, on the CPU
//   keypoints    (B, M, K, 3) output, contiguous, compute dtype: x, y in fine pixels and the peak's value; 0 where the
//                             person lacks the joint, and beyond the people found
//   scores       (B, M)       output, contiguous, compute dtype; the people in falling order of it
//   counts       (B,)         output, contiguous, int64
//
// Arithmetic: paf_decode_math.h. NaN is no peak, and fields that are NaN join nothing.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"
#include "ops/paf_decode/paf_decode_math.h"

namespace pyposeops {

struct Limb {
    int16_t a;  // joints
    int16_t b;
    int16_t x;  // channels of the field
    int16_t y;
    int16_t extra;  // 1: sequential assembly fills empty places by it alone
};

struct PafCandidatesArgs {
    TensorView heatmaps;
    TensorView pafs;
    PafRule rule;
    Limb limbs[kMaxLimbs];
    int32_t limb_count;
    TensorView peaks;
    TensorView peak_counts;
    TensorView edges;
    TensorView edge_scores;
    TensorView edge_counts;

    POSEOPS_HD int32_t joints() const { return static_cast<int32_t>(peaks.shape[1]); }
    POSEOPS_HD int32_t max_peaks() const { return static_cast<int32_t>(peaks.shape[2]); }

    // Where the P entries of a joint's peaks start.
    template <class Real>
    POSEOPS_HD Real* peaks_of(int64_t image, int32_t joint) const {
        return peaks.as<Real>() + (image * peaks.shape[1] + joint) * peaks.shape[2] * 3;
    }
};

POSEOPS_HD int32_t packed_edge(int32_t limb, int32_t a, int32_t b) { return limb << 16 | a << 8 | b; }

// The last two go limb after limb; they take a limb's pairs by falling score, or those whose scores sum to the most.
enum class PafAssembly : int32_t { kGlobal, kSequential, kHungarian };

struct PafPeopleArgs {
    TensorView peaks;
    TensorView peak_counts;
    TensorView edges;
    TensorView edge_scores;
    TensorView edge_counts;
    Limb limbs[kMaxLimbs];
    int32_t limb_count;
    uint64_t uncounted;  // bit k: joint k does not count among the joints that a person must have
    PafAssembly assembly;
    int32_t min_joints;
    double min_score;
    TensorView keypoints;
    TensorView scores;
    TensorView counts;
};

POSEOPS_CPU_OPERATOR(paf_candidates, PafCandidatesArgs)
POSEOPS_CUDA_OPERATOR(paf_candidates, PafCandidatesArgs)
POSEOPS_CPU_OPERATOR(paf_people, PafPeopleArgs)

}  // namespace pyposeops
