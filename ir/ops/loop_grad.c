/* loop_grad.c: the gradient of `loop`: a loop over the turns in the opposite order.
 *
 * The backward loop carries the cotangents of the carried values and sums of those of the
 * invariants; it scans the cotangents of the stacked results and what the forward turns
 * leave for it, and stacks the cotangents of the scanned operands. What a turn's backward
 * part reads of the forward part becomes a stacked result of the forward loop, but for views
 * and sources, which are made again.
 *
 * A sum over turns of contractions or reductions (the gradients of weights and biases) leaves
 * the loop: its operands are stacked and one contraction or reduction over the turns as well
 * takes its place.
 */
#include "ir/grad.h"
#include "ir/loopnode.h"
#include "ir/ops/support.h"

typedef TN_VEC(Value *) Values;

/* Whether a cotangent can be had outside of the loop; ASKED: what it is a sum of is stacked. */
typedef enum Leave { LEAVE_UNKNOWN, LEAVE_NOT, LEAVE_CAN, LEAVE_ASKED } Leave;

typedef struct LoopGrad {
    GradRule *rule;
    Ctx *ctx;
    Graph *outer;
    Node *node;
    LoopShape shape;
    /* the turn: the body's copy with its backward nodes behind, and the original's values */
    Graph *turn;
    Value **original;  /* by id in `turn`, below n_copies: the value of the body it copies */
    uint32_t n_copies;
    Values ys, seeds;
    Values targets;    /* inputs of `turn`, by operand of the node; NULL: not wanted */
    Value **cotangent; /* of the targets, values of `turn`; NULL: zero */
    /* the backward loop */
    Graph *body;
    Value **map;       /* by id in `turn` -> value of `body` */
    Values carried, scanned, invariant; /* operands, values of the outer graph */
    Values carried_in, scanned_in, invariant_in; /* inputs of the body: the same order */
    Value **outside;   /* by id in `turn`: the stack of the value outside, or NULL */
    Values stacks;     /* values of `turn` that the backward loop stacks for sums outside */
    uint32_t *stacked; /* by id in `turn`: 1 + number among these, or 0 */
    uint8_t *leave;    /* by id in `turn`: Leave */
    Value **rebuilt;   /* by id in `turn`: what has left, outside */
} LoopGrad;

static bool is_float(const Value *value) {
    return tn_dtype_is_float(value->type.dtype);
}

static bool is_carried(const LoopGrad *lg, uint32_t operand) {
    return operand < lg->shape.carried;
}

static bool is_scanned(const LoopGrad *lg, uint32_t operand) {
    return !is_carried(lg, operand) && operand < lg->shape.carried + lg->shape.scanned;
}

/* ---- one turn and its backward part ---- */

/* Copies the body node by node, noting which value is a copy of which. */
static void copy_turn(LoopGrad *lg) {
    const Graph *body = lg->shape.body;
    lg->turn = tn_graph_new(lg->ctx, body->name);
    Value **copies = TN_NEW_ARRAY(&lg->ctx->arena, Value *, body->n_values + 1u);
    for (size_t i = 0; i < body->inputs.len; i++) {
        const Value *input = body->inputs.data[i];
        copies[input->id] = tn_graph_add_input(lg->turn, input->name, input->type);
    }
    for (const Node *node = body->first; node != NULL; node = node->next) {
        tn_node_clone(lg->turn, node, copies);
    }
    lg->n_copies = lg->turn->n_values;
    lg->original = TN_NEW_ARRAY(&lg->ctx->arena, Value *, lg->n_copies + 1u);
    for (size_t i = 0; i < body->inputs.len; i++) {
        Value *input = body->inputs.data[i];
        lg->original[copies[input->id]->id] = input;
    }
    for (const Node *node = body->first; node != NULL; node = node->next) {
        for (uint32_t k = 0; k < node->n_out; k++) {
            lg->original[copies[node->out[k]->id]->id] = node->out[k];
        }
    }
    for (size_t i = 0; i < body->outputs.len; i++) {
        tn_graph_add_output(lg->turn, NULL, copies[body->outputs.data[i].value->id]);
    }
}

/* Seeds become inputs behind those of the body: one per result with a cotangent, and one per
 * carried value that may get one in the turn before. */
