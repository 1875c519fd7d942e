// Checks the arguments of crop_images and picks the device.
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "bindings/tensor_import.h"
#include "core/check.h"
#include "core/huge_pages.h"
#include "ops/crop_images/crop_images.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr int64_t kMaxImageSize = int64_t{1} << 30;  // as far as fixed-point positions reach

// The images as the operator reads them, and what keeps them alive.
struct Images {
    std::vector<ImportedTensor> tensors;
    std::vector<ImageView> views;
    int64_t count = 0;
    int64_t stack_stride = 0;
    bool is_stack = false;
};

void add_image(Images& images, py::handle object, const std::string& name, bool may_be_stack) {
    const TensorView& given = images.tensors.emplace_back(object, name.c_str()).view();
    images.is_stack = may_be_stack && given.rank == 4;
    const int32_t first = images.is_stack ? 1 : 0;  // the dimension of H
    POSEOPS_CHECK((given.rank == 3 || images.is_stack) && given.shape[first + 2] == 3, name.c_str(),
                  std::string(may_be_stack ? "(H, W, 3) or (M, H, W, 3)" : "(H, W, 3)") +
                      ", of (3, H, W) the .permute(1, 2, 0)",
                  shape_text(given));
    check_dtype(given, name.c_str(), {DType::kUInt8});
    check_same_device(given, name.c_str(), images.tensors[0].view(), "images[0]");
    const int64_t height = given.shape[first];
    const int64_t width = given.shape[first + 1];
    POSEOPS_CHECK(height >= 1 && height < kMaxImageSize && width >= 1 && width < kMaxImageSize, name.c_str(),
                  "a height and width from 1 to 2^30 - 1", shape_text(given));
    const int64_t* strides = given.strides + first;
    images.views.push_back({given.as<uint8_t>(), strides[0], strides[1], strides[2],
                            static_cast<int32_t>(height), static_cast<int32_t>(width)});
    images.count += images.is_stack ? given.shape[0] : 1;
    images.stack_stride = images.is_stack ? given.strides[0] : 0;
}

Images import_images(const py::list& list) {
    Images images;
    images.tensors.reserve(list.size());
    images.views.reserve(list.size());
    const bool alone = list.size() == 1;
    for (size_t i = 0; i < list.size(); ++i) {
        add_image(images, list[i], alone ? "images" : "images[" + std::to_string(i) + "]", alone);
    }
    POSEOPS_CHECK(images.count > 0, "images", "at least one image", "none");
    return images;
}

// An arena's images, of which the CPU sees every one; CUDA looks them up.
void set_arena(CropImagesArgs& args, Images& images, const std::optional<ImportedTensor>& offsets,
               const std::optional<ImportedTensor>& sizes) {
    const TensorView& pixels = images.tensors[0].view();
    const TensorView& starts = offsets->view();
    const TensorView& extents = sizes->view();
    check_shape(pixels, "images.pixels", {kAnySize}, "(bytes,)");
    check_dtype(pixels, "images.pixels", {DType::kUInt8});
    POSEOPS_CHECK(pixels.is_contiguous(), "images.pixels", "contiguous memory", "other strides");
    check_shape(starts, "images.offsets", {kAnySize}, "(M,)");
    check_dtype(starts, "images.offsets", {DType::kInt64});
    check_same_device(starts, "images.offsets", pixels, "images.pixels");
    check_shape(extents, "images.sizes", {starts.shape[0], 2}, "(M, 2), one per offset");
    check_dtype(extents, "images.sizes", {DType::kInt64});
    check_same_device(extents, "images.sizes", pixels, "images.pixels");
    POSEOPS_CHECK(starts.shape[0] > 0, "images", "at least one image", "none");
    args.arena = {pixels.as<uint8_t>(),  pixels.shape[0],   starts.as<int64_t>(),
                  extents.as<int64_t>(), starts.strides[0], {extents.strides[0], extents.strides[1]}};
    images.count = starts.shape[0];
    if (pixels.device.type != DeviceType::kCpu) return;
    for (int64_t i = 0; i < images.count; ++i) {
        POSEOPS_CHECK(
            is_in_arena(args.arena, i), "images",
            "a height and width from 1 to 2^30 - 1 and an offset that keep every image within the " +
                std::to_string(args.arena.bytes) + " bytes",
            "image " + std::to_string(i) + " of (" + std::to_string(args.arena.height(i)) + ", " +
                std::to_string(args.arena.width(i)) + ") at " + std::to_string(args.arena.offset(i)));
        images.views.push_back(image_in_arena(args.arena, i));
    }
}

