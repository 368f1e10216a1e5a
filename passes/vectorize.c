/* vectorize.c: vector loops for every nest that was not tiled.
 *
 * One loop of a nest runs in vectors: the one along which stores and loads are contiguous. It
 * may be a loop of the outputs (then reductions inside keep one accumulator a lane), or the
 * innermost loop of each reduction (then partial sums are combined in fixed order).
 */
#include "passes/nest.h"
#include "passes/pass.h"
#include "passes/tile_model.h"

enum { SCORE_NONE = -1000, CHAINS = 4, CACHE_LINE = 64 };

typedef struct Vectorize {
    Ctx *ctx;
    Arena *arena;
    Kernel *kernel;
    const Target *target;
} Vectorize;

/* Lanes for a nest: as many as its widest common element allows. What is scattered goes by whole
 * cache lines: each index is looked up seldom, and no two threads share a line. */
static int32_t nest_lanes(const Vectorize *v, const AccessVec *accesses) {
    size_t bytes = 4;
    for (size_t i = 0; i < accesses->len; i++) {
        if (accesses->data[i].store && accesses->data[i].dynamic) {
            return (int32_t)(CACHE_LINE / tn_dtype_bytes(accesses->data[i].buf->dtype));
        }
        size_t size = tn_dtype_bytes(accesses->data[i].buf->dtype);
        bytes = size > bytes ? size : bytes;
    }
    return (int32_t)((size_t)v->target->vector_bytes / bytes);
}

/* How well the accesses run along `var`. */
static int score(Vectorize *v, const Stmt *nest, const AccessVec *accesses, const Dim *var,
                 int32_t lanes) {
    int total = 0, ones = 0;
    if (tn_nest_index_bends(v->ctx, nest, var, lanes)) {
        return SCORE_NONE;
    }
    for (size_t i = 0; i < accesses->len; i++) {
        const Access *access = &accesses->data[i];
        int64_t stride;
        bool linear = tn_access_stride(v->ctx, access, var, lanes, &stride);
        if (linear && stride == 1) {
            total += access->store ? 4 : 2;
            ones++;
        } else if (!linear && !access->store && tn_access_near(v->ctx, access, var, lanes)) {
            total++;
        } else if (!linear || stride != 0) {
            total -= access->store ? 6 : 3;
        } else if (access->store) {
            return SCORE_NONE;
        }
    }
    return ones > 0 ? total : SCORE_NONE;
}

/* Vectors along the loop of `var`, which first moves to the inside of its perfect nest. */
static void run_lanes(Vectorize *v, const Dim *var, int32_t lanes) {
    Kernel *kernel = v->kernel;
    Stmt *loop = tn_loop_by_var(kernel, var), *rest = NULL;
    if (!tn_loop_independent(kernel, loop)) {
        return;
    }
    if (loop->extent->hi > lanes) {
        Stmt *inner = tn_loop_split(kernel, loop, lanes, SPLIT_PEEL, &rest);
        if (inner == NULL) {
            return;
        }
        var = inner->var;
    }
    const Dim *rest_var = rest != NULL ? rest->var : NULL;
    tn_nest_sink(kernel, var);
    tn_loop_vectorize(kernel, tn_loop_by_var(kernel, var), lanes);
    if (rest_var != NULL) {
        tn_nest_sink(kernel, rest_var);
        tn_loop_vectorize(kernel, tn_loop_by_var(kernel, rest_var), lanes);
    }
}

static bool has_loop(const Stmt *body) {
    for (; body != NULL; body = body->next) {
        if (body->kind == STMT_FOR) {
            return true;
        }
    }
    return false;
}

static bool has_store(const Stmt *body) {
    for (; body != NULL; body = body->next) {
        if (body->kind == STMT_STORE) {
            return true;
        }
    }
    return false;
}

static bool has_acc(const Stmt *body) {
    for (; body != NULL; body = body->next) {
        if (body->kind == STMT_ACC || (body->kind == STMT_FOR && has_acc(body->body))) {
            return true;
        }
    }
    return false;
}

/* The root loop with the best score, NULL when none is worth it. */
static const Stmt *best_root(Vectorize *v, const StmtVec *chain, const AccessVec *accesses,
                             int32_t lanes, int *best) {
    const Stmt *found = NULL;
    *best = 0;
    for (size_t i = chain->len; i-- > 0;) {
        int at = score(v, chain->data[0], accesses, chain->data[i]->var, lanes);
        if (at > *best) {
            *best = at;
            found = chain->data[i];
        }
    }
    return found;
}

/* Whether vectors can run along the loop: as partial sums of whole vectors, or freely. */
static bool takes_vectors(const Vectorize *v, const Stmt *loop, int32_t lanes) {
    const Dim *extent = loop->extent;
    if (has_acc(loop->body)) {
        return !tn_dim_is_const(extent) || extent->value >= lanes;
    }
    return tn_loop_independent(v->kernel, loop);
}