static void add_seeds(LoopGrad *lg) {
    for (uint32_t i = 0; i < lg->node->n_out; i++) {
        Value *y = lg->turn->outputs.data[i].value;
        bool seeded = is_float(y) && (i < lg->shape.carried || lg->rule->out_ct[i] != NULL);
        Value *seed = seeded ? tn_graph_add_input(lg->turn, NULL, y->type) : NULL;
        tn_vec_push(&lg->ctx->arena, &lg->ys, y);
        tn_vec_push(&lg->ctx->arena, &lg->seeds, seed);
    }
}

static bool differentiate_turn(LoopGrad *lg) {
    Arena *arena = &lg->ctx->arena;
    uint32_t n = lg->node->n_in;
    Values ys = {0}, seeds = {0}, wrt = {0};
    for (size_t i = 0; i < lg->ys.len; i++) {
        if (lg->seeds.data[i] != NULL) {
            tn_vec_push(arena, &ys, lg->ys.data[i]);
            tn_vec_push(arena, &seeds, lg->seeds.data[i]);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        Value *input = lg->turn->inputs.data[i + 1];
        bool wanted = is_float(input) && (is_carried(lg, i) || lg->rule->wanted[i]);
        tn_vec_push(arena, &lg->targets, wanted ? input : NULL);
        if (wanted) {
            tn_vec_push(arena, &wrt, input);
        }
    }
    Value **found = TN_NEW_ARRAY(arena, Value *, wrt.len + 1);
    lg->cotangent = TN_NEW_ARRAY(arena, Value *, n + 1u);
    if (!tn_grad_build(lg->turn, ys.data, seeds.data, ys.len, wrt.data, wrt.len, found)) {
        return false;
    }
    for (uint32_t i = 0, k = 0; i < n; i++) {
        lg->cotangent[i] = lg->targets.data[i] != NULL ? found[k++] : NULL;
    }
    return true;
}

/* ---- what the backward part reads ---- */

static bool is_forward(const LoopGrad *lg, const Value *value) {
    return value->id < lg->n_copies;
}

static bool is_cheap(const Value *value) {
    OpClass cls = value->def != NULL ? tn_op_info(value->def->op)->cls : OPC_MAP;
    return cls == OPC_VIEW || cls == OPC_SOURCE;
}

/* The operand of the node that an input of the body is, or -1: the turn or a seed. */
static int64_t operand_of(const LoopGrad *lg, const Value *input) {
    return input->def == NULL && input->out > 0 && input->out <= lg->node->n_in
               ? (int64_t)input->out - 1
               : -1;
}

/* The outer tensor whose slice at each turn `value` is: a scanned operand, or a new stacked
 * result of the forward loop. */
static Value *stack_of(LoopGrad *lg, const Value *value) {
    int64_t operand = operand_of(lg, value);
    if (operand >= 0 && is_scanned(lg, (uint32_t)operand)) {
        return lg->node->in[operand];
    }
    if (lg->outside[value->id] == NULL) {
        lg->outside[value->id] = tn_loop_add_stacked(lg->outer, lg->node, lg->original[value->id]);
    }
    return lg->outside[value->id];
}

static Value *add_operand(LoopGrad *lg, Values *operands, Values *inputs, Value *outside,
                          const Type *type) {
    Value *input = tn_graph_add_input(lg->body, NULL, *type);
    tn_vec_push(&lg->ctx->arena, operands, outside);
    tn_vec_push(&lg->ctx->arena, inputs, input);
    return input;
}

/* ---- sums that leave the loop ---- */

static bool is_sum(const Node *node) {
    return node->op == TN_OP_reduce_sum ||
           (node->op == TN_OP_contract && tn_attr_int(node, TN_ATTR_batch) == 0);
}

static bool passes_through(const Node *node) {
    return node->op == TN_OP_add || node->op == TN_OP_transpose || node->op == TN_OP_neg;
}

/* Whether the value varies by turn and can be had as a stack outside. */
static bool can_stack(const LoopGrad *lg, const Value *value) {
    int64_t operand = operand_of(lg, value);
    return !(value->def == NULL && value->out == 0) && value->type.rank < TN_MAX_RANK &&
           (operand < 0 || operand < (int64_t)lg->shape.carried + lg->shape.scanned);
}

static bool can_leave(LoopGrad *lg, const Value *value) {
    const Node *node = value->def;
    if (node == NULL || is_forward(lg, value) || !(is_sum(node) || passes_through(node))) {
        return false;
    }
    uint8_t *leave = &lg->leave[value->id];
    bool can = true;
    for (uint32_t i = 0; i < node->n_in && *leave == LEAVE_UNKNOWN && can; i++) {
        can = is_sum(node) ? can_stack(lg, node->in[i]) : can_leave(lg, node->in[i]);
    }
    if (*leave == LEAVE_UNKNOWN) {
        *leave = can ? LEAVE_CAN : LEAVE_NOT;
    }
    return *leave != LEAVE_NOT;
}

/* The number of the result whose cotangent at this turn `value` is, or -1. */
static int64_t seed_of(const LoopGrad *lg, const Value *value) {
    for (size_t i = 0; i < lg->seeds.len && value->def == NULL; i++) {
        if (lg->seeds.data[i] == value) {
            return (int64_t)i;
        }
    }
    return -1;
}

static bool has_stack(const LoopGrad *lg, const Value *value) {
    return is_forward(lg, value) || seed_of(lg, value) >= (int64_t)lg->shape.carried;
}

static void want_stack(LoopGrad *lg, Value *value) {
    if (!has_stack(lg, value) && lg->stacked[value->id] == 0) {
        tn_vec_push(&lg->ctx->arena, &lg->stacks, value);
        lg->stacked[value->id] = (uint32_t)lg->stacks.len;
    }
}

static void want_operands(LoopGrad *lg, const Value *value) {
    const Node *node = value->def;
    bool asked = lg->leave[value->id] == LEAVE_ASKED;
    lg->leave[value->id] = LEAVE_ASKED;
    for (uint32_t i = 0; i < node->n_in && !asked; i++) {
        if (is_sum(node)) {
            want_stack(lg, node->in[i]);
        } else {
            want_operands(lg, node->in[i]);
        }
    }
}

/* The stack of an operand of a sum, once the backward loop stands. */
static Value *operand_stack(LoopGrad *lg, const Node *backward, Value *value) {
    if (is_forward(lg, value)) {
        return stack_of(lg, value);
    }
    if (has_stack(lg, value)) {
        return lg->rule->out_ct[seed_of(lg, value)];
    }
    return backward->out[lg->carried.len + lg->stacked[value->id] - 1];
}

static Value *rebuild_sum(LoopGrad *lg, const Node *backward, const Node *node) {
    Value *in[2] = {NULL, NULL};
    Attr attrs[3];
    int64_t axes[2][TN_MAX_RANK + 1];
    uint32_t n_attrs = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        in[i] = operand_stack(lg, backward, node->in[i]);
    }
    for (uint32_t a = 0, lists = 0; a < node->n_attrs; a++) {
        attrs[n_attrs] = node->attrs[a];
        if (node->attrs[a].kind == ATTR_INTS) {
            int64_t *list = axes[lists++];
            list[0] = 0;
            for (uint32_t k = 0; k < node->attrs[a].n; k++) {
                list[k + 1] = node->attrs[a].ints[k] + 1;
            }
            attrs[n_attrs].ints = list;
            attrs[n_attrs].n++;
        }
        n_attrs++;
    }
    return tn_build_node(&lg->rule->build, node->op, in, node->n_in, attrs, n_attrs);
}

