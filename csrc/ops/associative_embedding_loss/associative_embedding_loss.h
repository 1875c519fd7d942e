// associative_embedding_loss: pulls the tags of a person's joints together, pushes the mean tags of people apart.
//
// tags       (B, K, H, W) any floating dtype, any strides
// keypoints  (B, N, K, 2) any floating dtype, (x, y) in pixels of the tag maps
// visibility (B, N, K)    any dtype; below 0.5 or NaN, or off the map or not finite, the joint does not count
// pull, push (B,)         output, contiguous, compute dtype of the tags
//
// People without a joint that counts do not count. Formulas: associative_embedding_loss_math.h.
//
// associative_embedding_loss_backward: grad_pull, grad_push (B,), any strides, compute dtype of the tags; grad_tags of the
// shape and dtype of the tags, any strides, zero when handed in: the gradient is written where joints are. Joints of
// several people on one pixel are added up in the order of the people.
#pragma once

#include "core/convert.h"
#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"
#include "ops/associative_embedding_loss/associative_embedding_loss_math.h"

namespace pyposeops {

struct AssociativeEmbeddingLossArgs {
    TensorView tags;
    TensorView keypoints;
    TensorView visibility;
    EmbeddingConvention convention;
    TensorView pull;
    TensorView push;
};

struct AssociativeEmbeddingLossBackwardArgs {
    AssociativeEmbeddingLossArgs forward;  // its pull and push are not used
    TensorView grad_pull;
    TensorView grad_push;
    TensorView grad_tags;
};

// Where the tag of a joint lies; y < 0: the joint does not count.
struct TagPlace {
    int32_t y;
    int32_t x;

    POSEOPS_HD bool counts() const { return y >= 0; }
    POSEOPS_HD int64_t offset(const TensorView& maps, int64_t b, int64_t k) const {
        return b * maps.strides[0] + k * maps.strides[1] + y * maps.strides[2] + x * maps.strides[3];
    }
};

POSEOPS_HD TagPlace tag_place(const AssociativeEmbeddingLossArgs& args, int64_t b, int64_t n, int64_t k) {
    const TensorView& points = args.keypoints;
    const TensorView& seen = args.visibility;
    const int64_t seen_at = b * seen.strides[0] + n * seen.strides[1] + k * seen.strides[2];
    const int64_t at = b * points.strides[0] + n * points.strides[1] + k * points.strides[2];
    const double x = tag_pixel(load_any<double>(points.data, points.dtype, at), args.convention);
    const double y =
        tag_pixel(load_any<double>(points.data, points.dtype, at + points.strides[3]), args.convention);
    const double visible = load_any<double>(seen.data, seen.dtype, seen_at);
    const bool on_map = x >= 0.0 && x < static_cast<double>(args.tags.shape[3]) && y >= 0.0 &&
                        y < static_cast<double>(args.tags.shape[2]);
    if (!on_map || !(visible >= 0.5)) return {-1, -1};
    return {static_cast<int32_t>(y), static_cast<int32_t>(x)};
}

POSEOPS_CPU_OPERATOR(associative_embedding_loss, AssociativeEmbeddingLossArgs)
POSEOPS_CPU_OPERATOR(associative_embedding_loss_backward, AssociativeEmbeddingLossBackwardArgs)
POSEOPS_CUDA_OPERATOR(associative_embedding_loss, AssociativeEmbeddingLossArgs)
POSEOPS_CUDA_OPERATOR(associative_embedding_loss_backward, AssociativeEmbeddingLossBackwardArgs)

}  // namespace pyposeops
