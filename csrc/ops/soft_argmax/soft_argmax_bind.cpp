// Checks the arguments of soft_argmax, sorts the axes of the maps and picks the device.
#include <algorithm>
#include <optional>
#include <string>

#include "bindings/tensor_import.h"
#include "core/check.h"
#include "core/huge_pages.h"
#include "ops/soft_argmax/soft_argmax.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr int64_t kMaxAxis = int64_t{1} << 24;  // pixel positions stay exact in float
constexpr const char* kMapShapes = "(B, K, W), (B, K, H, W) or (B, K, D, H, W)";

struct MapAxis {
    int64_t size;
    int64_t stride;
    int32_t coordinate;
    int32_t dim;  // -1: not there
};

// The axes x, y, z of the maps, slowest in memory first; axes of one pixel come before all others.
void sort_axes(const TensorView& maps, MapAxis (&axes)[3]) {
    for (int32_t coordinate = 0; coordinate < 3; ++coordinate) {
        const int32_t dim = maps.rank - 1 - coordinate;
        const bool there = dim >= 2;
        axes[2 - coordinate] = {there ? maps.shape[dim] : 1, there ? maps.strides[dim] : 0, coordinate,
                                there ? dim : -1};
    }
    std::stable_sort(axes, axes + 3, [](const MapAxis& a, const MapAxis& b) {
        if ((a.size == 1) != (b.size == 1)) return a.size == 1;
        return a.size > 1 && a.stride > b.stride;
    });
}

// `maps` as (B, K, slow, middle, fast).
TensorView with_sorted_axes(const TensorView& maps, const MapAxis (&axes)[3]) {
    TensorView sorted = maps;
    sorted.rank = 5;
    for (int a = 0; a < 3; ++a) {
        sorted.shape[2 + a] = axes[a].size;
        sorted.strides[2 + a] = axes[a].dim < 0 ? 0 : maps.strides[axes[a].dim];
    }
    return sorted;
}

