/* program.c: construction, printing and interpretation of lowered programs. */
#include "ir/program.h"

#include <stdlib.h>
#include <string.h>

Program *tn_program_new(Ctx *ctx, Graph *graph) {
    Program *program = TN_NEW(&ctx->arena, Program);
    program->ctx = ctx;
    program->graph = graph;
    program->name = graph->name;
    program->scratch = tn_dim_const(ctx, 0);
    return program;
}

Slot *tn_program_slot(Program *program, SlotKind kind, int32_t index, const Value *value,
                      const Dim *bytes) {
    Slot *slot = TN_NEW(&program->ctx->arena, Slot);
    *slot = (Slot){.id = (uint32_t)program->slots.len,
                   .kind = kind,
                   .index = index,
                   .bytes = bytes,
                   .first = -1,
                   .last = -1,
                   .home = -1,
                   .value = value};
    tn_vec_push(&program->ctx->arena, &program->slots, slot);
    return slot;
}

static const char *slot_kind_text(SlotKind kind) {
    static const char *const text[] = {
        [SLOT_INPUT] = "input", [SLOT_OUTPUT] = "output", [SLOT_WEIGHT] = "weight",
        [SLOT_STATE] = "state", [SLOT_HYPER] = "hyper",   [SLOT_ARENA] = "arena",
    };
    return text[kind];
}

static void print_slot(const Program *program, const Slot *slot, StrBuf *out) {
    tn_str_printf(out, "slot %u %s", slot->id, slot_kind_text(slot->kind));
    if (slot->kind != SLOT_WEIGHT && slot->kind != SLOT_ARENA) {
        tn_str_printf(out, " %d", slot->index);
    }
    tn_str_puts(out, " : ");
    tn_type_print(program->ctx, &slot->value->type, out);
    tn_str_puts(out, ", bytes ");
    tn_dim_print(program->ctx, slot->bytes, out);
    if (slot->first >= 0) {
        tn_str_printf(out, ", live %d..%d", slot->first, slot->last);
    }
    if (program->static_plan && (slot->kind == SLOT_ARENA || slot->kind == SLOT_WEIGHT)) {
        tn_str_printf(out, ", at %llu", (unsigned long long)slot->offset);
    }
    tn_str_puts(out, "\n");
}

int32_t tn_program_loop_of(const Program *program, int32_t step) {
    for (size_t i = program->loops.len; i-- > 0;) {
        if (program->loops.data[i].first <= step && step <= program->loops.data[i].last) {
            return (int32_t)i;
        }
    }
    return -1;
}

int32_t tn_program_outer_loop(const Program *program, int32_t step) {
    int32_t loop = tn_program_loop_of(program, step);
    while (loop >= 0 && program->loops.data[loop].parent >= 0) {
        loop = program->loops.data[loop].parent;
    }
    return loop;
}

static void print_loop_head(const Program *program, const ProgramLoop *loop, StrBuf *out) {
    if (loop->guard == NULL) {
        tn_str_puts(out, "loop ");
        tn_dim_print(program->ctx, loop->round, out);
        tn_str_puts(out, " in ");
        tn_dim_print(program->ctx, loop->trips, out);
        return;
    }
    tn_str_printf(out, "%s %u", loop->when ? "if" : "unless", loop->guard->id);
    if (loop->guard_offset != NULL) {
        tn_str_puts(out, " + ");
        tn_dim_print(program->ctx, loop->guard_offset, out);
    }
}

static void print_loops(const Program *program, int32_t step, StrBuf *out) {
    for (size_t i = 0; i < program->loops.len; i++) {
        const ProgramLoop *loop = &program->loops.data[i];
        if (loop->first == step) {
            print_loop_head(program, loop, out);
            tn_str_printf(out, " steps %d..%d%s\n", loop->first, loop->last,
                          loop->barrier ? " barrier" : "");
        }
    }
}

