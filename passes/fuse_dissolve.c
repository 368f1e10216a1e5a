/* fuse_dissolve.c: cheap pointwise groups become part of the kernels that read them.
 *
 * A group dissolves when every reader can evaluate its formulas where it stands: then it
 * costs no memory and no kernel. Readers in several groups get copies. Groups are taken last
 * to first, so chains dissolve as a whole.
 */
#include "base/map.h"
#include "passes/fuse.h"

enum { DISSOLVE_MAX_NODES = 16, DISSOLVE_MAX_READERS = 64, PRODUCT_MAX_NODES = 4 };

/* One operand slot that reads the group, directly or through transparent views. */
typedef struct Reader {
    Node *node;
    uint32_t slot;
} Reader;

typedef TN_VEC(Reader) ReaderVec;

/* False when something other than a member of a group reads it. */
static bool find_readers(Fuse *fuse, const Value *value, int32_t self, ReaderVec *out) {
    if (value->is_output) {
        return false;
    }
    for (const Use *use = value->uses; use != NULL; use = use->next) {
        if (tn_node_is_transparent(use->user)) {
            if (!find_readers(fuse, use->user->out[0], self, out)) {
                return false;
            }
        } else if (use->user->group != self) {
            tn_vec_push(fuse->arena, out, ((Reader){use->user, use->slot}));
        }
    }
    return out->len <= DISSOLVE_MAX_READERS;
}

static bool all_window_one(const Node *conv) {
    const Type *weights = &conv->in[1]->type;
    for (uint32_t i = 2; i < weights->rank; i++) {
        if (!tn_dim_is(weights->dims[i], 1)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < conv->n_attrs; i++) {
        const Attr *attr = &conv->attrs[i];
        for (uint32_t k = 0; k < attr->n && attr->kind == ATTR_INTS; k++) {
            bool pad = attr->name == TN_ATTR_pads_lo || attr->name == TN_ATTR_pads_hi;
            if (pad && attr->ints[k] != 0) {
                return false;
            }
        }
    }
    return true;
}

/* A product reads its left operand once per tile of the right: cheap formulas may stay there. */
static bool product_accepts(const Group *group, const Reader *reader) {
    const Node *node = reader->node;
    bool conv = node->op == TN_OP_conv;
    return tn_node_has(node, TRAIT_PRODUCT) && reader->slot == 0 &&
           group->nodes.len <= PRODUCT_MAX_NODES && (!conv || all_window_one(node));
}

static bool reader_accepts(const Group *group, const Reader *reader, bool costly, bool alone) {
    const Node *node = reader->node;
    if (tn_operand_needs_buffer(node, reader->slot) || node->op == TN_OP_pad ||
        (costly && !alone)) {
        return false;
    }
    if (tn_node_has(node, TRAIT_WINDOWED)) {
        return !costly && product_accepts(group, reader);
    }
    OpClass cls = tn_node_class(node);
    return cls == OPC_MAP || cls == OPC_REDUCE || cls == OPC_SWEEP || node->op == TN_OP_concat ||
           tn_node_has(node, TRAIT_BUFFER0);
}

static bool group_is_costly(const Group *group) {
    for (size_t i = 0; i < group->nodes.len; i++) {
        if (tn_node_has(group->nodes.data[i], TRAIT_COSTLY)) {
            return true;
        }
    }
    return false;
}

static bool can_dissolve(Fuse *fuse, const Group *group, ReaderVec *readers) {
    if (group->form != GROUP_POINTWISE || group->nodes.len == 0 ||
        group->nodes.len > DISSOLVE_MAX_NODES ||
        tn_node_class(group->nodes.data[0]) == OPC_SOURCE ||
        tn_node_has(group->nodes.data[0], TRAIT_OWNKERNEL | TRAIT_GUARDED | TRAIT_BUFFER0)) {
        return false;
    }
    for (size_t i = 0; i < group->nodes.len; i++) {
        if (tn_node_class(group->nodes.data[i]) == OPC_VIEW ||
            !find_readers(fuse, group->nodes.data[i]->out[0], group->id, readers)) {
            return false;
        }
    }
    bool alone = readers->len == 1, costly = group_is_costly(group);
    for (size_t i = 0; i < readers->len; i++) {
        if (!reader_accepts(group, &readers->data[i], costly, alone)) {
            return false;
        }
    }
    return readers->len > 0;
}

static bool leads_to(const Value *value, int32_t group) {
    while (value->def != NULL && tn_node_is_transparent(value->def)) {
        value = value->def->in[0];
    }
    return value->def != NULL && value->def->group == group;
}

/* A copy of `value`'s formula, up to what the group reads, for members of `into`. */
static Value *copy_formula(Fuse *fuse, Map *copies, Value *value, int32_t from, Group *into,
                           Node *before) {
    if (!leads_to(value, from)) {
        return value;
    }
    bool added;
    void **slot = tn_map_put_int(copies, value->id, &added);
    if (!added) {
        return *slot;
    }
    Node *node = value->def;
    Value **in = TN_NEW_ARRAY(fuse->arena, Value *, node->n_in);
    for (uint32_t i = 0; i < node->n_in; i++) {
        in[i] = copy_formula(fuse, copies, node->in[i], from, into, before);
    }
    Node *copy = tn_node_new(fuse->graph, node->op, in, node->n_in, node->attrs, node->n_attrs,
                             node->loc, before);
    copy->out[0]->type = value->type;
    copy->out[0]->name = value->name;
    copy->group = node->group < 0 ? -1 : into->id;
    if (copy->group >= 0) {
        tn_vec_push(fuse->arena, &into->nodes, copy);
    }
    *tn_map_put_int(copies, value->id, NULL) = copy->out[0];
    return copy->out[0];
}

/* Removes transparent views of `value` that the copying left without readers. */
static void drop_dead_views(Fuse *fuse, Value *value) {
    for (Use *use = value->uses; use != NULL;) {
        Node *user = use->user;
        use = use->next;
        if (tn_node_is_transparent(user)) {
            drop_dead_views(fuse, user->out[0]);
            if (user->out[0]->n_uses == 0) {
                tn_node_remove(fuse->graph, user);
            }
        }
    }
}

static void dissolve(Fuse *fuse, Group *group, const ReaderVec *readers) {
    int32_t self = group->id;
    for (size_t i = 0; i < readers->len; i++) {
        Node *node = readers->data[i].node;
        Group *into = fuse->groups.data[node->group];
        Map copies = tn_map(fuse->arena);
        Value *copy =
            copy_formula(fuse, &copies, node->in[readers->data[i].slot], self, into, node);
        tn_node_set_input(node, readers->data[i].slot, copy);
    }
    for (size_t i = group->nodes.len; i-- > 0;) {
        drop_dead_views(fuse, group->nodes.data[i]->out[0]);
        if (group->nodes.data[i]->out[0]->n_uses == 0) {
            tn_node_remove(fuse->graph, group->nodes.data[i]);
        }
    }
    group->nodes.len = 0;
}

void tn_fuse_dissolve(Fuse *fuse) {
    for (size_t i = fuse->groups.len; i-- > 0;) {
        ReaderVec readers = {0};
        if (can_dissolve(fuse, fuse->groups.data[i], &readers)) {
            dissolve(fuse, fuse->groups.data[i], &readers);
        }
    }
    tn_fuse_number(fuse);
    for (size_t i = 0; i < fuse->groups.len; i++) {
        tn_fuse_sort_group(fuse, fuse->groups.data[i]);
    }
}
