// part_affinity_field: for each limb a field of unit vectors along it, the training target of OpenPose's second branch.
//
// people      keypoints (x, y) and visibility, padded or ragged (core/people.h); a limb is drawn where both of its
//             joints are visible, finite and not at the same place
// joints      the two joints of each limb
// fields      (B, 2 L, H, W) output, x then y of each limb, contiguous NCHW or channels_last; all written
// weights     (B, L) output, float32 (float64 with float64 fields), contiguous: the largest of the people's weights,
//             a person's being the smaller visibility of the two joints, 0 where no limb is drawn
// counts      (B, L, H, W) uint8 output in the layout of the fields, or no data: how many people's limbs cover a
//             pixel, 255 for more; only of profiles with edges
//
// Where several people cover a pixel their vectors are averaged, added, or the last person's stays. Profiles without
// edges (gaussian, quartic) are added. Sums are in float, or double for float64 fields, in the order of the people.
// Formulas: part_affinity_field_math.h. Both devices follow this contract and cover the same pixels.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/people.h"
#include "core/tensor_view.h"
#include "ops/part_affinity_field/part_affinity_field_math.h"

namespace pyposeops {

constexpr int64_t kMaxLimbs = 512;  // they travel with the arguments, of which CUDA takes 4 KiB

enum class LimbOverlap : int32_t { kMean, kSum, kOverwrite };

struct PartAffinityFieldArgs {
    PeopleTensors people;
    MapGrid grid;
    LimbShape shape;
    LimbOverlap overlap;
    TensorView fields;
    TensorView weights;
    TensorView counts;
    uint16_t joints[2 * kMaxLimbs];
};

struct WeightedLimb {
    Limb limb;
    double weight;
};

// Limb l of person n of image b.
template <class Real>
POSEOPS_HD WeightedLimb load_limb(const PartAffinityFieldArgs& args, int64_t b, int64_t n, int64_t l) {
    const MapJoint first = load_map_joint(args.people, args.grid, b, n, args.joints[2 * l]);
    const MapJoint second = load_map_joint(args.people, args.grid, b, n, args.joints[2 * l + 1]);
    if (!first.visible || !second.visible) return {};
    const Limb limb = make_limb<Real>(first.x, first.y, second.x, second.y, args.shape,
                                      static_cast<int32_t>(args.fields.shape[3]),
                                      static_cast<int32_t>(args.fields.shape[2]));
    if (!(limb.length_squared > 0.0)) return {};
    return {limb, first.visibility < second.visibility ? first.visibility : second.visibility};
}

POSEOPS_HD void store_limb_weight(const PartAffinityFieldArgs& args, int64_t b, int64_t l, double weight) {
    const int64_t at = b * args.weights.shape[1] + l;
    if (args.weights.dtype == DType::kFloat64) {
        args.weights.as<double>()[at] = weight;
    } else {
        args.weights.as<float>()[at] = static_cast<float>(weight);
    }
}

POSEOPS_CPU_OPERATOR(part_affinity_field, PartAffinityFieldArgs)
POSEOPS_CUDA_OPERATOR(part_affinity_field, PartAffinityFieldArgs)

}  // namespace pyposeops
