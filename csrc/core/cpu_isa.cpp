#include "core/cpu_isa.h"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace pyposeops {
namespace {

CpuIsa best_supported() {
#if defined(POSEOPS_MULTI_ISA)
    __builtin_cpu_init();
    const bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512) return CpuIsa::kAvx512;
    if (avx2) return CpuIsa::kAvx2;
#endif
    return CpuIsa::kBaseline;
}

CpuIsa chosen() {
    const CpuIsa best = best_supported();
    const char* wanted = std::getenv("PYPOSEOPS_CPU");
    if (wanted == nullptr || *wanted == '\0') return best;
    for (CpuIsa isa : {CpuIsa::kBaseline, CpuIsa::kAvx2, CpuIsa::kAvx512}) {
        if (std::strcmp(wanted, cpu_isa_name(isa)) != 0) continue;
        if (isa <= best) return isa;
        throw std::invalid_argument(std::string("PYPOSEOPS_CPU: ") + wanted +
                                    " is not supported here; the best is " + cpu_isa_name(best));
    }
    throw std::invalid_argument(std::string("PYPOSEOPS_CPU: expected baseline, avx2 or avx512, got ") +
                                wanted);
}

}  // namespace

CpuIsa cpu_isa() {
    static const CpuIsa isa = chosen();
    return isa;
}

const char* cpu_isa_name(CpuIsa isa) {
    switch (isa) {
        case CpuIsa::kBaseline:
            return "baseline";
        case CpuIsa::kAvx2:
            return "avx2";
        case CpuIsa::kAvx512:
            return "avx512";
    }
    return "unknown";
}

}  // namespace pyposeops