Normalisation normalisation_from(const std::vector<double>& mean, const std::vector<double>& std) {
    POSEOPS_CHECK(mean.size() == 3, "mean", "three numbers", std::to_string(mean.size()));
    POSEOPS_CHECK(std.size() == 3, "std", "three numbers", std::to_string(std.size()));
    Normalisation normalisation = {};
    for (size_t c = 0; c < 3; ++c) {
        POSEOPS_CHECK(std::isfinite(mean[c]), "mean", "finite numbers", std::to_string(mean[c]));
        POSEOPS_CHECK(std::isfinite(std[c]) && std[c] > 0.0, "std", "finite numbers above 0",
                      std::to_string(std[c]));
        normalisation.mean[c] = mean[c];
        normalisation.inverse_std[c] = 1.0 / std[c];
    }
    return normalisation;
}

void set_crops(CropImagesArgs& args, const TensorView& crops) {
    args.crops = crops;
    check_shape(crops, "out", {args.affines.shape[0], 3, kAnySize, kAnySize}, "(N, 3, h, w), one per affine");
    check_dtype(crops, "out", {DType::kFloat32, DType::kFloat16, DType::kBFloat16});
    check_same_device(crops, "out", args.affines, "boxes_or_affines");
    const int64_t height = crops.shape[2];
    const int64_t width = crops.shape[3];
    const int64_t limit = int64_t{1} << 31;
    POSEOPS_CHECK(height >= 1 && width >= 1 && height < limit && width < limit && height * width < limit,
                  "size", "a height and width of at least 1 and fewer than 2^31 pixels",
                  "(" + std::to_string(height) + ", " + std::to_string(width) + ")");
    POSEOPS_CHECK(crops.is_contiguous() || crops.is_channels_last(), "out",
                  "dense NCHW or channels_last memory", "other strides");
}

