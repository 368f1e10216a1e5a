/* test_loop.c: building, copying and substituting loop nests, and what the verifier says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/rewrite.h"

static int set_up(void **state) {
    static Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    *state = &ctx;
    return 0;
}

static int tear_down(void **state) {
    tn_ctx_free(*state);
    return 0;
}

static const char *print(Ctx *ctx, const Kernel *kernel) {
    StrBuf buf = tn_str(&ctx->arena);
    tn_kernel_print(kernel, &buf);
    return buf.data;
}

static const char *diags(Ctx *ctx) {
    StrBuf buf = tn_str(&ctx->arena);
    tn_str_puts(&buf, "");
    tn_diag_print(&ctx->diags, &buf);
    return buf.data;
}

static Kernel *parse(Ctx *ctx, const char *text) {
    Kernel *kernel = tn_kernel_parse(ctx, tn_sv(text), "test");
    if (kernel == NULL) {
        fail_msg("%s", diags(ctx));
    }
    return kernel;
}

/* ---- expressions ---- */

static void test_folding(void **state) {
    Ctx *ctx = *state;
    Expr *two = tn_expr_const_i(ctx, TN_I32, 2);
    Expr *one = tn_expr_number(ctx, TN_I32, 1);
    Expr *sum = tn_expr_map2(ctx, TN_OP_add, two, one);
    assert_int_equal(sum->kind, EXPR_CONST);
    assert_int_equal(sum->i, 3);
    Expr *less = tn_expr_map2(ctx, TN_OP_lt, one, two);
    assert_int_equal(less->dtype, TN_BOOL);
    assert_int_equal(less->i, 1);
    Expr *branches[] = {less, one, two};
    assert_ptr_equal(tn_expr_map(ctx, TN_OP_select, TN_DT_NONE, branches, 3), one);
    assert_ptr_equal(tn_expr_map(ctx, TN_OP_cast, TN_I32, &one, 1), one);
    assert_ptr_equal(tn_expr_guard(ctx, tn_dim_const(ctx, 0), one, two), two);
    assert_int_equal(tn_expr_index(ctx, TN_F32, tn_dim_const(ctx, 4))->kind, EXPR_CONST);
    /* Not floats: x + 0 is not x for -0. */
    Expr *zero = tn_expr_number(ctx, TN_F32, 0);
    assert_int_equal(tn_expr_map2(ctx, TN_OP_add, zero, zero)->kind, EXPR_MAP);
}

static void test_dtypes(void **state) {
    Ctx *ctx = *state;
    Expr *x = tn_expr_number(ctx, TN_F32, 1.5);
    assert_int_equal(tn_expr_map2(ctx, TN_OP_le, x, x)->dtype, TN_BOOL);
    assert_int_equal(tn_expr_map(ctx, TN_OP_cast, TN_I8, &x, 1)->dtype, TN_I8);
    assert_int_equal(tn_expr_map1(ctx, TN_OP_exp, x)->dtype, TN_F32);
}

/* A sum of 2^60 terms as a graph of 60: walks must not unfold it. */
static void test_shared_parts(void **state) {
    Ctx *ctx = *state;
    Kernel *kernel = tn_kernel_new(ctx, "shared");
    const Dim *extent = tn_dim_const(ctx, 4);
    Buf *buf = tn_kernel_buf(kernel, BUF_PARAM, TN_F64, 1, &extent);
    Stmt *loop = tn_stmt_for(kernel, "i", extent);
    Expr *sum = tn_expr_load(ctx, buf, &loop->var);
    for (int i = 0; i < 60; i++) {
        sum = tn_expr_map2(ctx, TN_OP_add, sum, sum);
    }
    loop->body = tn_stmt_store(kernel, buf, &loop->var, sum);
    kernel->body = loop;
    assert_true(tn_expr_uses(sum, loop->var));
    assert_true(tn_kernel_verify(kernel));
    assert_non_null(tn_loop_split(kernel, loop, 2, SPLIT_EXACT, NULL));
    Kernel *copy = tn_kernel_clone(kernel);
    double data[] = {1, 2, 3, 4};
    void *bufs[] = {data};
    int64_t symbols[1] = {0};
    assert_true(tn_kernel_interp(copy, bufs, symbols));
    assert_true(data[0] == 0x1p60 && data[3] == 0x1p62);
}

