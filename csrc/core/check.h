// Argument checks. A failed check names the argument, what was wanted and what came, before anything is read.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>

#include "core/tensor_view.h"

namespace pyposeops {

// Wrong kind or dtype; becomes Python's TypeError. Wrong shapes and values are std::invalid_argument:
// ValueError.
struct TypeError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// "(64, 17, 2)"
std::string shape_text(const TensorView& tensor);
std::string device_text(Device device);

constexpr int64_t kAnySize = -1;

// Every dimension must equal `sizes`, where kAnySize fits all. `wanted` is the shape in words: "(B, K, 2)".
void check_shape(const TensorView& tensor, const char* name, std::initializer_list<int64_t> sizes,
                 const char* wanted);
void check_dtype(const TensorView& tensor, const char* name, std::initializer_list<DType> allowed);
void check_same_device(const TensorView& tensor, const char* name, const TensorView& first,
                       const char* first_name);
[[noreturn]] void throw_value_error(const char* name, const std::string& wanted, const std::string& got);

}  // namespace pyposeops

// ValueError "<name>: expected <wanted>, got <got>" unless `ok`; the texts are only made when the check fails.
#define POSEOPS_CHECK(ok, name, wanted, got)                                \
    do {                                                                    \
        if (!(ok)) ::pyposeops::throw_value_error((name), (wanted), (got)); \
    } while (false)
