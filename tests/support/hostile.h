/* hostile.h: runs of the tenon command on bad input, each in a process of its own.
 *
 * The process is a fork of the test that calls the subcommand, with its output in a file and
 * limits on processor time. Whatever the input, a run must end with a documented exit code
 * other than "internal error", say what is wrong in plain characters, leave no file behind
 * when it fails, and stay within bounds of time and memory. Failures are cmocka failures.
 */
#ifndef TN_TESTS_SUPPORT_HOSTILE_H
#define TN_TESTS_SUPPORT_HOSTILE_H

#include "tests/support/onnx_write.h"

/* Sets of exit codes. */
#define CODE(code) (1u << (code))
enum { ANY_CODE = 0x3f };
/* Among the codes of a run that computes: a model may ask for more work than a test can wait
 * for, so the run is ended after a moment, and that is fine. */
#define MAY_TAKE_LONG (1u << 31)

/* The folder that runs take place in; made new and empty by hostile_set_up, a cmocka fixture. */
extern char hostile_folder[];
int hostile_set_up(void **state);
int hostile_tear_down(void **state);

void hostile_write(const char *name, const void *bytes, size_t size);
/* Writes and frees a model. */
void hostile_write_model(const char *name, Pb *model);
/* The whole of a file, malloc'ed. */
unsigned char *hostile_read(const char *path, size_t *size);

/* Runs "SUBCOMMAND ARGUMENT ...", split at spaces; `what` names the case in failures. The exit
 * code must be in the set `codes`. Returns it, or -SIGXCPU. */
int hostile_run(const char *what, unsigned codes, const char *line);
/* What the last run printed; and a failure unless that holds `text`. */
const char *hostile_said(void);
void hostile_expect(const char *what, const char *text);

/* From the environment, or `fallback`. */
long hostile_number(const char *variable, long fallback);
/* Uniform below `n`. */
size_t hostile_random(uint64_t *state, size_t n);

/* A network with a convolution, pooling, views, and constants that shapes depend on. */
Pb hostile_model(void);
/* One change of a protobuf message that keeps most of it readable: flipped bits, a length, an
 * integer or an element replaced by an extreme one, fields swapped, repeated or left out. */
void hostile_mutate(Pb *model, uint64_t *random);

#endif
