/* lower_loop.c: a loop node as a stretch of the program's steps that runs once for each turn.
 *
 * The body's values are places of their own. A carried value alternates between the two halves
 * of one slot: turn i reads half i % 2 and writes the other, so nothing is copied. Slices of
 * scanned and stacked tensors are parts of the whole tensor's slot; invariants are the slots
 * of the outer values. All of that is an offset that the kernel's call adds: kernels know
 * nothing of turns.
 *
 * An `if` is a loop of one turn that is run if the condition holds, and behind it another that
 * copies the carried values if it does not: either way the results are in the second half.
 */
#include "ir/loopnode.h"
#include "passes/lower.h"

typedef struct LoopLowering {
    Lowering *outer, *inner;
    const Node *node;
    LoopShape shape;
    const Dim *round; /* 0, 1, ... in the order turns are run */
    const Dim *turn;  /* the slice of scanned tensors that it works on */
} LoopLowering;

static Ctx *ctx_of(const LoopLowering *ll) {
    return ll->outer->lower.ctx;
}

static void set_place(Lowering *lowering, const Value *value, Slot *slot, const Dim *offset) {
    lowering->slots[value->id] = slot;
    lowering->offsets[value->id] = offset;
}

static const Dim *add_offset(Ctx *ctx, const Dim *base, const Dim *more) {
    return base == NULL ? more : tn_dim_add(ctx, base, more);
}

/* The half of a carried value's slot that round `round` reads. */
static const Dim *half_offset(const LoopLowering *ll, const Type *type, const Dim *round) {
    Ctx *ctx = ctx_of(ll);
    return tn_dim_mul(ctx, tn_dim_modc(ctx, round, 2), tn_lower_slot_bytes(ctx, type));
}

static void place_carried(LoopLowering *ll, uint32_t i) {
    Ctx *ctx = ctx_of(ll);
    const Type *type = &ll->node->in[i]->type;
    Slot *slot = tn_lower_slot(ll->outer, ll->node->in[i]);
    slot->bytes = tn_dim_mulc(ctx, tn_lower_slot_bytes(ctx, type), 2);
    set_place(ll->inner, ll->shape.body->inputs.data[i + 1], slot,
              half_offset(ll, type, ll->round));
    set_place(ll->inner, ll->shape.body->outputs.data[i].value, slot,
              half_offset(ll, type, tn_dim_addc(ctx, ll->round, 1)));
    set_place(ll->outer, ll->node->out[i], slot, half_offset(ll, type, ll->shape.trips));
}

/* Slice `turn` of the tensor at (slot, base). */
static void place_slice(const LoopLowering *ll, const Value *inner, Slot *slot, const Dim *base) {
    Ctx *ctx = ctx_of(ll);
    const Dim *bytes = tn_dim_mulc(ctx, tn_type_count(ctx, &inner->type),
                                   (int64_t)tn_dtype_bytes(inner->type.dtype));
    set_place(ll->inner, inner, slot, add_offset(ctx, base, tn_dim_mul(ctx, ll->turn, bytes)));
}

static void place_operand(LoopLowering *ll, uint32_t i) {
    const Value *outer = ll->node->in[i];
    const Value *inner = ll->shape.body->inputs.data[i + 1];
    Slot *slot = tn_lower_slot(ll->outer, outer);
    const Dim *base = ll->outer->offsets[outer->id];
    if (i < ll->shape.carried + ll->shape.scanned) {
        place_slice(ll, inner, slot, base);
    } else {
        set_place(ll->inner, inner, slot, base);
    }
}

static void place_stacked(LoopLowering *ll, uint32_t i) {
    const Value *whole = ll->node->out[i];
    Slot *slot = ll->outer->slots[whole->id];
    if (slot == NULL) { /* nothing reads it */
        slot = tn_program_slot(ll->outer->program, SLOT_ARENA, 0, whole,
                               tn_lower_slot_bytes(ctx_of(ll), &whole->type));
        slot->home = ll->outer->home;
        ll->outer->slots[whole->id] = slot;
    }
    place_slice(ll, ll->shape.body->outputs.data[i].value, slot, ll->outer->offsets[whole->id]);
}

static void place_all(LoopLowering *ll) {
    for (uint32_t i = 0; i < ll->shape.carried; i++) {
        place_carried(ll, i);
    }
    for (uint32_t i = ll->shape.carried; i < ll->node->n_in; i++) {
        place_operand(ll, i);
    }
    for (uint32_t i = ll->shape.carried; i < ll->node->n_out; i++) {
        place_stacked(ll, i);
    }
}

/* The steps of the body, as one loop of the program. */
static bool lower_region(Lowering *outer, const Node *node, LoopShape shape, bool when) {
    Ctx *ctx = outer->lower.ctx;
    Program *program = outer->program;
    LoopLowering ll = {.outer = outer, .node = node, .shape = shape};
    size_t number = program->loops.len;
    const char *name = tn_arena_printf(&ctx->arena, "turn.%zu", ctx->dims->symbols.len);
    ll.round = tn_dim_symbol(ctx, tn_sv(name), SYM_COUNT, 0, INT32_MAX);
    ll.turn = ll.shape.reverse ? tn_dim_sub(ctx, tn_dim_addc(ctx, ll.shape.trips, -1), ll.round)
                               : ll.round;
    ll.inner = tn_lowering_new(outer->compile, program, ll.shape.body);
    ll.inner->home = (int32_t)number;
    ll.inner->turn = ll.turn;
    ll.inner->trips = outer->trips * (double)tn_dim_hint(ctx, ll.shape.trips);
    ProgramLoop loop = {.first = (int32_t)program->steps.len,
                        .parent = outer->home,
                        .round = ll.round,
                        .trips = ll.shape.trips,
                        .when = when,
                        .name = node->loc.node};
    if (shape.condition != NULL) {
        loop.guard = tn_lower_slot(outer, shape.condition);
        loop.guard_offset = outer->offsets[shape.condition->id];
    }
    tn_vec_push(&ctx->arena, &program->loops, loop);
    place_all(&ll);
    if (!tn_lower_graph(ll.inner)) {
        return false;
    }
    program->loops.data[number].last = (int32_t)program->steps.len - 1;
    return true;
}

/* A body that hands its carried values on: what an `if` does when its condition does not hold. */
static Graph *handing_on(const LoopShape *shape) {
    Graph *body = tn_graph_new(shape->body->ctx, shape->body->name);
    for (size_t i = 0; i < shape->body->inputs.len; i++) {
        tn_graph_add_input(body, NULL, shape->body->inputs.data[i]->type);
    }
    for (uint32_t i = 0; i < shape->carried; i++) {
        Value *from = body->inputs.data[i + 1];
        Node *copy = tn_node_new(body, TN_OP_copy, &from, 1, NULL, 0, (Loc){0}, NULL);
        copy->group = (int32_t)i;
        tn_graph_add_output(body, NULL, copy->out[0]);
    }
    return body;
}

bool tn_lower_loop_node(Lowering *outer, const Node *node) {
    LoopShape shape = tn_loop_shape(node);
    if (!lower_region(outer, node, shape, true)) {
        return false;
    }
    if (shape.condition == NULL) {
        return true;
    }
    shape.body = handing_on(&shape);
    return lower_region(outer, node, shape, false);
}
