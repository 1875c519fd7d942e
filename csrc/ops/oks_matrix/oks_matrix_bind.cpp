// Checks the arguments of oks_matrix and picks the device.
#include <string>

#include "bindings/people.h"
#include "bindings/tensor_import.h"
#include "core/check.h"
#include "ops/oks_matrix/oks_matrix.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

constexpr std::initializer_list<DType> kFloats = {DType::kFloat32, DType::kFloat64, DType::kFloat16,
                                                  DType::kBFloat16};

void check_people(const TensorView& people, const char* name, bool ragged, const TensorView& detections) {
    const char* const wanted = ragged ? "(M, K, 2) with offsets and the K of detections"
                                      : "(B, N, K, 2) with the B and K of detections";
    const int32_t rank = ragged ? 3 : 4;
    bool fits = people.rank == rank && people.shape[rank - 1] == 2 &&
                people.shape[rank - 2] == detections.shape[detections.rank - 2];
    if (fits && !ragged) fits = people.shape[0] == detections.shape[0];
    POSEOPS_CHECK(fits, name, wanted, shape_text(people));
    check_dtype(people, name, kFloats);
    check_same_device(people, name, detections, "detections");
}

// A tensor that has the first `rank` dimensions of `people` and, where `last` is not 0, one more of that size.
void check_beside(const TensorView& tensor, const char* name, const TensorView& people, int32_t rank,
                  int64_t last, const char* wanted) {
    bool fits = tensor.rank == rank + (last > 0 ? 1 : 0);
    for (int32_t d = 0; fits && d < rank; ++d) fits = tensor.shape[d] == people.shape[d];
    if (fits && last > 0) fits = tensor.shape[rank] == last;
    POSEOPS_CHECK(fits, name, wanted, shape_text(tensor));
    check_same_device(tensor, name, people, "detections");
}

void check_sigmas(const TensorView& sigmas, const TensorView& detections) {
    const int64_t joints = detections.shape[detections.rank - 2];
    check_shape(sigmas, "sigmas", {joints}, ("(" + std::to_string(joints) + ",), one per joint").c_str());
    check_dtype(sigmas, "sigmas", kFloats);
    check_same_device(sigmas, "sigmas", detections, "detections");
    if (sigmas.device.type != DeviceType::kCpu) return;
    for (int64_t k = 0; k < joints; ++k) {
        const auto sigma = load_any<double>(sigmas.data, sigmas.dtype, k * sigmas.strides[0]);
        POSEOPS_CHECK(sigma > 0.0 && sigma - sigma == 0.0, "sigmas", "finite numbers above 0",
                      std::to_string(sigma) + " at " + std::to_string(k));
    }
}

void check_layout(const TensorView& layout, const TensorView& detections) {
    check_shape(layout, "layout", {3, kAnySize}, "(3, B + 1)");
    check_dtype(layout, "layout", {DType::kInt64});
    check_same_device(layout, "layout", detections, "detections");
    POSEOPS_CHECK(layout.is_contiguous() && layout.shape[1] >= 1, "layout",
                  "contiguous memory of at least (3, 1)", shape_text(layout));
}

// The tensors of a call, held while it runs; those that are not given are None.
struct Imported {
    ImportedTensor detections, truths, sigmas;
    std::optional<ImportedTensor> areas, visibility, boxes, detection_areas, detection_scores, layout;

    Imported(py::handle detections_, py::handle truths_, py::handle sigmas_, py::handle areas_,
             py::handle visibility_, py::handle boxes_, py::handle detection_areas_,
             py::handle detection_scores_, py::handle layout_)
        : detections(detections_, "detections"),
          truths(truths_, "truths"),
          sigmas(sigmas_, "sigmas"),
          areas(import_optional(areas_, "areas")),
          visibility(import_optional(visibility_, "visibility")),
          boxes(import_optional(boxes_, "boxes")),
          detection_areas(import_optional(detection_areas_, "detection_areas")),
          detection_scores(import_optional(detection_scores_, "detection_scores")),
          layout(import_optional(layout_, "layout")) {}
};

