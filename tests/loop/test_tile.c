/* test_tile.c: the register tile of a matrix product, built from rewrites, and what the
 * rewrites refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/nestgen.h"

typedef struct Product {
    NestTest test;
    Stmt *m, *n, *k;
    Stmt *acc;
} Product;

/* for m, n { acc = 0; for k { acc += a[m, k] * b[k, n] }; c[m, n] = acc } */
static void set_up(Product *product, const char *m, const char *n, const char *k) {
    NestTest *test = &product->test;
    nest_set_up(test, NEST_CLEAN, 1);
    StrBuf text = tn_str(&test->ctx.arena);
    tn_str_printf(&text,
                  "kernel \"product\" {\n param b0: f64[%s, %s]\n param b1: f64[%s, %s]\n"
                  " param b2: f64[%s, %s]\n temp t0: f64[]\n for m0 in %s {\n for n1 in %s {\n"
                  " t0 = 0:f64\n for k2 in %s {\n t0 add= mul(b0[m0, k2], b1[k2, n1])\n }\n"
                  " b2[m0, n1] = t0\n }\n }\n}",
                  m, k, k, n, m, n, m, n, k);
    test->kernel = tn_kernel_parse(&test->ctx, tn_sv(text.data), "product");
    assert_non_null(test->kernel);
    product->m = test->kernel->body;
    product->n = product->m->body;
    product->k = product->n->body->next;
    product->acc = product->k->body;
}

static void check_equal(Product *product, Kernel *before, const int64_t *sizes) {
    NestData a, b;
    assert_true(nest_run(&product->test, before, sizes, 3, &a));
    if (!nest_run(&product->test, product->test.kernel, sizes, 3, &b)) {
        fail_msg("%s", nest_diags(&product->test));
    }
    assert_true(nest_data_equal(&a, &b, false));
    nest_data_free(&a);
    nest_data_free(&b);
}

/* Parts `loop` around the reduction: what is set before, the reduction, what follows. */
static Stmt *part_in_three(Kernel *kernel, Stmt *loop) {
    Stmt *middle = tn_loop_fission(kernel, loop, loop->body);
    assert_non_null(middle);
    assert_non_null(tn_loop_fission(kernel, middle, middle->body));
    return middle;
}

static void tile(Product *product, SplitTail tail) {
    Kernel *kernel = product->test.kernel;
    Stmt *rows = tn_loop_split(kernel, product->m, 3, tail, NULL);
    assert_true(tn_loop_swap(kernel, rows));
    Stmt *columns = tn_loop_split(kernel, product->n, 8, tail, NULL);
    assert_true(tn_loop_swap(kernel, columns));
    Stmt *lanes = tn_loop_split(kernel, columns, 4, SPLIT_MIN, NULL);
    Stmt *middle[3];
    middle[2] = part_in_three(kernel, lanes);
    middle[1] = part_in_three(kernel, columns);
    middle[0] = part_in_three(kernel, rows);
    assert_true(tn_loop_raise(kernel, product->k, 3));
    assert_true(tn_loop_vectorize(kernel, middle[2], 4));
    assert_true(tn_loop_unroll(kernel, middle[1]));
    assert_true(tn_loop_unroll(kernel, middle[0]));
    assert_true(tn_loop_partition(kernel, product->m));
    assert_true(tn_kernel_verify(kernel));
    assert_ptr_equal(product->k->body, middle[0]);
    assert_ptr_equal(middle[0]->body, middle[1]);
    assert_ptr_equal(middle[1]->body, middle[2]);
}

static void test_tile(void **state) {
    static const char *const extents[][3] = {
        {"N", "M", "5"}, {"N", "16", "M"}, {"6", "8", "N"}, {"7", "N", "3"}};
    static const int64_t sizes[][NEST_SIZES] = {{0, 3}, {1, 1}, {3, 8}, {7, 17}, {12, 9}};
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        Product product;
        const char *const *e = extents[i / 2];
        set_up(&product, e[0], e[1], e[2]);
        Kernel *before = tn_kernel_clone(product.test.kernel);
        tile(&product, i % 2 == 0 ? SPLIT_MIN : SPLIT_PEEL);
        const Temp *acc = product.test.kernel->temps.data[0];
        assert_int_equal(acc->rank, 3);
        assert_int_equal(acc->extents[0], 3);
        assert_int_equal(acc->extents[1], 2);
        assert_int_equal(acc->extents[2], 4);
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            check_equal(&product, before, sizes[s]);
        }
        nest_tear_down(&product.test);
    }
}

