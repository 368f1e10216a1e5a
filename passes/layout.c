/* layout.c: how values lie in memory, chosen for convolutions and contractions.
 *
 * A convolution's result has its channels in blocks of one vector, innermost: NCHW becomes
 * N, C/v, H, W, v. Formulas and pools over blocked values give blocked values, so blocked data
 * flows from one convolution to the next; graph inputs and outputs stay row-major. Padding
 * becomes a halo of zeros in the buffer of the value that is padded. Weights are blocked the
 * way the tiled schedule reads them. No node is added except copies where a halo is needed
 * around something that cannot have one.
 */
#include "passes/layout.h"

#include <string.h>

Layout *tn_layout_new(Ctx *ctx, const LayoutPart *parts, uint32_t n_parts) {
    Layout *layout = TN_NEW(&ctx->arena, Layout);
    layout->n_parts = (uint8_t)n_parts;
    memcpy(layout->parts, parts, n_parts * sizeof *parts);
    return layout;
}

bool tn_layout_is_free(const Value *value) {
    if (value->def == NULL || value->is_output || tn_node_class(value->def) == OPC_VIEW ||
        tn_node_class(value->def) == OPC_SOURCE || tn_node_class(value->def) == OPC_SWEEP) {
        return false;
    }
    for (const Use *use = value->uses; use != NULL; use = use->next) {
        if (tn_operand_needs_buffer(use->user, use->slot)) {
            return false;
        }
    }
    return true;
}

void tn_layout_set_weight(LayoutPass *pass, Node *node, uint32_t slot, const Layout *layout) {
    Value *old = node->in[slot];
    Type type = old->type;
    type.layout = layout;
    Value *own = tn_const_new(pass->graph, type, old->def->blob->data, node);
    own->type.layout = layout;
    own->name = old->name;
    tn_node_set_input(node, slot, own);
    if (old->n_uses == 0) {
        tn_node_remove(pass->graph, old->def);
    }
}

enum { WRITE_OUT_MAX = 1 << 30 };

bool tn_layout_write_out(LayoutPass *pass, Node *node, uint32_t slot) {
    Value *value = node->in[slot];
    double number;
    int64_t count = tn_type_static_count(&value->type);
    int64_t size = (int64_t)tn_dtype_bytes(value->type.dtype);
    if (value->def == NULL || tn_node_class(value->def) != OPC_VIEW || count <= 0 ||
        count > (WRITE_OUT_MAX - pass->written_out) / size || !tn_value_splat(value, &number)) {
        return true;
    }
    const RefTensor one = {.dtype = value->type.dtype,
                           .count = 1,
                           .f = tn_arena_copy(&pass->ctx->scratch, &number, sizeof number)};
    char *bytes = tn_arena_alloc(&pass->ctx->arena, (size_t)(count * size), 64);
    tn_ref_to_bytes(&one, bytes);
    for (int64_t at = size; at < count * size; at += size) {
        memcpy(bytes + at, bytes, (size_t)size);
    }
    pass->written_out += count * size;
    Value *own = tn_const_new(pass->graph, value->type, bytes, node);
    if (own == NULL) {
        return false;
    }
    tn_node_set_input(node, slot, own);
    return true;
}

/* Weights that are one number everywhere, as in models made for tests. */
static bool write_out_weights(LayoutPass *pass) {
    for (Node *node = pass->graph->first; node != NULL; node = node->next) {
        if (tn_node_has(node, TRAIT_PRODUCT) && tn_dtype_is_float(node->in[1]->type.dtype) &&
            !tn_layout_write_out(pass, node, 1)) {
            return false;
        }
    }
    return true;
}

static int32_t lanes_of(const LayoutPass *pass, const Value *value) {
    return tn_tile_lanes(pass->compile->options.target, value->type.dtype);
}

static bool is_static(const Dim *dim) {
    return tn_dim_is_const(dim);
}

static bool all_ones(const Attr *attr) {
    for (uint32_t i = 0; i < attr->n; i++) {
        if (attr->ints[i] != 1) {
            return false;
        }
    }
    return true;
}

/* What the blocked schedule serves: dense, in groups of whole blocks, or depthwise, with enough
 * channels; or the gradient of a convolution's weights. */
typedef struct ConvFacts {
    bool eligible;
    bool depthwise;
    bool weight_gradient;
    int64_t in_channels, out_channels; /* of a group */
} ConvFacts;

/* What a transpose that swaps the first two dims reads; NULL for anything else. */
static Value *swapped(const Value *value) {
    const Node *node = value->def;
    if (node == NULL || node->op != TN_OP_transpose) {
        return NULL;
    }
    const Attr *perm = tn_node_attr(node, TN_ATTR_perm);
    for (uint32_t i = 0; i < perm->n; i++) {
        if (perm->ints[i] != (i < 2 ? 1 - (int64_t)i : i)) {
            return NULL;
        }
    }
    return node->in[0];
}

