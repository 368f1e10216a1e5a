/* tenon/tenon.h: the compiler: load or build a model, compile it, run it in-process.
 *
 * A tn_graph is a model description before compilation. Handles are opaque; each
 * has one destroy function. No call prints, exits or aborts. Calls that can fail
 * return a tn_status; the text of all problems is kept in the tn_compiler.
 */
#ifndef TENON_TENON_H
#define TENON_TENON_H

#include <stdbool.h>

#include "tenon/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_compiler tn_compiler; /* one per thread: options, diagnostics, all IR */
typedef struct tn_graph tn_graph;       /* owned by its compiler */
typedef struct tn_value tn_value;       /* a tensor inside a graph; owned by the graph */

/* What tn_compile_file writes. TN_EMIT_AUTO goes by the output's suffix. */
typedef enum tn_emit {
    TN_EMIT_AUTO,
    TN_EMIT_GRAPH, /* .tn */
    TN_EMIT_LOOPS, /* .loops */
    TN_EMIT_C,     /* .c (with .h and .weights beside it) */
    TN_EMIT_LLVM,  /* .ll */
    TN_EMIT_ASM,   /* .s */
    TN_EMIT_OBJ,   /* .o */
    TN_EMIT_LIB,   /* .a */
    TN_EMIT_SO     /* .so */
} tn_emit;

TN_API tn_compiler *tn_compiler_create(void);
TN_API void tn_compiler_destroy(tn_compiler *compiler);
/* Sets an option by name; false (and a diagnostic) for an unknown name or bad value:
 * "opt" = 0..3, "march" = native | x86-64 | x86-64-v2 | x86-64-v3 | x86-64-v4, "threads" = N,
 * "dim" = NAME=N (repeatable), "prefix" = C identifier, "dump-after" = PASS | all,
 * "stop-after" = PASS, "time-passes" = 0|1, "verify-each" = 0|1,
 * "train-memory" = BYTES (or 200M, 2G): the arena of training entries; what does not fit is
 * computed again instead of kept, "entries" = NAME,NAME: compile these entries alone; the state
 * keeps every variable, so that what differs in entries alone can share it. */
TN_API bool tn_compiler_set(tn_compiler *compiler, const char *option, const char *value);
/* Gives the value of an input at compile time. It is used only where the model
 * needs it to know a shape; the compiled model then checks it at each run.
 * The tensor's data is borrowed until the graph is loaded. */
TN_API void tn_compiler_bind(tn_compiler *compiler, const char *input, const tn_tensor *value);
/* All diagnostics so far, one a line, in the style of a compiler. Borrowed. */
TN_API const char *tn_compiler_messages(tn_compiler *compiler);

/* Reads an ONNX file or a .tn file (told apart by content). */
TN_API tn_status tn_graph_load(tn_compiler *compiler, const char *path, tn_graph **out);
/* The same from memory; `name` is used in messages. The bytes are borrowed until the
 * compiler is destroyed. External data is refused. */
TN_API tn_status tn_graph_parse(tn_compiler *compiler, const void *bytes, size_t size,
                                const char *name, tn_graph **out);

/* Compiles to a file. `path` "-" writes to standard output. */
TN_API tn_status tn_compile_file(tn_compiler *compiler, tn_graph *graph, tn_emit kind,
                                 const char *path);
/* Compiles and loads into this process. The model outlives the compiler. */
TN_API tn_status tn_compile_jit(tn_compiler *compiler, tn_graph *graph, tn_model **out);
/* Runs the graph on the reference evaluator: naive, in the widest type. `outputs`
 * receive dims, dtypes and data allocated with malloc, to be freed by the caller. */
TN_API tn_status tn_evaluate(tn_compiler *compiler, tn_graph *graph, const tn_tensor *inputs,
                             int32_t n_inputs, tn_tensor *outputs, int32_t n_outputs);

/* ---- Modules: models that train -------------------------------------- */

/* Entries over common state and hyper-parameters; owned by its compiler. Inference alone is a
 * module of the one entry "infer"; a training model has init, step, eval, grad, apply too. */
typedef struct tn_module tn_module;

/* Reads an ONNX file, a graph as text or a `.tn` model. tn_graph_load is the same for models
 * of one entry. */
TN_API tn_status tn_module_load(tn_compiler *compiler, const char *path, tn_module **out);
TN_API tn_status tn_module_parse(tn_compiler *compiler, const void *bytes, size_t size,
                                 const char *name, tn_module **out);
/* How a graph is trained that says nothing of it. Texts are of the model language. */
typedef struct tn_train_options {
    /* "mean_squared_error", "huber(delta=2)": of the first output and the target. */
    const char *loss;
    /* "adam(rate=0.01)" */
    const char *optimizer;
    /* Type of the further input `target`, "i64[N]"; NULL: by the loss. */
    const char *target;
    /* Names of constants, * for any characters; none: all float constants with dimensions but
     * running statistics. */
    const char *const *trainable;
    size_t n_trainable;
} tn_train_options;

