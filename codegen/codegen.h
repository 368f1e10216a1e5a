/* codegen.h: from a program to C text, objects, shared objects and running code. */
#ifndef TN_CODEGEN_CODEGEN_H
#define TN_CODEGEN_CODEGEN_H

#include "codegen/clang.h"
#include "codegen/link.h"
#include "passes/pass.h"
#include "tenon/tenon.h"

/* ---- emit_c.c ---- */

typedef struct EmitOptions {
    const char *prefix;      /* C identifier every exported symbol bears */
    const Target *target;
    bool embed_weights;      /* desc.weights refers to the symbol <prefix>_weights */
    /* a C file for other compilers: weights in a file beside it, and a function that runs it
     * without libtenon_rt */
    bool standalone;
    bool profile;            /* fill desc.run_kernel */
} EmitOptions;

/* The emitted program: a prelude, deduplicated kernels and the entry tables, apart so
 * that kernels can be compiled in parallel. One C file is prelude + all kernels + entry. */
typedef struct EmittedC {
    const char *prelude;       /* types, inline math */
    const char **kernels;      /* each one function `<prefix>_k<i>`, equal text only once */
    size_t n_kernels;
    const char *declarations;  /* prototypes of the kernels */
    const char *entry;         /* plan, run, tables, <prefix>_model */
} EmittedC;

/* All entries of a compiled module (tn_passes_run_module). */
bool tn_emit_c(const Compile *compile, const EmitOptions *options, EmittedC *out);
/* The public header: sizes, the desc symbol, and a typed wrapper when shapes are static. */
bool tn_emit_header(const Compile *compile, const EmitOptions *options, StrBuf *out);
/* The size of the weight region, and its bytes. */
uint64_t tn_emit_weight_bytes(const Compile *compile);
bool tn_emit_weights(const Compile *compile, unsigned char *out);

/* ---- jit.c, aot.c ---- */

/* Passes, emission, Clang and LLD in one: compiles the module into `kind` at `path`. */
bool tn_codegen_file(Compile *compile, tn_emit kind, const char *path, const char *prefix);
/* ... into this process. `weights` stay in memory owned by the model. */
bool tn_codegen_jit(Compile *compile, tn_model **out);

#endif
