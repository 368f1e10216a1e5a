/* train_check.h: what compiled training models promise.
 *
 * A model of the model language is compiled at -O2 to a shared object with a batch of three,
 * and its entries are run. Checked is that
 *
 *   - the object wants no symbol and no library from outside: nothing but the model's own code
 *     runs, and the barrier that it is given;
 *   - runs that were planned allocate nothing;
 *   - state and results of init, step, eval, grad, apply and infer have the same bits with 1, 2
 *     and 5 threads;
 *   - --train-memory at half the arena of the step is met, or refused with a figure that is
 *     met; the steps leave the same bits, and a byte less than the figure is refused.
 */
#ifndef TN_TESTS_SUPPORT_TRAIN_CHECK_H
#define TN_TESTS_SUPPORT_TRAIN_CHECK_H

#include <stddef.h>
#include <stdint.h>

typedef struct TrainCase {
    const char *path;
    int64_t classes; /* integer inputs are below it */
} TrainCase;

/* Runs all checks on every model; all that is wrong is printed, then the test fails. */
void train_check(const TrainCase *cases, size_t n);
/* Symbols that the ELF file wants from others, libraries included; -1 for no such file. Their
 * names are written to `names`. */
int train_foreign_symbols(const char *path, char *names, size_t size);

#endif
