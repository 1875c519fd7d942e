// What `pyposeops info` asks of the CUDA runtime.
#include <cuda_runtime.h>

namespace pyposeops {

// 0 without a GPU or without a driver.
int cuda_device_count() {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaSuccess) return count;
    cudaGetLastError();  // forget it: the next launch must not report it
    return 0;
}

int cuda_runtime_version() {
    int version = 0;
    return cudaRuntimeGetVersion(&version) == cudaSuccess ? version : 0;
}

}  // namespace pyposeops
