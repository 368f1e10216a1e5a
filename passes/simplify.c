/* simplify.c: rewriting with the rules of simplify.def until none applies.
 *
 * Nodes wait in a queue, at first all of them in order. When a rule replaces a result, its
 * users and the nodes just made are queued again, and whatever became unused is removed
 * with its last operands. Rules make things smaller or move them one way (see
 * simplify.def), so the number of steps is proportional to the graph; a limit far above
 * that turns a mistake in a rule into a diagnostic instead of a hang.
 */
#include "passes/simplify.h"

#include <math.h>
#include <string.h>

#include "passes/pass.h"

typedef struct Rule {
    Op op; /* TN_OP_COUNT: every elementwise primitive */
    SimplifyFn *run;
    const char *name;
} Rule;

static const Rule rules[] = {
#define RULE(op, name, doc) {TN_OP_##op, tn_simplify_##name, #name},
#define RULE_MAPS(name, doc) {TN_OP_COUNT, tn_simplify_##name, #name},
#include "passes/simplify.def"
#undef RULE
#undef RULE_MAPS
};

enum { RULE_COUNT = sizeof rules / sizeof rules[0], STEPS_PER_NODE = 64, STEPS_LEAST = 4096 };

const char *tn_simplify_rule_name(uint32_t index) {
    return index < RULE_COUNT ? rules[index].name : NULL;
}

/* ---- what rules ask about values ---- */

bool tn_value_is_number(const Value *value, double number) {
    double found;
    return tn_value_splat(value, &found) && found == number && signbit(found) == signbit(number);
}

const Blob *tn_value_blob(const Value *value) {
    return value->def != NULL && tn_node_is_const(value->def) ? value->def->blob : NULL;
}

Value *tn_splat_scalar(Build *build, const Value *value) {
    double number;
    if (!tn_value_splat(value, &number)) {
        return NULL;
    }
    while (value->def != NULL && value->def->op != TN_OP_const && value->def->n_in == 1) {
        value = value->def->in[0];
    }
    const Blob *blob = tn_value_blob(value);
    if (blob == NULL || blob->size < tn_dtype_bytes(value->type.dtype)) {
        return NULL;
    }
    if (value->type.rank == 0) {
        return value->def->out[0];
    }
    Type type = tn_type_scalar(value->type.dtype);
    return tn_build_const(build, &type, blob->data);
}

/* ---- the queue ---- */

typedef struct Engine {
    Graph *graph;
    Arena *scratch;
    TN_VEC(Node *) queue;
    size_t head;
    TN_VEC(uint8_t) state; /* by node id */
    TN_VEC(Node *) unused; /* nodes to look at for removal */
    TN_VEC(const Rule *) rules[TN_OP_COUNT];
    size_t steps_left;
} Engine;

enum { QUEUED = 1, REMOVED = 2 };

static uint8_t *state_of(Engine *engine, const Node *node) {
    while (engine->state.len <= node->id) {
        tn_vec_push(engine->scratch, &engine->state, 0);
    }
    return &engine->state.data[node->id];
}

static void enqueue(Engine *engine, Node *node) {
    uint8_t *state = state_of(engine, node);
    if (*state == 0) {
        *state = QUEUED;
        tn_vec_push(engine->scratch, &engine->queue, node);
    }
}

/* How many views in a row rules look through to see a constant. */
enum { VIEWS_DEEP = 4 };

/* Users of the value, and those that see it through views. */
static void enqueue_users(Engine *engine, const Value *value, int depth) {
    for (Use *use = value->uses; use != NULL; use = use->next) {
        enqueue(engine, use->user);
        if (depth > 0 && tn_op_info(use->user->op)->cls == OPC_VIEW) {
            enqueue_users(engine, use->user->out[0], depth - 1);
        }
    }
}

/* ---- replacing ---- */

static bool is_unused(const Node *node) {
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i]->n_uses > 0) {
            return false;
        }
    }
    return true;
}

static void remove_one(Engine *engine, Node *node) {
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (node->in[i]->def != NULL) {
            tn_vec_push(engine->scratch, &engine->unused, node->in[i]->def);
        }
    }
    *state_of(engine, node) |= REMOVED;
    tn_node_remove(engine->graph, node);
}

/* Removes `node` if unused, and then what only it used. The one user left of a value may now
 * be rewritten by rules that ask for a single use. */
