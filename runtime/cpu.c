/* cpu.c: what this processor and its system can do, and the floating-point mode.
 *
 * A TN_CPU_ feature is there only when the processor has every instruction set of its
 * level and the system saves the registers it uses (XCR0).
 */
#include "runtime/rt.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

enum { REG_EAX, REG_EBX, REG_ECX, REG_EDX };
enum { STATE_NONE = 0, STATE_AVX = 0x6, STATE_AVX512 = 0xe6 }; /* XCR0 bits needed */

/* One instruction set: where CPUID reports it and which feature demands it. */
typedef struct CpuRow {
    const char *name;
    uint32_t feature;
    uint32_t leaf, subleaf;
    uint8_t reg, bit;
    uint32_t state;
} CpuRow;

static const CpuRow cpu_rows[] = {
    {"SSE3", TN_CPU_SSE42, 1, 0, REG_ECX, 0, STATE_NONE},
    {"SSSE3", TN_CPU_SSE42, 1, 0, REG_ECX, 9, STATE_NONE},
    {"CMPXCHG16B", TN_CPU_SSE42, 1, 0, REG_ECX, 13, STATE_NONE},
    {"SSE4.1", TN_CPU_SSE42, 1, 0, REG_ECX, 19, STATE_NONE},
    {"SSE4.2", TN_CPU_SSE42, 1, 0, REG_ECX, 20, STATE_NONE},
    {"POPCNT", TN_CPU_SSE42, 1, 0, REG_ECX, 23, STATE_NONE},
    {"AVX2", TN_CPU_AVX2, 7, 0, REG_EBX, 5, STATE_AVX},
    {"AVX", TN_CPU_AVX2, 1, 0, REG_ECX, 28, STATE_AVX},
    {"FMA", TN_CPU_AVX2, 1, 0, REG_ECX, 12, STATE_AVX},
    {"F16C", TN_CPU_AVX2, 1, 0, REG_ECX, 29, STATE_AVX},
    {"MOVBE", TN_CPU_AVX2, 1, 0, REG_ECX, 22, STATE_NONE},
    {"BMI1", TN_CPU_AVX2, 7, 0, REG_EBX, 3, STATE_NONE},
    {"BMI2", TN_CPU_AVX2, 7, 0, REG_EBX, 8, STATE_NONE},
    {"LZCNT", TN_CPU_AVX2, 0x80000001u, 0, REG_ECX, 5, STATE_NONE},
    {"AVX-512F", TN_CPU_AVX512, 7, 0, REG_EBX, 16, STATE_AVX512},
    {"AVX-512DQ", TN_CPU_AVX512, 7, 0, REG_EBX, 17, STATE_AVX512},
    {"AVX-512CD", TN_CPU_AVX512, 7, 0, REG_EBX, 28, STATE_AVX512},
    {"AVX-512BW", TN_CPU_AVX512, 7, 0, REG_EBX, 30, STATE_AVX512},
    {"AVX-512VL", TN_CPU_AVX512, 7, 0, REG_EBX, 31, STATE_AVX512},
    {"AVX512-BF16", TN_CPU_BF16, 7, 1, REG_EAX, 5, STATE_AVX512},
    {"AVX512-VNNI", TN_CPU_VNNI, 7, 0, REG_ECX, 11, STATE_AVX512},
};

enum { N_CPU_ROWS = sizeof cpu_rows / sizeof cpu_rows[0] };

#if defined(__x86_64__)
static uint32_t saved_state(void) {
    unsigned regs[4];
    if (!__get_cpuid(1, &regs[0], &regs[1], &regs[2], &regs[3]) || !(regs[REG_ECX] >> 27 & 1)) {
        return 0; /* no OSXSAVE: the system saves SSE registers only */
    }
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool row_present(const CpuRow *row, uint32_t state) {
    unsigned regs[4] = {0};
    if (!__get_cpuid_count(row->leaf, row->subleaf, &regs[0], &regs[1], &regs[2], &regs[3])) {
        return false;
    }
    return (regs[row->reg] >> row->bit & 1) && (state & row->state) == row->state;
}
#else
static uint32_t saved_state(void) {
    return 0;
}

static bool row_present(const CpuRow *row, uint32_t state) {
    (void)row, (void)state;
    return false;
}
#endif

uint32_t tn_cpu_features(void) {
    uint32_t have = ~0u, known = 0, state = saved_state();
    for (size_t i = 0; i < N_CPU_ROWS; i++) {
        known |= cpu_rows[i].feature;
        if (!row_present(&cpu_rows[i], state)) {
            have &= ~cpu_rows[i].feature;
        }
    }
    return have & known;
}

void tn_cpu_missing(uint32_t needed, uint32_t have, char *text, size_t size) {
    uint32_t lacking = needed & ~have, known = 0, state = saved_state();
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < N_CPU_ROWS; i++) {
        const CpuRow *row = &cpu_rows[i];
        known |= row->feature;
        if (!(lacking & row->feature) || row_present(row, state) || used >= size) {
            continue;
        }
        int n = snprintf(text + used, size - used, "%s%s", used ? ", " : "", row->name);
        used += n > 0 ? (size_t)n : 0;
    }
    if ((lacking & ~known) != 0 && used < size) {
        snprintf(text + used, size - used, "%sfeatures 0x%x unknown to this runtime",
                 used ? ", " : "", (unsigned)(lacking & ~known));
    }
}

int32_t tn_cpu_cores(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                         : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > RT_MAX_THREADS ? RT_MAX_THREADS : (int32_t)n;
}

#if defined(__x86_64__)
uint32_t tn_fp_enter(void) {
    uint32_t saved = _mm_getcsr();
    _mm_setcsr(0x1f80); /* round to nearest, exceptions masked, denormals kept */
    return saved;
}

void tn_fp_leave(uint32_t saved) {
    _mm_setcsr(saved);
}
#else
uint32_t tn_fp_enter(void) {
    return 0;
}

void tn_fp_leave(uint32_t saved) {
    (void)saved;
}
#endif
