/* emit_plan.c: the plan function: symbols from the inputs, checks, sizes and offsets.
 *
 * All arithmetic on sizes is checked: an overflow makes the plan fail, nothing wraps.
 * Where sizes are not constant, slots are placed as memory planning does it for constant
 * ones: by falling size, each at the lowest offset free of all slots alive with it.
 */
#include <inttypes.h>
#include <string.h>

#include "base/map.h"
#include "codegen/entry.h"

typedef struct Planner {
    Entry *entry;
    StrBuf body;
    Map values; /* Dim -> C text */
    uint32_t n_values;
} Planner;

static const char *value_of(Planner *p, const Dim *dim);

static const char *fresh(Planner *p) {
    return tn_arena_printf(&p->entry->ctx->scratch, "v%u", p->n_values++);
}

static const char *checked(Planner *p, const char *op, const char *a, const char *b) {
    const char *name = fresh(p);
    tn_str_printf(&p->body, "    int64_t %s;\n    bad |= __builtin_%s_overflow(%s, %s, &%s);\n",
                  name, op, a, b, name);
    return name;
}

static const char *defined_as(Planner *p, const char *format, const char *a, const char *b,
                              const char *c) {
    const char *name = fresh(p);
    tn_str_printf(&p->body, "    const int64_t %s = ", name);
    for (const char *at = format; *at != '\0'; at++) {
        if (*at >= 'A' && *at <= 'C') {
            tn_str_puts(&p->body, *at == 'A' ? a : *at == 'B' ? b : c);
        } else {
            tn_str_putc(&p->body, *at);
        }
    }
    tn_str_puts(&p->body, ";\n");
    return name;
}

static const char *number_text(Planner *p, int64_t value) {
    if (value == INT64_MIN) {
        return "(-INT64_C(9223372036854775807) - 1)";
    }
    return tn_arena_printf(&p->entry->ctx->scratch,
                           value < 0 ? "(int64_t)(%" PRId64 ")" : "(int64_t)%" PRId64, value);
}

static const char *sum_text(Planner *p, const Dim *dim) {
    const char *sum = NULL;
    for (uint32_t i = 0; i < dim->n_args; i++) {
        const char *part = value_of(p, dim->args[i]);
        if (dim->coefs[i] != 1) {
            part = checked(p, "mul", part, number_text(p, dim->coefs[i]));
        }
        sum = sum == NULL ? part : checked(p, "add", sum, part);
    }
    if (sum == NULL) {
        return number_text(p, dim->value);
    }
    return dim->value == 0 ? sum : checked(p, "add", sum, number_text(p, dim->value));
}

static const char *operation_text(Planner *p, const Dim *dim) {
    const char *arg[3] = {"0", "0", "0"};
    for (uint32_t i = 0; i < dim->n_args && i < 3; i++) {
        arg[i] = value_of(p, dim->args[i]);
    }
    static const char *const formats[] = {
        [DIM_DIV] = "tn_fdiv(A, B)",     [DIM_MOD] = "tn_fmod(A, B)", [DIM_MIN] = "A < B ? A : B",
        [DIM_MAX] = "A > B ? A : B",     [DIM_EQ] = "A == B",         [DIM_LT] = "A < B",
        [DIM_SELECT] = "A != 0 ? B : C",
    };
    if (dim->kind != DIM_MUL) {
        return defined_as(p, formats[dim->kind], arg[0], arg[1], arg[2]);
    }
    const char *product = arg[0];
    for (uint32_t i = 1; i < dim->n_args; i++) {
        product = checked(p, "mul", product, value_of(p, dim->args[i]));
    }
    return product;
}

static const char *value_of(Planner *p, const Dim *dim) {
    if (dim->kind == DIM_CONST) {
        return number_text(p, dim->value);
    }
    const char *known = tn_map_get_int(&p->values, dim->id + 1u);
    if (known != NULL) {
        return known;
    }
    if (dim->kind == DIM_SYM) {
        known = tn_arena_printf(&p->entry->ctx->scratch, "plan[%u]",
                                tn_entry_symbol_word(p->entry, dim->sym));
    } else {
        known = dim->kind == DIM_SUM ? sum_text(p, dim) : operation_text(p, dim);
    }
    *tn_map_put_int(&p->values, dim->id + 1u, NULL) = (void *)(uintptr_t)known;
    return known;
}

