/* test_exact.c: simplification keeps every bit.
 *
 * All elementwise graphs of two primitives over two inputs and a constant are simplified and
 * evaluated on all pairs of special numbers: both zeros, ones, halves, the smallest and
 * largest, infinities and NaN, and their like for integers. Results must be equal, zeros of
 * the same sign; but powers may differ in rounding, and which of two zeros is smaller is
 * left open.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ir/build.h"
#include "passes/simplify.h"

static const double floats[] = {0.0, -0.0,      1,        -1,       0.5,       -2, 3,
                                4,   0x1p-1074, 0x1p1023, HUGE_VAL, -HUGE_VAL, NAN};
static const double integers[] = {0, 1, -1, 2, -2, 3, 7, 127, -128, 2147483647.0, -2147483648.0};
static const double truths[] = {0, 1};

typedef struct Numbers {
    DType dtype;
    const double *list;
    int64_t n;
} Numbers;

/* One graph in the making: y = outer(inner(x, y, c), ...). */
typedef struct Trial {
    Ctx ctx;
    Graph *graph;
    Build build;
    Value *x, *y, *c;
    const Numbers *numbers;
    bool has_power, has_bound;
} Trial;

/* ---- graphs ---- */

static void open_trial(Trial *trial, const Numbers *numbers, double constant) {
    tn_ctx_init(&trial->ctx, NULL);
    trial->graph = tn_graph_new(&trial->ctx, "exact");
    trial->build = (Build){.graph = trial->graph};
    trial->numbers = numbers;
    const Dim *dim = tn_dim_const(&trial->ctx, numbers->n * numbers->n);
    Type type = tn_type_make(numbers->dtype, 1, &dim);
    trial->x = tn_graph_add_input(trial->graph, "x", type);
    trial->y = tn_graph_add_input(trial->graph, "y", type);
    trial->c = tn_build_number(&trial->build, &type, constant);
}

/* Notes what the comparison must allow for. */
static void note_op(Trial *trial, Op op) {
    trial->has_power = trial->has_power || op == TN_OP_pow || op == TN_OP_rsqrt;
    trial->has_bound = trial->has_bound || op == TN_OP_min || op == TN_OP_max;
}

/* Whether the row takes operands of the dtype and there is nothing else to say to it. */
static bool applies(Op op, DType dtype) {
    const OpInfo *info = tn_op_info(op);
    bool fits =
        info->domain == DOMAIN_ANY ||
        (dtype == TN_BOOL ? info->domain == DOMAIN_BOOL
                          : info->domain == DOMAIN_NUM ||
                                (info->domain == DOMAIN_FLOAT
                                     ? tn_dtype_is_float(dtype)
                                     : info->domain == DOMAIN_INT && !tn_dtype_is_float(dtype)));
    return info->cls == OPC_MAP && fits && info->n_in <= 2 && info->result != RESULT_TO;
}

static Value *apply(Trial *trial, Op op, Value *a, Value *b) {
    if (!applies(op, a->type.dtype) ||
        (tn_op_info(op)->n_in == 2 && a->type.dtype != b->type.dtype)) {
        return NULL;
    }
    note_op(trial, op);
    return tn_op_info(op)->n_in == 1 ? tn_build_map1(&trial->build, op, a)
                                     : tn_build_map2(&trial->build, op, a, b);
}

/* Operand `which` of the inner node, or the inner node itself. */
static Value *operand(Trial *trial, int which, Value *inner) {
    Value *const all[] = {trial->x, trial->y, trial->c, inner};
    return all[which];
}

/* ---- evaluation ---- */

static void fill_inputs(const Trial *trial, RefTensor *inputs) {
    const Numbers *numbers = trial->numbers;
    for (int i = 0; i < 2; i++) {
        inputs[i] = (RefTensor){.dtype = numbers->dtype, .rank = 1};
        inputs[i].count = inputs[i].dims[0] = numbers->n * numbers->n;
        inputs[i].i = test_calloc((size_t)inputs[i].count, sizeof(int64_t));
        for (int64_t k = 0; k < inputs[i].count; k++) {
            double number = numbers->list[i == 0 ? k / numbers->n : k % numbers->n];
            if (tn_dtype_is_float(numbers->dtype)) {
                inputs[i].f[k] = number;
            } else {
                inputs[i].i[k] = (int64_t)number;
            }
        }
    }
}

static bool same_float(const Trial *trial, double a, double b) {
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b);
    }
    if (trial->has_power && isfinite(a) && fabs(a - b) <= 0x1p-50 * fabs(a)) {
        return true;
    }
    if (trial->has_bound && fabs(a) == fabs(b) && (a == 0 || isinf(a))) {
        return true; /* a zero, or what was divided by it */
    }
    return a == b && signbit(a) == signbit(b);
}

