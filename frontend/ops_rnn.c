/* ops_rnn.c: LSTM, GRU and RNN as loops over time.
 *
 * The products of the input and its weights, for all times at once, come before the loop; what
 * is left to a turn is the product with the hidden state and the gates. Each direction is a
 * loop of its own, the backward one with its turns from the last to the first. Weights are
 * invariants of the loop.
 *
 * A sequence that is shorter than the others keeps its state at turns past its end and has
 * zeros there in Y; so the backward direction starts it at its own last element.
 */
#include <string.h>

#include "frontend/activation.h"
#include "ir/loopnode.h"

enum { MAX_DIRECTIONS = 2, MAX_FUNCTIONS = 3, MAX_GATES = 4, MAX_PEEPHOLES = 3 };

typedef struct Function {
    const Activation *kind;
    double alpha, beta;
} Function;

typedef struct Step Step;

/* What sets the three operators apart. */
typedef struct Cell {
    int gates, functions;
    const char *defaults[MAX_FUNCTIONS];
    bool has_cell;            /* a second carried value: C */
    bool (*run)(Step *step);
} Cell;

typedef struct Recurrent {
    Call *call;
    const Cell *cell;
    Function functions[MAX_DIRECTIONS * MAX_FUNCTIONS];
    int directions;
    bool reverse;             /* the only direction, or the second of two, is always so */
    bool batch_first, linear_before_reset, input_forget;
    double clip;              /* 0: none */
    const Dim *time, *batch, *input, *hidden;
    Value *x, *w, *r, *b, *lengths, *h, *c, *p; /* of common dims; NULL where omitted */
} Recurrent;

/* One turn in one direction: values of the loop's body. */
struct Step {
    const Recurrent *rec;
    Call *call;
    const Function *functions;
    Value *turn, *h, *c, *z, *lengths;
    Value *r;                    /* [gates * hidden, hidden]; GRU: of the gates before the last */
    Value *r_last, *b_last;      /* GRU: of the hidden gate, when they are apart */
    Value *peephole[MAX_PEEPHOLES];
    Value *h_next, *c_next;      /* results */
};

/* ---- attributes ---- */

static bool read_direction(Recurrent *rec) {
    Call *call = rec->call;
    StrView text = tn_call_text(call, "direction", "forward");
    rec->reverse = tn_sv_is(text, "reverse");
    rec->directions = tn_sv_is(text, "bidirectional") ? 2 : 1;
    if (rec->directions == 1 && !rec->reverse && !tn_sv_is(text, "forward")) {
        return tn_call_error(call,
                             "attribute 'direction' is '%s', expected 'forward', 'reverse' or "
                             "'bidirectional'",
                             tn_sv_dup(&call->ctx->scratch, text));
    }
    return true;
}

static bool name_functions(Recurrent *rec, int total) {
    Call *call = rec->call;
    size_t n;
    const StrView *names = tn_call_text_list(call, "activations", &n);
    int per_direction = rec->cell->functions;
    /* The specification's own default for RNN has those of two directions. */
    if (n != 0 && n != (size_t)total && n != (size_t)MAX_DIRECTIONS * (size_t)per_direction) {
        return tn_call_error(call, "%zu activations, expected %d", n, total);
    }
    for (int i = 0; i < total; i++) {
        StrView name = n > 0 ? names[i] : tn_sv(rec->cell->defaults[i % per_direction]);
        rec->functions[i].kind = tn_activation(name);
        if (rec->functions[i].kind == NULL) {
            return tn_call_error(call, "activation '%s' is unknown; expected one of: %s",
                                 tn_sv_dup(&call->ctx->scratch, name), tn_activation_names(call));
        }
    }
    return true;
}

/* Each function that has a parameter of that name takes the next of the list. */
static bool read_parameters(Recurrent *rec, int total, const char *attr, bool is_beta) {
    size_t n;
    size_t taken = 0;
    const float *list = tn_call_float_list(rec->call, attr, &n);
    for (int i = 0; i < total; i++) {
        Function *function = &rec->functions[i];
        const Activation *kind = function->kind;
        double value = is_beta ? kind->beta : kind->alpha;
        if ((is_beta ? kind->has_beta : kind->has_alpha) && taken < n) {
            value = (double)list[taken++];
        }
        *(is_beta ? &function->beta : &function->alpha) = value;
    }
    return taken == n ||
           tn_call_error(rec->call, "'%s' has %zu values for the %zu activations that take one",
                         attr, n, taken);
}

