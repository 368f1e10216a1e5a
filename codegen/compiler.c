/* compiler.c: the public compiler object of tenon/tenon.h: options, loading, compiling.
 *
 * Every entry point that may allocate arms the context's escape for out-of-memory first; the
 * jump never crosses C++ code. Graphs handed out live in the compiler's context. Compiling
 * works on a copy, so one graph can be compiled several times.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "frontend/frontend.h"
#include "frontend/lang.h"
#include "ir/module.h"

typedef struct Mapping {
    void *data;
    size_t size;
} Mapping;

struct tn_compiler {
    Ctx ctx;
    jmp_buf oom;
    Options options;
    const char *prefix;
    const char *entries; /* to be compiled, "init,step"; NULL: all */
    TN_VEC(Binding) bindings;
    TN_VEC(DimBinding) dims;
    TN_VEC(Mapping) mappings; /* model files, mapped until the end */
    FileMaps external;
    StrBuf dump;     /* what --dump-after and --time-passes asked for */
    const char *starved; /* what was under way when memory ran out, or NULL */
};

Ctx *tn_compiler_ctx(tn_compiler *compiler) {
    return &compiler->ctx;
}

/* In every entry point, before anything is allocated: running out of memory comes back here. */
#define ARMED(compiler) (setjmp((compiler)->oom) == 0)

/* After the escape: there is no memory for a diagnostic, so a constant text is kept. */
static tn_status starved(tn_compiler *compiler, const char *what) {
    compiler->starved = what;
    tn_arena_free(&compiler->ctx.scratch);
    return TN_LIMIT;
}

/* False when there is not even memory for an empty context. */
static bool set_up(tn_compiler *compiler) {
    if (!ARMED(compiler)) {
        return false;
    }
    tn_ctx_init(&compiler->ctx, &compiler->oom);
    compiler->options.opt_level = 2;
    compiler->options.target = tn_target_by_name(TN_SV("native"));
    compiler->dump = tn_str(&compiler->ctx.arena);
    compiler->prefix = "model";
    return true;
}

tn_compiler *tn_compiler_create(void) {
    tn_compiler *compiler = calloc(1, sizeof *compiler);
    if (compiler == NULL || set_up(compiler)) {
        return compiler;
    }
    free(compiler);
    return NULL;
}

void tn_compiler_destroy(tn_compiler *compiler) {
    if (compiler == NULL) {
        return;
    }
    for (size_t i = 0; i < compiler->mappings.len; i++) {
        munmap(compiler->mappings.data[i].data, compiler->mappings.data[i].size);
    }
    tn_file_maps_free(&compiler->external);
    tn_ctx_free(&compiler->ctx);
    free(compiler);
}

/* ---- options ---- */

static bool usage(tn_compiler *compiler, const char *option, const char *value,
                  const char *expected) {
    return tn_diag(&compiler->ctx.diags, TN_USAGE, (Loc){0}, "option %s: '%s' is not %s", option,
                   value, expected);
}

static bool parse_int(const char *text, int64_t low, int64_t high, int64_t *out) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return errno == 0 && end != text && *end == '\0' && value >= low && value <= high;
}

static bool set_opt(tn_compiler *compiler, const char *value) {
    int64_t level;
    if (!parse_int(value, 0, 3, &level)) {
        return usage(compiler, "opt", value, "a level from 0 to 3");
    }
    compiler->options.opt_level = (int)level;
    return true;
}

static bool set_march(tn_compiler *compiler, const char *value) {
    const Target *target = tn_target_by_name(tn_sv(value));
    if (target == NULL) {
        StrBuf names = tn_str(&compiler->ctx.arena);
        tn_str_puts(&names, "native");
        for (uint32_t i = 0; tn_target_at(i) != NULL; i++) {
            tn_str_printf(&names, ", %s", tn_target_at(i)->name);
        }
        return usage(compiler, "march", value,
                     tn_arena_printf(&compiler->ctx.arena, "one of %s", names.data));
    }
    compiler->options.target = target;
    return true;
}

