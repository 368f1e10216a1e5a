/* emit_entry.c: a whole program in C: distinct kernels, and the entry that runs them.
 *
 * The entry holds the plan function, the steps, and the describing table, the one symbol
 * that is visible from outside. Names of the model occur in it as string literals only,
 * with everything but plain characters escaped.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/map.h"
#include "codegen/emit.h"
#include "codegen/entry.h"

/* ---- words of the plan ---- */

uint32_t tn_entry_symbol_word(Entry *entry, uint32_t symbol) {
    uint32_t at = 0;
    while (at < entry->symbols.len && entry->symbols.data[at] != symbol) {
        at++;
    }
    if (at == entry->symbols.len) {
        tn_vec_push(&entry->ctx->arena, &entry->symbols, symbol);
    }
    return 2 + entry->n_outdims + at;
}

/* Symbols are all known once the plan is printed. */
uint32_t tn_entry_scratch_word(const Entry *entry) {
    return 2 + entry->n_outdims + (uint32_t)entry->symbols.len;
}

uint32_t tn_entry_slot_word(const Entry *entry, const Slot *slot) {
    uint32_t n = (uint32_t)entry->placed.len, at = 0;
    while (at < n && entry->placed.data[at] != slot) {
        at++;
    }
    return tn_entry_scratch_word(entry) + 1 + n + at;
}

uint32_t tn_entry_plan_words(const Entry *entry) {
    return tn_entry_scratch_word(entry) + 2 + 3 * (uint32_t)entry->placed.len;
}

static void find_placed(Entry *entry) {
    const Program *program = entry->program;
    for (size_t i = 0; i < program->slots.len && !program->static_plan; i++) {
        const Slot *slot = program->slots.data[i];
        if (slot->kind == SLOT_ARENA && slot->first >= 0) {
            tn_vec_push(&entry->ctx->arena, &entry->placed, slot);
        }
    }
}

/* ---- text ---- */

void tn_entry_string(StrBuf *out, const char *text) {
    tn_str_putc(out, '"');
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at < 128 && (isalnum(*at) || strchr(" _./:;,-+*()[]{}<>=@#%&|!~^$'", *at) != NULL)) {
            tn_str_putc(out, (char)*at);
        } else {
            tn_str_printf(out, "\\%03o", *at);
        }
    }
    tn_str_putc(out, '"');
}

uint32_t tn_entry_io_dim(Entry *entry, const Dim *dim) {
    uint32_t at = 0;
    while (at < entry->io->dims.len && entry->io->dims.data[at] != dim) {
        at++;
    }
    if (at == entry->io->dims.len) {
        tn_vec_push(&entry->ctx->arena, &entry->io->dims, dim);
    }
    return at;
}

/* ---- steps ---- */

/* The loop whose round the symbol is, or -1. */
static int32_t round_of(const Program *program, uint32_t symbol) {
    for (size_t i = 0; i < program->loops.len; i++) {
        if (program->loops.data[i].round->sym == symbol) {
            return (int32_t)i;
        }
    }
    return -1;
}

/* Makes a word of the plan of each symbol in the dimension that is no loop's round. */
static void need_symbols(Entry *entry, const Dim *dim) {
    if (dim == NULL) {
        return;
    }
    if (dim->kind == DIM_SYM && round_of(entry->program, dim->sym) < 0) {
        tn_entry_symbol_word(entry, dim->sym);
    }
    for (uint32_t i = 0; i < dim->n_args; i++) {
        need_symbols(entry, dim->args[i]);
    }
}

static void put_symbol(Entry *entry, uint32_t symbol, StrBuf *out) {
    int32_t loop = round_of(entry->program, symbol);
    if (loop >= 0) {
        tn_str_printf(out, "round%d", loop);
    } else {
        tn_str_printf(out, "plan[%u]", tn_entry_symbol_word(entry, symbol));
    }
}

static bool name_symbol(void *arg, const Dim *part, StrBuf *out) {
    if (part->kind == DIM_SYM) {
        put_symbol(arg, part->sym, out);
    }
    return part->kind == DIM_SYM;
}

