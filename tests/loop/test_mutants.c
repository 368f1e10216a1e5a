/* test_mutants.c: the comparison that test_rewrite.c relies on notices broken rewrites.
 *
 * Kernels in which every statement matters are rewritten correctly, then damaged in one
 * place, as a wrong rewrite would: a loop too long or too short, a tail or statement left out, an
 * index with a stale or missing variable or offset, an accumulator started or combined
 * wrongly. A run must fail or its result differ at one of a handful of sizes. Some damage
 * changes nothing and cannot be noticed: to which of several partial sums an element is added,
 * an iteration more that writes what a tail behind it writes again, a reduction over a single
 * element. So LEAST_PERCENT of each kind must be caught.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/nestgen.h"

enum { NESTS = 50, LEAST_PERCENT = 98, MAX_SITES = 256, MAX_LOOPS = 64 };

/* ---- correct rewrites ---- */

typedef bool ApplyFn(NestTest *test, Kernel *kernel, Stmt *loop);

static bool apply_nothing(NestTest *test, Kernel *kernel, Stmt *loop) {
    (void)test;
    (void)kernel;
    return loop != NULL;
}
static bool apply_min(NestTest *test, Kernel *kernel, Stmt *loop) {
    return tn_loop_split(kernel, loop, nest_random(test, 2, 4), SPLIT_MIN, NULL) != NULL;
}
static bool apply_peel(NestTest *test, Kernel *kernel, Stmt *loop) {
    return tn_loop_split(kernel, loop, nest_random(test, 2, 4), SPLIT_PEEL, NULL) != NULL;
}
static bool apply_cut(NestTest *test, Kernel *kernel, Stmt *loop) {
    return tn_loop_cut(kernel, loop, tn_dim_const(&test->ctx, nest_random(test, 1, 2))) != NULL;
}
static bool apply_swap(NestTest *test, Kernel *kernel, Stmt *loop) {
    (void)test;
    return tn_loop_swap(kernel, loop);
}
static bool apply_fuse(NestTest *test, Kernel *kernel, Stmt *loop) {
    (void)test;
    return tn_loop_fuse(kernel, loop);
}
static bool apply_fission(NestTest *test, Kernel *kernel, Stmt *loop) {
    (void)test;
    return tn_loop_fission(kernel, loop, loop->body) != NULL;
}
static bool apply_partial(NestTest *test, Kernel *kernel, Stmt *loop) {
    return tn_loop_partial(kernel, loop, (int32_t)nest_random(test, 2, 3)) != NULL;
}

static bool is_load(void *arg, Expr *expr) {
    const Expr **found = arg;
    if (expr->kind == EXPR_LOAD && expr->n_index > 0) {
        *found = expr;
    }
    return *found == NULL;
}

static bool apply_stage(NestTest *test, Kernel *kernel, Stmt *loop) {
    const Dim *vars[MAX_LOOPS];
    const Expr *load = NULL;
    int n = 0;
    (void)test;
    for (Stmt *stmt = loop; stmt != NULL; stmt = stmt->kind == STMT_FOR ? stmt->body : NULL) {
        if (stmt->kind == STMT_FOR) {
            vars[n++] = stmt->var;
        } else {
            tn_expr_visit(stmt->value, is_load, &load);
        }
    }
    int used = 0;
    for (int i = 0; load != NULL && i < n; i++) {
        if (tn_expr_uses(load, vars[i])) {
            vars[used++] = vars[i];
        }
    }
    return used > 0 && tn_loop_stage(kernel, loop, load->buf, vars, used) != NULL;
}

static const struct {
    const char *name;
    ApplyFn *apply;
} rewrites[] = {
    {"nothing", apply_nothing}, {"split_min", apply_min},   {"split_peel", apply_peel},
    {"cut", apply_cut},         {"swap", apply_swap},       {"fuse", apply_fuse},
    {"fission", apply_fission}, {"partial", apply_partial}, {"stage", apply_stage},
};