static bool set_threads(tn_compiler *compiler, const char *value) {
    int64_t threads;
    if (!parse_int(value, 0, 1024, &threads)) {
        return usage(compiler, "threads", value, "a number from 0 to 1024");
    }
    compiler->options.threads = (int32_t)threads;
    return true;
}

static bool set_dim(tn_compiler *compiler, const char *value) {
    const char *equals = strrchr(value, '=');
    int64_t size;
    if (equals == NULL || equals == value || !parse_int(equals + 1, 0, INT64_MAX, &size)) {
        return usage(compiler, "dim", value, "NAME=SIZE");
    }
    StrView name = {value, (size_t)(equals - value)};
    DimBinding dim = {tn_sv_dup(&compiler->ctx.arena, name), size};
    tn_vec_push(&compiler->ctx.arena, &compiler->dims, dim);
    return true;
}

static bool set_prefix(tn_compiler *compiler, const char *value) {
    size_t n = strlen(value);
    bool ok = n > 0 && n <= 100 && (value[0] < '0' || value[0] > '9');
    for (size_t i = 0; i < n; i++) {
        char c = value[i];
        ok = ok && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_');
    }
    if (!ok) {
        return usage(compiler, "prefix", value, "a C identifier of at most 100 letters");
    }
    compiler->prefix = tn_sv_dup(&compiler->ctx.arena, tn_sv(value));
    return true;
}

static bool set_entries(tn_compiler *compiler, const char *value) {
    if (*value == '\0') {
        return usage(compiler, "entries", value, "a list of entries such as init,step");
    }
    compiler->entries = tn_sv_dup(&compiler->ctx.arena, tn_sv(value));
    return true;
}

static bool check_pass(tn_compiler *compiler, const char *option, const char *value, bool all,
                       const char **out) {
    if (tn_pass_by_name(tn_sv(value)) == NULL && !(all && strcmp(value, "all") == 0)) {
        StrBuf names = tn_str(&compiler->ctx.arena);
        for (uint32_t i = 0; tn_pass_at(i) != NULL; i++) {
            tn_str_printf(&names, "%s%s", i > 0 ? ", " : "", tn_pass_at(i)->name);
        }
        return usage(compiler, option, value,
                     tn_arena_printf(&compiler->ctx.arena, "a pass (%s)", names.data));
    }
    *out = tn_sv_dup(&compiler->ctx.arena, tn_sv(value));
    return true;
}

static bool set_dump(tn_compiler *compiler, const char *value) {
    return check_pass(compiler, "dump-after", value, true, &compiler->options.dump_after);
}

static bool set_stop(tn_compiler *compiler, const char *value) {
    return check_pass(compiler, "stop-after", value, false, &compiler->options.stop_after);
}

/* A number of bytes, with K, M or G for powers of 1024. */
static bool set_memory(tn_compiler *compiler, const char *value) {
    static const char units[] = "KMG";
    size_t n = strlen(value);
    const char *unit = n > 0 ? strchr(units, value[n - 1]) : NULL;
    const char *digits = tn_sv_dup(&compiler->ctx.arena, (StrView){value, n - (unit != NULL)});
    int64_t bytes;
    int shift = unit != NULL ? 10 * (int)(unit - units + 1) : 0;
    if (!parse_int(digits, 1, INT64_MAX >> shift, &bytes)) {
        return usage(compiler, "train-memory", value, "a number of bytes such as 200M");
    }
    compiler->options.train_memory = (uint64_t)bytes << shift;
    return true;
}

static bool set_time(tn_compiler *compiler, const char *value) {
    compiler->options.time_passes = strcmp(value, "0") != 0;
    return true;
}

static bool set_verify(tn_compiler *compiler, const char *value) {
    compiler->options.verify_each = strcmp(value, "0") != 0;
    return true;
}

