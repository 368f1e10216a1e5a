/* test_text.c: graphs as text: round trips, what may be left out, and every way to be wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ir/lex.h"
#include "ir/op.h"
#include "tests/support/graph_hash.h"

static const char whole[] =
    "sym seq = input(0, 1) in 1..512 hint 64\n"
    "sym in1_0 = element(1, 0) in *..*\n"
    "sym \"odd name\" = count in 0..* hint 3\n"
    "graph @\"net 1\"(%0 \"image\": f32[N,seq], %1 \"shape\": i64[2] = [3, -4], %2: f32[2*N,3]) -> "
    "(%7 \"out\", %3 \"again\") {\n"
    "  %3 = const() {to=f32, dims=[4]} : f32[4] \"w\" = [1, 0.1, -0, 1.4013e-45]\n"
    "  %4 = const() {to=f64, dims=[]} : f64[] = 0.1\n"
    "  %5 = const() {to=bool, dims=[2]} : bool[2] = [1, 0]\n"
    "  %6 = expand(%0) {dims=[7,N,seq], axes=[1,2]} : f32[7,N,seq]\n"
    "  %7 = transpose(%6) {perm=[1,0,2]} : f32[N,7,seq]{0,1/16,2,1%16 halo 2:1,2} \"t\\\"\" @4 "
    "from "
    "\"node \\x01\" \"Transpose-13\"\n"
    "  %8 = argmax(%7) {axis=1, last=1} : i64[N,seq] from \"\" \"ArgMax-13\"\n"
    "  %9 = dimvec() {values=[N + seq,\"odd name\",in1_0]} : i64[3]\n"
    "  %10 = reshape(%2) {dims=[N,6]} : f32[N,6]\n"
    "  require N == seq - 2 : \"a \\\"text\\\"\\n\"\n"
    "}\n";

typedef struct Text {
    Ctx ctx;
} Text;

static int setup(void **state) {
    static Text text;
    tn_ctx_init(&text.ctx, NULL);
    *state = &text;
    return 0;
}

static int teardown(void **state) {
    tn_ctx_free(&((Text *)*state)->ctx);
    return 0;
}

static const char *diags(Ctx *ctx) {
    StrBuf out = tn_str(&ctx->arena);
    tn_str_puts(&out, "");
    tn_diag_print(&ctx->diags, &out);
    return out.data;
}

static Graph *parse(Ctx *ctx, const char *text) {
    Graph *graph = tn_graph_parse_text(ctx, tn_sv(text), "t.tn");
    if (graph == NULL) {
        fail_msg("%s", diags(ctx));
    }
    return graph;
}

static const char *print(Graph *graph) {
    StrBuf out = tn_str(&graph->ctx->arena);
    tn_graph_print(graph, false, &out);
    return out.data;
}

/* ---- round trips ---- */

static void test_fixpoint(void **state) {
    Text *t = *state;
    Graph *graph = parse(&t->ctx, whole);
    assert_string_equal(print(graph), whole);
    /* In the same context too, where all symbols are known. */
    assert_string_equal(print(parse(&t->ctx, whole)), whole);
    assert_int_equal(tn_graph_verify(graph), true);
}

static void test_meaning(void **state) {
    Text *t = *state;
    Graph *graph = parse(&t->ctx, whole);
    assert_int_equal(graph->inputs.len, 3);
    assert_int_equal(graph->outputs.len, 2);
    assert_string_equal(graph->inputs.data[0]->name, "image");
    assert_null(graph->inputs.data[2]->name);
    const int64_t *bound = graph->bound.data[1]->data;
    assert_int_equal(bound[0], 3);
    assert_int_equal(bound[1], -4);
    const Value *out = graph->outputs.data[0].value;
    assert_int_equal(out->def->op, TN_OP_transpose);
    assert_int_equal(out->def->group, 4);
    assert_string_equal(out->name, "t\"");
    assert_string_equal(out->def->loc.node, "node \x01");
    assert_string_equal(out->def->loc.op, "Transpose-13");
    assert_int_equal(out->type.layout->n_parts, 4);
    assert_int_equal(out->type.layout->halo_hi[2], 2);
    const Dim *seq = tn_dim_find_symbol(&t->ctx, TN_SV("seq"));
    assert_int_equal(seq->lo, 1);
    assert_int_equal(seq->hi, 512);
    assert_int_equal(tn_dim_symbol_of(&t->ctx, seq)->hint, 64);
    assert_int_equal(tn_dim_symbol_of(&t->ctx, seq)->index, 1);
    assert_int_equal(graph->constraints.len, 1);
    assert_string_equal(graph->constraints.data[0].text, "a \"text\"\n");
    assert_int_equal(tn_attr_int(out->uses->user, TN_ATTR_last), 1);
}