/* A panel of b is copied before the rows run over it. */
static void test_stage(void **state) {
    static const int64_t sizes[] = {7, 5};
    Product product;
    (void)state;
    set_up(&product, "N", "16", "M");
    Kernel *kernel = product.test.kernel;
    Kernel *before = tn_kernel_clone(kernel);
    Stmt *inner = tn_loop_split(kernel, product.n, 4, SPLIT_EXACT, NULL);
    assert_true(tn_loop_swap(kernel, product.m));
    const Dim *vars[2] = {product.k->var, inner->var};
    Stmt *fill = tn_loop_stage(kernel, product.m, kernel->bufs.data[1], vars, 2);
    assert_non_null(fill);
    assert_ptr_equal(fill->next, product.m);
    assert_int_equal(kernel->bufs.len, 4);
    const Buf *local = kernel->bufs.data[3];
    assert_int_equal(local->kind, BUF_LOCAL);
    assert_ptr_equal(local->dims[0], product.test.sizes[1]);
    assert_true(tn_dim_is(local->dims[1], 4));
    assert_true(tn_kernel_verify(kernel));
    check_equal(&product, before, sizes);
    nest_tear_down(&product.test);
}

/* Partial sums start before and end behind the whole reduction, not in its outer loop. */
static void test_partial(void **state) {
    Product product;
    (void)state;
    set_up(&product, "N", "3", "24");
    Kernel *kernel = product.test.kernel;
    Stmt *k = tn_loop_split(kernel, product.k, 12, SPLIT_EXACT, NULL);
    Stmt *lanes = tn_loop_partial(kernel, k, 4);
    assert_non_null(lanes);
    assert_true(tn_loop_vectorize(kernel, lanes, 4));
    Stmt *first = product.n->body->next;
    assert_int_equal(first->body->kind, STMT_DEF);
    assert_ptr_equal(first->next, product.k);
    assert_int_equal(product.k->next->body->kind, STMT_ACC);
    assert_int_equal(kernel->temps.data[1]->extents[0], 4);
    nest_tear_down(&product.test);
}

/* ---- refusals ---- */

typedef struct Refusal {
    const char *what;
    const char *text;
    bool (*apply)(Kernel *kernel, Stmt *outer);
} Refusal;

static bool do_swap(Kernel *kernel, Stmt *outer) {
    return tn_loop_swap(kernel, outer);
}
static bool do_jam(Kernel *kernel, Stmt *outer) {
    return tn_loop_jam(kernel, outer);
}
static bool do_fission(Kernel *kernel, Stmt *outer) {
    return tn_loop_fission(kernel, outer, outer->body) != NULL;
}
static bool do_vectorize(Kernel *kernel, Stmt *outer) {
    return tn_loop_vectorize(kernel, outer, 8);
}
static bool do_partition(Kernel *kernel, Stmt *outer) {
    return tn_loop_partition(kernel, outer);
}
static bool do_split(Kernel *kernel, Stmt *outer) {
    return tn_loop_split(kernel, outer, 4, SPLIT_EXACT, NULL) != NULL;
}
static bool do_unroll(Kernel *kernel, Stmt *outer) {
    return tn_loop_unroll(kernel, outer);
}
static bool do_hoist(Kernel *kernel, Stmt *outer) {
    return tn_loop_hoist(kernel, outer);
}
static bool do_partial(Kernel *kernel, Stmt *outer) {
    return tn_loop_partial(kernel, outer, 4) != NULL;
}

/* Declarations common to all: two vectors and a temp. */
#define HEAD "kernel \"k\" {\n param b0: f64[20]\n param b1: f64[20, 20]\n temp t0: f64[]\n"