/* A size or offset within a run as a C expression: what the plan has checked cannot overflow. */
static void put_size(Entry *entry, const Dim *dim, StrBuf *out) {
    tn_str_putc(out, '(');
    tn_dim_print_c(dim, name_symbol, entry, out);
    tn_str_putc(out, ')');
}

static void put_slot(Entry *entry, const Slot *slot, StrBuf *out) {
    switch (slot->kind) {
    case SLOT_INPUT:
        tn_str_printf(out, "run->in[%d]", slot->index);
        break;
    case SLOT_OUTPUT:
        tn_str_printf(out, "run->out[%d]", slot->index);
        break;
    case SLOT_WEIGHT:
        tn_str_printf(out, "(run->weights + %" PRIu64 "u)", slot->offset);
        break;
    case SLOT_STATE:
        tn_str_printf(out, "(run->state + %" PRIu64 "u)", slot->offset);
        break;
    case SLOT_HYPER:
        tn_str_printf(out, "(run->hyper + %d)", slot->index);
        break;
    case SLOT_ARENA:
        if (entry->program->static_plan) {
            tn_str_printf(out, "(run->arena + %" PRIu64 "u)", slot->offset);
        } else {
            tn_str_printf(out, "(run->arena + plan[%u])", tn_entry_slot_word(entry, slot));
        }
        break;
    }
}

static void print_pointer(Entry *entry, const Slot *slot, const Dim *offset, const Buf *buf,
                          StrBuf *out) {
    const char *cst = buf->written ? "" : "const ";
    tn_str_printf(out, ", (%s%s *)", cst, tn_dtype_c(buf->dtype));
    if (offset == NULL) {
        put_slot(entry, slot, out);
        return;
    }
    tn_str_printf(out, "((%schar *)", cst);
    put_slot(entry, slot, out);
    tn_str_puts(out, " + ");
    put_size(entry, offset, out);
    tn_str_putc(out, ')');
}

static void print_call(Entry *entry, size_t i, StrBuf *out) {
    const Step *step = &entry->program->steps.data[i];
    const EntryStep *info = &entry->steps[i];
    tn_str_puts(out, "        ");
    if (step->serial) {
        tn_str_puts(out, "if (thread == 0) {\n            ");
    }
    tn_str_printf(out, "%s_k%zu(%s", entry->options->prefix, info->kernel,
                  step->serial ? "0, 1" : "thread, n_threads");
    for (size_t k = 0, param = 0; k < step->kernel->bufs.len; k++) {
        if (step->kernel->bufs.data[k]->kind == BUF_PARAM) {
            print_pointer(entry, step->args[param], step->offsets[param],
                          step->kernel->bufs.data[k], out);
            param++;
        }
    }
    for (size_t k = 0; k < info->n_sizes; k++) {
        tn_str_puts(out, ", ");
        put_symbol(entry, info->sizes[k], out);
    }
    tn_str_puts(out, ", scratch);\n");
    tn_str_puts(out, step->serial ? "        }\n" : "");
}

/* All threads meet, then read the condition once. */
static void open_guarded(Entry *entry, const ProgramLoop *loop, size_t number, StrBuf *out) {
    tn_str_printf(out, "        run->barrier(run->team);\n        if (%s*((const unsigned char *)",
                  loop->when ? "" : "!");
    put_slot(entry, loop->guard, out);
    if (loop->guard_offset != NULL) {
        tn_str_puts(out, " + ");
        put_size(entry, loop->guard_offset, out);
    }
    tn_str_printf(out,
                  ")) {\n            const int64_t round%zu = 0;\n            (void)round%zu;\n",
                  number, number);
}

static void open_loop(Entry *entry, size_t number, StrBuf *out) {
    const ProgramLoop *loop = &entry->program->loops.data[number];
    if (loop->guard != NULL) {
        open_guarded(entry, loop, number, out);
        return;
    }
    tn_str_printf(out, "        for (int64_t round%zu = 0; round%zu < ", number, number);
    put_size(entry, loop->trips, out);
    tn_str_printf(out, "; round%zu++) {\n", number);
    tn_str_puts(out, loop->barrier ? "        run->barrier(run->team);\n" : "");
}

