/* test_errors.c: every mistake in model source has its place and its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/lang_run.h"

typedef struct Case {
    const char *source, *text;
} Case;

static void check(const Case *cases, size_t n) {
    int failed = 0;
    for (size_t i = 0; i < n; i++) {
        LangRun run;
        lang_open(&run, cases[i].source);
        if (run.module != NULL || strstr(run.text.data, cases[i].text) == NULL) {
            print_message("source:\n%s\nfound:\n%s\nexpected:\n%s\n", cases[i].source,
                          run.text.data, cases[i].text);
            failed++;
        }
        lang_close(&run);
    }
    assert_int_equal(failed, 0);
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof *(cases))
#define BODY(text) "model m(x: f32[N,3]) {\n" text "\n  return x\n}\n"
#define TRAIN(text)                                                                                \
    "fn plain(p, g, t, rate=0.1) { return p - rate * g }\n"                                        \
    "fn scale(x) { param s: f32[3] = 1\n return x * s }\n"                                         \
    "model m(x: f32[N,3]) { return scale(x) }\n"                                                   \
    "model other(x: f32[N,3]) { return scale(x) }\n"                                               \
    "train t(x: f32[N,3]) {\n" text "\n}\n"

static void test_syntax(void **state) {
    (void)state;
    static const Case cases[] = {
        {"", "there is no model and no train block"},
        {"fn f(x) { return x }", "there is no model and no train block"},
        {"modle m() {}", "model.tn:1:1: error: expected fn, model or train, found 'modle'"},
        {"model m(x: f32[N)", "1:17: error: expected ',' or ']', found ')'"},
        {"model m(x: f32[N]", "error: expected ',' or ')', found the end of the text"},
        {"model m(x: f32, x: f32) { return x }", "two parameters are called so"},
        {"model m(x: f32) {\n  return x +\n}", "3:1: error: expected an expression, found '}'"},
        {"model m(x: f32) {\n  return x",
         "expected '}' for the block of line 1, found the end of the text"},
        {"model m(x: f32) {\n  if training {\n    y = x\n  return x\n}\nfn f() { }",
         "6:1: error: expected '}' for the block of line 1, found 'fn'"},
        {BODY("  y = 3 4"), "2:9: error: expected the end of the line, found '4'\n"
                            "      y = 3 4\n"
                            "            ^\n"},
        {BODY("  x + 1"), "2:3: error: a value without a use"},
        {BODY("  x.shape = 1"), "only names can be assigned to"},
        {BODY("  a, b, c = 1, 2"), "3 names, but 2 values"},
        {BODY("  loop = 3"), "2:8: error: expected '(', found '='"},
        {BODY("  then = 3"), "'then' is a word of the language, not a name"},
        {BODY("  y = 1 < 2 < 3"), "comparisons do not chain"},
        {BODY("  y = \"abc"), "2:7: error: this string does not end on its line"},
        {BODY("  y = [1, 2:3]"), "':' and '...' belong in an index"},
        {BODY("  y = f(a=1, 2)"), "arguments behind a named one have names too"},
        {BODY("  y = \"a {1 +} b\""), "expected an expression, found the end"},
        {BODY("  y = 0x"), "an integer"},
        {BODY("  y = 1.5.5"), "a number"},
        {BODY("  y = 12abc"), "a number"},
        {BODY("  y = 99999999999999999999"), "an integer of 64 bits"},
        {BODY("  y = x $ 3"), "the end of the line, found '$'"},
        {TRAIN("  minimize 1 plain"), "expected over or with, found 'plain'"},
        {TRAIN("  minimize 1 with plain clip=3"), "expected clip_norm, clip_global_norm"},
        {"fn f() {}\nfn f() {}\nmodel m(x: f32) { return x }", "2:4: error: 'f' is defined twice"},
    };
    CHECK(cases);
}

/* All mistakes of a file are listed, those of later statements and items too. */
static void test_recovery(void **state) {
    (void)state;
    LangRun run;
    lang_open(&run, "fn f(x {\n"
                    "  return x\n"
                    "}\n"
                    "model m(x: f32[N,3]) {\n"
                    "  y = x +\n"
                    "  z = (1, 2\n"
                    "  for i in { y = 1 }\n"
                    "  if x { y = 2\n"
                    "  }\n"
                    "  in = 3\n"
                    "  \"abc\n"
                    "}\n"
                    "garbage\n"
                    "fn ok() { return 1 1 }\n");
    assert_null(run.module);
    assert_string_equal(run.text.data,
                        "model.tn:1:8: error: expected ',' or ')', found '{'\n"
                        "    fn f(x {\n"
                        "           ^\n"
                        "model.tn:6:5: error: expected the end of the line, found '='\n"
                        "      z = (1, 2\n"
                        "        ^\n"
                        "model.tn:7:12: error: expected an expression, found '{'\n"
                        "      for i in { y = 1 }\n"
                        "               ^\n"
                        "model.tn:10:3: error: 'in' is a word of the language, not a name\n"
                        "      in = 3\n"
                        "      ^\n"
                        "model.tn:11:3: error: this string does not end on its line\n"
                        "      \"abc\n"
                        "      ^\n"
                        "model.tn:13:1: error: expected fn, model or train, found 'garbage'\n"
                        "    garbage\n"
                        "    ^\n"
                        "model.tn:14:20: error: expected the end of the line, found '1'\n"
                        "    fn ok() { return 1 1 }\n"
                        "                       ^\n");
    lang_close(&run);
}

