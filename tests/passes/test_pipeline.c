/* test_pipeline.c: every kind of kernel through the whole pass table, run on the loop
 * interpreter against the reference evaluator, at each -O level and for each target.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "passes/pass.h"

typedef struct Net {
    Ctx ctx;
    Graph *graph;
    uint64_t seed;
} Net;

static float next(Net *net) {
    net->seed = net->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (float)((double)(net->seed >> 40) / (double)(1 << 24) - 0.5);
}

static void net_open(Net *net) {
    memset(net, 0, sizeof *net);
    tn_ctx_init(&net->ctx, NULL);
    net->graph = tn_graph_new(&net->ctx, "net");
    net->seed = 7;
}

static Type shape(Net *net, int rank, const int *dims) {
    const Dim *sizes[TN_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        sizes[i] = dims[i] >= 0 ? tn_dim_const(&net->ctx, dims[i])
                                : tn_dim_symbol(&net->ctx, TN_SV("N"), SYM_INPUT_DIM, 0, INT64_MAX);
    }
    return tn_type_make(TN_F32, (uint8_t)rank, sizes);
}

#define SHAPE(net, ...)                                                                            \
    shape((net), sizeof((int[]){__VA_ARGS__}) / sizeof(int), (int[]){__VA_ARGS__})

static Value *input(Net *net, Type type) {
    Value *value = tn_graph_add_input(net->graph, "x", type);
    for (int i = 0; i < type.rank; i++) {
        if (!tn_dim_is_const(type.dims[i])) {
            Symbol *symbol = tn_dim_symbol_of(&net->ctx, type.dims[i]);
            symbol->input = (int32_t)value->out;
            symbol->index = i;
            symbol->hint = 3;
        }
    }
    return value;
}

static Value *weight(Net *net, Type type) {
    int64_t count = tn_type_static_count(&type);
    float *data = tn_arena_alloc(&net->ctx.arena, (size_t)count * 4 + 4, 64);
    for (int64_t i = 0; i < count; i++) {
        data[i] = next(net);
    }
    return tn_const_new(net->graph, type, data, NULL);
}

static Value *node(Net *net, Op op, Value **in, uint32_t n, const Attr *attrs, uint32_t n_attrs) {
    Node *made = tn_node_new(net->graph, op, in, n, attrs, n_attrs, (Loc){.node = "n"}, NULL);
    if (made == NULL) {
        StrBuf text = tn_str(&net->ctx.arena);
        tn_diag_print(&net->ctx.diags, &text);
        fail_msg("%s", text.data);
    }
    return made->out[0];
}

static Attr ints(AttrName name, uint32_t n, const int64_t *values) {
    return (Attr){.name = name, .kind = ATTR_INTS, .n = n, .ints = values};
}

static Attr dims_of(const Type *type) {
    return (Attr){.name = TN_ATTR_dims, .kind = ATTR_DIMS, .n = type->rank, .dims = type->dims};
}

static Value *map1(Net *net, Op op, Value *a) {
    return node(net, op, (Value *[]){a}, 1, NULL, 0);
}

static Value *map2(Net *net, Op op, Value *a, Value *b) {
    return node(net, op, (Value *[]){a, b}, 2, NULL, 0);
}

/* `value`'s dims go to `axes` of `like`. */
static Value *expand(Net *net, Value *value, const Value *like, const int64_t *axes) {
    Attr attrs[] = {dims_of(&like->type), ints(TN_ATTR_axes, value->type.rank, axes)};
    return node(net, TN_OP_expand, &value, 1, attrs, 2);
}

static Value *scalar(Net *net, float number, const Value *like) {
    float *data = tn_arena_copy(&net->ctx.arena, &number, sizeof number);
    return expand(net, tn_const_new(net->graph, tn_type_scalar(TN_F32), data, NULL), like, NULL);
}

static Value *relu(Net *net, Value *x) {
    return map2(net, TN_OP_max, x, scalar(net, 0, x));
}

