/* target.c: the table of processors, and which of them this one is. */
#include "ir/target.h"

static const Target targets[] = {
#define TARGET(name, march, features, vector_bytes, vector_regs, fma, l1, l2, l3, doc)             \
    {name, march, features, vector_bytes, vector_regs, fma, l1, l2, l3, doc},
#include "ir/targets.def"
#undef TARGET
};

enum { N_TARGETS = sizeof targets / sizeof *targets };

const Target *tn_target_at(uint32_t index) {
    return index < N_TARGETS ? &targets[index] : NULL;
}

/* Features of the processor the compiler runs on; the operating system's support for wide
 * registers is part of what the builtins test. */
static uint32_t host_features(void) {
    uint32_t features = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    features |= __builtin_cpu_supports("sse4.2") ? TN_CPU_SSE42 : 0;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
        features |= TN_CPU_AVX2;
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        features |= TN_CPU_AVX512;
    }
#endif
    return features;
}

static const Target *native_target(void) {
    uint32_t have = host_features();
    const Target *best = NULL;
    for (uint32_t i = 0; i < N_TARGETS; i++) {
        if ((targets[i].features & ~have) == 0) {
            best = &targets[i];
        }
    }
    return best;
}

const Target *tn_target_by_name(StrView name) {
    if (tn_sv_is(name, "native")) {
        return native_target();
    }
    for (uint32_t i = 0; i < N_TARGETS; i++) {
        if (tn_sv_is(name, targets[i].name)) {
            return &targets[i];
        }
    }
    return NULL;
}