static const Refusal refusals[] = {
    {"swap: an element of the row above right",
     HEAD "for i0 in 8 { for i1 in 8 { b1[i0 + 1, i1] = b1[i0, i1 + 1] } } }", do_swap},
    {"swap: the inner bound uses the outer variable",
     HEAD "for i0 in 8 { for i1 in i0 { b1[i0, i1] = 0:f64 } } }", do_swap},
    {"swap: a temp carries a value",
     HEAD "t0 = 0:f64 for i0 in 8 { for i1 in 8 { t0 = sub(b1[i0, i1], t0) } } }", do_swap},
    {"jam: the second reads what the first writes later",
     HEAD "for i0 in 8 { b0[i0] = 1:f64 } for i1 in 8 { b1[0, i1] = b0[i1 + 1] } }", do_jam},
    {"jam: other extents",
     HEAD "for i0 in 8 { b0[i0] = 1:f64 } for i1 in 7 { b0[i1 + 9] = 2:f64 } }", do_jam},
    {"fission: the second part feeds the next iteration of the first",
     HEAD "for i0 in 8 { b1[0, i0] = b0[i0] b0[i0 + 1] = 2:f64 } }", do_fission},
    {"fission: a running value crosses",
     HEAD "t0 = 0:f64 for i0 in 8 { t0 = add(t0, b0[i0]) b1[0, i0] = t0 } }", do_fission},
    {"vectorize: neighbours depend on each other", HEAD "for i0 in 8 { b0[i0 + 1] = b0[i0] } }",
     do_vectorize},
    {"vectorize: more iterations than lanes", HEAD "for i0 in 9 { b0[i0] = 1:f64 } }",
     do_vectorize},
    {"vectorize: an inner bound differs between lanes",
     HEAD "for i0 in 8 { for i1 in i0 { b1[i0, i1] = 0:f64 } } }", do_vectorize},
    {"vectorize: one accumulator for all", HEAD "t0 = 0:f64 for i0 in 8 { t0 add= b0[i0] } }",
     do_vectorize},
    {"partition: all write one element", HEAD "for i0 in 8 { b0[0] = b1[0, i0] } }", do_partition},
    {"partition: halves collide", HEAD "for i0 in 8 { b0[i0 / 2] = b1[0, i0] } }", do_partition},
    {"split: not a multiple", HEAD "for i0 in 9 { b0[i0] = 1:f64 } }", do_split},
    {"unroll: no constant bound",
     "kernel \"k\" { symbol N dim 0.. param b0: f64[N] for i0 in N { b0[i0] = 1:f64 } }",
     do_unroll},
    {"hoist: the loop may never run and the read be outside",
     "kernel \"k\" { symbol N dim 0.. param b0: f64[N] temp t0: f64[]\n"
     "for i0 in N { t0 = b0[0] b0[i0] = t0 } }",
     do_hoist},
    {"hoist: the loop writes what is read",
     HEAD "for i0 in 8 { t0 = b0[0] b0[i0] = add(t0, 1:f64) } }", do_hoist},
    {"partition: a remainder that reaches the next place",
     "kernel \"k\" { param b0: f64[15, 13]\n"
     "for i0 in 9 { for i1 in 5 { for i2 in 4 {"
     " b0[i1 * 3 + i0 / 3, i2 * 3 + i0 % 4] = 1:f64 } } } }",
     do_partition},
    {"partial: every element has its own accumulator",
     "kernel \"k\" { param b0: f64[20] temp t0: f64[8]\n"
     "for i0 in 8 { t0[i0] = 0:f64 } for i1 in 8 { t0[i1] add= b0[i1] } }",
     do_partial},
};

static void test_refusal(void **state) {
    const Refusal *refusal = *state;
    NestTest test;
    nest_set_up(&test, NEST_CLEAN, 1);
    Kernel *kernel = tn_kernel_parse(&test.ctx, tn_sv(refusal->text), "refusal");
    if (kernel == NULL) {
        fail_msg("%s", nest_diags(&test));
    }
    const char *before = nest_text(kernel);
    Stmt *loop = kernel->body;
    while (loop->kind != STMT_FOR) {
        loop = loop->next;
    }
    if (refusal->apply == do_partial) {
        loop = loop->next;
    }
    assert_false(refusal->apply(kernel, loop));
    assert_string_equal(before, nest_text(kernel));
    nest_tear_down(&test);
}

/* Blocked layouts and joined loops: x / c and x % c tell iterations apart. */
static void test_quotients(void **state) {
    static const char *const independent[] = {
        "kernel \"k\" { param b0: f32[4, 9, 16] for i0 in 64 { for i1 in 9 {"
        " b0[i0 / 16, i1, i0 % 16] = 1:f32 } } }",
        "kernel \"k\" { symbol N dim 0.. symbol M dim 0.. param b0: f32[N, M]"
        " for i0 in N * M { b0[i0 / M, i0 % M] = 1:f32 } }",
        "kernel \"k\" { param b0: f32[15, 12] for i0 in 9 { for i1 in 5 { for i2 in 4 {"
        " b0[i1 * 3 + i0 / 3, i2 * 3 + i0 % 3] = 1:f32 } } } }",
        "kernel \"k\" { param b0: f32[15, 12] for i1 in 5 { for i0 in 9 { for i2 in 4 {"
        " b0[i1 * 3 + i0 / 3, i2 * 3 + i0 % 3] = 1:f32 } } } }",
    };
    (void)state;
    for (size_t i = 0; i < sizeof independent / sizeof independent[0]; i++) {
        NestTest test;
        nest_set_up(&test, NEST_CLEAN, 1);
        Kernel *kernel = tn_kernel_parse(&test.ctx, tn_sv(independent[i]), "quotients");
        assert_non_null(kernel);
        assert_true(tn_loop_partition(kernel, kernel->body));
        nest_tear_down(&test);
    }
}

int main(void) {
    enum { N_REFUSALS = sizeof refusals / sizeof refusals[0], N_OTHERS = 4 };
    struct CMUnitTest tests[N_OTHERS + N_REFUSALS] = {
        cmocka_unit_test(test_tile), cmocka_unit_test(test_stage), cmocka_unit_test(test_partial),
        cmocka_unit_test(test_quotients)};
    for (size_t i = 0; i < N_REFUSALS; i++) {
        tests[N_OTHERS + i] = (struct CMUnitTest){refusals[i].what, test_refusal, NULL, NULL,
                                                  (void *)(uintptr_t)&refusals[i]};
    }
    return cmocka_run_group_tests_name("tile", tests, NULL, NULL);
}