/* A kernel, or an outermost loop with all of its kernels. */
static void print_unit(Entry *entry, const Unit *unit, size_t number, StrBuf *out) {
    const Program *program = entry->program;
    tn_str_printf(out, "    case %zu:\n", number);
    for (size_t i = unit->first; i <= unit->last; i++) {
        for (size_t l = 0; l < program->loops.len; l++) {
            if (program->loops.data[l].first == (int32_t)i) {
                open_loop(entry, l, out);
            }
        }
        bool inside = i > unit->first || tn_program_loop_of(program, (int32_t)i) >= 0;
        tn_str_puts(out, inside && program->steps.data[i].barrier
                             ? "        run->barrier(run->team);\n"
                             : "");
        print_call(entry, i, out);
        for (size_t l = 0; l < program->loops.len; l++) {
            tn_str_puts(out, program->loops.data[l].last == (int32_t)i ? "        }\n" : "");
        }
    }
    tn_str_puts(out, "        break;\n");
}

static void print_units(Entry *entry, StrBuf *out) {
    const Program *program = entry->program;
    const char *id = entry->id;
    tn_str_printf(out,
                  "static void %s_kernel(const tn_run *run, int32_t index, int32_t thread, "
                  "int32_t n_threads)\n{\n"
                  "    const int64_t *plan = run->plan;\n"
                  "    unsigned char *scratch = run->arena + plan[%s_WORD + %s_AFTER] + thread * "
                  "plan[%s_WORD];\n"
                  "    (void)n_threads, (void)scratch;\n"
                  "    switch (index) {\n",
                  id, id, id, id);
    for (size_t i = 0; i < entry->units.len; i++) {
        print_unit(entry, &entry->units.data[i], i, out);
    }
    tn_str_puts(out, "    default:\n        break;\n    }\n}\n");
    tn_str_printf(out, "static const unsigned char %s_barriers[] = {", id);
    for (size_t i = 0; i < entry->units.len; i++) {
        size_t first = entry->units.data[i].first;
        bool loop = tn_program_loop_of(program, (int32_t)first) >= 0;
        tn_str_printf(out, "%d, ", !loop && program->steps.data[first].barrier);
    }
    tn_str_printf(out, "0};\nenum { %s_STEPS = %zu };\n", id, entry->units.len);
    tn_str_printf(out,
                  "static void %s_run(const tn_run *run, int32_t thread, int32_t n_threads)\n{\n"
                  "    for (int32_t i = 0; i < %s_STEPS; i++) {\n"
                  "        if (%s_barriers[i]) {\n"
                  "            run->barrier(run->team);\n"
                  "        }\n"
                  "        %s_kernel(run, i, thread, n_threads);\n"
                  "    }\n}\n",
                  id, id, id, id);
}

static void find_units(Entry *entry) {
    const Program *program = entry->program;
    for (size_t i = 0; i < program->steps.len; i++) {
        int32_t loop = tn_program_outer_loop(program, (int32_t)i);
        Unit unit = {i, loop >= 0 ? (size_t)program->loops.data[loop].last : i};
        tn_vec_push(&entry->ctx->arena, &entry->units, unit);
        i = unit.last;
    }
}

/* ---- tables ---- */

/* "static const int64_t e0_in_dims3[] = {...};" */
static void print_dims(Entry *entry, const char *kind, size_t i, const Type *type, StrBuf *out) {
    tn_str_printf(out, "static const int64_t %s_%s_dims%zu[] = {", entry->id, kind, i);
    for (int d = 0; d < type->rank; d++) {
        const Dim *dim = type->dims[d];
        int64_t word =
            dim->kind == DIM_CONST ? dim->value : -1 - (int64_t)tn_entry_io_dim(entry, dim);
        tn_str_printf(out, "%" PRId64 ", ", word);
    }
    tn_str_puts(out, "0};\n");
}

