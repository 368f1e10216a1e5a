/* test_train.c: the tenon command on models that train: entries, states, gradients, figures.
 *
 * The model is written out in the text form, with its backward pass by hand: p = tanh(x w),
 * loss = mean (p - y)^2, momentum .5. What a step must leave in the state is computed here.
 */
#include "tests/tools/command.h"

#include <math.h>

#include "tools/npy.h"
#include "tools/tensor.h"

#define INPUTS "%x: f32[N,3], %y: f32[N], %w: f32[3] state 0"
#define FORWARD                                                                                    \
    "  %s = contract(%x, %w) {lhs_contract=[1], rhs_contract=[0]}\n"                               \
    "  %p = tanh(%s)\n"                                                                            \
    "  %d = sub(%p, %y)\n"                                                                         \
    "  %q = mul(%d, %d)\n"                                                                         \
    "  %sum = reduce_sum(%q) {axes=[0]}\n"                                                         \
    "  %nv = dimvec() {to=i64, values=[N]}\n"                                                      \
    "  %nf = cast(%nv) {to=f32}\n"                                                                 \
    "  %n = reshape(%nf) {dims=[]}\n"                                                              \
    "  %loss = div(%sum, %n)\n"
#define BACKWARD                                                                                   \
    "  %pp = mul(%p, %p)\n"                                                                        \
    "  %one = const() {to=f32, dims=[]} = 1\n"                                                     \
    "  %ones = expand(%one) {dims=[N], axes=[]}\n"                                                 \
    "  %slope = sub(%ones, %pp)\n"                                                                 \
    "  %e = mul(%d, %slope)\n"                                                                     \
    "  %two = const() {to=f32, dims=[]} = 2\n"                                                     \
    "  %k = div(%two, %n)\n"                                                                       \
    "  %ks = expand(%k) {dims=[N], axes=[]}\n"                                                     \
    "  %h = mul(%e, %ks)\n"                                                                        \
    "  %g = contract(%x, %h) {lhs_contract=[0], rhs_contract=[0]}\n"
#define UPDATE                                                                                     \
    "  %half = const() {to=f32, dims=[]} = 0.5\n"                                                  \
    "  %halves = expand(%half) {dims=[3], axes=[]}\n"                                              \
    "  %kept = mul(%m, %halves)\n"                                                                 \
    "  %m1 = add(%kept, %g)\n"                                                                     \
    "  %r = cast(%rate) {to=f32}\n"                                                                \
    "  %rs = expand(%r) {dims=[3], axes=[]}\n"                                                     \
    "  %move = mul(%m1, %rs)\n"                                                                    \
    "  %w1 = sub(%w, %move)\n"                                                                     \
    "  %i1 = const() {to=i64, dims=[]} = 1\n"                                                      \
    "  %t1 = add(%t, %i1)\n"

