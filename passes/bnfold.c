/* bnfold.c: scale and shift after a convolution or product become part of its weights.
 *
 * A chain of multiplications, divisions, sums, differences and negations by constants that
 * vary only along the channels of constant weights is one scale and one shift a channel.
 * The scale goes into the weights, computed in double and rounded once; of the shifts one
 * addition is left. Every result of the chain must have a single use.
 */
#include <math.h>
#include <string.h>

#include "ir/build.h"
#include "ir/traits.h"
#include "passes/pass.h"
#include "passes/simplify.h"

/* The result dims along which weights differ, and the weights' dims that go with them. */
typedef struct Channels {
    uint32_t slot; /* operand with the weights */
    uint32_t n;
    uint32_t result_dim[TN_MAX_RANK];
    uint32_t weight_dim[TN_MAX_RANK];
    int64_t size[TN_MAX_RANK];
    int64_t count;
} Channels;

/* scale * product + shift, a channel; `chain` holds the nodes that say so. */
typedef struct Affine {
    double *scale, *shift;
    double *next_scale, *next_shift; /* of a step not yet accepted */
    double *factor;
    bool scaled;
    TN_VEC(Node *) chain;
} Affine;

/* ---- channels ---- */

static void add_channel(Channels *channels, const Node *node, uint32_t result, uint32_t weight) {
    uint32_t i = channels->n++;
    channels->result_dim[i] = result;
    channels->weight_dim[i] = weight;
    channels->size[i] = node->in[channels->slot]->type.dims[weight]->value;
    channels->count *= channels->size[i];
}

static void contract_channels(const Node *node, Channels *channels) {
    const Attr *summed = tn_contract_dims(node, channels->slot);
    uint32_t batch = (uint32_t)tn_attr_int(node, TN_ATTR_batch);
    uint32_t rank = node->in[channels->slot]->type.rank;
    uint32_t n_free = rank - batch - summed->n;
    uint32_t result = channels->slot == 0 ? batch : node->out[0]->type.rank - n_free;
    for (uint32_t dim = 0; dim < rank; dim++) {
        if (dim < batch) {
            add_channel(channels, node, dim, dim);
        } else if (!tn_attr_holds(summed, dim)) {
            add_channel(channels, node, result++, dim);
        }
    }
}

/* False unless one operand is constant weights of a float type. */
static bool find_channels(const Node *node, Channels *out) {
    *out = (Channels){.slot = 1, .count = 1};
    if (!tn_dtype_is_float(node->out[0]->type.dtype)) {
        return false;
    }
    if (node->op == TN_OP_conv) {
        bool constant = tn_value_blob(node->in[1]) != NULL;
        if (constant) {
            add_channel(out, node, 1, 0);
        }
        return constant;
    }
    out->slot = tn_value_blob(node->in[1]) != NULL ? 1 : 0;
    if (tn_value_blob(node->in[out->slot]) == NULL) {
        return false;
    }
    contract_channels(node, out);
    return true;
}

/* Steps `index` over the channels in row-major order; false after the last. */
static bool next_channel(const Channels *channels, int64_t *index) {
    for (uint32_t i = channels->n; i-- > 0;) {
        if (++index[i] < channels->size[i]) {
            return true;
        }
        index[i] = 0;
    }
    return false;
}

/* ---- constants along the channels ---- */

static RefTensor read_data(Ctx *ctx, const Value *value) {
    int64_t dims[TN_MAX_RANK];
    for (uint32_t i = 0; i < value->type.rank; i++) {
        dims[i] = value->type.dims[i]->value;
    }
    return tn_ref_from_bytes(&ctx->scratch, value->type.dtype, value->type.rank, dims,
                             tn_value_blob(value)->data);
}

/* The data behind `value` and how far apart in it neighbours along each of the value's dims
 * are, 0 where it repeats; NULL when `value` is no constant. */
static const Value *data_strides(const Value *value, int64_t *strides) {
    const Node *expand = tn_def_of(value, TN_OP_expand);
    const Value *data = expand != NULL ? expand->in[0] : value;
    if (tn_value_blob(data) == NULL) {
        return NULL;
    }
    memset(strides, 0, value->type.rank * sizeof *strides);
    int64_t stride = 1;
    for (uint32_t i = data->type.rank; i-- > 0;) {
        int64_t to = expand != NULL ? tn_node_attr(expand, TN_ATTR_axes)->ints[i] : i;
        strides[to] = tn_dim_is(data->type.dims[i], 1) ? 0 : stride;
        stride *= data->type.dims[i]->value;
    }
    return data;
}

