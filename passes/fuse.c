/* fuse.c: group nodes into kernels.
 *
 * Nodes are visited in topological order. A reduction opens a group, or joins the row
 * group that makes its operand; a formula joins the latest group it reads from in which its
 * index is known, pulling in pointwise producers of its other operands; what is left opens a
 * group of its own. Afterwards readers far behind compute again what is cheaper to compute than
 * to keep (fuse_again.c), and cheap pointwise groups dissolve into their readers. Groups always
 * form an acyclic graph: a join is refused when a path would leave the group and come
 * back. Below -O1 every node is a group by itself.
 */
#include <string.h>

#include "ir/loopnode.h"
#include "passes/fuse.h"

/* Bounds what one emitted function can grow to. Each pass over the rows of a row group computes
 * the formulas before it again. */
enum { GROUP_MAX_NODES = 160, ROWS_MAX_PASSES = 8 };

/* Views in a row that are formulas of whoever reads the last: what follows them recurses. */
enum { VIEWS_MAX = 64 };

static void make_value_space(Fuse *fuse, const Node *node, Space space) {
    for (uint32_t i = 0; i < node->n_out; i++) {
        fuse->space[node->out[i]->id] = (uint8_t)space;
    }
}

static const Dim *const *keep_index(Fuse *fuse, const Dim *const *index) {
    return tn_arena_copy(fuse->arena, index, TN_MAX_RANK * sizeof *index);
}

static void group_add(Fuse *fuse, Group *group, Node *node, Space space, const Dim *const *at) {
    node->group = group->id;
    tn_vec_push(fuse->arena, &group->nodes, node);
    make_value_space(fuse, node, space);
    fuse->at[node->out[0]->id] = at;
}

/* Variables over the root dims, and over the full dims of a row group: those that stay are the
 * root's. */
static void make_vars(Fuse *fuse, Group *group) {
    Ctx *ctx = fuse->ctx;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group->rank; i++) {
        group->vars[i] = tn_dim_is(group->dims[i], 1) ? tn_dim_const(ctx, 0)
                                                      : tn_dim_loop_var(ctx, "p", group->dims[i]);
    }
    for (uint32_t i = 0; group->rows && i < group->full_rank; i++) {
        group->full_vars[i] = !group->reduced[i] ? group->vars[kept++]
                              : tn_dim_is(group->full[i], 1)
                                  ? tn_dim_const(ctx, 0)
                                  : tn_dim_loop_var(ctx, "q", group->full[i]);
    }
}

static Group *group_new(Fuse *fuse, Node *node) {
    Group *group = TN_NEW(fuse->arena, Group);
    group->id = (int32_t)fuse->groups.len;
    tn_vec_push(fuse->arena, &fuse->groups, group);
    tn_vec_push(fuse->arena, &fuse->stamps, 0);
    group_add(fuse, group, node, SPACE_ROOT, group->vars);
    tn_group_describe(group);
    make_vars(fuse, group);
    return group;
}

/* The value behind the transparent views of `value`; `*bijective` tells whether all of them
 * are, `*n_views` how many there are. */
static Value *view_root(Value *value, bool *bijective, uint32_t *n_views) {
    *bijective = true;
    *n_views = 0;
    while (value->def != NULL && tn_node_is_transparent(value->def)) {
        *bijective = *bijective && tn_node_has(value->def, TRAIT_BIJECTIVE);
        *n_views += 1;
        value = value->def->in[0];
    }
    return value;
}

static Group *group_of(Fuse *fuse, const Value *value) {
    return value->def == NULL || value->def->group < 0 ? NULL
                                                       : fuse->groups.data[value->def->group];
}

/* Whether `value`, read at the full index of the row group, reads `base` at the index `at`. */
static bool reads_row(Fuse *fuse, const Group *group, const Value *value, const Value *base,
                      const Dim *const *at) {
    const Dim *found[TN_MAX_RANK];
    return tn_view_base(fuse->ctx, value, group->full_vars, found) == base &&
           tn_dims_equal(base->type.rank, found, base->type.rank, at);
}