static const char trainer[] =
    "# tanh regression\n"
    "module \"line\"\n"
    "state \"line.unit.w\" param f32[3]\n"
    "state \"momentum.m.line.unit.w\" optimizer f32[3]\n"
    "state \"grad.line.unit.w\" grad f32[3]\n"
    "state \"step\" counter i64[]\n"
    "hyper \"rate\" = 0.1\n"
    "graph @infer(%x: f32[N,3], %w: f32[3] state 0) -> (%p) {\n"
    "  %s = contract(%x, %w) {lhs_contract=[1], rhs_contract=[0]}\n"
    "  %p = tanh(%s)\n"
    "}\n"
    "graph @init(%seed: i64[]) -> (%w state 0, %none state 1, %none state 2, %t state 3) {\n"
    "  %i = iota() {to=f32, dims=[3], axis=0}\n"
    "  %f = cast(%seed) {to=f32}\n"
    "  %tenth = const() {to=f32, dims=[]} = 0.125\n"
    "  %a = mul(%f, %tenth)\n"
    "  %b = expand(%a) {dims=[3], axes=[]}\n"
    "  %w = mul(%i, %b)\n"
    "  %o = const() {to=f32, dims=[]} = 0\n"
    "  %none = expand(%o) {dims=[3], axes=[]}\n"
    "  %z = const() {to=i64, dims=[]} = 0\n"
    "  %t = copy(%z)\n"
    "}\n"
    "graph @eval(" INPUTS ") -> (%loss) {\n" FORWARD "}\n"
    "graph @step(" INPUTS ", %m: f32[3] state 1, %t: i64[] state 3, %rate: f64[] hyper 0)\n"
    "    -> (%loss, %w1 state 0, %m1 state 1, %t1 state 3) {\n" FORWARD BACKWARD UPDATE "}\n"
    "graph @grad(" INPUTS ", %g0: f32[3] state 2) -> (%loss, %g1 state 2) {\n" FORWARD BACKWARD
    "  %g1 = add(%g0, %g)\n"
    "}\n"
    "graph @apply(%w: f32[3] state 0, %m: f32[3] state 1, %g: f32[3] state 2, %t: i64[] state 3,\n"
    "    %rate: f64[] hyper 0) -> (%w1 state 0, %m1 state 1, %none state 2, %t1 state 3) "
    "{\n" UPDATE "  %o = const() {to=f32, dims=[]} = 0\n"
    "  %none = expand(%o) {dims=[3], axes=[]}\n"
    "}\n";

enum { ROWS = 5, STATE_BYTES = 256, AT_M = 64, AT_GRAD = 128, AT_STEP = 192 };

static float x_data[ROWS][3], y_data[ROWS];

static int with_model(void **state) {
    int failed = empty_folder(state);
    write_file("line.tn", trainer, sizeof trainer - 1);
    return failed;
}

/* The model with `from` replaced by `to` at every place. */
static void write_mutant(const char *name, const char *from, const char *to) {
    static char text[1 << 15];
    size_t n = 0;
    for (const char *at = trainer; *at;) {
        if (strncmp(at, from, strlen(from)) == 0) {
            memcpy(text + n, to, strlen(to));
            n += strlen(to);
            at += strlen(from);
        } else {
            text[n++] = *at++;
        }
    }
    write_file(name, text, n);
}

static void write_npy(const char *name, const tn_tensor *tensor) {
    char header[TN_NPY_HEADER];
    FILE *file = fopen(in_folder(name), "wb");
    assert_non_null(file);
    size_t n = tn_npy_header(tensor, header);
    fwrite(header, 1, n, file);
    fwrite(tensor->data, 1, tn_tensor_bytes(tensor), file);
    assert_int_equal(fclose(file), 0);
}

static void write_data(void) {
    tn_tensor x = {.data = x_data, .dtype = TN_F32, .rank = 2, .dims = {ROWS, 3}};
    tn_tensor y = {.data = y_data, .dtype = TN_F32, .rank = 1, .dims = {ROWS}};
    tn_tensor_random(&x, 3);
    tn_tensor_random(&y, 4);
    write_npy("x.npy", &x);
    write_npy("y.npy", &y);
}

/* The state as the command wrote it. */
typedef struct State {
    float w[3], m[3], grad[3];
    int64_t step;
} State;

static State read_state(const char *name) {
    unsigned char bytes[STATE_BYTES + 1];
    State out;
    FILE *file = fopen(in_folder(name), "rb");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), STATE_BYTES);
    fclose(file);
    memcpy(out.w, bytes, sizeof out.w);
    memcpy(out.m, bytes + AT_M, sizeof out.m);
    memcpy(out.grad, bytes + AT_GRAD, sizeof out.grad);
    memcpy(&out.step, bytes + AT_STEP, sizeof out.step);
    return out;
}

