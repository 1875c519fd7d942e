// Checks the arguments of paf_decode's two steps and picks the device.
#include <string>
#include <vector>

#include "bindings/heatmap_arguments.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/paf_decode/paf_decode.h"

#include <pybind11/stl.h>

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr size_t kNumbersPerLimb = 5;

// Five numbers a limb, as in struct Limb.
int32_t read_limbs(const std::vector<int64_t>& numbers, int64_t joints, int64_t fields,
                   Limb (&limbs)[kMaxLimbs]) {
    const size_t count = numbers.size() / kNumbersPerLimb;
    POSEOPS_CHECK(count >= 1 && count <= kMaxLimbs && numbers.size() % kNumbersPerLimb == 0, "skeleton",
                  "1 to " + std::to_string(kMaxLimbs) + " limbs",
                  std::to_string(numbers.size()) + " numbers");
    for (size_t i = 0; i < count; ++i) {
        const int64_t* const limb = numbers.data() + i * kNumbersPerLimb;
        const bool fits =
            limb[0] >= 0 && limb[0] < joints && limb[1] >= 0 && limb[1] < joints && limb[0] != limb[1];
        POSEOPS_CHECK(fits, "skeleton", "limbs between two of " + std::to_string(joints) + " joints",
                      std::to_string(limb[0]) + " and " + std::to_string(limb[1]));
        POSEOPS_CHECK(limb[2] >= 0 && limb[2] < fields && limb[3] >= 0 && limb[3] < fields, "pafs",
                      "the channels " + std::to_string(limb[2]) + " and " + std::to_string(limb[3]) +
                          " of the skeleton's limb " + std::to_string(i),
                      std::to_string(fields) + " channels");
        limbs[i] = {static_cast<int16_t>(limb[0]), static_cast<int16_t>(limb[1]),
                    static_cast<int16_t>(limb[2]), static_cast<int16_t>(limb[3]),
                    static_cast<int16_t>(limb[4])};
    }
    return static_cast<int32_t>(count);
}

void check_output(const TensorView& output, const char* name, DType dtype, const TensorView& like) {
    check_dtype(output, name, {dtype});
    check_same_device(output, name, like, "heatmaps");
    POSEOPS_CHECK(output.is_contiguous(), name, "contiguous memory", "other strides");
}

DType compute_dtype(const TensorView& maps) {
    return maps.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
}

// Peaks and edges, as both steps know them.
struct Lists {
    ImportedTensor peaks, peak_counts, edges, edge_scores, edge_counts;

    explicit Lists(const py::sequence& tensors, Access access)
        : peaks(tensors[0], "peaks", access),
          peak_counts(tensors[1], "peak_counts", access),
          edges(tensors[2], "edges", access),
          edge_scores(tensors[3], "edge_scores", access),
          edge_counts(tensors[4], "edge_counts", access) {}

    template <class Args>
    void give(Args& args, DType real) const {
        args.peaks = peaks.view();
        args.peak_counts = peak_counts.view();
        args.edges = edges.view();
        args.edge_scores = edge_scores.view();
        args.edge_counts = edge_counts.view();
        check_shape(args.peaks, "peaks", {kAnySize, kAnySize, kAnySize, 3}, "(B, K, P, 3)");
        const int64_t images = args.peaks.shape[0];
        POSEOPS_CHECK(args.peaks.shape[2] >= 1 && args.peaks.shape[2] <= kMaxPafPeaks, "max_peaks",
                      "a number from 1 to " + std::to_string(kMaxPafPeaks),
                      std::to_string(args.peaks.shape[2]));
        check_shape(args.peak_counts, "peak_counts", {images, args.peaks.shape[1]}, "(B, K)");
        check_shape(args.edges, "edges", {images, kAnySize, kAnySize}, "(B, S, E)");
        check_shape(args.edge_scores, "edge_scores", {images, args.edges.shape[1], args.edges.shape[2]},
                    "(B, S, E)");
        check_shape(args.edge_counts, "edge_counts", {images, args.edges.shape[1]}, "(B, S)");
        check_output(args.peaks, "peaks", real, args.peaks);
        check_output(args.peak_counts, "peak_counts", DType::kInt32, args.peaks);
        check_output(args.edges, "edges", DType::kInt32, args.peaks);
        check_output(args.edge_scores, "edge_scores", real, args.peaks);
        check_output(args.edge_counts, "edge_counts", DType::kInt32, args.peaks);
    }
};

