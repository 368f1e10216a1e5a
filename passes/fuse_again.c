/* fuse_again.c: formulas that readers compute again instead of reading them from memory.
 *
 * A kernel that makes x, and of x several formulas for a kernel far behind it (the backward of
 * an activation), would write and that one read an array for each. Where a reader has all that
 * a formula needs, it gets a copy of the formula. A value is left out of memory only if every
 * kernel that reads it can do without; costly primitives are computed again when at least two
 * values come of them.
 */
#include "base/map.h"
#include "passes/fuse.h"

enum { AGAIN_MAX_NODES = 16, AGAIN_MAX_READERS = 16, AGAIN_GROUP_MAX = 120 };

typedef enum Keep {
    KEEP_INSIDE, /* nothing outside the group reads it */
    KEEP_STORED, /* it stays in memory */
    KEEP_OPEN,   /* only formulas read it */
    KEEP_NOT     /* its readers compute it again */
} Keep;

typedef struct Again {
    Fuse *fuse;
    uint32_t n_values; /* those that fusion has placed */
    uint8_t *keep;     /* Keep by value id */
    const Value **seen; /* by value id: the first candidate that comes of this costly value */
    bool *shared;      /* by value id: another candidate does too */
    Group *group;      /* whose values are looked at */
} Again;

/* One formula as a reader would compute it. */
typedef struct Attempt {
    const Again *again;
    const Group *into;
    const Value *candidate;
    uint32_t n_nodes, n_loads; /* copies, and arrays that the reader does not read already */
    bool first;                /* note of which candidates costly values are part */
} Attempt;

static Value *behind_views(Value *value) {
    while (value->def != NULL && tn_node_is_transparent(value->def)) {
        value = value->def->in[0];
    }
    return value;
}

static bool is_formula(const Node *node) {
    return tn_node_class(node) == OPC_MAP && node->n_out == 1 &&
           !tn_node_has(node, TRAIT_OWNKERNEL | TRAIT_GUARDED | TRAIT_BUFFER0);
}

/* A formula of another kernel that stands in its loops as the value would. */
static bool reads_plainly(const Again *again, const Use *use) {
    const Node *user = use->user;
    if (user->group < 0 || !is_formula(user) || user->out[0]->id >= again->n_values ||
        tn_operand_needs_buffer(user, use->slot)) {
        return false;
    }
    Space space = (Space)again->fuse->space[user->out[0]->id];
    return space == SPACE_ROOT || space == SPACE_FULL;
}

static Keep keep_of(const Again *again, const Value *value) {
    Keep keep = value->is_output ? KEEP_STORED : KEEP_INSIDE;
    for (const Use *use = value->uses; use != NULL && keep != KEEP_STORED; use = use->next) {
        if (use->user->group != again->group->id) {
            keep = reads_plainly(again, use) ? KEEP_OPEN : KEEP_STORED;
        }
    }
    return keep;
}

/* Whether a member of the group reads `value`, directly or through views. */
static bool group_reads(const Group *group, const Value *value) {
    for (const Use *use = value->uses; use != NULL; use = use->next) {
        if (use->user->group == group->id ||
            (tn_node_is_transparent(use->user) && group_reads(group, use->user->out[0]))) {
            return true;
        }
    }
    return false;
}

static bool can_compute(Attempt *attempt, const Value *value);

/* Whether the reader has the operand of a formula, or can compute that too. */
static bool can_have(Attempt *attempt, Value *operand) {
    const Again *again = attempt->again;
    double number;
    Value *base = behind_views(operand);
    if (tn_value_splat(operand, &number) || group_reads(attempt->into, base)) {
        return true;
    }
    if (base->def == NULL || base->def->group != again->group->id || base->id >= again->n_values) {
        return false;
    }
    if (again->keep[base->id] == KEEP_STORED) {
        attempt->n_loads++;
        return true;
    }
    return base == operand && can_compute(attempt, base);
}

/* Costly values of a first attempt are noted; the second takes those of several candidates. */
static bool accept_costly(const Attempt *attempt, const Value *value) {
    const Again *again = attempt->again;
    const Value **seen = &again->seen[value->id];
    if (!attempt->first) {
        return again->shared[value->id];
    }
    again->shared[value->id] |= *seen != NULL && *seen != attempt->candidate;
    *seen = attempt->candidate;
    return true;
}

static bool can_compute(Attempt *attempt, const Value *value) {
    if (!is_formula(value->def) || ++attempt->n_nodes > AGAIN_MAX_NODES ||
        (tn_node_has(value->def, TRAIT_COSTLY) && !accept_costly(attempt, value))) {
        return false;
    }
    for (uint32_t i = 0; i < value->def->n_in; i++) {
        if (!can_have(attempt, value->def->in[i])) {
            return false;
        }
    }
    return true;
}

/* Whether every kernel that reads the open value could compute it. */
static bool all_can_compute(const Again *again, const Value *value, bool first) {
    uint32_t readers = 0;
    for (const Use *use = value->uses; use != NULL; use = use->next) {
        const Group *into = again->fuse->groups.data[use->user->group];
        if (into == again->group) {
            continue;
        }
        Attempt attempt = {.again = again, .into = into, .candidate = value, .first = first};
        if (++readers > AGAIN_MAX_READERS || into->nodes.len > AGAIN_GROUP_MAX ||
            !can_compute(&attempt, value) || attempt.n_loads > 1) {
            return false;
        }
    }
    return true;
}

