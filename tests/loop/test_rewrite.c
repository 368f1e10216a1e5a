/* test_rewrite.c: every schedule rewrite on random nests: the interpreter gives the same
 * result before and after, at several sizes, or the rewrite refused and changed nothing.
 *
 * Each row of the table must succeed on at least WANTED nests. Every nest, rewritten or not,
 * is also verified, and its text parsed and printed again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/nestgen.h"

enum { WANTED = 500, MOST_TRIES = 40000, RUNS = 3 };

/* Applies one rewrite at a random place of the kernel; false when refused. */
typedef bool ApplyFn(NestTest *test, Kernel *kernel);

typedef struct Row {
    const char *name;
    ApplyFn *apply;
    NestStyle styles[3];
    bool reorders; /* sums */
} Row;

/* ---- the rewrites ---- */

static bool split(NestTest *test, Kernel *kernel, SplitTail tail) {
    Stmt *loop = nest_random_loop(test, kernel);
    return loop != NULL && tn_loop_split(kernel, loop, nest_random(test, 1, 9), tail, NULL) != NULL;
}

static bool apply_split_exact(NestTest *test, Kernel *kernel) {
    return split(test, kernel, SPLIT_EXACT);
}
static bool apply_split_min(NestTest *test, Kernel *kernel) {
    return split(test, kernel, SPLIT_MIN);
}
static bool apply_split_peel(NestTest *test, Kernel *kernel) {
    return split(test, kernel, SPLIT_PEEL);
}

static bool apply_cut(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    const Dim *at = tn_dim_const(&test->ctx, nest_random(test, -1, 9));
    if (nest_random(test, 0, 2) == 0) {
        at = tn_dim_sub(&test->ctx, test->sizes[0], at);
    }
    return loop != NULL && tn_loop_cut(kernel, loop, at) != NULL;
}

static bool apply_swap(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    return loop != NULL && tn_loop_swap(kernel, loop);
}

static bool apply_raise(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    return loop != NULL && tn_loop_raise(kernel, loop, (int)nest_random(test, 1, 3));
}

static bool apply_fission(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    Stmt *last = loop != NULL ? loop->body : NULL;
    while (last != NULL && last->next != NULL && nest_random(test, 0, 1) == 0) {
        last = last->next;
    }
    return last != NULL && tn_loop_fission(kernel, loop, last) != NULL;
}

static bool apply_jam(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    return loop != NULL && tn_loop_jam(kernel, loop);
}

static bool apply_fuse(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    return loop != NULL && tn_loop_fuse(kernel, loop);
}

static bool apply_unroll(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    return loop != NULL && tn_loop_unroll(kernel, loop);
}

static bool apply_vectorize(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    return loop != NULL && tn_loop_vectorize(kernel, loop, 8);
}

static bool apply_partition(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    return loop != NULL && tn_loop_partition(kernel, loop);
}

static bool apply_partial(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    return loop != NULL && tn_loop_partial(kernel, loop, (int32_t)nest_random(test, 1, 8)) != NULL;
}

static bool apply_hoist(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    return loop != NULL && tn_loop_hoist(kernel, loop);
}

static bool apply_copy_prop(NestTest *test, Kernel *kernel) {
    (void)test;
    return tn_kernel_copy_prop(kernel);
}

typedef struct FirstLoad {
    const Expr *load;
    Stmt *stmt;
} FirstLoad;

static bool no_load(void *arg, Expr *expr) {
    FirstLoad *first = arg;
    if (expr->kind == EXPR_LOAD) {
        first->load = expr;
    }
    return first->load == NULL;
}

static bool find_load(void *arg, Stmt *stmt) {
    FirstLoad *first = arg;
    if (stmt->kind == STMT_FOR || tn_expr_visit(stmt->value, no_load, arg)) {
        return true;
    }
    first->stmt = stmt;
    return false;
}

