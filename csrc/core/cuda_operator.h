// Declares the CUDA side of an operator; in a build without CUDA a call of it gives one clear error.
#pragma once

#include <stdexcept>

namespace pyposeops {

// A CUDA stream as an opaque pointer, so that no host file needs the CUDA headers.
using StreamHandle = void*;

[[noreturn]] inline void throw_built_without_cuda() {
    throw std::runtime_error(
        "pyposeops was built without CUDA; rebuild it with nvcc on PATH (PYPOSEOPS_CUDA=on makes a missing "
        "nvcc an "
        "error)");
}

}  // namespace pyposeops

#if defined(POSEOPS_WITH_CUDA)
#define POSEOPS_CUDA_OPERATOR(name, Args) void name##_cuda(const Args& args, StreamHandle stream);
#else
#define POSEOPS_CUDA_OPERATOR(name, Args) \
    [[noreturn]] inline void name##_cuda(const Args&, StreamHandle) { throw_built_without_cuda(); }
#endif
