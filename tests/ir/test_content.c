/* test_content.c: what is known of small integer tensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/lex.h"
#include "ir/op.h"

/* Each case is a body that defines %r; the inputs are the same for all. */
typedef struct Case {
    const char *body;
    const char *expected; /* elements, or NULL: unknown */
} Case;

#define HEAD                                                                                       \
    "graph @g(%x: f32[N,M], %k: i64[3], %b: i64[N], %f: f32[3], %big: i64[65], %h: i32[2]) -> "    \
    "(%r) {\n"                                                                                     \
    "%v = dimvec() {values=[N,M,12]}\n"                                                            \
    "%c = const() : i64[3] = [2, -3, 4]\n"                                                         \
    "%one = const() : i64[1] = 1\n"

static const Case cases[] = {
    {"%r = neg(%v)", "[-1*N, -1*M, -12]"},
    {"%r = add(%v, %c)", "[N + 2, M - 3, 16]"},
    {"%r = sub(%v, %c)", "[N - 2, M + 3, 8]"},
    {"%r = mul(%v, %c)", "[2*N, -3*M, 48]"},
    {"%r = div(%c, %c)", "[1, 1, 1]"},
    {"%t = const() : i64[3] = 2\n%r = div(%c, %t)", "[1, -1, 2]"}, /* truncates */
    {"%t = const() : i64[3] = 2\n%r = mod(%c, %t)", "[0, 1, 0]"},
    {"%t = const() : i64[3] = 2\n%r = div(%v, %t)", "[N/2, M/2, 6]"},
    {"%r = min(%v, %c)", "[min(2, N), -3, 4]"},
    {"%r = max(%v, %c)", "[max(2, N), M, 12]"},
    {"%r = eq(%v, %c)", "[eq(N, 2), 0, 0]"},
    {"%r = lt(%v, %c)", "[lt(N, 2), 0, 0]"},
    {"%r = le(%v, %c)", "[lt(N, 3), 0, 0]"},
    {"%e = eq(%v, %c)\n%r = not(%e)", "[1 - eq(2, N), 1, 1]"},
    {"%e = lt(%v, %c)\n%t = eq(%v, %v)\n%r = and(%e, %t)", "[lt(N, 2), 0, 0]"},
    {"%e = lt(%v, %c)\n%t = eq(%v, %v)\n%r = or(%e, %t)", "[1, 1, 1]"},
    {"%e = lt(%v, %c)\n%t = eq(%v, %v)\n%r = xor(%e, %t)", "[1 - lt(N, 2), 1, 1]"},
    {"%e = lt(%v, %c)\n%r = select(%e, %c, %v)", "[select(lt(N, 2), 2, N), M, 12]"},
    {"%r = abs(%c)", "[2, 3, 4]"},
    {"%r = cast(%v) {to=i32}", "[N, M, 12]"},
    {"%e = lt(%v, %c)\n%r = cast(%e) {to=i64}", "[lt(N, 2), 0, 0]"},
    {"%r = cast(%v) {to=f32}", NULL},
    {"%t = cast(%v) {to=f32}\n%r = cast(%t) {to=i64}", NULL},
    {"%r = cast(%f) {to=i64}", NULL},
    {"%r = reshape(%v) {dims=[3,1]}", "[N, M, 12]"},
    {"%r = transpose(%v) {perm=[0]}", "[N, M, 12]"},
    {"%r = slice(%v) {starts=[1], steps=[1], dims=[2]}", "[M, 12]"},
    {"%r = slice(%v) {starts=[2], steps=[-1], dims=[3]}", "[12, M, N]"},
    {"%r = concat(%one, %v) {axis=0}", "[1, N, M, 12]"},
    {"%r = expand(%one) {dims=[2,2], axes=[1]}", "[1, 1, 1, 1]"},
    {"%i = const() : i64[2] = [2, -3]\n%r = gather(%v, %i) {axis=0}", "[12, N]"},
    {"%i = const() : i64[] = 1\n%r = gather(%v, %i) {axis=0}", "[M]"},
    {"%r = gather(%v, %k) {axis=0}", NULL},
    {"%r = reduce_prod(%v) {axes=[0]}", "[12*(M*N)]"},
    {"%r = reduce_sum(%v) {axes=[0]}", "[M + N + 12]"},
    {"%r = reduce_max(%c) {axes=[0]}", "[4]"},
    {"%r = reduce_min(%c) {axes=[0]}", "[-3]"},
    {"%r = iota() {to=i64, dims=[4]}", "[0, 1, 2, 3]"},
    {"%p = const() : i64[] = 7\n%r = pad(%v, %p) {lo=[1], hi=[0]}", "[7, N, M, 12]"},
    {"%r = add(%k, %c)", "[in1_0 + 2, in1_1 - 3, in1_2 + 4]"},
    {"%r = neg(%h)", "[-1*in5_0, -1*in5_1]"},
    {"%r = neg(%b)", NULL},   /* as many as N */
    {"%r = neg(%big)", NULL}, /* more than 64 */
    {"%r = neg(%f)", NULL},
    {"%r = const() : i64[0] = []", "[]"},
};

