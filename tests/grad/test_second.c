/* test_second.c: gradients of gradients: every case differentiated twice, a gradient penalty
 * and Hessian-vector products. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/grad_cases.h"

/* ---- every case, twice ---- */

static const GradCase composed[] = {
    {"softmax",
     "graph @t(%x: f64[3,4]) -> (%y) { %m = reduce_max(%x) {axes=[1]} %mm = expand(%m) "
     "{dims=[3,4], axes=[0]} %d = sub(%x, %mm) %e = exp(%d) %s = reduce_sum(%e) {axes=[1]} %ss = "
     "expand(%s) {dims=[3,4], axes=[0]} %y = div(%e, %ss) }",
     -2,
     2,
     {0}},
    {"attention",
     "graph @t(%q: f64[3,2], %k: f64[4,2], %v: f64[4,3]) -> (%y) { %s = contract(%q, %k) "
     "{lhs_contract=[1], rhs_contract=[1]} %e = exp(%s) %n = reduce_sum(%e) {axes=[1]} %nn = "
     "expand(%n) {dims=[3,4], axes=[0]} %p = div(%e, %nn) %y = contract(%p, %v) "
     "{lhs_contract=[1], rhs_contract=[0]} }",
     -1,
     1,
     {0}},
    {"layer norm",
     "graph @t(%x: f64[2,5], %g: f64[5]) -> (%y) { %n = const() {to=f64, dims=[]} = 0.2 %c = "
     "expand(%n) {dims=[2], axes=[]} %s = reduce_sum(%x) {axes=[1]} %m = mul(%s, %c) %mm = "
     "expand(%m) {dims=[2,5], axes=[0]} %d = sub(%x, %mm) %q = mul(%d, %d) %v = reduce_sum(%q) "
     "{axes=[1]} %w = mul(%v, %c) %z = add(%w, %c) %r = rsqrt(%z) %rr = expand(%r) {dims=[2,5], "
     "axes=[0]} %h = mul(%d, %rr) %gg = expand(%g) {dims=[2,5], axes=[1]} %y = mul(%h, %gg) }",
     -2,
     2,
     {0}},
    {"gelu",
     "graph @t(%x: f64[7]) -> (%y) { %a = const() {to=f64, dims=[]} = 0.7071067811865476 %b = "
     "expand(%a) {dims=[7], axes=[]} %c = mul(%x, %b) %e = erf(%c) %f = mul(%x, %e) %y = add(%f, "
     "%x) }",
     -2,
     2,
     {0}},
};

enum { COMPOSED = sizeof composed / sizeof *composed };

static void test_twice(void **state) {
    const GradCase *test = *state;
    Ctx ctx;
    GradCheck check;
    tn_ctx_init(&ctx, NULL);
    if (!grad_check_case(&check, &ctx, test, 1)) {
        fail_msg("%s: %s", test->name, grad_check_messages(&ctx));
    }
    double error = grad_check_second_error(&check);
    if (!(error >= 0 && error <= 1e-6)) {
        fail_msg("%s: error %g%s", test->name, error, grad_check_messages(&ctx));
    }
    tn_ctx_free(&ctx);
}

/* ---- helpers ---- */

static Graph *parse(Ctx *ctx, const char *text) {
    Graph *graph = tn_graph_parse_text(ctx, tn_sv(text), "test");
    if (graph == NULL) {
        fail_msg("%s", grad_check_messages(ctx));
    }
    return graph;
}

/* The gradient of `y` by `x`, of the same graph. */
static Value *gradient(Graph *graph, Value *y, Value *x) {
    Value *out = NULL;
    if (!tn_grad_build(graph, &y, NULL, 1, &x, 1, &out)) {
        fail_msg("%s", grad_check_messages(graph->ctx));
    }
    assert_non_null(out);
    return out;
}

static RefTensor tensor(Ctx *ctx, const Type *type, const double *values) {
    RefTensor made = {.dtype = TN_F64, .rank = type->rank, .count = 1};
    for (uint32_t d = 0; d < type->rank; d++) {
        made.dims[d] = type->dims[d]->value;
        made.count *= made.dims[d];
    }
    made.f = tn_arena_copy(&ctx->arena, values, (size_t)made.count * sizeof *values);
    return made;
}

static RefTensor *evaluate(Graph *graph, const RefTensor *in) {
    RefTensor *out = TN_NEW_ARRAY(&graph->ctx->arena, RefTensor, graph->outputs.len + 1);
    if (!tn_eval_graph(graph, in, &graph->ctx->arena, out, NULL, NULL)) {
        fail_msg("%s", grad_check_messages(graph->ctx));
    }
    return out;
}