/* The loss and its gradient at w, in double. */
static double loss_at(const double *w, double *gradient) {
    double loss = 0;
    memset(gradient, 0, 3 * sizeof *gradient);
    for (int i = 0; i < ROWS; i++) {
        double s = 0;
        for (int k = 0; k < 3; k++) {
            s += (double)x_data[i][k] * w[k];
        }
        double d = tanh(s) - (double)y_data[i];
        loss += d * d / (double)ROWS;
        for (int k = 0; k < 3; k++) {
            gradient[k] += 2 * d * (1 - tanh(s) * tanh(s)) * (double)x_data[i][k] / (double)ROWS;
        }
    }
    return loss;
}

static void expect_number(const char *before, double value) {
    const char *at = strstr(said, before);
    if (!at || fabs(strtod(at + strlen(before), NULL) - value) > 1e-5) {
        fail_msg("expected '%s%.6g' in '%s'", before, value, said);
    }
}

static void expect_near(const float *got, const double *want) {
    for (int k = 0; k < 3; k++) {
        assert_true(fabs((double)got[k] - want[k]) < 1e-6);
    }
}

#define DATA "--input x=x.npy --input y=y.npy --state s"

static void trains_over_a_state_file(void **state) {
    (void)state;
    NEEDS_COMMAND;
    write_data();
    double w[3] = {0, 0.25, 0.5}, m[3] = {0}, g[3];
    assert_int_equal(tenon("compile line.tn -o line.so"), 0);
    assert_int_equal(tenon("run line.so --entry init --seed 2 --state s"), 0);
    expect_near(read_state("s").w, w);
    for (int i = 0; i < 3; i++) {
        double rate = i == 2 ? 0.5 : 0.1, loss = loss_at(w, g);
        assert_int_equal(tenon("run line.so --entry eval " DATA), 0);
        expect_number("loss: f32[]  min ", loss);
        assert_int_equal(
            tenon("run line.so --entry step %s " DATA, i == 2 ? "--hyper rate=.5" : ""), 0);
        expect_number("loss: f32[]  min ", loss);
        for (int k = 0; k < 3; k++) {
            m[k] = 0.5 * m[k] + g[k];
            w[k] -= rate * m[k];
        }
        State after = read_state("s");
        expect_near(after.w, w);
        expect_near(after.m, m);
        assert_int_equal(after.step, i + 1);
    }
    loss_at(w, g);
    assert_int_equal(tenon("run line.so --entry grad " DATA), 0);
    expect_near(read_state("s").grad, g);
    assert_int_equal(tenon("run line.so --entry apply --state s"), 0);
    for (int k = 0; k < 3; k++) {
        m[k] = 0.5 * m[k] + g[k];
        w[k] -= 0.1 * m[k];
    }
    expect_near(read_state("s").w, w);
    assert_int_equal(read_state("s").step, 4);
}

static void starts_from_init(void **state) {
    (void)state;
    NEEDS_COMMAND;
    write_data();
    double w[3] = {0, 0.875, 1.75}, g[3];
    assert_int_equal(tenon("run line.tn --entry eval --seed 7 --input x=x.npy --input y=y.npy"), 0);
    expect_number("loss: f32[]  min ", loss_at(w, g));
    assert_int_equal(tenon("run line.tn --seed 7"), 0);
    expect_text("p: f32[4]");
}

static void refuses_wrong_use(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(tenon("run line.tn --entry stop"), TN_BAD_INPUT);
    expect_text("no entry 'stop'; the model has: infer, init, eval, step, grad, apply");
    assert_int_equal(tenon("run line.tn --entry step --hyper speed=1"), TN_BAD_INPUT);
    expect_text("no hyper-parameter 'speed'; the model has: rate");
    assert_int_equal(tenon("run line.tn --entry step --hyper rate"), TN_USAGE);
    assert_int_equal(tenon("run line.tn --entry step --hyper rate=fast"), TN_USAGE);
    write_file("s", "0123456789", 10);
    assert_int_equal(tenon("run line.tn --entry step --state s"), TN_BAD_INPUT);
    expect_text("s: not a state of this model: it has 10 bytes instead of 256");
    assert_int_equal(tenon("run line.tn --entry step --state no/s"), TN_IO);
    assert_int_equal(tenon("run '%s' --state t", model), TN_USAGE);
    expect_text("the model keeps no state");
    assert_false(exists("t"));
    assert_int_equal(tenon("verify '%s' --grad", model), TN_USAGE);
    expect_text("the model does not train");
    assert_int_equal(tenon("verify line.tn --each-node"), TN_USAGE);
    assert_int_equal(tenon("verify line.tn --grad --entry stop"), TN_BAD_INPUT);
    assert_int_equal(tenon("verify line.tn --grad --entry eval"), TN_BAD_INPUT);
    expect_text("no gradients");
    assert_int_equal(tenon("bench '%s' --step", model), TN_BAD_INPUT);
    expect_text("no entry 'step'; the model has: infer");
    assert_int_equal(tenon("bench line.tn --step --batch 0"), TN_USAGE);
    assert_int_equal(tenon("bench line.tn --entry apply --batch 2"), TN_USAGE);
    expect_text("no input of 'apply' leads with a symbolic dimension");
}

