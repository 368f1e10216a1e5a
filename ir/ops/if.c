/* if.c: the primitive `if`: a body that runs only if a condition holds.
 *
 * Operands are the carried values, the condition (a bool scalar), and invariants. The body is
 * that of a loop of one turn: its inputs are the turn (an i64 scalar, 0), then one value per
 * operand; its outputs are the new carried values. The results are these if the condition
 * holds, else the carried operands. Two of them with opposite conditions choose between two
 * computations of which one is run.
 *
 * Backward: under the same condition the cotangents of the results become those of the carried
 * operands; otherwise they pass, and those of invariants stay zero. What the body's backward
 * part reads of its forward part is computed again there.
 */
#include <inttypes.h>
#include <string.h>

#include "ir/grad.h"
#include "ir/loopnode.h"
#include "ir/ops/support.h"

Node *tn_if_new(Graph *graph, Graph *body, Value *const *in, uint32_t n_in, uint32_t carried,
                Loc loc, Node *before) {
    Attr attr = {.name = TN_ATTR_carried, .kind = ATTR_INT, .i = carried};
    NodeBody with = {body, (uint32_t)body->outputs.len};
    return tn_node_with_body(graph, TN_OP_if, in, n_in, &attr, 1, with, loc, before);
}

/* ---- type rule ---- */

static bool check_counts(Graph *graph, const Node *node) {
    return tn_body_check(graph, node) &&
           tn_op_check_int(graph, node, TN_ATTR_carried, 1, node->n_in - 1) &&
           (node->n_out == tn_attr_int(node, TN_ATTR_carried) ||
            tn_op_error(graph, node, "%u results for %" PRId64 " carried values", node->n_out,
                        tn_attr_int(node, TN_ATTR_carried)));
}

static bool check_types(Graph *graph, const Node *node) {
    const Graph *body = node->body;
    uint32_t carried = (uint32_t)tn_attr_int(node, TN_ATTR_carried);
    const Type *condition = &node->in[carried]->type;
    if (condition->dtype != TN_BOOL || condition->rank != 0) {
        return tn_op_error(graph, node, "the condition is %s, expected bool",
                           tn_op_type_text(graph, condition));
    }
    bool ok = true;
    for (uint32_t i = 0; ok && i < node->n_in; i++) {
        ok = tn_body_check_type(graph, node, "operand", i, &body->inputs.data[i + 1]->type,
                                &node->in[i]->type);
    }
    for (uint32_t i = 0; ok && i < carried; i++) {
        ok = tn_body_check_type(graph, node, "carried value", i, &body->outputs.data[i].value->type,
                                &node->in[i]->type);
    }
    return ok;
}

bool tn_type_if(Graph *graph, Node *node) {
    if (!check_counts(graph, node) || !check_types(graph, node) ||
        !tn_body_adopt_constraints(graph, node)) {
        return false;
    }
    for (uint32_t i = 0; i < node->n_out; i++) {
        node->out[i]->type = node->body->outputs.data[i].value->type;
        node->out[i]->type.layout = NULL;
    }
    return true;
}

/* ---- evaluation ---- */

bool tn_eval_if(EvalArgs *args) {
    const Node *node = args->node;
    Arena *scratch = &args->ctx->scratch;
    uint32_t carried = (uint32_t)tn_attr_int(node, TN_ATTR_carried);
    int64_t turn = 0;
    RefTensor *in = TN_NEW_ARRAY(scratch, RefTensor, node->n_in + 1u);
    RefTensor *out = TN_NEW_ARRAY(scratch, RefTensor, node->n_out + 1u);
    in[0] = (RefTensor){.dtype = TN_I64, .count = 1, .i = &turn};
    for (uint32_t i = 0; i < node->n_in; i++) {
        in[i + 1] = *args->in[i];
    }
    bool holds = args->in[carried]->i[0] != 0;
    if (holds && !tn_eval_body(node->body, in, args->symbols, scratch, out)) {
        return false;
    }
    for (uint32_t i = 0; i < carried; i++) {
        const RefTensor *from = holds ? &out[i] : args->in[i];
        memcpy(args->out[i].i, from->i, (size_t)args->out[i].count * sizeof(int64_t));
    }
    return true;
}

/* ---- gradient ---- */

typedef TN_VEC(Value *) Values;