/* The model that trains an ONNX model or a graph built by calls: its constants become parameters,
 * whose first values they are. */
TN_API tn_status tn_module_train(tn_compiler *compiler, const tn_graph *graph,
                                 const tn_train_options *options, tn_module **out);
TN_API tn_status tn_module_compile_file(tn_compiler *compiler, tn_module *module, tn_emit kind,
                                        const char *path);
TN_API tn_status tn_module_compile_jit(tn_compiler *compiler, tn_module *module, tn_model **out);
TN_API int32_t tn_module_entry_count(const tn_module *module);
TN_API const char *tn_module_entry_name(const tn_module *module, int32_t index);
/* The entry's graph, for the introspection below: its own inputs and outputs, without state.
 * NULL when there is none of that name. */
TN_API tn_graph *tn_module_entry_graph(const tn_module *module, const char *entry);
/* Bytes of the state region. */
TN_API size_t tn_module_state_size(const tn_module *module);
TN_API int32_t tn_module_state_count(const tn_module *module);
/* Name, role and place (data NULL) of a state variable; *offset in the region. */
TN_API const char *tn_module_state_var(const tn_module *module, int32_t index, tn_tensor *type,
                                       tn_state_role *role, uint64_t *offset);
/* As tn_evaluate for one entry over a state region and hyper-parameters (NULL: the defaults). The
 * new values of state variables are written to the region after all else. */
TN_API tn_status tn_module_evaluate(tn_compiler *compiler, tn_module *module, const char *entry,
                                    const tn_tensor *inputs, int32_t n_inputs, void *state,
                                    const double *hyper, tn_tensor *outputs, int32_t n_outputs);

/* Introspection before compilation. Symbolic dims are -1; `name` of a dim through
 * tn_graph_dim_name (NULL when it is a number or has no name of its own). */
TN_API int32_t tn_graph_input_count(const tn_graph *graph);
TN_API int32_t tn_graph_output_count(const tn_graph *graph);
TN_API const char *tn_graph_input_name(const tn_graph *graph, int32_t index);
TN_API const char *tn_graph_output_name(const tn_graph *graph, int32_t index);
TN_API void tn_graph_input_type(const tn_graph *graph, int32_t index, tn_tensor *out);
TN_API void tn_graph_output_type(const tn_graph *graph, int32_t index, tn_tensor *out);
TN_API const char *tn_graph_dim_name(const tn_graph *graph, int32_t input, int32_t axis);

/* ---- The C builder ---------------------------------------------------- */

/* Every builder call returns NULL after an error (and accepts NULL, returning
 * NULL), so a whole network can be written and checked once at the end. */
TN_API tn_graph *tn_graph_create(tn_compiler *compiler, const char *name);
/* `dims` holds `rank` sizes. `dim_names` is NULL, or has `rank` entries: one that is neither NULL
 * nor "" makes the dimension a symbol of that name, and its size does not count. */
TN_API tn_value *tn_input(tn_graph *graph, const char *name, tn_dtype dtype, int32_t rank,
                          const int64_t *dims, const char *const *dim_names);
/* A constant; the data is copied. */
TN_API tn_value *tn_constant(tn_graph *graph, tn_dtype dtype, int32_t rank, const int64_t *dims,
                             const void *data);
/* A constant without dimensions. */
TN_API tn_value *tn_scalar(tn_graph *graph, tn_dtype dtype, double value);
/* Makes `value` the next output. */
TN_API void tn_output(tn_graph *graph, const char *name, tn_value *value);
/* An operator by its ONNX name with NumPy broadcasting and attributes as a string in
 * .tn syntax, e.g. tn_apply(g, "Conv", (tn_value *[]){x, w, b}, 3, "strides=[2,2],
 * pads=[1,1,1,1]"). */
TN_API tn_value *tn_apply(tn_graph *graph, const char *op, tn_value *const *inputs,
                          int32_t n_inputs, const char *attributes);
/* The usual few by name; all broadcast. Of reshape a size may be -1, what is left, or 0, that
 * of x. `perm` of transpose has an entry a dimension. */
TN_API tn_value *tn_add(tn_graph *graph, tn_value *a, tn_value *b);
TN_API tn_value *tn_sub(tn_graph *graph, tn_value *a, tn_value *b);
TN_API tn_value *tn_mul(tn_graph *graph, tn_value *a, tn_value *b);
TN_API tn_value *tn_div(tn_graph *graph, tn_value *a, tn_value *b);
TN_API tn_value *tn_matmul(tn_graph *graph, tn_value *a, tn_value *b);
TN_API tn_value *tn_relu(tn_graph *graph, tn_value *x);
TN_API tn_value *tn_softmax(tn_graph *graph, tn_value *x, int32_t axis);
TN_API tn_value *tn_reshape(tn_graph *graph, tn_value *x, int32_t rank, const int64_t *dims);
TN_API tn_value *tn_transpose(tn_graph *graph, tn_value *x, const int32_t *perm);

#ifdef __cplusplus
}
#endif

#endif
