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
                   .alias = -1,
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
    if (slot->alias >= 0) {
        tn_str_printf(out, ", in %d", slot->alias);
    } else if (program->static_plan && (slot->kind == SLOT_ARENA || slot->kind == SLOT_WEIGHT)) {
        tn_str_printf(out, ", at %llu", (unsigned long long)slot->offset);
    }
    tn_str_puts(out, "\n");
}

void tn_program_print(const Program *program, StrBuf *out) {
    tn_str_puts(out, "program ");
    tn_str_escape(out, tn_sv(program->name != NULL ? program->name : ""));
    tn_str_puts(out, "\n");
    for (size_t i = 0; i < program->slots.len; i++) {
        print_slot(program, program->slots.data[i], out);
    }
    for (size_t i = 0; i < program->steps.len; i++) {
        const Step *step = &program->steps.data[i];
        tn_str_printf(out, "step %zu%s%s (", i, step->barrier ? " barrier" : "",
                      step->serial ? " serial" : "");
        for (size_t k = 0, n = 0; k < step->kernel->bufs.len; k++) {
            if (step->kernel->bufs.data[k]->kind == BUF_PARAM) {
                tn_str_printf(out, "%s%u", n > 0 ? ", " : "", step->args[n]->id);
                n++;
            }
        }
        tn_str_puts(out, ") ");
        tn_kernel_print(step->kernel, out);
    }
}

/* Memory of every slot while a program is interpreted. */
typedef struct Memory {
    Program *program;
    void **data;     /* by slot id */
    bool *owned;
} Memory;

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
    return memory->data[slot->id] != NULL ||
           tn_diag(&memory->program->ctx->diags, TN_LIMIT, (Loc){0}, "out of memory");
}

static bool run_steps(Memory *memory, const int64_t *symbols) {
    Program *program = memory->program;
    for (size_t i = 0; i < program->steps.len; i++) {
        const Step *step = &program->steps.data[i];
        size_t n = step->kernel->bufs.len;
        void **data = TN_NEW_ARRAY(&program->ctx->scratch, void *, n + 1);
        for (size_t k = 0, param = 0; k < n; k++) {
            if (step->kernel->bufs.data[k]->kind == BUF_PARAM) {
                data[k] = memory->data[step->args[param++]->id];
            }
        }
        if (!tn_kernel_interp(step->kernel, data, symbols)) {
            return false;
        }
    }
    return true;
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
    ok = ok && run_steps(&memory, symbols);
    for (size_t i = 0; i < program->slots.len; i++) {
        if (memory.owned[i]) {
            free(memory.data[i]);
        }
    }
    return ok;
}
