// Checks the arguments of crop_features and picks the device.
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/crop_features/crop_features.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

// Either all features or all crops, which are then written.
struct Pyramid {
    std::vector<ImportedTensor> features;
    std::vector<ImportedTensor> crops;

    Pyramid(const py::list& feature_list, const char* features_name, Access features_access,
            const py::list& crop_list, const char* crops_name, Access crops_access) {
        import_all(features, feature_list, features_name, features_access);
        import_all(crops, crop_list, crops_name, crops_access);
    }

    static void import_all(std::vector<ImportedTensor>& tensors, const py::list& list, const char* name,
                           Access access) {
        tensors.reserve(list.size());
        for (const py::handle object : list) tensors.emplace_back(object, name, access);
    }
};

void check_level(const CropLevel& level, const char* features_name, const char* crops_name,
                 const TensorView& first, const TensorView& centers) {
    const TensorView& features = level.features;
    check_dtype(features, features_name,
                {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_shape(features, features_name, {centers.shape[0], kAnySize, kAnySize, kAnySize}, "(B, C, H, W)");
    check_dtype(features, features_name, {first.dtype});
    check_same_device(features, features_name, centers, "centers");
    check_shape(level.crops, crops_name,
                {centers.shape[0], centers.shape[1], features.shape[1], kAnySize, kAnySize},
                "(B, K, C, h, w)");
    check_dtype(level.crops, crops_name, {features.dtype});
    check_same_device(level.crops, crops_name, centers, "centers");
    for (const TensorView* tensor : {&features, &level.crops}) {
        POSEOPS_CHECK(
            tensor->shape[tensor->rank - 1] < kCropReach && tensor->shape[tensor->rank - 2] < kCropReach,
            tensor == &features ? features_name : "window", "fewer than 2^29 pixels on each axis",
            shape_text(*tensor));
    }
    POSEOPS_CHECK(level.crops.shape[3] >= 1 && level.crops.shape[4] >= 1, "window", "at least one pixel",
                  shape_text(level.crops));
}

void check_dense(const TensorView& tensor, const char* name) {
    POSEOPS_CHECK(tensor.is_contiguous() || has_channels_innermost(tensor), name,
                  "contiguous memory, or with the channels innermost", "other strides");
}

CropFeaturesArgs checked_args(const Pyramid& pyramid, const char* features_name, const char* crops_name,
                              const TensorView& centers, const std::vector<double>& scales, bool half_pixel,
                              bool bilinear) {
    CropFeaturesArgs args = {};
    const size_t count = pyramid.features.size();
    POSEOPS_CHECK(count >= 1 && count <= kMaxCropLevels, features_name,
                  "1 to " + std::to_string(kMaxCropLevels) + " levels", std::to_string(count));
    POSEOPS_CHECK(pyramid.crops.size() == count, crops_name, std::to_string(count) + " levels",
                  std::to_string(pyramid.crops.size()));
    POSEOPS_CHECK(scales.size() == 2 * count, "level_scale", "one per level", std::to_string(scales.size()));
    check_shape(centers, "centers", {kAnySize, kAnySize, 2}, "(B, K, 2)");
    check_dtype(
        centers, "centers",
        {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16, DType::kInt32, DType::kInt64});
    args.level_count = static_cast<int32_t>(count);
    args.centers = centers;
    args.half_pixel = half_pixel;
    args.bilinear = bilinear;
    for (size_t i = 0; i < count; ++i) {
        args.levels[i] = {pyramid.features[i].view(), pyramid.crops[i].view(), scales[2 * i],
                          scales[2 * i + 1]};
        check_level(args.levels[i], features_name, crops_name, pyramid.features[0].view(), centers);
    }
    return args;
}

void forward(const py::list& features, py::handle centers, const std::vector<double>& scales, bool half_pixel,
             bool bilinear, const py::list& crops) {
    const Pyramid pyramid(features, "features", Access::kRead, crops, "crops", Access::kWrite);
    const ImportedTensor points(centers, "centers");
    const CropFeaturesArgs args =
        checked_args(pyramid, "features", "crops", points.view(), scales, half_pixel, bilinear);
    for (int32_t i = 0; i < args.level_count; ++i) check_dense(args.levels[i].crops, "crops");
    run_on_device(args.centers.device, args, &crop_features_cpu, &crop_features_cuda);
}

void backward(const py::list& grad_crops, py::handle centers, const std::vector<double>& scales,
              bool half_pixel, bool bilinear, const py::list& grad_features) {
    const Pyramid pyramid(grad_features, "grad_features", Access::kWrite, grad_crops, "grad_crops",
                          Access::kRead);
    const ImportedTensor points(centers, "centers");
    const CropFeaturesArgs args =
        checked_args(pyramid, "grad_features", "grad_crops", points.view(), scales, half_pixel, bilinear);
    for (int32_t i = 0; i < args.level_count; ++i) check_dense(args.levels[i].features, "grad_features");
    run_on_device(args.centers.device, args, &crop_features_backward_cpu, &crop_features_backward_cuda);
}

void center_gradient(const py::list& features, const py::list& grad_crops, py::handle centers,
                     const std::vector<double>& scales, bool half_pixel, py::handle grad_centers) {
    const Pyramid pyramid(features, "features", Access::kRead, grad_crops, "grad_crops", Access::kRead);
    const ImportedTensor points(centers, "centers");
    const ImportedTensor to_centers(grad_centers, "grad_centers", Access::kWrite);
    CropCenterGradientArgs args = {};
    args.forward = checked_args(pyramid, "features", "grad_crops", points.view(), scales, half_pixel, true);
    args.grad_centers = to_centers.view();
    check_shape(args.grad_centers, "grad_centers", {points->shape[0], points->shape[1], 2}, "(B, K, 2)");
    check_dtype(args.grad_centers, "grad_centers",
                {pyramid.features[0]->dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(args.grad_centers, "grad_centers", args.forward.centers, "centers");
    POSEOPS_CHECK(to_centers->is_contiguous(), "grad_centers", "contiguous memory", "other strides");
    if (args.grad_centers.numel() == 0) return;
    run_on_device(args.forward.centers.device, args, &crop_features_center_gradient_cpu,
                  &crop_features_center_gradient_cuda);
}

}  // namespace

void bind_crop_features(py::module_& module) {
    module.def("crop_features", &forward);
    module.def("crop_features_backward", &backward);
    module.def("crop_features_center_gradient", &center_gradient);
}

}  // namespace pyposeops