/* ---- statements ---- */

static const char nest[] = "kernel \"k\" {\n"
                           "  param b0: f32[8, 8]\n"
                           "  temp t0: f32[]\n"
                           "  for i0 in 8 {\n"
                           "    t0 = 0:f32\n"
                           "    for j1 in min(4, i0 + 1) {\n"
                           "      t0 add= b0[i0, j1]\n"
                           "    }\n"
                           "    b0[i0, 0] = t0\n"
                           "  }\n"
                           "}\n";

static void test_kernel_clone(void **state) {
    Ctx *ctx = *state;
    Kernel *kernel = parse(ctx, nest);
    Kernel *copy = tn_kernel_clone(kernel);
    assert_string_equal(print(ctx, copy), nest);
    assert_ptr_not_equal(copy->bufs.data[0], kernel->bufs.data[0]);
    assert_ptr_equal(copy->body->body->temp, copy->temps.data[0]);
    assert_true(tn_kernel_verify(copy));
    assert_non_null(tn_loop_split(copy, copy->body, 4, SPLIT_EXACT, NULL));
    copy->temps.data[0]->rank = 3;
    assert_string_equal(print(ctx, kernel), nest);
}

static void test_stmt_clone(void **state) {
    Ctx *ctx = *state;
    Kernel *kernel = parse(ctx, nest);
    tn_stmt_append(&kernel->body, tn_stmt_clone(kernel, kernel->body));
    assert_true(tn_kernel_verify(kernel)); /* no variable belongs to two loops */
    Stmt *copy = kernel->body->next;
    assert_ptr_not_equal(copy->var, kernel->body->var);
    assert_true(tn_dim_uses(copy->body->next->extent, copy->var));
}

/* An extent that changes gives its loop a variable of the new range. */
static void test_subst_extent(void **state) {
    Ctx *ctx = *state;
    Kernel *kernel = parse(ctx, nest);
    Stmt *outer = kernel->body;
    Stmt *inner = outer->body->next;
    const Dim *old = inner->var;
    const Dim *two = tn_dim_const(ctx, 1);
    tn_stmt_subst(kernel, outer->body, &outer->var, &two, 1);
    assert_true(tn_dim_is(inner->extent, 2));
    assert_ptr_not_equal(inner->var, old);
    assert_int_equal(inner->var->hi, 1);
    assert_true(tn_dim_is(inner->body->value->index[0], 1));
    assert_ptr_equal(inner->body->value->index[1], inner->var);
}

static void test_find(void **state) {
    Ctx *ctx = *state;
    Kernel *kernel = parse(ctx, nest);
    Stmt *outer = kernel->body;
    Stmt *inner = outer->body->next;
    assert_ptr_equal(tn_loop_parent(kernel, inner->body), inner);
    assert_ptr_equal(tn_loop_parent(kernel, inner), outer);
    assert_null(tn_loop_parent(kernel, outer));
    assert_ptr_equal(tn_loop_by_var(kernel, inner->var), inner);
    assert_null(tn_loop_by_var(kernel, tn_dim_const(ctx, 1)));
    assert_null(tn_loop_only_child(outer));
}

/* ---- verifier ---- */

typedef struct Fault {
    const char *name;
    void (*plant)(Kernel *kernel);
    const char *message;
} Fault;

/* The parts of `nest`. */
static Stmt *outer_of(Kernel *kernel) {
    return kernel->body;
}
static Stmt *inner_of(Kernel *kernel) {
    return kernel->body->body->next;
}
static Stmt *store_of(Kernel *kernel) {
    return inner_of(kernel)->next;
}