/* ---- damage ---- */

/* One index of one access. */
typedef struct Site {
    Stmt *stmt;
    Expr *read; /* NULL: what the statement assigns */
    int dim;
} Site;

typedef struct Sites {
    Stmt *current;
    Site data[MAX_SITES];
    int n;
} Sites;

static void add_sites(Sites *sites, Expr *read, int n_index) {
    for (int d = 0; d < n_index && sites->n < MAX_SITES; d++) {
        sites->data[sites->n++] = (Site){sites->current, read, d};
    }
}

static bool add_read(void *arg, Expr *expr) {
    add_sites(arg, expr, expr->n_index);
    return true;
}

static bool add_stmt(void *arg, Stmt *stmt) {
    Sites *sites = arg;
    if (stmt->kind == STMT_FOR) {
        return true;
    }
    sites->current = stmt;
    add_sites(sites, NULL, stmt->n_index);
    return tn_expr_visit(stmt->value, add_read, sites);
}

typedef struct Exchange {
    const Expr *from;
    Expr *to;
} Exchange;

static Expr *exchange(void *arg, Expr *expr) {
    const Exchange *change = arg;
    return expr == change->from ? change->to : expr;
}

static const Dim *site_index(const Site *site) {
    return site->read != NULL ? site->read->index[site->dim] : site->stmt->index[site->dim];
}

static void set_index(Kernel *kernel, const Site *site, const Dim *value) {
    const Dim *index[TN_MAX_RANK + 4];
    const Expr *read = site->read;
    int n = read != NULL ? read->n_index : site->stmt->n_index;
    for (int d = 0; d < n; d++) {
        index[d] = d == site->dim ? value : (read != NULL ? read->index[d] : site->stmt->index[d]);
    }
    if (read == NULL) {
        site->stmt->index =
            tn_arena_copy(&kernel->ctx->arena, index, (size_t)n * sizeof(const Dim *));
        return;
    }
    Exchange change = {read, read->kind == EXPR_TEMP ? tn_expr_temp(kernel->ctx, read->temp, index)
                                                     : tn_expr_load(kernel->ctx, read->buf, index)};
    site->stmt->value = tn_expr_rewrite(kernel->ctx, site->stmt->value, exchange, &change);
}

static Site *random_site(NestTest *test, Kernel *kernel, Sites *sites) {
    *sites = (Sites){0};
    tn_stmt_visit(kernel->body, add_stmt, sites);
    return sites->n > 0 ? &sites->data[nest_random(test, 0, sites->n - 1)] : NULL;
}

typedef bool DamageFn(NestTest *test, Kernel *kernel);

static bool has_free_extent(void *arg, Stmt *stmt) {
    return stmt->kind != STMT_FOR || !tn_dim_uses(stmt->extent, arg);
}

/* Not a loop that clips the one inside, nor one whose variable is known to be 0: another
 * iteration of these does nothing, or the same again. */
static bool lengthen(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    if (loop->var->hi == 0 ||
        !tn_stmt_visit(loop->body, has_free_extent, (void *)(uintptr_t)loop->var)) {
        return false;
    }
    loop->extent = tn_dim_addc(kernel->ctx, loop->extent, 1);
    return true;
}

static bool shorten(NestTest *test, Kernel *kernel) {
    Stmt *loop = nest_random_loop(test, kernel);
    loop->extent = tn_dim_addc(kernel->ctx, loop->extent, -1);
    return true;
}

static bool move_index(NestTest *test, Kernel *kernel) {
    Sites sites;
    const Site *site = random_site(test, kernel, &sites);
    if (site != NULL) {
        set_index(kernel, site, tn_dim_addc(kernel->ctx, site_index(site), 1));
    }
    return site != NULL;
}

/* Loops around the site whose variable is in its index and takes more than one value. */
static int used_loops(Kernel *kernel, const Site *site, Stmt **out) {
    int n = 0;
    for (Stmt *up = tn_loop_parent(kernel, site->stmt); up != NULL;
         up = tn_loop_parent(kernel, up)) {
        if (up->var->hi > 0 && tn_dim_uses(site_index(site), up->var)) {
            out[n++] = up;
        }
    }
    return n;
}

