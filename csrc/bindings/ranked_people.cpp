#include "bindings/ranked_people.h"

#include <cmath>
#include <string>

#include "core/check.h"

namespace pyposeops {
namespace {

constexpr std::initializer_list<DType> kReals = {DType::kFloat32, DType::kFloat64};

// Calls accept(value) for every value of a (N,) tensor on the CPU; the first one that it refuses is an error.
template <class Accept>
void check_values(const TensorView& values, const char* name, const char* wanted, const Accept& accept) {
    if (values.device.type != DeviceType::kCpu) return;
    for (int64_t i = 0; i < values.shape[0]; ++i) {
        const double value = person_value(values, i);
        POSEOPS_CHECK(accept(value), name, wanted, std::to_string(value) + " at " + std::to_string(i));
    }
}

void check_per_person(const TensorView& values, const char* name, const TensorView& keypoints) {
    check_shape(values, name, {keypoints.shape[0]}, "(N,) with the N of keypoints");
    check_dtype(values, name, kReals);
    check_same_device(values, name, keypoints, "keypoints");
}

}  // namespace

void check_poses(const TensorView& keypoints) {
    check_shape(keypoints, "keypoints", {kAnySize, kAnySize, 2}, "(N, K, 2)");
    check_dtype(keypoints, "keypoints", kReals);
}

void check_person_values(const TensorView& values, const char* name, const TensorView& keypoints) {
    check_per_person(values, name, keypoints);
    check_values(values, name, "numbers", [](double value) { return value == value; });
}

void check_finite_person_values(const TensorView& values, const char* name, const TensorView& keypoints) {
    check_per_person(values, name, keypoints);
    check_values(values, name, "finite numbers", [](double value) { return std::isfinite(value); });
}

void check_person_sizes(const TensorView& values, const char* name, const TensorView& keypoints) {
    check_per_person(values, name, keypoints);
    check_values(values, name, "finite numbers of at least 0",
                 [](double value) { return value >= 0.0 && std::isfinite(value); });
}

void check_joint_values(const TensorView& values, const char* name, const TensorView& keypoints) {
    check_shape(values, name, {keypoints.shape[0], keypoints.shape[1]}, "(N, K) as keypoints");
    check_dtype(values, name, kReals);
    check_same_device(values, name, keypoints, "keypoints");
}

void check_image_offsets(const TensorView& offsets, const TensorView& keypoints) {
    if (offsets.data == nullptr && offsets.rank == 0) return;
    const int64_t people = keypoints.shape[0];
    const bool right = offsets.rank == 1 && offsets.shape[0] >= (people > 0 ? 2 : 1);
    POSEOPS_CHECK(right, "offsets", "(B + 1,) for B images", shape_text(offsets));
    check_dtype(offsets, "offsets", {DType::kInt64, DType::kInt32});
    check_same_device(offsets, "offsets", keypoints, "keypoints");
    if (offsets.device.type != DeviceType::kCpu) return;
    const int64_t last = offsets.shape[0] - 1;
    int64_t before = 0;
    for (int64_t b = 0; b <= last; ++b) {
        const auto next = load_any<int64_t>(offsets.data, offsets.dtype, b * offsets.strides[0]);
        const bool rises = next >= before && (b > 0 || next == 0) && (b < last || next == people);
        POSEOPS_CHECK(rises, "offsets",
                      "rising numbers, the first 0 and the last the " + std::to_string(people) + " people",
                      std::to_string(next) + " at " + std::to_string(b));
        before = next;
    }
}

void check_person_output(const TensorView& output, const char* name, const TensorView& keypoints,
                         std::initializer_list<DType> dtypes) {
    check_shape(output, name, {keypoints.shape[0]}, "(N,) with the N of keypoints");
    check_dtype(output, name, dtypes);
    check_same_device(output, name, keypoints, "keypoints");
    POSEOPS_CHECK(output.is_contiguous(), name, "contiguous memory", "other strides");
}

void check_person_scratch(const TensorView& scratch, const TensorView& keypoints) {
    check_shape(scratch, "scratch", {2, keypoints.shape[0]}, "(2, N)");
    check_dtype(scratch, "scratch", {DType::kFloat64});
    check_same_device(scratch, "scratch", keypoints, "keypoints");
    POSEOPS_CHECK(scratch.is_contiguous(), "scratch", "contiguous memory", "other strides");
}

OksPeople oks_people(const TensorView& keypoints, const TensorView& areas, const TensorView& sigmas,
                     const TensorView& confidences, double confidence_threshold) {
    check_poses(keypoints);
    check_person_sizes(areas, "areas", keypoints);
    check_shape(sigmas, "sigmas", {keypoints.shape[1]}, "(K,) with the K of keypoints");
    check_dtype(sigmas, "sigmas", kReals);
    check_same_device(sigmas, "sigmas", keypoints, "keypoints");
    check_values(sigmas, "sigmas", "finite numbers above 0",
                 [](double value) { return value > 0.0 && std::isfinite(value); });
    if (confidences.rank > 0) check_joint_values(confidences, "confidences", keypoints);
    POSEOPS_CHECK(confidence_threshold == confidence_threshold, "confidence_threshold", "a number", "nan");
    return {keypoints, areas, sigmas, confidences, confidence_threshold};
}

double checked_threshold(double threshold) {
    POSEOPS_CHECK(threshold >= 0.0 && threshold <= 1.0, "threshold", "a number from 0 to 1",
                  std::to_string(threshold));
    return threshold;
}

Ties checked_ties(int ties) {
    POSEOPS_CHECK(ties == 0 || ties == 1, "ties", "0 or 1", std::to_string(ties));
    return static_cast<Ties>(ties);
}

}  // namespace pyposeops
