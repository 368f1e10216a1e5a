/* frontend.h: model descriptions in, graphs of primitives out.
 *
 * The ONNX reader, the .tn reader and the C builder all end in the same operator
 * importers (frontend/ops_*.c), which compose primitives through compose.h.
 */
#ifndef TN_FRONTEND_FRONTEND_H
#define TN_FRONTEND_FRONTEND_H

#include "ir/ir.h"

/* Input values known at compile time, used only where a shape or an axis depends on them. */
typedef struct Binding {
    const char *input;
    tn_tensor value; /* borrowed */
} Binding;

/* A symbolic dimension fixed by the user: --dim N=4. */
typedef struct DimBinding {
    const char *name;
    int64_t value;
} DimBinding;

typedef struct FrontendOptions {
    const Binding *bindings;
    size_t n_bindings;
    const DimBinding *dims;
    size_t n_dims;
    const char *dir; /* where external data may lie; NULL refuses it */
} FrontendOptions;

/* `bytes` stay borrowed by the graph's constants. NULL after diagnostics: all problems of
 * the model are listed, not only the first. */
Graph *tn_onnx_import(Ctx *ctx, const void *bytes, size_t size, const char *file,
                      const FrontendOptions *options);
/* ONNX or .tn by content. */
Graph *tn_frontend_import(Ctx *ctx, const void *bytes, size_t size, const char *file,
                          const FrontendOptions *options);

#endif