static void test_values(void **state) {
    (void)state;
    static const Case cases[] = {
        {BODY("  y = undefined + 1"), "2:7: error: there is nothing called 'undefined'"},
        {BODY("  y = dens(x, 3)"), "nothing called 'dens'; did you mean 'dense'?\n"},
        {BODY("  count = 3\n  y = x * cuont"), "did you mean 'count'?"},
        {BODY("  y = dense(x, 3, use_bias=True)"), "did you mean 'true'?"},
        {BODY("  y = dense(x, 3, activation=None)"), "did you mean 'none'?"},
        {BODY("  y = cast(x, float64)"), "did you mean 'f64'?"},
        {BODY("  y = cast(x, uint8)"), "did you mean 'u8'?"},
        {BODY("  y = Dense(x, 3)"), "did you mean 'dense'?"},
        {BODY("  y = grad(sum(x), cast(x, i32))"), "grad by a tensor i32[N,3], expected floats"},
        {"model m(x: f32[N,3]) { y = dense(x, 1) }\n"
         "train t(x: f32[N,3]) { minimize mean(m(x)) with sgd() }",
         "model.tn:1:7: error: the model returns nothing"},
        {BODY("  y = x + zeros([4])"), "shapes [N,3] and [4] do not broadcast: 3 against 4"},
        {BODY("  y = x @ zeros([4, 2])"), "model.tn:2:9: error: node 'm' (matmul)"},
        {BODY("  y = x + cast(x, f64)"), "tensors of f32 and f64 meet; cast() converts"},
        {BODY("  y = x and true"), "and"},
        {BODY("  y = x + \"a\""), "'+' between a tensor f32[N,3] and the text \"a\""},
        {BODY("  y = [1] - [2]"), "'-' between the list [1] and the list [2]"},
        {BODY("  y = -\"a\""), "'-' of the text \"a\""},
        {BODY("  y = 1 / 0"), "division by zero"},
        {BODY("  y = N % 0"), "division by zero"},
        {BODY("  if N == 3 { y = 1 }\n  z = y"), "2:8: error: whether N == 3 is not known"},
        {BODY("  if x { }"), "the condition is a tensor f32[N,3], known only when the model runs"},
        {BODY("  if 3 { }"), "the condition is the number 3, expected true or false"},
        {BODY("  for i in 3 { }"), "for goes over a list such as range(3), found the number 3"},
        {BODY("  a, b = [1, 2, 3]"), "2 names for the list [1,2,3]"},
        {BODY("  y = x(3)"), "a tensor f32[N,3] is no function"},
        {BODY("  y = x[:, 5]"), "index 5 is outside the size 3 of dimension 1"},
        {BODY("  y = x[0, 0, 0]"), "3 indices of a tensor f32[N,3]"},
        {BODY("  y = x[..., ...]"), "'...' can stand in an index once"},
        {BODY("  y = x[\"a\"]"), "an index is the text \"a\", expected an integer"},
        {BODY("  y = x[::0]"), "the step of a range cannot be 0"},
        {BODY("  y = [1, 2][2]"), "index 2 is outside a list of 2"},
        {BODY("  y = 3[0]"), "the number 3 has no entries"},
    };
    CHECK(cases);
}