void find_candidates(py::handle heatmaps, py::handle pafs, const std::vector<int64_t>& limbs,
                     int64_t upsampling, double heatmap_threshold, double paf_threshold, double ratio,
                     double near_distance, bool bicubic, bool include_end, int64_t refine,
                     const py::sequence& lists) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor fields(pafs, "pafs");
    const Lists outputs(lists, Access::kWrite);
    PafCandidatesArgs args = {};
    args.heatmaps = maps.view();
    args.pafs = fields.view();
    check_heatmaps(args.heatmaps);
    check_shape(args.pafs, "pafs", {maps->shape[0], kAnySize, maps->shape[2], maps->shape[3]},
                "(B, F, H, W)");
    check_dtype(args.pafs, "pafs", {maps->dtype});
    check_same_device(args.pafs, "pafs", args.heatmaps, "heatmaps");
    POSEOPS_CHECK(upsampling >= 1 && upsampling <= kMaxUpsampling, "upsampling",
                  "a number from 1 to " + std::to_string(kMaxUpsampling), std::to_string(upsampling));
    POSEOPS_CHECK(refine >= 0 && refine <= static_cast<int64_t>(PafRefine::kQuarter), "refine",
                  "a number from 0 to 2", std::to_string(refine));
    outputs.give(args, compute_dtype(args.heatmaps));
    check_same_device(args.peaks, "peaks", args.heatmaps, "heatmaps");
    POSEOPS_CHECK(args.peaks.shape[1] <= maps->shape[1], "heatmaps",
                  "a channel for each of " + std::to_string(args.peaks.shape[1]) + " joints",
                  shape_text(maps.view()));
    args.limb_count = read_limbs(limbs, args.peaks.shape[1], fields->shape[1], args.limbs);
    args.rule = {heatmap_threshold,
                 paf_threshold,
                 ratio,
                 near_distance,
                 static_cast<int32_t>(upsampling),
                 bicubic ? PafSampling::kBicubic : PafSampling::kBilinear,
                 include_end,
                 static_cast<PafRefine>(refine)};
    const int64_t pairs = args.peaks.shape[2] * args.peaks.shape[2];
    const bool is_cpu = maps->device.type == DeviceType::kCpu;
    const int64_t list_count = is_cpu ? args.limb_count : 1;
    POSEOPS_CHECK(args.edges.shape[1] == list_count &&
                      args.edges.shape[2] == (is_cpu ? pairs : pairs * args.limb_count),
                  "edges", "room for every pair of peaks", shape_text(args.edges));
    if (maps->shape[0] == 0) return;
    run_on_device(maps->device, args, &paf_candidates_cpu, &paf_candidates_cuda);
}

void assemble_people(const py::sequence& lists, const std::vector<int64_t>& limbs, uint64_t uncounted,
                     int64_t assembly, int64_t min_joints, double min_score, py::handle keypoints,
                     py::handle scores, py::handle counts) {
    const Lists inputs(lists, Access::kRead);
    const ImportedTensor points(keypoints, "keypoints", Access::kWrite);
    const ImportedTensor values(scores, "scores", Access::kWrite);
    const ImportedTensor numbers(counts, "counts", Access::kWrite);
    PafPeopleArgs args = {};
    const DType real = points->dtype;
    inputs.give(args, real);
    POSEOPS_CHECK(args.peaks.device.type == DeviceType::kCpu, "peaks", "a tensor on the CPU",
                  device_text(args.peaks.device));
    args.keypoints = points.view();
    args.scores = values.view();
    args.counts = numbers.view();
    const int64_t images = args.peaks.shape[0];
    check_shape(args.scores, "scores", {images, kAnySize}, "(B, M)");
    check_shape(args.keypoints, "keypoints", {images, values->shape[1], args.peaks.shape[1], 3},
                "(B, M, K, 3)");
    check_shape(args.counts, "counts", {images}, "(B,)");
    check_output(args.keypoints, "keypoints", real, args.peaks);
    check_output(args.scores, "scores", real, args.peaks);
    check_output(args.counts, "counts", DType::kInt64, args.peaks);
    constexpr int64_t kAnyChannel = 1 << 15;
    args.limb_count = read_limbs(limbs, args.peaks.shape[1], kAnyChannel, args.limbs);
    args.uncounted = uncounted;
    POSEOPS_CHECK(assembly >= 0 && assembly <= static_cast<int64_t>(PafAssembly::kHungarian), "assembly",
                  "a number from 0 to 2", std::to_string(assembly));
    args.assembly = static_cast<PafAssembly>(assembly);
    args.min_joints = static_cast<int32_t>(min_joints);
    args.min_score = min_score;
    if (images == 0) return;
    py::gil_scoped_release release;
    paf_people_cpu(args);
}

}  // namespace

void bind_paf_decode(py::module_& module) {
    module.def("paf_candidates", &find_candidates);
    module.def("paf_people", &assemble_people);
}

}  // namespace pyposeops