static void remove_unused(Engine *engine, Node *node) {
    tn_vec_push(engine->scratch, &engine->unused, node);
    while (engine->unused.len > 0) {
        Node *top = engine->unused.data[--engine->unused.len];
        if ((*state_of(engine, top) & REMOVED) != 0) {
            continue;
        }
        if (is_unused(top)) {
            remove_one(engine, top);
        } else if (top->out[0]->n_uses == 1) {
            enqueue_users(engine, top->out[0], 0);
        }
    }
}

static void replace(Engine *engine, Node *node, Value *by) {
    enqueue_users(engine, node->out[0], VIEWS_DEEP);
    tn_value_replace(engine->graph, node->out[0], by);
    remove_unused(engine, node);
}

/* Queues the nodes made since there were `n_before` ids; they stand before `node`. */
static void enqueue_new(Engine *engine, const Node *node, uint32_t n_before) {
    Node *first = node->prev;
    while (first != NULL && first->id >= n_before) {
        first = first->prev;
    }
    first = first == NULL ? engine->graph->first : first->next;
    for (; first != node; first = first->next) {
        enqueue(engine, first);
    }
}

/* Removes the nodes made since there were `n_before` ids, which nothing uses. What they read is as
 * it was: no rule is to be tried again for that. */
static void drop_new(Engine *engine, const Node *node, uint32_t n_before) {
    for (Node *made = node->prev, *prev; made != NULL && made->id >= n_before; made = prev) {
        prev = made->prev;
        if (is_unused(made)) {
            *state_of(engine, made) |= REMOVED;
            tn_node_remove(engine->graph, made);
        }
    }
}

/* ---- applying rules ---- */

static void index_rules(Engine *engine) {
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        for (uint32_t op = 0; op < TN_OP_COUNT; op++) {
            bool fits = rules[i].op == TN_OP_COUNT ? tn_op_info((Op)op)->cls == OPC_MAP
                                                   : rules[i].op == (Op)op;
            if (fits) {
                tn_vec_push(engine->scratch, &engine->rules[op], &rules[i]);
            }
        }
    }
}

/* Tries the rules of `node` until one applies; false after a diagnostic. A replacement whose
 * dims are not provably those of the original is dropped. */
static bool step(Engine *engine, Node *node) {
    Graph *graph = engine->graph;
    size_t n_diags = graph->ctx->diags.items.len;
    for (size_t i = 0; i < engine->rules[node->op].len; i++) {
        const Rule *rule = engine->rules[node->op].data[i];
        Build build = tn_build_at(graph, node);
        uint32_t n_before = graph->n_nodes;
        Value *by = rule->run(&build, node);
        if (graph->ctx->diags.items.len != n_diags) {
            return tn_diag(&graph->ctx->diags, TN_INTERNAL, node->loc,
                           "simplify: rule '%s' made an invalid node", rule->name);
        }
        if (by == NULL || by == node->out[0]) {
            continue;
        }
        if (tn_type_same_shape(&by->type, &node->out[0]->type)) {
            enqueue_new(engine, node, n_before);
            replace(engine, node, by);
            return true;
        }
        drop_new(engine, node, n_before);
    }
    return true;
}

bool tn_simplify_graph(Graph *graph) {
    Engine engine = {.graph = graph, .scratch = &graph->ctx->scratch};
    index_rules(&engine);
    for (Node *node = graph->first; node != NULL; node = node->next) {
        enqueue(&engine, node);
    }
    engine.steps_left = STEPS_LEAST + STEPS_PER_NODE * engine.queue.len;
    while (engine.head < engine.queue.len) {
        Node *node = engine.queue.data[engine.head++];
        uint8_t *state = state_of(&engine, node);
        *state &= (uint8_t)~QUEUED;
        if (*state == REMOVED) {
            continue;
        }
        if (engine.steps_left-- == 0) {
            return tn_diag(&graph->ctx->diags, TN_INTERNAL, node->loc,
                           "simplify: the rules do not come to rest");
        }
        if (is_unused(node)) {
            remove_unused(&engine, node);
            continue;
        }
        if (!step(&engine, node)) {
            return false;
        }
    }
    return true;
}

bool tn_pass_simplify(Compile *compile) {
    return tn_simplify_graph(compile->graph);
}