static void test_functions(void **state) {
    (void)state;
    static const Case cases[] = {
        {BODY("  y = x.size2"), "has no attribute 'size2'"},
        {BODY("  y = sum(x, axes=2)"), "axes 2 is outside a tensor of rank 2"},
        {BODY("  y = sum(x, axes=[0, -2])"), "axes names dimension 0 twice"},
        {BODY("  y = sum(x, axis=0)"), "sum takes: x | axes keepdims"},
        {BODY("  y = sum()"), "sum: argument 'x' is missing"},
        {BODY("  y = tanh(x, x)"), "tanh takes 1 operands"},
        {BODY("  y = reshape(x, [-1, -1])"), "once, is the rest"},
        {BODY("  y = reshape(x, [4, 5])\n  z = reshape(y, [21])"), "(reshape)"},
        {BODY("  y = transpose(x, [0, 0])"), "is no permutation"},
        {BODY("  y = expand_dims(x, [0, 4])"), "axis 4 is outside a tensor of rank 4"},
        {BODY("  y = expand_dims(x, none)"), "axis is none, expected an integer or a list"},
        {BODY("  y = expand_dims(x, [0] * 40)"), "expected an integer or a list of up to"},
        {BODY("  a, b = split(x, 2, axis=1)"), "3 does not divide into 2 equal parts"},
        {BODY("  y = concat([])"), "concat takes a list of tensors"},
        {BODY("  y = concat([x, zeros([2, 4])], axis=0)"), "(concat)"},
        {BODY("  y = constant([[1], [2, 3]])"), "a constant's lists differ in length"},
        {BODY("  y = constant([0.5], dtype=i32)"), "fractions cannot be i32"},
        {BODY("  y = pool_max(x, windw=[1])"), "pool_max has no attribute 'windw'"},
        {BODY("  y = full([2], 0.5, dtype=i32)"), "the value is the number 0.5, which is no i32"},
        {BODY("  y = hyper(3)"), "a hyper-parameter needs a name"},
    };
    CHECK(cases);
}

static void test_variables(void **state) {
    (void)state;
    static const Case cases[] = {
        {BODY("  y = step_count"), "step_count is known in train blocks alone"},
        {BODY("  y = 2 ** 70 * 1.5\n  z = zeros([2 ** 62 * 4])"),
         "the shape is the number 1.84467441e+19, expected an integer"},
        {BODY("  assert x.rank == 3, \"rank {x.rank} of {x.shape}\""),
         "2:3: error: rank 2 of [N,3]"},
        {BODY("  param p: f32[N] = 0"), "'m.p' is f32[N], but a variable's sizes are numbers"},
        {BODY("  param p: f32[3] = zeros([4])"), "shape [4] does not broadcast to [3]"},
        {BODY("  param p: f32[3] = x[0]"), "a first value cannot depend on the model's tensors"},
        {BODY("  param p: f32[3] = f"), "there is nothing called 'f'"},
        {BODY("  param p: [3] = 0"), "the list [3] is no type such as f32[3,4]"},
        {BODY("  param p: f32[-1] = 0"), "expected sizes that are not negative"},
        {BODY("  param p = 0.0\n  param p = 1.0"), "3:3: error: 'p' is declared twice"},
        {BODY("  update p = 0"), "'p' is no buffer or state declared in this function"},
        {BODY("  buffer b = 0.0\n  y = loop(h = 0.0; r in x) { update b = h\n next h = h }"),
         "3:31: error: update does not belong in a loop: carry 'b' from turn to turn, and update "
         "it after the loop"},
    };
    CHECK(cases);
}

