// Checks the arguments of pifpaf_decode's two steps and picks the device.
#include <pybind11/stl.h>

#include <cmath>
#include <string>
#include <vector>

#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/pifpaf_decode/pifpaf_decode.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr int64_t kMaxMapSize = int64_t{1} << 24;

void check_contiguous(const TensorView& tensor, const char* name, DType dtype, const TensorView& like) {
    check_dtype(tensor, name, {dtype});
    check_same_device(tensor, name, like, "cif");
    POSEOPS_CHECK(tensor.is_contiguous(), name, "contiguous memory", "other strides");
}

// Both joints of each limb.
template <class Args>
void read_limbs(const std::vector<int64_t>& joints_of_limbs, int64_t joints, Args& args) {
    const size_t count = joints_of_limbs.size() / 2;
    POSEOPS_CHECK(count <= kMaxPifpafLimbs, "limbs",
                  "at most " + std::to_string(kMaxPifpafLimbs) + " of them", std::to_string(count));
    for (size_t l = 0; l < count; ++l) {
        const int64_t a = joints_of_limbs[2 * l];
        const int64_t b = joints_of_limbs[2 * l + 1];
        POSEOPS_CHECK(a >= 0 && a < joints && b >= 0 && b < joints && a != b, "limbs",
                      "two of " + std::to_string(joints) + " joints",
                      std::to_string(a) + " and " + std::to_string(b));
        args.limbs[l] = {{static_cast<int16_t>(a), static_cast<int16_t>(b)}};
    }
    args.limb_count = static_cast<int32_t>(count);
}

// The fields and what both steps have of each cell.
template <class Args>
void check_fields(Args& args, const std::vector<int64_t>& limbs) {
    const TensorView& cif = args.cif;
    check_shape(cif, "cif", {kAnySize, kAnySize, 5, kAnySize, kAnySize}, "(B, K, 5, H, W)");
    check_dtype(cif, "cif", {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    const int64_t joints = cif.shape[1], height = cif.shape[3], width = cif.shape[4];
    POSEOPS_CHECK(joints <= (1 << 15), "cif", "at most 32768 joints", std::to_string(joints));
    const bool usable = height > 0 && width > 0 && height < kMaxMapSize && width < kMaxMapSize &&
                        height * width < (int64_t{1} << 31);
    POSEOPS_CHECK(usable, "cif", "a height and width of at least 1 and fewer than 2^31 cells",
                  shape_text(cif));
    read_limbs(limbs, joints, args);
    check_shape(args.caf, "caf", {cif.shape[0], args.limb_count, 8, height, width},
                "(B, L, 8, H, W), as many as limbs and as large as cif");
    check_dtype(args.caf, "caf", {cif.dtype});
    check_same_device(args.caf, "caf", cif, "cif");
    POSEOPS_CHECK(args.stride_px > 0.0 && std::isfinite(args.stride_px), "stride_px",
                  "a finite number above 0", std::to_string(args.stride_px));
    check_shape(args.seeds, "seeds", {cif.shape[0], joints, height, width}, "(B, K, H, W)");
    check_shape(args.links, "links", {cif.shape[0], args.limb_count, 2, height, width}, "(B, L, 2, H, W)");
    check_contiguous(args.seeds, "seeds", DType::kFloat64, cif);
    check_contiguous(args.links, "links", DType::kFloat64, cif);
}

void check_share(double value, const char* name) {
    POSEOPS_CHECK(value >= 0.0 && std::isfinite(value), name, "a finite number of at least 0",
                  std::to_string(value));
}

void score_cells(py::handle cif, py::handle caf, const std::vector<int64_t>& limbs, double stride_px,
                 double cif_threshold, double caf_threshold, double seed_threshold, py::handle seeds,
                 py::handle links) {
    const ImportedTensor joints(cif, "cif");
    const ImportedTensor ways(caf, "caf");
    const ImportedTensor seed_scores(seeds, "seeds", Access::kWrite);
    const ImportedTensor link_scores(links, "links", Access::kWrite);
    PifpafScoresArgs args = {};
    args.cif = joints.view();
    args.caf = ways.view();
    args.seeds = seed_scores.view();
    args.links = link_scores.view();
    args.stride_px = stride_px;
    args.cif_threshold = cif_threshold;
    args.caf_threshold = caf_threshold;
    args.seed_threshold = seed_threshold;
    check_fields(args, limbs);
    check_share(cif_threshold, "cif_threshold");
    check_share(caf_threshold, "caf_threshold");
    check_share(seed_threshold, "seed_threshold");
    if (args.seeds.numel() == 0) return;
    run_on_device(joints->device, args, &pifpaf_scores_cpu, &pifpaf_scores_cuda);
}

void find_people(py::handle cif, py::handle caf, const std::vector<int64_t>& limbs, double stride_px,
                 double min_joint_score, double min_joint_share, double min_score, py::handle seeds,
                 py::handle links, py::handle keypoints, py::handle scores, py::handle people) {
    const ImportedTensor joints(cif, "cif");
    const ImportedTensor ways(caf, "caf");
    const ImportedTensor seed_scores(seeds, "seeds");
    const ImportedTensor link_scores(links, "links");
    const ImportedTensor points(keypoints, "keypoints", Access::kWrite);
    const ImportedTensor values(scores, "scores", Access::kWrite);
    const ImportedTensor found(people, "people", Access::kWrite);
    PifpafPeopleArgs args = {};
    args.cif = joints.view();
    args.caf = ways.view();
    args.seeds = seed_scores.view();
    args.links = link_scores.view();
    args.stride_px = stride_px;
    args.min_joint_score = min_joint_score;
    args.min_joint_share = min_joint_share;
    args.min_score = min_score;
    args.keypoints = points.view();
    args.scores = values.view();
    args.people = found.view();
    check_fields(args, limbs);
    check_share(min_joint_score, "min_joint_score");
    check_share(min_joint_share, "min_joint_share");
    check_share(min_score, "min_score");
    POSEOPS_CHECK(joints->device.type == DeviceType::kCpu, "cif", "a tensor on the CPU",
                  device_text(joints->device));
    const int64_t images = joints->shape[0];
    check_shape(args.scores, "scores", {images, kAnySize}, "(B, M)");
    check_shape(args.keypoints, "keypoints", {images, values->shape[1], joints->shape[1], 3}, "(B, M, K, 3)");
    check_shape(args.people, "people", {images}, "(B,)");
    const DType real = joints->dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
    check_contiguous(args.keypoints, "keypoints", real, args.cif);
    check_contiguous(args.scores, "scores", real, args.cif);
    check_contiguous(args.people, "people", DType::kInt64, args.cif);
    py::gil_scoped_release release;
    pifpaf_people_cpu(args);
}

}  // namespace

void bind_pifpaf_decode(py::module_& module) {
    module.def("pifpaf_scores", &score_cells);
    module.def("pifpaf_people", &find_people);
}

}  // namespace pyposeops
