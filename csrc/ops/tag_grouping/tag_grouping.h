// tag_grouping: people out of heatmaps of joints and tags of pixels, in two steps.
//
// tag_groups, on the CPU
//   candidates  (B, K, P, 3 + T) contiguous, float32 or float64: x and y of a peak's pixel, its value, its tags; x is
//                                negative where there is no peak. Peaks that are not finite belong to nobody.
//   peaks       (B, M, K)        output, contiguous, int32: the entry of P that is the person's joint, else kNoPeak
//   means       (B, M, T)        output, contiguous, the candidates' dtype: the mean tags of each person; 0 beyond
//   scores      (B, M)           output, contiguous, the candidates' dtype: the joints' values, summed, by K; 0 beyond
//   counts      (B,)             output, contiguous, int64: the first so many of the M entries are people
//
// tag_people, on either device
//   heatmaps    (B, K, H, W)     any floating dtype and strides
//   tags        (B, K, H, W, T)  of the same dtype, any strides
//   candidates, peaks, means, counts: as above, of heatmaps' compute dtype
//   keypoints   (B, M, K, 3)     output, contiguous, compute dtype: (x, y) in pixels and the value; 0 where there is none
//   detected    (B, M, K)        output, contiguous, bool: whether the joint is a peak
//
// Groups are computed in double; pixels in heatmaps' compute dtype, alike on both devices.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/heatmap_pixels.h"
#include "core/tensor_view.h"
#include "ops/tag_grouping/tag_grouping_math.h"

namespace pyposeops {

constexpr int32_t kNoPeak = -1;
constexpr int64_t kMaxTagJoints = 256;
constexpr int64_t kMaxTags = 16;  // T
constexpr int64_t kMaxTagPeople = 1024;

struct TagGroupsArgs {
    TensorView candidates;
    const int64_t* order;  // K joints, in which they are grouped
    double threshold;      // tags join within it
    bool use_scores;
    bool join_when_full;
    TensorView peaks;
    TensorView means;
    TensorView scores;
    TensorView counts;
};

struct TagPeopleArgs {
    TensorView heatmaps;
    TensorView tags;
    TensorView candidates;
    TensorView peaks;
    TensorView means;
    TensorView counts;
    bool refine;
    bool fill;
    double fill_weight;
    double shift_px;
    TensorView keypoints;
    TensorView detected;

    POSEOPS_HD int64_t joints() const { return heatmaps.shape[1]; }
    POSEOPS_HD int64_t most_people() const { return keypoints.shape[1]; }
    POSEOPS_HD int32_t tag_count() const { return static_cast<int32_t>(tags.shape[4]); }
};

// Joint k of person m of image b is at pixel (x, y).
template <class T>
POSEOPS_HD void store_joint(const TagPeopleArgs& args, const HeatmapPixels<T>& map, int64_t joint, int32_t x,
                            int32_t y) {
    using Real = compute_t<T>;
    Real* const keypoint = args.keypoints.as<Real>() + 3 * joint;
    const Real shift = static_cast<Real>(args.shift_px);
    keypoint[0] = static_cast<Real>(x) + (args.refine ? quarter_step_x(map, x, y) : Real(0)) + shift;
    keypoint[1] = static_cast<Real>(y) + (args.refine ? quarter_step_y(map, x, y) : Real(0)) + shift;
    keypoint[2] = map.at(x, y);
}

template <class Real>
POSEOPS_HD void store_no_joint(const TagPeopleArgs& args, int64_t joint) {
    for (int32_t i = 0; i < 3; ++i) args.keypoints.as<Real>()[3 * joint + i] = Real(0);
}

// Joint k of person m of image b, if a peak is it; returns whether the map is to be searched for it instead.
template <class T>
POSEOPS_HD bool store_peak_or_none(const TagPeopleArgs& args, const HeatmapPixels<T>& map, int64_t b,
                                   int64_t m, int64_t k) {
    using Real = compute_t<T>;
    const int64_t joint = (b * args.most_people() + m) * args.joints() + k;
    const bool exists = m < args.counts.as<int64_t>()[b];
    const int32_t peak = exists ? args.peaks.as<int32_t>()[joint] : kNoPeak;
    args.detected.as<bool>()[joint] = peak != kNoPeak;
    if (peak == kNoPeak) {
        store_no_joint<Real>(args, joint);
        return exists && args.fill;
    }
    const int64_t entry = (b * args.joints() + k) * args.candidates.shape[2] + peak;
    const Real* const candidate = args.candidates.as<Real>() + entry * args.candidates.shape[3];
    store_joint(args, map, joint, static_cast<int32_t>(candidate[0]), static_cast<int32_t>(candidate[1]));
    return false;
}

POSEOPS_CPU_OPERATOR(tag_groups, TagGroupsArgs)
POSEOPS_CPU_OPERATOR(tag_people, TagPeopleArgs)
POSEOPS_CUDA_OPERATOR(tag_people, TagPeopleArgs)

}  // namespace pyposeops