/* Stages the first buffer read in a random loop, over the loops inside that its index uses. */
static bool apply_stage(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    FirstLoad first = {NULL, NULL};
    const Dim *vars[8];
    int n = 0;
    if (loop == NULL || tn_stmt_visit(loop->body, find_load, &first)) {
        return false;
    }
    for (Stmt *up = tn_loop_parent(kernel, first.stmt); up != NULL && n < 8;
         up = up == loop ? NULL : tn_loop_parent(kernel, up)) {
        if (tn_expr_uses(first.load, up->var)) {
            vars[n++] = up->var;
        }
    }
    return n > 0 && tn_loop_stage(kernel, loop, first.load->buf, vars, n) != NULL;
}

/* An array temp, made by partial sums or distribution, gets another shape. */
static bool apply_temp_split(NestTest *test, Kernel *kernel) {
    for (int i = 0; i < 8; i++) {
        apply_partial(test, kernel);
        apply_fission(test, kernel);
    }
    size_t n = kernel->temps.len;
    Temp *temp = n > 0 ? kernel->temps.data[nest_random(test, 0, (int64_t)n - 1)] : NULL;
    return temp != NULL && temp->rank > 0 &&
           tn_temp_split(kernel, temp, 0, (int32_t)nest_random(test, 1, 4));
}

static ApplyFn *const all_rewrites[] = {
    apply_split_exact, apply_split_min, apply_split_peel, apply_cut,     apply_swap,
    apply_raise,       apply_fission,   apply_jam,        apply_fuse,    apply_unroll,
    apply_vectorize,   apply_partition, apply_partial,    apply_hoist,   apply_copy_prop,
    apply_stage,       apply_swap,      apply_fission,    apply_fission, apply_raise,
};

/* Several rewrites one after another. */
static bool apply_schedule(NestTest *test, Kernel *kernel) {
    int applied = 0;
    size_t n = sizeof all_rewrites / sizeof all_rewrites[0];
    for (int tries = 0; tries < 24 && applied < 6; tries++) {
        applied += all_rewrites[nest_random(test, 0, (int64_t)n - 1)](test, kernel);
    }
    return applied >= 3;
}

static const Row rows[] = {
    {"split_exact", apply_split_exact, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, false},
    {"split_min", apply_split_min, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, false},
    {"split_peel", apply_split_peel, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, false},
    {"cut", apply_cut, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, false},
    {"swap", apply_swap, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, true},
    {"raise", apply_raise, {NEST_PERFECT, NEST_REDUCE, NEST_PERFECT}, true},
    {"fission", apply_fission, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, false},
    {"jam", apply_jam, {NEST_SIBLINGS, NEST_SIBLINGS, NEST_ANY}, false},
    {"fuse", apply_fuse, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, false},
    {"unroll", apply_unroll, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, false},
    {"vectorize", apply_vectorize, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, false},
    {"partition", apply_partition, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, false},
    {"partial", apply_partial, {NEST_REDUCE, NEST_REDUCE, NEST_ANY}, true},
    {"stage", apply_stage, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, false},
    {"hoist", apply_hoist, {NEST_PERFECT, NEST_ANY, NEST_PERFECT}, false},
    {"copy_prop", apply_copy_prop, {NEST_ANY, NEST_PERFECT, NEST_SIBLINGS}, false},
    {"temp_split", apply_temp_split, {NEST_REDUCE, NEST_REDUCE, NEST_ANY}, true},
    {"schedule", apply_schedule, {NEST_ANY, NEST_REDUCE, NEST_PERFECT}, true},
};

/* ---- comparison ---- */

/* The iterations of VECTOR and PARTITION loops are independent: run backwards, they give the
 * same. The variable v becomes extent - 1 - v. */
static void reverse_free_loops(Kernel *kernel) {
    Stmt *loops[64];
    size_t n = nest_loops(kernel, loops, 64);
    for (size_t i = 0; i < n; i++) {
        Stmt *loop = loops[i];
        if (loop->loop == LOOP_VECTOR || loop->loop == LOOP_PARTITION) {
            const Dim *last = tn_dim_addc(kernel->ctx, loop->extent, -1);
            const Dim *value = tn_dim_sub(kernel->ctx, last, loop->var);
            tn_stmt_subst(kernel, loop->body, &loop->var, &value, 1);
        }
    }
}

