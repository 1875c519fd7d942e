// What every launcher does: take the device, launch on the given stream, check the launch.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "core/cuda_operator.h"
#include "core/tensor_view.h"

namespace pyposeops {

inline void check_cuda(cudaError_t status, const char* what) {
    if (status == cudaSuccess) return;
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorName(status) + ": " +
                             cudaGetErrorString(status));
}

// Makes the tensors' device current and gives the former one back: a stream belongs to its device.
class DeviceGuard {
  public:
    explicit DeviceGuard(Device device) {
        check_cuda(cudaGetDevice(&previous_), "cudaGetDevice");
        changed_ = previous_ != device.index;
        if (changed_) check_cuda(cudaSetDevice(device.index), "cudaSetDevice");
    }
    ~DeviceGuard() {
        if (changed_) cudaSetDevice(previous_);
    }
    DeviceGuard(const DeviceGuard&) = delete;
    DeviceGuard& operator=(const DeviceGuard&) = delete;

  private:
    int previous_ = 0;
    bool changed_ = false;
};

inline cudaStream_t as_cuda_stream(StreamHandle stream) { return static_cast<cudaStream_t>(stream); }

inline void check_launch(const char* kernel) { check_cuda(cudaGetLastError(), kernel); }

// Blocks needed for `count` items; grids are capped by CUDA at 2^31 - 1 blocks in x.
inline unsigned int block_count(int64_t count, int64_t per_block) {
    const int64_t blocks = (count + per_block - 1) / per_block;
    if (blocks > 2147483647) throw std::invalid_argument("tensor: too large for one CUDA launch");
    return static_cast<unsigned int>(blocks);
}

}  // namespace pyposeops