/* Random bit patterns of both float types survive. */
static void test_float_bits(void **state) {
    Text *t = *state;
    Graph *graph = tn_graph_new(&t->ctx, "bits");
    uint64_t bits[64];
    uint32_t narrow[64];
    uint64_t seed = 12345;
    for (int i = 0; i < 64; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bits[i] = i < 8 ? 0x7ff0000000000000u + (uint64_t)i : seed ^ seed >> 29;
        narrow[i] = i < 8 ? 0xff800000u + (uint32_t)i : (uint32_t)(seed >> 32);
    }
    const Dim *dim = tn_dim_const(&t->ctx, 64);
    Value *a = tn_const_new(graph, tn_type_make(TN_F64, 1, &dim), bits, NULL);
    Value *b = tn_const_new(graph, tn_type_make(TN_F32, 1, &dim), narrow, NULL);
    tn_graph_add_output(graph, "a", a);
    tn_graph_add_output(graph, "b", b);
    Graph *back = parse(&t->ctx, print(graph));
    assert_memory_equal(back->outputs.data[0].value->def->blob->data, bits, sizeof bits);
    assert_memory_equal(back->outputs.data[1].value->def->blob->data, narrow, sizeof narrow);
}

static void test_int_bits(void **state) {
    Text *t = *state;
    static const DType dtypes[] = {TN_I8, TN_I16, TN_I32, TN_I64, TN_U8, TN_U16, TN_U32, TN_U64};
    static const unsigned char bytes[32] = {0,    1,    0x7f, 0x80, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0x80,
                                            0,    0,    0,    0,    0,    0,    0,    0x80};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        Graph *graph = tn_graph_new(&t->ctx, "ints");
        const Dim *dim = tn_dim_const(&t->ctx, (int64_t)(32 / tn_dtype_bytes(dtypes[i])));
        Value *value = tn_const_new(graph, tn_type_make(dtypes[i], 1, &dim), bytes, NULL);
        tn_graph_add_output(graph, "a", value);
        Graph *back = parse(&t->ctx, print(graph));
        assert_memory_equal(back->outputs.data[0].value->def->blob->data, bytes, 32);
    }
}

/* The text does not depend on the order in which expressions were made. */
static void test_order_free(void **state) {
    Text *t = *state;
    Ctx *ctx = &t->ctx;
    static const char text[] =
        "graph @g(%0: f32[A,B,C]) -> (%1 \"o\") {\n"
        "  %1 = dimvec() {values=[A*B + 3*(B*C) - C%7 + 1,min(min(A, B), C),eq(A, C)]} : i64[3]\n"
        "}\n";
    const Dim *c = tn_dim_symbol(ctx, TN_SV("C"), SYM_INPUT_DIM, 0, INT64_MAX);
    const Dim *b = tn_dim_symbol(ctx, TN_SV("B"), SYM_INPUT_DIM, 0, INT64_MAX);
    const Dim *a = tn_dim_symbol(ctx, TN_SV("A"), SYM_INPUT_DIM, 0, INT64_MAX);
    (void)tn_dim_mul(ctx, c, b);
    (void)tn_dim_mul(ctx, b, a);
    (void)tn_dim_min(ctx, b, c);
    assert_string_equal(print(parse(ctx, text)), text);
}

static void test_elided(void **state) {
    Text *t = *state;
    Graph *graph = parse(&t->ctx, "graph @g() -> (%0 \"x\", %1 \"y\") {\n"
                                  "  %0 = const() : i8[17] = [1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8]\n"
                                  "  %1 = const() : i8[400] = 7\n}\n");
    StrBuf out = tn_str(&t->ctx.arena);
    tn_graph_print(graph, true, &out);
    assert_non_null(strstr(out.data, "elided(0x"));
    assert_non_null(strstr(out.data, "i8[400] = 7\n"));
    assert_null(tn_graph_parse_text(&t->ctx, tn_sv(out.data), "t.tn"));
    assert_non_null(strstr(diags(&t->ctx), "left out when the text was printed"));
}

/* ---- what may be left out ---- */