static void print_io(const Entry *entry, const char *kind, size_t i, const Type *type,
                     const char *name, StrBuf *out) {
    tn_str_puts(out, "    {");
    tn_entry_string(out, name != NULL ? name : "");
    tn_str_printf(out, ", %d, %d, %s_%s_dims%zu, 0},\n", (int)type->dtype, type->rank, entry->id,
                  kind, i);
}

static void print_ios(Entry *entry, StrBuf *out) {
    const Graph *graph = entry->program->graph;
    size_t n_in = tn_graph_caller_inputs(graph), n_out = tn_graph_caller_outputs(graph);
    for (size_t i = 0; i < n_in; i++) {
        print_dims(entry, "in", i, &graph->inputs.data[i]->type, out);
    }
    for (size_t i = 0; i < n_out; i++) {
        print_dims(entry, "out", i, &graph->outputs.data[i].value->type, out);
    }
    tn_str_printf(out, "static const tn_io_desc %s_inputs[] = {\n", entry->id);
    for (size_t i = 0; i < n_in; i++) {
        const Value *input = graph->inputs.data[i];
        print_io(entry, "in", i, &input->type, input->name, out);
    }
    tn_str_printf(out, "    {0, 0, 0, 0, 0}};\nstatic const tn_io_desc %s_outputs[] = {\n",
                  entry->id);
    for (size_t i = 0; i < n_out; i++) {
        const GraphOutput *output = &graph->outputs.data[i];
        print_io(entry, "out", i, &output->value->type, output->name, out);
    }
    tn_str_puts(out, "    {0, 0, 0, 0, 0}};\n");
}

static void print_strings(const char *id, const char *name, const char *const *texts, size_t n,
                          StrBuf *out) {
    tn_str_printf(out, "static const char *const %s%s[] = {", id, name);
    for (size_t i = 0; i < n; i++) {
        tn_str_puts(out, "\n    ");
        tn_entry_string(out, texts[i] != NULL ? texts[i] : "");
        tn_str_putc(out, ',');
    }
    tn_str_puts(out, " 0};\n");
}

static const char *unit_name(const Entry *entry, const Unit *unit) {
    const Program *program = entry->program;
    int32_t loop = tn_program_outer_loop(program, (int32_t)unit->first);
    if (loop < 0) {
        return program->steps.data[unit->first].kernel->name;
    }
    const char *name = program->loops.data[loop].name;
    return name != NULL ? name : "loop";
}

static double unit_flops(const Entry *entry, const Unit *unit) {
    double flops = 0;
    for (size_t i = unit->first; i <= unit->last; i++) {
        flops += entry->program->steps.data[i].kernel->flops;
    }
    return flops;
}

static void print_names(Entry *entry, StrBuf *out) {
    size_t n = entry->units.len;
    const char **names = TN_NEW_ARRAY(&entry->ctx->scratch, const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        names[i] = unit_name(entry, &entry->units.data[i]);
    }
    print_strings(entry->id, "_kernel_names", names, n, out);
    print_strings(entry->id, "_checks", entry->checks.data, entry->checks.len, out);
    tn_str_printf(out, "static const double %s_flops[] = {", entry->id);
    for (size_t i = 0; i < n; i++) {
        tn_str_printf(out, "%.17g, ", unit_flops(entry, &entry->units.data[i]));
    }
    tn_str_puts(out, "0};\n");
}

/* ---- the describing table ---- */

/* All entries of a file, and what they share. */
typedef struct EmitModule {
    const Compile *compile;
    const EmitOptions *options;
    Entry *entries;
    size_t n_entries;
    IoDims io;
} EmitModule;

static void print_symbol_names(const EmitModule *em, StrBuf *out) {
    Ctx *ctx = em->compile->ctx;
    const char **names = TN_NEW_ARRAY(&ctx->scratch, const char *, em->io.dims.len + 1);
    for (size_t i = 0; i < em->io.dims.len; i++) {
        StrBuf text = tn_str(&ctx->scratch);
        tn_dim_print(ctx, em->io.dims.data[i], &text);
        names[i] = text.data;
    }
    print_strings("", "symbol_names", names, em->io.dims.len, out);
}

