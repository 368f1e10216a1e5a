/* program.h: a lowered model: kernels in order and the buffers they pass along.
 *
 * Made by the lower pass, annotated by the loop passes and memory planning, read by
 * code generation.
 */
#ifndef TN_IR_PROGRAM_H
#define TN_IR_PROGRAM_H

#include "ir/loop.h"
#include "ir/module.h"

typedef enum SlotKind {
    SLOT_INPUT,  /* caller's input `index` */
    SLOT_OUTPUT, /* caller's output `index` */
    SLOT_WEIGHT, /* read-only region at byte `offset` */
    SLOT_STATE,  /* variable `index` of the module: state region at byte `offset` */
    SLOT_HYPER,  /* hyper-parameter `index` */
    SLOT_ARENA   /* planned scratch */
} SlotKind;

/* One buffer of the whole program. */
typedef struct Slot {
    uint32_t id;
    SlotKind kind;
    int32_t index;
    uint64_t offset;      /* WEIGHT, STATE; ARENA when the plan is static */
    const Dim *bytes;     /* size, rounded up to 64 */
    int32_t first, last;  /* ARENA: kernels that first write and last read it */
    int32_t home;         /* the loop whose turns define it anew, or -1 */
    const Value *value;
    const Blob *blob;     /* WEIGHT: bytes to place, already in the slot's layout */
} Slot;

typedef struct Step {
    Kernel *kernel;
    Slot **args;          /* one per PARAM buffer of the kernel */
    /* Parallel to args: bytes from the slot's start, or NULL for none; may use the rounds of the
     * loops around. */
    const Dim **offsets;
    bool barrier; /* all threads meet before this step */
    bool serial; /* too small to share: thread 0 runs all of it */
} Step;

/* Steps first..last run `trips` times, with `round` = 0, 1, ... Loops nest or lie apart;
 * outer ones come first. */
typedef struct ProgramLoop {
    int32_t first, last;
    int32_t parent; /* number of the loop around, or -1 */
    const Dim *round; /* a symbol */
    const Dim *trips;
    bool barrier; /* all threads meet at the start of each round, or before `guard` is read */
    /* One round, and only if this bool scalar is `when`; NULL: always. */
    Slot *guard;
    const Dim *guard_offset; /* bytes from the slot's start, or NULL */
    bool when;
    const char *name; /* the model's node, or NULL */
} ProgramLoop;

typedef struct Program {
    Ctx *ctx;
    Graph *graph; /* inputs, outputs, symbols, constraints */
    const Module *module; /* whose entry the graph is; NULL for a graph alone */
    const char *name;
    TN_VEC(Slot *) slots;
    TN_VEC(Step) steps;
    TN_VEC(ProgramLoop) loops;
    bool static_plan; /* every slot size is constant: offsets are final */
    const Dim *scratch; /* most that the locals of a step take, per thread */
    uint64_t arena_bytes; /* static plan, without scratch */
} Program;

Program *tn_program_new(Ctx *ctx, Graph *graph);
Slot *tn_program_slot(Program *program, SlotKind kind, int32_t index, const Value *value,
                      const Dim *bytes);
/* The innermost loop around a step, or -1; and the outermost. */
int32_t tn_program_loop_of(const Program *program, int32_t step);
int32_t tn_program_outer_loop(const Program *program, int32_t step);
void tn_program_print(const Program *program, StrBuf *out);
/* Runs all steps on the interpreter over row-major inputs and outputs of the graph, state and
 * hyper-parameters included, for tests. `symbols` holds a value for each symbol of the context. */
bool tn_program_interp(Program *program, void *const *inputs, void *const *outputs,
                       const int64_t *symbols);

#endif