static void use_outside(Kernel *kernel) {
    Stmt *store = tn_stmt_store(kernel, store_of(kernel)->buf, store_of(kernel)->index,
                                tn_expr_number(kernel->ctx, TN_F32, 1));
    tn_stmt_append(&kernel->body, store);
}
static void share_var(Kernel *kernel) {
    inner_of(kernel)->var = outer_of(kernel)->var;
    inner_of(kernel)->extent = outer_of(kernel)->extent;
}
static void widen(Kernel *kernel) {
    outer_of(kernel)->extent = tn_dim_const(kernel->ctx, 9);
}
static void too_few_lanes(Kernel *kernel) {
    inner_of(kernel)->loop = LOOP_UNROLL;
    inner_of(kernel)->lanes = 3;
}
static void vector_bound(Kernel *kernel) {
    outer_of(kernel)->loop = LOOP_VECTOR;
    outer_of(kernel)->lanes = 8;
}
static void inner_partition(Kernel *kernel) {
    inner_of(kernel)->loop = LOOP_PARTITION;
}
static void vector_sum(Kernel *kernel) {
    inner_of(kernel)->loop = LOOP_VECTOR;
    inner_of(kernel)->lanes = 4;
}
static void undefined(Kernel *kernel) {
    kernel->body->body = inner_of(kernel);
}
static void wrong_rank(Kernel *kernel) {
    store_of(kernel)->n_index = 1;
}
static void wrong_dtype(Kernel *kernel) {
    store_of(kernel)->value = tn_expr_number(kernel->ctx, TN_F64, 1);
}
static void foreign_buf(Kernel *kernel) {
    store_of(kernel)->buf = tn_kernel_clone(kernel)->bufs.data[0];
}
static void wrong_op(Kernel *kernel) {
    inner_of(kernel)->body->op = TN_OP_sub;
}
static void unmarked(Kernel *kernel) {
    kernel->bufs.data[0]->written = false;
}
static void empty_body(Kernel *kernel) {
    inner_of(kernel)->body = NULL;
}

static const Fault faults[] = {
    {"variable out of scope", use_outside, "i0 is used outside of its loop"},
    {"variable of two loops", share_var, "i0 is the variable of two loops"},
    {"range of the variable", widen, "i0 may run past its variable's declared range"},
    {"lanes", too_few_lanes, "j1 may run more often than it has lanes"},
    {"bound inside a vector", vector_bound, "j1 has an extent that differs between the lanes"},
    {"inner partition", inner_partition, "j1 is partitioned but not at the top level"},
    {"lanes share a temp", vector_sum, "t0 is shared by the lanes that assign it"},
    {"undefined temp", undefined, "t0 is accumulated into before any definition"},
    {"rank", wrong_rank, "b0 is accessed with another number of indices"},
    {"element type", wrong_dtype, "a value has another element type than its place"},
    {"foreign buffer", foreign_buf, "a buffer of another kernel is accessed"},
    {"accumulation", wrong_op, "t0 is accumulated with something else"},
    {"written", unmarked, "b0 is stored to but not marked as written"},
    {"body", empty_body, "a loop lacks its variable, extent or body"},
};

static void test_faults(void **state) {
    Ctx *ctx = *state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        Kernel *kernel = parse(ctx, nest);
        assert_true(tn_kernel_verify(kernel));
        faults[i].plant(kernel);
        assert_false(tn_kernel_verify(kernel));
        const Diag *diag = &ctx->diags.items.data[ctx->diags.items.len - 1];
        if (strstr(diags(ctx), faults[i].message) == NULL) {
            fail_msg("%s: %s", faults[i].name, diag->text);
        }
        assert_int_equal(diag->status, TN_INTERNAL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folding, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dtypes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kernel_clone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stmt_clone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_subst_extent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
