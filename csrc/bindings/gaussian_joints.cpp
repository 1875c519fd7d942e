#include "bindings/gaussian_joints.h"

#include <string>

#include "core/check.h"
#include "core/gaussian_factor.h"

namespace pyposeops {
namespace {

constexpr int64_t kMaxMapSize = int64_t{1} << 24;  // pixel positions stay exact in float

// OpenCV's tables for blurs of up to 9 taps, over the tap at the centre.
constexpr double kSmallBlurs[5][5] = {{1, 0, 0, 0, 0},
                                      {1, 0.5, 0, 0, 0},
                                      {1, 4 / 6., 1 / 6., 0, 0},
                                      {1, 7 / 9., 3.5 / 9., 1 / 9., 0},
                                      {1, 51 / 60., 0.5, 13 / 60., 4 / 60.}};

// Puts a dimension of size 1 and stride 0 at `at`.
TensorView with_dimension(TensorView view, int32_t at) {
    for (int32_t d = view.rank; d > at; --d) {
        view.shape[d] = view.shape[d - 1];
        view.strides[d] = view.strides[d - 1];
    }
    view.shape[at] = 1;
    view.strides[at] = 0;
    ++view.rank;
    return view;
}

// (B, K, ...) as (B, 1, K, ...), one person; or, ragged, (P, K, ...) as (1, P, K, ...).
TensorView with_people(const TensorView& view, int32_t full_rank, bool ragged) {
    if (view.rank != full_rank - 1 || view.rank < 1) return view;
    return with_dimension(view, ragged ? 0 : 1);
}

void check_offsets(const TensorView& offsets, const TensorView& keypoints, const char* name) {
    check_shape(offsets, name, {kAnySize}, "(B + 1,)");
    POSEOPS_CHECK(offsets.shape[0] > 0, name, "at least one element", "none");
    check_dtype(offsets, name, {DType::kInt64});
    check_same_device(offsets, name, keypoints, "keypoints");
    if (offsets.device.type != DeviceType::kCpu) return;  // reading them would stop the stream
    const auto* values = offsets.as<int64_t>();
    int64_t before = 0;
    for (int64_t i = 0; i < offsets.shape[0]; ++i) {
        const int64_t value = values[i * offsets.strides[0]];
        POSEOPS_CHECK(
            value >= before && value <= keypoints.shape[0], name,
            "numbers that do not fall, from 0 to the " + std::to_string(keypoints.shape[0]) + " people",
            std::to_string(value) + " at " + std::to_string(i));
        before = value;
    }
}

// The sigma tensor with the rank of the keypoints, and strides of 0 where it does not vary.
TensorView broadcast_sigma(TensorView sigma, const TensorView& keypoints) {
    if (sigma.rank == 1) {
        sigma.shape[1] = 1;
        sigma.strides[1] = 0;
        sigma.rank = 2;
    }
    while (sigma.rank < 4) sigma = with_dimension(sigma, 0);
    for (int32_t d = 0; d < 4; ++d) {
        if (sigma.shape[d] == 1) sigma.strides[d] = 0;
        sigma.shape[d] = keypoints.shape[d];
    }
    return sigma;
}

}  // namespace

GaussianForm gaussian_form(int encoding, int compat, int kernel_size, double stride_y, double stride_x) {
    POSEOPS_CHECK(encoding >= 0 && encoding <= static_cast<int>(GaussianEncoding::kNormalized), "encoding",
                  "0 .. 5", std::to_string(encoding));
    POSEOPS_CHECK(compat >= 0 && compat <= static_cast<int>(GaussianCompat::kLightningPose), "compat",
                  "0 .. 3", std::to_string(compat));
    GaussianForm form = {};
    form.encoding = static_cast<GaussianEncoding>(encoding);
    form.compat = static_cast<GaussianCompat>(compat);
    form.kernel_size = kernel_size;
    form.stride_x = stride_x;
    form.stride_y = stride_y;
    const bool blurred = form.encoding == GaussianEncoding::kMegvii;
    POSEOPS_CHECK(!blurred || (kernel_size > 0 && kernel_size % 2 == 1), "kernel_size",
                  "an odd number above 0", std::to_string(kernel_size));
    for (int i = 0; blurred && kernel_size <= 9 && i < 5; ++i) form.taps[i] = kSmallBlurs[kernel_size / 2][i];
    return form;
}

void set_gaussian_people(GaussianJointTensors& joints, const TensorView& keypoints,
                         const TensorView& visibility, const std::optional<ImportedTensor>& offsets,
                         const char* keypoints_name, const char* visibility_name, const char* offsets_name) {
    const bool ragged = offsets.has_value();
    joints.keypoints = with_people(keypoints, 4, ragged);
    joints.visibility = with_people(visibility, 3, ragged);
    const int64_t* shape = joints.keypoints.shape;
    const bool right = joints.keypoints.rank == 4 && shape[3] == 2 && (!ragged || keypoints.rank == 3);
    POSEOPS_CHECK(right, keypoints_name, ragged ? "(P, K, 2)" : "(B, K, 2) or (B, N, K, 2)",
                  shape_text(keypoints));
    check_dtype(keypoints, keypoints_name,
                {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    const bool fits = visibility.rank == keypoints.rank - 1 && joints.visibility.shape[0] == shape[0] &&
                      joints.visibility.shape[1] == shape[1] && joints.visibility.shape[2] == shape[2];
    POSEOPS_CHECK(fits, visibility_name,
                  "the shape of " + std::string(keypoints_name) + " " + shape_text(keypoints) +
                      " without its last dimension",
                  shape_text(visibility));
    check_same_device(visibility, visibility_name, keypoints, keypoints_name);
    if (!ragged) return;
    joints.offsets = offsets->view();
    check_offsets(joints.offsets, keypoints, offsets_name);
}

void set_gaussian_sigma(GaussianJointTensors& joints, const std::optional<ImportedTensor>& sigma,
                        double sigma_px) {
    if (joints.encoding == GaussianEncoding::kMegvii) {
        joints.sigma_px = blur_sigma(joints.kernel_size);
        return;
    }
    joints.sigma_px = sigma_px;
    if (!sigma) {
        POSEOPS_CHECK(sigma_px > 0.0 && sigma_px - sigma_px == 0.0, "sigma", "a finite number above 0",
                      std::to_string(sigma_px));
        return;
    }
    const TensorView& given = sigma->view();
    const int64_t* points = joints.keypoints.shape;
    const bool one_person = points[1] == 1 && joints.offsets.data == nullptr;
    const TensorView full = with_people(given, 4, joints.offsets.data != nullptr);
    const bool per_joint = given.rank == 1 && given.shape[0] == points[2];
    const bool per_axis =
        given.rank == 2 && (given.shape[0] == points[2] || given.shape[0] == 1) && given.shape[1] == 2;
    const bool per_person = (given.rank == 4 || one_person || joints.offsets.data != nullptr) &&
                            given.rank > 2 && full.rank == 4 && full.shape[0] == points[0] &&
                            full.shape[1] == points[1] && full.shape[2] == points[2] &&
                            (full.shape[3] == 1 || full.shape[3] == 2);
    POSEOPS_CHECK(per_joint || per_axis || per_person, "sigma",
                  "a number or one per joint (K,), (K, 2) for x and y, or the shape of keypoints with a last "
                  "dimension of 1 or 2",
                  shape_text(given));
    check_dtype(given, "sigma", {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(given, "sigma", joints.keypoints, "keypoints");
    joints.sigma = broadcast_sigma(per_person ? full : given, joints.keypoints);
}

void set_gaussian_maps(GaussianJointTensors& joints, const TensorView& maps, const char* name,
                       int64_t extra_maps) {
    const bool ragged = joints.offsets.data != nullptr;
    const int64_t batch = ragged ? joints.offsets.shape[0] - 1 : joints.keypoints.shape[0];
    check_shape(maps, name, {batch, joints.keypoints.shape[2] + extra_maps, kAnySize, kAnySize},
                extra_maps == 0 ? "(B, K, H, W)" : "(B, K + 1, H, W)");
    check_dtype(maps, name, {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(maps, name, joints.keypoints, "keypoints");
    joints.map_height = maps.shape[2];
    joints.map_width = maps.shape[3];
    const bool usable = joints.map_height > 0 && joints.map_width > 0 && joints.map_height < kMaxMapSize &&
                        joints.map_width < kMaxMapSize &&
                        joints.map_height * joints.map_width < (int64_t{1} << 31);
    POSEOPS_CHECK(usable, "size", "a height and width of at least 1 and fewer than 2^31 pixels",
                  "(" + std::to_string(joints.map_height) + ", " + std::to_string(joints.map_width) + ")");
    const int64_t shorter = joints.map_height < joints.map_width ? joints.map_height : joints.map_width;
    POSEOPS_CHECK(joints.encoding != GaussianEncoding::kMegvii || joints.kernel_size < 2 * shorter,
                  "kernel_size", "at most " + std::to_string(2 * shorter - 1) + " for this size",
                  std::to_string(joints.kernel_size));
}

}  // namespace pyposeops
