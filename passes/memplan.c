/* memplan.c: lay out weights and arena; place barriers.
 *
 * A slot lives from the step that first writes it to the step that last reads it. With
 * static sizes offsets are chosen here: slots are placed in a given order at the lowest
 * offset free of all slots alive at the same time, for several orders, and the smallest
 * arena wins. Otherwise the emitted plan function does the same at each new shape.
 *
 * A barrier stands before a step that touches memory which another thread may have written
 * or may still read since the last barrier. Steps that run on thread 0 alone need none
 * between them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "passes/memplan.h"

enum { ALIGN = 64, WEIGHT_ALIGN = 64 };

static uint64_t round_up(uint64_t size, uint64_t align) {
    return (size + align - 1) / align * align;
}

/* A slot that a loop's turns do not define anew lives as long as the loop. */
static void extend_life(const Program *program, Slot *slot, int32_t step) {
    int32_t first = step, last = step;
    for (int32_t loop = tn_program_loop_of(program, step); loop >= 0 && loop != slot->home;
         loop = program->loops.data[loop].parent) {
        first = program->loops.data[loop].first;
        last = program->loops.data[loop].last;
    }
    slot->first = slot->first < 0 || first < slot->first ? first : slot->first;
    slot->last = last > slot->last ? last : slot->last;
}

void tn_memplan_lives(Program *program) {
    for (size_t i = 0; i < program->slots.len; i++) {
        program->slots.data[i]->first = program->slots.data[i]->last = -1;
    }
    program->scratch = tn_dim_const(program->ctx, 0);
    for (size_t i = 0; i < program->steps.len; i++) {
        const Step *step = &program->steps.data[i];
        for (size_t k = 0, param = 0; k < step->kernel->bufs.len; k++) {
            if (step->kernel->bufs.data[k]->kind == BUF_PARAM) {
                extend_life(program, step->args[param++], (int32_t)i);
            }
        }
        program->scratch =
            tn_dim_max(program->ctx, program->scratch, tn_kernel_local_bytes(step->kernel));
    }
    for (size_t i = 0; i < program->loops.len; i++) {
        const ProgramLoop *loop = &program->loops.data[i];
        if (loop->guard != NULL) {
            extend_life(program, loop->guard, loop->first);
        }
    }
}

/* ---- weights ---- */

static bool same_blob(const Slot *a, const Slot *b) {
    return a->blob->size == b->blob->size &&
           (a->blob->data == b->blob->data ||
            memcmp(a->blob->data, b->blob->data, a->blob->size) == 0);
}

static Weights *weights_of(Compile *compile) {
    if (compile->weights == NULL) {
        compile->weights = TN_NEW(&compile->ctx->arena, Weights);
        compile->weights->by_hash = tn_map(&compile->ctx->arena);
    }
    return compile->weights;
}

static void place_weights(Compile *compile) {
    Program *program = compile->program;
    Weights *weights = weights_of(compile);
    for (size_t i = 0; i < program->slots.len; i++) {
        Slot *slot = program->slots.data[i];
        if (slot->kind != SLOT_WEIGHT) {
            continue;
        }
        uint64_t key = tn_hash_sample(TN_HASH_SEED, slot->blob->data, slot->blob->size);
        void **seen = tn_map_put_int(&weights->by_hash, key, NULL);
        if (*seen != NULL && same_blob(*seen, slot)) {
            slot->offset = ((Slot *)*seen)->offset;
            continue;
        }
        *seen = slot;
        slot->offset = weights->bytes;
        weights->bytes = round_up(weights->bytes + slot->blob->size, WEIGHT_ALIGN);
        tn_vec_push(&compile->ctx->arena, &weights->slots, slot);
    }
}

/* ---- arena ---- */

typedef TN_VEC(Slot *) SlotVec;

static SlotVec arena_slots(Program *program, bool *all_static) {
    SlotVec slots = {0};
    *all_static = tn_dim_is_const(program->scratch);
    for (size_t i = 0; i < program->slots.len; i++) {
        Slot *slot = program->slots.data[i];
        if (slot->kind == SLOT_ARENA && slot->first >= 0) {
            tn_vec_push(&program->ctx->scratch, &slots, slot);
            *all_static = *all_static && tn_dim_is_const(slot->bytes);
        }
    }
    return slots;
}