static bool read_attributes(Recurrent *rec) {
    Call *call = rec->call;
    if (!read_direction(rec)) {
        return false;
    }
    int total = rec->directions * rec->cell->functions;
    rec->batch_first = tn_call_int(call, "layout", 0) != 0;
    rec->linear_before_reset = tn_call_int(call, "linear_before_reset", 0) != 0;
    rec->input_forget = tn_call_int(call, "input_forget", 0) != 0;
    rec->clip = tn_call_float(call, "clip", 0);
    if (tn_call_has(call, "clip") && !(rec->clip > 0)) {
        return tn_call_error(call, "'clip' is %g, expected a positive number", rec->clip);
    }
    return name_functions(rec, total) && read_parameters(rec, total, "activation_alpha", false) &&
           read_parameters(rec, total, "activation_beta", true);
}

/* ---- operands ---- */

/* Input `i` under the dims it must have, the first two swapped when `swap`. NULL when it is
 * omitted or after a diagnostic; `*ok` tells. */
static Value *operand(Recurrent *rec, size_t i, const char *name, int rank, const Dim *const *dims,
                      bool swap, bool *ok) {
    static const int64_t perm[] = {1, 0, 2};
    Call *call = rec->call;
    Value *value = tn_call_in(call, i);
    if (value == NULL || !*ok) {
        return NULL;
    }
    *ok = value->type.rank == rank ||
          tn_call_error(call, "input '%s' has rank %d, expected %d", name, value->type.rank, rank);
    value = *ok && swap ? tn_make_transpose(call, value, perm) : value;
    Shape shape = {.rank = rank};
    for (int k = 0; *ok && k < rank; k++) {
        shape.dims[k] = dims[k];
        *ok = tn_make_require(call, value->type.dims[k], dims[k],
                              "dimension %d of input '%s' does not fit the others", k, name);
    }
    return *ok ? tn_make_assume(call, value, &shape) : NULL;
}

static bool read_sizes(Recurrent *rec) {
    Call *call = rec->call;
    const Type *x = &call->in[0]->type;
    const Type *r = &call->in[2]->type;
    if (x->rank != 3 || r->rank != 3) {
        return tn_call_error(call, "inputs 'X' and 'R' have ranks %d and %d, expected 3 and 3",
                             x->rank, r->rank);
    }
    if (!tn_dtype_is_float(x->dtype)) {
        return tn_call_error(call, "input 'X' is %s, expected a float type",
                             tn_dtype_name(x->dtype));
    }
    rec->time = x->dims[rec->batch_first ? 1 : 0];
    rec->batch = x->dims[rec->batch_first ? 0 : 1];
    rec->input = x->dims[2];
    rec->hidden = r->dims[2];
    if (tn_call_has(call, "hidden_size")) {
        rec->hidden = tn_make_int(call, tn_call_int(call, "hidden_size", 0));
    }
    return true;
}

static bool read_operands(Recurrent *rec) {
    Ctx *ctx = rec->call->ctx;
    const Dim *directions = tn_make_int(rec->call, rec->directions);
    const Dim *gates = tn_dim_mulc(ctx, rec->hidden, rec->cell->gates);
    const Dim *x[] = {rec->time, rec->batch, rec->input};
    const Dim *w[] = {directions, gates, rec->input};
    const Dim *r[] = {directions, gates, rec->hidden};
    const Dim *b[] = {directions, tn_dim_mulc(ctx, gates, 2)};
    const Dim *state[] = {directions, rec->batch, rec->hidden};
    const Dim *p[] = {directions, tn_dim_mulc(ctx, rec->hidden, MAX_PEEPHOLES)};
    bool ok = true;
    rec->x = operand(rec, 0, "X", 3, x, rec->batch_first, &ok);
    rec->w = operand(rec, 1, "W", 3, w, false, &ok);
    rec->r = operand(rec, 2, "R", 3, r, false, &ok);
    rec->b = operand(rec, 3, "B", 2, b, false, &ok);
    rec->lengths = operand(rec, 4, "sequence_lens", 1, &rec->batch, false, &ok);
    rec->h = operand(rec, 5, "initial_h", 3, state, rec->batch_first, &ok);
    rec->c = operand(rec, 6, "initial_c", 3, state, rec->batch_first, &ok);
    rec->p = operand(rec, 7, "P", 2, p, false, &ok);
    return ok && (rec->lengths == NULL || tn_dtype_is_int(rec->lengths->type.dtype) ||
                  tn_call_error(rec->call, "input 'sequence_lens' is %s, expected i32",
                                tn_dtype_name(rec->lengths->type.dtype)));
}

