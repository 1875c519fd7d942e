// Checks the arguments of associative_embedding_loss and picks the device.
#include <string>

#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/associative_embedding_loss/associative_embedding_loss.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr std::initializer_list<DType> kFloats = {DType::kFloat32, DType::kFloat64, DType::kFloat16,
                                                  DType::kBFloat16};

AssociativeEmbeddingLossArgs checked(const TensorView& tags, const TensorView& keypoints,
                                     const TensorView& visibility, int convention) {
    check_shape(tags, "tags", {kAnySize, kAnySize, kAnySize, kAnySize}, "(B, K, H, W)");
    check_dtype(tags, "tags", kFloats);
    const bool indexable = tags.shape[2] * tags.shape[3] < (int64_t{1} << 31);
    POSEOPS_CHECK(indexable, "tags", "fewer than 2^31 pixels a map", shape_text(tags));
    check_shape(keypoints, "keypoints", {tags.shape[0], kAnySize, tags.shape[1], 2},
                "(B, N, K, 2) with the B and K of tags");
    check_dtype(keypoints, "keypoints", kFloats);
    check_shape(visibility, "visibility", {keypoints.shape[0], keypoints.shape[1], keypoints.shape[2]},
                "(B, N, K) as keypoints");
    check_same_device(keypoints, "keypoints", tags, "tags");
    check_same_device(visibility, "visibility", tags, "tags");
    POSEOPS_CHECK(convention >= 0 && convention <= static_cast<int>(EmbeddingConvention::kHigherHrnet),
                  "compat", "0, 1 or 2", std::to_string(convention));
    return {tags, keypoints, visibility, static_cast<EmbeddingConvention>(convention), {}, {}};
}

// A (B,) tensor in the compute dtype of the tags.
TensorView per_image(const ImportedTensor& tensor, const char* name, const TensorView& tags) {
    check_shape(tensor.view(), name, {tags.shape[0]}, "(B,)");
    check_dtype(tensor.view(), name, {tags.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(tensor.view(), name, tags, "tags");
    return tensor.view();
}

void forward(py::handle tags, py::handle keypoints, py::handle visibility, int convention, py::handle pull,
             py::handle push) {
    const ImportedTensor maps(tags, "tags");
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const ImportedTensor pulls(pull, "pull", Access::kWrite);
    const ImportedTensor pushes(push, "push", Access::kWrite);
    AssociativeEmbeddingLossArgs args = checked(maps.view(), points.view(), seen.view(), convention);
    args.pull = per_image(pulls, "pull", args.tags);
    args.push = per_image(pushes, "push", args.tags);
    POSEOPS_CHECK(pulls->is_contiguous() && pushes->is_contiguous(), "pull, push", "contiguous memory",
                  "other strides");
    if (args.tags.shape[0] == 0) return;
    run_on_device(args.tags.device, args, &associative_embedding_loss_cpu, &associative_embedding_loss_cuda);
}

void backward(py::handle tags, py::handle keypoints, py::handle visibility, int convention,
              py::handle grad_pull, py::handle grad_push, py::handle grad_tags) {
    const ImportedTensor maps(tags, "tags");
    const ImportedTensor points(keypoints, "keypoints");
    const ImportedTensor seen(visibility, "visibility");
    const ImportedTensor to_pull(grad_pull, "grad_pull");
    const ImportedTensor to_push(grad_push, "grad_push");
    const ImportedTensor to_tags(grad_tags, "grad_tags", Access::kWrite);
    AssociativeEmbeddingLossBackwardArgs args = {};
    args.forward = checked(maps.view(), points.view(), seen.view(), convention);
    const TensorView& forward_tags = args.forward.tags;
    args.grad_pull = per_image(to_pull, "grad_pull", forward_tags);
    args.grad_push = per_image(to_push, "grad_push", forward_tags);
    args.grad_tags = to_tags.view();
    const int64_t* shape = forward_tags.shape;
    check_shape(args.grad_tags, "grad_tags", {shape[0], shape[1], shape[2], shape[3]}, "the shape of tags");
    check_dtype(args.grad_tags, "grad_tags", {forward_tags.dtype});
    check_same_device(args.grad_tags, "grad_tags", forward_tags, "tags");
    if (forward_tags.numel() == 0) return;
    run_on_device(forward_tags.device, args, &associative_embedding_loss_backward_cpu,
                  &associative_embedding_loss_backward_cuda);
}

}  // namespace

void bind_associative_embedding_loss(py::module_& module) {
    module.def("associative_embedding_loss", &forward);
    module.def("associative_embedding_loss_backward", &backward);
}

}  // namespace pyposeops