/* A variable of the index is forgotten. */
static bool drop_var(NestTest *test, Kernel *kernel) {
    Sites sites;
    Stmt *loops[MAX_LOOPS];
    const Site *site = random_site(test, kernel, &sites);
    int n = site != NULL ? used_loops(kernel, site, loops) : 0;
    if (n == 0) {
        return false;
    }
    const Dim *zero = tn_dim_const(kernel->ctx, 0);
    const Dim *var = loops[nest_random(test, 0, n - 1)]->var;
    set_index(kernel, site, tn_dim_subst(kernel->ctx, site_index(site), &var, &zero, 1));
    return true;
}

/* A variable of the index is taken for that of another loop around. */
static bool mistake_var(NestTest *test, Kernel *kernel) {
    Sites sites;
    Stmt *loops[MAX_LOOPS];
    const Site *site = random_site(test, kernel, &sites);
    int n = site != NULL ? used_loops(kernel, site, loops) : 0;
    if (n == 0) {
        return false;
    }
    const Dim *var = loops[nest_random(test, 0, n - 1)]->var;
    for (Stmt *up = tn_loop_parent(kernel, site->stmt); up != NULL;
         up = tn_loop_parent(kernel, up)) {
        if (up->var != var) {
            const Dim *index = tn_dim_subst(kernel->ctx, site_index(site), &var, &up->var, 1);
            bool changed = index != site_index(site);
            set_index(kernel, site, index);
            return changed;
        }
    }
    return false;
}

static void unlink_stmt(Stmt **link, const Stmt *stmt) {
    while (*link != NULL) {
        if ((*link)->kind == STMT_FOR) {
            unlink_stmt(&(*link)->body, stmt);
        }
        bool empty = (*link)->kind == STMT_FOR && (*link)->body == NULL;
        if (*link == stmt || empty) {
            *link = (*link)->next;
        } else {
            link = &(*link)->next;
        }
    }
}

static bool drop_stmt(NestTest *test, Kernel *kernel) {
    Sites sites;
    const Site *site = random_site(test, kernel, &sites);
    if (site != NULL) {
        unlink_stmt(&kernel->body, site->stmt);
    }
    return site != NULL;
}

/* A loop that stands behind another one: a tail, or what a distribution left. */
static bool drop_tail(NestTest *test, Kernel *kernel) {
    Stmt *loops[MAX_LOOPS];
    size_t n = nest_loops(kernel, loops, MAX_LOOPS);
    size_t start = (size_t)nest_random(test, 0, (int64_t)n - 1);
    for (size_t i = 0; i < n; i++) {
        const Stmt *loop = loops[(start + i) % n];
        if (loop->next != NULL && loop->next->kind == STMT_FOR && loop->next->extent->hi > 0) {
            unlink_stmt(&kernel->body, loop->next);
            return true;
        }
    }
    return false;
}

typedef struct Pick {
    StmtKind kind;
    Stmt *found;
} Pick;

static bool is_other_kind(void *arg, Stmt *stmt) {
    Pick *pick = arg;
    bool found =
        stmt->kind == pick->kind && (stmt->kind != STMT_DEF || stmt->value->kind == EXPR_CONST);
    pick->found = found ? stmt : pick->found;
    return !found;
}

static bool start_wrong(NestTest *test, Kernel *kernel) {
    Pick pick = {STMT_DEF, NULL};
    (void)test;
    tn_stmt_visit(kernel->body, is_other_kind, &pick);
    if (pick.found == NULL) {
        return false;
    }
    Expr *one = tn_expr_number(kernel->ctx, pick.found->value->dtype, 1);
    pick.found->value = one;
    return true;
}