/* ---- parts of operands ---- */

/* Slice `i` along dim 0, without that dim. */
static Value *of_direction(Call *call, Value *value, int i) {
    Value *slice = tn_make_slice(call, value, 0, tn_make_int(call, i), tn_make_int(call, 1), 1);
    return tn_make_squeeze(call, slice, 1);
}

/* Parts [first, first + count) along `axis`, each `hidden` long. */
static Value *parts(Call *call, const Recurrent *rec, Value *value, int axis, int first,
                    int count) {
    return tn_make_slice(call, value, axis, tn_dim_mulc(call->ctx, rec->hidden, first),
                         tn_dim_mulc(call->ctx, rec->hidden, count), 1);
}

/* a * b', over the last dim of both. */
static Value *product(Call *call, Value *a, Value *b) {
    if (a == NULL || b == NULL) {
        return NULL;
    }
    int64_t axis_a = a->type.rank - 1;
    int64_t axis_b = b->type.rank - 1;
    Value *in[] = {a, b};
    Attr attrs[] = {tn_make_attr_int(TN_ATTR_batch, 0),
                    tn_make_attr_ints(TN_ATTR_lhs_contract, &axis_a, 1),
                    tn_make_attr_ints(TN_ATTR_rhs_contract, &axis_b, 1)};
    return tn_make_node(call, TN_OP_contract, in, 2, attrs, 3);
}

/* ---- cells ---- */

static Value *activate(const Step *step, int function, Value *x) {
    const Function *f = &step->functions[function];
    return x != NULL ? f->kind->make(step->call, x, f->alpha, f->beta) : NULL;
}

/* Of a gate's sum, clipped. */
static Value *apply(const Step *step, int function, Value *x) {
    double clip = step->rec->clip;
    if (clip > 0) {
        x = tn_make_map2_num(step->call, TN_OP_min, x, clip);
        x = tn_make_map2_num(step->call, TN_OP_max, x, -clip);
    }
    return activate(step, function, x);
}

static Value *add(const Step *step, Value *a, Value *b) {
    return tn_make_map2(step->call, TN_OP_add, a, b);
}

static Value *mul(const Step *step, Value *a, Value *b) {
    return tn_make_map2(step->call, TN_OP_mul, a, b);
}

static Value *one_minus(const Step *step, Value *a) {
    return tn_make_num_map2(step->call, TN_OP_sub, 1, a);
}

static Value *gate(const Step *step, Value *sums, int i) {
    return parts(step->call, step->rec, sums, 1, i, 1);
}

/* Ht = f(Xt W' + Ht-1 R' + Wb + Rb) */
static bool run_rnn(Step *step) {
    step->h_next = apply(step, 0, add(step, step->z, product(step->call, step->h, step->r)));
    return step->h_next != NULL;
}

/* The hidden gate's sum, the reset gate acting on the state or on its product. */
static Value *gru_candidate(const Step *step, Value *all, Value *reset) {
    Value *recurrent;
    if (step->rec->linear_before_reset) {
        recurrent = gate(step, all, 2);
        recurrent = step->b_last != NULL ? add(step, recurrent, step->b_last) : recurrent;
        recurrent = mul(step, reset, recurrent);
    } else {
        recurrent = product(step->call, mul(step, reset, step->h), step->r_last);
    }
    return add(step, gate(step, step->z, 2), recurrent);
}

/* Ht = (1 - z) g(...) + z Ht-1 */
static bool run_gru(Step *step) {
    Value *all = product(step->call, step->h, step->r);
    Value *z = apply(step, 0, add(step, gate(step, step->z, 0), gate(step, all, 0)));
    Value *r = apply(step, 0, add(step, gate(step, step->z, 1), gate(step, all, 1)));
    Value *h = apply(step, 1, gru_candidate(step, all, r));
    step->h_next = add(step, mul(step, one_minus(step, z), h), mul(step, z, step->h));
    return step->h_next != NULL;
}

static Value *peep(const Step *step, Value *sum, int which, Value *c) {
    Value *weights = step->peephole[which];
    return weights != NULL ? add(step, sum, mul(step, weights, c)) : sum;
}