static bool alive_together(const Slot *a, const Slot *b) {
    return a->first <= b->last && b->first <= a->last;
}

static int by_size(const void *a, const void *b) {
    const Slot *const *x = a, *const *y = b;
    int64_t left = (*x)->bytes->value, right = (*y)->bytes->value;
    return left != right ? (left < right) - (left > right)
                         : ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

static int by_area(const void *a, const void *b) {
    const Slot *const *x = a, *const *y = b;
    double left = (double)(*x)->bytes->value * ((*x)->last - (*x)->first + 1);
    double right = (double)(*y)->bytes->value * ((*y)->last - (*y)->first + 1);
    return left != right ? (left < right) - (left > right) : by_size(a, b);
}

static int by_first(const void *a, const void *b) {
    const Slot *const *x = a, *const *y = b;
    return (*x)->first != (*y)->first ? ((*x)->first > (*y)->first) - ((*x)->first < (*y)->first)
                                      : by_size(a, b);
}

/* The lowest offset at which the slot meets none of the `n` placed ones, sorted by offset, that
 * are alive together with it. */
static uint64_t lowest_free(Slot *const *placed, size_t n, const Slot *slot) {
    uint64_t at = 0, size = (uint64_t)slot->bytes->value;
    for (size_t i = 0; i < n && placed[i]->offset < at + size; i++) {
        uint64_t end = placed[i]->offset + (uint64_t)placed[i]->bytes->value;
        at = end > at && alive_together(slot, placed[i]) ? end : at;
    }
    return at;
}

/* Places slots in their order, each at the lowest free offset; returns the arena's size. */
static uint64_t place_in_order(SlotVec *slots, Arena *scratch) {
    Slot **placed = TN_NEW_ARRAY(scratch, Slot *, slots->len + 1);
    uint64_t top = 0;
    for (size_t i = 0; i < slots->len; i++) {
        Slot *slot = slots->data[i];
        size_t at = i;
        slot->offset = lowest_free(placed, i, slot);
        for (; at > 0 && placed[at - 1]->offset > slot->offset; at--) {
            placed[at] = placed[at - 1];
        }
        placed[at] = slot;
        uint64_t end = slot->offset + (uint64_t)slot->bytes->value;
        top = end > top ? end : top;
    }
    return top;
}

uint64_t tn_memplan_peak(const Program *program, int32_t *step) {
    ArenaMark mark = tn_arena_mark(&program->ctx->scratch);
    uint64_t *change = TN_NEW_ARRAY(&program->ctx->scratch, uint64_t, program->steps.len + 1);
    uint64_t live = 0, peak = 0;
    for (size_t i = 0; i < program->slots.len; i++) {
        const Slot *slot = program->slots.data[i];
        if (slot->kind == SLOT_ARENA && slot->first >= 0) {
            change[slot->first] += (uint64_t)slot->bytes->value;
            change[slot->last + 1] -= (uint64_t)slot->bytes->value; /* wraps, as sums do */
        }
    }
    *step = 0;
    for (size_t i = 0; i < program->steps.len; i++) {
        live += change[i];
        *step = live > peak ? (int32_t)i : *step;
        peak = live > peak ? live : peak;
    }
    tn_arena_reset(&program->ctx->scratch, mark);
    return peak;
}

static void place_static(Program *program, SlotVec *slots) {
    static int (*const orders[])(const void *, const void *) = {by_size, by_area, by_first};
    Arena *scratch = &program->ctx->scratch;
    uint64_t *best = TN_NEW_ARRAY(scratch, uint64_t, program->slots.len + 1);
    program->arena_bytes = UINT64_MAX;
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        if (slots->len > 0) {
            qsort(slots->data, slots->len, sizeof *slots->data, orders[o]);
        }
        uint64_t size = place_in_order(slots, scratch);
        if (size < program->arena_bytes) {
            program->arena_bytes = size;
            for (size_t i = 0; i < slots->len; i++) {
                best[slots->data[i]->id] = slots->data[i]->offset;
            }
        }
    }
    for (size_t i = 0; i < slots->len; i++) {
        slots->data[i]->offset = best[slots->data[i]->id];
    }
}

