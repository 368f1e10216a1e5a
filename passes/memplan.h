/* memplan.h: when slots live and how much memory they take together, for passes that change it. */
#ifndef TN_PASSES_MEMPLAN_H
#define TN_PASSES_MEMPLAN_H

#include "passes/pass.h"

/* Sets first and last of every slot, and the program's scratch. */
void tn_memplan_lives(Program *program);
/* Places the arena's slots if all sizes are constant: sets offsets and arena_bytes; false when
 * some are not. */
bool tn_memplan_place(Program *program);
/* The most bytes of the arena that are alive at once, all sizes being constant, and the first
 * step at which they are. */
uint64_t tn_memplan_peak(const Program *program, int32_t *step);

#endif