/* An index over `from`'s variables in terms of `into`'s; both row groups over the same rows. */
static void translate(Fuse *fuse, const Group *into, const Group *from, uint32_t rank,
                      const Dim *const *at, const Dim **out) {
    const Dim *old[TN_MAX_RANK], *fresh[TN_MAX_RANK];
    size_t n = 0;
    for (uint32_t i = 0; i < from->full_rank; i++) {
        if (!tn_dim_is_const(from->full_vars[i])) {
            old[n] = from->full_vars[i];
            fresh[n++] = into->full_vars[i];
        }
    }
    for (uint32_t i = 0; i < rank; i++) {
        out[i] = tn_dim_subst(fuse->ctx, at[i], old, fresh, n);
    }
}

/* Whether the value read at `slot` would have a known index were its group part of `group`. */
static bool edge_can_close(Fuse *fuse, const Group *group, const Node *node, uint32_t slot) {
    bool bijective;
    uint32_t n_views;
    const Value *base = view_root(node->in[slot], &bijective, &n_views);
    bool formula = tn_node_class(node) == OPC_MAP;
    bool sum = tn_node_class(node) == OPC_REDUCE && !tn_node_has(node, TRAIT_WINDOWED);
    if (n_views == 0) {
        return formula || sum;
    }
    const Group *from = group_of(fuse, base);
    const Dim *at[TN_MAX_RANK];
    if (!formula || !group->rows || !from->rows || !tn_group_same_rows(group, from->anchor)) {
        return false;
    }
    translate(fuse, group, from, base->type.rank, fuse->at[base->id], at);
    return reads_row(fuse, group, node->in[slot], base, at);
}

/* Pushes the groups that `top` reads; true when `target` is one of them. Edges of `closing`, the
 * group that is to take `target` in, do not count where they would lie inside. */
static bool push_sources(Fuse *fuse, Group *top, const Group *target, const Group *closing) {
    for (size_t i = 0; i < top->nodes.len; i++) {
        const Node *node = top->nodes.data[i];
        for (uint32_t slot = 0; slot < node->n_in; slot++) {
            bool bijective;
            uint32_t n_views;
            Group *from = group_of(fuse, view_root(node->in[slot], &bijective, &n_views));
            bool inside = top == closing && from == target;
            if (from == NULL || from == top ||
                (inside && edge_can_close(fuse, closing, node, slot))) {
                continue;
            }
            if (from == target) {
                return true;
            }
            tn_vec_push(fuse->arena, &fuse->stack, from);
        }
    }
    return false;
}

/* Whether `group` reads (through other groups) from `target`; with `closing` edges that would
 * lie inside the joined group do not count. */
static bool group_reaches(Fuse *fuse, Group *group, const Group *target, bool closing) {
    fuse->stamp++;
    fuse->stack.len = 0;
    tn_vec_push(fuse->arena, &fuse->stack, group);
    while (fuse->stack.len > 0) {
        Group *top = fuse->stack.data[--fuse->stack.len];
        if (fuse->stamps.data[top->id] == fuse->stamp) {
            continue;
        }
        fuse->stamps.data[top->id] = fuse->stamp;
        if (push_sources(fuse, top, target, closing ? group : NULL)) {
            return true;
        }
    }
    return false;
}

/* Where a member's element goes through the bijective transparent views up to `value`. */
static void forward_index(Fuse *fuse, const Value *value, const Value *base, const Dim **out) {
    if (value == base) {
        memcpy(out, fuse->at[base->id], TN_MAX_RANK * sizeof *out);
        return;
    }
    const Dim *before[TN_MAX_RANK] = {0};
    forward_index(fuse, value->def->in[0], base, before);
    tn_view_forward(fuse->ctx, value->def, before, out);
}

/* The space `node` would have in `group` given operand `slot`, and its index there; SPACE_NONE
 * when it does not read the group, SPACE_BAD when it does at an index the group does not have. */
