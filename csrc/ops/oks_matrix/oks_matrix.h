// oks_matrix: the object keypoint similarity of every detection with every ground truth of its image.
//
// detections        (B, D, K, 2) any floating dtype, any strides; ragged (1, M, K, 2): M detections of all images
// truths            (B, G, K, 2) any floating dtype, any strides; ragged (1, N, K, 2)
// sigmas            (K,) any floating dtype, above 0
// areas             (B, G) any dtype, of the ground truths; without data: the box's area times box_factor
// visibility        (B, G, K) any dtype; a joint counts above 0; without data all count
// boxes             (B, G, 4) any floating dtype, (x, y, width, height); without data where nobody asks for them
// detection_areas   (B, D) any dtype: the scale is the mean of both areas; without data it is the ground truth's
// detection_scores  (B, D, K) any dtype: a joint counts only above score_threshold; without data all count
// layout            (3, B + 1) int64, contiguous: the first detection, ground truth and pair of each image; without data
//                   where padded
// box_rule          a ground truth without a joint that counts is compared by its box, all joints counting; else, and
//                   where no joint is left, the similarity is 0
// similarities      output, contiguous, compute dtype of the detections: (B, D, G) or, ragged, (P,), each image (D_b, G_b)
//
// oks_matrix_backward: grad of the shape of similarities, compute dtype, contiguous; grad_detections of the shape and
// dtype of the detections, contiguous: every element is written, the sum over the ground truths being gathered.
#pragma once

#include "core/convert.h"
#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"
#include "ops/oks_matrix/oks_matrix_math.h"

namespace pyposeops {

struct OksMatrixArgs {
    TensorView detections;
    TensorView truths;
    TensorView sigmas;
    TensorView areas;
    TensorView visibility;
    TensorView boxes;
    TensorView detection_areas;
    TensorView detection_scores;
    TensorView layout;
    double box_factor;
    double score_threshold;
    bool box_rule;
    TensorView similarities;