/* Sums over batch and places of an activation times a cotangent, as differentiation makes it:
 * both are read with batch and channels swapped (ir/ops/product_grad.c). */
static bool is_weight_gradient(const Node *node) {
    return tn_attr_int(node, TN_ATTR_groups) == 1 &&
           all_ones(tn_node_attr(node, TN_ATTR_in_dilations)) && swapped(node->in[0]) != NULL &&
           swapped(node->in[1]) != NULL;
}

static ConvFacts conv_facts(const LayoutPass *pass, const Node *node) {
    ConvFacts facts = {0};
    const Value *x = node->in[0], *w = node->in[1];
    facts.weight_gradient = is_weight_gradient(node);
    if (!tn_dtype_is_float(x->type.dtype) || tn_type_static_count(&w->type) < 0 ||
        facts.weight_gradient || !is_static(x->type.dims[1]) ||
        !all_ones(tn_node_attr(node, TN_ATTR_in_dilations))) {
        return facts;
    }
    int64_t groups = tn_attr_int(node, TN_ATTR_groups), lanes = lanes_of(pass, x);
    int64_t channels = w->type.dims[0]->value;
    facts.in_channels = w->type.dims[1]->value;
    facts.out_channels = channels / groups;
    facts.depthwise = groups > 1 && facts.in_channels == 1 && facts.out_channels == 1;
    bool whole = facts.in_channels % lanes == 0 && facts.out_channels % lanes == 0;
    facts.eligible = (groups == 1 || facts.depthwise || whole) && channels >= lanes / 2;
    return facts;
}

/* ---- which values are blocked ---- */

static bool same_shape_operand_blocked(const LayoutPass *pass, const Node *node) {
    const Type *out = &node->out[0]->type;
    for (uint32_t i = 0; i < node->n_in; i++) {
        const Value *in = node->in[i];
        if (pass->blocked[in->id] && in->type.dtype == out->dtype &&
            tn_dims_equal(in->type.rank, in->type.dims, out->rank, out->dims)) {
            return true;
        }
    }
    return false;
}

/* Pieces must start on a block. */
static bool concat_blocked(const LayoutPass *pass, const Node *node) {
    if (tn_attr_int(node, TN_ATTR_axis) != 1) {
        return false;
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        const Value *in = node->in[i];
        bool last = i + 1 == node->n_in;
        if (!pass->blocked[in->id] ||
            (!last && in->type.dims[1]->value % lanes_of(pass, in) != 0)) {
            return false;
        }
    }
    return true;
}

/* Activations and cotangents that the gradient of a convolution's weights reads. */
static void find_wanted(LayoutPass *pass) {
    for (const Node *node = pass->graph->first; node != NULL; node = node->next) {
        for (uint32_t i = 0; i < 2 && node->op == TN_OP_conv && is_weight_gradient(node); i++) {
            const Value *base = swapped(node->in[i]);
            bool enough = is_static(base->type.dims[1]) && tn_dtype_is_float(base->type.dtype) &&
                          base->type.dims[1]->value >= lanes_of(pass, base) / 2;
            pass->wanted[base->id] = enough;
        }
    }
}

static bool is_window_op(const Node *node) {
    return node->op == TN_OP_pool_max || node->op == TN_OP_pool_sum ||
           node->op == TN_OP_pool_argmax || node->op == TN_OP_unpool_max;
}

static bool wants_blocks(const LayoutPass *pass, const Node *node) {
    const Value *out = node->out[0];
    if (!tn_layout_is_free(out) || out->type.rank < 3 || !is_static(out->type.dims[1])) {
        return false;
    }
    if (node->op == TN_OP_conv) {
        return conv_facts(pass, node).eligible;
    }
    if (pass->wanted[out->id] && (tn_node_class(node) == OPC_MAP || is_window_op(node))) {
        return true;
    }
    if (node->op == TN_OP_concat) {
        return concat_blocked(pass, node);
    }
    if (is_window_op(node)) {
        return pass->blocked[node->in[0]->id];
    }
    return tn_node_class(node) == OPC_MAP && same_shape_operand_blocked(pass, node);
}

static Layout *blocked_layout(LayoutPass *pass, const Value *value) {
    LayoutPart parts[TN_MAX_RANK + 4];
    /* Positions lie beside the elements they are about. */
    bool positions = value->def->op == TN_OP_pool_argmax;
    int32_t lanes = lanes_of(pass, positions ? value->def->in[0] : value);
    uint32_t n = 0;
    for (uint8_t dim = 0; dim < value->type.rank; dim++) {
        parts[n++] = (LayoutPart){dim, dim == 1 ? lanes : 1, 0};
    }
    parts[n++] = (LayoutPart){1, 1, lanes};
    return tn_layout_new(pass->ctx, parts, n);
}