static void test_short_forms(void **state) {
    Text *t = *state;
    Graph *graph = parse(&t->ctx, "# a comment\n"
                                  "graph @g(%x: f32[N, 4], %s: f32) -> (%y) { # another\n"
                                  "  %e = expand(%s) {axes=[], dims=[N,4]}\n"
                                  "  %y = add(%x, %e)\n"
                                  "}\n");
    assert_string_equal(print(graph),
                        "graph @g(%0 \"x\": f32[N,4], %1 \"s\": f32[]) -> (%3 \"y\") {\n"
                        "  %2 = expand(%1) {dims=[N,4], axes=[]} : f32[N,4] \"e\"\n"
                        "  %3 = add(%0, %2) : f32[N,4] \"y\"\n"
                        "}\n");
}

/* ---- mistakes ---- */

typedef struct Mistake {
    const char *text;
    const char *message; /* "line:column: ... text" */
} Mistake;

#define BODY(node) "graph @g(%x: f32[N,4]) -> (%x) {\n  " node "\n}\n"

static const Mistake mistakes[] = {
    {"", "1:1: error: expected graph, found the end"},
    {"grph @g() -> () {}", "1:1: error: expected graph, found 'grph'"},
    {"graph @g(%x: f33[2]) -> (%x) {}", "1:14: error: expected an element type"},
    {"graph @g(%x: f32[2) -> (%x) {}", "1:19: error: expected ',', found ')'"},
    {"graph @g(%x: f32[-1]) -> (%x) {}", "1:18: error: a size cannot be negative"},
    {"graph @g(%x: f32[9223372036854775808]) -> (%x) {}", "1:18: error: expected an integer of 64"},
    {"graph @g(%x: f32[9223372036854775807+N]) -> (%x) {}", NULL},
    {"graph @g(%x: f32[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]) -> (%x) {}",
     "1:50: error: more than 16 dimensions"},
    {"graph @g(%x: f32[2], %x: f32[2]) -> (%x) {}", "1:22: error: %x is defined twice"},
    {"graph @g(%x: f32[2]) -> (%y) {}", "1:26: error: output %y is not defined"},
    {"graph @g(%x: f32[2]) -> (%x) {", "1:31: error: expected '}', found the end"},
    {"graph @g(%x: f32[2]) -> (%x) {} extra", "1:33: error: expected the end of the text"},
    {"graph @g(% x: f32[2]) -> (%x) {}", "1:10: error: % is not followed by a value's name"},
    {"graph @g(%x: i8[2] = [1,200]) -> (%x) {}", "1:25: error: 200 is not a i8"},
    {"graph @g(%x: i8[2] = [1]) -> (%x) {}", "1:22: error: 1 elements for a type of 2"},
    {"graph @g(%x: i8[N] = 1) -> (%x) {}", "1:22: error: constants need a fixed size"},
    {"graph @g(%x: i8[99999] = [1]) -> (%x) {}", "1:26: error: too few elements"},
    {"graph @g(%x: i8[999999999] = 1) -> (%x) {}", "1:30: error: more than 2^28 elements"},
    {"sym N = thing(0, 0) graph", "1:9: error: expected input, element or count"},
    {BODY("%y = neg(%z)"), "2:12: error: %z is not defined before this use"},
    {BODY("%y = nope(%x)"), "2:8: error: there is no primitive 'nope'"},
    {BODY("%x = neg(%x)"), "2:3: error: %x is defined twice"},
    {BODY("%y, %z = neg(%x)"), "2:12: error: neg has 1 results, 2 are named"},
    {BODY("%y = neg(%x, %x)"), "2:3: error: neg takes 1 operands, 2 given"},
    {BODY("%y = neg(%x) {foo=1}"), "2:17: error: there is no attribute 'foo'"},
    {BODY("%y = neg(%x) {axis=1}"), "2:3: error: neg has no attribute 'axis'"},
    {BODY("%y = argmax(%x)"), "2:3: error: argmax needs the attribute 'axis'"},
    {BODY("%y = argmax(%x) {axis=1, axis=1}"), "2:28: error: 'axis' is given twice"},
    {BODY("%y = argmax(%x) {axis=[1]}"), "2:25: error: expected an integer, found '['"},
    {BODY("%y = reshape(%x) {dims=[Q]}"), "2:27: error: unknown symbol 'Q'"},
    {BODY("%y = neg(%x) : f32[N,5]"), "2:18: error: the result is f32[N,4]"},
    {BODY("%y = const() : f32[1]"), "2:8: error: const needs its elements"},
    {BODY("%y = neg(%x) = 1"), "2:8: error: only const has elements"},
    {BODY("%y = const() : f32[1] = zero"), "2:27: error: expected a number, found 'zero'"},
    {BODY("%y = cast(%x) {to=\"f32\"}"), "2:21: error: expected an element type"},
    {BODY("require 1 == 2 : \"no\""), "2:3: error: no"},
    {BODY("require N 2"), "2:13: error: expected '==', found '2'"},
    {BODY("require N == 2 : \"open"), "2:20: error: this string does not end"},
    {BODY("flag"), "2:3: error: expected a node, require or }"},
    {BODY("%y = neg(%x) : f32[N,4]{2}"), "2:27: error: 2 is outside 0..1"},
};

