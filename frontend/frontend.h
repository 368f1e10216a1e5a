/* frontend.h: model descriptions in, graphs of primitives out.
 *
 * The ONNX reader, the .tn reader and the C builder all end in the same operator
 * importers (frontend/ops_*.c), which compose primitives through compose.h.
 */
#ifndef TN_FRONTEND_FRONTEND_H
#define TN_FRONTEND_FRONTEND_H

#include "ir/module.h"

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

/* Files of external data mapped for a graph's constants: they stay mapped until the owner of
 * the graph frees them. Zero-initialised by the owner. */
typedef struct FileMap {
    char *location; /* as the model names it */
    void *base;     /* NULL for an empty file */
    size_t size;
} FileMap;

typedef struct FileMaps {
    FileMap *items;
    size_t n;
} FileMaps;

void tn_file_maps_free(FileMaps *maps);

typedef struct FrontendOptions {
    const Binding *bindings;
    size_t n_bindings;
    const DimBinding *dims;
    size_t n_dims;
    const char *dir; /* where external data may lie; NULL refuses it */
    FileMaps *maps;  /* takes what is mapped; NULL: external data is read into the arena */
} FrontendOptions;

/* `bytes` stay borrowed by the graph's constants. NULL after diagnostics: all problems of
 * the model are listed, not only the first. */
Graph *tn_onnx_import(Ctx *ctx, const void *bytes, size_t size, const char *file,
                      const FrontendOptions *options);
/* ONNX or .tn by content. */
Graph *tn_frontend_import(Ctx *ctx, const void *bytes, size_t size, const char *file,
                          const FrontendOptions *options);

/* The same for models of any kind: an ONNX model or a graph as text is the entry "infer". */
Module *tn_frontend_import_module(Ctx *ctx, const void *bytes, size_t size, const char *file,
                                  const FrontendOptions *options);

/* Reads a file holding one TensorProto (input_0.pb of a test case). The data is borrowed
 * from `bytes` where its form allows, else in the context's arena; `*name` ("" when there is
 * none) is in the arena. False after a diagnostic: malformed, or TN_UNSUPPORTED for a
 * sequence, an optional or an element type that Tenon does not compute with. */
bool tn_onnx_read_tensor(Ctx *ctx, const void *bytes, size_t size, const char *file, tn_tensor *out,
                         const char **name);

/* The context inside a compiler object; defined where struct tn_compiler is. The C builder
 * (frontend/builder.c) treats a tn_graph * as a Graph * and a tn_value * as a Value *. */
struct tn_compiler;
Ctx *tn_compiler_ctx(struct tn_compiler *compiler);

#endif
