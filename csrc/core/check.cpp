#include "core/check.h"

namespace pyposeops {

std::string shape_text(const TensorView& tensor) {
    std::string text = "(";
    for (int32_t d = 0; d < tensor.rank; ++d) {
        if (d > 0) text += ", ";
        text += std::to_string(tensor.shape[d]);
    }
    return text + (tensor.rank == 1 ? ",)" : ")");
}

std::string device_text(Device device) {
    return device.type == DeviceType::kCpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

void check_shape(const TensorView& tensor, const char* name, std::initializer_list<int64_t> sizes,
                 const char* wanted) {
    bool same = tensor.rank == static_cast<int32_t>(sizes.size());
    int32_t d = 0;
    for (int64_t size : sizes) {
        if (!same) break;
        same = size == kAnySize || size == tensor.shape[d];
        ++d;
    }
    POSEOPS_CHECK(same, name, wanted, shape_text(tensor));
}

void check_dtype(const TensorView& tensor, const char* name, std::initializer_list<DType> allowed) {
    for (DType dtype : allowed) {
        if (dtype == tensor.dtype) return;
    }
    std::string wanted;
    for (DType dtype : allowed) {
        wanted += wanted.empty() ? "" : ", ";
        wanted += dtype_name(dtype);
    }
    throw TypeError(std::string(name) + ": expected dtype " + wanted + ", got " + dtype_name(tensor.dtype));
}

void check_same_device(const TensorView& tensor, const char* name, const TensorView& first,
                       const char* first_name) {
    const bool same = tensor.device.type == first.device.type && tensor.device.index == first.device.index;
    POSEOPS_CHECK(same, name,
                  "the device of " + std::string(first_name) + " (" + device_text(first.device) + ")",
                  device_text(tensor.device));
}

void throw_value_error(const char* name, const std::string& wanted, const std::string& got) {
    throw std::invalid_argument(std::string(name) + ": expected " + wanted + ", got " + got);
}

}  // namespace pyposeops
