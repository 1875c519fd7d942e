#include "bindings/gaussian_joints.h"

#include <string>

#include "core/check.h"

namespace pyposeops {
namespace {

constexpr int64_t kMaxMapSize = int64_t{1} << 24;  // pixel positions stay exact in float

// (B, K, ...) as (B, 1, K, ...): one person.
TensorView with_people(TensorView view, int32_t full_rank) {
    if (view.rank != full_rank - 1 || view.rank < 1) return view;
    for (int32_t d = view.rank; d > 1; --d) {
        view.shape[d] = view.shape[d - 1];
        view.strides[d] = view.strides[d - 1];
    }
    view.shape[1] = 1;
    view.strides[1] = 0;
    view.rank = full_rank;
    return view;
}

}  // namespace

GaussianEncoding gaussian_encoding(int code) {
    POSEOPS_CHECK(code >= 0 && code <= static_cast<int>(GaussianEncoding::kUdp), "encoding", "0, 1 or 2",
                  std::to_string(code));
    return static_cast<GaussianEncoding>(code);
}

void set_gaussian_people(GaussianJointTensors& joints, const TensorView& keypoints,
                         const TensorView& visibility, const char* keypoints_name,
                         const char* visibility_name) {
    joints.keypoints = with_people(keypoints, 4);
    joints.visibility = with_people(visibility, 3);
    const int64_t* shape = joints.keypoints.shape;
    const bool right = joints.keypoints.rank == 4 && shape[3] == 2;
    POSEOPS_CHECK(right, keypoints_name, "(B, K, 2) or (B, N, K, 2)", shape_text(keypoints));
    check_dtype(keypoints, keypoints_name,
                {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    const bool fits = visibility.rank == keypoints.rank - 1 && joints.visibility.shape[0] == shape[0] &&
                      joints.visibility.shape[1] == shape[1] && joints.visibility.shape[2] == shape[2];
    POSEOPS_CHECK(fits, visibility_name,
                  "the shape of " + std::string(keypoints_name) + " " + shape_text(keypoints) +
                      " without its last dimension",
                  shape_text(visibility));
    check_same_device(visibility, visibility_name, keypoints, keypoints_name);
}

void set_gaussian_sigma(GaussianJointTensors& joints, const std::optional<ImportedTensor>& sigma,
                        double sigma_px) {
    joints.sigma_px = sigma_px;
    if (!sigma) {
        POSEOPS_CHECK(sigma_px > 0.0 && sigma_px - sigma_px == 0.0, "sigma", "a finite number above 0",
                      std::to_string(sigma_px));
        return;
    }
    joints.sigma = sigma->view();
    check_shape(joints.sigma, "sigma", {joints.keypoints.shape[2]}, "a number or one per joint");
    check_dtype(joints.sigma, "sigma", {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(joints.sigma, "sigma", joints.keypoints, "keypoints");
}

void set_gaussian_maps(GaussianJointTensors& joints, const TensorView& maps, const char* name) {
    check_shape(maps, name, {joints.keypoints.shape[0], joints.keypoints.shape[2], kAnySize, kAnySize},
                "(B, K, H, W)");
    check_dtype(maps, name, {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(maps, name, joints.keypoints, "keypoints");
    joints.map_height = maps.shape[2];
    joints.map_width = maps.shape[3];
    const bool usable = joints.map_height > 0 && joints.map_width > 0 && joints.map_height < kMaxMapSize &&
                        joints.map_width < kMaxMapSize &&
                        joints.map_height * joints.map_width < (int64_t{1} << 31);
    POSEOPS_CHECK(usable, "size", "a height and width of at least 1 and fewer than 2^31 pixels",
                  "(" + std::to_string(joints.map_height) + ", " + std::to_string(joints.map_width) + ")");
}

}  // namespace pyposeops