static void assert_near(double found, double wanted, double relative) {
    if (!(fabs(found - wanted) <= relative * fmax(1, fabs(wanted)))) {
        fail_msg("%.17g instead of %.17g", found, wanted);
    }
}

/* ---- gradient penalty ---- */

enum { BATCH = 3, IN = 4, HIDDEN = 5 };

/* The critic's score for each row. */
static const char critic_text[] =
    "graph @t(%x: f64[3,4], %w: f64[4,5], %b: f64[5], %v: f64[5]) -> (%y) { %a = contract(%x, %w) "
    "{lhs_contract=[1], rhs_contract=[0]} %bb = expand(%b) {dims=[3,5], axes=[1]} %c = add(%a, "
    "%bb) %h = tanh(%c) %y = contract(%h, %v) {lhs_contract=[1], rhs_contract=[0]} }";

/* The sum over rows of (|d score / d x| - 1)^2 as the graph's only output. */
static Graph *penalty_graph(Ctx *ctx) {
    Graph *graph = parse(ctx, critic_text);
    Value *x = graph->inputs.data[0];
    Value *score = graph->outputs.data[0].value;
    Build end = {.graph = graph};
    Value *g = gradient(graph, score, x);
    Value *square = tn_build_map2(&end, TN_OP_mul, g, g);
    Value *norm = tn_build_map1(&end, TN_OP_sqrt,
                                tn_build_reduce(&end, TN_OP_reduce_sum, square, (int64_t[]){1}, 1));
    Value *off = tn_build_map2(&end, TN_OP_sub, norm, tn_build_number(&end, &norm->type, 1));
    Value *each = tn_build_map2(&end, TN_OP_mul, off, off);
    graph->outputs.len = 0;
    score->is_output = false;
    score->n_uses--;
    tn_graph_add_output(graph, "penalty",
                        tn_build_reduce(&end, TN_OP_reduce_sum, each, (int64_t[]){0}, 1));
    assert_true(tn_graph_verify(graph));
    return graph;
}

/* The same by hand: d score / d x = W (v (1 - tanh^2)). */
static double penalty_by_hand(const double *x, const double *w, const double *b, const double *v) {
    double sum = 0;
    for (int n = 0; n < BATCH; n++) {
        double g[IN] = {0}, square = 0;
        for (int j = 0; j < HIDDEN; j++) {
            double a = b[j];
            for (int i = 0; i < IN; i++) {
                a += x[n * IN + i] * w[i * HIDDEN + j];
            }
            for (int i = 0; i < IN; i++) {
                g[i] += w[i * HIDDEN + j] * v[j] * (1 - tanh(a) * tanh(a));
            }
        }
        for (int i = 0; i < IN; i++) {
            square += g[i] * g[i];
        }
        sum += (sqrt(square) - 1) * (sqrt(square) - 1);
    }
    return sum;
}

static void test_gradient_penalty(void **state) {
    (void)state;
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    Graph *graph = penalty_graph(&ctx);
    double values[4][BATCH * IN + IN * HIDDEN];
    RefTensor in[4];
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < BATCH * IN + IN * HIDDEN; k++) {
            values[i][k] = sin(1.7 * k + i) * 0.8;
        }
        in[i] = tensor(&ctx, &graph->inputs.data[i]->type, values[i]);
    }
    double by_hand = penalty_by_hand(values[0], values[1], values[2], values[3]);
    assert_true(by_hand > 0.1);
    assert_near(evaluate(graph, in)[0].f[0], by_hand, 1e-12);
    GradCheck check;
    assert_true(grad_check_graph(&check, &ctx, graph, in, 1));
    double error = grad_check_error(&check, check.gradient);
    if (!(error >= 0 && error <= 1e-7)) {
        fail_msg("the penalty's gradient is off by %g", error);
    }
    tn_ctx_free(&ctx);
}

/* ---- Hessian-vector products ---- */

/* Adds H v as the only output, v being a further input: the gradient of <gradient, v>. */
static void make_hessian_product(Graph *graph) {
    Value *x = graph->inputs.data[0], *y = graph->outputs.data[0].value;
    Value *v = tn_graph_add_input(graph, "v", x->type);
    Value *g = gradient(graph, y, x);
    Build end = {.graph = graph};
    Value *product = tn_build_map2(&end, TN_OP_mul, g, v);
    int64_t axes[TN_MAX_RANK];
    for (uint32_t d = 0; d < x->type.rank; d++) {
        axes[d] = d;
    }
    Value *along = tn_build_reduce(&end, TN_OP_reduce_sum, product, axes, x->type.rank);
    tn_graph_add_output(graph, "Hv", gradient(graph, along, x));
    assert_true(tn_graph_verify(graph));
}

