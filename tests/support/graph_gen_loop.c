/* graph_gen_loop.c: loops of the random graphs.
 *
 * A body is made of random steps, as the graph around it. Carried values end in tanh, so that
 * they stay tame however many turns there are, and little is large within a body, since no
 * disturbance shows how sensitive it is.
 */
#include <math.h>
#include <string.h>

#include "ir/loopnode.h"
#include "tests/support/graph_gen_priv.h"

enum { OPERANDS = 8, RESULTS = 6, TRIPS_MAX = 4 };

typedef struct LoopGen {
    Gen *outer, body;
    const Dim *trips;
    Value *in[OPERANDS]; /* carried, scanned, invariant */
    uint32_t carried, scanned, n_in;
    GenInfo infos[RESULTS];
    uint32_t n_out;
} LoopGen;

static bool is_small(Gen *gen, const Value *value) {
    return gen_count(gen, &value->type) <= GEN_COUNT_MAX / 8 && gen_info(gen, value).mag <= 16;
}

static bool wants_carried(Gen *gen, const Value *value) {
    return gen_is_float(value) && is_small(gen, value);
}

static bool wants_small(Gen *gen, const Value *value) {
    return is_small(gen, value);
}

static bool wants_stack(Gen *gen, const Value *value) {
    return value->type.rank > 0 && gen_size(gen, value->type.dims[0]) <= GEN_SYMBOL_MAX &&
           is_small(gen, value);
}

/* ---- operands ---- */

static void add_operand(LoopGen *lg, Value *value, Type type, GenInfo info) {
    lg->in[lg->n_in++] = value;
    gen_record(&lg->body, tn_graph_add_input(lg->body.graph, NULL, type), info);
}

static void add_carried(LoopGen *lg) {
    for (int64_t n = gen_int(lg->outer, 0, 2); n > 0; n--) {
        Value *value = gen_value(lg->outer, wants_carried);
        if (value != NULL) {
            GenInfo info = {fmax(gen_info(lg->outer, value).mag, 1), -1};
            add_operand(lg, value, value->type, info);
            lg->carried++;
        }
    }
}

/* The first says how many turns there are. */
static void add_scanned(LoopGen *lg) {
    for (int64_t n = gen_int(lg->outer, 0, 2); n > 0; n--) {
        Value *value = gen_value(lg->outer, wants_stack);
        if (value != NULL && (lg->trips == NULL || value->type.dims[0] == lg->trips)) {
            lg->trips = value->type.dims[0];
            add_operand(lg, value, tn_loop_slice_type(&value->type), gen_info(lg->outer, value));
            lg->scanned++;
        }
    }
    if (lg->trips == NULL) {
        lg->trips = gen_const_dim(lg->outer, gen_int(lg->outer, 0, TRIPS_MAX));
    }
}

static void add_invariants(LoopGen *lg) {
    for (int64_t n = gen_int(lg->outer, 0, 2); n > 0; n--) {
        Value *value = gen_value(lg->outer, wants_small);
        if (value != NULL) {
            add_operand(lg, value, value->type, gen_info(lg->outer, value));
        }
    }
}

/* ---- results ---- */

static void add_result(LoopGen *lg, Value *value, GenInfo info) {
    tn_graph_add_output(lg->body.graph, NULL, value);
    lg->infos[lg->n_out++] = info;
}

/* The next carried values: as they are, or something added to them and made tame. */
static void add_next(LoopGen *lg) {
    for (uint32_t i = 0; i < lg->carried; i++) {
        Value *old = lg->body.graph->inputs.data[1 + i];
        GenInfo info = gen_info(&lg->body, old);
        Value *sum = gen_chance(&lg->body, 10)
                         ? NULL
                         : gen_map2(&lg->body, TN_OP_add, old, gen_partner(&lg->body, old),
                                    (GenInfo){16, -1});
        Value *next = sum == NULL ? old : gen_map1(&lg->body, TN_OP_tanh, sum, (GenInfo){1, -1});
        add_result(lg, next, info);
    }
}

static void add_stacked(LoopGen *lg) {
    for (int64_t n = gen_int(&lg->body, lg->carried == 0, 2); n > 0; n--) {
        Value *value = gen_value(&lg->body, gen_wants_any);
        if (value != NULL && value->type.rank < GEN_RANK_MAX &&
            gen_count(lg->outer, &value->type) <= GEN_COUNT_MAX / GEN_SYMBOL_MAX) {
            add_result(lg, value, gen_info(&lg->body, value));
        }
    }
}

static void make_body(LoopGen *lg) {
    Gen *outer = lg->outer;
    lg->body = *outer;
    lg->body.graph = tn_graph_new(outer->ctx, "body");
    lg->body.mag_max = 16;
    lg->body.depth++;
    memset(&lg->body.values, 0, sizeof lg->body.values);
    memset(&lg->body.infos, 0, sizeof lg->body.infos);
    Value *turn = tn_graph_add_input(lg->body.graph, "turn", tn_type_scalar(TN_I64));
    gen_record(&lg->body, turn, (GenInfo){GEN_SYMBOL_MAX, 0});
}

Value *gen_step_loop(Gen *gen) {
    LoopGen lg = {.outer = gen};
    if (gen->depth > 1) {
        return NULL;
    }
    make_body(&lg);
    add_carried(&lg);
    add_scanned(&lg);
    add_invariants(&lg);
    lg.body.random = gen->random;
    for (int64_t n = gen_int(&lg.body, 1, 7); n > 0; n--) {
        gen_take_step(&lg.body);
    }
    add_next(&lg);
    add_stacked(&lg);
    gen->random = lg.body.random;
    Node *node = lg.n_out == 0
                     ? NULL
                     : tn_loop_new(gen->graph, lg.body.graph, lg.in, lg.n_in, lg.trips, lg.carried,
                                   lg.scanned, gen_chance(gen, 40), (Loc){0}, NULL);
    for (uint32_t i = 0; node != NULL && i < node->n_out; i++) {
        gen_record(gen, node->out[i], lg.infos[i]);
    }
    return node != NULL ? node->out[0] : NULL;
}