typedef struct IfGrad {
    GradRule *rule;
    Ctx *ctx;
    const Node *node;
    uint32_t carried;
    Graph *body;
    Values operands;       /* of the backward node */
    Values seeds, targets; /* inputs of the body: cotangents of results, operands */
} IfGrad;

static bool is_float(const Value *value) {
    return tn_dtype_is_float(value->type.dtype);
}

static Value *add_operand(IfGrad *ig, Value *value) {
    Type type = value->type;
    type.layout = NULL;
    tn_vec_push(&ig->ctx->arena, &ig->operands, value);
    return tn_graph_add_input(ig->body, NULL, type);
}

/* An operand whose cotangent the backward node carries: all carried ones, invariants where
 * wanted. */
static bool has_cotangent(const IfGrad *ig, uint32_t i) {
    return is_float(ig->node->in[i]) && (i < ig->carried || ig->rule->wanted[i]);
}

/* Carried: the cotangents of the results, and zeros for those of the invariants. */
static void add_carried(IfGrad *ig) {
    for (uint32_t i = 0; i < ig->node->n_in; i++) {
        if (!has_cotangent(ig, i)) {
            continue;
        }
        Value *given = i < ig->carried ? ig->rule->out_ct[i] : NULL;
        Value *start =
            given != NULL ? given : tn_build_number(&ig->rule->build, &ig->node->in[i]->type, 0);
        Value *input = add_operand(ig, start);
        if (i < ig->carried) {
            tn_vec_push(&ig->ctx->arena, &ig->seeds, input);
        }
    }
}

/* The condition, then what the forward part had. */
static void add_forward(IfGrad *ig, Value **map) {
    const Graph *body = ig->node->body;
    Value *condition = add_operand(ig, ig->node->in[ig->carried]);
    map[body->inputs.data[0]->id] = ig->body->inputs.data[0];
    for (uint32_t i = 0; i < ig->node->n_in; i++) {
        Value *copy = i == ig->carried ? condition : add_operand(ig, ig->node->in[i]);
        map[body->inputs.data[i + 1]->id] = copy;
        if (has_cotangent(ig, i)) {
            tn_vec_push(&ig->ctx->arena, &ig->targets, copy);
        }
    }
    for (const Node *node = body->first; node != NULL; node = node->next) {
        tn_node_clone(ig->body, node, map);
    }
}

static bool differentiate(IfGrad *ig, Value **map) {
    Arena *arena = &ig->ctx->arena;
    Values ys = {0};
    for (uint32_t i = 0; i < ig->carried; i++) {
        Value *y = map[ig->node->body->outputs.data[i].value->id];
        if (is_float(y)) {
            tn_vec_push(arena, &ys, y);
        }
    }
    Value **found = TN_NEW_ARRAY(arena, Value *, ig->targets.len + 1);
    if (!tn_grad_build(ig->body, ys.data, ig->seeds.data, ys.len, ig->targets.data, ig->targets.len,
                       found)) {
        return false;
    }
    Build end = {.graph = ig->body, .loc = ig->node->loc};
    for (size_t i = 0; i < ig->targets.len; i++) {
        Value *ct =
            found[i] != NULL ? found[i] : tn_build_number(&end, &ig->targets.data[i]->type, 0);
        tn_graph_add_output(ig->body, NULL, ct);
    }
    return true;
}

bool tn_grad_if(GradRule *rule) {
    Graph *outer = rule->build.graph;
    const Node *node = rule->node;
    IfGrad ig = {.rule = rule,
                 .ctx = outer->ctx,
                 .node = node,
                 .carried = (uint32_t)tn_attr_int(node, TN_ATTR_carried)};
    ig.body = tn_graph_new(outer->ctx, node->body->name);
    tn_graph_add_input(ig.body, NULL, tn_type_scalar(TN_I64));
    Value **map = TN_NEW_ARRAY(&outer->ctx->arena, Value *, node->body->n_values + 1u);
    add_carried(&ig);
    add_forward(&ig, map);
    if (!differentiate(&ig, map)) {
        return false;
    }
    Node *backward = tn_if_new(outer, ig.body, ig.operands.data, (uint32_t)ig.operands.len,
                               (uint32_t)ig.targets.len, node->loc, rule->build.before);
    for (uint32_t i = 0, k = 0; backward != NULL && i < node->n_in; i++) {
        if (has_cotangent(&ig, i)) {
            rule->in_ct[i] = backward->out[k++];
        }
    }
    return backward != NULL;
}