// Gain or bias: (N,) or (N, 3).
TensorView check_jitter(const std::optional<ImportedTensor>& jitter, const char* name,
                        const TensorView& affines) {
    if (!jitter) return {};
    const TensorView& view = jitter->view();
    const int64_t count = affines.shape[0];
    const bool fits = (view.rank == 1 || (view.rank == 2 && view.shape[1] == 3)) && view.shape[0] == count;
    POSEOPS_CHECK(fits, name, "(N,) or (N, 3) with N = " + std::to_string(count), shape_text(view));
    check_dtype(view, name, {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(view, name, affines, "boxes_or_affines");
    return view;
}

// On CUDA the values stay unseen: crop_images.h says what becomes of wrong ones.
void set_image_index(CropImagesArgs& args, const std::optional<ImportedTensor>& index) {
    const int64_t count = args.affines.shape[0];
    if (!index) {
        POSEOPS_CHECK(args.image_count == 1 || args.image_count == count, "image_index",
                      "an image for each of " + std::to_string(count) + " crops from " +
                          std::to_string(args.image_count) + " images",
                      "None");
        return;
    }
    args.image_index = index->view();
    check_shape(args.image_index, "image_index", {count}, "(N,), one per crop");
    check_dtype(args.image_index, "image_index", {DType::kInt32, DType::kInt64});
    check_same_device(args.image_index, "image_index", args.affines, "boxes_or_affines");
    if (args.image_index.device.type != DeviceType::kCpu) return;
    for (int64_t n = 0; n < count; ++n) {
        const int64_t image = load_image_index(args, n);
        POSEOPS_CHECK(image >= 0 && image < args.image_count, "image_index",
                      "values from 0 to " + std::to_string(args.image_count - 1),
                      std::to_string(image) + " for crop " + std::to_string(n));
    }
}

int64_t bytes_per_element(DType dtype) {
    switch (dtype) {
        case DType::kFloat64:
        case DType::kInt64:
            return 8;
        case DType::kFloat32:
        case DType::kInt32:
            return 4;
        case DType::kFloat16:
        case DType::kBFloat16:
            return 2;
        case DType::kUInt8:
        case DType::kBool:
            return 1;
    }
    return 1;
}

// Whether the memory between two tensors' first and last elements has a byte in common.
bool overlap(const TensorView& a, const TensorView& b) {
    uintptr_t begin[2];
    uintptr_t end[2];
    const TensorView* both[] = {&a, &b};
    for (int i = 0; i < 2; ++i) {
        const int64_t size = bytes_per_element(both[i]->dtype);
        begin[i] = reinterpret_cast<uintptr_t>(both[i]->data);
        end[i] = begin[i] + static_cast<uintptr_t>(size);
        for (int32_t d = 0; d < both[i]->rank; ++d) {
            const int64_t reach = (both[i]->shape[d] - 1) * both[i]->strides[d] * size;
            (reach < 0 ? begin : end)[i] += static_cast<uintptr_t>(reach);
        }
    }
    return begin[0] < end[1] && begin[1] < end[0];
}

void forward(const py::list& images, py::handle affines, py::handle out, py::handle image_index,
             py::handle gain, py::handle bias, bool reverse_channels, bool round_uint8, double border_value,
             const std::vector<double>& mean, const std::vector<double>& std, int border, bool antialias,
             py::handle arena_offsets, py::handle arena_sizes) {
    const std::optional<ImportedTensor> offsets = import_optional(arena_offsets, "images.offsets");
    const std::optional<ImportedTensor> sizes = import_optional(arena_sizes, "images.sizes");
    POSEOPS_CHECK(offsets.has_value() == sizes.has_value(), "images", "offsets and sizes together",
                  "one of them");
    POSEOPS_CHECK(!offsets || images.size() == 1, "images", "one buffer", std::to_string(images.size()));
    POSEOPS_CHECK(border >= 0 && border <= 2, "border", "a code from 0 to 2", std::to_string(border));
    CropImagesArgs args = {};
    Images sources;
    if (offsets) {
        sources.tensors.emplace_back(images[0], "images.pixels");
        set_arena(args, sources, offsets, sizes);
    } else {
        sources = import_images(images);
    }
    const ImportedTensor maps(affines, "boxes_or_affines");
    const ImportedTensor crops(out, "out", Access::kWrite);
    const std::optional<ImportedTensor> index = import_optional(image_index, "image_index");
    const std::optional<ImportedTensor> gains = import_optional(gain, "gain");
    const std::optional<ImportedTensor> biases = import_optional(bias, "bias");
    args.images = sources.views.data();
    args.image_count = sources.count;
    args.stack_stride = sources.stack_stride;
    args.is_stack = sources.is_stack;
    args.affines = maps.view();
    const bool perspective = args.affines.rank == 3 && args.affines.shape[1] == 3;
    check_shape(args.affines, "boxes_or_affines", {kAnySize, perspective ? 3 : 2, 3},
                "(N, 4), (N, 2, 3) or (N, 3, 3)");
    check_dtype(args.affines, "boxes_or_affines", {DType::kFloat32, DType::kFloat64});
    check_same_device(args.affines, "boxes_or_affines", sources.tensors[0].view(), "images");
    args.normalisation = normalisation_from(mean, std);
    POSEOPS_CHECK(border_value >= 0.0 && border_value <= 255.0, "border_value", "0 to 255",
                  std::to_string(border_value));
    args.border_value = static_cast<float>(border_value);
    args.round_uint8 = round_uint8;
    args.reverse_channels = reverse_channels;
    args.border = static_cast<BorderMode>(border);
    args.antialias = antialias;
    args.gain = check_jitter(gains, "gain", args.affines);
    args.bias = check_jitter(biases, "bias", args.affines);
    set_crops(args, crops.view());
    set_image_index(args, index);
    if (args.crops.numel() == 0) return;
    for (const ImportedTensor& image : sources.tensors) {
        POSEOPS_CHECK(!overlap(args.crops, image.view()), "out", "memory of its own", "memory of an image");
    }
    POSEOPS_CHECK(!overlap(args.crops, args.affines), "out", "memory of its own", "memory of the affines");
    if (args.crops.device.type == DeviceType::kCpu) {
        advise_huge_pages(args.crops.data, args.crops.numel() * bytes_per_element(args.crops.dtype));
    }
    if (is_general(args)) {
        run_on_device(args.crops.device, args, &crop_images_general_cpu, &crop_images_general_cuda);
    } else {
        run_on_device(args.crops.device, args, &crop_images_cpu, &crop_images_cuda);
    }
}

}  // namespace

void bind_crop_images(py::module_& module) {
    module.def("crop_images", &forward, py::arg("images"), py::arg("affines"), py::arg("out"),
               py::arg("image_index"), py::arg("gain"), py::arg("bias"), py::arg("reverse_channels"),
               py::arg("round_uint8"), py::arg("border_value"), py::arg("mean"), py::arg("std"),
               py::arg("border") = 0, py::arg("antialias") = false, py::arg("arena_offsets") = py::none(),
               py::arg("arena_sizes") = py::none());
}

}  // namespace pyposeops