/* State variables and hyper-parameters; nothing for a model that has none. */
static void print_variables(const EmitModule *em, StrBuf *out) {
    const Module *module = em->compile->module;
    for (size_t i = 0; i < module->states.len; i++) {
        print_dims(&em->entries[0], "state", i, &module->states.data[i].type, out);
    }
    if (module->states.len > 0) {
        tn_str_puts(out, "static const tn_state_desc state[] = {\n");
    }
    for (size_t i = 0; i < module->states.len; i++) {
        const StateVar *var = &module->states.data[i];
        tn_str_puts(out, "    {");
        tn_entry_string(out, var->name);
        tn_str_printf(out, ", %d, %d, %s_state_dims%zu, %" PRIu64 "u, %d, 0},\n",
                      (int)var->type.dtype, var->type.rank, em->entries[0].id, i,
                      tn_module_state_offset(module, (int32_t)i), (int)var->role);
    }
    tn_str_puts(out, module->states.len > 0 ? "};\n" : "");
    if (module->hypers.len > 0) {
        tn_str_puts(out, "static const tn_hyper_desc hyper[] = {\n");
    }
    for (size_t i = 0; i < module->hypers.len; i++) {
        tn_str_puts(out, "    {");
        tn_entry_string(out, module->hypers.data[i].name);
        tn_str_printf(out, ", %.17g},\n", module->hypers.data[i].value);
    }
    tn_str_puts(out, module->hypers.len > 0 ? "};\n" : "");
}

static void print_entry_desc(const EmitModule *em, size_t i, StrBuf *out) {
    const Entry *entry = &em->entries[i];
    const Graph *graph = entry->program->graph;
    const char *id = entry->id;
    tn_str_puts(out, "    {");
    tn_entry_string(out, tn_module_entry_of(em->compile->module, i));
    tn_str_printf(out,
                  ", %s_inputs, %s_outputs, %zu, %zu, %u, %zu, %s_checks,\n"
                  "     %s_plan, %s_run, %s_STEPS, %s_kernel_names, ",
                  id, id, tn_graph_caller_inputs(graph), tn_graph_caller_outputs(graph),
                  tn_entry_plan_words(entry), entry->checks.len, id, id, id, id, id);
    if (em->options->profile) {
        tn_str_printf(out, "%s_kernel, %s_flops},\n", id, id);
    } else {
        tn_str_printf(out, "0, %s_flops},\n", id);
    }
}

/* WEIGHTS: where they are, or 0. A standalone file includes them when it is told where. */
static void print_weights(const EmitOptions *options, StrBuf *out) {
    const char *prefix = options->prefix;
    if (options->standalone) {
        tn_str_printf(
            out,
            "/* Compile with -DTENON_EMBED_WEIGHTS='\"PATH\"' to include the weights file. */\n"
            "#ifdef TENON_EMBED_WEIGHTS\n"
            "__asm__(\".section .rodata.%s_weights,\\\"a\\\",@progbits\\n\"\n"
            "        \".balign 4096\\n.globl %s_weights\\n.hidden %s_weights\\n\"\n"
            "        \"%s_weights:\\n.incbin \\\"\" TENON_EMBED_WEIGHTS "
            "\"\\\"\\n.previous\\n\");\n",
            prefix, prefix, prefix, prefix);
    }
    if (options->standalone || options->embed_weights) {
        tn_str_printf(
            out,
            "extern __attribute__((visibility(\"hidden\"))) const unsigned char %s_weights[];\n"
            "#define WEIGHTS %s_weights\n",
            prefix, prefix);
    }
    tn_str_puts(out, options->standalone      ? "#else\n#define WEIGHTS 0\n#endif\n"
                     : options->embed_weights ? ""
                                              : "#define WEIGHTS 0\n");
}