static void print_step(const Program *program, size_t number, StrBuf *out) {
    const Step *step = &program->steps.data[number];
    tn_str_printf(out, "step %zu%s%s (", number, step->barrier ? " barrier" : "",
                  step->serial ? " serial" : "");
    for (size_t k = 0, n = 0; k < step->kernel->bufs.len; k++) {
        if (step->kernel->bufs.data[k]->kind != BUF_PARAM) {
            continue;
        }
        tn_str_printf(out, "%s%u", n > 0 ? ", " : "", step->args[n]->id);
        if (step->offsets[n] != NULL) {
            tn_str_puts(out, " + ");
            tn_dim_print(program->ctx, step->offsets[n], out);
        }
        n++;
    }
    tn_str_puts(out, ") ");
    tn_kernel_print(step->kernel, out);
}

void tn_program_print(const Program *program, StrBuf *out) {
    tn_str_puts(out, "program ");
    tn_str_escape(out, tn_sv(program->name != NULL ? program->name : ""));
    tn_str_puts(out, "\n");
    for (size_t i = 0; i < program->slots.len; i++) {
        print_slot(program, program->slots.data[i], out);
    }
    for (size_t i = 0; i < program->steps.len; i++) {
        print_loops(program, (int32_t)i, out);
        print_step(program, i, out);
    }
}

/* Memory of every slot while a program is interpreted. */
typedef struct Memory {
    Program *program;
    void **data;     /* by slot id */
    bool *owned;
} Memory;

static size_t variable_bytes(const Slot *slot) {
    return (size_t)tn_type_static_count(&slot->value->type) *
           tn_dtype_bytes(slot->value->type.dtype);
}

/* The data of the input that is this variable; NULL when there is none. */
static void *input_data(const Program *program, InputKind kind, int32_t index,
                        void *const *inputs) {
    for (size_t i = 0; i < program->graph->inputs.len; i++) {
        InputSource source = program->graph->sources.data[i];
        if (source.kind == kind && source.index == index) {
            return inputs[i];
        }
    }
    return NULL;
}

static bool place_slot(Memory *memory, Slot *slot, void *const *inputs, void *const *outputs,
                       const int64_t *symbols) {
    int64_t bytes = 0;
    switch (slot->kind) {
    case SLOT_INPUT:
        memory->data[slot->id] = inputs[slot->index];
        return true;
    case SLOT_OUTPUT:
        memory->data[slot->id] = outputs[slot->index];
        return true;
    case SLOT_HYPER:
        memory->data[slot->id] = input_data(memory->program, INPUT_HYPER, slot->index, inputs);
        return true;
    case SLOT_WEIGHT:
        memory->data[slot->id] = (void *)(uintptr_t)slot->blob->data;
        return true;
    default:
        break;
    }
    if (!tn_dim_eval(slot->bytes, symbols, &bytes) || bytes < 0) {
        return tn_diag(&memory->program->ctx->diags, TN_LIMIT, (Loc){0},
                       "a buffer's size overflows");
    }
    memory->data[slot->id] = calloc(1, (size_t)bytes + 1);
    memory->owned[slot->id] = true;
    if (memory->data[slot->id] == NULL) {
        return tn_diag(&memory->program->ctx->diags, TN_LIMIT, (Loc){0}, "out of memory");
    }
    const void *old = slot->kind == SLOT_STATE
                          ? input_data(memory->program, INPUT_STATE, slot->index, inputs)
                          : NULL;
    if (old != NULL) {
        memcpy(memory->data[slot->id], old, variable_bytes(slot));
    }
    return true;
}

