/* optest.h: graphs of a single primitive for tests: made, evaluated, and compared with
 * the primitive's formula run on the loop interpreter.
 *
 * Lists are written D(2, 3) for dims (negative ends them), F(...) and I(...) for elements. All
 * memory belongs to the OpTest's context. Failures are cmocka failures.
 */
#ifndef TN_TESTS_SUPPORT_OPTEST_H
#define TN_TESTS_SUPPORT_OPTEST_H

#include "ir/op.h"

#define D(...) ((const int64_t[]){__VA_ARGS__, -1})
#define SCALAR ((const int64_t[]){-1})
#define F(...) ((const double[]){__VA_ARGS__})
#define I(...) ((const int64_t[]){__VA_ARGS__})

typedef struct OpTest {
    Ctx ctx;
    Graph *graph;
    Node *node;
    uint64_t random; /* state of optest_random */
} OpTest;

/* Fixture of one test: *state is an OpTest. */
int optest_set_up(void **state);
int optest_tear_down(void **state);

/* ---- attributes ---- */
Attr optest_int(AttrName name, int64_t value);
Attr optest_dtype(AttrName name, DType dtype);
/* List attributes over `n` numbers, DIMS ones as constant dimensions. */
Attr optest_ints(OpTest *test, AttrName name, uint32_t n, const int64_t *values);
#define A_INT(name, value) optest_int(TN_ATTR_##name, value)
#define A_TO(dtype) optest_dtype(TN_ATTR_to, dtype)
#define A_LIST(test, name, ...)                                                                    \
    optest_ints(test, TN_ATTR_##name, sizeof I(__VA_ARGS__) / sizeof(int64_t), I(__VA_ARGS__))
#define A_NONE(test, name) optest_ints(test, TN_ATTR_##name, 0, NULL)
Attr optest_dims(AttrName name, uint32_t n, const Dim *const *dims);

/* ---- tensors ---- */
RefTensor optest_floats(OpTest *test, DType dtype, const int64_t *dims, const double *values);
RefTensor optest_integers(OpTest *test, DType dtype, const int64_t *dims, const int64_t *values);
#define T_F(test, dims, ...) optest_floats(test, TN_F32, dims, F(__VA_ARGS__))
#define T_I(test, dtype, dims, ...) optest_integers(test, dtype, dims, I(__VA_ARGS__))
/* Small random numbers, never 0 for integers; bools are random. */
RefTensor optest_random_tensor(OpTest *test, DType dtype, int rank, const int64_t *dims);
/* Uniform in lo..hi. */
int64_t optest_random(OpTest *test, int64_t lo, int64_t hi);

/* ---- nodes ---- */
/* A new graph with inputs of these types, the node, and its result as output. NULL when
 * the node is refused. */
Value *optest_node(OpTest *test, Op op, uint32_t n_in, const Type *types, uint32_t n_attrs,
                   const Attr *attrs);
Type optest_type(OpTest *test, DType dtype, const int64_t *dims);
/* A symbolic dimension of at least `lo`. */
const Dim *optest_symbol(OpTest *test, const char *name, int64_t lo);
/* Evaluates the graph of optest_node on inputs of any sizes that fit. */
bool optest_eval(OpTest *test, const RefTensor *in, RefTensor *out);
/* Both at once, with static types; fails the test when either refuses. */
RefTensor optest_run(OpTest *test, Op op, uint32_t n_in, const RefTensor *in, uint32_t n_attrs,
                     const Attr *attrs);
/* The node must be refused with `status` and a message that contains `text`. */
void optest_refused(OpTest *test, tn_status status, const char *text, Op op, uint32_t n_in,
                    const Type *types, uint32_t n_attrs, const Attr *attrs);
/* Attributes and operands as lists. */
#define ATTR_LIST(...)                                                                             \
    (uint32_t)(sizeof((Attr[]){__VA_ARGS__}) / sizeof(Attr)), (Attr[]) {                           \
        __VA_ARGS__                                                                                \
    }
#define NO_ATTRS 0, NULL
#define IN_LIST(...)                                                                               \
    (uint32_t)(sizeof((RefTensor[]){__VA_ARGS__}) / sizeof(RefTensor)), (RefTensor[]) {            \
        __VA_ARGS__                                                                                \
    }
#define TYPE_LIST(...)                                                                             \
    (uint32_t)(sizeof((Type[]){__VA_ARGS__}) / sizeof(Type)), (Type[]) {                           \
        __VA_ARGS__                                                                                \
    }

/* ---- checks ---- */
/* Dims and elements; NaN equals NaN, infinities must agree, else within 1e-12 relative. */
void optest_expect_floats(const RefTensor *tensor, const int64_t *dims, const double *values);
void optest_expect_ints(const RefTensor *tensor, const int64_t *dims, const int64_t *values);
#define EXPECT_F(tensor, dims, ...) optest_expect_floats(tensor, dims, F(__VA_ARGS__))
#define EXPECT_I(tensor, dims, ...) optest_expect_ints(tensor, dims, I(__VA_ARGS__))
/* Runs the node's formula in a plain nest over its result on the interpreter and compares it
 * with the evaluation: f32 within 1e-5, integers exactly. */
void optest_check_formula(OpTest *test, const RefTensor *in);
/* optest_run, then optest_check_formula. */
RefTensor optest_both(OpTest *test, Op op, uint32_t n_in, const RefTensor *in, uint32_t n_attrs,
                      const Attr *attrs);

#endif