static void block_activations(LayoutPass *pass) {
    for (Node *node = pass->graph->first; node != NULL; node = node->next) {
        Value *out = node->out[0];
        if (wants_blocks(pass, node)) {
            pass->blocked[out->id] = true;
            out->type.layout = blocked_layout(pass, out);
        }
    }
}

/* ---- halos ---- */

/* Whether a conv needs padding that a halo can give: static borders, no holes in the input. */
static bool needs_halo(const Node *node) {
    const Attr *lo = tn_node_attr(node, TN_ATTR_pads_lo), *hi = tn_node_attr(node, TN_ATTR_pads_hi);
    bool any = false;
    if (!all_ones(tn_node_attr(node, TN_ATTR_in_dilations))) {
        return false;
    }
    for (uint32_t i = 0; i < lo->n; i++) {
        if (lo->ints[i] > 64 || hi->ints[i] > 64) {
            return false;
        }
        any = any || lo->ints[i] > 0 || hi->ints[i] > 0;
    }
    return any;
}

static Layout *row_major_layout(LayoutPass *pass, const Value *value) {
    LayoutPart parts[TN_MAX_RANK];
    for (uint8_t dim = 0; dim < value->type.rank; dim++) {
        parts[dim] = (LayoutPart){dim, 1, 0};
    }
    return tn_layout_new(pass->ctx, parts, value->type.rank);
}

/* `x` in memory of its own; one copy serves all who ask. */
static Value *copy_of(LayoutPass *pass, Value *x, Node *before) {
    if (x->id < pass->n_copies && pass->copies[x->id] != NULL) {
        return pass->copies[x->id];
    }
    Node *copy = tn_node_new(pass->graph, TN_OP_copy, &x, 1, NULL, 0, before->loc, before);
    if (copy == NULL) {
        return NULL;
    }
    if (x->id < pass->n_copies) {
        pass->copies[x->id] = copy->out[0];
    }
    return copy->out[0];
}

/* A value that a kernel of ours writes, so that a border can be kept around it: what a conv, or
 * the swapping view in front of it, reads. */
static Value *ownable_input(LayoutPass *pass, Node *node, bool weight_gradient) {
    Value *x = weight_gradient ? swapped(node->in[0]) : node->in[0];
    if (tn_layout_is_free(x)) {
        return x;
    }
    Value *copy = copy_of(pass, x, node);
    if (copy == NULL || !weight_gradient) {
        if (copy != NULL) {
            tn_node_set_input(node, 0, copy);
        }
        return copy;
    }
    Attr perm = *tn_node_attr(node->in[0]->def, TN_ATTR_perm);
    Node *view = tn_node_new(pass->graph, TN_OP_transpose, &copy, 1, &perm, 1, node->loc, node);
    if (view != NULL) {
        tn_node_set_input(node, 0, view->out[0]);
    }
    return view != NULL ? copy : NULL;
}

static bool add_halo(LayoutPass *pass, Node *node, bool weight_gradient) {
    const Attr *lo = tn_node_attr(node, TN_ATTR_pads_lo), *hi = tn_node_attr(node, TN_ATTR_pads_hi);
    Value *x = ownable_input(pass, node, weight_gradient);
    if (x == NULL) {
        return false;
    }
    Layout *layout = x->type.layout == NULL
                         ? row_major_layout(pass, x)
                         : tn_arena_copy(&pass->ctx->arena, x->type.layout, sizeof *layout);
    for (uint32_t i = 0; i < lo->n; i++) {
        int32_t *before = &layout->halo_lo[i + 2], *after = &layout->halo_hi[i + 2];
        *before = (int32_t)lo->ints[i] > *before ? (int32_t)lo->ints[i] : *before;
        *after = (int32_t)hi->ints[i] > *after ? (int32_t)hi->ints[i] : *after;
    }
    x->type.layout = layout;
    return true;
}

/* ---- weights ---- */

/* Outputs that share a weight along the innermost dims: rows of the register tile. */
static int64_t conv_rows(LayoutPass *pass, const Node *node) {
    const Type *out = &node->out[0]->type, *w = &node->in[1]->type;
    int64_t rows = tn_dim_hint(pass->ctx, out->dims[out->rank - 1]);
    bool point = all_ones(tn_node_attr(node, TN_ATTR_strides));
    for (uint32_t i = 2; i < w->rank; i++) {
        point = point && tn_dim_is(w->dims[i], 1);
    }
    const Layout *x = node->in[0]->type.layout;
    for (uint32_t i = 2; point && i + 1 < out->rank; i++) {
        bool halo = x != NULL && (x->halo_lo[i] > 0 || x->halo_lo[i + 1] > 0);
        rows *= halo ? 1 : tn_dim_hint(pass->ctx, out->dims[i]);
    }
    return rows;
}

