// Function decorations that let one definition of the math serve a C++ loop and a CUDA kernel.
#pragma once

// POSEOPS_INLINE: inlined always. A header used by a file that is compiled once per instruction set must not
// leave a copy of its functions for the linker to merge: the merged copy could be the AVX-512 one.
#if defined(_MSC_VER)
#define POSEOPS_INLINE __forceinline
#else
#define POSEOPS_INLINE inline __attribute__((always_inline))
#endif

// POSEOPS_HD: callable from host and device.
#if defined(__CUDACC__)
#define POSEOPS_HD __host__ __device__ POSEOPS_INLINE
#else
#define POSEOPS_HD POSEOPS_INLINE
#endif
