/* lower.c: from grouped nodes to a program: slots for what lies in memory, one kernel a group. */
#include <stdlib.h>
#include <string.h>

#include "passes/lower.h"

const Dim *tn_lower_slot_bytes(Ctx *ctx, const Type *type) {
    const Dim *count = tn_type_phys_count(ctx, type);
    const Dim *bytes = tn_dim_mulc(ctx, count, (int64_t)tn_dtype_bytes(type->dtype));
    return tn_dim_mulc(ctx, tn_dim_divc(ctx, tn_dim_addc(ctx, bytes, 63), 64), 64);
}

/* Constant bytes in the value's layout; row-major ones are used where they are. */
static const Blob *packed_blob(Ctx *ctx, const Value *value) {
    const Blob *blob = value->def->blob;
    if (value->type.layout == NULL) {
        return blob;
    }
    const Dim *count = tn_type_phys_count(ctx, &value->type);
    size_t size = (size_t)count->value * tn_dtype_bytes(value->type.dtype);
    Blob *packed = TN_NEW(&ctx->arena, Blob);
    void *data = tn_arena_alloc(&ctx->arena, size, 64);
    tn_layout_pack(ctx, &value->type, blob->data, data);
    *packed = (Blob){.data = data, .size = size, .source = NULL};
    return packed;
}

Slot *tn_lower_slot(Lowering *lowering, const Value *value) {
    Slot **slot = &lowering->slots[value->id];
    if (*slot == NULL) {
        Ctx *ctx = lowering->lower.ctx;
        *slot = tn_program_slot(lowering->program, SLOT_WEIGHT, 0, value,
                                tn_lower_slot_bytes(ctx, &value->type));
        (*slot)->blob = packed_blob(ctx, value);
    }
    return *slot;
}

/* Whether something outside the member's group reads it. */
static bool read_outside(const Value *value, int32_t group) {
    for (const Use *use = value->uses; use != NULL; use = use->next) {
        const Node *user = use->user;
        if (tn_node_is_transparent(user) ? read_outside(user->out[0], group)
                                         : user->group != group) {
            return true;
        }
    }
    return false;
}

static Slot *add_slot(Lowering *lowering, SlotKind kind, size_t index, const Value *value) {
    return tn_program_slot(lowering->program, kind, (int32_t)index, value,
                           tn_lower_slot_bytes(lowering->lower.ctx, &value->type));
}

static Slot *add_state(Lowering *lowering, int32_t state, const Value *value) {
    const Module *module = lowering->program->module;
    Slot *slot = add_slot(lowering, SLOT_STATE, (size_t)state, value);
    slot->offset = module != NULL ? tn_module_state_offset(module, state) : 0;
    return slot;
}

static void make_input_slot(Lowering *lowering, size_t i) {
    const Graph *graph = lowering->graph;
    const Value *value = graph->inputs.data[i];
    InputSource source = graph->sources.data[i];
    lowering->slots[value->id] =
        source.kind == INPUT_STATE   ? add_state(lowering, source.index, value)
        : source.kind == INPUT_HYPER ? add_slot(lowering, SLOT_HYPER, (size_t)source.index, value)
                                     : add_slot(lowering, SLOT_INPUT, i, value);
}

/* The new value of a state variable shares the old one's memory if it can. */
static void make_update_slot(Lowering *lowering, const GraphOutput *output) {
    const Graph *graph = lowering->graph;
    const Value *old = tn_graph_old_state(graph, output->value);
    Slot *slot =
        old != NULL ? lowering->slots[old->id] : add_state(lowering, output->state, output->value);
    lowering->slots[output->value->id] = slot;
    if (!tn_lower_in_place(graph, output->value)) {
        tn_lower_put_apart(lowering, output->value, slot);
    }
}

static void make_slots(Lowering *lowering) {
    Graph *graph = lowering->graph;
    Program *program = lowering->program;
    Ctx *ctx = lowering->lower.ctx;
    /* What goes into and out of a loop's body has its place already. */
    for (size_t i = 0; i < graph->inputs.len && lowering->turn == NULL; i++) {
        make_input_slot(lowering, i);
    }
    for (size_t i = 0; i < graph->outputs.len && lowering->turn == NULL; i++) {
        const GraphOutput *output = &graph->outputs.data[i];
        if (output->state >= 0) {
            make_update_slot(lowering, output);
        } else {
            lowering->slots[output->value->id] = add_slot(lowering, SLOT_OUTPUT, i, output->value);
        }
    }
    for (Node *node = graph->first; node != NULL; node = node->next) {
        for (uint32_t i = 0; i < node->n_out && node->group >= 0; i++) {
            Value *value = node->out[i];
            if (lowering->slots[value->id] == NULL && read_outside(value, node->group)) {
                Slot *slot = tn_program_slot(program, SLOT_ARENA, 0, value,
                                             tn_lower_slot_bytes(ctx, &value->type));
                slot->home = lowering->home;
                lowering->slots[value->id] = slot;
            }
        }
    }
}

