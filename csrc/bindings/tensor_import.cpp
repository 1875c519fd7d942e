#include "bindings/tensor_import.h"

#include <string>

#include "bindings/dlpack.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

// torch.Tensor and its table. The type is kept alive so that its address cannot be reused by another one.
struct TorchBinding {
    py::object type;
    const dlpack::ExchangeApi* api = nullptr;
};

TorchBinding& torch_binding() {
    static TorchBinding* binding = new TorchBinding;  // never destroyed: the interpreter may be gone by then
    return *binding;
}

const dlpack::ExchangeApi* exchange_api_of(const py::object& type) {
    const py::object capsule = py::getattr(type, "__dlpack_c_exchange_api__", py::none());
    if (!PyCapsule_IsValid(capsule.ptr(), "dlpack_exchange_api")) return nullptr;
    auto* header =
        static_cast<dlpack::ExchangeApiHeader*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
    while (header != nullptr && header->version.major != 1) header = header->previous;
    const auto* api = reinterpret_cast<const dlpack::ExchangeApi*>(header);
    return api != nullptr && api->borrow != nullptr ? api : nullptr;
}

DType dtype_from(const dlpack::DataType& dtype, const char* name) {
    if (dtype.lanes == 1) {
        if (dtype.code == dlpack::kDLFloat && dtype.bits == 32) return DType::kFloat32;
        if (dtype.code == dlpack::kDLFloat && dtype.bits == 64) return DType::kFloat64;
        if (dtype.code == dlpack::kDLFloat && dtype.bits == 16) return DType::kFloat16;
        if (dtype.code == dlpack::kDLBfloat && dtype.bits == 16) return DType::kBFloat16;
        if (dtype.code == dlpack::kDLUInt && dtype.bits == 8) return DType::kUInt8;
        if (dtype.code == dlpack::kDLInt && dtype.bits == 32) return DType::kInt32;
        if (dtype.code == dlpack::kDLInt && dtype.bits == 64) return DType::kInt64;
        if (dtype.code == dlpack::kDLBool && dtype.bits == 8) return DType::kBool;
    }
    throw TypeError(std::string(name) +
                    ": expected a float, uint8, int32, int64 or bool tensor, got DLPack type code " +
                    std::to_string(dtype.code) + " with " + std::to_string(dtype.bits) + " bits");
}

Device device_from(const dlpack::Device& device, const char* name) {
    if (device.type == dlpack::kDLCPU || device.type == dlpack::kDLCUDAHost) return {DeviceType::kCpu, 0};
    if (device.type == dlpack::kDLCUDA) return {DeviceType::kCuda, device.id};
    throw TypeError(std::string(name) +
                    ": expected a tensor on the CPU or a CUDA device, got DLPack device type " +
                    std::to_string(device.type));
}

// Copies everything: shape and strides point into the producer's object.
TensorView view_from(const dlpack::Tensor& tensor, const char* name) {
    TensorView view;
    if (tensor.ndim > kMaxRank) {
        throw std::invalid_argument(std::string(name) + ": expected at most " + std::to_string(kMaxRank) +
                                    " dimensions, got " + std::to_string(tensor.ndim));
    }
    view.rank = tensor.ndim;
    view.dtype = dtype_from(tensor.dtype, name);
    view.device = device_from(tensor.device, name);
    view.data = tensor.data == nullptr ? nullptr : static_cast<char*>(tensor.data) + tensor.byte_offset;
    int64_t compact = 1;
    for (int32_t d = tensor.ndim - 1; d >= 0; --d) {
        view.shape[d] = tensor.shape[d];
        view.strides[d] = tensor.strides != nullptr ? tensor.strides[d] : compact;
        compact *= tensor.shape[d];
    }
    if (view.data == nullptr && view.numel() > 0) {
        throw TypeError(std::string(name) +
                        ": expected a tensor with data, got one without storage (a fake or meta tensor)");
    }
    return view;
}