static const struct {
    const char *name;
    bool (*set)(tn_compiler *compiler, const char *value);
} settings[] = {
    {"opt", set_opt},
    {"march", set_march},
    {"threads", set_threads},
    {"dim", set_dim},
    {"prefix", set_prefix},
    {"dump-after", set_dump},
    {"stop-after", set_stop},
    {"time-passes", set_time},
    {"verify-each", set_verify},
    {"train-memory", set_memory},
    {"entries", set_entries},
};

bool tn_compiler_set(tn_compiler *compiler, const char *option, const char *value) {
    if (!ARMED(compiler)) {
        return false;
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (strcmp(option, settings[i].name) == 0) {
            return settings[i].set(compiler, value);
        }
    }
    return tn_diag(&compiler->ctx.diags, TN_USAGE, (Loc){0}, "unknown option '%s'", option);
}

void tn_compiler_bind(tn_compiler *compiler, const char *input, const tn_tensor *value) {
    if (!ARMED(compiler)) {
        return;
    }
    Binding binding = {tn_sv_dup(&compiler->ctx.arena, tn_sv(input)), *value};
    tn_vec_push(&compiler->ctx.arena, &compiler->bindings, binding);
}

const char *tn_compiler_messages(tn_compiler *compiler) {
    if (!ARMED(compiler)) {
        return "error: out of memory\n";
    }
    StrBuf out = tn_str(&compiler->ctx.arena);
    tn_str_puts(&out, "");
    if (compiler->dump.len > 0) {
        tn_str_write(&out, compiler->dump.data, compiler->dump.len);
    }
    tn_diag_print(&compiler->ctx.diags, &out);
    if (compiler->starved != NULL) {
        tn_str_printf(&out, "error: out of memory while %s the model\n", compiler->starved);
    }
    return out.data != NULL ? out.data : "";
}

/* ---- loading ---- */

static tn_status status_of(const tn_compiler *compiler, bool ok) {
    if (ok) {
        return TN_OK;
    }
    tn_status status = tn_diag_status(&compiler->ctx.diags);
    return status != TN_OK ? status : TN_INTERNAL;
}

static bool io_error(tn_compiler *compiler, const char *path, const char *what) {
    return tn_diag(&compiler->ctx.diags, TN_IO, (Loc){.file = path}, "%s: %s", what,
                   strerror(errno));
}