/* ---- copying ---- */

/* The value as a member of `into` gets it: itself, or a copy of its formula before `before`. */
static Value *have(Again *again, Map *copies, Value *value, Group *into, Node *before) {
    double number;
    if (value->def == NULL || value->def->group != again->group->id ||
        value->id >= again->n_values || tn_value_splat(value, &number) ||
        again->keep[value->id] == KEEP_STORED || again->keep[value->id] == KEEP_OPEN) {
        return value;
    }
    bool added;
    void **slot = tn_map_put_int(copies, value->id, &added);
    if (!added) {
        return *slot;
    }
    const Node *node = value->def;
    Value **in = TN_NEW_ARRAY(again->fuse->arena, Value *, node->n_in + 1);
    for (uint32_t i = 0; i < node->n_in; i++) {
        in[i] = have(again, copies, node->in[i], into, before);
    }
    Node *copy = tn_node_new(again->fuse->graph, node->op, in, node->n_in, node->attrs,
                             node->n_attrs, node->loc, before);
    copy->out[0]->type = value->type;
    copy->out[0]->name = value->name;
    copy->group = into->id;
    tn_vec_push(again->fuse->arena, &into->nodes, copy);
    *tn_map_put_int(copies, value->id, NULL) = copy->out[0];
    return copy->out[0];
}

/* A member that reads values left out of memory reads copies instead. */
static void replace_in(Again *again, Group *into) {
    Map copies = tn_map(again->fuse->arena);
    for (size_t i = 0, n = into->nodes.len; i < n; i++) {
        Node *node = into->nodes.data[i];
        for (uint32_t slot = 0; slot < node->n_in; slot++) {
            Value *read = node->in[slot];
            if (read->id < again->n_values && read->def != NULL &&
                read->def->group == again->group->id && again->keep[read->id] == KEEP_NOT) {
                tn_node_set_input(node, slot, have(again, &copies, read, into, node));
            }
        }
    }
}

/* ---- one group ---- */

typedef TN_VEC(Value *) ValueVec;

static ValueVec find_candidates(Again *again) {
    ValueVec open = {0};
    ValueVec candidates = {0};
    for (size_t i = 0; i < again->group->nodes.len; i++) {
        const Node *node = again->group->nodes.data[i];
        for (uint32_t k = 0; k < node->n_out && node->out[k]->id < again->n_values; k++) {
            Value *value = node->out[k];
            again->keep[value->id] = (uint8_t)keep_of(again, value);
            if (again->keep[value->id] == KEEP_OPEN && is_formula(node)) {
                tn_vec_push(again->fuse->arena, &open, value);
            }
        }
    }
    for (size_t i = 0; i < open.len; i++) {
        if (all_can_compute(again, open.data[i], true)) {
            tn_vec_push(again->fuse->arena, &candidates, open.data[i]);
        }
    }
    return candidates;
}

/* Members that nothing reads any more leave. */
static void drop_unread(Again *again) {
    Group *group = again->group;
    size_t n = 0;
    for (size_t i = group->nodes.len; i-- > 0;) {
        Node *node = group->nodes.data[i];
        if (node->n_out == 1 && node->out[0]->n_uses == 0) {
            tn_node_remove(again->fuse->graph, node);
            group->nodes.data[i] = NULL;
        }
    }
    for (size_t i = 0; i < group->nodes.len; i++) {
        if (group->nodes.data[i] != NULL) {
            group->nodes.data[n++] = group->nodes.data[i];
        }
    }
    group->nodes.len = n;
}

static void spare_memory(Again *again) {
    ValueVec candidates = find_candidates(again);
    size_t n = 0;
    for (size_t i = 0; i < candidates.len; i++) {
        Value *value = candidates.data[i];
        if (all_can_compute(again, value, false)) {
            again->keep[value->id] = KEEP_NOT;
            candidates.data[n++] = value;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (const Use *use = candidates.data[i]->uses; use != NULL;) {
            Group *into = again->fuse->groups.data[use->user->group];
            bool outside = into != again->group;
            if (outside) {
                replace_in(again, into);
            }
            use = outside ? candidates.data[i]->uses : use->next;
        }
    }
    if (n > 0) {
        drop_unread(again);
    }
}

void tn_fuse_again(Fuse *fuse) {
    uint32_t n = fuse->graph->n_values;
    Again again = {.fuse = fuse,
                   .n_values = n,
                   .keep = TN_NEW_ARRAY(fuse->arena, uint8_t, n + 1),
                   .seen = TN_NEW_ARRAY(fuse->arena, const Value *, n + 1),
                   .shared = TN_NEW_ARRAY(fuse->arena, bool, n + 1)};
    for (size_t i = 0; i < fuse->groups.len; i++) {
        again.group = fuse->groups.data[i];
        if (again.group->form != GROUP_CONCAT) {
            spare_memory(&again);
        }
    }
    tn_fuse_number(fuse);
    for (size_t i = 0; i < fuse->groups.len; i++) {
        tn_fuse_sort_group(fuse, fuse->groups.data[i]);
    }
}
