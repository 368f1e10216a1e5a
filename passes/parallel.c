/* parallel.c: choose the loops whose iterations are shared out among threads.
 *
 * Every top-level nest gets one partitioned loop: its outermost loops are joined until there
 * are enough blocks to share evenly. The choice depends on the kernel alone, never on the
 * number of threads, and blocks are independent, so results do not depend on it either.
 */
#include "ir/rewrite.h"
#include "passes/pass.h"

enum {
    ENOUGH_BLOCKS = 32,      /* even shares for several threads */
    SERIAL_OPERATIONS = 8000 /* below, meeting at a barrier costs more than the work */
};

static bool is_single_loop(const Stmt *body) {
    return body != NULL && body->kind == STMT_FOR && body->next == NULL &&
           body->loop == LOOP_SERIAL;
}

/* Joins the nest's outer loops until there are enough blocks, then shares them out. */
static bool share_out(Kernel *kernel, Stmt *loop) {
    if (loop->kind != STMT_FOR || loop->loop != LOOP_SERIAL) {
        return false;
    }
    while (is_single_loop(loop->body) && loop->extent->hi < ENOUGH_BLOCKS &&
           tn_loop_independent(kernel, loop) && tn_loop_independent(kernel, loop->body) &&
           tn_loop_fuse(kernel, loop)) {
    }
    return tn_loop_partition(kernel, loop);
}

static void share_kernel(Step *step) {
    Kernel *kernel = step->kernel;
    step->serial = kernel->flops < SERIAL_OPERATIONS;
    for (Stmt *stmt = kernel->body; stmt != NULL && !step->serial; stmt = stmt->next) {
        if (!share_out(kernel, stmt)) {
            step->serial = true;
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