static Value *rebuild_outside(LoopGrad *lg, const Node *backward, const Value *value) {
    const Node *node = value->def;
    Value **rebuilt = &lg->rebuilt[value->id];
    if (*rebuilt == NULL && is_sum(node)) {
        *rebuilt = rebuild_sum(lg, backward, node);
    } else if (*rebuilt == NULL) {
        Value *in[2] = {NULL, NULL};
        for (uint32_t i = 0; i < node->n_in; i++) {
            in[i] = rebuild_outside(lg, backward, node->in[i]);
        }
        *rebuilt = tn_build_like(&lg->rule->build, node, in, node->n_in);
    }
    return *rebuilt;
}

/* ---- the backward loop ---- */

/* The value of the backward body that `value` of the turn is. */
static Value *place_value(LoopGrad *lg, Value *value) {
    if (lg->map[value->id] != NULL) {
        return lg->map[value->id];
    }
    int64_t operand = operand_of(lg, value);
    Value *placed = NULL;
    if (operand >= (int64_t)lg->shape.carried + lg->shape.scanned) {
        placed =
            add_operand(lg, &lg->invariant, &lg->invariant_in, lg->node->in[operand], &value->type);
    } else if (is_forward(lg, value) && !is_cheap(value)) {
        placed = add_operand(lg, &lg->scanned, &lg->scanned_in, stack_of(lg, value), &value->type);
    } else {
        for (uint32_t i = 0; i < value->def->n_in; i++) {
            place_value(lg, value->def->in[i]);
        }
        tn_node_clone(lg->body, value->def, lg->map);
        return lg->map[value->id];
    }
    lg->map[value->id] = placed;
    return placed;
}