static void verifies_every_entry(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(tenon("verify line.tn"), 0);
    expect_text("infer: x f32[4,3]\n");
    expect_text("init: seed i64[]\n");
    expect_text("eval: x f32[4,3], y f32[4]\n");
    expect_text("step: x f32[4,3], y f32[4]\n");
    expect_text("grad: x f32[4,3], y f32[4]\n");
    expect_text("apply: no inputs\n");
    expect_text("ok: worst error ");
    assert_int_equal(tenon("verify line.tn --entry step --dim N=2"), 0);
    expect_text("step: x f32[2,3], y f32[2]\n");
    assert_null(strstr(said, "grad:"));
}

static void verifies_gradients(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(tenon("verify line.tn --grad --seed 5"), 0);
    expect_text("grad, 1 of 1 gradients: x f32[4,3], y f32[4]\n");
    expect_text(" line.unit.w f32[3]: ");
    expect_text("ok: worst error ");
}

/* Each block answers for the gradients that it takes, also of a parameter that both train. */
static void verifies_gradients_of_each_block(void **state) {
    (void)state;
    NEEDS_COMMAND;
    static const char two[] =
        "model a(x: f32[N,3]) { return dense(x, 2) }\n"
        "model b(x: f32[N,2]) { return dense(x, 2) }\n"
        "train first(x: f32[N,3]) { minimize mean(tanh(b(a(x)))) over a, b with sgd() }\n"
        "train second(x: f32[N,2]) {\n"
        "  loss = mean(b(x) ** 2)\n"
        "  minimize loss over b with momentum()\n"
        "  minimize loss over \"b.dense.bias\" with sgd()\n}\n";
    write_file("two.tn", two, sizeof two - 1);
    assert_int_equal(tenon("verify two.tn --grad"), 0);
    expect_text("first.grad, 4 of 4 gradients: x f32[4,3]\n");
    expect_text("second.grad, 2 of 3 gradients: x f32[4,2]\n");
    assert_int_equal(tenon("verify two.tn"), 0);
}

/* Each of these is a mistake in the backward pass alone. */
static void finds_wrong_gradients(void **state) {
    (void)state;
    NEEDS_COMMAND;
    static const char *const mutants[][2] = {
        {"%slope = sub(%ones, %pp)", "%slope = add(%ones, %pp)"},
        {"%h = mul(%e, %ks)", "%h = mul(%d, %ks)"},
        {"= 2\n", "= 2.01\n"},
        {"%g1 = add(%g0, %g)", "%g1 = sub(%g0, %g)"},
        {"%g1 = add(%g0, %g)", "%g1 = copy(%g0)"},
    };
    for (size_t i = 0; i < sizeof mutants / sizeof mutants[0]; i++) {
        write_mutant("mutant.tn", mutants[i][0], mutants[i][1]);
        assert_int_equal(tenon("verify mutant.tn --grad"), TN_USAGE);
        expect_text("worst at [");
        expect_text("FAIL: worst error ");
    }
}