static bool combine_wrong(NestTest *test, Kernel *kernel) {
    Pick pick = {STMT_ACC, NULL};
    (void)test;
    tn_stmt_visit(kernel->body, is_other_kind, &pick);
    if (pick.found != NULL) {
        pick.found->op = TN_OP_max;
    }
    return pick.found != NULL;
}

/* ---- detection ---- */

static const int64_t probe_sizes[][NEST_SIZES] = {{7, 5}, {8, 9}, {1, 3}, {5, 4}, {11, 2}};

static bool differs(NestTest *test, Kernel *before, Kernel *after, const int64_t *sizes) {
    NestData a, b;
    bool ok = nest_run(test, before, sizes, 7, &a);
    bool same = nest_run(test, after, sizes, 7, &b) && ok && nest_data_equal(&a, &b, true);
    nest_data_free(&a);
    nest_data_free(&b);
    assert_true(ok);
    return !same;
}

static bool is_caught(NestTest *test, Kernel *before, Kernel *after) {
    for (size_t i = 0; i < sizeof probe_sizes / sizeof probe_sizes[0]; i++) {
        if (nest_work(test, before, probe_sizes[i]) < 20000 &&
            differs(test, before, after, probe_sizes[i])) {
            return true;
        }
    }
    return false;
}

typedef struct Row {
    const char *name;
    DamageFn *damage;
} Row;

static const Row rows[] = {
    {"a loop one longer", lengthen},
    {"a loop one shorter", shorten},
    {"an index one further", move_index},
    {"a variable forgotten", drop_var},
    {"a stale variable", mistake_var},
    {"a statement dropped", drop_stmt},
    {"a tail loop dropped", drop_tail},
    {"an accumulator started wrongly", start_wrong},
    {"an accumulator combined wrongly", combine_wrong},
};

static bool may_run(void *arg, Stmt *stmt) {
    (void)arg;
    return stmt->kind != STMT_FOR || stmt->extent->hi > 0;
}

/* Damages one rewritten kernel; counts what was damaged and caught. */
static void try_nest(const Row *row, ApplyFn *apply, uint64_t seed, int *damaged, int *caught) {
    NestTest test;
    nest_set_up(&test, NEST_CLEAN, seed);
    Kernel *after = tn_kernel_clone(test.kernel);
    if (apply(&test, after, nest_random_loop(&test, after)) &&
        tn_stmt_visit(after->body, may_run, NULL)) {
        Kernel *mutant = tn_kernel_clone(after);
        if (row->damage(&test, mutant)) {
            bool found = is_caught(&test, test.kernel, mutant);
            ++*damaged;
            *caught += found;
            if (!found && getenv("TENON_SHOW_MUTANTS") != NULL) {
                fprintf(stderr, "%s\nkept %s\nmutant %s\n", row->name, nest_text(after),
                        nest_text(mutant));
            }
        }
        assert_false(is_caught(&test, test.kernel, after));
    }
    nest_tear_down(&test);
}

static void test_row(void **state) {
    const Row *row = *state;
    int damaged = 0;
    int caught = 0;
    for (size_t r = 0; r < sizeof rewrites / sizeof rewrites[0]; r++) {
        int before = damaged;
        for (uint64_t seed = 1; seed < 20 * NESTS && damaged < before + NESTS; seed++) {
            try_nest(row, rewrites[r].apply, seed, &damaged, &caught);
        }
    }
    print_message("%s: %d of %d caught\n", row->name, caught, damaged);
    assert_true(damaged >= 2 * NESTS);
    assert_true(caught * 100 >= damaged * LEAST_PERCENT);
}

int main(void) {
    enum { N_ROWS = sizeof rows / sizeof rows[0] };
    struct CMUnitTest tests[N_ROWS];
    for (size_t i = 0; i < N_ROWS; i++) {
        tests[i] =
            (struct CMUnitTest){rows[i].name, test_row, NULL, NULL, (void *)(uintptr_t)&rows[i]};
    }
    return cmocka_run_group_tests_name("mutants", tests, NULL, NULL);
}
