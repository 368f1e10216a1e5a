/* rt.h: what the files of libtenon_rt share.
 *
 * Invariants: a tn_model never changes after it was opened; all state of a run lives
 * in its session; after a successful plan a run with the same shapes allocates nothing.
 */
#ifndef TN_RUNTIME_RT_H
#define TN_RUNTIME_RT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/team.h"
#include "tenon/runtime.h"

enum {
    RT_ERROR_BYTES = 1024,
    RT_MAX_THREADS = 1024,
    /* An integer input of at most this many elements may decide shapes by its values. */
    RT_CONTENT_MAX = 64,
    RT_ALIGN = 64,
    RT_MAX_HYPER = 1 << 16
};

struct tn_model {
    const tn_model_desc *desc;
    const unsigned char *weights;
    void (*release)(void *owner); /* NULL when nothing is owned */
    void *owner;
};

/* Where an error text goes; `data` may be NULL. */
typedef struct ErrorText {
    char *data;
    size_t size;
} ErrorText;

/* Writes the text and returns `status`, so `return tn_rt_fail(...)` reads well. */
tn_status tn_rt_fail(ErrorText error, tn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- cpu.c ---- */

/* Fills `text` with the instruction sets in `needed` (TN_CPU_ bits) that `have` lacks. */
void tn_cpu_missing(uint32_t needed, uint32_t have, char *text, size_t size);
/* Cores this process may run on, at least 1. */
int32_t tn_cpu_cores(void);
/* Floating-point control of the calling thread: the default environment, and back. */
uint32_t tn_fp_enter(void);
void tn_fp_leave(uint32_t saved);

/* ---- elf.c ---- */

/* What a model file says about itself, read without loading it. */
typedef struct ElfModel {
    char symbol[256]; /* of the describing table */
    uint32_t abi_version, desc_size, cpu_features;
} ElfModel;

/* Reads `path`, bounded whatever it holds. */
tn_status tn_elf_probe(const char *path, ElfModel *out, ErrorText error);

/* ---- model.c ---- */

/* The checks that need the describing table only; `what` names the model in messages. */
tn_status tn_desc_check(uint32_t abi_version, uint32_t desc_size, uint32_t cpu_features,
                        const char *what, ErrorText error);
/* FNV-1a over the weights, as the compiler stores it. */
uint64_t tn_rt_hash(const void *bytes, size_t size);

/* ---- memory.c ---- */

/* At least `bytes` of memory, aligned to RT_ALIGN or to a huge page, not cleared; `*size` is
 * what was got. NULL when there is no such memory. To be given to free. */
void *tn_region_get(uint64_t bytes, size_t *size);

/* ---- state.c ---- */

/* The table's state variables and hyper-parameters: names, types, places. */
tn_status tn_state_check(const tn_model_desc *desc, const char *what, ErrorText error);

/* ---- check.c ---- */

/* Value of each symbol and the input it was first seen in; n_symbols of each. */
typedef struct SymbolTable {
    int64_t *values; /* -1 while unknown */
    int32_t *owners;
} SymbolTable;

tn_status tn_check_inputs(const tn_model_desc *desc, const tn_entry_desc *entry,
                          const tn_tensor *inputs, int32_t n_inputs, SymbolTable symbols,
                          ErrorText error);
/* `dims` holds the planned dims of all outputs, flattened. */
tn_status tn_check_outputs(const tn_entry_desc *entry, const tn_tensor *outputs, int32_t n_outputs,
                           const int64_t *dims, ErrorText error);
/* Whether the values of this input may decide shapes: integer, at most RT_CONTENT_MAX. */
bool tn_decides_shapes(const tn_tensor *tensor);

/* ---- session.c ---- */

struct tn_session {
    const tn_model *model;
    const tn_entry_desc *entry;
    int32_t n_threads; /* as asked; 0 is one per core */
    int32_t n_outdims;
    bool planned;
    int64_t *plan;
    /* What the plan was made for: threads, dims, small integers. See plan.c. */
    unsigned char *key, *new_key;
    size_t key_size;
    SymbolTable symbols;
    unsigned char *arena;
    size_t arena_capacity;
    double *hyper; /* desc->n_hyper */
    tn_run run;
    const void **in;
    void **out;
    Crew crew;
    char error[RT_ERROR_BYTES];
};

static inline ErrorText tn_session_text(tn_session *session) {
    return (ErrorText){session->error, sizeof session->error};
}

/* ---- plan.c ---- */

/* Bytes of a key for `entry`, at most. */
size_t tn_plan_key_bytes(const tn_entry_desc *entry);
/* Makes the session's plan fit the inputs; does nothing when it already does. */
tn_status tn_plan_update(tn_session *session, const tn_tensor *inputs, int32_t n_inputs);

#endif