void check_tensors(const Imported& tensors, bool box_rule) {
    const bool ragged = tensors.layout.has_value();
    const int32_t people = ragged ? 1 : 2;
    const TensorView& detections = tensors.detections.view();
    const TensorView& truths = tensors.truths.view();
    check_people(detections, "detections", ragged, detections);
    check_people(truths, "truths", ragged, detections);
    check_sigmas(tensors.sigmas.view(), detections);
    const auto check = [](const std::optional<ImportedTensor>& tensor, const char* name,
                          const TensorView& beside, int32_t rank, int64_t last, const char* wanted) {
        if (tensor) check_beside(tensor->view(), name, beside, rank, last, wanted);
    };
    check(tensors.areas, "areas", truths, people, 0, "one area per ground truth");
    check(tensors.visibility, "visibility", truths, people + 1, 0,
          "the shape of truths but its last dimension");
    check(tensors.boxes, "boxes", truths, people, 4, "(x, y, width, height) per ground truth");
    if (tensors.boxes) check_dtype(tensors.boxes->view(), "boxes", kFloats);
    check(tensors.detection_areas, "detection_areas", detections, people, 0, "one area per detection");
    check(tensors.detection_scores, "detection_scores", detections, people + 1, 0,
          "the shape of detections but its last dimension");
    if (ragged) check_layout(tensors.layout->view(), detections);
    const bool enough = tensors.boxes.has_value() || (tensors.areas.has_value() && !box_rule);
    POSEOPS_CHECK(enough, "boxes",
                  "a tensor, since areas are missing or unlabelled people count by their box", "none");
}

OksMatrixArgs checked(const Imported& tensors, double box_factor, double score_threshold, bool box_rule) {
    check_tensors(tensors, box_rule);
    POSEOPS_CHECK(box_factor > 0.0 && box_factor - box_factor == 0.0, "box_factor", "a finite number above 0",
                  std::to_string(box_factor));
    POSEOPS_CHECK(score_threshold == score_threshold, "score_threshold", "a number", "NaN");
    const bool ragged = tensors.layout.has_value();
    // A list of the people of all images is the one "image" of its tensor.
    const auto view = [&](const ImportedTensor& tensor) {
        return ragged ? unsqueeze(tensor.view(), 0) : tensor.view();
    };
    const auto view_if = [&](const std::optional<ImportedTensor>& tensor) {
        return tensor ? view(*tensor) : TensorView{};
    };
    OksMatrixArgs args = {};
    args.detections = view(tensors.detections);
    args.truths = view(tensors.truths);
    args.sigmas = tensors.sigmas.view();
    args.areas = view_if(tensors.areas);
    args.visibility = view_if(tensors.visibility);
    args.boxes = view_if(tensors.boxes);
    args.detection_areas = view_if(tensors.detection_areas);
    args.detection_scores = view_if(tensors.detection_scores);
    if (ragged) args.layout = tensors.layout->view();
    args.box_factor = box_factor;
    args.score_threshold = score_threshold;
    args.box_rule = box_rule;
    return args;
}

// The similarities, or the gradient in them.
TensorView pairs_view(const ImportedTensor& tensor, const char* name, const OksMatrixArgs& args) {
    if (args.is_ragged()) {
        check_shape(tensor.view(), name, {kAnySize}, "(P,)");
        const bool people = args.detections.shape[1] > 0 || tensor->shape[0] > 0;
        POSEOPS_CHECK(args.layout.shape[1] > 1 || !people, "detection_offsets",
                      "at least one image for the people", "none");
    } else {
        check_shape(tensor.view(), name,
                    {args.detections.shape[0], args.detections.shape[1], args.truths.shape[1]}, "(B, D, G)");
    }
    const bool wide = args.detections.dtype == DType::kFloat64;
    check_dtype(tensor.view(), name, {wide ? DType::kFloat64 : DType::kFloat32});
    check_same_device(tensor.view(), name, args.detections, "detections");
    POSEOPS_CHECK(tensor->is_contiguous(), name, "contiguous memory", "other strides");
    return tensor.view();
}

void forward(py::handle detections, py::handle truths, py::handle sigmas, py::handle areas,
             py::handle visibility, py::handle boxes, py::handle detection_areas, py::handle detection_scores,
             py::handle layout, double box_factor, double score_threshold, bool box_rule,
             py::handle similarities) {
    const Imported tensors(detections, truths, sigmas, areas, visibility, boxes, detection_areas,
                           detection_scores, layout);
    const ImportedTensor out(similarities, "similarities", Access::kWrite);
    OksMatrixArgs args = checked(tensors, box_factor, score_threshold, box_rule);
    args.similarities = pairs_view(out, "similarities", args);
    if (args.similarities.numel() == 0) return;
    run_on_device(args.detections.device, args, &oks_matrix_cpu, &oks_matrix_cuda);
}

