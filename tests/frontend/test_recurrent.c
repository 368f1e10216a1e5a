/* test_recurrent.c: RNN, GRU and LSTM against the operators' equations, written out turn by turn
 * and element by element. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/onnx_case.h"

enum { TIME = 4, BATCH = 3, INPUT = 2, HIDDEN = 2, DIRECTIONS = 2, GATES = 4, MANY = 512 };

typedef double Activate(double x);

/* What a case has besides its operator; zero is the default of each. */
typedef struct Setting {
    const char *op, *attrs;
    int gates;
    bool reverse, both, batch_first, bias, lengths, start, peepholes;
    bool linear_before_reset, input_forget;
    double clip;
    Activate *f, *g, *h; /* NULL: sigmoid, tanh, tanh; of RNN f is tanh */
} Setting;

typedef struct Numbers {
    double x[MANY], w[MANY], r[MANY], b[MANY], lens[BATCH], h0[MANY], c0[MANY], p[MANY];
    double y[MANY], h[MANY], c[MANY];
} Numbers;

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double relu(double x) {
    return x > 0 ? x : 0;
}

static double affine(double x) {
    return 0.5 * x + 0.25;
}

static double softsign(double x) {
    return x / (1 + fabs(x));
}

static void fill(double *out, int n, int seed) {
    for (int i = 0; i < n; i++) {
        out[i] = ((i * 37 + seed * 53 + i * i * 7) % 41 - 20) / 20.0;
    }
}

static double clipped(const Setting *s, double x) {
    return s->clip > 0 ? fmin(fmax(x, -s->clip), s->clip) : x;
}

/* ---- one cell ---- */

typedef struct Cell {
    const Setting *s;
    const double *x, *w, *r, *b, *p; /* of this turn, sequence and direction */
    double h[HIDDEN], c[HIDDEN];     /* updated */
} Cell;

static double input_sum(const Cell *cell, int gate, int unit) {
    int row = gate * HIDDEN + unit;
    double sum = cell->s->bias ? cell->b[row] : 0;
    for (int i = 0; i < INPUT; i++) {
        sum += cell->w[row * INPUT + i] * cell->x[i];
    }
    return sum;
}

static double state_sum(const Cell *cell, int gate, int unit, const double *h) {
    int row = gate * HIDDEN + unit;
    double sum = cell->s->bias ? cell->b[cell->s->gates * HIDDEN + row] : 0;
    for (int i = 0; i < HIDDEN; i++) {
        sum += cell->r[row * HIDDEN + i] * h[i];
    }
    return sum;
}

static double gate_of(const Cell *cell, int gate, int unit, double peep, Activate *activate) {
    double sum = input_sum(cell, gate, unit) + state_sum(cell, gate, unit, cell->h) + peep;
    return activate(clipped(cell->s, sum));
}

static void run_rnn(Cell *cell, Activate *f) {
    double next[HIDDEN];
    for (int u = 0; u < HIDDEN; u++) {
        next[u] = gate_of(cell, 0, u, 0, f);
    }
    memcpy(cell->h, next, sizeof next);
}

static void run_gru(Cell *cell, Activate *f, Activate *g) {
    double next[HIDDEN], reset[HIDDEN], fresh[HIDDEN];
    for (int u = 0; u < HIDDEN; u++) {
        reset[u] = gate_of(cell, 1, u, 0, f);
        fresh[u] = reset[u] * cell->h[u];
    }
    for (int u = 0; u < HIDDEN; u++) {
        double z = gate_of(cell, 0, u, 0, f);
        double recurrent = cell->s->linear_before_reset ? reset[u] * state_sum(cell, 2, u, cell->h)
                                                        : state_sum(cell, 2, u, fresh);
        double n = g(clipped(cell->s, input_sum(cell, 2, u) + recurrent));
        next[u] = (1 - z) * n + z * cell->h[u];
    }
    memcpy(cell->h, next, sizeof next);
}

