// Fewer page faults for large fresh outputs on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace pyposeops {

// Blocks above 32 MiB are mapped afresh by glibc's malloc each time, and their first touch costs a fault per
// 4 KiB page: more than most operators take to fill them. Asking for 2 MiB pages makes that 1/512 of the
// faults; it is a hint, and free where the kernel gives huge pages anyway or never. Smaller blocks are reused
// by malloc.
constexpr int64_t kFreshlyMappedBytes = int64_t{32} << 20;

inline void advise_huge_pages(void* data, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (bytes < kFreshlyMappedBytes) return;
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
    const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + static_cast<uintptr_t>(bytes)) / page * page;
    madvise(reinterpret_cast<void*>(begin), static_cast<size_t>(end - begin), MADV_HUGEPAGE);
#else
    (void)data;
    (void)bytes;
#endif
}

}  // namespace pyposeops