static Value *conv(Net *net, Value *x, int channels, int kernel, int stride, int pad, int groups) {
    int in = (int)x->type.dims[1]->value;
    Value *w = weight(net, SHAPE(net, channels, in / groups, kernel, kernel));
    int64_t one[] = {1, 1}, strides[] = {stride, stride}, pads[] = {pad, pad};
    Attr attrs[] = {ints(TN_ATTR_strides, 2, strides),
                    ints(TN_ATTR_pads_lo, 2, pads),
                    ints(TN_ATTR_pads_hi, 2, pads),
                    ints(TN_ATTR_dilations, 2, one),
                    ints(TN_ATTR_in_dilations, 2, one),
                    {.name = TN_ATTR_groups, .kind = ATTR_INT, .i = groups}};
    Value *y = node(net, TN_OP_conv, (Value *[]){x, w}, 2, attrs, 6);
    return map2(net, TN_OP_add, y,
                expand(net, weight(net, SHAPE(net, channels)), y, (int64_t[]){1}));
}

static Value *pool(Net *net, Op op, Value *x, int size, int stride, int pad) {
    int64_t window[] = {1, 1, size, size}, strides[] = {1, 1, stride, stride};
    int64_t pads[] = {0, 0, pad, pad}, one[] = {1, 1, 1, 1};
    Attr attrs[] = {ints(TN_ATTR_window, 4, window), ints(TN_ATTR_strides, 4, strides),
                    ints(TN_ATTR_pads_lo, 4, pads), ints(TN_ATTR_pads_hi, 4, pads),
                    ints(TN_ATTR_dilations, 4, one)};
    return node(net, op, &x, 1, attrs, 5);
}

static Value *reduce(Net *net, Op op, Value *x, int64_t axis) {
    Attr axes = ints(TN_ATTR_axes, 1, &axis);
    return node(net, op, &x, 1, &axes, 1);
}

static Value *transpose(Net *net, Value *x, const int64_t *perm) {
    Attr attr = ints(TN_ATTR_perm, x->type.rank, perm);
    return node(net, TN_OP_transpose, &x, 1, &attr, 1);
}

static Value *reshape(Net *net, Value *x, Type type) {
    Attr attr = dims_of(&type);
    return node(net, TN_OP_reshape, &x, 1, &attr, 1);
}

static Value *contract(Net *net, Value *a, Value *b, int batch, int64_t left, int64_t right) {
    Attr attrs[] = {{.name = TN_ATTR_batch, .kind = ATTR_INT, .i = batch},
                    ints(TN_ATTR_lhs_contract, 1, &left),
                    ints(TN_ATTR_rhs_contract, 1, &right)};
    return node(net, TN_OP_contract, (Value *[]){a, b}, 2, attrs, 3);
}

static Value *concat(Net *net, Value *a, Value *b, int64_t axis) {
    Attr attr = {.name = TN_ATTR_axis, .kind = ATTR_INT, .i = axis};
    return node(net, TN_OP_concat, (Value *[]){a, b}, 2, &attr, 1);
}

static Value *softmax(Net *net, Value *x) {
    int64_t last = x->type.rank - 1;
    int64_t kept[TN_MAX_RANK];
    for (int64_t i = 0; i < last; i++) {
        kept[i] = i;
    }
    Value *top = expand(net, reduce(net, TN_OP_reduce_max, x, last), x, kept);
    Value *e = map1(net, TN_OP_exp, map2(net, TN_OP_sub, x, top));
    return map2(net, TN_OP_div, e, expand(net, reduce(net, TN_OP_reduce_sum, e, last), x, kept));
}

static Value *layer_norm(Net *net, Value *x) {
    int64_t last = x->type.rank - 1;
    int64_t kept[TN_MAX_RANK];
    float n = (float)x->type.dims[last]->value;
    for (int64_t i = 0; i < last; i++) {
        kept[i] = i;
    }
    Value *sum = reduce(net, TN_OP_reduce_sum, x, last);
    Value *mean = map2(net, TN_OP_mul, sum, scalar(net, 1 / n, sum));
    Value *centred = map2(net, TN_OP_sub, x, expand(net, mean, x, kept));
    Value *squares = reduce(net, TN_OP_reduce_sum, map2(net, TN_OP_mul, centred, centred), last);
    Value *variance = map2(net, TN_OP_mul, squares, scalar(net, 1 / n, squares));
    Value *scale =
        map1(net, TN_OP_rsqrt, map2(net, TN_OP_add, variance, scalar(net, 1e-5f, variance)));
    Value *y = map2(net, TN_OP_mul, centred, expand(net, scale, x, kept));
    Value *gain = expand(net, weight(net, SHAPE(net, (int)n)), x, (int64_t[]){last});
    return map2(net, TN_OP_mul, y, gain);
}

/* ---- running ---- */