void backward(py::handle detections, py::handle truths, py::handle sigmas, py::handle areas,
              py::handle visibility, py::handle boxes, py::handle detection_areas,
              py::handle detection_scores, py::handle layout, double box_factor, double score_threshold,
              bool box_rule, py::handle grad, py::handle grad_detections) {
    const Imported tensors(detections, truths, sigmas, areas, visibility, boxes, detection_areas,
                           detection_scores, layout);
    const ImportedTensor upstream(grad, "grad");
    const ImportedTensor out(grad_detections, "grad_detections", Access::kWrite);
    OksMatrixBackwardArgs args = {};
    args.forward = checked(tensors, box_factor, score_threshold, box_rule);
    args.forward.similarities = pairs_view(upstream, "grad", args.forward);
    const TensorView& found = tensors.detections.view();
    args.grad_detections = out.view();
    bool same = args.grad_detections.rank == found.rank && args.grad_detections.is_contiguous();
    for (int32_t d = 0; same && d < found.rank; ++d) same = args.grad_detections.shape[d] == found.shape[d];
    POSEOPS_CHECK(same, "grad_detections", "the shape of detections, contiguous",
                  shape_text(args.grad_detections));
    check_dtype(args.grad_detections, "grad_detections", {found.dtype});
    check_same_device(args.grad_detections, "grad_detections", found, "detections");
    if (args.grad_detections.numel() == 0) return;
    run_on_device(found.device, args, &oks_matrix_backward_cpu, &oks_matrix_backward_cuda);
}

// One row of the layout: offsets on the CPU, as int64.
const int64_t* write_starts(const TensorView& offsets, const char* name, int64_t people, int64_t* starts) {
    const int64_t count = offsets.shape[0];
    for (int64_t b = 0; b < count; ++b) {
        starts[b] = load_any<int64_t>(offsets.data, offsets.dtype, b * offsets.strides[0]);
        POSEOPS_CHECK(starts[b] >= (b == 0 ? 0 : starts[b - 1]), name, "numbers that do not fall",
                      std::to_string(starts[b]) + " at " + std::to_string(b));
    }
    POSEOPS_CHECK(starts[0] == 0 && starts[count - 1] == people, name,
                  "numbers from 0 to the " + std::to_string(people) + " people",
                  std::to_string(starts[0]) + " to " + std::to_string(starts[count - 1]));
    return starts;
}

// Fills the layout from offsets on the CPU and returns the number of pairs.
int64_t write_layout(py::handle detection_offsets, py::handle truth_offsets, int64_t detections,
                     int64_t truths, py::handle layout) {
    const ImportedTensor first(detection_offsets, "detection_offsets");
    const ImportedTensor second(truth_offsets, "truth_offsets");
    const ImportedTensor out(layout, "layout", Access::kWrite);
    check_dtype(first.view(), "detection_offsets", {DType::kInt64, DType::kInt32});
    check_dtype(second.view(), "truth_offsets", {DType::kInt64, DType::kInt32});
    const int64_t count = first->shape[0];
    check_layout(out.view(), first.view());
    check_shape(out.view(), "layout", {3, count}, "(3, B + 1)");
    auto* const starts = out->as<int64_t>();
    const int64_t* const detection = write_starts(first.view(), "detection_offsets", detections, starts);
    const int64_t* const truth = write_starts(second.view(), "truth_offsets", truths, starts + count);
    int64_t* const pair = starts + 2 * count;
    pair[0] = 0;
    for (int64_t b = 0; b + 1 < count; ++b) {
        pair[b + 1] = pair[b] + (detection[b + 1] - detection[b]) * (truth[b + 1] - truth[b]);
    }
    return pair[count - 1];
}

}  // namespace

void bind_oks_matrix(py::module_& module) {
    module.def("oks_matrix", &forward);
    module.def("oks_matrix_backward", &backward);
    module.def("oks_matrix_layout", &write_layout);
}

}  // namespace pyposeops