/* Inputs that are known from the start: the turn, cotangents of carried values and sums. */
static void start_body(LoopGrad *lg) {
    Build *build = &lg->rule->build;
    Type turn = tn_type_scalar(TN_I64);
    lg->body = tn_graph_new(lg->ctx, "backward");
    lg->map = TN_NEW_ARRAY(&lg->ctx->arena, Value *, lg->turn->n_values + 1u);
    lg->outside = TN_NEW_ARRAY(&lg->ctx->arena, Value *, lg->turn->n_values + 1u);
    lg->stacked = TN_NEW_ARRAY(&lg->ctx->arena, uint32_t, lg->turn->n_values + 1u);
    lg->leave = TN_NEW_ARRAY(&lg->ctx->arena, uint8_t, lg->turn->n_values + 1u);
    lg->rebuilt = TN_NEW_ARRAY(&lg->ctx->arena, Value *, lg->turn->n_values + 1u);
    lg->map[lg->turn->inputs.data[0]->id] = tn_graph_add_input(lg->body, "turn", turn);
    for (uint32_t i = 0; i < lg->shape.carried; i++) {
        Value *seed = lg->seeds.data[i];
        if (seed != NULL) {
            Value *ct = lg->rule->out_ct[i];
            ct = ct != NULL ? ct : tn_build_number(build, &seed->type, 0);
            lg->map[seed->id] = add_operand(lg, &lg->carried, &lg->carried_in, ct, &seed->type);
        }
    }
}

static void add_sums(LoopGrad *lg, Value **sums) {
    Build *build = &lg->rule->build;
    for (uint32_t i = lg->shape.carried + lg->shape.scanned; i < lg->node->n_in; i++) {
        Value *ct = lg->cotangent[i];
        if (ct == NULL) {
            continue;
        }
        if (can_leave(lg, ct)) {
            want_operands(lg, ct);
        } else {
            Value *zero = tn_build_number(build, &ct->type, 0);
            sums[i] = add_operand(lg, &lg->carried, &lg->carried_in, zero, &ct->type);
        }
    }
}

static void add_result_seeds(LoopGrad *lg) {
    for (uint32_t i = lg->shape.carried; i < lg->node->n_out && i < lg->seeds.len; i++) {
        Value *seed = lg->seeds.data[i];
        if (seed != NULL) {
            lg->map[seed->id] =
                add_operand(lg, &lg->scanned, &lg->scanned_in, lg->rule->out_ct[i], &seed->type);
        }
    }
}

/* Inputs were added as they were met: puts them in the order of the operands. */
static void order_inputs(LoopGrad *lg) {
    const Values *parts[] = {&lg->carried_in, &lg->scanned_in, &lg->invariant_in};
    size_t at = 1;
    for (size_t p = 0; p < 3; p++) {
        for (size_t i = 0; i < parts[p]->len; i++, at++) {
            lg->body->inputs.data[at] = parts[p]->data[i];
            parts[p]->data[i]->out = (uint32_t)at;
        }
    }
}

static Value *next_of(LoopGrad *lg, Value *ct, const Type *type) {
    Build inside = {.graph = lg->body, .before = NULL, .loc = lg->node->loc};
    return ct != NULL ? place_value(lg, ct) : tn_build_number(&inside, type, 0);
}