/* Program outputs for f32 inputs against the evaluator's; returns the worst error. */
static double worst_error(Net *net, Graph *reference, Program *program, int64_t n) {
    Arena *arena = &net->ctx.arena;
    size_t n_in = reference->inputs.len, n_out = reference->outputs.len;
    RefTensor *in = TN_NEW_ARRAY(arena, RefTensor, n_in + 1);
    RefTensor *out = TN_NEW_ARRAY(arena, RefTensor, n_out + 1);
    void **in_data = TN_NEW_ARRAY(arena, void *, n_in + 1);
    void **out_data = TN_NEW_ARRAY(arena, void *, n_out + 1);
    for (size_t i = 0; i < n_in; i++) {
        const Type *type = &reference->inputs.data[i]->type;
        int64_t dims[TN_MAX_RANK], count = 1;
        for (int d = 0; d < type->rank; d++) {
            dims[d] = tn_dim_is_const(type->dims[d]) ? type->dims[d]->value : n;
            count *= dims[d];
        }
        float *data = tn_arena_alloc(arena, (size_t)count * 4 + 4, 64);
        for (int64_t k = 0; k < count; k++) {
            data[k] = next(net);
        }
        in_data[i] = data;
        in[i] = tn_ref_from_bytes(arena, TN_F32, type->rank, dims, data);
    }
    assert_true(tn_eval_graph(reference, in, arena, out, NULL, NULL));
    for (size_t i = 0; i < n_out; i++) {
        out_data[i] = tn_arena_alloc(arena, (size_t)out[i].count * 4 + 4, 64);
    }
    int64_t *all = TN_NEW_ARRAY(arena, int64_t, net->ctx.dims->symbols.len + 1);
    for (size_t s = 0; s < net->ctx.dims->symbols.len; s++) {
        all[s] = net->ctx.dims->symbols.data[s].kind == SYM_LOOP ? 0 : n;
    }
    assert_true(tn_program_interp(program, in_data, out_data, all));
    double worst = 0;
    for (size_t i = 0; i < n_out; i++) {
        double largest = 1e-30, error = 0;
        for (int64_t k = 0; k < out[i].count; k++) {
            double got = ((float *)out_data[i])[k];
            largest = fmax(largest, fabs(out[i].f[k]));
            error = fmax(error, isnan(got) ? INFINITY : fabs(got - out[i].f[k]));
        }
        worst = fmax(worst, error / largest);
    }
    return worst;
}

static void check_level(Net *net, int level, const Target *target, int64_t n) {
    Graph *reference = tn_graph_clone(net->graph);
    Compile compile = {
        .ctx = &net->ctx,
        .options = {.opt_level = level, .target = target, .stop_after = getenv("TENON_STOP")},
        .graph = tn_graph_clone(net->graph)};
    if (!tn_passes_run(&compile)) {
        StrBuf text = tn_str(&net->ctx.arena);
        tn_diag_print(&net->ctx.diags, &text);
        fail_msg("-O%d %s: %s", level, target->name, text.data);
    }
    double error = worst_error(net, reference, compile.program, n);
    if (!(error < 1e-5)) {
        StrBuf text = tn_str(&net->ctx.arena);
        tn_diag_print(&net->ctx.diags, &text);
        tn_program_print(compile.program, &text);
        fputs(text.data, stderr);
        fail_msg("-O%d %s n=%d: error %g", level, target->name, (int)n, error);
    }
    if (getenv("TENON_SHOW") != NULL && level >= 2) {
        StrBuf text = tn_str(&net->ctx.arena);
        tn_program_print(compile.program, &text);
        puts(text.data);
    }
}

static void check(Net *net, Value *result) {
    static const int64_t sizes[] = {1, 3, 0};
    tn_graph_add_output(net->graph, "y", result);
    for (int level = 0; level <= 2; level++) {
        for (uint32_t t = 0; tn_target_at(t) != NULL; t++) {
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                check_level(net, level, tn_target_at(t), sizes[i]);
            }
        }
    }
    tn_ctx_free(&net->ctx);
}

/* ---- networks ---- */

static void test_convolutions(void **state) {
    (void)state;
    Net net;
    net_open(&net);
    Value *x = input(&net, SHAPE(&net, -1, 3, 13, 11));
    Value *a = relu(&net, conv(&net, x, 32, 3, 2, 1, 1));
    Value *b = relu(&net, conv(&net, a, 24, 1, 1, 0, 1));
    Value *c = relu(&net, conv(&net, b, 24, 3, 1, 1, 24));
    Value *d = conv(&net, c, 32, 3, 1, 1, 1);
    check(&net, map2(&net, TN_OP_add, d, a));
}

