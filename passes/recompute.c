/* recompute.c: fit training entries into --train-memory by running kernels a second time.
 *
 * While the arena is too large, the step with the most live memory is taken, and of the slots
 * that are alive there but not used the one that frees the most bytes for the least time: from
 * its next use on it is made anew by the steps that made it, run again just before. A step
 * that runs again is the same kernel on the same operands, so results keep every bit.
 *
 * The arena is that of one thread: each further one takes the bytes of its locals besides.
 *
 * What cannot be run again: loops and what is made inside them, steps that write state or
 * outputs or change what they read, and readers of state that has got its new value.
 */
#include <inttypes.h>
#include <string.h>

#include "passes/memplan.h"

enum { GROWTH_MAX = 8 };

typedef TN_VEC(int32_t) StepVec;

typedef struct Recompute {
    Program *program;
    Arena *arena;
    int32_t *writer; /* by slot id: the only step that writes it; -1 none, -2 several */
} Recompute;

/* One way to free a slot over the peak. */
typedef struct Choice {
    Slot *slot;
    int32_t before; /* the step that its makers are to stand before */
    StepVec steps;  /* to be run again, in order */
    double score;   /* bytes a second */
} Choice;

/* ---- what a step touches ---- */

typedef void ArgFn(void *arg, Slot *slot, const Buf *buf);

static void each_arg(const Step *step, ArgFn *fn, void *arg) {
    for (size_t k = 0, param = 0; k < step->kernel->bufs.len; k++) {
        const Buf *buf = step->kernel->bufs.data[k];
        if (buf->kind == BUF_PARAM) {
            fn(arg, step->args[param++], buf);
        }
    }
}

typedef struct Note {
    Recompute *re;
    int32_t step;
} Note;

static void note_writer(void *arg, Slot *slot, const Buf *buf) {
    const Note *note = arg;
    int32_t *writer = &note->re->writer[slot->id];
    if (buf->written) {
        *writer = *writer == -1 || *writer == note->step ? note->step : -2;
    }
}

static void find_writers(Recompute *re) {
    size_t n = re->program->slots.len;
    re->writer = TN_NEW_ARRAY(re->arena, int32_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        re->writer[i] = -1;
    }
    for (size_t i = 0; i < re->program->steps.len; i++) {
        Note note = {re, (int32_t)i};
        each_arg(&re->program->steps.data[i], note_writer, &note);
    }
}

typedef struct Uses {
    const Slot *slot;
    bool any;
} Uses;

static void note_use(void *arg, Slot *slot, const Buf *buf) {
    Uses *uses = arg;
    (void)buf;
    uses->any = uses->any || slot == uses->slot;
}

static bool step_uses(const Program *program, int32_t step, const Slot *slot) {
    Uses uses = {slot, false};
    each_arg(&program->steps.data[step], note_use, &uses);
    return uses.any;
}

/* ---- which steps make a slot ---- */

/* The search for the steps that make a slot from what is alive before step `before`. */
typedef struct Closure {
    Recompute *re;
    int32_t before;
    StepVec steps;
    bool *taken; /* by step */
    double seconds;
    bool possible;
    int32_t step; /* being looked at */
} Closure;

static void take_step(Closure *closure, int32_t step);

static bool written_between(const Closure *closure, const Slot *slot, int32_t from) {
    const Program *program = closure->re->program;
    for (size_t i = 0; i < program->slots.len; i++) {
        const Slot *other = program->slots.data[i];
        if (other->kind != slot->kind || other->index != slot->index) {
            continue;
        }
        int32_t writer = closure->re->writer[other->id];
        if (writer == -2 || (writer >= from && writer < closure->before)) {
            return true;
        }
    }
    return false;
}

static void look_at(void *arg, Slot *slot, const Buf *buf) {
    Closure *closure = arg;
    int32_t step = closure->step;
    if (!closure->possible || slot->kind == SLOT_INPUT || slot->kind == SLOT_WEIGHT ||
        slot->kind == SLOT_HYPER) {
        return;
    }
    if (slot->kind == SLOT_STATE) {
        closure->possible = !buf->written && !written_between(closure, slot, step);
        return;
    }
    int32_t writer = closure->re->writer[slot->id];
    if (buf->written) {
        closure->possible = slot->kind == SLOT_ARENA && writer == step;
    } else if (slot->kind == SLOT_ARENA && slot->last < closure->before) {
        if (writer < 0 || slot->home >= 0) {
            closure->possible = false;
        } else {
            take_step(closure, writer);
            closure->step = step;
        }
    }
}

/* Reads a slot that it also writes. */
static bool changes_operand(const Step *step) {
    size_t n = 0;
    for (size_t k = 0; k < step->kernel->bufs.len; k++) {
        n += step->kernel->bufs.data[k]->kind == BUF_PARAM;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (step->args[i] == step->args[k]) {
                return true;
            }
        }
    }
    return false;
}

static void take_step(Closure *closure, int32_t number) {
    const Program *program = closure->re->program;
    const Step *step = &program->steps.data[number];
    if (closure->taken[number] || !closure->possible) {
        return;
    }
    closure->taken[number] = true;
    closure->possible = tn_program_loop_of(program, number) < 0 && !changes_operand(step) &&
                        closure->steps.len < program->steps.len;
    closure->step = number;
    each_arg(step, look_at, closure);
    /* Behind what it reads: the order is that of the program. */
    closure->seconds += step->kernel->flops * 2e-11 + step->kernel->bytes * 1e-10 + 1e-6;
    tn_vec_push(closure->re->arena, &closure->steps, number);
}

/* ---- choosing ---- */

