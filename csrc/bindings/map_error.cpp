#include "bindings/map_error.h"

#include "core/check.h"

namespace pyposeops {

MapErrorArgs map_error_args(const TensorView& pred, const TensorView& losses,
                            const std::optional<ImportedTensor>& gradient, bool squared_weight,
                            double loss_scale, double gradient_scale) {
    check_shape(pred, "pred", {kAnySize, kAnySize, kAnySize, kAnySize}, "(B, K, H, W)");
    check_dtype(pred, "pred", {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    const bool pixels =
        pred.shape[2] > 0 && pred.shape[3] > 0 && pred.shape[2] * pred.shape[3] < (int64_t{1} << 31);
    POSEOPS_CHECK(pixels, "pred", "at least 1 and fewer than 2^31 pixels a map", shape_text(pred));
    check_shape(losses, "losses", {pred.shape[0], pred.shape[1], kAnySize}, "(B, K, S)");
    check_dtype(losses, "losses", {pred.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(losses, "losses", pred, "pred");
    POSEOPS_CHECK(losses.is_contiguous() && losses.shape[2] > 0, "losses",
                  "contiguous memory, S of at least 1", shape_text(losses));
    MapErrorArgs args = {pred, {}, losses, squared_weight, loss_scale, gradient_scale};
    if (gradient) {
        args.gradient = gradient->view();
        check_shape(args.gradient, "gradient", {pred.shape[0], pred.shape[1], pred.shape[2], pred.shape[3]},
                    "the shape of pred");
        check_dtype(args.gradient, "gradient", {pred.dtype});
        check_same_device(args.gradient, "gradient", pred, "pred");
    }
    return args;
}

TensorView joint_weights(const std::optional<ImportedTensor>& weights, const TensorView& pred) {
    if (!weights) return {};
    check_shape(weights->view(), "weights", {pred.shape[0], pred.shape[1]}, "(B, K)");
    check_same_device(weights->view(), "weights", pred, "pred");
    return weights->view();
}

StoredTarget stored_target(const TensorView& target, const std::optional<ImportedTensor>& weights,
                           const TensorView& pred) {
    check_shape(target, "target", {pred.shape[0], pred.shape[1], pred.shape[2], pred.shape[3]},
                "the shape of pred");
    check_dtype(target, "target", {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(target, "target", pred, "pred");
    return {target, joint_weights(weights, pred)};
}

}  // namespace pyposeops