static void run_lstm(Cell *cell, Activate *f, Activate *g, Activate *h) {
    double next[HIDDEN];
    for (int u = 0; u < HIDDEN; u++) {
        const double *p = cell->p;
        double old = cell->c[u];
        double peep[3] = {0};
        for (int k = 0; k < 3 && cell->s->peepholes; k++) {
            peep[k] = p[k * HIDDEN + u];
        }
        double i = gate_of(cell, 0, u, peep[0] * old, f);
        double forget = cell->s->input_forget ? 1 - i : gate_of(cell, 2, u, peep[2] * old, f);
        cell->c[u] = forget * old + i * gate_of(cell, 3, u, 0, g);
        next[u] = gate_of(cell, 1, u, peep[1] * cell->c[u], f) * h(cell->c[u]);
    }
    memcpy(cell->h, next, sizeof next);
}

static void run_cell(Cell *cell) {
    const Setting *s = cell->s;
    Activate *f = s->f != NULL ? s->f : s->gates == 1 ? tanh : sigmoid;
    Activate *g = s->g != NULL ? s->g : tanh;
    switch (s->gates) {
    case 1:
        run_rnn(cell, f);
        break;
    case 3:
        run_gru(cell, f, g);
        break;
    default:
        run_lstm(cell, f, g, s->h != NULL ? s->h : tanh);
        break;
    }
}

/* ---- a sequence ---- */

static int directions(const Setting *s) {
    return s->both ? 2 : 1;
}

static int at_x(const Setting *s, int t, int b) {
    return (s->batch_first ? b * TIME + t : t * BATCH + b) * INPUT;
}

static int at_y(const Setting *s, int t, int d, int b) {
    int n = directions(s);
    return (s->batch_first ? (b * TIME + t) * n + d : (t * n + d) * BATCH + b) * HIDDEN;
}

static int at_state(const Setting *s, int d, int b) {
    return (s->batch_first ? b * directions(s) + d : d * BATCH + b) * HIDDEN;
}

static void run_sequence(const Setting *s, Numbers *n, int d, int b) {
    int rows = s->gates * HIDDEN;
    int length = s->lengths ? (int)n->lens[b] : TIME;
    bool reverse = s->reverse || d == 1;
    Cell cell = {.s = s,
                 .w = n->w + d * rows * INPUT,
                 .r = n->r + d * rows * HIDDEN,
                 .b = n->b + d * 2 * rows,
                 .p = n->p + d * 3 * HIDDEN};
    for (int u = 0; u < HIDDEN && s->start; u++) {
        cell.h[u] = n->h0[at_state(s, d, b) + u];
        cell.c[u] = n->c0[at_state(s, d, b) + u];
    }
    for (int turn = 0; turn < length; turn++) {
        int t = reverse ? length - 1 - turn : turn;
        cell.x = n->x + at_x(s, t, b);
        run_cell(&cell);
        memcpy(n->y + at_y(s, t, d, b), cell.h, sizeof cell.h);
    }
    memcpy(n->h + at_state(s, d, b), cell.h, sizeof cell.h);
    memcpy(n->c + at_state(s, d, b), cell.c, sizeof cell.c);
}

/* ---- cases ---- */

/* Sizes before the first 0. */
static void set_dims(char *out, int a, int b, int c, int d) {
    if (c == 0) {
        snprintf(out, 32, "%d,%d", a, b);
    } else if (d == 0) {
        snprintf(out, 32, "%d,%d,%d", a, b, c);
    } else {
        snprintf(out, 48, "%d,%d,%d,%d", a, b, c, d);
    }
}

typedef char DimsText[48];

static CaseTensor tensor(DimsText text, const double *values, int a, int b, int c, int d) {
    set_dims(text, a, b, c, d);
    return (CaseTensor){TN_F32, text, values, false};
}