/* Gates lie as i, o, f, c; peepholes as i, o, f. */
static bool run_lstm(Step *step) {
    Value *sums = add(step, step->z, product(step->call, step->h, step->r));
    Value *i = apply(step, 0, peep(step, gate(step, sums, 0), 0, step->c));
    Value *f = step->rec->input_forget
                   ? one_minus(step, i)
                   : apply(step, 0, peep(step, gate(step, sums, 2), 2, step->c));
    Value *fresh = apply(step, 1, gate(step, sums, 3));
    step->c_next = add(step, mul(step, f, step->c), mul(step, i, fresh));
    Value *o = apply(step, 0, peep(step, gate(step, sums, 1), 1, step->c_next));
    /* The cell is not clipped here, which the text leaves open: nor do other runtimes. */
    step->h_next = mul(step, o, activate(step, 2, step->c_next));
    return step->h_next != NULL;
}

static const Cell cells[] = {
    [RECURRENT_RNN] = {1, 1, {"Tanh"}, false, run_rnn},
    [RECURRENT_GRU] = {3, 2, {"Sigmoid", "Tanh"}, false, run_gru},
    [RECURRENT_LSTM] = {MAX_GATES, 3, {"Sigmoid", "Tanh", "Tanh"}, true, run_lstm},
};

/* ---- one direction ---- */

typedef struct LoopParts {
    Value *in[16]; /* operands so far */
    uint32_t n;
    bool failed;
} LoopParts;

/* A further operand of the loop; returns its input in the body, which has `type`. */
static Value *give(LoopParts *loop, Graph *body, Value *value, bool scanned) {
    if (value == NULL) {
        loop->failed = true;
        return NULL;
    }
    Type type = value->type;
    type.layout = NULL;
    type = scanned ? tn_loop_slice_type(&type) : type;
    loop->in[loop->n++] = value;
    return tn_graph_add_input(body, NULL, type);
}

static bool splits_gru(const Recurrent *rec) {
    return rec->cell == &cells[RECURRENT_GRU] && !rec->linear_before_reset;
}

/* The reset gate is applied to the hidden gate's second bias too: it stays in the loop. */
static bool keeps_bias(const Recurrent *rec) {
    return rec->cell == &cells[RECURRENT_GRU] && rec->linear_before_reset && rec->b != NULL;
}

/* The bias that does not depend on the state. */
static Value *input_bias(const Recurrent *rec, int direction) {
    Call *call = rec->call;
    int gates = rec->cell->gates;
    Value *b = of_direction(call, rec->b, direction);
    Value *first = parts(call, rec, b, 0, 0, gates);
    if (!keeps_bias(rec)) {
        return tn_make_map2(call, TN_OP_add, first, parts(call, rec, b, 0, gates, gates));
    }
    Value *both[] = {tn_make_map2(call, TN_OP_add, parts(call, rec, b, 0, 0, gates - 1),
                                  parts(call, rec, b, 0, gates, gates - 1)),
                     parts(call, rec, b, 0, gates - 1, 1)};
    return both[0] != NULL && both[1] != NULL ? tn_make_concat(call, both, 2, 0) : NULL;
}

/* X W' and biases: [time, batch, gates * hidden]. */
static Value *project(const Recurrent *rec, int direction) {
    Value *z = product(rec->call, rec->x, of_direction(rec->call, rec->w, direction));
    return rec->b != NULL ? tn_make_map2(rec->call, TN_OP_add, z, input_bias(rec, direction)) : z;
}

/* The state before the first turn. */
static Value *start_state(const Recurrent *rec, Value *given, int direction) {
    if (given != NULL) {
        return of_direction(rec->call, given, direction);
    }
    Shape shape = {.rank = 2, .dims = {rec->batch, rec->hidden}};
    return tn_make_fill(rec->call, tn_make_scalar(rec->call, rec->x->type.dtype, 0), &shape);
}

static void give_weights(Step *step, LoopParts *loop, int direction) {
    const Recurrent *rec = step->rec;
    Call *call = rec->call;
    Graph *body = step->call->graph;
    int gates = rec->cell->gates;
    Value *r = of_direction(call, rec->r, direction);
    if (splits_gru(rec)) {
        step->r_last = give(loop, body, parts(call, rec, r, 0, gates - 1, 1), false);
        r = parts(call, rec, r, 0, 0, gates - 1);
    }
    step->r = give(loop, body, r, false);
    if (keeps_bias(rec)) {
        Value *b = of_direction(call, rec->b, direction);
        step->b_last = give(loop, body, parts(call, rec, b, 0, 2 * gates - 1, 1), false);
    }
    for (int i = 0; i < MAX_PEEPHOLES && rec->p != NULL; i++) {
        Value *p = of_direction(call, rec->p, direction);
        step->peephole[i] = give(loop, body, parts(call, rec, p, 0, i, 1), false);
    }
    if (rec->lengths != NULL) {
        step->lengths = give(loop, body, tn_make_cast(call, rec->lengths, TN_I64), false);
    }
}

