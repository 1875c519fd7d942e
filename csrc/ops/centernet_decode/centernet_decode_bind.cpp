// Checks the arguments of centernet_decode and picks the device.
#include <cmath>
#include <optional>
#include <string>

#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/centernet_decode/centernet_decode.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

void check_contiguous(const TensorView& tensor, const char* name, DType dtype, const TensorView& people) {
    check_dtype(tensor, name, {dtype});
    check_same_device(tensor, name, people, "people");
    POSEOPS_CHECK(tensor.is_contiguous(), name, "contiguous memory", "other strides");
}

void decode(py::handle people, py::handle counts, py::handle candidates, py::handle candidate_counts,
            double max_distance, py::handle keypoints, py::handle joint_scores, py::handle boxes) {
    const ImportedTensor persons(people, "people");
    const ImportedTensor numbers(counts, "counts");
    const std::optional<ImportedTensor> found = import_optional(candidates, "candidates");
    const std::optional<ImportedTensor> found_counts = import_optional(candidate_counts, "candidate_counts");
    const ImportedTensor points(keypoints, "keypoints", Access::kWrite);
    const ImportedTensor values(joint_scores, "joint_scores", Access::kWrite);
    const ImportedTensor places(boxes, "boxes", Access::kWrite);
    CenternetDecodeArgs args = {};
    args.people = persons.view();
    args.counts = numbers.view();
    args.keypoints = points.view();
    args.joint_scores = values.view();
    args.boxes = places.view();
    POSEOPS_CHECK(max_distance >= 0.0 && std::isfinite(max_distance), "max_distance",
                  "a finite number of at least 0", std::to_string(max_distance));
    args.max_distance = max_distance;
    check_dtype(args.people, "people", {DType::kFloat32, DType::kFloat64});
    check_shape(args.people, "people", {kAnySize, kAnySize, kAnySize}, "(B, N, 6 + 2K)");
    const int64_t images = persons->shape[0];
    const int64_t most = persons->shape[1];
    const int64_t joints = (persons->shape[2] - kPersonNumbers) / 2;
    check_shape(args.people, "people", {images, most, kPersonNumbers + 2 * joints}, "(B, N, 6 + 2K)");
    check_shape(args.counts, "counts", {images}, "(B,)");
    check_shape(args.keypoints, "keypoints", {images, most, joints, 2}, "(B, N, K, 2)");
    check_shape(args.joint_scores, "joint_scores", {images, most, joints}, "(B, N, K)");
    check_shape(args.boxes, "boxes", {images, most, 4}, "(B, N, 4)");
    const DType real = persons->dtype;
    check_contiguous(args.people, "people", real, args.people);
    check_contiguous(args.counts, "counts", DType::kInt64, args.people);
    check_contiguous(args.keypoints, "keypoints", real, args.people);
    check_contiguous(args.joint_scores, "joint_scores", real, args.people);
    check_contiguous(args.boxes, "boxes", real, args.people);
    POSEOPS_CHECK(found.has_value() == found_counts.has_value(), "candidate_counts", "them with candidates",
                  "one without the other");
    if (found) {
        args.candidates = found->view();
        args.candidate_counts = found_counts->view();
        check_shape(args.candidates, "candidates", {images, joints, kAnySize, 3}, "(B, K, P, 3)");
        check_shape(args.candidate_counts, "candidate_counts", {images, joints}, "(B, K)");
        check_contiguous(args.candidates, "candidates", real, args.people);
        check_contiguous(args.candidate_counts, "candidate_counts", DType::kInt64, args.people);
    }
    if (images * most == 0) return;
    run_on_device(persons->device, args, &centernet_decode_cpu, &centernet_decode_cuda);
}

}  // namespace

void bind_centernet_decode(py::module_& module) { module.def("centernet_decode", &decode); }

}  // namespace pyposeops