static Space operand_space(Fuse *fuse, const Group *group, const Node *node, uint32_t slot,
                           const Dim **at) {
    bool bijective;
    uint32_t n_views;
    Value *base = view_root(node->in[slot], &bijective, &n_views);
    if (group_of(fuse, base) != group) {
        return SPACE_NONE;
    }
    const Type *type = &node->out[0]->type;
    Space space = (Space)fuse->space[base->id];
    if (tn_operand_needs_buffer(node, slot) || tn_node_has(node, TRAIT_GUARDED) ||
        tn_node_class(node) == OPC_INDEX) {
        return SPACE_BAD;
    }
    if (group->rows && space == SPACE_ROOT &&
        tn_dims_equal(type->rank, type->dims, group->full_rank, group->full) &&
        reads_row(fuse, group, node->in[slot], base, fuse->at[base->id])) {
        memcpy(at, group->full_vars, sizeof group->full_vars);
        return SPACE_FULL;
    }
    if (!bijective || space == SPACE_INNER) {
        return SPACE_BAD;
    }
    forward_index(fuse, node->in[slot], base, at);
    return space;
}

/* Whether a group that `node` reads, other than `group`, depends on `group`. */
static bool leaves_and_returns(Fuse *fuse, const Group *group, const Node *node) {
    for (uint32_t slot = 0; slot < node->n_in; slot++) {
        bool bijective;
        uint32_t n_views;
        Group *from = group_of(fuse, view_root(node->in[slot], &bijective, &n_views));
        if (from != NULL && from != group && group_reaches(fuse, from, group, false)) {
            return true;
        }
    }
    return false;
}

/* The space in which `node` can join `group`, or SPACE_BAD; all operands from the group must
 * be read at one and the same index, which becomes the node's. */
static Space join_space(Fuse *fuse, Group *group, const Node *node, const Dim **at) {
    Space space = SPACE_NONE;
    if (group->form == GROUP_CONCAT || group->nodes.len >= GROUP_MAX_NODES ||
        tn_node_has(group->nodes.data[0], TRAIT_OWNKERNEL)) {
        return SPACE_BAD;
    }
    uint32_t rank = node->out[0]->type.rank;
    for (uint32_t slot = 0; slot < node->n_in; slot++) {
        const Dim *there[TN_MAX_RANK] = {0};
        Space found = operand_space(fuse, group, node, slot, there);
        if (found == SPACE_NONE) {
            continue;
        }
        if (found == SPACE_BAD ||
            (space != SPACE_NONE && (found != space || !tn_dims_equal(rank, there, rank, at)))) {
            return SPACE_BAD;
        }
        space = found;
        memcpy(at, there, sizeof there);
    }
    return space == SPACE_NONE || leaves_and_returns(fuse, group, node) ? SPACE_BAD : space;
}

/* Views between the group and `node`'s operands become members: their index is known. */
static void adopt_views(Fuse *fuse, Group *group, Value *value) {
    bool bijective;
    uint32_t n_views;
    Value *base = view_root(value, &bijective, &n_views);
    if (n_views == 0 || !bijective || group_of(fuse, base) != group ||
        fuse->space[base->id] == SPACE_INNER) {
        return;
    }
    const Dim *at[TN_MAX_RANK] = {0};
    forward_index(fuse, value, base, at);
    adopt_views(fuse, group, value->def->in[0]);
    group_add(fuse, group, value->def, (Space)fuse->space[base->id], keep_index(fuse, at));
}

/* All members are formulas over the root dims themselves. */
static bool is_plain_pointwise(Fuse *fuse, const Group *group) {
    if (group->form != GROUP_POINTWISE || tn_node_has(group->nodes.data[0], TRAIT_OWNKERNEL)) {
        return false;
    }
    for (size_t i = 0; i < group->nodes.len; i++) {
        const Value *out = group->nodes.data[i]->out[0];
        if (fuse->space[out->id] != SPACE_ROOT ||
            !tn_dims_equal(out->type.rank, out->type.dims, group->rank, group->dims) ||
            !tn_dims_equal(group->rank, fuse->at[out->id], group->rank, group->vars)) {
            return false;
        }
    }
    return true;
}

/* Moves all members; those of a plain pointwise group take the index of their new space. */
static void absorb(Fuse *fuse, Group *into, Group *from, Space space) {
    for (size_t i = 0; i < from->nodes.len; i++) {
        const Value *out = from->nodes.data[i]->out[0];
        const Dim *at[TN_MAX_RANK] = {0};
        if (space == SPACE_NONE) {
            translate(fuse, into, from, out->type.rank, fuse->at[out->id], at);
            group_add(fuse, into, from->nodes.data[i], (Space)fuse->space[out->id],
                      keep_index(fuse, at));
        } else {
            group_add(fuse, into, from->nodes.data[i], space,
                      space == SPACE_FULL ? into->full_vars : into->vars);
        }
    }
    from->nodes.len = 0;
}