/* So much work that differences are taken of kernels in double precision: loss = sum (x w)^2. */
static void verifies_gradients_of_much_work(void **state) {
    (void)state;
    NEEDS_COMMAND;
    static const char *const factors[] = {"2", "2.01"};
    for (int i = 0; i < 2; i++) {
        char text[1024];
        int n = snprintf(text, sizeof text,
                         "# least squares\n"
                         "module \"wide\"\n"
                         "state \"net.w\" param f32[64,64]\n"
                         "state \"grad.net.w\" grad f32[64,64]\n"
                         "graph @init(%%seed: i64[]) -> (%%w state 0, %%g state 1) {\n"
                         "  %%i = iota() {to=f32, dims=[64,64], axis=1}\n"
                         "  %%w = cos(%%i)\n"
                         "  %%g = const() {to=f32, dims=[64,64]} = 0\n"
                         "}\n"
                         "graph @grad(%%x: f32[65536,64], %%w: f32[64,64] state 0,"
                         " %%g: f32[64,64] state 1) -> (%%loss, %%g1 state 1) {\n"
                         "  %%y = contract(%%x, %%w) {lhs_contract=[1], rhs_contract=[0]}\n"
                         "  %%q = mul(%%y, %%y)\n"
                         "  %%loss = reduce_sum(%%q) {axes=[0,1]}\n"
                         "  %%k = const() {to=f32, dims=[65536,64]} = %s\n"
                         "  %%d = mul(%%y, %%k)\n"
                         "  %%s = contract(%%x, %%d) {lhs_contract=[0], rhs_contract=[0]}\n"
                         "  %%g1 = add(%%g, %%s)\n"
                         "}\n",
                         factors[i]);
        write_file("wide.tn", text, (size_t)n);
        assert_int_equal(tenon("verify wide.tn --grad"), i == 0 ? 0 : TN_USAGE);
        expect_text(" by single precision");
        expect_text(i == 0 ? "ok: worst error " : "worst at [");
    }
}

/* The sum over a batch is one vector: one thread alone may add it to what was there. */
static void adds_once_at_any_thread_count(void **state) {
    (void)state;
    NEEDS_COMMAND;
    static const char text[] =
        "# a bias\n"
        "module \"bias\"\n"
        "state \"net.b\" param f32[10]\n"
        "state \"grad.net.b\" grad f32[10]\n"
        "graph @grad(%x: f32[N,10], %b: f32[10] state 0, %g: f32[10] state 1)"
        " -> (%loss, %g1 state 1) {\n"
        "  %e = expand(%b) {dims=[N,10], axes=[1]}\n"
        "  %p = mul(%x, %e)\n"
        "  %loss = reduce_sum(%p) {axes=[0,1]}\n"
        "  %s = reduce_sum(%x) {axes=[0]}\n"
        "  %g1 = add(%g, %s)\n"
        "}\n";
    write_file("bias.tn", text, sizeof text - 1);
    for (int threads = 1; threads <= 5; threads++) {
        assert_int_equal(tenon("verify bias.tn --grad --threads %d", threads), 0);
        assert_int_equal(tenon("verify bias.tn --threads %d", threads), 0);
    }
}

static void summarises(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(tenon("summary line.tn"), 0);
    expect_text("infer: x f32[N,3]\n");
    expect_text("line.unit ");
    expect_text("f32[N]                          3  yes\n");
    expect_text("parameters: 3, trained: 3, others: 0\n");
    expect_text("state: 256 bytes, parameters 12, optimiser 12, gradients 12, counters 8\n");
    expect_text("arena of step: ");
    assert_int_equal(tenon("summary '%s'", model), 0);
    expect_text("Conv         f32[N,32,26,26]               320  no\n");
    expect_text("parameters: 34826, trained: 0, others: 34826\n");
}