/* Reads `value` as one number a channel; false when it is not that. */
static bool read_factor(Ctx *ctx, const Channels *channels, const Value *value, double *out) {
    int64_t strides[TN_MAX_RANK];
    const Value *data = data_strides(value, strides);
    if (data == NULL || tn_type_static_count(&data->type) < 1) {
        return false;
    }
    int64_t along[TN_MAX_RANK];
    for (uint32_t i = 0; i < channels->n; i++) {
        along[i] = strides[channels->result_dim[i]];
        strides[channels->result_dim[i]] = 0;
    }
    for (uint32_t i = 0; i < value->type.rank; i++) {
        if (strides[i] != 0) {
            return false;
        }
    }
    RefTensor tensor = read_data(ctx, data);
    int64_t index[TN_MAX_RANK] = {0};
    int64_t at = 0;
    do {
        int64_t offset = 0;
        for (uint32_t i = 0; i < channels->n; i++) {
            offset += index[i] * along[i];
        }
        out[at++] = tensor.f[offset];
    } while (next_channel(channels, index));
    return true;
}

/* ---- the chain ---- */

static double *doubles(Ctx *ctx, int64_t count, double value) {
    double *list = TN_NEW_ARRAY(&ctx->scratch, double, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++) {
        list[i] = value;
    }
    return list;
}

static Affine affine_new(Ctx *ctx, int64_t count) {
    return (Affine){.scale = doubles(ctx, count, 1),
                    .shift = doubles(ctx, count, 0),
                    .next_scale = doubles(ctx, count, 1),
                    .next_shift = doubles(ctx, count, 0),
                    .factor = doubles(ctx, count, 0)};
}

/* One channel after `node`, whose operand `slot` is the running value and whose other operand
 * is `c`; false when that is not affine. */
static bool step_channel(const Node *node, uint32_t slot, double c, double *scale, double *shift) {
    double sign = 1;
    double times = 1;
    double plus = 0;
    if (node->op == TN_OP_add) {
        plus = c;
    } else if (node->op == TN_OP_sub) {
        sign = slot == 0 ? 1 : -1;
        plus = slot == 0 ? -c : c;
    } else if (node->op == TN_OP_mul) {
        times = c;
    } else if (node->op == TN_OP_div && slot == 0) {
        *scale /= c;
        *shift /= c;
    } else if (node->op == TN_OP_neg) {
        sign = -1;
    } else {
        return false;
    }
    *scale *= sign * times;
    *shift = *shift * sign * times + plus;
    return isfinite(*scale) && isfinite(*shift);
}

/* Takes `node`, which reads the running value at `slot`, into the chain if it fits. */
static bool take_step(Ctx *ctx, const Channels *channels, Affine *affine, Node *node,
                      uint32_t slot) {
    if (tn_op_info(node->op)->cls != OPC_MAP || node->n_in > 2 ||
        (node->n_in == 2 && !read_factor(ctx, channels, node->in[1 - slot], affine->factor))) {
        return false;
    }
    bool scaled = false;
    for (int64_t i = 0; i < channels->count; i++) {
        affine->next_scale[i] = affine->scale[i];
        affine->next_shift[i] = affine->shift[i];
        if (!step_channel(node, slot, affine->factor[i], &affine->next_scale[i],
                          &affine->next_shift[i])) {
            return false;
        }
        scaled = scaled || affine->next_scale[i] != affine->scale[i];
    }
    size_t size = (size_t)channels->count * sizeof(double);
    memcpy(affine->scale, affine->next_scale, size);
    memcpy(affine->shift, affine->next_shift, size);
    affine->scaled = affine->scaled || scaled;
    tn_vec_push(&ctx->scratch, &affine->chain, node);
    return true;
}

static void follow_chain(Ctx *ctx, const Channels *channels, Affine *affine, const Value *value) {
    while (value->n_uses == 1 && value->uses != NULL) {
        Use *use = value->uses;
        if (!take_step(ctx, channels, affine, use->user, use->slot)) {
            return;
        }
        value = use->user->out[0];
    }
}

/* ---- the new nodes ---- */

/* Data of `type` from doubles, rounded. */
static Value *const_of(Build *build, const Type *type, double *numbers) {
    RefTensor tensor = {.dtype = type->dtype, .count = tn_type_static_count(type), .f = numbers};
    size_t size = (size_t)tensor.count * tn_dtype_bytes(type->dtype);
    void *bytes = tn_arena_alloc(&build->graph->ctx->arena, size + 1, 64);
    tn_ref_to_bytes(&tensor, bytes);
    return tn_build_const(build, type, bytes);
}