/* An inner loop's score along itself. */
static int inner_score(Vectorize *v, Stmt *loop, int32_t lanes) {
    StmtVec chain = tn_nest_chain(v->arena, loop);
    AccessVec accesses = {0};
    const Stmt *last = chain.data[chain.len - 1];
    tn_nest_accesses(v->arena, last->body, &accesses);
    return has_loop(last->body) || !takes_vectors(v, last, lanes)
               ? SCORE_NONE
               : score(v, loop, &accesses, last->var, lanes);
}

/* Lanes of partial sums: several vectors' where there is enough to sum up, and as long as accesses
 * run on from one vector into the next, which those to blocked values do not. */
static int32_t partial_lanes(Vectorize *v, Stmt *loop, int32_t lanes) {
    const Dim *extent = loop->extent;
    int32_t wide = lanes;
    int least = inner_score(v, loop, lanes);
    while (tn_dim_is_const(extent) && wide < CHAINS * lanes && extent->value >= 4 * wide &&
           inner_score(v, loop, 2 * wide) >= least) {
        wide *= 2;
    }
    return wide;
}

/* Partial sums over whole vectors; what is left over follows one by one. */
static void run_partial(Vectorize *v, Stmt *loop, int32_t lanes) {
    Kernel *kernel = v->kernel;
    const Dim *extent = loop->extent;
    if (has_store(loop->body)) {
        return;
    }
    int32_t wide = partial_lanes(v, loop, lanes);
    const Dim *whole = tn_dim_mulc(v->ctx, tn_dim_divc(v->ctx, extent, wide), wide);
    if (whole != extent && tn_loop_cut(kernel, loop, whole) == NULL) {
        return;
    }
    Stmt *inner = tn_loop_partial(kernel, loop, wide);
    if (inner != NULL) {
        tn_loop_vectorize(kernel, inner, wide);
    }
}

/* What precedes the accumulation and reaches memory becomes a loop of its own. */
static Stmt *part_stores(Vectorize *v, Stmt *loop) {
    Stmt *last_store = NULL;
    for (Stmt *stmt = loop->body; stmt != NULL; stmt = stmt->next) {
        last_store = stmt->kind == STMT_STORE && stmt->next != NULL ? stmt : last_store;
    }
    return last_store == NULL ? NULL : tn_loop_fission(v->kernel, loop, last_store);
}

static void run_inner(Vectorize *v, Stmt *loop, int32_t lanes) {
    tn_nest_collapse(v->kernel, v->arena, loop);
    StmtVec chain = tn_nest_chain(v->arena, loop);
    Stmt *last = chain.data[chain.len - 1];
    if (inner_score(v, loop, lanes) <= 0) {
        return;
    }
    if (has_acc(last->body)) {
        Stmt *sums = part_stores(v, last);
        run_partial(v, sums != NULL ? sums : last, lanes);
        if (sums != NULL) {
            run_lanes(v, last->var, lanes);
        }
    } else {
        run_lanes(v, last->var, lanes);
    }
}

static void vectorize_nest(Vectorize *v, Stmt *nest) {
    tn_nest_collapse(v->kernel, v->arena, nest);
    StmtVec chain = tn_nest_chain(v->arena, nest);
    Stmt *body = chain.data[chain.len - 1]->body;
    AccessVec accesses = {0};
    tn_nest_accesses(v->arena, body, &accesses);
    int32_t lanes = nest_lanes(v, &accesses);
    int root = 0, inner = 0;
    const Stmt *best = best_root(v, &chain, &accesses, lanes, &root);
    StmtVec inside = {0};
    for (Stmt *stmt = body; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR) {
            tn_vec_push(v->arena, &inside, stmt);
            int at = inner_score(v, stmt, lanes);
            inner += at > 0 ? at : 0;
        }
    }
    if (best != NULL && root >= inner) {
        run_lanes(v, best->var, lanes);
        return;
    }
    for (size_t i = 0; i < inside.len; i++) {
        run_inner(v, inside.data[i], lanes);
    }
}

/* A reduction to a single element has no root loops: its own loops stand at the top. */
static void vectorize_top(Vectorize *v, Stmt *nest) {
    if (has_acc(nest->body) && v->kernel->body->kind != STMT_FOR) {
        AccessVec accesses = {0};
        tn_nest_accesses(v->arena, nest->body, &accesses);
        run_inner(v, nest, nest_lanes(v, &accesses));
        return;
    }
    vectorize_nest(v, nest);
}

static void vectorize_kernel(Vectorize *v) {
    StmtVec nests = {0};
    tn_nest_drop_unit_loops(v->kernel);
    for (Stmt *stmt = v->kernel->body; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR && stmt->loop == LOOP_SERIAL &&
            !tn_nest_has_kind(stmt->body, LOOP_VECTOR)) {
            tn_vec_push(v->arena, &nests, stmt);
        }
    }
    for (size_t i = 0; i < nests.len; i++) {
        vectorize_top(v, nests.data[i]);
    }
    tn_nest_distribute(v->kernel);
}

bool tn_pass_vectorize(Compile *compile) {
    Program *program = compile->program;
    for (size_t i = 0; i < program->steps.len; i++) {
        Vectorize v = {compile->ctx, &compile->ctx->scratch, program->steps.data[i].kernel,
                       compile->options.target};
        vectorize_kernel(&v);
    }
    return true;
}