/* The model's own names of what the kernel computes, the anchor's first. */
static const char *kernel_name(Ctx *ctx, const Group *group) {
    StrBuf name = tn_str(&ctx->arena);
    const Node *last = NULL;
    if (group->anchor != NULL && group->anchor->loc.node != NULL) {
        tn_str_puts(&name, group->anchor->loc.node);
        last = group->anchor;
    }
    for (size_t i = 0; i < group->nodes.len && name.len < 120; i++) {
        const Node *node = group->nodes.data[i];
        bool repeat = last != NULL && node->loc.node != NULL && last->loc.node != NULL &&
                      strcmp(node->loc.node, last->loc.node) == 0;
        if (node->loc.node == NULL || node == group->anchor || repeat) {
            continue;
        }
        tn_str_printf(&name, "%s%s", name.len > 0 ? "+" : "", node->loc.node);
        last = node;
    }
    return name.len > 0 ? name.data : tn_op_info(group->nodes.data[group->nodes.len - 1]->op)->name;
}

/* Operations a kernel does, at the symbols' hints. */
static double count_flops(Ctx *ctx, const Stmt *stmt, double trips) {
    double flops = 0;
    for (; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR) {
            double extent = (double)tn_dim_hint(ctx, stmt->extent);
            flops += count_flops(ctx, stmt->body, trips * (extent > 0 ? extent : 0));
        } else {
            flops += trips * (stmt->kind == STMT_ACC ? 2 : 1);
        }
    }
    return flops;
}

/* Parameters come before locals, each kind in the order of first use. */
static void params_first(Kernel *kernel) {
    size_t n = 0;
    for (size_t i = 0; i < kernel->bufs.len; i++) {
        Buf *buf = kernel->bufs.data[i];
        if (buf->kind == BUF_PARAM) {
            for (size_t j = i; j > n; j--) {
                kernel->bufs.data[j] = kernel->bufs.data[j - 1];
            }
            kernel->bufs.data[n++] = buf;
        }
    }
    for (size_t i = 0; i < kernel->bufs.len; i++) {
        kernel->bufs.data[i]->id = (uint32_t)i;
    }
}

static void finish_step(Lowering *lowering) {
    Ctx *ctx = lowering->lower.ctx;
    Step step = {.kernel = lowering->kernel};
    step.args = tn_arena_copy(&ctx->arena, lowering->args.data,
                              (lowering->args.len + (lowering->args.len == 0)) * sizeof(Slot *));
    step.offsets = tn_arena_copy(&ctx->arena, lowering->arg_offsets.data,
                                 (lowering->args.len + (lowering->args.len == 0)) * sizeof(Dim *));
    lowering->kernel->flops = count_flops(ctx, lowering->kernel->body, lowering->trips);
    for (size_t i = 0; i < lowering->kernel->bufs.len; i++) {
        const Buf *buf = lowering->kernel->bufs.data[i];
        const Dim *bytes = tn_dim_mulc(ctx, tn_dim_product(ctx, buf->dims, buf->rank),
                                       (int64_t)tn_dtype_bytes(buf->dtype));
        if (buf->kind != BUF_LOCAL) {
            lowering->kernel->bytes += (double)tn_dim_hint(ctx, bytes);
        }
    }
    tn_vec_push(&ctx->arena, &lowering->program->steps, step);
}

typedef bool BuildFn(Lowering *lowering);

static bool build_kernel(Lowering *lowering, const Group *group, BuildFn *build) {
    Ctx *ctx = lowering->lower.ctx;
    lowering->group = group;
    lowering->kernel = lowering->lower.kernel = tn_kernel_new(ctx, kernel_name(ctx, group));
    lowering->bufs = tn_map(&ctx->scratch);
    lowering->staged = tn_map(&ctx->scratch);
    lowering->args.data = NULL;
    lowering->args.len = lowering->args.cap = 0;
    lowering->arg_offsets.data = NULL;
    lowering->arg_offsets.len = lowering->arg_offsets.cap = 0;
    lowering->known.data = NULL;
    lowering->known.len = lowering->known.cap = 0;
    lowering->guarded = 0;
    for (size_t i = 0; i < group->nodes.len; i++) {
        lowering->pos[group->nodes.data[i]->out[0]->id] = NULL;
    }
    return build(lowering);
}