/* The first step behind `from` that uses the slot; a loop counts as a whole. -1: none. */
static int32_t next_use(const Program *program, const Slot *slot, int32_t from) {
    for (int32_t i = from; i <= slot->last; i++) {
        if (step_uses(program, i, slot)) {
            int32_t loop = tn_program_outer_loop(program, i);
            return loop >= 0 ? program->loops.data[loop].first : i;
        }
    }
    return -1;
}

static void consider(Recompute *re, Slot *slot, int32_t peak, Choice *best) {
    const Program *program = re->program;
    if (slot->kind != SLOT_ARENA || slot->home >= 0 || slot->first >= peak || slot->last <= peak ||
        re->writer[slot->id] < 0 || re->writer[slot->id] >= peak ||
        step_uses(program, peak, slot)) {
        return;
    }
    int32_t before = next_use(program, slot, peak + 1);
    if (before <= peak) {
        return;
    }
    Closure closure = {.re = re, .before = before, .possible = true};
    closure.taken = TN_NEW_ARRAY(re->arena, bool, program->steps.len + 1);
    take_step(&closure, re->writer[slot->id]);
    double score = (double)slot->bytes->value / closure.seconds;
    if (closure.possible && score > best->score) {
        *best = (Choice){slot, before, closure.steps, score};
    }
}

/* ---- running again ---- */

typedef struct Renew {
    Recompute *re;
    Slot **fresh; /* by slot id: what takes its place from the second run on */
    int32_t before;
} Renew;

static void make_fresh(void *arg, Slot *slot, const Buf *buf) {
    Renew *renew = arg;
    if (buf->written && renew->fresh[slot->id] == NULL) {
        Slot *fresh = tn_program_slot(renew->re->program, SLOT_ARENA, 0, slot->value, slot->bytes);
        renew->fresh[slot->id] = fresh;
    }
}

static size_t count_args(const Step *step) {
    size_t n = 0;
    for (size_t k = 0; k < step->kernel->bufs.len; k++) {
        n += step->kernel->bufs.data[k]->kind == BUF_PARAM;
    }
    return n;
}

static void use_fresh(const Renew *renew, Step *step, size_t n_known) {
    size_t n = count_args(step);
    Slot **args =
        tn_arena_copy(&renew->re->program->ctx->arena, step->args, (n + (n == 0)) * sizeof *args);
    for (size_t i = 0; i < n; i++) {
        Slot *fresh = args[i]->id < n_known ? renew->fresh[args[i]->id] : NULL;
        args[i] = fresh != NULL ? fresh : args[i];
    }
    step->args = args;
}

static void run_again(Recompute *re, const Choice *choice) {
    Program *program = re->program;
    Arena *arena = &program->ctx->arena;
    size_t n_known = program->slots.len, n = choice->steps.len;
    Renew renew = {re, TN_NEW_ARRAY(re->arena, Slot *, n_known + 1), choice->before};
    for (size_t i = 0; i < n; i++) {
        each_arg(&program->steps.data[choice->steps.data[i]], make_fresh, &renew);
    }
    for (size_t i = 0; i < n; i++) {
        tn_vec_push(arena, &program->steps, program->steps.data[0]);
    }
    Step *steps = program->steps.data;
    size_t before = (size_t)choice->before;
    memmove(steps + before + n, steps + before, (program->steps.len - n - before) * sizeof *steps);
    for (size_t i = 0; i < n; i++) {
        steps[before + i] = steps[choice->steps.data[i]];
    }
    for (size_t i = before; i < program->steps.len; i++) {
        use_fresh(&renew, &steps[i], n_known);
    }
    for (size_t i = 0; i < program->loops.len; i++) {
        ProgramLoop *loop = &program->loops.data[i];
        loop->first += loop->first >= choice->before ? (int32_t)n : 0;
        loop->last += loop->last >= choice->before ? (int32_t)n : 0;
    }
}

/* Frees one slot at the peak; false when there is none to free. */
static bool improve(Program *program) {
    Arena *scratch = &program->ctx->scratch;
    ArenaMark mark = tn_arena_mark(scratch);
    Recompute re = {.program = program, .arena = scratch};
    Choice best = {.score = 0};
    find_writers(&re);
    int32_t peak;
    tn_memplan_peak(program, &peak);
    for (size_t i = 0; i < program->slots.len; i++) {
        consider(&re, program->slots.data[i], peak, &best);
    }
    if (best.slot != NULL) {
        run_again(&re, &best);
    }
    tn_arena_reset(scratch, mark);
    return best.slot != NULL;
}

static bool has_updates(const Graph *graph) {
    return tn_graph_caller_outputs(graph) < graph->outputs.len;
}

bool tn_pass_recompute(Compile *compile) {
    Program *program = compile->program;
    uint64_t budget = compile->options.train_memory, least = UINT64_MAX;
    size_t limit = GROWTH_MAX * (program->steps.len + 1);
    if (budget == 0 || !has_updates(compile->graph)) {
        return true;
    }
    for (;;) {
        tn_memplan_lives(program);
        if (!tn_memplan_place(program)) {
            return tn_diag(&compile->ctx->diags, TN_USAGE, (Loc){0},
                           "entry '%s': --train-memory needs all sizes: fix symbolic dimensions "
                           "with --dim",
                           compile->graph->name);
        }
        uint64_t bytes = program->arena_bytes + (uint64_t)program->scratch->value;
        least = bytes < least ? bytes : least;
        if (bytes <= budget) {
            return true;
        }
        if (program->steps.len > limit || !improve(program)) {
            break;
        }
    }
    return tn_diag(&compile->ctx->diags, TN_LIMIT, (Loc){0},
                   "entry '%s': --train-memory: %" PRIu64 " bytes allowed, at least %" PRIu64
                   " needed",
                   compile->graph->name, budget, least);
}
