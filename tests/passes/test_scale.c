/* test_scale.c: the graph passes take time in proportion to the graph.
 *
 * Each shape of graph is built with n and 4n nodes; a quadratic pass would take 16 times as
 * long on the larger, and the test allows 10 (and some for the clock).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "ir/build.h"
#include "passes/pass.h"

enum { SMALL = 16000, LARGE = 4 * SMALL };

typedef Value *GrowFn(Build *build, Value *x, int n);

/* ---- shapes ---- */

static Value *grow_maps(Build *build, Value *x, int n) {
    Value *y = x;
    for (int i = 0; i < n / 4; i++) {
        y = tn_build_map2(build, TN_OP_add, tn_build_map1(build, TN_OP_tanh, y), x);
        y = tn_build_map2(build, TN_OP_mul, y, tn_build_number(build, &y->type, 0.5));
    }
    return y;
}

/* All of which cancel or join. */
static Value *grow_views(Build *build, Value *x, int n) {
    const Dim *flat = tn_type_count(build->graph->ctx, &x->type);
    static const int64_t turn[2] = {1, 0};
    for (int i = 0; i < n / 4; i++) {
        x = tn_build_transpose(build, tn_build_transpose(build, x, turn), turn);
        Type type = x->type;
        x = tn_build_reshape(build, tn_build_reshape(build, x, 1, &flat), type.rank, type.dims);
    }
    return x;
}

static Value *grow_equal(Build *build, Value *x, int n) {
    Value *sum = x;
    for (int i = 0; i < n / 2; i++) {
        sum = tn_build_map2(build, TN_OP_add, sum, tn_build_map1(build, TN_OP_exp, x));
    }
    return sum;
}

static Value *grow_concat(Build *build, Value *x, int n) {
    Value *y = x;
    Attr axis = tn_attr_of_int(TN_ATTR_axis, 0);
    for (int i = 0; i < n; i++) {
        y = tn_build_node(build, TN_OP_concat, (Value *[]){y, x}, 2, &axis, 1);
    }
    return y;
}

/* Different data of the same size, each a fold. */
static Value *grow_consts(Build *build, Value *x, int n) {
    Ctx *ctx = build->graph->ctx;
    for (int i = 0; i < n / 3; i++) {
        float *bytes = TN_NEW_ARRAY(&ctx->arena, float, 6);
        for (int k = 0; k < 6; k++) {
            bytes[k] = (float)(i * 7 + k);
        }
        Value *data = tn_build_const(build, &x->type, bytes);
        x = tn_build_map2(build, TN_OP_add, x, tn_build_map1(build, TN_OP_neg, data));
    }
    return x;
}

/* ---- timing ---- */

/* Of this process, whatever else the machine does. */
static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Time of the graph passes of this folder: those before layout. */
static double time_passes(GrowFn *grow, int n) {
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    Compile compile = {.ctx = &ctx, .options = {.opt_level = 1, .threads = 1}};
    compile.graph = tn_graph_new(&ctx, "scale");
    const Dim *dims[2] = {tn_dim_const(&ctx, 2), tn_dim_const(&ctx, 3)};
    Value *x = tn_graph_add_input(compile.graph, "x", tn_type_make(TN_F32, 2, dims));
    Build build = {.graph = compile.graph};
    tn_graph_add_output(compile.graph, "y", grow(&build, x, n));
    double start = seconds();
    static const char *const names[] = {"infer", "simplify", "fold", "bnfold", "cse", "dce"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(tn_pass_run(&compile, tn_pass_by_name(tn_sv(names[i]))));
    }
    double time = seconds() - start;
    assert_int_equal(ctx.diags.items.len, 0);
    tn_ctx_free(&ctx);
    return time;
}

static void check_scale(GrowFn *grow) {
    double small = time_passes(grow, SMALL);
    double large = time_passes(grow, LARGE);
    if (large > 10 * small + 0.2) {
        fail_msg("%d nodes take %.3f s, %d nodes %.3f s", SMALL, small, LARGE, large);
    }
}

static void test_maps(void **state) {
    (void)state;
    check_scale(grow_maps);
}

static void test_views(void **state) {
    (void)state;
    check_scale(grow_views);
}

static void test_equal_nodes(void **state) {
    (void)state;
    check_scale(grow_equal);
}

static void test_nested_concats(void **state) {
    (void)state;
    check_scale(grow_concat);
}

static void test_constants(void **state) {
    (void)state;
    check_scale(grow_consts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps),        cmocka_unit_test(test_views),
        cmocka_unit_test(test_equal_nodes), cmocka_unit_test(test_nested_concats),
        cmocka_unit_test(test_constants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
