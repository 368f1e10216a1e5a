/* hoist.c: work that is the same at every turn of a loop is done once, before it.
 *
 * What leaves are reductions, products and values written to memory of their own (packed
 * weights) over invariants; formulas in front of them leave with them. Formulas alone stay:
 * they cost nothing where they are read.
 */
#include "ir/loopnode.h"
#include "ir/traits.h"
#include "passes/pass.h"

/* What is known of a value of the body. */
enum {
    FIXED = 1,  /* it is the same at every turn */
    READ = 2,   /* what differs from turn to turn reads it, itself or formulas of it */
    LEAVES = 4, /* it is computed before the loop */
    NEEDED = 8  /* of what leaves, or that itself */
};

typedef struct Hoist {
    Graph *graph;
    Node *node;     /* the loop */
    LoopShape shape;
    uint8_t *flags; /* by value id of the body */
    Value **map;    /* by value id of the body: the value outside */
} Hoist;

/* Inputs that are invariants, and what is made of such values alone. */
static void find_fixed(Hoist *hoist) {
    const Graph *body = hoist->shape.body;
    for (size_t i = 1 + hoist->shape.carried + hoist->shape.scanned; i < body->inputs.len; i++) {
        hoist->flags[body->inputs.data[i]->id] = FIXED;
        hoist->map[body->inputs.data[i]->id] = hoist->node->in[i - 1];
    }
    for (const Node *node = body->first; node != NULL; node = node->next) {
        bool fixed = node->body == NULL;
        for (uint32_t i = 0; i < node->n_in; i++) {
            fixed = fixed && (hoist->flags[node->in[i]->id] & FIXED) != 0;
        }
        hoist->flags[node->out[0]->id] = fixed ? FIXED : 0;
    }
}

static bool is_work(const Node *node) {
    OpClass cls = tn_op_info(node->op)->cls;
    return cls == OPC_REDUCE || cls == OPC_INDEX;
}

static bool is_read(const Hoist *hoist, const Value *value) {
    bool read = value->is_output;
    for (const Use *use = value->uses; use != NULL && !read; use = use->next) {
        uint8_t flags = hoist->flags[use->user->out[0]->id];
        read = (flags & FIXED) == 0 || (!is_work(use->user) && (flags & READ) != 0);
    }
    return read;
}

/* From the last node to the first: readers come before what they read. */
static void find_leaving(Hoist *hoist) {
    for (const Node *node = hoist->shape.body->last; node != NULL; node = node->prev) {
        uint8_t *flags = &hoist->flags[node->out[0]->id];
        if ((*flags & FIXED) != 0 && is_read(hoist, node->out[0])) {
            *flags |= is_work(node) ? READ | LEAVES | NEEDED : READ;
        }
        for (uint32_t i = 0; i < node->n_in && (*flags & NEEDED) != 0; i++) {
            hoist->flags[node->in[i]->id] |= NEEDED;
        }
    }
}

static void hoist_loop(Compile *compile, Node *node) {
    Graph *body = node->body;
    Arena *arena = &compile->ctx->scratch;
    Hoist hoist = {.graph = compile->graph, .node = node, .shape = tn_loop_shape(node)};
    /* each value may become a further input, which others that leave read */
    hoist.flags = TN_NEW_ARRAY(arena, uint8_t, 2 * (size_t)body->n_values + 1);
    hoist.map = TN_NEW_ARRAY(arena, Value *, 2 * (size_t)body->n_values + 1);
    find_fixed(&hoist);
    find_leaving(&hoist);
    for (Node *inner = body->first; inner != NULL; inner = inner->next) {
        Value *value = inner->out[0];
        if ((hoist.flags[value->id] & NEEDED) == 0) {
            continue;
        }
        Value *outside = tn_node_clone(hoist.graph, inner, hoist.map)->out[0];
        tn_node_move(hoist.graph, outside->def, node);
        if ((hoist.flags[value->id] & LEAVES) != 0) {
            Value *input = tn_loop_add_invariant(hoist.graph, node, outside);
            hoist.map[input->id] = outside;
            tn_value_replace(body, value, input);
        }
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