static bool same_tensor(const Trial *trial, const RefTensor *a, const RefTensor *b) {
    for (int64_t k = 0; k < a->count; k++) {
        bool same =
            tn_dtype_is_float(a->dtype) ? same_float(trial, a->f[k], b->f[k]) : a->i[k] == b->i[k];
        if (!same) {
            return false;
        }
    }
    return true;
}

static void check(Trial *trial, Value *result) {
    tn_graph_add_output(trial->graph, "z", result);
    RefTensor inputs[2];
    RefTensor before;
    RefTensor after;
    fill_inputs(trial, inputs);
    Graph *plain = tn_graph_clone(trial->graph);
    assert_true(tn_eval_graph(plain, inputs, &trial->ctx.arena, &before, NULL, NULL));
    assert_true(tn_simplify_graph(trial->graph));
    assert_true(tn_eval_graph(trial->graph, inputs, &trial->ctx.arena, &after, NULL, NULL));
    if (!same_tensor(trial, &before, &after)) {
        StrBuf text = tn_str(&trial->ctx.arena);
        tn_graph_print(plain, false, &text);
        tn_str_puts(&text, "became\n");
        tn_graph_print(trial->graph, false, &text);
        fail_msg("not exact:\n%s", text.data);
    }
    test_free(inputs[0].i);
    test_free(inputs[1].i);
}

/* ---- all of them ---- */

/* outer(a, b) where `shape` tells the operands of both nodes. */
static void try_graph(const Numbers *numbers, double constant, Op inner_op, int inner_shape,
                      Op outer_op, int outer_shape) {
    static const int inner_operands[][2] = {{0, 1}, {0, 2}, {2, 0}, {0, 0}};
    static const int outer_operands[][2] = {{3, 0}, {0, 3}, {3, 1}, {1, 3}, {3, 2}, {2, 3}, {3, 3}};
    Trial trial = {0};
    open_trial(&trial, numbers, constant);
    const int *from = inner_operands[inner_shape];
    Value *inner =
        apply(&trial, inner_op, operand(&trial, from[0], NULL), operand(&trial, from[1], NULL));
    from = outer_operands[outer_shape];
    Value *outer = inner == NULL ? NULL
                                 : apply(&trial, outer_op, operand(&trial, from[0], inner),
                                         operand(&trial, from[1], inner));
    assert_int_equal(trial.ctx.diags.items.len, 0);
    if (outer != NULL) {
        check(&trial, outer);
    }
    tn_ctx_free(&trial.ctx);
}

/* Number of ways to choose operands that matter for a row. */
static int shapes_of(Op op, int n_unary, int n_binary) {
    return tn_op_info(op)->n_in == 1 ? n_unary : n_binary;
}

static void try_all(const Numbers *numbers, double constant) {
    for (Op inner = 0; inner < TN_OP_COUNT; inner++) {
        if (!applies(inner, numbers->dtype)) {
            continue;
        }
        for (Op outer = 0; outer < TN_OP_COUNT; outer++) {
            for (int i = 0; i < shapes_of(inner, 1, 4); i++) {
                for (int o = 0; o < shapes_of(outer, 1, 7); o++) {
                    try_graph(numbers, constant, inner, i, outer, o);
                }
            }
        }
    }
}

static void test_floats(void **state) {
    (void)state;
    const Numbers numbers = {TN_F64, floats, sizeof floats / sizeof *floats};
    static const double constants[] = {0.0, -0.0, 1, -1, 2, 3, HUGE_VAL, -HUGE_VAL};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        try_all(&numbers, constants[i]);
    }
}

static void test_integers(void **state) {
    (void)state;
    static const DType dtypes[] = {TN_I32, TN_U8};
    static const double constants[] = {0, 1, 2, 3};
    for (size_t d = 0; d < 2; d++) {
        int64_t n = dtypes[d] == TN_I32 ? (int64_t)(sizeof integers / sizeof *integers) : 2;
        const Numbers numbers = {dtypes[d], integers, n};
        for (size_t i = 0; i < 4; i++) {
            try_all(&numbers, constants[i]);
        }
    }
    const Numbers numbers = {TN_I32, integers, sizeof integers / sizeof *integers};
    try_all(&numbers, -1);
}

static void test_truths(void **state) {
    (void)state;
    const Numbers numbers = {TN_BOOL, truths, 2};
    try_all(&numbers, 0);
    try_all(&numbers, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_floats),
                                       cmocka_unit_test(test_integers),
                                       cmocka_unit_test(test_truths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