// The Python error that is set, with the argument's name in front: torch's own message does not say which tensor.
[[noreturn]] void throw_named_type_error(const char* name) {
    py::error_already_set error;
    const std::string text = error.what();
    throw TypeError(std::string(name) + ": expected a dense tensor with data, got one that cannot be read (" +
                    text.substr(0, text.find('\n')) + ")");
}

// Calls object.__dlpack__, asking for version 1.3 and, on CUDA, for readiness on our stream.
py::object dlpack_capsule(py::handle object, const char* name) {
    if (!py::hasattr(object, "__dlpack__")) {
        throw TypeError(std::string(name) + ": expected a tensor (torch, NumPy or with __dlpack__), got " +
                        Py_TYPE(object.ptr())->tp_name);
    }
    py::dict arguments;
    const py::tuple device = object.attr("__dlpack_device__")();
    if (device[0].cast<int32_t>() == dlpack::kDLCUDA) {
        const StreamHandle stream = current_stream({DeviceType::kCuda, device[1].cast<int32_t>()});
        // DLPack writes the legacy default stream as 1, because 0 would be ambiguous.
        const auto number = reinterpret_cast<intptr_t>(stream);
        arguments["stream"] = number == 0 ? 1 : number;
    }
    const py::object method = object.attr("__dlpack__");
    try {
        py::dict versioned = arguments.attr("copy")();
        versioned["max_version"] = py::make_tuple(1, 3);
        return method(**versioned);
    } catch (py::error_already_set& error) {
        if (!error.matches(PyExc_TypeError)) throw;
    }
    return method(**arguments);
}

TensorView view_from_capsule(const py::object& capsule, const char* name, Access access) {
    if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned")) {
        const auto* managed = static_cast<dlpack::ManagedTensorVersioned*>(
            PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
        if (managed->version.major != 1) {
            throw TypeError(std::string(name) + ": expected DLPack version 1, got version " +
                            std::to_string(managed->version.major));
        }
        if (access == Access::kWrite && (managed->flags & dlpack::kReadOnlyFlag) != 0) {
            throw std::invalid_argument(std::string(name) +
                                        ": expected a writable tensor, got a read-only one");
        }
        return view_from(managed->tensor, name);
    }
    if (PyCapsule_IsValid(capsule.ptr(), "dltensor")) {
        return view_from(
            static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"))->tensor,
            name);
    }
    throw TypeError(std::string(name) + ": __dlpack__ returned something that is no DLPack capsule");
}

}  // namespace

bool bind_torch_tensor_type(const py::object& tensor_type) {
    const dlpack::ExchangeApi* api = exchange_api_of(tensor_type);
    if (api == nullptr) return false;
    torch_binding().type = tensor_type;
    torch_binding().api = api;
    return true;
}

void forget_torch_tensor_type() { torch_binding().api = nullptr; }

ImportedTensor::ImportedTensor(py::handle object, const char* name, Access access) {
    const TorchBinding& torch = torch_binding();
    if (torch.api != nullptr &&
        PyObject_TypeCheck(object.ptr(), reinterpret_cast<PyTypeObject*>(torch.type.ptr()))) {
        dlpack::Tensor tensor;
        if (torch.api->borrow(object.ptr(), &tensor) != 0) throw_named_type_error(name);
        view_ = view_from(tensor, name);
        return;
    }
    // Held, not consumed, until the call returns: the capsule's own destructor gives the tensor back.
    keep_alive_ = dlpack_capsule(object, name);
    view_ = view_from_capsule(keep_alive_, name, access);
}

StreamHandle current_stream(Device device) {
    if (device.type == DeviceType::kCpu) return nullptr;
    const TorchBinding& torch = torch_binding();
    StreamHandle stream = nullptr;
    if (torch.api != nullptr && torch.api->current_work_stream(dlpack::kDLCUDA, device.index, &stream) != 0) {
        throw py::error_already_set();
    }
    return stream;
}

}  // namespace pyposeops
