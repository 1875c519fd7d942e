// Checks the arguments of personlab_decode's two steps and picks the device.
#include <pybind11/stl.h>

#include <cmath>
#include <string>
#include <vector>

#include "bindings/heatmap_arguments.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/personlab_decode/personlab_decode.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr int64_t kMaxRefineSteps = 100;

void check_contiguous(const TensorView& tensor, const char* name, DType dtype, const TensorView& like) {
    check_dtype(tensor, name, {dtype});
    check_same_device(tensor, name, like, "heatmaps");
    POSEOPS_CHECK(tensor.is_contiguous(), name, "contiguous memory", "other strides");
}

// Maps of vectors, two channels for each of `count`.
void check_vectors(const TensorView& vectors, const char* name, int64_t count, const TensorView& maps,
                   const char* wanted) {
    check_shape(vectors, name, {maps.shape[0], 2 * count, maps.shape[2], maps.shape[3]}, wanted);
    check_dtype(vectors, name, {maps.dtype});
    check_same_device(vectors, name, maps, "heatmaps");
}

// Start and end of each edge.
void read_edges(const std::vector<int64_t>& joints_of_edges, int64_t joints, PersonlabPosesArgs& args) {
    const size_t count = joints_of_edges.size() / 2;
    POSEOPS_CHECK(count <= kMaxPersonlabEdges, "edges",
                  "at most " + std::to_string(kMaxPersonlabEdges) + " of them", std::to_string(count));
    for (size_t e = 0; e < count; ++e) {
        const int64_t start = joints_of_edges[2 * e];
        const int64_t end = joints_of_edges[2 * e + 1];
        POSEOPS_CHECK(start >= 0 && start < joints && end >= 0 && end < joints && start != end, "edges",
                      "two of " + std::to_string(joints) + " joints",
                      std::to_string(start) + " and " + std::to_string(end));
        args.edges[e] = {static_cast<int16_t>(start), static_cast<int16_t>(end)};
    }
    args.edge_count = static_cast<int32_t>(count);
}

void grow_poses(py::handle heatmaps, py::handle offsets, py::handle forward, py::handle backward,
                py::handle candidates, py::handle counts, const std::vector<int64_t>& edges, double stride_px,
                int64_t refine_steps, py::handle poses) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor near(offsets, "offsets");
    const ImportedTensor ahead(forward, "forward");
    const ImportedTensor back(backward, "backward");
    const ImportedTensor peaks(candidates, "candidates");
    const ImportedTensor numbers(counts, "counts");
    const ImportedTensor grown(poses, "poses", Access::kWrite);
    PersonlabPosesArgs args = {};
    args.heatmaps = maps.view();
    args.offsets = near.view();
    args.forward = ahead.view();
    args.backward = back.view();
    args.candidates = peaks.view();
    args.counts = numbers.view();
    args.poses = grown.view();
    check_heatmaps(args.heatmaps);
    const int64_t images = maps->shape[0];
    const int64_t joints = maps->shape[1];
    POSEOPS_CHECK(joints <= (1 << 15), "heatmaps", "at most 32768 joints", std::to_string(joints));
    read_edges(edges, joints, args);
    check_vectors(args.offsets, "offsets", joints, args.heatmaps, "(B, 2 K, H, W), as large as heatmaps");
    check_vectors(args.forward, "forward", args.edge_count, args.heatmaps,
                  "(B, 2 E, H, W), two channels for each edge");
    check_vectors(args.backward, "backward", args.edge_count, args.heatmaps,
                  "(B, 2 E, H, W), two channels for each edge");
    POSEOPS_CHECK(stride_px > 0.0 && std::isfinite(stride_px), "stride_px", "a finite number above 0",
                  std::to_string(stride_px));
    POSEOPS_CHECK(refine_steps >= 0 && refine_steps <= kMaxRefineSteps, "refine_steps",
                  "a number from 0 to " + std::to_string(kMaxRefineSteps), std::to_string(refine_steps));
    args.stride_px = stride_px;
    args.refine_steps = static_cast<int32_t>(refine_steps);
    const DType real = maps->dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
    check_shape(args.candidates, "candidates", {images, joints, kAnySize, 3}, "(B, K, P, 3)");
    check_shape(args.counts, "counts", {images, joints}, "(B, K)");
    check_shape(args.poses, "poses", {images, joints, peaks->shape[2], joints, 3}, "(B, K, P, K, 3)");
    check_contiguous(args.candidates, "candidates", real, args.heatmaps);
    check_contiguous(args.counts, "counts", DType::kInt64, args.heatmaps);
    check_contiguous(args.poses, "poses", real, args.heatmaps);
    if (args.poses.numel() == 0) return;
    run_on_device(maps->device, args, &personlab_poses_cpu, &personlab_poses_cuda);
}

void find_people(py::handle poses, py::handle counts, double radius_px, double min_score,
                 py::handle keypoints, py::handle scores, py::handle people) {
    const ImportedTensor grown(poses, "poses");
    const ImportedTensor numbers(counts, "counts");
    const ImportedTensor points(keypoints, "keypoints", Access::kWrite);
    const ImportedTensor values(scores, "scores", Access::kWrite);
    const ImportedTensor found(people, "people", Access::kWrite);
    PersonlabPeopleArgs args = {grown.view(),  numbers.view(), radius_px,   min_score,
                                points.view(), values.view(),  found.view()};
    check_shape(args.poses, "poses", {kAnySize, kAnySize, kAnySize, kAnySize, 3}, "(B, K, P, K, 3)");
    const int64_t images = grown->shape[0];
    const int64_t joints = grown->shape[1];
    check_shape(args.poses, "poses", {images, joints, kAnySize, joints, 3}, "(B, K, P, K, 3)");
    check_dtype(args.poses, "poses", {DType::kFloat32, DType::kFloat64});
    POSEOPS_CHECK(grown->device.type == DeviceType::kCpu, "poses", "a tensor on the CPU",
                  device_text(grown->device));
    check_shape(args.counts, "counts", {images, joints}, "(B, K)");
    check_shape(args.scores, "scores", {images, kAnySize}, "(B, M)");
    check_shape(args.keypoints, "keypoints", {images, values->shape[1], joints, 3}, "(B, M, K, 3)");
    check_shape(args.people, "people", {images}, "(B,)");
    POSEOPS_CHECK(radius_px >= 0.0 && std::isfinite(radius_px), "radius_px", "a finite number of at least 0",
                  std::to_string(radius_px));
    const DType real = grown->dtype;
    check_contiguous(args.poses, "poses", real, args.poses);
    check_contiguous(args.counts, "counts", DType::kInt64, args.poses);
    check_contiguous(args.keypoints, "keypoints", real, args.poses);
    check_contiguous(args.scores, "scores", real, args.poses);
    check_contiguous(args.people, "people", DType::kInt64, args.poses);
    py::gil_scoped_release release;
    personlab_people_cpu(args);
}

}  // namespace

void bind_personlab_decode(py::module_& module) {
    module.def("personlab_poses", &grow_poses);
    module.def("personlab_people", &find_people);
}

}  // namespace pyposeops
