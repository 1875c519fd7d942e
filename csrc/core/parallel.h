// One parallel loop for all CPU operators, on the OpenMP pool that PyTorch uses (torch.set_num_threads applies).
#pragma once

#include <cstdint>

#include "core/host_device.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace pyposeops {

// Calls body(begin, end) on disjoint ranges that cover [0, count). A thread gets at least `grain` items, so
// small problems stay on the calling thread. The body must not throw.
template <class Body>
POSEOPS_INLINE void parallel_for(int64_t count, int64_t grain, const Body& body) {
    if (count <= 0) return;
#if defined(_OPENMP)
    const int64_t useful = (count + grain - 1) / (grain > 0 ? grain : 1);
    const int64_t available = omp_in_parallel() ? 1 : omp_get_max_threads();
    const int threads = static_cast<int>(useful < available ? useful : available);
    if (threads > 1) {
#pragma omp parallel num_threads(threads)
        {
            const int64_t team = omp_get_num_threads();
            const int64_t rank = omp_get_thread_num();
            const int64_t begin = count * rank / team;
            const int64_t end = count * (rank + 1) / team;
            if (begin < end) body(begin, end);
        }
        return;
    }
#else
    (void)grain;
#endif
    body(int64_t{0}, count);
}

}  // namespace pyposeops