bool tn_memplan_place(Program *program) {
    bool all_static;
    SlotVec slots = arena_slots(program, &all_static);
    if (all_static) {
        place_static(program, &slots);
    }
    return all_static;
}

/* ---- barriers ---- */

typedef struct Touch {
    const Slot *slot;
    bool written;
    bool serial;
} Touch;

typedef TN_VEC(Touch) TouchVec;

/* Whether two slots may occupy the same bytes. */
static bool share_memory(const Program *program, const Slot *a, const Slot *b) {
    if (a == b) {
        return true;
    }
    if (a->kind != SLOT_ARENA || b->kind != SLOT_ARENA || alive_together(a, b)) {
        return false;
    }
    return !program->static_plan || (a->offset < b->offset + (uint64_t)b->bytes->value &&
                                     b->offset < a->offset + (uint64_t)a->bytes->value);
}

static bool must_wait(const Program *program, const TouchVec *since, const Touch *touch) {
    for (size_t i = 0; i < since->len; i++) {
        const Touch *earlier = &since->data[i];
        if ((earlier->written || touch->written) && !(earlier->serial && touch->serial) &&
            share_memory(program, earlier->slot, touch->slot)) {
            return true;
        }
    }
    return false;
}

static void touch_step(Program *program, Step *step, TouchVec *since) {
    TouchVec touches = {0};
    for (size_t k = 0, param = 0; k < step->kernel->bufs.len; k++) {
        const Buf *buf = step->kernel->bufs.data[k];
        if (buf->kind == BUF_PARAM) {
            Touch touch = {step->args[param++], buf->written, step->serial};
            tn_vec_push(&program->ctx->scratch, &touches, touch);
            step->barrier = step->barrier || must_wait(program, since, &touch);
        }
    }
    since->len = step->barrier ? 0 : since->len;
    for (size_t k = 0; k < touches.len; k++) {
        tn_vec_push(&program->ctx->scratch, since, touches.data[k]);
    }
}

/* Threads meet at the start of each round, unless one thread does all of its steps. */
static bool meets(const Program *program, const ProgramLoop *loop) {
    bool serial = true;
    for (int32_t i = loop->first; i <= loop->last; i++) {
        serial = serial && program->steps.data[i].serial;
    }
    return !serial;
}

/* Threads meet before they read a condition, whose memory none may write until all have read it. */
static void guard_region(Program *program, ProgramLoop *loop, TouchVec *since) {
    loop->barrier = true;
    since->len = 0;
    Touch read = {loop->guard, false, false};
    tn_vec_push(&program->ctx->scratch, since, read);
}

/* A loop may run no round at all: what was touched before it still counts behind it. */
static void place_barriers(Program *program) {
    TouchVec since = {0},
             *before = TN_NEW_ARRAY(&program->ctx->scratch, TouchVec, program->loops.len + 1);
    for (size_t i = 0; i < program->steps.len; i++) {
        for (size_t l = 0; l < program->loops.len; l++) {
            ProgramLoop *loop = &program->loops.data[l];
            if (loop->first == (int32_t)i && loop->guard != NULL) {
                guard_region(program, loop, &since);
            } else if (loop->first == (int32_t)i && meets(program, loop)) {
                loop->barrier = true;
                before[l] = since;
                since = (TouchVec){0};
            }
        }
        touch_step(program, &program->steps.data[i], &since);
        for (size_t l = program->loops.len; l-- > 0;) {
            for (size_t k = 0; program->loops.data[l].last == (int32_t)i && k < before[l].len;
                 k++) {
                tn_vec_push(&program->ctx->scratch, &since, before[l].data[k]);
            }
        }
    }
}

bool tn_pass_memplan(Compile *compile) {
    Program *program = compile->program;
    tn_memplan_lives(program);
    place_weights(compile);
    program->static_plan = tn_memplan_place(program);
    place_barriers(program);
    return true;
}