/* Body outputs: next cotangents, next sums, then the stacks, those for sums outside first. */
static void finish_body(LoopGrad *lg, Value *const *sums) {
    Build inside = {.graph = lg->body, .before = NULL, .loc = lg->node->loc};
    for (uint32_t i = 0; i < lg->shape.carried; i++) {
        if (lg->seeds.data[i] != NULL) {
            Value *next = next_of(lg, lg->cotangent[i], &lg->seeds.data[i]->type);
            tn_graph_add_output(lg->body, NULL, next);
        }
    }
    for (uint32_t i = 0; i < lg->node->n_in; i++) {
        if (sums[i] != NULL) {
            Value *more = place_value(lg, lg->cotangent[i]);
            tn_graph_add_output(lg->body, NULL, tn_build_map2(&inside, TN_OP_add, sums[i], more));
        }
    }
    for (size_t k = 0; k < lg->stacks.len; k++) {
        tn_graph_add_output(lg->body, NULL, place_value(lg, lg->stacks.data[k]));
    }
    for (uint32_t i = lg->shape.carried; i < lg->shape.carried + lg->shape.scanned; i++) {
        if (lg->cotangent[i] != NULL) {
            tn_graph_add_output(lg->body, NULL, place_value(lg, lg->cotangent[i]));
        }
    }
    order_inputs(lg);
}

static Node *make_loop(LoopGrad *lg) {
    Arena *arena = &lg->ctx->arena;
    Values in = {0};
    const Values *parts[] = {&lg->carried, &lg->scanned, &lg->invariant};
    for (size_t p = 0; p < 3; p++) {
        for (size_t i = 0; i < parts[p]->len; i++) {
            tn_vec_push(arena, &in, parts[p]->data[i]);
        }
    }
    return tn_loop_new(lg->outer, lg->body, in.data, (uint32_t)in.len, lg->shape.trips,
                       (uint32_t)lg->carried.len, (uint32_t)lg->scanned.len, !lg->shape.reverse,
                       lg->node->loc, lg->rule->build.before);
}

static void give_cotangents(LoopGrad *lg, const Node *backward, Value *const *sums) {
    uint32_t result = 0;
    for (uint32_t i = 0; i < lg->shape.carried; i++) {
        if (lg->seeds.data[i] != NULL) {
            lg->rule->in_ct[i] = backward->out[result++];
        }
    }
    for (uint32_t i = 0; i < lg->node->n_in; i++) {
        if (sums[i] != NULL) {
            lg->rule->in_ct[i] = backward->out[result++];
        }
    }
    result += (uint32_t)lg->stacks.len;
    for (uint32_t i = lg->shape.carried; i < lg->shape.carried + lg->shape.scanned; i++) {
        if (lg->cotangent[i] != NULL) {
            lg->rule->in_ct[i] = backward->out[result++];
        }
    }
    for (uint32_t i = lg->shape.carried + lg->shape.scanned; i < lg->node->n_in; i++) {
        if (lg->cotangent[i] != NULL && sums[i] == NULL) {
            lg->rule->in_ct[i] = rebuild_outside(lg, backward, lg->cotangent[i]);
        }
    }
}

bool tn_grad_loop(GradRule *rule) {
    Graph *outer = rule->build.graph;
    LoopGrad lg = {.rule = rule,
                   .ctx = outer->ctx,
                   .outer = outer,
                   .node = (Node *)(uintptr_t)rule->node,
                   .shape = tn_loop_shape(rule->node)};
    copy_turn(&lg);
    add_seeds(&lg);
    if (!differentiate_turn(&lg)) {
        return false;
    }
    start_body(&lg);
    Value **sums = TN_NEW_ARRAY(&lg.ctx->arena, Value *, lg.node->n_in + 1u);
    add_sums(&lg, sums);
    add_result_seeds(&lg);
    finish_body(&lg, sums);
    /* What turns give may all be zero, or left to be done outside. */
    bool any = lg.body->outputs.len > 0;
    Node *backward = any ? make_loop(&lg) : NULL;
    if (any && backward == NULL) {
        return false;
    }
    give_cotangents(&lg, backward, sums);
    return true;
}