static void test_loops(void **state) {
    (void)state;
    static const Case cases[] = {
        {BODY("  next h = 1"), "next belongs in a loop"},
        {BODY("  yield 1"), "yield belongs in a loop"},
        {BODY("  minimize sum(x) with m"), "minimize belongs in a train block"},
        {BODY("  y = loop(h = x; r in x) { next h = h[0] }"), "is a tensor f32[N,3] at first and"},
        {BODY("  y = loop(h = x; r in x) { next g = h }"), "the loop carries no 'g'"},
        {BODY("  y = loop(h = x; r in x) { a = 1 }"), "the loop's body gives no next h"},
        {BODY("  y = loop(h = x; ) { next h = h }"), "needs trips="},
        {BODY("  y = loop(h = x; r in x; back=true) { next h = h }"),
         "the options reverse, trips and when"},
        {BODY("  y = loop(h = x; ; when=1 > x) { next h = h }"),
         "'when' is one truth value, found a tensor bool[N,3]"},
        {BODY("  y = loop(h = x; ; when=sum(x)) { next h = h }"),
         "when is a tensor f32[], expected elements of type bool"},
        {BODY("  y = loop(h = x; r in x; when=sum(x) > 0) { next h = h }"),
         "with when= a loop carries values, goes over nothing and runs once"},
        {BODY("  y = loop(h = x; ; when=sum(x) > 0, trips=2) { next h = h }"),
         "with when= a loop carries values, goes over nothing and runs once"},
        {BODY("  y = loop(h = x; ; when=sum(x) > 0) { next h = h\n yield h }"),
         "a loop with when= yields nothing"},
        {BODY("  z = 0\n  y = loop(; r in x) { z = r\n yield r }\n  w = z + y\n  v = w + t"),
         "nothing called 't'"},
    };
    CHECK(cases);
}

static void test_signatures(void **state) {
    (void)state;
    static const Case cases[] = {
        {"model m(x) { return x }", "an input needs a type"},
        {"model m(x: 3) { return x }", "the type is the number 3, expected an element type"},
        {"model m(x: f32[2*N]) { return x }", "nothing called 'N'"},
        {"model m(x: f32[N - 5, N]) { return x }", "nothing called 'N'"},
        {"model m(x: f32[N], y: f32[N - 5]) { return x }", "this size may be negative"},
        {"model m(x: f32[N]) { y = x }", "the model returns nothing"},
        {"model m(x: f32[N]) { return relu }", "a result is the function relu"},
        {"fn f(a, b) { return a }\nmodel m(x: f32) { return f(x) }",
         "2:26: error: f: argument 'b' is missing"},
        {"fn f(a) { return a }\nmodel m(x: f32) { return f(x, 1) }",
         "f takes 1 arguments, found 2"},
        {"fn f(a) { return a }\nmodel m(x: f32) { return f(x, a=1) }", "'a' is given twice"},
        {"fn f(a: f32[2,K], b: f32[K]) { return a }\n"
         "model m(x: f32[2,3]) { return f(x, x[:, 0]) }",
         "argument 'b' is f32[2], expected f32[K]"},
        {"fn f(a: f32[2]) { return a }\nmodel m(x: f64[2]) { return f(x) }",
         "argument 'a' is f64[2], expected f32[2]"},
        {"fn f(a=b, b=a) { return a }\nmodel m(x: f32) { return f() }",
         "the default of 'a' depends on itself"},
    };
    CHECK(cases);
}