static void test_mistakes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        Ctx ctx;
        tn_ctx_init(&ctx, NULL);
        Graph *graph = tn_graph_parse_text(&ctx, tn_sv(mistakes[i].text), "t.tn");
        const char *message = mistakes[i].message;
        if (message != NULL) {
            const char *said = diags(&ctx);
            if (graph != NULL || strstr(said, message) == NULL) {
                fail_msg("%s\nsaid: %s\nnot: %s", mistakes[i].text, said, message);
            }
        }
        tn_ctx_free(&ctx);
    }
}

/* All problems of a text at once, and none that follow from others. */
static void test_all_at_once(void **state) {
    Text *t = *state;
    static const char text[] = "graph @m(%x: f32[N]) -> (%z) {\n"
                               "  %a = neg(%x\n"
                               "  %b = neg(%a)\n"
                               "  %c = nope(%x)\n"
                               "  %d = add(%c, %a) {\n"
                               "  require K == 1 : \"\"\n"
                               "  %z = neg(%d)\n"
                               "}\n";
    assert_null(tn_graph_parse_text(&t->ctx, tn_sv(text), "t.tn"));
    assert_int_equal(t->ctx.diags.items.len, 3);
    assert_int_equal(t->ctx.diags.items.data[0].loc.line, 3);
    assert_int_equal(t->ctx.diags.items.data[1].loc.line, 4);
    assert_int_equal(t->ctx.diags.items.data[2].loc.line, 6);
    assert_string_equal(t->ctx.diags.items.data[1].snippet, "  %c = nope(%x)");
}

static void test_deep_nesting(void **state) {
    Text *t = *state;
    enum { DEEP = 100000 };
    char *text = malloc(DEEP + 100);
    strcpy(text, "graph @g(%x: f32[");
    memset(text + strlen(text), '(', DEEP);
    text[17 + DEEP] = '\0';
    assert_null(tn_graph_parse_text(&t->ctx, tn_sv(text), "t.tn"));
    assert_non_null(strstr(diags(&t->ctx), "nested more than"));
    free(text);
}

/* Cut anywhere, and with any byte changed, the text is read or refused, never worse. */
static void test_damage(void **state) {
    (void)state;
    for (size_t len = 0; len < sizeof whole - 2; len++) {
        Ctx ctx;
        tn_ctx_init(&ctx, NULL);
        char *cut = malloc(len + 1); /* exact, so that reading past it is noticed */
        memcpy(cut, whole, len);
        Graph *graph = tn_graph_parse_text(&ctx, (StrView){cut, len}, "t.tn");
        assert_null(graph);
        assert_int_not_equal(ctx.diags.items.len, 0);
        free(cut);
        tn_ctx_free(&ctx);
    }
    uint64_t seed = 99;
    for (int round = 0; round < 3000; round++) {
        Ctx ctx;
        char text[sizeof whole];
        tn_ctx_init(&ctx, NULL);
        memcpy(text, whole, sizeof whole);
        for (int i = 0; i < 1 + round % 4; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[(seed >> 33) % (sizeof whole - 1)] = (char)(seed >> 56);
        }
        Graph *graph = tn_graph_parse_text(&ctx, (StrView){text, sizeof whole - 1}, "t.tn");
        assert_true(graph != NULL || ctx.diags.items.len > 0);
        if (graph != NULL && tn_graph_verify(graph)) {
            const char *first = print(graph);
            assert_string_equal(print(parse(&ctx, first)), first);
        }
        tn_ctx_free(&ctx);
    }
}

/* ---- the lexer and dimension expressions alone ---- */

