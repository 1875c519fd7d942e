// Python tensors (torch, NumPy, anything with __dlpack__) as TensorViews, and the stream to work on.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "core/check.h"
#include "core/cuda_operator.h"
#include "core/tensor_view.h"

namespace pyposeops {

// Remembers torch.Tensor and its exchange table; called once, when the package is imported. Without a table
// (torch before 2.10), or when never called, torch tensors take the __dlpack__ path like everybody else's.
// Returns whether the table is used.
bool bind_torch_tensor_type(const pybind11::object& tensor_type);
void forget_torch_tensor_type();

enum class Access { kRead, kWrite };

// A view of a Python tensor and, where the producer lent it through a capsule, that capsule.
class ImportedTensor {
  public:
    ImportedTensor(pybind11::handle object, const char* name, Access access = Access::kRead);

    const TensorView& view() const { return view_; }
    const TensorView* operator->() const { return &view_; }

  private:
    TensorView view_;
    pybind11::object keep_alive_;
};

// None gives no tensor.
inline std::optional<ImportedTensor> import_optional(pybind11::handle object, const char* name) {
    if (object.is_none()) return std::nullopt;
    return ImportedTensor(object, name);
}

// The CUDA stream of the calling code on `device`: torch's current one, where its exchange table is bound, else the
// legacy default stream. Null on the CPU.
StreamHandle current_stream(Device device);

// Runs an operator on the device of its tensors, without the GIL.
template <class Args>
void run_on_device(Device device, const Args& args, void (*cpu)(const Args&),
                   void (*cuda)(const Args&, StreamHandle)) {
    const StreamHandle stream = current_stream(device);
    pybind11::gil_scoped_release release;
    if (device.type == DeviceType::kCpu) {
        cpu(args);
    } else {
        cuda(args, stream);
    }
}

}  // namespace pyposeops