static void trains_an_onnx_model(void **state) {
    (void)state;
    NEEDS_COMMAND;
    const char *loss = "--loss categorical_crossentropy --optimizer 'sgd(rate=0.5)'";
    assert_int_equal(tenon("verify '%s' %s --grad --dim N=2", model, loss), 0);
    expect_text("grad, 6 of 6 gradients: image f32[2,1,28,28], target f32[2,10]\n");
    assert_int_equal(tenon("verify '%s' %s --trainable '0.7.*' --grad", model, loss), 0);
    expect_text("grad, 2 of 2 gradients:");
    assert_int_equal(tenon("compile '%s' --loss sparse_categorical_crossentropy -o net.so", model),
                     0);
    assert_int_equal(tenon("bench net.so --step --batch 3 --runs 2"), 0);
    expect_text("entry step,");
    expect_text("target: i64[3]");
    assert_int_equal(tenon("summary '%s' %s --trainable '0.7.*'", model, loss), 0);
    expect_text("parameters: 34826, trained: 16010, others: 18816\n");
    assert_int_equal(tenon("compile '%s' --optimizer 'adam()' -o no.so", model), TN_USAGE);
    expect_text("need '--loss'");
    assert_int_equal(tenon("compile '%s' --loss no_such_loss -o no.so", model), TN_BAD_INPUT);
    expect_text("no_such_loss");
    assert_int_equal(
        tenon("compile '%s' --loss mean_squared_error --trainable 'x*' -o no.so", model), TN_USAGE);
    expect_text("no constant of the model is to be trained; there are: 0.0.weight");
    assert_int_equal(tenon("compile line.tn --loss mean_squared_error -o no.so"), TN_USAGE);
    assert_false(exists("no.so"));
}

static void benches_a_step(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(tenon("bench line.tn --step --runs 3 --threads 1 --dim N=8 --per-kernel"), 0);
    expect_text("entry step, 1 thread, 3 runs\n  x: f32[8,3]\n  y: f32[8]\n");
    expect_text("state 0.00 MiB");
    expect_text("  total\n");
    assert_int_equal(tenon("bench line.tn --entry eval --runs 3 --json"), 0);
    expect_text("\"entry\": \"eval\"");
    expect_text("\"state_bytes\": 256");
}

/* Part of a module keeps the state whole. */
static void compiles_some_entries(void **state) {
    (void)state;
    NEEDS_COMMAND;
    write_data();
    assert_int_equal(tenon("compile line.tn --entries=step,init -o part.so"), 0);
    assert_int_equal(tenon("run part.so --entry step --input x=x.npy --input y=y.npy --state s"),
                     0);
    assert_int_equal(tenon("run line.tn --entry eval --input x=x.npy --input y=y.npy --state s"),
                     0);
    assert_int_equal(tenon("run part.so --entry eval"), TN_BAD_INPUT);
    expect_text("the model has: init, step");
    assert_int_equal(tenon("compile line.tn --entries=step,stop -o none.so"), TN_USAGE);
    expect_text("no entry 'stop'; the model has: infer, init, eval, step, grad, apply");
    assert_int_equal(tenon("compile line.tn --entries= -o none.so"), TN_USAGE);
    assert_false(exists("none.so"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(trains_over_a_state_file, with_model),
        cmocka_unit_test_setup(starts_from_init, with_model),
        cmocka_unit_test_setup(refuses_wrong_use, with_model),
        cmocka_unit_test_setup(verifies_every_entry, with_model),
        cmocka_unit_test_setup(verifies_gradients, with_model),
        cmocka_unit_test_setup(verifies_gradients_of_each_block, empty_folder),
        cmocka_unit_test_setup(finds_wrong_gradients, with_model),
        cmocka_unit_test_setup(verifies_gradients_of_much_work, empty_folder),
        cmocka_unit_test_setup(adds_once_at_any_thread_count, with_model),
        cmocka_unit_test_setup(summarises, with_model),
        cmocka_unit_test_setup(trains_an_onnx_model, with_model),
        cmocka_unit_test_setup(benches_a_step, with_model),
        cmocka_unit_test_setup(compiles_some_entries, with_model),
    };
    return cmocka_run_group_tests(tests, set_up, remove_folder);
}