/* The space `from` would take inside `into`, SPACE_NONE to keep its own, SPACE_BAD if it
 * does not fit; dims are those of the value that links them. */
static Space merge_space(Fuse *fuse, const Group *into, const Group *from, Space linked) {
    if (into->rows && from->rows) {
        return tn_group_same_rows(into, from->anchor) ? SPACE_NONE : SPACE_BAD;
    }
    if (!is_plain_pointwise(fuse, from)) {
        return SPACE_BAD;
    }
    if (linked == SPACE_FULL && into->rows) {
        return tn_dims_equal(from->rank, from->dims, into->full_rank, into->full) ? SPACE_FULL
                                                                                  : SPACE_BAD;
    }
    return tn_dims_equal(from->rank, from->dims, into->rank, into->dims) ? SPACE_ROOT : SPACE_BAD;
}

/* How often the kernel of a row group runs through a row, final stores apart: the longest chain
 * of its reductions. Notes for each member at which end of a pass it is known. */
static uint32_t count_passes(Fuse *fuse, const Group *group) {
    uint32_t most = 0;
    for (size_t i = 0; i < group->nodes.len; i++) {
        const Node *node = group->nodes.data[i];
        uint32_t passes = 0;
        for (uint32_t slot = 0; slot < node->n_in; slot++) {
            bool bijective;
            uint32_t n_views;
            const Value *base = view_root(node->in[slot], &bijective, &n_views);
            bool later = group_of(fuse, base) == group && fuse->passes[base->id] > passes;
            passes = later ? fuse->passes[base->id] : passes;
        }
        passes += tn_node_class(node) == OPC_REDUCE;
        fuse->passes[node->out[0]->id] = (uint8_t)passes;
        most = passes > most ? passes : most;
    }
    return most;
}

/* Whether one kernel may do the work of both groups. */
static bool is_small(Fuse *fuse, const Group *a, const Group *b) {
    return a->nodes.len + b->nodes.len <= GROUP_MAX_NODES &&
           (!a->rows || !b->rows ||
            count_passes(fuse, a) + count_passes(fuse, b) <= ROWS_MAX_PASSES);
}

/* Brings the groups of `node`'s other operands into its group where that is exact. */
static void merge_producers(Fuse *fuse, Group *group, Node *node) {
    for (uint32_t slot = 0; slot < node->n_in; slot++) {
        Group *from = group_of(fuse, node->in[slot]);
        if (from == NULL || from == group || from->nodes.len == 0 || !is_small(fuse, from, group)) {
            continue;
        }
        Space space = merge_space(fuse, group, from, (Space)fuse->space[node->out[0]->id]);
        if (space != SPACE_BAD && !group_reaches(fuse, group, from, true)) {
            absorb(fuse, group, from, space);
        }
    }
}

/* Whether the value's index is that of its space itself, seen through no view. */
static bool stands_plainly(Fuse *fuse, const Group *group, const Value *value) {
    bool full = fuse->space[value->id] == SPACE_FULL;
    uint32_t rank = full ? group->full_rank : group->rank;
    return value->type.rank == rank &&
           tn_dims_equal(rank, fuse->at[value->id], rank, full ? group->full_vars : group->vars);
}

static void place_formula(Fuse *fuse, Node *node) {
    Group *best = NULL;
    Space best_space = SPACE_BAD;
    const Dim *best_at[TN_MAX_RANK] = {0};
    for (uint32_t slot = 0; slot < node->n_in && !tn_node_has(node, TRAIT_OWNKERNEL); slot++) {
        bool bijective;
        uint32_t n_views;
        Group *group = group_of(fuse, view_root(node->in[slot], &bijective, &n_views));
        if (group == NULL || group == best) {
            continue;
        }
        const Dim *at[TN_MAX_RANK] = {0};
        Space space = join_space(fuse, group, node, at);
        if (space != SPACE_BAD && (best == NULL || group->anchor != NULL || best->anchor == NULL)) {
            best = group;
            best_space = space;
            memcpy(best_at, at, sizeof at);
        }
    }
    if (best == NULL) {
        best = group_new(fuse, node);
    } else {
        for (uint32_t slot = 0; slot < node->n_in; slot++) {
            adopt_views(fuse, best, node->in[slot]);
        }
        group_add(fuse, best, node, best_space, keep_index(fuse, best_at));
    }
    if (!tn_node_has(node, TRAIT_OWNKERNEL) && tn_node_class(node) == OPC_MAP &&
        stands_plainly(fuse, best, node->out[0])) {
        merge_producers(fuse, best, node);
    }
    tn_fuse_sort_group(fuse, best);
}