    POSEOPS_HD bool is_ragged() const { return layout.data != nullptr; }
    POSEOPS_HD int64_t joints() const { return detections.shape[2]; }
};

struct OksMatrixBackwardArgs {
    OksMatrixArgs forward;  // its similarities are the gradient in them, only read
    TensorView grad_detections;
};

// The people of one image: indices in the lists of the tensors, and where its pairs begin in the output.
struct OksImage {
    int64_t batch;  // first index of the tensors
    int64_t detection;
    int64_t detections;
    int64_t truth;
    int64_t truths;
    int64_t pair;
};

// The last of the rising `starts` that is at most `value`.
POSEOPS_HD int64_t last_start(const int64_t* starts, int64_t count, int64_t value) {
    int64_t low = 0;
    int64_t high = count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (starts[middle] <= value) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// Offsets that leave the lists are cut to them: on CUDA nobody has checked them.
POSEOPS_HD OksImage oks_image(const OksMatrixArgs& args, int64_t b) {
    const int64_t detections = args.detections.shape[1];
    const int64_t truths = args.truths.shape[1];
    if (!args.is_ragged()) return {b, 0, detections, 0, truths, b * detections * truths};
    const int64_t images = args.layout.shape[1] - 1;
    const int64_t* first = args.layout.as<const int64_t>() + b;
    const int64_t* next = first + images + 1;
    const int64_t detection = first[0] < 0 ? 0 : first[0];
    const int64_t truth = next[0] < 0 ? 0 : next[0];
    const int64_t detection_end = first[1] < detections ? first[1] : detections;
    const int64_t truth_end = next[1] < truths ? next[1] : truths;
    return {0, detection, detection_end - detection, truth, truth_end - truth, next[images + 1]};
}

// The image of a row: of the detections of all images, one after the other.
POSEOPS_HD int64_t oks_image_of_row(const OksMatrixArgs& args, int64_t row) {
    if (!args.is_ragged()) return row / args.detections.shape[1];
    return last_start(args.layout.as<const int64_t>(), args.layout.shape[1] - 1, row);
}

POSEOPS_HD int64_t oks_rows(const OksMatrixArgs& args) {
    return args.detections.shape[0] * args.detections.shape[1];
}

// Element (batch, index, ...) of one of the tensors.
template <class Real>
POSEOPS_HD Real oks_load(const TensorView& tensor, int64_t batch, int64_t index) {
    return load_any<Real>(tensor.data, tensor.dtype, batch * tensor.strides[0] + index * tensor.strides[1]);
}

template <class Real>
POSEOPS_HD Real oks_load(const TensorView& tensor, int64_t batch, int64_t index, int64_t k) {
    const int64_t at = batch * tensor.strides[0] + index * tensor.strides[1] + k * tensor.strides[2];
    return load_any<Real>(tensor.data, tensor.dtype, at);
}

template <class Real>
POSEOPS_HD Real oks_load(const TensorView& points, int64_t batch, int64_t index, int64_t k, int64_t axis) {
    const int64_t at = batch * points.strides[0] + index * points.strides[1] + k * points.strides[2];
    return load_any<Real>(points.data, points.dtype, at + axis * points.strides[3]);
}

POSEOPS_HD bool oks_labelled(const OksMatrixArgs& args, int64_t batch, int64_t truth, int64_t k) {
    return args.visibility.data == nullptr || oks_load<float>(args.visibility, batch, truth, k) > 0.0f;
}

POSEOPS_HD bool oks_confident(const OksMatrixArgs& args, int64_t batch, int64_t detection, int64_t k) {
    const TensorView& scores = args.detection_scores;
    if (scores.data == nullptr) return true;
    if (scores.dtype == DType::kFloat64) {
        return oks_load<double>(scores, batch, detection, k) > args.score_threshold;
    }
    return oks_load<float>(scores, batch, detection, k) > static_cast<float>(args.score_threshold);
}

template <class Real>
POSEOPS_HD Real oks_truth_scale(const OksMatrixArgs& args, int64_t batch, int64_t truth) {
    if (args.areas.data != nullptr) return oks_area(oks_load<Real>(args.areas, batch, truth));
    const Real width = oks_load<Real>(args.boxes, batch, truth, 2);
    const Real height = oks_load<Real>(args.boxes, batch, truth, 3);
    return oks_area(width * height * static_cast<Real>(args.box_factor));
}

template <class Real>
POSEOPS_HD OksPairArea<Real> oks_pair_area(const OksMatrixArgs& args, int64_t batch, int64_t detection) {
    if (args.detection_areas.data == nullptr) return oks_truth_area<Real>();
    return oks_mean_area(oks_area(oks_load<Real>(args.detection_areas, batch, detection)));
}

template <class Real>
POSEOPS_HD OksTarget<Real> oks_target(const OksMatrixArgs& args, int64_t batch, int64_t truth, int64_t k,
                                      bool in_box) {
    if (!in_box) {
        return oks_point(oks_load<Real>(args.truths, batch, truth, k, 0),
                         oks_load<Real>(args.truths, batch, truth, k, 1));
    }
    return oks_wide_box(
        oks_load<Real>(args.boxes, batch, truth, 0), oks_load<Real>(args.boxes, batch, truth, 1),
        oks_load<Real>(args.boxes, batch, truth, 2), oks_load<Real>(args.boxes, batch, truth, 3));
}

POSEOPS_CPU_OPERATOR(oks_matrix, OksMatrixArgs)
POSEOPS_CPU_OPERATOR(oks_matrix_backward, OksMatrixBackwardArgs)
POSEOPS_CUDA_OPERATOR(oks_matrix, OksMatrixArgs)
POSEOPS_CUDA_OPERATOR(oks_matrix_backward, OksMatrixBackwardArgs)

}  // namespace pyposeops