/* Whether the result of a scatter lies where its operand 0 does: a state variable's new value. */
static bool starts_in_place(Lowering *lowering, const Node *scatter) {
    const Value *base = scatter->in[0], *out = scatter->out[0];
    return lowering->slots[base->id] == lowering->slots[out->id] &&
           tn_lower_place_key(lowering, base) == tn_lower_place_key(lowering, out);
}

/* Builds until nothing is to be put apart any more; `*again` when something was. */
static bool build_apart(Lowering *lowering, const Group *group, BuildFn *build, bool *again) {
    bool ok = build_kernel(lowering, group, build);
    while (ok && tn_lower_keep_apart(lowering)) {
        *again = true;
        ok = build_kernel(lowering, group, build);
    }
    return ok;
}

static void add_step(Lowering *lowering) {
    params_first(lowering->kernel);
    finish_step(lowering);
}

/* The group's kernel; before one that scatters stands one that makes what it adds to. */
static bool build_steps(Lowering *lowering, const Group *group) {
    bool again = true, ok = true;
    lowering->scatter = NULL;
    while (ok && again) {
        again = false;
        ok = build_apart(lowering, group, tn_lower_group, &again);
        if (!ok || lowering->scatter == NULL || starts_in_place(lowering, lowering->scatter)) {
            break;
        }
        again = false;
        ok = build_apart(lowering, group, tn_lower_start, &again);
        if (ok && !again) {
            add_step(lowering);
            ok = build_kernel(lowering, group, tn_lower_group);
        }
    }
    return ok;
}

static bool lower_one(Lowering *lowering, const Group *group) {
    Ctx *ctx = lowering->lower.ctx;
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    bool ok = build_steps(lowering, group);
    if (ok) {
        add_step(lowering);
    }
    tn_arena_reset(&ctx->scratch, mark);
    return ok;
}

/* Copies of what could not be written in place: after all readers of the old values. */
static void copy_apart(Lowering *lowering) {
    for (size_t i = 0; i < lowering->apart.len; i++) {
        const Apart *apart = &lowering->apart.data[i];
        lowering->kernel = tn_lower_copy_kernel(lowering->lower.ctx, apart->value);
        Slot *args[] = {lowering->slots[apart->value->id], apart->state};
        const Dim *offsets[] = {NULL, NULL};
        lowering->args.data = args;
        lowering->arg_offsets.data = offsets;
        lowering->args.len = lowering->arg_offsets.len = 2;
        finish_step(lowering);
    }
}

Lowering *tn_lowering_new(Compile *compile, Program *program, Graph *graph) {
    Ctx *ctx = compile->ctx;
    Lowering *lowering = TN_NEW(&ctx->scratch, Lowering);
    *lowering = (Lowering){
        .lower = {.ctx = ctx, .read = tn_lower_read, .read_at = tn_lower_read_at},
        .compile = compile,
        .program = program,
        .graph = graph,
        .home = -1,
        .trips = 1,
    };
    size_t n_values = graph->n_values + 1;
    lowering->slots = TN_NEW_ARRAY(&ctx->scratch, Slot *, n_values);
    lowering->offsets = TN_NEW_ARRAY(&ctx->scratch, const Dim *, n_values);
    lowering->pos = TN_NEW_ARRAY(&ctx->scratch, const Dim *const *, n_values);
    lowering->inner = TN_NEW_ARRAY(&ctx->scratch, bool, n_values);
    lowering->loops = TN_NEW_ARRAY(&ctx->scratch, int32_t, n_values);
    return lowering;
}

bool tn_lower_graph(Lowering *lowering) {
    Ctx *ctx = lowering->lower.ctx;
    make_slots(lowering);
    GroupVec groups = tn_groups_collect(lowering->graph, &ctx->scratch);
    for (size_t i = 0; i < groups.len; i++) {
        const Group *group = &groups.data[i];
        if (group->nodes.len == 0) {
            continue;
        }
        const Node *first = group->nodes.data[0];
        if (first->body != NULL ? !tn_lower_loop_node(lowering, first)
                                : !lower_one(lowering, group)) {
            return false;
        }
    }
    copy_apart(lowering);
    return true;
}

bool tn_pass_lower(Compile *compile) {
    compile->program = tn_program_new(compile->ctx, compile->graph);
    compile->program->module = compile->module;
    return tn_lower_graph(tn_lowering_new(compile, compile->program, compile->graph));
}