static void set_inputs(const Setting *s, const Numbers *n, DimsText *texts, OpCase *out) {
    int ways = directions(s), rows = s->gates * HIDDEN;
    int first = s->batch_first ? BATCH : ways, second = s->batch_first ? ways : BATCH;
    out->in[0] = s->batch_first ? tensor(texts[0], n->x, BATCH, TIME, INPUT, 0)
                                : tensor(texts[0], n->x, TIME, BATCH, INPUT, 0);
    out->in[1] = tensor(texts[1], n->w, ways, rows, INPUT, 0);
    out->in[2] = tensor(texts[2], n->r, ways, rows, HIDDEN, 0);
    if (s->bias) {
        out->in[3] = tensor(texts[3], n->b, ways, 2 * rows, 0, 0);
    }
    if (s->lengths) {
        out->in[4] = (CaseTensor){TN_I32, "3", n->lens, false};
    }
    if (s->start) {
        out->in[5] = tensor(texts[5], n->h0, first, second, HIDDEN, 0);
        out->in[6] = tensor(texts[6], n->c0, first, second, HIDDEN, 0);
    }
    if (s->peepholes) {
        out->in[7] = tensor(texts[7], n->p, ways, 3 * HIDDEN, 0, 0);
    }
    out->n_in = s->gates == 4 ? 8 : 6;
}

static void set_outputs(const Setting *s, const Numbers *n, DimsText *texts, OpCase *out) {
    int ways = directions(s);
    int first = s->batch_first ? BATCH : ways, second = s->batch_first ? ways : BATCH;
    out->out[0] = s->batch_first ? tensor(texts[0], n->y, BATCH, TIME, ways, HIDDEN)
                                 : tensor(texts[0], n->y, TIME, ways, BATCH, HIDDEN);
    out->out[1] = tensor(texts[1], n->h, first, second, HIDDEN, 0);
    if (s->gates == 4) {
        out->out[2] = tensor(texts[2], n->c, first, second, HIDDEN, 0);
    }
}

static void check(const Setting *s) {
    static Numbers n;
    DimsText texts[CASE_INPUTS + CASE_OUTPUTS] = {0};
    int rows = s->gates * HIDDEN;
    memset(&n, 0, sizeof n);
    fill(n.x, TIME * BATCH * INPUT, 1);
    fill(n.w, DIRECTIONS * rows * INPUT, 2);
    fill(n.r, DIRECTIONS * rows * HIDDEN, 3);
    fill(n.b, DIRECTIONS * 2 * rows, 4);
    fill(n.h0, DIRECTIONS * BATCH * HIDDEN, 5);
    fill(n.c0, DIRECTIONS * BATCH * HIDDEN, 6);
    fill(n.p, DIRECTIONS * 3 * HIDDEN, 7);
    memcpy(n.lens, (const double[BATCH]){4, 2, 1}, sizeof n.lens);
    for (int d = 0; d < directions(s); d++) {
        for (int b = 0; b < BATCH; b++) {
            run_sequence(s, &n, d, b);
        }
    }
    OpCase c = {.opset = 14, .op = s->op, .attrs = s->attrs};
    set_inputs(s, &n, texts, &c);
    set_outputs(s, &n, texts + CASE_INPUTS, &c);
    onnx_check(&c, 1);
}

#define CHECK(...)                                                                                 \
    do {                                                                                           \
        const Setting settings[] = {__VA_ARGS__};                                                  \
        for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {                          \
            check(&settings[i]);                                                                   \
        }                                                                                          \
    } while (0)

/* One case a row: columns say more here than the formatter would. */
/* clang-format off */
static void test_rnn(void **state) {
    (void)state;
    CHECK({"RNN", "hidden_size=2", 1, .reverse = false},
          {"RNN", "direction=\"reverse\"", 1, .reverse = true, .bias = true, .start = true},
          {"RNN", "direction=\"bidirectional\", activations=[\"Relu\", \"Relu\"]", 1, .both = true, .lengths = true, .f = relu},
          {"RNN", "layout=1, clip=0.3", 1, .batch_first = true, .bias = true, .start = true, .lengths = true, .clip = 0.3},
          {"RNN", "activations=[\"AFFINE\"], activation_alpha=[0.5], activation_beta=[0.25]", 1, .f = affine});
}