/* ---- checks ---- */

/* "return N" of a check with this text. */
static void add_check(Planner *p, StrBuf *out, const char *condition, const char *text) {
    tn_vec_push(&p->entry->ctx->arena, &p->entry->checks, text);
    tn_str_printf(out, "    if (%s) {\n        return %zu;\n    }\n", condition,
                  p->entry->checks.len);
}

static const char *input_name(const Entry *entry, size_t i) {
    const char *name = entry->program->graph->inputs.data[i]->name;
    return name != NULL ? name : "";
}

static void check_constraints(Planner *p) {
    const Graph *graph = p->entry->program->graph;
    for (size_t i = 0; i < graph->constraints.len; i++) {
        const Constraint *c = &graph->constraints.data[i];
        const char *a = value_of(p, c->a), *b = value_of(p, c->b);
        const char *condition = tn_arena_printf(&p->entry->ctx->scratch, "!bad && %s != %s", a, b);
        add_check(p, &p->body, condition,
                  c->text != NULL ? c->text : "two dimensions that must be equal are not");
    }
}

/* Dimensions of inputs that are neither numbers nor symbols of their own. */
static void check_input_dims(Planner *p) {
    Ctx *ctx = p->entry->ctx;
    const Graph *graph = p->entry->program->graph;
    for (size_t i = 0; i < tn_graph_caller_inputs(graph); i++) {
        const Type *type = &graph->inputs.data[i]->type;
        for (int d = 0; d < type->rank; d++) {
            if (type->dims[d]->kind == DIM_CONST || type->dims[d]->kind == DIM_SYM) {
                continue;
            }
            const char *text = value_of(p, type->dims[d]);
            add_check(
                p, &p->body,
                tn_arena_printf(&ctx->scratch, "!bad && inputs[%zu].dims[%d] != %s", i, d, text),
                tn_arena_printf(&ctx->arena, "input '%s': dimension %d does not fit the others",
                                input_name(p->entry, i), d));
        }
    }
}

static void check_bound_inputs(Planner *p, StrBuf *tables) {
    Entry *entry = p->entry;
    const Graph *graph = entry->program->graph;
    for (size_t i = 0; i < graph->bound.len; i++) {
        const Blob *blob = graph->bound.data[i];
        if (blob == NULL || blob->size == 0) {
            continue;
        }
        tn_str_printf(tables, "static const unsigned char %s_bound%zu[] = {", entry->id, i);
        for (size_t k = 0; k < blob->size; k++) {
            tn_str_printf(tables, "%s%u", k == 0 ? "" : ",",
                          ((const unsigned char *)blob->data)[k]);
        }
        tn_str_puts(tables, "};\n");
        tn_str_printf(&p->body,
                      "    for (int32_t i = 0; i < (int32_t)sizeof %s_bound%zu; i++) {\n"
                      "        differs |= inputs[%zu].data == 0 || "
                      "((const unsigned char *)inputs[%zu].data)[i] != %s_bound%zu[i];\n    }\n",
                      entry->id, i, i, i, entry->id, i);
        add_check(p, &p->body, "differs",
                  tn_arena_printf(&entry->ctx->arena,
                                  "input '%s': must have the value the model was compiled with",
                                  input_name(entry, i)));
    }
}

/* ---- symbols ---- */

static const char *symbol_source(const Entry *entry, const Symbol *symbol) {
    Arena *scratch = &entry->ctx->scratch;
    const Graph *graph = entry->program->graph;
    int32_t input, axis;
    if (symbol->kind == SYM_INPUT_DIM) {
        return tn_graph_dim_place(graph, symbol->dim, &input, &axis)
                   ? tn_arena_printf(scratch, "inputs[%d].dims[%d]", input, axis)
                   : NULL;
    }
    if (symbol->kind != SYM_INPUT_ELEM || (size_t)symbol->input >= graph->inputs.len) {
        return NULL;
    }
    DType dtype = graph->inputs.data[symbol->input]->type.dtype;
    return tn_arena_printf(scratch, "((const %s *)inputs[%d].data)[%d]", tn_dtype_c(dtype),
                           symbol->input, symbol->index);
}

