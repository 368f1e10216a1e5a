/* parallel.c: choose the loops whose iterations are shared out among threads.
 *
 * Every top-level nest gets one partitioned loop: its outermost loops are joined until there
 * are enough blocks to share evenly. The choice depends on the kernel alone, never on the
 * number of threads, and blocks are independent, so results do not depend on it either.
 */
#include "passes/nest.h"
#include "passes/pass.h"

enum {
    ENOUGH_BLOCKS = 32,      /* even shares for several threads */
    SERIAL_OPERATIONS = 8000 /* below, meeting at a barrier costs more than the work */
};

static bool is_single_loop(const Stmt *body) {
    return body != NULL && body->kind == STMT_FOR && body->next == NULL &&
           body->loop == LOOP_SERIAL;
}

/* Blocks a loop is sure to have; an extent known at run time only may be one. */
static int64_t sure_blocks(const Stmt *loop) {
    return tn_dim_is_const(loop->extent) ? loop->extent->value : 1;
}

/* Whether joining the inner loop costs little: its turns are worth a division. */
static bool is_worth_joining(const Stmt *loop) {
    return tn_dim_is_const(loop->extent) || loop->body->body->kind == STMT_FOR ||
           loop->body->body->next != NULL;
}

/* Joins the nest's outer loops until there are enough blocks. Loops that are independent each
 * by itself are so as one. */
static bool share_out(Kernel *kernel, Stmt *loop) {
    if (loop->loop != LOOP_SERIAL || !tn_loop_independent(kernel, loop)) {
        return false;
    }
    int64_t blocks = sure_blocks(loop);
    while (blocks < ENOUGH_BLOCKS && is_single_loop(loop->body) && is_worth_joining(loop) &&
           tn_loop_independent(kernel, loop->body)) {
        blocks *= sure_blocks(loop->body);
        if (!tn_loop_fuse(kernel, loop)) {
            break;
        }
    }
    loop->loop = LOOP_PARTITION;
    return true;
}

/* Puts a nest that cannot be shared into a partitioned loop of one turn: one thread runs it. */
static Stmt *hold_together(Kernel *kernel, Stmt *nest) {
    Stmt *loop = tn_stmt_for(kernel, "once", tn_dim_const(kernel->ctx, 1));
    loop->loop = LOOP_PARTITION;
    loop->next = nest->next;
    loop->body = nest;
    nest->next = NULL;
    return loop;
}

/* Whether the top level is nests that need nothing from each other. */
static bool is_nests(Kernel *kernel) {
    for (const Stmt *stmt = kernel->body; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind != STMT_FOR || tn_nest_hands_on_temps(kernel, stmt)) {
            return false;
        }
    }
    return true;
}

/* Whether some loop's extent is known at run time only: it may be large. */
static bool has_open_extent(const Stmt *stmt) {
    for (; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR &&
            (stmt->extent->hi > SERIAL_OPERATIONS || has_open_extent(stmt->body))) {
            return true;
        }
    }
    return false;
}

static void share_kernel(Step *step) {
    Kernel *kernel = step->kernel;
    bool small = kernel->flops < SERIAL_OPERATIONS && !has_open_extent(kernel->body);
    step->serial = small || !is_nests(kernel);
    for (Stmt **link = &kernel->body; *link != NULL && !step->serial; link = &(*link)->next) {
        if (!share_out(kernel, *link)) {
            *link = hold_together(kernel, *link);
        }
    }
}

bool tn_pass_parallel(Compile *compile) {
    Program *program = compile->program;
    for (size_t i = 0; i < program->steps.len; i++) {
        share_kernel(&program->steps.data[i]);
    }
    return true;
}
