/* fuse_order.c: put groups in execution order and the graph's nodes in the order of groups. */
#include <stdlib.h>

#include "passes/fuse.h"

void tn_fuse_number(Fuse *fuse) {
    uint32_t at = 0;
    fuse->order = TN_NEW_ARRAY(fuse->arena, uint32_t, fuse->graph->n_nodes + 1);
    for (const Node *node = fuse->graph->first; node != NULL; node = node->next) {
        fuse->order[node->id] = at++;
    }
}

/* Nearly sorted as a rule: groups grow at the end. */
void tn_fuse_sort_group(Fuse *fuse, Group *group) {
    for (size_t i = 1; i < group->nodes.len; i++) {
        Node *node = group->nodes.data[i];
        size_t j = i;
        for (; j > 0 && fuse->order[group->nodes.data[j - 1]->id] > fuse->order[node->id]; j--) {
            group->nodes.data[j] = group->nodes.data[j - 1];
        }
        group->nodes.data[j] = node;
    }
}

typedef struct Order {
    Fuse *fuse;
    uint8_t *group_state; /* 0 new, 1 open, 2 done */
    uint8_t *placed;      /* by node id */
    TN_VEC(Group *) sequence;
    Node *tail;
} Order;

static void place(Order *order, Node *node) {
    if (order->placed[node->id]) {
        return;
    }
    order->placed[node->id] = 1;
    node->prev = order->tail;
    node->next = NULL;
    if (order->tail != NULL) {
        order->tail->next = node;
    } else {
        order->fuse->graph->first = node;
    }
    order->tail = node;
}

/* The group a value waits for, through transparent views; NULL for none. */
static Group *value_group(Fuse *fuse, const Value *value) {
    while (value->def != NULL && tn_node_is_transparent(value->def)) {
        value = value->def->in[0];
    }
    return value->def == NULL || value->def->group < 0 ? NULL
                                                       : fuse->groups.data[value->def->group];
}

/* Transparent views and sources in front of a member. */
static void place_formulas(Order *order, Node *node) {
    NodeVec chain = {0};
    tn_vec_push(order->fuse->arena, &chain, node);
    for (size_t i = 0; i < chain.len; i++) {
        for (uint32_t slot = 0; slot < chain.data[i]->n_in; slot++) {
            Node *def = chain.data[i]->in[slot]->def;
            if (def != NULL && def->group < 0 && !order->placed[def->id]) {
                tn_vec_push(order->fuse->arena, &chain, def);
            }
        }
    }
    for (size_t i = chain.len; i-- > 1;) {
        place(order, chain.data[i]);
    }
}

static void place_group(Order *order, Group *group) {
    for (size_t i = 0; i < group->nodes.len; i++) {
        place_formulas(order, group->nodes.data[i]);
        place(order, group->nodes.data[i]);
    }
}

/* Last, as links between groups go by the old numbers until then. */
static void renumber(Order *order) {
    for (size_t i = 0; i < order->sequence.len; i++) {
        Group *group = order->sequence.data[i];
        for (size_t k = 0; k < group->nodes.len; k++) {
            group->nodes.data[k]->group = (int32_t)i;
        }
    }
}

/* Pushes the groups that `top` waits for; false when one is open already: a cycle. */
static bool push_needs(Order *order, Group *top) {
    Fuse *fuse = order->fuse;
    for (size_t i = 0; i < top->nodes.len; i++) {
        const Node *node = top->nodes.data[i];
        for (uint32_t slot = 0; slot < node->n_in; slot++) {
            Group *need = value_group(fuse, node->in[slot]);
            if (need == NULL || need == top || order->group_state[need->id] == 2) {
                continue;
            }
            if (order->group_state[need->id] == 1) {
                return tn_diag(&fuse->ctx->diags, TN_INTERNAL, node->loc,
                               "fuse: kernels %d and %d wait for each other", top->id, need->id);
            }
            tn_vec_push(fuse->arena, &fuse->stack, need);
        }
    }
    return true;
}

static bool visit(Order *order, Group *root) {
    Fuse *fuse = order->fuse;
    fuse->stack.len = 0;
    tn_vec_push(fuse->arena, &fuse->stack, root);
    while (fuse->stack.len > 0) {
        Group *top = fuse->stack.data[fuse->stack.len - 1];
        if (order->group_state[top->id] == 0) {
            order->group_state[top->id] = 1;
            if (!push_needs(order, top)) {
                return false;
            }
            continue;
        }
        fuse->stack.len--;
        if (order->group_state[top->id] == 1) {
            order->group_state[top->id] = 2;
            tn_vec_push(fuse->arena, &order->sequence, top);
        }
    }
    return true;
}

/* ---- state variables ---- */

/* Edges between the groups of a sequence, by their places in it. */
typedef struct Edge {
    uint32_t from, to;
    bool soft; /* wished for: the reader of an old value before the writer of the new one */
} Edge;

typedef struct Waits {
    Order *order;
    uint32_t *at; /* place in the sequence, by group */
    TN_VEC(Edge) edges;
    uint32_t *hard, *soft; /* edges into each group that are not met yet */
} Waits;