/* Multiplies each weight by its channel's scale; false when one leaves the finite range. */
static bool scale_weights(const Channels *channels, const double *scale, RefTensor *weights) {
    int64_t along[TN_MAX_RANK] = {0};
    int64_t stride = 1;
    for (uint32_t i = channels->n; i-- > 0;) {
        along[channels->weight_dim[i]] = stride;
        stride *= channels->size[i];
    }
    double most = weights->dtype == TN_F32 ? 0x1.fffffep127 : HUGE_VAL;
    int64_t index[TN_MAX_RANK] = {0};
    int64_t channel = 0;
    for (int64_t k = 0; k < weights->count; k++) {
        weights->f[k] *= scale[channel];
        if (!(fabs(weights->f[k]) <= most)) {
            return false;
        }
        for (uint32_t i = weights->rank; i-- > 0;) {
            channel += along[i];
            if (++index[i] < weights->dims[i]) {
                break;
            }
            channel -= along[i] * weights->dims[i];
            index[i] = 0;
        }
    }
    return true;
}

/* The product over scaled weights; NULL when they cannot be scaled. */
static Value *build_product(Build *build, const Node *node, const Channels *channels,
                            const Affine *affine) {
    if (!affine->scaled) {
        return node->out[0];
    }
    RefTensor weights = read_data(build->graph->ctx, node->in[channels->slot]);
    if (!scale_weights(channels, affine->scale, &weights)) {
        return NULL;
    }
    Value *in[2] = {node->in[0], node->in[1]};
    in[channels->slot] = const_of(build, &in[channels->slot]->type, weights.f);
    return tn_build_like(build, node, in, 2);
}

static bool all_equal(const double *numbers, int64_t count) {
    for (int64_t i = 1; i < count; i++) {
        if (numbers[i] != numbers[0]) {
            return false;
        }
    }
    return true;
}

/* The shift repeated over `type`; NULL for a shift of 0 everywhere. */
static Value *build_shift(Build *build, const Type *type, const Channels *channels, double *shift) {
    if (all_equal(shift, channels->count)) {
        return shift[0] == 0 ? NULL : tn_build_number(build, type, shift[0]);
    }
    const Dim *dims[TN_MAX_RANK];
    int64_t axes[TN_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = 0; i < channels->n; i++) {
        if (channels->size[i] != 1) {
            axes[n] = channels->result_dim[i];
            dims[n++] = tn_dim_const(build->graph->ctx, channels->size[i]);
        }
    }
    Type small = tn_type_make(type->dtype, (uint8_t)n, dims);
    return tn_build_expand(build, const_of(build, &small, shift), type->rank, type->dims, axes);
}

static void remove_chain(Graph *graph, const Affine *affine, Node *product) {
    for (size_t i = affine->chain.len; i-- > 0;) {
        tn_node_remove(graph, affine->chain.data[i]);
    }
    if (affine->scaled) {
        tn_node_remove(graph, product);
    }
}

/* A lone addition is what would be left: nothing to gain. */
static bool gains(const Affine *affine) {
    return affine->scaled || affine->chain.len > 1;
}

static bool fold_product(Graph *graph, Node *node) {
    Ctx *ctx = graph->ctx;
    Channels channels;
    if (!find_channels(node, &channels) || channels.count < 1) {
        return true;
    }
    Affine affine = affine_new(ctx, channels.count);
    follow_chain(ctx, &channels, &affine, node->out[0]);
    if (!gains(&affine)) {
        return true;
    }
    Node *last = affine.chain.data[affine.chain.len - 1];
    Build build = tn_build_at(graph, last);
    build.loc = node->loc;
    Value *result = build_product(&build, node, &channels, &affine);
    if (result == NULL) {
        return tn_diag_status(&ctx->diags) == TN_OK;
    }
    Value *shift = build_shift(&build, &last->out[0]->type, &channels, affine.shift);
    if (shift != NULL) {
        result = tn_build_map2(&build, TN_OP_add, result, shift);
    }
    if (result == NULL) {
        return false;
    }
    tn_value_replace(graph, last->out[0], result);
    remove_chain(graph, &affine, node);
    return true;
}

bool tn_pass_bnfold(Compile *compile) {
    Graph *graph = compile->graph;
    Arena *scratch = &compile->ctx->scratch;
    TN_VEC(Node *) products = {0};
    for (Node *node = graph->first; node != NULL; node = node->next) {
        if (tn_node_has(node, TRAIT_PRODUCT)) {
            tn_vec_push(scratch, &products, node);
        }
    }
    for (size_t i = 0; i < products.len; i++) {
        ArenaMark mark = tn_arena_mark(scratch);
        bool ok = fold_product(graph, products.data[i]);
        tn_arena_reset(scratch, mark);
        if (!ok) {
            return false;
        }
    }
    return true;
}
