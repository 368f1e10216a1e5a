/* group.c: what a group of nodes looks like as a kernel; shared by fusion and lowering. */
#include "passes/group.h"

#include <string.h>

static void describe_rows(Group *group, const Node *reduce) {
    const Type *operand = &reduce->in[0]->type;
    group->full_rank = operand->rank;
    memcpy(group->full, operand->dims, sizeof group->full);
    memset(group->reduced, 0, sizeof group->reduced);
    for (uint32_t i = 0; i < reduce->n_attrs; i++) {
        const Attr *attr = &reduce->attrs[i];
        if (attr->name == TN_ATTR_axis) {
            group->reduced[attr->i] = true;
        }
        for (uint32_t a = 0; attr->name == TN_ATTR_axes && a < attr->n; a++) {
            group->reduced[attr->ints[a]] = true;
        }
    }
}

void tn_group_describe(Group *group) {
    const Node *shape = group->nodes.data[0];
    group->anchor = NULL;
    group->rows = false;
    group->form = GROUP_POINTWISE;
    for (size_t i = 0; i < group->nodes.len && group->anchor == NULL; i++) {
        const Node *node = group->nodes.data[i];
        if (node->op == TN_OP_concat) {
            group->form = GROUP_CONCAT;
        }
        if (tn_node_class(node) == OPC_SWEEP) {
            group->anchor = shape = node;
            group->form = GROUP_SWEEP;
        }
        if (tn_node_class(node) == OPC_REDUCE) {
            group->anchor = shape = node;
            group->form = GROUP_REDUCE;
            group->rows = !tn_node_has(node, TRAIT_WINDOWED);
        }
    }
    if (group->rows) {
        describe_rows(group, group->anchor);
    }
    const Type *type = &shape->out[0]->type;
    group->rank = type->rank;
    memcpy(group->dims, type->dims, sizeof group->dims);
}

bool tn_group_same_rows(const Group *group, const Node *node) {
    Group other = {0};
    if (!group->rows || tn_node_has(node, TRAIT_WINDOWED)) {
        return false;
    }
    describe_rows(&other, node);
    return tn_dims_equal(group->full_rank, group->full, other.full_rank, other.full) &&
           memcmp(group->reduced, other.reduced, sizeof other.reduced) == 0;
}

GroupVec tn_groups_collect(const Graph *graph, Arena *arena) {
    GroupVec groups = {0};
    for (Node *node = graph->first; node != NULL; node = node->next) {
        while (node->group >= 0 && (size_t)node->group >= groups.len) {
            Group group = {.id = (int32_t)groups.len};
            tn_vec_push(arena, &groups, group);
        }
        if (node->group >= 0) {
            tn_vec_push(arena, &groups.data[node->group].nodes, node);
        }
    }
    for (size_t i = 0; i < groups.len; i++) {
        if (groups.data[i].nodes.len > 0) {
            tn_group_describe(&groups.data[i]);
        }
    }
    return groups;
}

bool tn_operand_needs_buffer(const Node *node, uint32_t slot) {
    return node->body != NULL || (tn_node_has(node, TRAIT_BUFFER0) && slot == 0);
}

/* A reader that notes where a view's formula looks. */
typedef struct Probe {
    const Dim **index;
    bool hit;
} Probe;

static Expr *probe_read(Lower *lower, const Value *value, const Dim *const *index) {
    Probe *probe = lower->state;
    memcpy(probe->index, index, value->type.rank * sizeof *index);
    probe->hit = true;
    return tn_expr_number(lower->ctx, value->type.dtype, 0);
}

const Value *tn_view_base(Ctx *ctx, const Value *value, const Dim *const *index, const Dim **out) {
    memcpy(out, index, value->type.rank * sizeof *out);
    while (value->def != NULL && tn_node_is_transparent(value->def)) {
        const Dim *at[TN_MAX_RANK];
        Probe probe = {.index = at};
        Lower lower = {.ctx = ctx, .read = probe_read, .state = &probe};
        tn_op_info(value->def->op)->element(&lower, value->def, out);
        if (!probe.hit) {
            return NULL;
        }
        value = value->def->in[0];
        memcpy(out, at, value->type.rank * sizeof *out);
    }
    return value;
}
