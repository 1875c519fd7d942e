#include "bindings/people.h"

#include <string>

#include "core/check.h"
#include "core/huge_pages.h"

namespace pyposeops {
namespace {

constexpr int64_t kMaxMapSize = int64_t{1} << 24;

void check_offsets(const TensorView& offsets, const TensorView& keypoints) {
    const bool right = offsets.rank == 1 && offsets.shape[0] >= 1;
    POSEOPS_CHECK(right, "offsets", "(B + 1,)", shape_text(offsets));
    check_dtype(offsets, "offsets", {DType::kInt64, DType::kInt32});
    check_same_device(offsets, "offsets", keypoints, "keypoints");
    if (offsets.device.type != DeviceType::kCpu) return;
    int64_t last = 0;
    for (int64_t b = 0; b < offsets.shape[0]; ++b) {
        const auto next = load_any<int64_t>(offsets.data, offsets.dtype, b * offsets.strides[0]);
        POSEOPS_CHECK(next >= last && next <= keypoints.shape[0], "offsets",
                      "rising numbers from 0 to the " + std::to_string(keypoints.shape[0]) + " people",
                      std::to_string(next) + " at " + std::to_string(b));
        last = next;
    }
}

}  // namespace

TensorView unsqueeze(TensorView view, int32_t at) {
    for (int32_t d = view.rank; d > at; --d) {
        view.shape[d] = view.shape[d - 1];
        view.strides[d] = view.strides[d - 1];
    }
    view.shape[at] = 1;
    view.strides[at] = 0;
    ++view.rank;
    return view;
}

PeopleTensors people_tensors(const ImportedTensor& keypoints, const ImportedTensor& visibility,
                             const std::optional<ImportedTensor>& offsets) {
    const int32_t rank = keypoints->rank;
    const bool right = (offsets ? rank == 3 : rank == 3 || rank == 4) && keypoints->shape[rank - 1] == 2;
    POSEOPS_CHECK(right, "keypoints",
                  offsets ? "(M, K, 2) with offsets" : "(B, K, 2) or (B, N, K, 2) without offsets",
                  shape_text(keypoints.view()));
    check_dtype(keypoints.view(), "keypoints",
                {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    bool fits = visibility->rank == rank - 1;
    for (int32_t d = 0; fits && d < rank - 1; ++d) fits = visibility->shape[d] == keypoints->shape[d];
    POSEOPS_CHECK(fits, "visibility",
                  "the shape of keypoints " + shape_text(keypoints.view()) + " without its last dimension",
                  shape_text(visibility.view()));
    check_same_device(visibility.view(), "visibility", keypoints.view(), "keypoints");
    PeopleTensors people = {keypoints.view(), visibility.view(), {}};
    if (offsets) {
        check_offsets(offsets->view(), keypoints.view());
        people.offsets = offsets->view();
    }
    if (rank == 3) {  // a list of people is one image; one person per image is a list of one
        people.keypoints = unsqueeze(people.keypoints, offsets ? 0 : 1);
        people.visibility = unsqueeze(people.visibility, offsets ? 0 : 1);
    }
    return people;
}

int64_t image_count(const PeopleTensors& people) {
    return people.offsets.data == nullptr ? people.keypoints.shape[0] : people.offsets.shape[0] - 1;
}

void check_maps(const TensorView& maps, const char* name, const PeopleTensors& people, int64_t channels,
                const char* wanted) {
    check_shape(maps, name, {image_count(people), channels, kAnySize, kAnySize}, wanted);
    check_dtype(maps, name, {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16});
    check_same_device(maps, name, people.keypoints, "keypoints");
    const int64_t height = maps.shape[2];
    const int64_t width = maps.shape[3];
    const bool usable = height > 0 && width > 0 && height < kMaxMapSize && width < kMaxMapSize &&
                        height * width < (int64_t{1} << 31);
    POSEOPS_CHECK(usable, "size", "a height and width of at least 1 and fewer than 2^31 pixels",
                  "(" + std::to_string(height) + ", " + std::to_string(width) + ")");
    POSEOPS_CHECK(maps.is_contiguous() || maps.is_channels_last(), name, "contiguous or channels_last memory",
                  "other strides");
}

void prepare_to_write(const TensorView& maps) {
    if (maps.device.type != DeviceType::kCpu) return;
    visit_floating(maps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        advise_huge_pages(maps.data, maps.numel() * static_cast<int64_t>(sizeof(T)));
    });
}

void check_weights(const TensorView& weights, const char* name, const TensorView& maps,
                   std::initializer_list<int64_t> sizes, const char* wanted) {
    check_shape(weights, name, sizes, wanted);
    check_dtype(weights, name, {maps.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32});
    check_same_device(weights, name, maps, "keypoints");
    POSEOPS_CHECK(weights.is_contiguous(), name, "contiguous memory", "other strides");
}

}  // namespace pyposeops
