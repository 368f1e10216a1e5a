/* loop.c: the primitive `loop`: a body graph run a known number of times.
 *
 * Operands are the initial carried values, tensors scanned along dim 0, and invariants.
 * The body's inputs are the turn (an i64 scalar), then one value per operand: carried
 * values, slices of the scanned tensors at the turn, and invariants. Its outputs are the
 * next carried values, then a slice for each stacked result. The node's results are the
 * last carried values and the stacks, whose slice t is what turn t gave. With `reverse` the
 * turns are run from the last to the first.
 */
#include <inttypes.h>
#include <string.h>

#include "ir/loopnode.h"
#include "ir/ops/support.h"

LoopShape tn_loop_shape(const Node *node) {
    LoopShape shape = {.body = node->body, .carried = (uint32_t)tn_attr_int(node, TN_ATTR_carried)};
    if (node->op == TN_OP_if) {
        shape.trips = tn_dim_const(node->body->ctx, 1);
        shape.condition = node->in[shape.carried];
    } else {
        shape.trips = tn_node_attr(node, TN_ATTR_trips)->dims[0];
        shape.scanned = (uint32_t)tn_attr_int(node, TN_ATTR_scanned);
        shape.reverse = tn_attr_int(node, TN_ATTR_reverse) != 0;
    }
    shape.stacked = (uint32_t)shape.body->outputs.len - shape.carried;
    shape.invariant = node->n_in - shape.carried - shape.scanned;
    return shape;
}

Type tn_loop_slice_type(const Type *type) {
    Type slice = *type;
    slice.rank--;
    slice.layout = NULL;
    memmove(slice.dims, slice.dims + 1, slice.rank * sizeof *slice.dims);
    return slice;
}

static Type stack_type(const Type *slice, const Dim *trips) {
    Type type = *slice;
    type.rank++;
    type.layout = NULL;
    memmove(type.dims + 1, type.dims, slice->rank * sizeof *type.dims);
    type.dims[0] = trips;
    return type;
}

Node *tn_loop_new(Graph *graph, Graph *body, Value *const *in, uint32_t n_in, const Dim *trips,
                  uint32_t carried, uint32_t scanned, bool reverse, Loc loc, Node *before) {
    Attr attrs[] = {
        {.name = TN_ATTR_trips, .kind = ATTR_DIMS, .n = 1, .dims = &trips},
        {.name = TN_ATTR_carried, .kind = ATTR_INT, .i = carried},
        {.name = TN_ATTR_scanned, .kind = ATTR_INT, .i = scanned},
        {.name = TN_ATTR_reverse, .kind = ATTR_INT, .i = reverse},
    };
    NodeBody with = {body, (uint32_t)body->outputs.len};
    return tn_node_with_body(graph, TN_OP_loop, in, n_in, attrs, 4, with, loc, before);
}

Value *tn_loop_add_stacked(Graph *graph, Node *node, Value *value) {
    tn_graph_add_output(node->body, value->name, value);
    return tn_node_add_result(graph, node, stack_type(&value->type, tn_loop_shape(node).trips));
}

Value *tn_loop_add_invariant(Graph *graph, Node *node, Value *value) {
    tn_node_add_operand(graph, node, value);
    return tn_graph_add_input(node->body, value->name, value->type);
}

void tn_loop_drop_operand(Graph *graph, Node *node, uint32_t i) {
    Graph *body = node->body;
    for (uint32_t a = 0; a < node->n_attrs; a++) {
        Attr *attr = &node->attrs[a];
        attr->i -= attr->name == TN_ATTR_scanned &&
                   i < (uint32_t)(tn_attr_int(node, TN_ATTR_carried) + attr->i);
    }
    tn_node_drop_operand(graph, node, i);
    for (size_t k = i + 1; k + 1 < body->inputs.len; k++) {
        body->inputs.data[k] = body->inputs.data[k + 1];
        body->sources.data[k] = body->sources.data[k + 1];
        body->bound.data[k] = body->bound.data[k + 1];
        body->inputs.data[k]->out = (uint32_t)k;
    }
    body->inputs.len--;
    body->sources.len--;
    body->bound.len--;
}

void tn_loop_drop_stacked(Node *node, uint32_t i) {
    Graph *body = node->body;
    Value *value = body->outputs.data[i].value;
    value->n_uses--;
    for (size_t k = i; k + 1 < body->outputs.len; k++) {
        body->outputs.data[k] = body->outputs.data[k + 1];
    }
    body->outputs.len--;
    value->is_output = false;
    for (size_t k = 0; k < body->outputs.len; k++) {
        value->is_output = value->is_output || body->outputs.data[k].value == value;
    }
    tn_node_drop_result(node, i);
}

/* ---- type rule ---- */

bool tn_body_check(Graph *graph, const Node *node) {
    const Graph *body = node->body;
    if (body == NULL) {
        return tn_op_error(graph, node, "it has no body");
    }
    if (!tn_op_check_int(graph, node, TN_ATTR_carried, 0, node->n_in)) {
        return false;
    }
    int64_t carried = tn_attr_int(node, TN_ATTR_carried);
    if (body->inputs.len != node->n_in + 1u || body->outputs.len < (size_t)carried ||
        body->outputs.len != node->n_out) {
        return tn_op_error(graph, node,
                           "the body has %zu inputs and %zu outputs for %u operands, %" PRId64
                           " carried values and %u results",
                           body->inputs.len, body->outputs.len, node->n_in, carried, node->n_out);
    }
    const Type *turn = &body->inputs.data[0]->type;
    return (turn->dtype == TN_I64 && turn->rank == 0) ||
           tn_op_error(graph, node, "the body's first input is %s, the turn is i64",
                       tn_op_type_text(graph, turn));
}

