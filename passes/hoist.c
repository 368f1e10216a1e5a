/* hoist.c: work that is the same at every turn of a loop is done once, before it.
 *
 * What leaves are reductions, products and values written to memory of their own (packed
 * weights) over invariants; formulas in front of them leave with them. Formulas alone stay:
 * they cost nothing where they are read.
 */
#include "base/map.h"
#include "ir/loopnode.h"
#include "ir/traits.h"
#include "passes/pass.h"

typedef struct Hoist {
    Graph *graph;
    Node *node;     /* the loop */
    LoopShape shape;
    Arena *arena;
    uint8_t *fixed; /* by value id of the body: 1 the same at every turn */
    Value **map;    /* by value id of the body: the value outside */
} Hoist;

/* Inputs that are invariants, and what is made of such values alone. */
static void find_fixed(Hoist *hoist) {
    const Graph *body = hoist->shape.body;
    for (size_t i = 1 + hoist->shape.carried + hoist->shape.scanned; i < body->inputs.len; i++) {
        hoist->fixed[body->inputs.data[i]->id] = 1;
        hoist->map[body->inputs.data[i]->id] = hoist->node->in[i - 1];
    }
    for (const Node *node = body->first; node != NULL; node = node->next) {
        bool fixed = node->body == NULL;
        for (uint32_t i = 0; i < node->n_in; i++) {
            fixed = fixed && hoist->fixed[node->in[i]->id];
        }
        for (uint32_t i = 0; i < node->n_out && fixed; i++) {
            hoist->fixed[node->out[i]->id] = 1;
        }
    }
}

static bool is_work(const Node *node) {
    OpClass cls = tn_op_info(node->op)->cls;
    return cls == OPC_REDUCE || cls == OPC_INDEX;
}

/* The value outside of the loop, its formulas with it. */
static Value *copy_outside(Hoist *hoist, Value *value) {
    if (hoist->map[value->id] == NULL) {
        Node *node = value->def;
        for (uint32_t i = 0; i < node->n_in; i++) {
            copy_outside(hoist, node->in[i]);
        }
        Node *copy = tn_node_clone(hoist->graph, node, hoist->map);
        tn_node_move(hoist->graph, copy, hoist->node);
    }
    return hoist->map[value->id];
}

/* Whether something that stays reads the value: it differs from turn to turn, or is a formula
 * that such a thing reads. */
static bool reads_variable(const Hoist *hoist, const Value *value) {
    bool reads = value->is_output;
    for (const Use *use = value->uses; use != NULL && !reads; use = use->next) {
        const Node *user = use->user;
        reads = user->body != NULL || !hoist->fixed[user->out[0]->id] ||
                (!is_work(user) && reads_variable(hoist, user->out[0]));
    }
    return reads;
}

static void hoist_loop(Compile *compile, Node *node) {
    Graph *body = node->body;
    Hoist hoist = {.graph = compile->graph,
                   .node = node,
                   .shape = tn_loop_shape(node),
                   .arena = &compile->ctx->scratch};
    uint32_t known = body->n_values;
    /* each of these may become a further input, which others that leave read */
    hoist.fixed = TN_NEW_ARRAY(hoist.arena, uint8_t, 2 * (size_t)known + 1);
    hoist.map = TN_NEW_ARRAY(hoist.arena, Value *, 2 * (size_t)known + 1);
    find_fixed(&hoist);
    for (Node *inner = body->first; inner != NULL; inner = inner->next) {
        Value *value = inner->n_out == 1 ? inner->out[0] : NULL;
        if (value == NULL || value->id >= known || !hoist.fixed[value->id] || !is_work(inner) ||
            !reads_variable(&hoist, value)) {
            continue;
        }
        Value *outside = copy_outside(&hoist, value);
        Value *input = tn_loop_add_invariant(compile->graph, node, outside);
        hoist.fixed[input->id] = 1;
        hoist.map[input->id] = outside;
        tn_value_replace(body, value, input);
    }
}

bool tn_pass_hoist(Compile *compile) {
    for (Node *node = compile->graph->first; node != NULL; node = node->next) {
        /* Behind a condition nothing is to be gained by doing it always. */
        if (node->body != NULL && tn_loop_shape(node).condition == NULL) {
            hoist_loop(compile, node);
        }
    }
    return tn_pass_dce(compile);
}