static bool run_step(Memory *memory, const Step *step, const int64_t *symbols) {
    Program *program = memory->program;
    size_t n = step->kernel->bufs.len;
    void **data = TN_NEW_ARRAY(&program->ctx->scratch, void *, n + 1);
    for (size_t k = 0, param = 0; k < n; k++) {
        if (step->kernel->bufs.data[k]->kind != BUF_PARAM) {
            continue;
        }
        int64_t offset = 0;
        if (step->offsets[param] != NULL && !tn_dim_eval(step->offsets[param], symbols, &offset)) {
            return tn_diag(&program->ctx->diags, TN_LIMIT, (Loc){0}, "an offset overflows");
        }
        data[k] = (char *)memory->data[step->args[param++]->id] + offset;
    }
    return tn_kernel_interp(step->kernel, data, symbols);
}

/* Steps first..last; loops that are inside `around` and begin there are run whole. */
static bool run_steps(Memory *memory, int32_t first, int32_t last, int32_t around,
                      int64_t *symbols);

static bool guard_holds(const Memory *memory, const ProgramLoop *loop, const int64_t *symbols) {
    int64_t offset = 0;
    if (loop->guard == NULL) {
        return true;
    }
    bool known = loop->guard_offset == NULL || tn_dim_eval(loop->guard_offset, symbols, &offset);
    const unsigned char *guard = memory->data[loop->guard->id];
    return known && (guard[offset] != 0) == loop->when;
}

static bool run_loop(Memory *memory, int32_t number, int64_t *symbols) {
    const ProgramLoop *loop = &memory->program->loops.data[number];
    int64_t trips = 0;
    bool ok = tn_dim_eval(loop->trips, symbols, &trips);
    trips = ok && guard_holds(memory, loop, symbols) ? trips : 0;
    for (int64_t round = 0; ok && round < trips; round++) {
        symbols[loop->round->sym] = round;
        ok = run_steps(memory, loop->first, loop->last, number, symbols);
    }
    return ok;
}

static int32_t loop_at(const Program *program, int32_t step, int32_t around) {
    for (size_t i = 0; i < program->loops.len; i++) {
        if (program->loops.data[i].first == step && program->loops.data[i].parent == around) {
            return (int32_t)i;
        }
    }
    return -1;
}

static bool run_steps(Memory *memory, int32_t first, int32_t last, int32_t around,
                      int64_t *symbols) {
    const Program *program = memory->program;
    bool ok = true;
    for (int32_t i = first; ok && i <= last; i++) {
        int32_t loop = loop_at(program, i, around);
        ok = loop >= 0 ? run_loop(memory, loop, symbols)
                       : run_step(memory, &program->steps.data[i], symbols);
        i = loop >= 0 ? program->loops.data[loop].last : i;
    }
    return ok;
}

static void give_state(const Memory *memory, void *const *outputs) {
    const Program *program = memory->program;
    for (size_t i = 0; i < program->slots.len; i++) {
        const Slot *slot = program->slots.data[i];
        for (size_t k = 0; slot->kind == SLOT_STATE && k < program->graph->outputs.len; k++) {
            if (program->graph->outputs.data[k].state == slot->index) {
                memcpy(outputs[k], memory->data[slot->id], variable_bytes(slot));
            }
        }
    }
}

bool tn_program_interp(Program *program, void *const *inputs, void *const *outputs,
                       const int64_t *symbols) {
    Arena *scratch = &program->ctx->scratch;
    Memory memory = {.program = program};
    memory.data = TN_NEW_ARRAY(scratch, void *, program->slots.len + 1);
    memory.owned = TN_NEW_ARRAY(scratch, bool, program->slots.len + 1);
    bool ok = true;
    for (size_t i = 0; i < program->slots.len && ok; i++) {
        ok = place_slot(&memory, program->slots.data[i], inputs, outputs, symbols);
    }
    int64_t *values =
        tn_arena_copy(scratch, symbols, (program->ctx->dims->symbols.len + 1) * sizeof *symbols);
    ok = ok && run_steps(&memory, 0, (int32_t)program->steps.len - 1, -1, values);
    if (ok) {
        give_state(&memory, outputs);
    }
    for (size_t i = 0; i < program->slots.len; i++) {
        if (memory.owned[i]) {
            free(memory.data[i]);
        }
    }
    return ok;
}
