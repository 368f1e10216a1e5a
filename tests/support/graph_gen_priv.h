/* graph_gen_priv.h: state of the generator, shared by its files. */
#ifndef TN_TESTS_SUPPORT_GRAPH_GEN_PRIV_H
#define TN_TESTS_SUPPORT_GRAPH_GEN_PRIV_H

#include "tests/support/graph_gen.h"

/* What is known of a value's elements. */
typedef struct GenInfo {
    double mag;  /* bound of their magnitude */
    int frac;    /* they are multiples of 2^-frac, exactly; -1: computed with rounding */
} GenInfo;

typedef struct Gen {
    Ctx *ctx;
    Graph *graph;
    uint64_t random;
    DType float_type;
    double mag_max; /* of floats: larger ones lose their small differences */
    int depth;      /* loops around */
    TN_VEC(Value *) values;
    TN_VEC(GenInfo) infos; /* parallel to values */
    const Dim *symbols[3];
    uint32_t n_symbols;
} Gen;

/* Adds a node and its value with what is known of it; NULL when it would be too large or not
 * tame (nothing is added then). */
typedef Value *GenStep(Gen *gen);

/* Notes a value and what is known of it. */
void gen_record(Gen *gen, Value *value, GenInfo info);
/* One random step. */
void gen_take_step(Gen *gen);

/* Limits of what is generated. */
enum { GEN_COUNT_MAX = 6000, GEN_WORK_MAX = 400000, GEN_RANK_MAX = 5, GEN_SYMBOL_MAX = 8 };

/* Uniform in lo..hi. */
int64_t gen_int(Gen *gen, int64_t lo, int64_t hi);
bool gen_chance(Gen *gen, int percent);
#define GEN_PICK(gen, list)                                                                        \
    ((list)[gen_int((gen), 0, (int64_t)(sizeof(list) / sizeof *(list)) - 1)])

/* Size of a dim with every symbol at its greatest, and elements of a type likewise. */
int64_t gen_size(Gen *gen, const Dim *dim);
int64_t gen_count(Gen *gen, const Type *type);
const Dim *gen_const_dim(Gen *gen, int64_t size);
const Dim *gen_any_dim(Gen *gen);

GenInfo gen_info(Gen *gen, const Value *value);
bool gen_is_exact(Gen *gen, const Value *value);
bool gen_is_float(const Value *value);

typedef bool GenWants(Gen *gen, const Value *value);
/* A random value that fits, newer ones more likely; NULL when there is none. */
Value *gen_value(Gen *gen, GenWants *wants);
bool gen_wants_any(Gen *gen, const Value *value);
bool gen_wants_float(Gen *gen, const Value *value);
bool gen_wants_number(Gen *gen, const Value *value);
bool gen_wants_int(Gen *gen, const Value *value);
bool gen_wants_bool(Gen *gen, const Value *value);
bool gen_wants_exact(Gen *gen, const Value *value); /* a number, exact */
/* A value like `like` in dtype and dims: an existing one, a constant broadcast, or itself. */
Value *gen_partner(Gen *gen, Value *like);

/* A node whose result is recorded with `info`; NULL when too large. The bounds of integer
 * dtypes are applied to `info` here. */
Value *gen_node(Gen *gen, Op op, Value *const *in, uint32_t n_in, const Attr *attrs,
                uint32_t n_attrs, GenInfo info);
Value *gen_map1(Gen *gen, Op op, Value *a, GenInfo info);
Value *gen_map2(Gen *gen, Op op, Value *a, Value *b, GenInfo info);
/* The value with magnitude at most 1, through tanh if it may be larger. */
Value *gen_tamed(Gen *gen, Value *x, double most);
/* |x| + 1/2. */
Value *gen_positive(Gen *gen, Value *x);

/* Constants of random small numbers. */
Value *gen_const(Gen *gen, DType dtype, uint32_t rank, const int64_t *dims);
Value *gen_scalar(Gen *gen, DType dtype, double number);
/* The number at all places of a value like `like`. */
Value *gen_number_like(Gen *gen, const Value *like, double number);
Value *gen_expand(Gen *gen, Value *x, uint32_t rank, const Dim *const *dims, const int64_t *axes);
Value *gen_reshape(Gen *gen, Value *x, uint32_t rank, const Dim *const *dims);

/* Steps, by file: graph_gen_map.c, graph_gen_move.c, graph_gen_reduce.c, graph_gen_loop.c. */
GenStep gen_step_smooth, gen_step_arithmetic, gen_step_exact, gen_step_compare, gen_step_logic,
    gen_step_select, gen_step_cast, gen_step_random;
GenStep gen_step_reshape, gen_step_transpose, gen_step_expand, gen_step_slice, gen_step_pad,
    gen_step_concat, gen_step_gather, gen_step_scatter, gen_step_source, gen_step_copy;
GenStep gen_step_reduce, gen_step_arg, gen_step_softmax, gen_step_norm, gen_step_contract,
    gen_step_conv, gen_step_pool, gen_step_unpool, gen_step_cumsum;
GenStep gen_step_loop;

#endif