/* The range every use of the symbol relies on. */
static void check_range(Planner *p, StrBuf *out, const Symbol *symbol, uint32_t word) {
    Ctx *ctx = p->entry->ctx;
    int64_t lo = symbol->dim->lo, hi = symbol->dim->hi;
    bool low = lo > (symbol->kind == SYM_INPUT_DIM ? 0 : INT64_MIN), high = hi < INT64_MAX;
    if (!low && !high) {
        return;
    }
    const char *above =
        high ? tn_arena_printf(&ctx->scratch, "plan[%u] > %s", word, number_text(p, hi)) : "0";
    const char *below =
        low ? tn_arena_printf(&ctx->scratch, "plan[%u] < %s", word, number_text(p, lo)) : "0";
    const char *text =
        high ? tn_arena_printf(&ctx->arena, "%s must be from %" PRId64 " to %" PRId64, symbol->name,
                               lo, hi)
             : tn_arena_printf(&ctx->arena, "%s must be at least %" PRId64, symbol->name, lo);
    add_check(p, out, tn_arena_printf(&ctx->scratch, "%s || %s", below, above), text);
}

static void print_symbols(Planner *p, StrBuf *out) {
    Entry *entry = p->entry;
    for (uint32_t i = 0; i < entry->symbols.len; i++) {
        const Symbol *symbol = &entry->ctx->dims->symbols.data[entry->symbols.data[i]];
        const char *source = symbol_source(entry, symbol);
        uint32_t word = 2 + entry->n_outdims + i;
        if (source == NULL) {
            tn_diag(&entry->ctx->diags, TN_INTERNAL, (Loc){0},
                    "symbol '%s' has no source at run time", symbol->name);
            source = "0";
        }
        tn_str_printf(out, "    plan[%u] = (int64_t)%s;\n", word, source);
        check_range(p, out, symbol, word);
    }
}

/* ---- memory ---- */

const char tn_entry_place[] =
    "/* Offsets for slots by falling size: each the lowest that is free while it lives. */\n"
    "__attribute__((unused)) static int64_t place(const int32_t (*lives)[2], int32_t n, const "
    "int64_t *bytes, "
    "int64_t *offsets,\n"
    "                     int64_t *order)\n"
    "{\n"
    "    int64_t top = 0;\n"
    "    for (int32_t done = 0; done < n; done++) {\n"
    "        int32_t best = -1;\n"
    "        for (int32_t i = 0; i < n; i++) {\n"
    "            int taken = 0;\n"
    "            for (int32_t k = 0; k < done && !taken; k++) {\n"
    "                taken = order[k] == i;\n"
    "            }\n"
    "            if (!taken && (best < 0 || bytes[i] > bytes[best])) {\n"
    "                best = i;\n"
    "            }\n"
    "        }\n"
    "        int64_t at = 0;\n"
    "        for (int32_t k = 0; k < done; k++) {\n"
    "            int64_t other = order[k];\n"
    "            int apart = lives[other][0] > lives[best][1] || lives[best][0] > "
    "lives[other][1];\n"
    "            if (!apart && offsets[other] < at + bytes[best] && at < offsets[other] + "
    "bytes[other]) {\n"
    "                at = offsets[other] + bytes[other];\n"
    "            }\n"
    "        }\n"
    "        offsets[best] = at;\n"
    "        int32_t k = done;\n"
    "        for (; k > 0 && offsets[order[k - 1]] > at; k--) {\n"
    "            order[k] = order[k - 1];\n"
    "        }\n"
    "        order[k] = best;\n"
    "        top = at + bytes[best] > top ? at + bytes[best] : top;\n"
    "    }\n"
    "    return top;\n"
    "}\n";

static void print_lives(const Entry *entry, StrBuf *out) {
    tn_str_printf(out, "static const int32_t %s_lives[][2] = {", entry->id);
    for (size_t i = 0; i < entry->placed.len; i++) {
        const Slot *slot = entry->placed.data[i];
        tn_str_printf(out, "%s{%d, %d}", i > 0 ? ", " : "", slot->first, slot->last);
    }
    tn_str_puts(out, "};\n");
}