/* What is found within the library is shown at the user's call. */
static void test_places(void **state) {
    (void)state;
    static const Case cases[] = {
        {"model m(x: f32[N,3]) {\n"
         "  return dense(x, 10, activation=3)\n"
         "}\n",
         "model.tn:2:10: error: dense: the number 3 is no function\n"
         "      return dense(x, 10, activation=3)\n"
         "             ^\n"
         "library/common.tn:"},
        {"fn block(x) {\n"
         "  return x + zeros([5])\n"
         "}\n"
         "model m(x: f32[N,3]) {\n"
         "  return block(x)\n"
         "}\n",
         "model.tn:2:12: error: node 'm' (add): shapes [N,3] and [5] do not broadcast: 3 against "
         "5\n"
         "      return x + zeros([5])\n"
         "               ^\n"
         "model.tn:5:10: note: in the call of block()\n"
         "      return block(x)\n"
         "             ^\n"},
    };
    CHECK(cases);
}

static void test_training(void **state) {
    (void)state;
    static const Case cases[] = {
        {TRAIN("  minimize m(x) with plain"),
         "7:3: error: the loss is a tensor f32[N,3], expected one float; mean() or sum()"},
        {"fn plain(p, g, t) { return p - g }\n"
         "model m(x: f32[2]) { param w: f32[2] = 1\n return x * w }\n"
         "fn m2(x) { param w: f32[3] = 1\n return sum(x) * sum(w) }\n"
         "model grad(x: f32[2]) { return m2(x, name=\"m\") }\n"
         "train t(x: f32[2]) { minimize sum(m(x)) + grad(x) with plain }\n",
         "'grad.m.w' is the name of a variable of the training step"},
        {TRAIN("  minimize 1 == 1 with plain"), "error: the loss is true, expected"},
        {TRAIN("  minimize sum(argmax(m(x))) with plain"), "the loss is a tensor i64[]"},
        {TRAIN("  minimize sum(x) with plain"), "the loss depends on no parameter"},
        {TRAIN("  y = other(x)\n  minimize sum(m(x)) over m, other with plain"),
         "the loss does not reach parameter 'other.scale.s'"},
        {TRAIN("  minimize sum(m(x)) over other with plain"), "is meant by the model other"},
        {TRAIN("  minimize sum(m(x)) over \"m.dense*\" with plain"),
         "no parameter of this step is meant by the text \"m.dense*\""},
        {TRAIN("  minimize sum(m(x)) over 3 with plain"), "over lists models and names"},
        {TRAIN("  minimize sum(m(x)) with 3"), "with names an optimiser, found the number 3"},
        {TRAIN("  minimize sum(m(x)) with plain(speed=3)"), "plain has no parameter 'speed'"},
        {TRAIN("  minimize sum(m(x)) with fn(p, g) => p"), "an optimiser is a function of"},
        {TRAIN("  y = m(x)\n  minimize sum(y) with plain(rate=y[0, 0])"),
         "the update of parameters cannot depend on the forward pass"},
        {TRAIN("  y = loop(h = x[0]; r in x) { next h = batch_norm(expand_dims(r, 0))[0] }\n"
               "  minimize sum(m(x)) with plain"),
         "7:41: error: batch_norm: update does not belong in a loop: carry 'moving_mean'"},
        {TRAIN("  y = m(x)"), "the train block minimizes nothing"},
        {TRAIN("  minimize sum(m(x)) with plain\n  return 3"), "a train block returns nothing"},
        {TRAIN("  y = t(x)"), "t is a train block, which cannot be called"},
        {TRAIN("  minimize sum(m(x)) with bad\n}\nfn bad(p, g, t) {\n  return sum(p)"),
         "the optimiser makes a tensor f32[] of 'm.scale.s'"},
        {TRAIN("  minimize sum(floor(m(x))) over m with plain\n  minimize sum(m(x)) with none"),
         "the loss does not reach parameter 'm.scale.s'"},
        {TRAIN("  y = m(x) + m(x[:, 0:2])\n  minimize sum(y) with plain"),
         "argument 'x' is f32[N,2], expected f32[N,3]"},
    };
    CHECK(cases);
}