static void add_edge(Waits *waits, const Group *from, const Group *to, bool soft) {
    if (from != NULL && from != to) {
        Edge edge = {waits->at[from->id], waits->at[to->id], soft};
        tn_vec_push(waits->order->fuse->arena, &waits->edges, edge);
        (soft ? waits->soft : waits->hard)[edge.to]++;
    }
}

static void add_old_readers(Waits *waits, const Value *old, const Group *writer) {
    Fuse *fuse = waits->order->fuse;
    for (const Use *use = old->uses; use != NULL; use = use->next) {
        if (tn_node_is_transparent(use->user)) {
            add_old_readers(waits, use->user->out[0], writer);
        } else if (use->user->group >= 0) {
            add_edge(waits, fuse->groups.data[use->user->group], writer, true);
        }
    }
}

static void add_edges_of(Waits *waits, Group *group) {
    Fuse *fuse = waits->order->fuse;
    for (size_t i = 0; i < group->nodes.len; i++) {
        const Node *node = group->nodes.data[i];
        for (uint32_t slot = 0; slot < node->n_in; slot++) {
            add_edge(waits, value_group(fuse, node->in[slot]), group, false);
        }
        for (uint32_t k = 0; k < node->n_out; k++) {
            const Value *old =
                node->out[k]->is_output ? tn_graph_old_state(fuse->graph, node->out[k]) : NULL;
            if (old != NULL) {
                add_old_readers(waits, old, group);
            }
        }
    }
}

static int by_source(const void *a, const void *b) {
    const Edge *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

/* What leaves the group at place `from` is met; edges are sorted by their source. */
static void meet_edges(Waits *waits, uint32_t from) {
    size_t low = 0, high = waits->edges.len;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (waits->edges.data[middle].from < from) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < waits->edges.len && waits->edges.data[low].from == from; low++) {
        const Edge *edge = &waits->edges.data[low];
        (edge->soft ? waits->soft : waits->hard)[edge->to]--;
    }
}

/* The first group that waits for nothing; if there is none, the first whose wishes alone are
 * not met: lowering keeps its new values apart. */
static uint32_t next_ready(const Waits *waits, const bool *done, size_t n) {
    uint32_t second = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        if (!done[i] && waits->hard[i] == 0) {
            if (waits->soft[i] == 0) {
                return i;
            }
            second = second == UINT32_MAX ? i : second;
        }
    }
    return second;
}

/* New values of state variables replace the old ones in place, so their writers are put
 * behind all readers of the old ones as far as data flow allows. */
static void settle_updates(Order *order) {
    Fuse *fuse = order->fuse;
    size_t n = order->sequence.len;
    if (tn_graph_caller_outputs(fuse->graph) == fuse->graph->outputs.len) {
        return;
    }
    Waits waits = {.order = order,
                   .at = TN_NEW_ARRAY(fuse->arena, uint32_t, fuse->groups.len + 1),
                   .hard = TN_NEW_ARRAY(fuse->arena, uint32_t, n + 1),
                   .soft = TN_NEW_ARRAY(fuse->arena, uint32_t, n + 1)};
    Group **before = TN_NEW_ARRAY(fuse->arena, Group *, n + 1);
    bool *done = TN_NEW_ARRAY(fuse->arena, bool, n + 1);
    for (size_t i = 0; i < n; i++) {
        before[i] = order->sequence.data[i];
        waits.at[before[i]->id] = (uint32_t)i;
    }
    for (size_t i = 0; i < n; i++) {
        add_edges_of(&waits, before[i]);
    }
    if (waits.edges.len > 0) {
        qsort(waits.edges.data, waits.edges.len, sizeof *waits.edges.data, by_source);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t next = next_ready(&waits, done, n);
        done[next] = true;
        order->sequence.data[i] = before[next];
        meet_edges(&waits, next);
    }
}

bool tn_fuse_order(Fuse *fuse) {
    Graph *graph = fuse->graph;
    Order order = {.fuse = fuse};
    order.group_state = TN_NEW_ARRAY(fuse->arena, uint8_t, fuse->groups.len + 1);
    order.placed = TN_NEW_ARRAY(fuse->arena, uint8_t, graph->n_nodes + 1);
    Node **all = TN_NEW_ARRAY(fuse->arena, Node *, graph->n_nodes + 1);
    size_t n = 0;
    for (Node *node = graph->first; node != NULL; node = node->next) {
        all[n++] = node;
    }
    for (size_t i = 0; i < fuse->groups.len; i++) {
        if (fuse->groups.data[i]->nodes.len > 0 && order.group_state[i] == 0 &&
            !visit(&order, fuse->groups.data[i])) {
            return false;
        }
    }
    settle_updates(&order);
    for (size_t i = 0; i < order.sequence.len; i++) {
        place_group(&order, order.sequence.data[i]);
    }
    for (size_t i = 0; i < n; i++) {
        place(&order, all[i]);
    }
    graph->last = order.tail;
    renumber(&order);
    return true;
}