/* Weights in this layout: constants are packed now, others in a copy. */
static bool set_layout(LayoutPass *pass, Node *node, Layout *layout) {
    Value *w = node->in[1];
    if (w->def != NULL && tn_node_is_const(w->def)) {
        tn_layout_set_weight(pass, node, 1, layout);
        return true;
    }
    Node *copy = tn_node_new(pass->graph, TN_OP_copy, &w, 1, NULL, 0, node->loc, node);
    if (copy != NULL) {
        copy->out[0]->type.layout = layout;
        tn_node_set_input(node, 1, copy->out[0]);
    }
    return copy != NULL;
}

static bool block_dense_weights(LayoutPass *pass, Node *node, const ConvFacts *facts) {
    const Value *w = node->in[1];
    int32_t lanes = lanes_of(pass, w);
    int32_t panel = lanes * tn_tile_panel_vectors(pass->compile->options.target, w->type.dtype,
                                                  conv_rows(pass, node), facts->out_channels);
    bool groups = tn_attr_int(node, TN_ATTR_groups) > 1;
    while (groups && facts->out_channels % panel != 0) {
        panel -= lanes;
    }
    bool by_block = pass->blocked[node->in[0]->id] && facts->in_channels % lanes == 0;
    LayoutPart parts[TN_MAX_RANK + 4];
    uint32_t n = 0;
    parts[n++] = (LayoutPart){0, panel, 0};
    parts[n++] = (LayoutPart){1, by_block ? lanes : 1, 0};
    for (uint8_t dim = 2; dim < w->type.rank; dim++) {
        parts[n++] = (LayoutPart){dim, 1, 0};
    }
    if (by_block) {
        parts[n++] = (LayoutPart){1, 1, lanes};
    }
    parts[n++] = (LayoutPart){0, 1, panel};
    return set_layout(pass, node, tn_layout_new(pass->ctx, parts, n));
}

static bool block_depthwise_weights(LayoutPass *pass, Node *node) {
    const Value *w = node->in[1];
    int32_t lanes = lanes_of(pass, w);
    LayoutPart parts[TN_MAX_RANK + 4];
    uint32_t n = 0;
    for (uint8_t dim = 0; dim < w->type.rank; dim++) {
        parts[n++] = (LayoutPart){dim, dim == 0 ? lanes : 1, 0};
    }
    parts[n++] = (LayoutPart){0, 1, lanes};
    return set_layout(pass, node, tn_layout_new(pass->ctx, parts, n));
}

/* Whether a convolution that has no blocks itself reads blocks at more than one place. */
static bool reads_blocks(const LayoutPass *pass, const Node *node, const ConvFacts *facts) {
    const Type *w = &node->in[1]->type;
    bool window = false;
    for (uint32_t i = 2; i < w->rank; i++) {
        window = window || !tn_dim_is(w->dims[i], 1);
    }
    return window && !facts->eligible && !facts->weight_gradient && pass->blocked[node->in[0]->id];
}

static bool lay_out_convolution(LayoutPass *pass, Node *node) {
    ConvFacts facts = conv_facts(pass, node);
    if (reads_blocks(pass, node, &facts)) {
        Value *rows = copy_of(pass, node->in[0], node);
        if (rows == NULL) {
            return false;
        }
        tn_node_set_input(node, 0, rows);
    }
    if (needs_halo(node) && !add_halo(pass, node, facts.weight_gradient)) {
        return false;
    }
    if (!facts.eligible) {
        return true;
    }
    return facts.depthwise ? block_depthwise_weights(pass, node)
                           : block_dense_weights(pass, node, &facts);
}

static bool lay_out_convolutions(LayoutPass *pass) {
    for (Node *node = pass->graph->first; node != NULL; node = node->next) {
        if (node->op == TN_OP_conv && !lay_out_convolution(pass, node)) {
            return false;
        }
    }
    return true;
}

bool tn_pass_layout(Compile *compile) {
    LayoutPass pass = {.compile = compile, .ctx = compile->ctx, .graph = compile->graph};
    if (!write_out_weights(&pass) || !tn_layout_absorb_views(&pass)) {
        return false;
    }
    /* Copies, views and weights made below get new numbers: at most three a node. */
    size_t n_values = compile->graph->n_values + 3 * (size_t)compile->graph->n_nodes + 3;
    pass.blocked = TN_NEW_ARRAY(&compile->ctx->scratch, bool, n_values);
    pass.wanted = TN_NEW_ARRAY(&compile->ctx->scratch, bool, n_values);
    pass.n_copies = compile->graph->n_values;
    pass.copies = TN_NEW_ARRAY(&compile->ctx->scratch, Value *, n_values);
    find_wanted(&pass);
    block_activations(&pass);
    return lay_out_convolutions(&pass) && tn_layout_contractions(&pass);
}