/* Endless programs end with a limit. */
static void test_limits(void **state) {
    (void)state;
    static const Case cases[] = {
        {"fn f(x) { return f(x) }\nmodel m(x: f32) { return f(x) }",
         "calls are nested more than 200 deep"},
        {"fn f(x) { return f(f(x)) }\nmodel m(x: f32) { return f(x) }", "nested"},
        {BODY("  for i in range(100000) { for k in range(100000) { y = i * k } }"),
         "takes more than 4000000 steps"},
        {BODY("  for i in range(100000) { x = x + i }"), "more than 100000 operations"},
        {BODY("  l = [1]\n  for i in range(100) { l = l + l }"), "at most 100000 entries"},
        {BODY("  s = \"ab\"\n  for i in range(100) { s = s + s }"), "at most 10000 bytes"},
        {BODY("  l = [0] * 1000000"), "at most 100000 entries"},
        {BODY("  l = range(10 ** 9)"), "at most 100000 entries"},
        {BODY("  l = range(2 ** 62)"), "cannot be made"},
        {BODY("  n = N\n  for i in range(100) { n = n * n + 1 }\n  y = zeros([n])"), "error"},
        {BODY("  param p: f32[100000, 100000, 100000, 100000] = 0"), "2^46 bytes"},
        {BODY("  y = zeros([1] * 17)"), "17 dimensions, at most 16"},
    };
    CHECK(cases);
}

static void test_nesting(void **state) {
    (void)state;
    static const char *const opens[] = {
        "(", "[", "-", "not ", "x[", "f(", "fn() => ", "if true then ", "2 ** "};
    for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
        Ctx ctx;
        tn_ctx_init(&ctx, NULL);
        StrBuf source = tn_str(&ctx.arena);
        tn_str_puts(&source, "model m(x: f32) { y = ");
        for (int k = 0; k < 5000; k++) {
            tn_str_puts(&source, opens[i]);
        }
        LangRun run;
        lang_open(&run, source.data);
        assert_null(run.module);
        if (strstr(run.text.data, "nested more than") == NULL) {
            fail_msg("%s: %s", opens[i], run.text.data);
        }
        lang_close(&run);
        tn_ctx_free(&ctx);
    }
}

/* Long chains, which nest to the left, end as well. */
static void test_chains(void **state) {
    (void)state;
    static const char *const links[] = {" + 1",   "[0]",       "()",
                                        ".shape", " and true", " else if true {}"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        Ctx ctx;
        tn_ctx_init(&ctx, NULL);
        StrBuf source = tn_str(&ctx.arena);
        tn_str_puts(&source, i == 5 ? "model m(x: f32) { if true {}" : "model m(x: f32) { y = x");
        for (int k = 0; k < 20000; k++) {
            tn_str_puts(&source, links[i]);
        }
        tn_str_puts(&source, "\nreturn x }\n");
        LangRun run;
        lang_open(&run, source.data);
        assert_true(i == 5 ? run.module != NULL : run.module == NULL);
        lang_close(&run);
        tn_ctx_free(&ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),     cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_values),     cmocka_unit_test(test_functions),
        cmocka_unit_test(test_variables),  cmocka_unit_test(test_loops),
        cmocka_unit_test(test_signatures), cmocka_unit_test(test_places),
        cmocka_unit_test(test_training),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_nesting),    cmocka_unit_test(test_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