/* Maps a regular file privately; the mapping lives as long as the compiler. */
static bool map_file(tn_compiler *compiler, const char *path, const void **data, size_t *size) {
    /* O_NONBLOCK: a FIFO must not make us wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (fd < 0) {
        return io_error(compiler, path, "cannot open");
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return tn_diag(&compiler->ctx.diags, TN_IO, (Loc){.file = path}, "not a regular file");
    }
    *size = (size_t)info.st_size;
    *data = "";
    if (*size > 0) {
        void *map = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            close(fd);
            return io_error(compiler, path, "cannot map");
        }
        tn_vec_push(&compiler->ctx.arena, &compiler->mappings, ((Mapping){map, *size}));
        *data = map;
    }
    close(fd);
    return true;
}

static FrontendOptions frontend_options(tn_compiler *compiler, const char *dir) {
    return (FrontendOptions){.bindings = compiler->bindings.data,
                             .n_bindings = compiler->bindings.len,
                             .dims = compiler->dims.data,
                             .n_dims = compiler->dims.len,
                             .dir = dir,
                             .maps = &compiler->external};
}

static const char *folder_of(Ctx *ctx, const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return ".";
    }
    return tn_sv_dup(&ctx->arena, (StrView){path, slash == path ? 1 : (size_t)(slash - path)});
}

static tn_status import(tn_compiler *compiler, const void *bytes, size_t size, const char *name,
                        const char *dir, Module **out) {
    FrontendOptions options = frontend_options(compiler, dir);
    *out = tn_frontend_import_module(&compiler->ctx, bytes, size, name, &options);
    return status_of(compiler, *out != NULL);
}

/* Apart from its caller, so that no local of it lives across setjmp. */
__attribute__((noinline)) static tn_status load_file(tn_compiler *compiler, const char *path,
                                                     Module **out) {
    const char *name = tn_sv_dup(&compiler->ctx.arena, tn_sv(path));
    const void *data = NULL;
    size_t size = 0;
    if (!map_file(compiler, name, &data, &size)) {
        return status_of(compiler, false);
    }
    return import(compiler, data, size, name, folder_of(&compiler->ctx, name), out);
}

/* The graph of a model that is inference alone. */
__attribute__((noinline)) static tn_status only_graph(tn_compiler *compiler, const Module *module,
                                                      const char *name, tn_graph **out) {
    if (module->entries.len != 1 || module->states.len > 0) {
        tn_diag(&compiler->ctx.diags, TN_USAGE, (Loc){.file = name},
                "the model has %zu entries and %zu state variables: load it with tn_module_load",
                module->entries.len, module->states.len);
        return TN_USAGE;
    }
    *out = (tn_graph *)module->entries.data[0];
    return TN_OK;
}

tn_status tn_module_load(tn_compiler *compiler, const char *path, tn_module **out) {
    *out = NULL;
    return ARMED(compiler) ? load_file(compiler, path, (Module **)out)
                           : starved(compiler, "loading");
}

tn_status tn_module_parse(tn_compiler *compiler, const void *bytes, size_t size, const char *name,
                          tn_module **out) {
    *out = NULL;
    if (!ARMED(compiler)) {
        return starved(compiler, "loading");
    }
    const char *kept = tn_sv_dup(&compiler->ctx.arena, tn_sv(name));
    return import(compiler, bytes, size, kept, NULL, (Module **)out);
}

tn_status tn_graph_load(tn_compiler *compiler, const char *path, tn_graph **out) {
    tn_module *module = NULL;
    tn_status status = tn_module_load(compiler, path, &module);
    *out = NULL;
    return status == TN_OK ? only_graph(compiler, (Module *)module, path, out) : status;
}

tn_status tn_graph_parse(tn_compiler *compiler, const void *bytes, size_t size, const char *name,
                         tn_graph **out) {
    tn_module *module = NULL;
    tn_status status = tn_module_parse(compiler, bytes, size, name, &module);
    *out = NULL;
    return status == TN_OK ? only_graph(compiler, (Module *)module, name, out) : status;
}

/* Apart from its caller, so that no local of it lives across setjmp. */
__attribute__((noinline)) static tn_status train(tn_compiler *compiler, const Graph *graph,
                                                 const tn_train_options *options, Module **out) {
    TrainOptions train = {.loss = options->loss,
                          .optimizer = options->optimizer,
                          .target = options->target,
                          .trainable = options->trainable,
                          .n_trainable = options->n_trainable};
    *out = tn_lang_train_graph(&compiler->ctx, graph, &train);
    return status_of(compiler, *out != NULL);
}

/* ---- compiling ---- */

/* False after a diagnostic. */
static bool start_compile(tn_compiler *compiler, const Module *module, Compile *out) {
    *out = (Compile){.ctx = &compiler->ctx,
                     .options = compiler->options,
                     .module = tn_module_clone(module),
                     .dump = &compiler->dump};
    return compiler->entries == NULL || tn_module_keep(out->module, tn_sv(compiler->entries));
}

/* A graph built with mistakes has its diagnostics already. */
static bool is_usable(tn_compiler *compiler, const void *handle) {
    return handle != NULL && tn_diag_status(&compiler->ctx.diags) == TN_OK;
}

/* Apart from their callers, so that no local of them lives across setjmp. */
__attribute__((noinline)) static tn_status compile_file(tn_compiler *compiler, const Module *module,
                                                        tn_emit kind, const char *path) {
    Compile compile;
    return status_of(compiler, start_compile(compiler, module, &compile) &&
                                   tn_codegen_file(&compile, kind, path, compiler->prefix));
}

__attribute__((noinline)) static tn_status compile_jit(tn_compiler *compiler, const Module *module,
                                                       tn_model **out) {
    Compile compile;
    return status_of(compiler,
                     start_compile(compiler, module, &compile) && tn_codegen_jit(&compile, out));
}

tn_status tn_compile_file(tn_compiler *compiler, tn_graph *graph, tn_emit kind, const char *path) {
    if (!ARMED(compiler)) {
        return starved(compiler, "compiling");
    }
    return is_usable(compiler, graph)
               ? compile_file(compiler, tn_module_of_graph((Graph *)graph), kind, path)
               : status_of(compiler, false);
}

tn_status tn_compile_jit(tn_compiler *compiler, tn_graph *graph, tn_model **out) {
    *out = NULL;
    if (!ARMED(compiler)) {
        return starved(compiler, "compiling");
    }
    return is_usable(compiler, graph)
               ? compile_jit(compiler, tn_module_of_graph((Graph *)graph), out)
               : status_of(compiler, false);
}

tn_status tn_module_train(tn_compiler *compiler, const tn_graph *graph,
                          const tn_train_options *options, tn_module **out) {
    *out = NULL;
    if (!ARMED(compiler)) {
        return starved(compiler, "loading");
    }
    if (options == NULL || options->loss == NULL || options->optimizer == NULL) {
        tn_diag(&compiler->ctx.diags, TN_USAGE, (Loc){0},
                "tn_module_train: a loss and an optimizer are needed");
        return TN_USAGE;
    }
    return is_usable(compiler, graph)
               ? train(compiler, (const Graph *)graph, options, (Module **)out)
               : status_of(compiler, false);
}

tn_status tn_module_compile_file(tn_compiler *compiler, tn_module *module, tn_emit kind,
                                 const char *path) {
    if (!ARMED(compiler)) {
        return starved(compiler, "compiling");
    }
    return is_usable(compiler, module) ? compile_file(compiler, (const Module *)module, kind, path)
                                       : status_of(compiler, false);
}

tn_status tn_module_compile_jit(tn_compiler *compiler, tn_module *module, tn_model **out) {
    *out = NULL;
    if (!ARMED(compiler)) {
        return starved(compiler, "compiling");
    }
    return is_usable(compiler, module) ? compile_jit(compiler, (const Module *)module, out)
                                       : status_of(compiler, false);
}

/* ---- the reference evaluator ---- */

static bool give_output(tn_compiler *compiler, const RefTensor *tensor, tn_tensor *out) {
    *out = (tn_tensor){.dtype = (int32_t)tensor->dtype, .rank = tensor->rank};
    memcpy(out->dims, tensor->dims, tensor->rank * sizeof *out->dims);
    size_t bytes = (size_t)tensor->count * tn_dtype_bytes(tensor->dtype);
    out->data = malloc(bytes + 1);
    if (out->data == NULL) {
        return tn_diag(&compiler->ctx.diags, TN_LIMIT, (Loc){0}, "out of memory");
    }
    tn_ref_to_bytes(tensor, out->data);
    return true;
}

static bool check_input(tn_compiler *compiler, const Value *value, const tn_tensor *tensor) {
    if ((DType)tensor->dtype != value->type.dtype || tensor->rank != value->type.rank) {
        return tn_diag(&compiler->ctx.diags, TN_BAD_INPUT, (Loc){.node = value->name},
                       "input has type %s and rank %d, the model takes %s and rank %d",
                       tn_dtype_text((DType)tensor->dtype), tensor->rank,
                       tn_dtype_text(value->type.dtype), value->type.rank);
    }
    return true;
}

/* One evaluation: where what is not the caller's lies. */
typedef struct Evaluation {
    tn_compiler *compiler;
    Graph *graph;
    const Module *module; /* NULL for a graph alone */
    unsigned char *state;
    const double *hyper;
} Evaluation;

static RefTensor input_of(const Evaluation *eval, size_t i, const tn_tensor *inputs) {
    Arena *arena = &eval->compiler->ctx.scratch;
    const Type *type = &eval->graph->inputs.data[i]->type;
    InputSource source = eval->graph->sources.data[i];
    if (source.kind == INPUT_CALLER) {
        const tn_tensor *given = &inputs[i];
        return tn_ref_from_bytes(arena, (DType)given->dtype, given->rank, given->dims, given->data);
    }
    int64_t dims[TN_MAX_RANK] = {0};
    for (uint32_t d = 0; d < type->rank; d++) {
        dims[d] = type->dims[d]->value;
    }
    const void *bytes =
        source.kind == INPUT_STATE
            ? (const void *)(eval->state + tn_module_state_offset(eval->module, source.index))
        : eval->hyper != NULL ? (const void *)&eval->hyper[source.index]
                              : (const void *)&eval->module->hypers.data[source.index].value;
    return tn_ref_from_bytes(arena, type->dtype, type->rank, dims, bytes);
}

static bool give_outputs(const Evaluation *eval, const RefTensor *out, tn_tensor *outputs) {
    bool ok = true;
    for (size_t i = 0; i < eval->graph->outputs.len && ok; i++) {
        int32_t state = eval->graph->outputs.data[i].state;
        if (state < 0) {
            ok = give_output(eval->compiler, &out[i], &outputs[i]);
        } else {
            tn_ref_to_bytes(&out[i], eval->state + tn_module_state_offset(eval->module, state));
        }
    }
    return ok;
}

static tn_status evaluate(const Evaluation *eval, const tn_tensor *inputs, tn_tensor *outputs) {
    const Graph *graph = eval->graph;
    Arena *arena = &eval->compiler->ctx.scratch;
    ArenaMark mark = tn_arena_mark(arena);
    RefTensor *in = TN_NEW_ARRAY(arena, RefTensor, graph->inputs.len + 1);
    RefTensor *out = TN_NEW_ARRAY(arena, RefTensor, graph->outputs.len + 1);
    bool ok = true;
    for (size_t i = 0; i < tn_graph_caller_outputs(graph); i++) {
        outputs[i] = (tn_tensor){0};
    }
    for (size_t i = 0; i < graph->inputs.len && ok; i++) {
        ok = graph->sources.data[i].kind != INPUT_CALLER ||
             check_input(eval->compiler, graph->inputs.data[i], &inputs[i]);
        if (ok) {
            in[i] = input_of(eval, i, inputs);
        }
    }
    ok = ok && tn_eval_graph(eval->graph, in, arena, out, NULL, NULL) &&
         give_outputs(eval, out, outputs);
    tn_arena_reset(arena, mark);
    return status_of(eval->compiler, ok);
}

/* Checks the counts first. */
__attribute__((noinline)) static tn_status checked_evaluate(const Evaluation *eval,
                                                            const tn_tensor *inputs,
                                                            int32_t n_inputs, tn_tensor *outputs,
                                                            int32_t n_outputs) {
    const Graph *graph = eval->graph;
    size_t n_in = graph != NULL ? tn_graph_caller_inputs(graph) : 0;
    size_t n_out = graph != NULL ? tn_graph_caller_outputs(graph) : 0;
    if (graph == NULL || (size_t)n_inputs != n_in || (size_t)n_outputs != n_out) {
        tn_diag(&eval->compiler->ctx.diags, TN_USAGE, (Loc){0},
                "tn_evaluate: %d inputs and %d outputs given, the entry has %zu and %zu", n_inputs,
                n_outputs, n_in, n_out);
        return TN_USAGE;
    }
    return evaluate(eval, inputs, outputs);
}

tn_status tn_evaluate(tn_compiler *compiler, tn_graph *handle, const tn_tensor *inputs,
                      int32_t n_inputs, tn_tensor *outputs, int32_t n_outputs) {
    Evaluation eval = {.compiler = compiler, .graph = (Graph *)handle};
    if (!ARMED(compiler)) {
        return starved(compiler, "evaluating");
    }
    return checked_evaluate(&eval, inputs, n_inputs, outputs, n_outputs);
}

tn_status tn_module_evaluate(tn_compiler *compiler, tn_module *handle, const char *entry,
                             const tn_tensor *inputs, int32_t n_inputs, void *state,
                             const double *hyper, tn_tensor *outputs, int32_t n_outputs) {
    const Module *module = (const Module *)handle;
    Evaluation eval = {.compiler = compiler,
                       .graph = module != NULL ? tn_module_entry(module, tn_sv(entry)) : NULL,
                       .module = module,
                       .state = state,
                       .hyper = hyper};
    if (!ARMED(compiler)) {
        return starved(compiler, "evaluating");
    }
    return checked_evaluate(&eval, inputs, n_inputs, outputs, n_outputs);
}

/* ---- introspection ---- */

int32_t tn_graph_input_count(const tn_graph *graph) {
    return (int32_t)tn_graph_caller_inputs((const Graph *)graph);
}

int32_t tn_graph_output_count(const tn_graph *graph) {
    return (int32_t)tn_graph_caller_outputs((const Graph *)graph);
}

const char *tn_graph_input_name(const tn_graph *graph, int32_t index) {
    const char *name = ((const Graph *)graph)->inputs.data[index]->name;
    return name != NULL ? name : "";
}

const char *tn_graph_output_name(const tn_graph *graph, int32_t index) {
    return ((const Graph *)graph)->outputs.data[index].name;
}

static void describe(const Type *type, tn_tensor *out) {
    *out = (tn_tensor){.dtype = (int32_t)type->dtype, .rank = type->rank};
    for (uint32_t i = 0; i < type->rank; i++) {
        out->dims[i] = tn_dim_is_const(type->dims[i]) ? type->dims[i]->value : -1;
    }
}

void tn_graph_input_type(const tn_graph *graph, int32_t index, tn_tensor *out) {
    describe(&((const Graph *)graph)->inputs.data[index]->type, out);
}

void tn_graph_output_type(const tn_graph *graph, int32_t index, tn_tensor *out) {
    describe(&((const Graph *)graph)->outputs.data[index].value->type, out);
}

const char *tn_graph_dim_name(const tn_graph *graph, int32_t input, int32_t axis) {
    const Graph *g = (const Graph *)graph;
    const Dim *dim = g->inputs.data[input]->type.dims[axis];
    return dim->kind == DIM_SYM ? tn_dim_symbol_of(g->ctx, dim)->name : NULL;
}

int32_t tn_module_entry_count(const tn_module *module) {
    return (int32_t)((const Module *)module)->entries.len;
}

const char *tn_module_entry_name(const tn_module *module, int32_t index) {
    return tn_module_entry_of((const Module *)module, (size_t)index);
}

tn_graph *tn_module_entry_graph(const tn_module *module, const char *entry) {
    return (tn_graph *)tn_module_entry((const Module *)module, tn_sv(entry));
}

size_t tn_module_state_size(const tn_module *module) {
    return (size_t)tn_module_state_bytes((const Module *)module);
}

int32_t tn_module_state_count(const tn_module *module) {
    return (int32_t)((const Module *)module)->states.len;
}

const char *tn_module_state_var(const tn_module *module, int32_t index, tn_tensor *type,
                                tn_state_role *role, uint64_t *offset) {
    const Module *m = (const Module *)module;
    const StateVar *var = &m->states.data[index];
    describe(&var->type, type);
    *role = var->role;
    *offset = tn_module_state_offset(m, index);
    return var->name;
}