static uint64_t hash_weights(const EmitModule *em) {
    const Compile *compile = em->compile;
    uint64_t size = tn_emit_weight_bytes(compile);
    if (!em->options->standalone || size == 0) {
        return 0;
    }
    unsigned char *bytes = tn_arena_alloc(&compile->ctx->scratch, size, 64);
    tn_emit_weights(compile, bytes);
    return tn_hash(TN_HASH_SEED, bytes, size);
}

static void print_model(const EmitModule *em, StrBuf *out) {
    const Module *module = em->compile->module;
    const char *prefix = em->options->prefix;
    uint64_t bytes = tn_emit_weight_bytes(em->compile);
    print_variables(em, out);
    tn_str_puts(out, "static const tn_entry_desc entries[] = {\n");
    for (size_t i = 0; i < em->n_entries; i++) {
        print_entry_desc(em, i, out);
    }
    tn_str_puts(out, "};\n");
    if (bytes > 0) {
        print_weights(em->options, out);
    }
    tn_str_printf(out,
                  "extern const tn_model_desc %s_model;\n"
                  "__attribute__((visibility(\"default\"))) const tn_model_desc %s_model = {\n"
                  "    %d, sizeof(tn_model_desc), TN_FEATURES, %zu, ",
                  prefix, prefix, TN_ABI_VERSION, em->io.dims.len);
    tn_entry_string(out, module->name);
    tn_str_puts(out, ", ");
    tn_entry_string(out, em->options->target->name);
    tn_str_printf(out,
                  ",\n    symbol_names, entries, %zu, %zu, %s, %" PRIu64 "u, %" PRIu64
                  "u, %s, 0x%" PRIx64 "u, %s, %zu, {0}};\n",
                  em->n_entries, module->states.len, module->states.len > 0 ? "state" : "0",
                  tn_module_state_bytes(module), bytes, bytes > 0 ? "WEIGHTS" : "0",
                  hash_weights(em), module->hypers.len > 0 ? "hyper" : "0", module->hypers.len);
}

/* For programs that bring their own memory and do without libtenon_rt. */
static void print_runner(const EmitOptions *options, StrBuf *out) {
    const char *prefix = options->prefix;
    tn_str_printf(
        out,
        "/* Runs a planned entry, on n_threads threads when compiled with OpenMP. The caller "
        "fills\n"
        " * `run` but for the barrier; the entry's plan was called with the same n_threads. */\n"
        "extern void %s_run_entry(int32_t entry, tn_run *run, int32_t n_threads);\n"
        "/* The same for the first entry. */\n"
        "extern void %s_run(tn_run *run, int32_t n_threads);\n"
        "#ifdef _OPENMP\n"
        "extern int omp_get_thread_num(void);\n"
        "extern int omp_get_num_threads(void);\n"
        "static void meet(void *team)\n{\n    (void)team;\n#pragma omp barrier\n}\n"
        "void %s_run_entry(int32_t entry, tn_run *run, int32_t n_threads)\n{\n"
        "    run->barrier = meet;\n"
        "#pragma omp parallel num_threads(n_threads)\n"
        "    entries[entry].run(run, omp_get_thread_num(), omp_get_num_threads());\n}\n"
        "#else\n"
        "static void meet(void *team)\n{\n    (void)team;\n}\n"
        "void %s_run_entry(int32_t entry, tn_run *run, int32_t n_threads)\n{\n"
        "    (void)n_threads;\n"
        "    run->barrier = meet;\n"
        "    entries[entry].run(run, 0, 1);\n}\n"
        "#endif\n"
        "void %s_run(tn_run *run, int32_t n_threads)\n{\n"
        "    %s_run_entry(0, run, n_threads);\n}\n",
        prefix, prefix, prefix, prefix, prefix, prefix);
}