/* Whether each sequence reaches this turn: [batch, 1]. */
static Value *alive(const Step *step) {
    Value *lengths = tn_make_unsqueeze(step->call, step->lengths, 2);
    return tn_make_map2(step->call, TN_OP_lt, step->turn, lengths);
}

/* The body's outputs: the next state, then this turn's slice of Y. */
static bool finish_body(Step *step) {
    Call *call = step->call;
    Value *y = step->h_next;
    if (step->lengths != NULL) {
        Value *live = alive(step);
        Value *zero = tn_make_scalar(call, y->type.dtype, 0);
        y = tn_make_select(call, live, step->h_next, zero);
        step->h_next = tn_make_select(call, live, step->h_next, step->h);
        step->c_next = step->c != NULL ? tn_make_select(call, live, step->c_next, step->c) : NULL;
    }
    Value *outputs[] = {step->h_next, step->c_next, y};
    for (int i = 0; i < 3; i++) {
        if (outputs[i] != NULL) {
            tn_graph_add_output(call->graph, NULL, outputs[i]);
        } else if (i != 1 || step->c != NULL) {
            return false;
        }
    }
    return true;
}

static Node *run_direction(const Recurrent *rec, int direction) {
    Call *call = rec->call;
    Call inside = *call;
    LoopParts loop = {0};
    Step step = {.rec = rec,
                 .call = &inside,
                 .functions = &rec->functions[direction * rec->cell->functions]};
    Graph *body = tn_graph_new(call->ctx, "body");
    uint32_t carried = rec->cell->has_cell ? 2 : 1;
    inside.graph = body;
    step.turn = tn_graph_add_input(body, "turn", tn_type_scalar(TN_I64));
    step.h = give(&loop, body, start_state(rec, rec->h, direction), false);
    if (rec->cell->has_cell) {
        step.c = give(&loop, body, start_state(rec, rec->c, direction), false);
    }
    step.z = give(&loop, body, project(rec, direction), true);
    give_weights(&step, &loop, direction);
    if (loop.failed || !rec->cell->run(&step) || !finish_body(&step)) {
        return NULL;
    }
    bool reverse = rec->reverse || direction == 1;
    return tn_loop_new(call->graph, body, loop.in, loop.n, rec->time, carried, 1, reverse,
                       call->loc, NULL);
}

/* ---- results ---- */

/* One value of each direction side by side along a new `axis`, then in the dims' order. */
static Value *join(const Recurrent *rec, Value *const *values, int axis, const int64_t *perm) {
    Call *call = rec->call;
    Value *each[MAX_DIRECTIONS];
    for (int i = 0; i < rec->directions; i++) {
        each[i] = tn_make_unsqueeze(call, values[i], 1u << axis);
        if (each[i] == NULL) {
            return NULL;
        }
    }
    Value *joined = tn_make_concat(call, each, (size_t)rec->directions, axis);
    return rec->batch_first ? tn_make_transpose(call, joined, perm) : joined;
}

/* A loop's results are the last states, then Y; the operator's Y, Y_h, Y_c. */
static bool give_results(const Recurrent *rec, Node *const *loops) {
    static const int64_t of_sequence[] = {2, 0, 1, 3};
    static const int64_t of_state[] = {1, 0, 2};
    Call *call = rec->call;
    for (size_t i = 0; i < call->n_out; i++) {
        Value *values[MAX_DIRECTIONS];
        for (int d = 0; d < rec->directions; d++) {
            values[d] = loops[d]->out[i == 0 ? loops[d]->n_out - 1u : i - 1];
        }
        call->out[i] = i == 0 ? join(rec, values, 1, of_sequence) : join(rec, values, 0, of_state);
        if (call->out[i] == NULL) {
            return false;
        }
    }
    return true;
}

bool tn_import_recurrent(Call *call) {
    Recurrent rec = {.call = call, .cell = &cells[call->row->param]};
    Node *loops[MAX_DIRECTIONS];
    if (!read_attributes(&rec) || !read_sizes(&rec) || !read_operands(&rec)) {
        return false;
    }
    for (int d = 0; d < rec.directions; d++) {
        loops[d] = run_direction(&rec, d);
        if (loops[d] == NULL) {
            return false;
        }
    }
    return give_results(&rec, loops);
}
