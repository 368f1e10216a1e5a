/* test_builder.c: graphs made by calls, on the reference evaluator.
 *
 * A tn_graph is a Graph, so that no compiler object is needed here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/frontend.h"
#include "ir/op.h"
#include "tenon/tenon.h"

typedef struct Fixture {
    Ctx ctx;
    tn_graph *graph;
} Fixture;

static void start(Fixture *f) {
    tn_ctx_init(&f->ctx, NULL);
    f->graph = (tn_graph *)tn_graph_new(&f->ctx, "g");
}

/* Evaluates the graph, whose one input is f32[2,3] 1..6. */
static RefTensor run(Fixture *f) {
    double values[] = {1, 2, 3, 4, 5, 6};
    RefTensor in = {.dtype = TN_F32, .rank = 2, .dims = {2, 3}, .count = 6, .f = values};
    RefTensor out = {0};
    assert_true(tn_eval_graph((Graph *)f->graph, &in, &f->ctx.arena, &out, NULL, NULL));
    return out;
}

static void test_network(void **state) {
    (void)state;
    Fixture f;
    start(&f);
    tn_value *x = tn_input(f.graph, "x", TN_F32, 2, (int64_t[]){0, 3}, (const char *[]){"N", ""});
    tn_value *w = tn_constant(f.graph, TN_F32, 2, (int64_t[]){3, 2}, (float[]){1, 0, 0, 1, 1, 1});
    tn_value *y = tn_matmul(f.graph, x, w); /* [4,5], [10,11] */
    y = tn_sub(f.graph, y, tn_scalar(f.graph, TN_F32, 5));
    y = tn_relu(f.graph, y); /* [0,0], [5,6] */
    y = tn_transpose(f.graph, y, (int32_t[]){1, 0});
    y = tn_reshape(f.graph, y, 1, (int64_t[]){-1});
    tn_output(f.graph, "y", tn_mul(f.graph, y, tn_add(f.graph, y, y)));
    RefTensor out = run(&f);
    assert_int_equal(out.rank, 1);
    assert_int_equal(out.count, 4);
    assert_true(out.f[0] == 0 && out.f[1] == 50 && out.f[2] == 0 && out.f[3] == 72);
    assert_int_equal(tn_diag_status(&f.ctx.diags), TN_OK);
    tn_ctx_free(&f.ctx);
}

static void test_attributes(void **state) {
    (void)state;
    Fixture f;
    start(&f);
    tn_value *x = tn_input(f.graph, "x", TN_F32, 2, (int64_t[]){2, 3}, NULL);
    tn_value *y = tn_apply(f.graph, "LeakyRelu", (tn_value *[]){x}, 1, "alpha=1");
    y = tn_apply(f.graph, "ReduceMean", (tn_value *[]){y}, 1, "keepdims=0");
    y = tn_div(f.graph, y, tn_apply(f.graph, "Constant", NULL, 0, "value_floats=[0.5, 2]"));
    y = tn_softmax(f.graph, tn_apply(f.graph, "Identity", &y, 1, ""), -1);
    y = tn_apply(f.graph, "ArgMax", &y, 1, "axis=-1, keepdims=0, select_last_index=0");
    tn_output(f.graph, "y", y);
    RefTensor out = run(&f);
    assert_true(out.dtype == TN_I64 && out.rank == 0 && out.i[0] == 0);
    y = tn_apply(
        f.graph, "Pad",
        (tn_value *[]){x, tn_constant(f.graph, TN_I64, 1, (int64_t[]){4}, (int64_t[]){0, 1, 0, 0})},
        2, "mode=\"edge\"");
    assert_non_null(y);
    assert_true(tn_dim_is(((Value *)y)->type.dims[1], 4));
    tn_ctx_free(&f.ctx);
}

/* After the first mistake everything is NULL, and only that mistake is reported. */
static void test_mistakes(void **state) {
    (void)state;
    static const struct {
        const char *op, *attributes, *text;
    } cases[] = {
        {"Softmaxx", NULL, "no such operator"}, {"Softmax", "axis", "expected"},
        {"Softmax", "axis=", "expected"},       {"Softmax", "axis=1 axis=2", "expected"},
        {"Softmax", "axis=[1", "expected"},     {"Softmax", "axis=1.5", "expected an int"},
        {"Softmax", "axes=1", "unknown"},       {"Softmax", "axis=7", "outside"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Fixture f;
        start(&f);
        tn_value *x = tn_input(f.graph, "x", TN_F32, 2, (int64_t[]){2, 3}, NULL);
        tn_value *y = tn_apply(f.graph, cases[i].op, &x, 1, cases[i].attributes);
        assert_null(y);
        assert_null(tn_relu(f.graph, tn_add(f.graph, x, y)));
        tn_output(f.graph, "y", y);
        StrBuf text = tn_str(&f.ctx.arena);
        tn_diag_print(&f.ctx.diags, &text);
        assert_int_equal(f.ctx.diags.items.len, 1);
        if (strstr(text.data, cases[i].text) == NULL) {
            fail_msg("'%s' does not hold '%s'", text.data, cases[i].text);
        }
        tn_ctx_free(&f.ctx);
    }
}

static void test_bad_inputs(void **state) {
    (void)state;
    Fixture f;
    start(&f);
    const int64_t dims[] = {2, -3};
    assert_null(tn_input(f.graph, "x", TN_F16, 1, dims, NULL));
    assert_null(tn_input(f.graph, "x", TN_F32, 2, dims, NULL));
    assert_null(tn_input(f.graph, "x", TN_F32, 99, dims, NULL));
    assert_null(tn_input(f.graph, "", TN_F32, 1, dims, NULL));
    assert_null(tn_input(f.graph, "x", TN_F32, 1, dims, (const char *[]){"a b"}));
    assert_null(tn_constant(f.graph, TN_STRING, 1, dims, "ab"));
    assert_null(tn_constant(f.graph, TN_F32, 2, dims, "ab"));
    assert_null(tn_scalar(f.graph, TN_BF16, 1));
    assert_int_equal(f.ctx.diags.items.len, 8);
    assert_non_null(tn_input(f.graph, "x", TN_F32, 1, dims, NULL));
    assert_null(tn_input(f.graph, "x", TN_F32, 1, dims, NULL));
    assert_null(tn_relu(NULL, NULL));
    tn_ctx_free(&f.ctx);
}

/* Running out of memory at any point gives NULL and leaves the caller's escape in place. */
static void test_out_of_memory(void **state) {
    (void)state;
    for (long n = 1; n < 200; n++) {
        Fixture f;
        jmp_buf escape;
        start(&f);
        f.ctx.arena.on_oom = f.ctx.scratch.on_oom = &escape;
        tn_value *x = tn_input(f.graph, "x", TN_F32, 2, (int64_t[]){2, 3}, NULL);
        f.ctx.arena.fail_after = n;
        tn_value *y = tn_apply(f.graph, "Softmax", &x, 1, "axis=1");
        assert_true(y == NULL || f.ctx.arena.fail_after > 0);
        assert_ptr_equal(f.ctx.arena.on_oom, &escape);
        f.ctx.arena.fail_after = 0;
        tn_ctx_free(&f.ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network),       cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_mistakes),      cmocka_unit_test(test_bad_inputs),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