static const char *text_of(Ctx *ctx, const Dim *const *dims, size_t n) {
    StrBuf text = tn_str(&ctx->arena);
    tn_str_puts(&text, "[");
    for (size_t i = 0; i < n; i++) {
        tn_str_puts(&text, i > 0 ? ", " : "");
        tn_dim_print(ctx, dims[i], &text);
    }
    tn_str_puts(&text, "]");
    return text.data;
}

/* The expected text by way of the same printer, so that the order of terms does not matter. */
static const char *normal(Ctx *ctx, const char *expected) {
    Lexer lexer;
    const Dim *dims[16];
    size_t n = 0;
    tn_lex_init(&lexer, ctx, tn_sv(expected), "expected");
    assert_true(tn_lex_expect(&lexer, "["));
    while (!tn_lex_accept(&lexer, "]")) {
        assert_true(n == 0 || tn_lex_expect(&lexer, ","));
        dims[n] = tn_dim_parse(&lexer, NULL, NULL);
        assert_non_null(dims[n++]);
    }
    return text_of(ctx, dims, n);
}

static void check(const Case *test) {
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    StrBuf text = tn_str(&ctx.arena);
    tn_str_printf(&text, "%s%s\n}\n", HEAD, test->body);
    Graph *graph = tn_graph_parse_text(&ctx, (StrView){text.data, text.len}, "case");
    if (graph == NULL) {
        StrBuf said = tn_str(&ctx.arena);
        tn_diag_print(&ctx.diags, &said);
        fail_msg("%s: %s", test->body, said.data);
    }
    size_t n = 99;
    const Dim *const *dims = tn_value_content(graph, graph->outputs.data[0].value, &n);
    if ((dims == NULL) != (test->expected == NULL)) {
        fail_msg("%s: %s", test->body, dims == NULL ? "unknown" : text_of(&ctx, dims, n));
    }
    if (dims != NULL) {
        const char *expected = normal(&ctx, test->expected);
        if (strcmp(text_of(&ctx, dims, n), expected) != 0) {
            fail_msg("%s: %s, not %s", test->body, text_of(&ctx, dims, n), expected);
        }
    }
    tn_ctx_free(&ctx);
}

static void test_cases(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(&cases[i]);
    }
}

static void test_symbols(void **state) {
    (void)state;
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    static const char text[] = "graph @g(%x: f32[2], %k: i64[3]) -> (%r) {\n%r = neg(%k)\n}\n";
    Graph *graph = tn_graph_parse_text(&ctx, tn_sv(text), "t.tn");
    size_t n;
    const Dim *const *dims = tn_value_content(graph, graph->inputs.data[1], &n);
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) {
        const Symbol *symbol = tn_dim_symbol_of(&ctx, dims[i]);
        assert_int_equal(symbol->kind, SYM_INPUT_ELEM);
        assert_int_equal(symbol->input, 1);
        assert_int_equal(symbol->index, i);
    }
    const Dim *const *again = tn_value_content(graph, graph->inputs.data[1], &n);
    assert_ptr_equal(again[2], dims[2]);
    tn_ctx_free(&ctx);
}

/* Long chains neither overflow the stack nor take forever. */
static void test_long_chain(void **state) {
    (void)state;
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    static const char text[] = "graph @g(%k: i64[3]) -> () {\n}\n";
    Graph *graph = tn_graph_parse_text(&ctx, tn_sv(text), "t.tn");
    Value *value = graph->inputs.data[0];
    for (int i = 0; i < 20000; i++) {
        Value *in[] = {value, value};
        value = tn_node_new(graph, TN_OP_add, in, 2, NULL, 0, (Loc){0}, NULL)->out[0];
    }
    size_t n;
    const Dim *const *dims = tn_value_content(graph, value, &n);
    assert_true(dims == NULL || dims[0]->overflow);
    tn_ctx_free(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_symbols),
        cmocka_unit_test(test_long_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
