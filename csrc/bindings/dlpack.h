// The part of the DLPack 1.3 C interface that the bindings use: memory layout as the standard fixes it.
// Source: dmlc/dlpack, include/dlpack/dlpack.h, versions 1.0 to 1.3.
#pragma once

#include <cstdint>

namespace pyposeops::dlpack {

constexpr int32_t kDLCPU = 1;
constexpr int32_t kDLCUDA = 2;
constexpr int32_t kDLCUDAHost = 3;

constexpr uint8_t kDLInt = 0;
constexpr uint8_t kDLUInt = 1;
constexpr uint8_t kDLFloat = 2;
constexpr uint8_t kDLBfloat = 4;
constexpr uint8_t kDLBool = 6;

constexpr uint64_t kReadOnlyFlag = 1;

struct Device {
    int32_t type;
    int32_t id;
};

struct DataType {
    uint8_t code;
    uint8_t bits;
    uint16_t lanes;
};

struct Tensor {
    void* data;
    Device device;
    int32_t ndim;
    DataType dtype;
    int64_t* shape;
    int64_t* strides;
    uint64_t byte_offset;
};

struct Version {
    uint32_t major;
    uint32_t minor;
};

// What a "dltensor" capsule holds.
struct ManagedTensor {
    Tensor tensor;
    void* manager_context;
    void (*deleter)(ManagedTensor*);
};

// What a "dltensor_versioned" capsule holds.
struct ManagedTensorVersioned {
    Version version;
    void* manager_context;
    void (*deleter)(ManagedTensorVersioned*);
    uint64_t flags;
    Tensor tensor;
};

// The table in the capsule `type(tensor).__dlpack_c_exchange_api__`.
struct ExchangeApiHeader {
    Version version;
    ExchangeApiHeader* previous;
};

struct ExchangeApi {
    ExchangeApiHeader header;
    void* allocate;
    int (*export_tensor)(void* object, ManagedTensorVersioned** out);
    int (*import_tensor)(ManagedTensorVersioned* tensor, void** out_object);
    int (*borrow)(void* object, Tensor* out);  // may be null
    int (*current_work_stream)(int32_t device_type, int32_t device_id, void** out_stream);
};

static_assert(sizeof(void*) != 8 || sizeof(Tensor) == 48, "layout fixed by DLPack");
static_assert(sizeof(void*) != 8 || sizeof(ManagedTensorVersioned) == 80, "layout fixed by DLPack");
static_assert(sizeof(void*) != 8 || sizeof(ExchangeApi) == 56, "layout fixed by DLPack");

}  // namespace pyposeops::dlpack