static void print_entry(Entry *entry, StrBuf *out) {
    for (size_t i = 0; i < entry->program->steps.len; i++) {
        const Step *step = &entry->program->steps.data[i];
        for (size_t k = 0; k < entry->steps[i].n_sizes; k++) {
            uint32_t symbol = entry->steps[i].sizes[k];
            if (round_of(entry->program, symbol) < 0) {
                tn_entry_symbol_word(entry, symbol);
            }
        }
        for (size_t k = 0, param = 0; k < step->kernel->bufs.len; k++) {
            if (step->kernel->bufs.data[k]->kind == BUF_PARAM) {
                need_symbols(entry, step->offsets[param++]);
            }
        }
    }
    for (size_t i = 0; i < entry->program->loops.len; i++) {
        need_symbols(entry, entry->program->loops.data[i].trips);
    }
    tn_entry_print_plan(entry, out);
    print_units(entry, out);
    print_ios(entry, out);
    print_names(entry, out);
}

static void print_module(EmitModule *em, StrBuf *out) {
    bool placed = false;
    tn_str_puts(out, tn_entry_abi);
    for (size_t i = 0; i < em->n_entries; i++) {
        placed = placed || em->entries[i].placed.len > 0;
    }
    tn_str_puts(out, placed ? tn_entry_place : "");
    for (size_t i = 0; i < em->n_entries; i++) {
        print_entry(&em->entries[i], out);
    }
    print_symbol_names(em, out);
    print_model(em, out);
    if (em->options->standalone) {
        print_runner(em->options, out);
    }
}

/* ---- kernels ---- */

/* Which parameters of a step may use memory of another one that is written. */
static bool *shared_params(const Entry *entry, const Step *step) {
    size_t n = step->kernel->bufs.len;
    bool *shared = TN_NEW_ARRAY(&entry->ctx->scratch, bool, n + 1);
    const Slot **slots = TN_NEW_ARRAY(&entry->ctx->scratch, const Slot *, n + 1);
    const Dim **offsets = TN_NEW_ARRAY(&entry->ctx->scratch, const Dim *, n + 1);
    for (size_t i = 0, param = 0; i < n; i++) {
        if (step->kernel->bufs.data[i]->kind == BUF_PARAM) {
            offsets[i] = step->offsets[param];
            slots[i] = step->args[param++];
        }
        for (size_t k = 0; k < i; k++) {
            bool written =
                step->kernel->bufs.data[i]->written || step->kernel->bufs.data[k]->written;
            /* Different offsets into one slot are different parts of it. */
            if (slots[i] != NULL && slots[i] == slots[k] && offsets[i] == offsets[k] && written) {
                shared[i] = shared[k] = true;
            }
        }
    }
    return shared;
}

typedef struct Kernels {
    TN_VEC(const char *) texts;
    Map by_text;
    StrBuf declarations;
} Kernels;

/* The number of the function with this text, added when it is new. */
static size_t add_kernel(Entry *entry, Kernels *kernels, const char *text) {
    Arena *arena = &entry->ctx->arena;
    bool added = false;
    void **slot = tn_map_put_str(&kernels->by_text, tn_sv(text), &added);
    if (!added) {
        return (size_t)(uintptr_t)*slot;
    }
    size_t number = kernels->texts.len;
    *slot = (void *)(uintptr_t)number;
    const char *name = tn_arena_printf(arena, "%s_k%zu", entry->options->prefix, number);
    const char *full = tn_arena_printf(arena, "void %s%s", name, text);
    tn_vec_push(arena, &kernels->texts, full);
    int signature = (int)(strstr(text, "\n{") - text);
    tn_str_printf(&kernels->declarations, "__attribute__((visibility(\"hidden\"))) void %s%.*s;\n",
                  name, signature, text);
    return number;
}

static bool emit_kernels(Entry *entry, Prelude *prelude, Kernels *kernels) {
    Program *program = entry->program;
    EntryStep *steps = entry->steps;
    for (size_t i = 0; i < program->steps.len; i++) {
        const Step *step = &program->steps.data[i];
        ArenaMark mark = tn_arena_mark(&entry->ctx->scratch);
        const char *text =
            tn_emit_kernel(entry->ctx, prelude, step->kernel, shared_params(entry, step),
                           &steps[i].sizes, &steps[i].n_sizes);
        if (text == NULL) {
            return false;
        }
        tn_arena_reset(&entry->ctx->scratch, mark);
        steps[i].kernel = add_kernel(entry, kernels, text);
    }
    return true;
}