/* A plain pointwise group that a row reduction joined last: its root space is the full space. */
static void become_rows(Fuse *fuse, Group *group) {
    tn_group_describe(group);
    make_vars(fuse, group);
    for (size_t i = 0; i + 1 < group->nodes.len; i++) {
        make_value_space(fuse, group->nodes.data[i], SPACE_FULL);
        fuse->at[group->nodes.data[i]->out[0]->id] = group->full_vars;
    }
}

/* A plain pointwise producer of a row reduction's operand becomes its row group. */
static bool join_rows(Fuse *fuse, Node *node) {
    Group *group = group_of(fuse, node->in[0]);
    if (group == NULL || tn_node_has(node, TRAIT_WINDOWED) || group->nodes.len >= GROUP_MAX_NODES) {
        return false;
    }
    const Type *operand = &node->in[0]->type;
    if (group->rows) {
        if (fuse->space[node->in[0]->id] != SPACE_FULL ||
            !stands_plainly(fuse, group, node->in[0]) || !tn_group_same_rows(group, node)) {
            return false;
        }
        count_passes(fuse, group);
        if (fuse->passes[node->in[0]->id] == ROWS_MAX_PASSES) {
            return false;
        }
        group_add(fuse, group, node, SPACE_ROOT, group->vars);
        return true;
    }
    if (!(is_plain_pointwise(fuse, group) &&
          tn_dims_equal(operand->rank, operand->dims, group->rank, group->dims))) {
        return false;
    }
    group_add(fuse, group, node, SPACE_ROOT, group->vars);
    become_rows(fuse, group);
    return true;
}

/* A view that must lie in memory: behind its producer where it can be, else alone. */
static void place_forced_view(Fuse *fuse, Node *view) {
    bool bijective;
    uint32_t n_views;
    Value *base = view_root(view->in[0], &bijective, &n_views);
    Group *group = group_of(fuse, base);
    if (group != NULL && bijective && tn_node_has(view, TRAIT_BIJECTIVE) && fuse->optimise &&
        group->form != GROUP_CONCAT && fuse->space[base->id] != SPACE_INNER &&
        !tn_node_has(group->nodes.data[0], TRAIT_OWNKERNEL)) {
        const Dim *at[TN_MAX_RANK] = {0};
        forward_index(fuse, view->out[0], base, at);
        adopt_views(fuse, group, view->in[0]);
        group_add(fuse, group, view, (Space)fuse->space[base->id], keep_index(fuse, at));
        tn_fuse_sort_group(fuse, group);
        return;
    }
    group_new(fuse, view);
}

static bool needs_memory(const Value *value) {
    if (value->is_output) {
        return true;
    }
    for (const Use *use = value->uses; use != NULL; use = use->next) {
        if (tn_operand_needs_buffer(use->user, use->slot)) {
            return true;
        }
    }
    return false;
}

/* Whether the view may not be a formula of its readers. */
static bool view_is_forced(const Node *view) {
    bool bijective;
    uint32_t n_views;
    view_root(view->in[0], &bijective, &n_views);
    return n_views >= VIEWS_MAX || needs_memory(view->out[0]);
}

static void place_node(Fuse *fuse, Node *node) {
    switch (tn_node_class(node)) {
    case OPC_SOURCE:
        if (node->out[0]->is_output || (!tn_node_is_const(node) && needs_memory(node->out[0]))) {
            group_new(fuse, node);
        }
        break;
    case OPC_VIEW:
        if (view_is_forced(node)) {
            place_forced_view(fuse, node);
        }
        break;
    case OPC_SWEEP:
    case OPC_LOOP:
        group_new(fuse, node);
        break;
    case OPC_REDUCE:
        if (!fuse->optimise || !join_rows(fuse, node)) {
            group_new(fuse, node);
        }
        break;
    case OPC_MAP:
    case OPC_INDEX:
        if (fuse->optimise) {
            place_formula(fuse, node);
        } else {
            group_new(fuse, node);
        }
        break;
    }
}