void set_maps(SoftArgmaxArgs& args, const TensorView& maps, MapAxis (&axes)[3]) {
    POSEOPS_CHECK(maps.rank >= 3 && maps.rank <= 5, "heatmaps", kMapShapes, shape_text(maps));
    check_dtype(maps, "heatmaps", {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    int64_t pixels = 1;
    bool usable = true;
    for (int32_t d = 2; d < maps.rank; ++d) {
        usable = usable && maps.shape[d] > 0 && maps.shape[d] < kMaxAxis;
        pixels = usable && pixels < (int64_t{1} << 30) ? pixels * maps.shape[d] : pixels;
    }
    POSEOPS_CHECK(usable && pixels < (int64_t{1} << 30), "heatmaps",
                  std::string(kMapShapes) + " with at least 1 and fewer than 2^30 pixels in a map",
                  shape_text(maps));
    sort_axes(maps, axes);
    args.heatmaps = with_sorted_axes(maps, axes);
    for (int a = 0; a < 3; ++a) args.coordinate_of[a] = axes[a].coordinate;
}

void set_options(SoftArgmaxArgs& args, int weight, int grid, double beta) {
    POSEOPS_CHECK(weight >= 0 && weight <= static_cast<int>(SoftArgmaxWeight::kSum), "weight", "0, 1, 2 or 3",
                  std::to_string(weight));
    POSEOPS_CHECK(grid >= 0 && grid <= static_cast<int>(SoftArgmaxGrid::kCorners), "grid", "0, 1, 2, 3 or 4",
                  std::to_string(grid));
    POSEOPS_CHECK(beta > 0.0 && beta - beta == 0.0, "inverse_temperature", "a finite number above 0",
                  std::to_string(beta));
    args.weight = static_cast<SoftArgmaxWeight>(weight);
    args.grid = static_cast<SoftArgmaxGrid>(grid);
    args.beta = beta;
}

// A small tensor with one entry of the given shape per map, of the compute dtype of the maps.
TensorView per_map(const SoftArgmaxArgs& args, const TensorView& tensor, const char* name,
                   std::initializer_list<int64_t> sizes, const char* wanted) {
    check_shape(tensor, name, sizes, wanted);
    check_dtype(tensor, name, {args.heatmaps.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(tensor, name, args.heatmaps, "heatmaps");
    POSEOPS_CHECK(tensor.is_contiguous(), name, "contiguous memory", "other strides");
    return tensor;
}

std::optional<ImportedTensor> import_optional(py::handle object, const char* name, Access access) {
    if (object.is_none()) return std::nullopt;
    return ImportedTensor(object, name, access);
}

void forward(py::handle heatmaps, int weight, double beta, int grid, py::handle coords, py::handle confidence,
             py::handle covariance, py::handle normalizer) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor centre(coords, "coords", Access::kWrite);
    const ImportedTensor sure(confidence, "confidence", Access::kWrite);
    const std::optional<ImportedTensor> spread = import_optional(covariance, "covariance", Access::kWrite);
    const std::optional<ImportedTensor> scale = import_optional(normalizer, "normalizer", Access::kWrite);
    SoftArgmaxArgs args = {};
    MapAxis axes[3];
    set_maps(args, maps.view(), axes);
    set_options(args, weight, grid, beta);
    const int64_t batch = maps->shape[0];
    const int64_t joints = maps->shape[1];
    const int64_t n = maps->rank - 2;
    args.coords = per_map(args, centre.view(), "coords", {batch, joints, n}, "(B, K, n)");
    args.confidence = per_map(args, sure.view(), "confidence", {batch, joints}, "(B, K)");
    if (scale) args.normalizer = per_map(args, scale->view(), "normalizer", {batch, joints, 2}, "(B, K, 2)");
    if (spread) {
        args.covariance = per_map(args, spread->view(), "covariance", {batch, joints, n, n}, "(B, K, n, n)");
    }
    if (args.confidence.numel() == 0) return;
    run_on_device(maps->device, args, &soft_argmax_cpu, &soft_argmax_cuda);
}

void backward(py::handle heatmaps, py::handle coords, py::handle covariance, py::handle normalizer,
              py::handle grad_coords, py::handle grad_covariance, int weight, double beta, int grid,
              py::handle grad_heatmaps) {
    const ImportedTensor maps(heatmaps, "heatmaps");
    const ImportedTensor centre(coords, "coords");
    const std::optional<ImportedTensor> spread = import_optional(covariance, "covariance", Access::kRead);
    const ImportedTensor scale(normalizer, "normalizer");
    const std::optional<ImportedTensor> to_centre =
        import_optional(grad_coords, "grad_coords", Access::kRead);
    const std::optional<ImportedTensor> to_spread =
        import_optional(grad_covariance, "grad_covariance", Access::kRead);
    const ImportedTensor target(grad_heatmaps, "grad_heatmaps", Access::kWrite);
    SoftArgmaxBackwardArgs args = {};
    MapAxis axes[3];
    set_maps(args.forward, maps.view(), axes);
    set_options(args.forward, weight, grid, beta);
    const int64_t batch = maps->shape[0];
    const int64_t joints = maps->shape[1];
    const int64_t n = maps->rank - 2;
    args.forward.coords = per_map(args.forward, centre.view(), "coords", {batch, joints, n}, "(B, K, n)");
    args.forward.normalizer =
        per_map(args.forward, scale.view(), "normalizer", {batch, joints, 2}, "(B, K, 2)");
    if (to_centre) {
        args.grad_coords =
            per_map(args.forward, to_centre->view(), "grad_coords", {batch, joints, n}, "(B, K, n)");
    }
    if (to_spread) {
        POSEOPS_CHECK(spread.has_value(), "covariance", "(B, K, n, n) with grad_covariance", "none");
        args.forward.covariance =
            per_map(args.forward, spread->view(), "covariance", {batch, joints, n, n}, "(B, K, n, n)");
        args.grad_covariance = per_map(args.forward, to_spread->view(), "grad_covariance",
                                       {batch, joints, n, n}, "(B, K, n, n)");
    }
    bool same_shape = target->rank == maps->rank;
    for (int32_t d = 0; same_shape && d < maps->rank; ++d) same_shape = target->shape[d] == maps->shape[d];
    POSEOPS_CHECK(same_shape, "grad_heatmaps", "the shape of heatmaps " + shape_text(maps.view()),
                  shape_text(target.view()));
    check_dtype(target.view(), "grad_heatmaps", {maps->dtype});
    check_same_device(target.view(), "grad_heatmaps", maps.view(), "heatmaps");
    args.grad_heatmaps = with_sorted_axes(target.view(), axes);
    if (target->numel() == 0) return;
    if (target->device.type == DeviceType::kCpu) {
        visit_floating(target->dtype, [&](auto tag) {
            advise_huge_pages(target->data, target->numel() * sizeof(typename decltype(tag)::type));
        });
    }
    run_on_device(maps->device, args, &soft_argmax_backward_cpu, &soft_argmax_backward_cuda);
}

}  // namespace

void bind_soft_argmax(py::module_& module) {
    module.def("soft_argmax", &forward);
    module.def("soft_argmax_backward", &backward);
}

}  // namespace pyposeops
