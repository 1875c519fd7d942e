// offset_heatmap: for each joint a field of offsets that lead to it (or from it), around the joint or around a root.
//
// people       keypoints (x, y) and visibility, padded or ragged (core/people.h)
// roots        (B, N, 2) or (1, M, 2) like the people, any floating dtype, for region root_box; else no data
// sizes        (B, N) or (1, M), any floating dtype, for order smallest; else no data. A person whose size is not
//              finite and above 0, or whose root is not finite, is not drawn
// heatmaps     (B, C K, H, W) output, contiguous NCHW or channels_last; all written. C = 2: x and y of each joint;
//              C = 3: the mask before them
// masks        (B, K, H, W) output in the layout of the heatmaps, or no data (C = 3): bool, or in order smallest the
//              weights, of the dtype of the heatmaps
// weights      (B, K) output, float32 (float64 with float64 heatmaps), contiguous: the largest visibility, as given, of
//              the people whose joint is finite; 0 where there is none
// only_on_map  joints off the map (x or y below 0, or not below the size) are not drawn
//
// A joint is drawn where visibility >= 0.5. Offsets are 0 where nobody is drawn. Formulas: offset_heatmap_math.h. Both
// devices follow this contract and choose the same person for every pixel.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/people.h"
#include "core/tensor_view.h"
#include "ops/offset_heatmap/offset_heatmap_math.h"

namespace pyposeops {

struct OffsetHeatmapArgs {
    PeopleTensors people;
    MapGrid grid;
    OffsetRule rule;
    bool only_on_map;
    TensorView roots;
    TensorView sizes;
    TensorView heatmaps;
    TensorView masks;
    TensorView weights;

    POSEOPS_HD int64_t channels() const { return masks.data == nullptr ? 3 : 2; }
    POSEOPS_HD int32_t map_height() const { return static_cast<int32_t>(heatmaps.shape[2]); }
    POSEOPS_HD int32_t map_width() const { return static_cast<int32_t>(heatmaps.shape[3]); }
};

struct WeightedOffsetJoint {
    OffsetJoint joint;
    double weight;
    bool drawn;
};

POSEOPS_HD double load_person_value(const TensorView& values, int64_t b, int64_t n, int64_t element) {
    return load_any<double>(values.data, values.dtype,
                            b * values.strides[0] + n * values.strides[1] + element);
}

POSEOPS_HD void store_offset_weight(const OffsetHeatmapArgs& args, int64_t at, double weight) {
    if (args.weights.dtype == DType::kFloat64) {
        args.weights.as<double>()[at] = weight;
    } else {
        args.weights.as<float>()[at] = static_cast<float>(weight);
    }
}

// Puts the joint of person n where it is drawn; false where that is nowhere.
POSEOPS_HD bool place_offset_joint(const OffsetHeatmapArgs& args, int64_t b, int64_t n, OffsetJoint& joint) {
    const int32_t width = args.map_width();
    const int32_t height = args.map_height();
    const bool on_map = joint.x >= 0.0 && joint.y >= 0.0 && joint.x < width && joint.y < height;
    if (args.only_on_map && !on_map) return false;
    if (args.sizes.data != nullptr) {
        joint.size = load_person_value(args.sizes, b, n, 0);
        if (!(joint.size > 0.0) || joint.size - joint.size != 0.0) return false;
    }
    if (args.rule.region == OffsetRegion::kMap) {
        joint.x_end = width;
        joint.y_end = height;
    } else if (args.rule.region == OffsetRegion::kDisc) {
        set_disc_box(joint, args.rule.radius, width, height);
    } else {
        const double x = load_person_value(args.roots, b, n, 0);
        const double y = load_person_value(args.roots, b, n, args.roots.strides[2]);
        if (x - x != 0.0 || y - y != 0.0) return false;
        const MapGrid& grid = args.grid;
        set_root_box(joint, (x + grid.before) / grid.stride_x + grid.after,
                     (y + grid.before) / grid.stride_y + grid.after, args.rule.radius, width, height);
    }
    return joint.x_begin < joint.x_end && joint.y_begin < joint.y_end;
}

// Joint k of person n of image b.
POSEOPS_HD WeightedOffsetJoint load_offset_joint(const OffsetHeatmapArgs& args, int64_t b, int64_t n,
                                                 int64_t k) {
    const MapJoint point = load_map_joint(args.people, args.grid, b, n, k);
    WeightedOffsetJoint loaded = {};
    const bool finite = point.x - point.x == 0.0 && point.y - point.y == 0.0;
    loaded.weight = finite && point.visibility == point.visibility ? point.visibility : 0.0;
    loaded.joint.x = point.x;
    loaded.joint.y = point.y;
    loaded.drawn = point.visible && finite && place_offset_joint(args, b, n, loaded.joint);
    return loaded;
}

POSEOPS_CPU_OPERATOR(offset_heatmap, OffsetHeatmapArgs)
POSEOPS_CUDA_OPERATOR(offset_heatmap, OffsetHeatmapArgs)

}  // namespace pyposeops