/* Every output gets memory of its own: inputs handed through, constants and values with
 * two output names are copied. */
static bool separate_outputs(Graph *graph) {
    for (size_t i = 0; i < graph->outputs.len; i++) {
        GraphOutput *output = &graph->outputs.data[i];
        bool taken = output->value->def == NULL || tn_node_is_const(output->value->def) ||
                     output->value->def->body != NULL;
        for (size_t k = 0; k < i && !taken; k++) {
            taken = graph->outputs.data[k].value == output->value;
        }
        if (!taken) {
            continue;
        }
        Value *from = output->value;
        Node *copy =
            tn_node_new(graph, TN_OP_copy, &from, 1, NULL, 0, (Loc){.node = output->name}, NULL);
        if (copy == NULL) {
            return false;
        }
        output->value = copy->out[0];
        copy->out[0]->is_output = true;
        copy->out[0]->n_uses++;
        from->n_uses--;
        from->is_output = false;
        for (size_t k = 0; k < graph->outputs.len; k++) {
            from->is_output = from->is_output || graph->outputs.data[k].value == from;
        }
    }
    return true;
}

/* A loop overwrites the memory of its carried operands: each is a value that nothing else reads,
 * made by a kernel. */
static bool separate_carried(Graph *graph) {
    for (Node *node = graph->first; node != NULL; node = node->next) {
        uint32_t carried = node->body != NULL ? tn_loop_shape(node).carried : 0;
        for (uint32_t i = 0; i < carried; i++) {
            Value *from = node->in[i];
            bool own = from->def != NULL && from->n_uses == 1 && from->def->body == NULL &&
                       tn_node_class(from->def) != OPC_SOURCE &&
                       tn_node_class(from->def) != OPC_VIEW;
            Node *copy =
                own ? NULL : tn_node_new(graph, TN_OP_copy, &from, 1, NULL, 0, node->loc, node);
            if (copy != NULL) {
                tn_node_set_input(node, i, copy->out[0]);
            } else if (!own) {
                return false;
            }
        }
    }
    return true;
}

/* The number of a loop's turn lies nowhere: where an operand must be in memory, such as a loop's
 * inside, a copy of it is. */
static bool separate_turn(Graph *body) {
    Value *turn = body->inputs.data[0];
    for (Node *node = body->first; node != NULL; node = node->next) {
        for (uint32_t i = 0; i < node->n_in; i++) {
            if (node->in[i] != turn || !tn_operand_needs_buffer(node, i)) {
                continue;
            }
            Node *copy = tn_node_new(body, TN_OP_copy, &turn, 1, NULL, 0, node->loc, node);
            if (copy == NULL) {
                return false;
            }
            tn_node_set_input(node, i, copy->out[0]);
        }
    }
    return true;
}

bool tn_pass_fuse(Compile *compile) {
    Graph *graph = compile->graph;
    if (!separate_outputs(graph) || !separate_carried(graph) ||
        (compile->in_body && !separate_turn(graph))) {
        return false;
    }
    Fuse fuse = {.ctx = compile->ctx,
                 .graph = graph,
                 .arena = &compile->ctx->scratch,
                 .optimise = compile->options.opt_level >= 1};
    fuse.space = TN_NEW_ARRAY(fuse.arena, uint8_t, graph->n_values + 1);
    fuse.at = TN_NEW_ARRAY(fuse.arena, const Dim *const *, graph->n_values + 1);
    fuse.passes = TN_NEW_ARRAY(fuse.arena, uint8_t, graph->n_values + 1);
    tn_fuse_number(&fuse);
    for (Node *node = graph->first; node != NULL; node = node->next) {
        node->group = -1;
    }
    for (Node *node = graph->first; node != NULL; node = node->next) {
        place_node(&fuse, node);
    }
    if (fuse.optimise) {
        tn_fuse_again(&fuse);
        tn_fuse_dissolve(&fuse);
    }
    return tn_fuse_order(&fuse);
}