static uint32_t count_outdims(const Graph *graph) {
    uint32_t n = 0;
    for (size_t i = 0; i < tn_graph_caller_outputs(graph); i++) {
        n += graph->outputs.data[i].value->type.rank;
    }
    return n;
}

/* GCC compiles the file for its target whatever -march says: nothing else has vectors of the
 * right size. Clang goes by -march. */
static void print_gcc_target(const Target *target, StrBuf *out) {
    static const char avx2[] = "avx2,fma,bmi,bmi2,lzcnt,movbe,f16c,popcnt";
    const char *features = (target->features & TN_CPU_AVX2) != 0 ? avx2 : "sse4.2,popcnt";
    const char *wide = (target->features & TN_CPU_AVX512) != 0
                           ? ",avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
                           : "";
    tn_str_printf(out,
                  "#if defined __GNUC__ && !defined __clang__\n"
                  "#pragma GCC target(\"%s%s\")\n"
                  "#endif\n",
                  features, wide);
}

static Entry make_entry(EmitModule *em, size_t i) {
    Ctx *ctx = em->compile->ctx;
    Program *program = em->compile->programs.data[i];
    Entry entry = {.ctx = ctx,
                   .program = program,
                   .options = em->options,
                   .id = tn_arena_printf(&ctx->arena, "e%zu", i),
                   .steps = TN_NEW_ARRAY(&ctx->arena, EntryStep, program->steps.len + 1),
                   .scratch = program->scratch,
                   .io = &em->io,
                   .n_outdims = count_outdims(program->graph)};
    find_placed(&entry);
    find_units(&entry);
    return entry;
}

bool tn_emit_c(const Compile *compile, const EmitOptions *options, EmittedC *out) {
    Ctx *ctx = compile->ctx;
    EmitModule em = {.compile = compile, .options = options, .n_entries = compile->programs.len};
    em.entries = TN_NEW_ARRAY(&ctx->arena, Entry, em.n_entries + 1);
    Prelude prelude = tn_prelude_new(ctx);
    Kernels kernels = {.by_text = tn_map(&ctx->arena), .declarations = tn_str(&ctx->arena)};
    StrBuf prelude_text = tn_str(&ctx->arena), entry_text = tn_str(&ctx->arena);
    for (size_t i = 0; i < em.n_entries; i++) {
        em.entries[i] = make_entry(&em, i);
        if (!emit_kernels(&em.entries[i], &prelude, &kernels)) {
            return false;
        }
    }
    if (options->standalone) {
        print_gcc_target(options->target, &prelude_text);
    }
    tn_prelude_text(&prelude, &prelude_text);
    print_module(&em, &entry_text);
    *out = (EmittedC){.prelude = prelude_text.data,
                      .kernels = kernels.texts.data,
                      .n_kernels = kernels.texts.len,
                      .declarations =
                          kernels.declarations.data != NULL ? kernels.declarations.data : "",
                      .entry = entry_text.data};
    return tn_diag_status(&ctx->diags) != TN_INTERNAL;
}

uint64_t tn_emit_weight_bytes(const Compile *compile) {
    return compile->weights != NULL ? compile->weights->bytes : 0;
}

bool tn_emit_weights(const Compile *compile, unsigned char *out) {
    uint64_t size = tn_emit_weight_bytes(compile);
    memset(out, 0, size);
    for (size_t i = 0; size > 0 && i < compile->weights->slots.len; i++) {
        const Slot *slot = compile->weights->slots.data[i];
        if (slot->blob->size == 0) {
            continue;
        }
        if (slot->offset > size || slot->blob->size > size - slot->offset) {
            return tn_diag(&compile->ctx->diags, TN_INTERNAL, (Loc){0},
                           "a weight lies outside the weight region");
        }
        memcpy(out + slot->offset, slot->blob->data, slot->blob->size);
    }
    return true;
}