static void test_pools_and_concat(void **state) {
    (void)state;
    Net net;
    net_open(&net);
    Value *x = input(&net, SHAPE(&net, -1, 3, 9, 9));
    Value *a = relu(&net, conv(&net, x, 16, 3, 1, 1, 1));
    Value *b = pool(&net, TN_OP_pool_max, a, 3, 2, 1);
    Value *c = concat(&net, conv(&net, b, 16, 1, 1, 0, 1), conv(&net, b, 20, 3, 1, 1, 1), 1);
    Value *d = pool(&net, TN_OP_pool_sum, c, 2, 2, 0);
    Value *e = reduce(&net, TN_OP_reduce_sum, reduce(&net, TN_OP_reduce_sum, d, 3), 2);
    Value *w = weight(&net, SHAPE(&net, 36, 10));
    check(&net, softmax(&net, contract(&net, e, w, 0, 1, 0)));
}

static void test_flatten(void **state) {
    (void)state;
    Net net;
    net_open(&net);
    Value *x = input(&net, SHAPE(&net, -1, 1, 8, 8));
    Value *a = pool(&net, TN_OP_pool_max, relu(&net, conv(&net, x, 32, 3, 1, 0, 1)), 2, 2, 0);
    Value *flat = reshape(&net, a, SHAPE(&net, -1, 288));
    Value *w = weight(&net, SHAPE(&net, 288, 10));
    Value *y = contract(&net, flat, w, 0, 1, 0);
    check(&net,
          map2(&net, TN_OP_add, y, expand(&net, weight(&net, SHAPE(&net, 10)), y, (int64_t[]){1})));
}

static void test_attention(void **state) {
    (void)state;
    Net net;
    net_open(&net);
    Value *x = input(&net, SHAPE(&net, -1, 9, 32));
    Value *h = layer_norm(&net, x);
    Value *part[3];
    for (int i = 0; i < 3; i++) {
        Value *p = contract(&net, h, weight(&net, SHAPE(&net, 32, 32)), 0, 2, 0);
        p = map2(&net, TN_OP_add, p,
                 expand(&net, weight(&net, SHAPE(&net, 32)), p, (int64_t[]){2}));
        p = reshape(&net, p, SHAPE(&net, -1, 9, 2, 16));
        part[i] = transpose(&net, p, (int64_t[]){0, 2, 1, 3});
    }
    Value *keys = transpose(&net, part[1], (int64_t[]){0, 1, 3, 2});
    Value *scores = contract(&net, part[0], keys, 2, 3, 2);
    scores = map2(&net, TN_OP_mul, scores, scalar(&net, 0.25f, scores));
    Value *mixed = contract(&net, softmax(&net, scores), part[2], 2, 3, 2);
    Value *back =
        reshape(&net, transpose(&net, mixed, (int64_t[]){0, 2, 1, 3}), SHAPE(&net, -1, 9, 32));
    Value *y = contract(&net, back, weight(&net, SHAPE(&net, 32, 32)), 0, 2, 0);
    check(&net, layer_norm(&net, map2(&net, TN_OP_add, y, x)));
}

static void test_gated(void **state) {
    (void)state;
    Net net;
    net_open(&net);
    Value *x = input(&net, SHAPE(&net, -1, 16, 5, 5));
    Value *a = conv(&net, x, 16, 3, 1, 1, 16);
    a = map2(&net, TN_OP_mul, a, map1(&net, TN_OP_sigmoid, a));
    Value *mean = reduce(&net, TN_OP_reduce_sum, reduce(&net, TN_OP_reduce_sum, a, 3), 2);
    Value *gate =
        map1(&net, TN_OP_sigmoid, contract(&net, mean, weight(&net, SHAPE(&net, 16, 16)), 0, 1, 0));
    a = map2(&net, TN_OP_mul, a, expand(&net, gate, a, (int64_t[]){0, 1}));
    check(&net, conv(&net, a, 32, 1, 1, 0, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions), cmocka_unit_test(test_pools_and_concat),
        cmocka_unit_test(test_flatten),      cmocka_unit_test(test_attention),
        cmocka_unit_test(test_gated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
