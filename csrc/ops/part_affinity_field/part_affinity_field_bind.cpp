// Checks the arguments of part_affinity_field and picks the device.
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings/people.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/part_affinity_field/part_affinity_field.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

int64_t set_limbs(PartAffinityFieldArgs& args, const std::vector<int64_t>& limbs) {
    const auto count = static_cast<int64_t>(limbs.size());
    POSEOPS_CHECK(count % 2 == 0 && count <= 2 * kMaxLimbs, "limbs", "at most 512 pairs of joint indices",
                  std::to_string(count) + " indices");
    const int64_t joints = args.people.keypoints.shape[2];
    for (int64_t i = 0; i < count; ++i) {
        const int64_t joint = limbs[static_cast<size_t>(i)];
        POSEOPS_CHECK(joint >= 0 && joint < joints && joint < 65536, "limbs",
                      "indices of the " + std::to_string(joints) + " joints", std::to_string(joint));
        args.joints[i] = static_cast<uint16_t>(joint);
    }
    return count / 2;
}

void set_shape(PartAffinityFieldArgs& args, double half_width, int profile, int ends, int overlap) {
    POSEOPS_CHECK(half_width > 0.0 && half_width - half_width == 0.0, "half_width", "a finite number above 0",
                  std::to_string(half_width));
    POSEOPS_CHECK(profile >= 0 && profile <= static_cast<int>(LimbProfile::kQuartic), "profile",
                  "0, 1, 2 or 3", std::to_string(profile));
    POSEOPS_CHECK(ends >= 0 && ends <= static_cast<int>(LimbEnds::kLightweight), "ends", "0, 1 or 2",
                  std::to_string(ends));
    POSEOPS_CHECK(overlap >= 0 && overlap <= static_cast<int>(LimbOverlap::kOverwrite), "overlap",
                  "0, 1 or 2", std::to_string(overlap));
    args.shape = {static_cast<LimbProfile>(profile), static_cast<LimbEnds>(ends), half_width};
    args.overlap = static_cast<LimbOverlap>(overlap);
    POSEOPS_CHECK(has_edges(args.shape) || args.overlap == LimbOverlap::kSum, "overlap",
                  "sum for the profiles without edges, gaussian and quartic", "another");
}

void set_counts(PartAffinityFieldArgs& args, const ImportedTensor& counts) {
    const TensorView& fields = args.fields;
    POSEOPS_CHECK(has_edges(args.shape), "return_counts", "a profile with edges, flat or linear", "another");
    check_shape(counts.view(), "counts",
                {fields.shape[0], args.weights.shape[1], fields.shape[2], fields.shape[3]}, "(B, L, H, W)");
    check_dtype(counts.view(), "counts", {DType::kUInt8});
    check_same_device(counts.view(), "counts", fields, "keypoints");
    const bool same = fields.is_contiguous() ? counts->is_contiguous() : counts->is_channels_last();
    POSEOPS_CHECK(same, "counts", "the memory layout of fields", "another");
    args.counts = counts.view();
}

void part_affinity_field(py::handle keypoints, py::handle visibility, py::handle offsets,
                         const std::vector<int64_t>& limbs, double half_width, int profile, int ends,
                         int overlap, double stride_y, double stride_x, double before, double after,
                         py::handle fields, py::handle weights, py::handle counts) {
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const std::optional<ImportedTensor> starts = import_optional(offsets, "offsets");
    const ImportedTensor field(fields, "fields", Access::kWrite);
    const ImportedTensor weight(weights, "weights", Access::kWrite);
    PartAffinityFieldArgs args = {};
    args.people = people_tensors(points, seen, starts);
    args.grid = {stride_x, stride_y, before, after};
    set_shape(args, half_width, profile, ends, overlap);
    const int64_t limb_count = set_limbs(args, limbs);
    args.fields = field.view();
    check_maps(args.fields, "fields", args.people, 2 * limb_count, "(B, 2 L, H, W)");
    args.weights = weight.view();
    check_weights(args.weights, "weights", args.fields, {args.fields.shape[0], limb_count}, "(B, L)");
    std::optional<ImportedTensor> count;
    if (!counts.is_none()) {
        count.emplace(counts, "counts", Access::kWrite);
        set_counts(args, *count);
    }
    if (args.weights.numel() == 0) return;
    prepare_to_write(args.fields);
    run_on_device(args.fields.device, args, &part_affinity_field_cpu, &part_affinity_field_cuda);
}

}  // namespace

void bind_part_affinity_field(py::module_& module) {
    module.def("part_affinity_field", &part_affinity_field);
}

}  // namespace pyposeops