/* Past the limit on the length of cmocka's messages. */
static void show(NestTest *test, const Kernel *before, const Kernel *after) {
    fprintf(stderr, "%s\nfirst %s\nsecond %s\n", nest_diags(test), nest_text(before),
            after != NULL ? nest_text(after) : "none");
}

static void check_same(NestTest *test, const char *name, uint64_t seed, Kernel *before,
                       Kernel *after, bool reorders) {
    NestData a, b;
    for (int run = 0; run < RUNS; run++) {
        int64_t sizes[NEST_SIZES];
        nest_random_sizes(test, before, sizes);
        bool ok_before = nest_run(test, before, sizes, seed, &a);
        bool ok_after = nest_run(test, after, sizes, seed, &b);
        bool same = ok_before && ok_after && nest_data_equal(&a, &b, reorders);
        nest_data_free(&a);
        nest_data_free(&b);
        if (!same) {
            show(test, before, after);
            fail_msg("%s, seed %llu, N %d, M %d differs", name, (unsigned long long)seed,
                     (int)sizes[0], (int)sizes[1]);
        }
    }
}

static Kernel *parse_again(NestTest *test, Kernel *kernel) {
    Kernel *parsed = tn_kernel_parse(&test->ctx, tn_sv(nest_text(kernel)), "text");
    if (parsed == NULL) {
        show(test, kernel, NULL);
        fail_msg("text cannot be read");
    }
    return parsed;
}

/* The text survives; nested min and max may simplify when made anew, once. */
static void check_text(NestTest *test, const char *name, uint64_t seed, Kernel *kernel) {
    Kernel *first = parse_again(test, kernel);
    if (strcmp(nest_text(kernel), nest_text(first)) == 0) {
        return;
    }
    Kernel *second = parse_again(test, first);
    check_same(test, name, seed, kernel, first, false);
    if (strstr(nest_text(kernel), "min(") == NULL ||
        strcmp(nest_text(first), nest_text(second)) != 0) {
        show(test, kernel, first);
        fail_msg("%s, seed %llu: text does not survive", name, (unsigned long long)seed);
    }
}

/* One nest; whether the rewrite was applied. */
static bool try_row(const Row *row, uint64_t seed) {
    NestTest test;
    nest_set_up(&test, row->styles[seed % 3], seed);
    const char *before = nest_text(test.kernel);
    Kernel *after = tn_kernel_clone(test.kernel);
    assert_string_equal(before, nest_text(after));
    bool applied = row->apply(&test, after);
    if (applied) {
        if (!tn_kernel_verify(after)) {
            show(&test, test.kernel, after);
            fail_msg("%s, seed %llu: not well-formed", row->name, (unsigned long long)seed);
        }
        check_same(&test, row->name, seed, test.kernel, after, row->reorders);
        check_text(&test, row->name, seed, after);
        reverse_free_loops(after);
        check_same(&test, row->name, seed, test.kernel, after, row->reorders);
    } else if (row->apply != apply_schedule && row->apply != apply_temp_split) {
        assert_string_equal(before, nest_text(after));
    }
    assert_string_equal(before, nest_text(test.kernel));
    nest_tear_down(&test);
    return applied;
}

static void test_row(void **state) {
    const Row *row = *state;
    int applied = 0;
    uint64_t seed = 1;
    for (; seed < MOST_TRIES && applied < WANTED; seed++) {
        applied += try_row(row, seed);
    }
    print_message("%s: applied to %d of %d nests\n", row->name, applied, (int)seed - 1);
    assert_int_equal(applied, WANTED);
}

int main(void) {
    enum { N_ROWS = sizeof rows / sizeof rows[0] };
    struct CMUnitTest tests[N_ROWS];
    for (size_t i = 0; i < N_ROWS; i++) {
        tests[i] =
            (struct CMUnitTest){rows[i].name, test_row, NULL, NULL, (void *)(uintptr_t)&rows[i]};
    }
    return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