bool tn_body_check_type(Graph *graph, const Node *node, const char *what, uint32_t i,
                        const Type *found, const Type *expected) {
    return tn_type_same_shape(found, expected) ||
           tn_op_error(graph, node, "%s %u is %s in the body and %s outside", what, i,
                       tn_op_type_text(graph, found), tn_op_type_text(graph, expected));
}

bool tn_body_adopt_constraints(Graph *graph, const Node *node) {
    for (size_t i = 0; i < node->body->constraints.len; i++) {
        const Constraint *c = &node->body->constraints.data[i];
        if (!tn_graph_require_eq(graph, c->a, c->b, node->loc, c->text)) {
            return false;
        }
    }
    return true;
}

static bool check_counts(Graph *graph, const Node *node) {
    return tn_body_check(graph, node) && tn_op_check_len(graph, node, TN_ATTR_trips, 1) &&
           tn_op_check_int(graph, node, TN_ATTR_scanned, 0,
                           node->n_in - tn_attr_int(node, TN_ATTR_carried)) &&
           tn_op_check_int(graph, node, TN_ATTR_reverse, 0, 1);
}

static bool check_inputs(Graph *graph, const Node *node, const LoopShape *shape) {
    const Graph *body = shape->body;
    for (uint32_t i = 0; i < node->n_in; i++) {
        const Type *inner = &body->inputs.data[i + 1]->type;
        Type outer = node->in[i]->type;
        bool scanned = i >= shape->carried && i < shape->carried + shape->scanned;
        if (scanned) {
            if (outer.rank == 0) {
                return tn_op_error(graph, node, "operand %u is scanned and has no dimension", i);
            }
            if (!tn_op_require(graph, node, outer.dims[0], shape->trips,
                               "operand %u has another length than the loop", i)) {
                return false;
            }
            outer = tn_loop_slice_type(&outer);
        }
        if (!tn_body_check_type(graph, node, "operand", i, inner, &outer)) {
            return false;
        }
    }
    return true;
}

bool tn_type_loop(Graph *graph, Node *node) {
    if (!check_counts(graph, node)) {
        return false;
    }
    LoopShape shape = tn_loop_shape(node);
    if (!check_inputs(graph, node, &shape) || !tn_body_adopt_constraints(graph, node)) {
        return false;
    }
    for (uint32_t i = 0; i < node->n_out; i++) {
        const Type *inner = &shape.body->outputs.data[i].value->type;
        if (i < shape.carried) {
            if (!tn_body_check_type(graph, node, "carried value", i, inner, &node->in[i]->type)) {
                return false;
            }
            node->out[i]->type = *inner;
            node->out[i]->type.layout = NULL;
        } else if (inner->rank == TN_MAX_RANK) {
            return tn_op_error(graph, node, "result %u has too many dimensions", i);
        } else {
            node->out[i]->type = stack_type(inner, shape.trips);
        }
    }
    return true;
}

/* ---- evaluation ---- */

/* Slice `turn` of a tensor along dim 0; no copy. */
static RefTensor slice_of(const RefTensor *tensor, int64_t turn) {
    RefTensor slice = *tensor;
    slice.rank--;
    memmove(slice.dims, slice.dims + 1, slice.rank * sizeof *slice.dims);
    slice.count = tensor->dims[0] > 0 ? tensor->count / tensor->dims[0] : 0;
    slice.i = tensor->i + turn * slice.count;
    return slice;
}

/* One turn: carried values are in args->out[0..carried). */
static bool run_turn(EvalArgs *args, const LoopShape *shape, int64_t turn, RefTensor *in,
                     RefTensor *out) {
    Ctx *ctx = args->ctx;
    in[0] = (RefTensor){.dtype = TN_I64, .count = 1, .i = &turn};
    for (uint32_t i = 0; i < args->node->n_in; i++) {
        in[i + 1] = i < shape->carried                    ? args->out[i]
                    : i < shape->carried + shape->scanned ? slice_of(args->in[i], turn)
                                                          : *args->in[i];
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    if (!tn_eval_body(shape->body, in, args->symbols, &ctx->scratch, out)) {
        return false;
    }
    for (uint32_t i = 0; i < args->node->n_out; i++) {
        RefTensor to = i < shape->carried ? args->out[i] : slice_of(&args->out[i], turn);
        memcpy(to.i, out[i].i, (size_t)to.count * sizeof *to.i);
    }
    tn_arena_reset(&ctx->scratch, mark);
    return true;
}

bool tn_eval_loop(EvalArgs *args) {
    LoopShape shape = tn_loop_shape(args->node);
    Arena *scratch = &args->ctx->scratch;
    int64_t trips;
    if (!tn_dim_eval(shape.trips, args->symbols, &trips)) {
        return tn_eval_error(args, "the number of turns leaves 64 bits");
    }
    for (uint32_t i = 0; i < shape.carried; i++) {
        memcpy(args->out[i].i, args->in[i]->i, (size_t)args->out[i].count * sizeof(int64_t));
    }
    RefTensor *in = TN_NEW_ARRAY(scratch, RefTensor, args->node->n_in + 1u);
    RefTensor *out = TN_NEW_ARRAY(scratch, RefTensor, args->node->n_out + 1u);
    for (int64_t i = 0; i < trips; i++) {
        if (!run_turn(args, &shape, shape.reverse ? trips - 1 - i : i, in, out)) {
            return false;
        }
    }
    return true;
}
