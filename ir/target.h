/* target.h: a processor as data: what the schedule and the emitter need to know. */
#ifndef TN_IR_TARGET_H
#define TN_IR_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "tenon/runtime.h"

typedef struct Target {
    const char *name;
    const char *march;
    uint32_t features;     /* TN_CPU_ bits a processor must have */
    int32_t vector_bytes;
    int32_t vector_regs;
    bool fma;
    int32_t l1_kib, l2_kib, l3_kib;
    const char *doc;
} Target;

/* By name; "native" picks the best row whose features this processor has. NULL when unknown. */
const Target *tn_target_by_name(StrView name);
const Target *tn_target_at(uint32_t index); /* NULL past the end */

#endif
