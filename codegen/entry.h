/* entry.h: what the files that print a program's entry share.
 *
 * The plan of a run is an array of words: arena bytes, the outputs' dims, then our own:
 * the symbols kernels take, and where sizes are not constant the scratch bytes of a thread
 * and the sizes, offsets and order of the arena's slots.
 */
#ifndef TN_CODEGEN_ENTRY_H
#define TN_CODEGEN_ENTRY_H

#include "codegen/codegen.h"

typedef struct EntryStep {
    size_t kernel;         /* number of the emitted function */
    const uint32_t *sizes; /* symbols it takes */
    size_t n_sizes;
} EntryStep;

/* Symbols of the describing table: a dim each, common to all entries. */
typedef struct IoDims {
    TN_VEC(const Dim *) dims;
} IoDims;

/* What the table calls a kernel: a step, or the steps of an outermost loop. */
typedef struct Unit {
    size_t first, last;
} Unit;

typedef struct Entry {
    Ctx *ctx;
    Program *program;
    const EmitOptions *options;
    const char *id;               /* what the names of this entry's statics start with: "e0" */
    EntryStep *steps;
    const Dim *scratch;           /* bytes of a thread */
    TN_VEC(uint32_t) symbols;     /* words of the plan, in order of first use */
    IoDims *io;
    TN_VEC(const char *) checks;
    TN_VEC(const Slot *) placed;  /* arena slots placed at run time; empty when static */
    TN_VEC(Unit) units;
    uint32_t n_outdims;
} Entry;

/* Words of the plan. */
uint32_t tn_entry_symbol_word(Entry *entry, uint32_t symbol);
uint32_t tn_entry_slot_word(const Entry *entry, const Slot *slot);
uint32_t tn_entry_scratch_word(const Entry *entry);
uint32_t tn_entry_plan_words(const Entry *entry);
/* The number of the describing table's symbol for a dimension that is no constant. */
uint32_t tn_entry_io_dim(Entry *entry, const Dim *dim);
/* Appends a C string literal that holds exactly these bytes. */
void tn_entry_string(StrBuf *out, const char *text);

/* ---- emit_plan.c ---- */

/* What plan functions call, once a file. */
extern const char tn_entry_place[];
void tn_entry_print_plan(Entry *entry, StrBuf *out);

/* ---- emit_abi.c ---- */

/* Part 1 of tenon/runtime.h, for emitted code that includes nothing. */
extern const char tn_entry_abi[];

#endif
