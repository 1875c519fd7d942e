// Picks, at run time, among the versions of a CPU operator that were compiled for different instruction sets.
#pragma once

namespace pyposeops {

enum class CpuIsa { kBaseline, kAvx2, kAvx512 };

// What the operators use: the best this CPU and this build offer, or less if the environment variable
// PYPOSEOPS_CPU (baseline, avx2, avx512) said so when the library was loaded.
CpuIsa cpu_isa();
const char* cpu_isa_name(CpuIsa isa);

}  // namespace pyposeops

// POSEOPS_CPU_OPERATOR(name, Args) declares name_cpu(const Args&), which calls the version for cpu_isa().
// <op>_cpu.cpp defines  void name(const Args&)  inside  namespace pyposeops::POSEOPS_ISA_NAMESPACE  and is
// compiled once per instruction set.
#if defined(POSEOPS_MULTI_ISA)
#define POSEOPS_CPU_OPERATOR(name, Args)       \
    namespace baseline {                       \
    void name(const Args& args);               \
    }                                          \
    namespace avx2 {                           \
    void name(const Args& args);               \
    }                                          \
    namespace avx512 {                         \
    void name(const Args& args);               \
    }                                          \
    inline void name##_cpu(const Args& args) { \
        switch (cpu_isa()) {                   \
            case CpuIsa::kAvx512:              \
                avx512::name(args);            \
                return;                        \
            case CpuIsa::kAvx2:                \
                avx2::name(args);              \
                return;                        \
            case CpuIsa::kBaseline:            \
                baseline::name(args);          \
                return;                        \
        }                                      \
    }
#else
#define POSEOPS_CPU_OPERATOR(name, Args) \
    namespace baseline {                 \
    void name(const Args& args);         \
    }                                    \
    inline void name##_cpu(const Args& args) { baseline::name(args); }
#endif