/* 100 (b - a^2)^2 + (1 - a)^2, whose second derivatives are known. */
static void test_hessian_of_rosenbrock(void **state) {
    (void)state;
    static const char text[] =
        "graph @t(%x: f64[2]) -> (%y) { %as = slice(%x) {starts=[0], steps=[1], dims=[1]} %bs = "
        "slice(%x) {starts=[1], steps=[1], dims=[1]} %a = reshape(%as) {dims=[]} %b = "
        "reshape(%bs) {dims=[]} %k = const() {to=f64, dims=[]} = 100 %one = const() {to=f64, "
        "dims=[]} = 1 %aa = mul(%a, %a) %d = sub(%b, %aa) %dd = mul(%d, %d) %p = mul(%k, %dd) %e "
        "= sub(%one, %a) %ee = mul(%e, %e) %y = add(%p, %ee) }";
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    Graph *graph = parse(&ctx, text);
    make_hessian_product(graph);
    const double a = -1.2, b = 0.7, v[2] = {0.3, -2};
    const Type *type = &graph->inputs.data[0]->type;
    RefTensor in[] = {tensor(&ctx, type, (double[]){a, b}), tensor(&ctx, type, v)};
    const RefTensor *found = &evaluate(graph, in)[1];
    assert_near(found->f[0], (1200 * a * a - 400 * b + 2) * v[0] - 400 * a * v[1], 1e-12);
    assert_near(found->f[1], -400 * a * v[0] + 200 * v[1], 1e-12);
    tn_ctx_free(&ctx);
}

/* H v of a convolution network's loss by the kernel: as the gradient changes along v. */
static void test_hessian_of_network(void **state) {
    (void)state;
    static const char text[] =
        "graph @t(%w: f64[2,1,2,2], %x: f64[1,1,4,3], %u: f64[2,3,2]) -> (%y) { %c = conv(%x, %w) "
        "{strides=[1,1], pads_lo=[0,0], pads_hi=[0,0], dilations=[1,1], in_dilations=[1,1]} %t = "
        "tanh(%c) %r = reshape(%t) {dims=[2,3,2]} %e = sub(%r, %u) %q = mul(%e, %e) %y = "
        "reduce_sum(%q) {axes=[0,1,2]} }";
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    Graph *graph = parse(&ctx, text);
    Graph *first = parse(&ctx, text);
    tn_graph_add_output(first, "g",
                        gradient(first, first->outputs.data[0].value, first->inputs.data[0]));
    make_hessian_product(graph);
    double values[12 + 3], moved[8];
    for (int k = 0; k < 12 + 3; k++) {
        values[k] = cos(2.3 * k) * 0.9;
    }
    RefTensor in[4];
    for (size_t i = 0; i < 4; i++) {
        in[i] = tensor(&ctx, &graph->inputs.data[i]->type, values + i);
    }
    const RefTensor *found = &evaluate(graph, in)[1];
    const double h = 1e-5;
    double change[2][8];
    for (int side = 0; side < 2; side++) {
        for (int k = 0; k < 8; k++) {
            moved[k] = in[0].f[k] + (side == 0 ? h : -h) * in[3].f[k];
        }
        RefTensor at[] = {tensor(&ctx, &graph->inputs.data[0]->type, moved), in[1], in[2]};
        memcpy(change[side], evaluate(first, at)[1].f, sizeof change[side]);
    }
    for (int k = 0; k < 8; k++) {
        assert_near(found->f[k], (change[0][k] - change[1][k]) / (2 * h), 1e-6);
    }
    tn_ctx_free(&ctx);
}

int main(void) {
    static const struct CMUnitTest own[] = {
        cmocka_unit_test(test_gradient_penalty),
        cmocka_unit_test(test_hessian_of_rosenbrock),
        cmocka_unit_test(test_hessian_of_network),
    };
    enum { OWN = sizeof own / sizeof *own };
    size_t n = 0;
    struct CMUnitTest *tests = calloc(OWN + COMPOSED + grad_n_cases, sizeof *tests);
    if (tests == NULL) {
        return 1;
    }
    for (; n < OWN; n++) {
        tests[n] = own[n];
    }
    for (size_t i = 0; i < COMPOSED + grad_n_cases; i++) {
        const GradCase *test = i < COMPOSED ? &composed[i] : &grad_cases[i - COMPOSED];
        void *state = (void *)(uintptr_t)test;
        tests[n++] = (struct CMUnitTest){test->name, test_twice, NULL, NULL, state};
    }
    int failed = _cmocka_run_group_tests("second", tests, n, NULL, NULL);
    free(tests);
    return failed;
}