static void test_gru(void **state) {
    (void)state;
    CHECK({"GRU", "hidden_size=2", 3, .reverse = false},
          {"GRU", NULL, 3, .bias = true, .start = true},
          {"GRU", "linear_before_reset=1", 3, .linear_before_reset = true},
          {"GRU", "linear_before_reset=1", 3, .linear_before_reset = true, .bias = true, .start = true, .lengths = true},
          {"GRU", "direction=\"bidirectional\", layout=1, clip=0.5", 3, .both = true, .batch_first = true, .bias = true, .start = true, .lengths = true, .clip = 0.5},
          {"GRU", "direction=\"reverse\", activations=[\"Softsign\", \"Relu\"]", 3, .reverse = true, .f = softsign, .g = relu});
}

static void test_lstm(void **state) {
    (void)state;
    CHECK({"LSTM", "hidden_size=2", 4, .reverse = false},
          {"LSTM", NULL, 4, .bias = true, .start = true, .peepholes = true},
          {"LSTM", "input_forget=1", 4, .bias = true, .peepholes = true, .input_forget = true},
          {"LSTM", "direction=\"bidirectional\", layout=1", 4, .both = true, .batch_first = true, .bias = true, .start = true, .lengths = true, .peepholes = true},
          {"LSTM", "direction=\"reverse\", clip=0.4", 4, .reverse = true, .lengths = true, .clip = 0.4},
          {"LSTM", "activations=[\"Affine\", \"Softsign\", \"Relu\"], activation_alpha=[0.5], activation_beta=[0.25]", 4, .start = true, .f = affine, .g = softsign, .h = relu});
}
/* clang-format on */

static void check_refused(const char *op, const char *attrs, const char *r, const char *text) {
    static const char *const names[] = {"x", "w", "r"};
    const char *dims[] = {"4,3,2", "1,8,2", r};
    Pb graph = {0};
    for (int i = 0; i < 3; i++) {
        Pb value = onnx_value(names[i], 1, dims[i]);
        pb_message(&graph, GRAPH_INPUT, &value);
    }
    Pb out = onnx_value("y", 1, NULL);
    pb_message(&graph, GRAPH_OUTPUT, &out);
    Pb node = onnx_node("n", op, "x w r", "y", attrs);
    pb_message(&graph, GRAPH_NODE, &node);
    onnx_check_graph_error(&graph, TN_BAD_INPUT, text);
}

static void test_bad_input(void **state) {
    (void)state;
    check_refused("LSTM", "direction=\"sideways\"", "1,8,2",
                  "attribute 'direction' is 'sideways', expected 'forward', 'reverse' or");
    check_refused("LSTM", "activations=[\"Tanh\", \"Tahn\", \"Tanh\"]", "1,8,2",
                  "activation 'Tahn' is unknown; expected one of: Affine, ");
    check_refused("LSTM", "activations=[\"Tanh\"]", "1,8,2", "1 activations, expected 3");
    check_refused("LSTM", "activation_alpha=[0.5]", "1,8,2",
                  "'activation_alpha' has 1 values for the 0 activations that take one");
    check_refused("LSTM", "clip=-1.0", "1,8,2", "'clip' is -1, expected a positive number");
    check_refused("LSTM", NULL, "1,8", "inputs 'X' and 'R' have ranks 3 and 2");
    check_refused("LSTM", NULL, "1,8,3", "dimension 1 of input 'W' does not fit the others");
    check_refused("LSTM", "hidden_size=3", "1,8,2", "dimension 1 of input 'W' does not fit");
    check_refused("GRU", NULL, "1,8,2", "dimension 1 of input 'W' does not fit");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rnn),
        cmocka_unit_test(test_gru),
        cmocka_unit_test(test_lstm),
        cmocka_unit_test(test_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