static void test_dim_text(void **state) {
    Text *t = *state;
    Ctx *ctx = &t->ctx;
    Lexer lexer;
    const Dim *n = tn_dim_symbol(ctx, TN_SV("N"), SYM_INPUT_DIM, 0, INT64_MAX);
    (void)tn_dim_symbol(ctx, TN_SV("max"), SYM_INPUT_DIM, 0, INT64_MAX);
    static const char *const texts[] = {"-9223372036854775808",
                                        "N - 3",
                                        "2*N",
                                        "-1*N",
                                        "4 - N",
                                        "(N + 1)/2",
                                        "N%16",
                                        "min(N, 7)",
                                        "lt(N, 3)",
                                        "select(lt(N, 3), N, 0)",
                                        "\"max\"",
                                        "overflow",
                                        "N*\"max\"",
                                        "(N*\"max\")/3",
                                        "N*(N/2)"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tn_lex_init(&lexer, ctx, tn_sv(texts[i]), NULL);
        const Dim *d = tn_dim_parse(&lexer, NULL, NULL);
        assert_non_null(d);
        assert_int_equal(lexer.token.kind, TOKEN_END);
        StrBuf out = tn_str(&ctx->arena);
        tn_dim_print(ctx, d, &out);
        tn_lex_init(&lexer, ctx, tn_sv(out.data), NULL);
        assert_ptr_equal(tn_dim_parse(&lexer, NULL, NULL), d);
    }
    tn_lex_init(&lexer, ctx, TN_SV("1 + 2*N - N + 3"), NULL);
    assert_ptr_equal(tn_dim_parse(&lexer, NULL, NULL), tn_dim_addc(ctx, n, 4));
}

static void test_hash(void **state) {
    Text *t = *state;
    uint64_t hash = graph_hash(parse(&t->ctx, whole));
    Ctx other;
    tn_ctx_init(&other, NULL);
    (void)tn_dim_symbol(&other, TN_SV("Z"), SYM_INPUT_DIM, 0, 5); /* other ids */
    assert_int_equal(graph_hash(parse(&other, whole)), hash);
    tn_ctx_free(&other);
    static const char *const changes[][2] = {{"last=1", "last=0"},
                                             {"0.1,", "0.2,"},
                                             {"perm=[1,0,2]", "perm=[1,2,0]"},
                                             {"@4", "@5"},
                                             {"halo 2:1,2", "halo 2:1,1"},
                                             {"seq - 2", "seq - 3"},
                                             {"[3, -4]", "[3, -5]"}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *text = tn_sv_dup(&t->ctx.arena, tn_sv(whole));
        char *at = strstr(text, changes[i][0]);
        memcpy(at, changes[i][1], strlen(changes[i][1]));
        /* Types that no longer fit are left to the rules. */
        for (char *type; i == 2 && (type = strstr(text, " : f32[N,7,seq]")) != NULL;) {
            memset(type, ' ', strcspn(type, "}") + 1);
        }
        for (char *type; i == 2 && (type = strstr(text, " : i64[N,seq]")) != NULL;) {
            memset(type, ' ', strlen(" : i64[N,seq]"));
        }
        char *name = i == 2 ? strstr(text, "\"t\\\"\"") : NULL;
        if (name != NULL) {
            memset(name, ' ', 5);
        }
        assert_int_not_equal(graph_hash(parse(&t->ctx, text)), hash);
    }
    char *renamed = tn_sv_dup(&t->ctx.arena, tn_sv(whole));
    memcpy(strstr(renamed, "image"), "photo", 5);
    memcpy(strstr(renamed, "Transpose-13"), "Transpose-21", 12);
    assert_int_equal(graph_hash(parse(&t->ctx, renamed)), hash);
    static const char *const states[] = {
        "graph @g(%x: f32[2] state 0, %z: f32[2] state 1) -> (%y state 0) {%y = add(%x, %z)}",
        "graph @g(%x: f32[2] state 0, %z: f32[2] state 1) -> (%y state 1) {%y = add(%x, %z)}",
        "graph @g(%x: f32[2] state 1, %z: f32[2] state 0) -> (%y state 0) {%y = add(%x, %z)}"};
    for (size_t i = 1; i < sizeof states / sizeof *states; i++) {
        assert_int_not_equal(graph_hash(parse(&t->ctx, states[i])),
                             graph_hash(parse(&t->ctx, states[0])));
    }
}

#define with_ctx(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        with_ctx(test_fixpoint),     with_ctx(test_meaning),    with_ctx(test_float_bits),
        with_ctx(test_int_bits),     with_ctx(test_order_free), with_ctx(test_elided),
        with_ctx(test_short_forms),  with_ctx(test_mistakes),   with_ctx(test_all_at_once),
        with_ctx(test_deep_nesting), with_ctx(test_damage),     with_ctx(test_dim_text),
        with_ctx(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