/* Sizes into the plan; their sum may not overflow, so no offset can. */
static void print_sizes(Planner *p) {
    Entry *entry = p->entry;
    const char *total = "(int64_t)0";
    TN_VEC(const char *) sizes = {0};
    for (size_t i = 0; i < entry->placed.len; i++) {
        const char *bytes = value_of(p, entry->placed.data[i]->bytes);
        tn_vec_push(&entry->ctx->scratch, &sizes, bytes);
        tn_str_printf(&p->body, "    bad |= %s < 0;\n", bytes);
        total = checked(p, "add", total, bytes);
    }
    const char *scratch = value_of(p, entry->scratch);
    tn_str_puts(&p->body, "    if (bad) {\n        return -1;\n    }\n");
    for (size_t i = 0; i < sizes.len; i++) {
        tn_str_printf(&p->body, "    plan[%s_WORD + %zu] = %s;\n", entry->id, 1 + i, sizes.data[i]);
    }
    tn_str_printf(&p->body, "    plan[%s_WORD] = %s;\n", entry->id, scratch);
}

static void print_arena(Planner *p) {
    Entry *entry = p->entry;
    size_t n = entry->placed.len;
    tn_str_puts(&p->body, "    int64_t arena = ");
    if (n > 0) {
        tn_str_printf(
            &p->body,
            "place(%s_lives, %zu, plan + %s_WORD + 1, plan + %s_WORD + %zu, plan + %s_WORD + "
            "%zu);\n",
            entry->id, n, entry->id, entry->id, 1 + n, entry->id, 1 + 2 * n);
    } else {
        uint64_t bytes = entry->program->static_plan ? entry->program->arena_bytes : 0;
        tn_str_printf(&p->body, "%" PRIu64 ";\n", bytes);
    }
    tn_str_printf(&p->body,
                  "    int64_t all;\n"
                  "    bad |= __builtin_mul_overflow(plan[%s_WORD], (int64_t)n_threads, &all);\n"
                  "    bad |= __builtin_add_overflow(all, arena, &plan[0]);\n"
                  "    plan[%s_WORD + %s_AFTER] = arena;\n",
                  entry->id, entry->id, entry->id);
}

static void print_output_dims(Planner *p) {
    const Graph *graph = p->entry->program->graph;
    uint32_t word = 2;
    for (size_t i = 0; i < tn_graph_caller_outputs(graph); i++) {
        const Type *type = &graph->outputs.data[i].value->type;
        for (int d = 0; d < type->rank; d++) {
            const char *value = value_of(p, type->dims[d]);
            tn_str_printf(&p->body, "    plan[%u] = %s;\n", word++, value);
        }
    }
}

void tn_entry_print_plan(Entry *entry, StrBuf *out) {
    Planner p = {.entry = entry,
                 .body = tn_str(&entry->ctx->scratch),
                 .values = tn_map(&entry->ctx->scratch)};
    StrBuf symbols = tn_str(&entry->ctx->scratch);
    check_constraints(&p);
    check_input_dims(&p);
    check_bound_inputs(&p, out);
    print_output_dims(&p);
    print_sizes(&p);
    print_arena(&p);
    print_symbols(&p, &symbols);
    if (entry->placed.len > 0) {
        print_lives(entry, out);
    }
    uint32_t word = tn_entry_scratch_word(entry);
    tn_str_printf(out, "enum { %s_WORD = %u, %s_AFTER = %zu };\n", entry->id, word, entry->id,
                  1 + 3 * entry->placed.len);
    tn_str_printf(
        out,
        "static int32_t %s_plan(const tn_tensor *inputs, int32_t n_threads, int64_t *plan)\n"
        "{\n    int bad = 0, differs = 0;\n    (void)inputs, (void)differs;\n",
        entry->id);
    tn_str_printf(out, "    plan[1] = %u;\n", entry->n_outdims);
    if (symbols.len > 0) {
        tn_str_write(out, symbols.data, symbols.len);
    }
    tn_str_write(out, p.body.data, p.body.len);
    tn_str_puts(out, "    return bad ? -1 : 0;\n}\n");
}
