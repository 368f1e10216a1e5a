/* test_bodies.c: the primitives with a body, `loop` and `if`: what their type rules refuse, and
 * what `if` gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ir/op.h"

typedef struct Refusal {
    const char *text, *message;
} Refusal;

#define GIVEN "graph @g(%x: f32[3], %c: bool, %i: i64, %s: f32[4,3]) -> (%y) { "

static const Refusal refusals[] = {
    {GIVEN "%y = if(%x, %c) {carried=1} }", "do and the body"},
    {GIVEN "%y = neg(%x) do graph @b(%x: f32[3]) -> (%x) { } }", "only loop and if have a body"},
    {GIVEN "%y = if(%x, %c) {carried=2} do graph @b(%t: i64, %x: f32[3], %c: bool) -> (%x) { } }",
     "the body has 3 inputs and 1 outputs for 2 operands, 2 carried values and 1 results"},
    {GIVEN "%y = if(%x, %c) {carried=1} do graph @b(%t: i64, %x: f32[3]) -> (%x) { } }",
     "the body has 2 inputs and 1 outputs for 2 operands, 1 carried values and 1 results"},
    {GIVEN "%y = if(%x, %i) {carried=1} do graph @b(%t: i64, %x: f32[3], %i: i64) -> (%x) { } }",
     "the condition is i64[], expected bool"},
    {GIVEN "%y = if(%x, %c) {carried=1} do graph @b(%t: bool, %x: f32[3], %c: bool) -> (%x) { } }",
     "the body's first input is bool[], the turn is i64"},
    {GIVEN "%y = if(%x, %c) {carried=1} do graph @b(%t: i64, %x: f32[2], %c: bool) -> (%x) { } }",
     "operand 0 is f32[2] in the body and f32[3] outside"},
    {GIVEN "%y = if(%x, %c) {carried=1} do graph @b(%t: i64, %x: f32[3], %c: bool) -> (%z) { "
           "%z = reshape(%x) {dims=[1,3]} } }",
     "carried value 0 is f32[1,3] in the body and f32[3] outside"},
    {GIVEN "%y = loop(%x, %s) {trips=[5], carried=1, scanned=1} do graph @b(%t: i64, %x: f32[3], "
           "%s: f32[3]) -> (%x) { } }",
     "operand 1 has another length than the loop"},
    {GIVEN "%y = loop(%x, %c) {trips=[5], carried=1, scanned=1} do graph @b(%t: i64, %x: f32[3], "
           "%s: bool) -> (%x) { } }",
     "operand 1 is scanned and has no dimension"},
    {GIVEN "%y = loop(%x) {trips=[5], carried=1} do graph @b(%t: f32, %x: f32[3]) -> (%x) { } }",
     "the body's first input is f32[], the turn is i64"},
    {GIVEN "%y = loop(%x) {trips=[5], carried=2} do graph @b(%t: i64, %x: f32[3]) -> (%x) { } }",
     "loop: carried is 2, outside 0..1"},
};

static void test_refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        Ctx ctx;
        tn_ctx_init(&ctx, NULL);
        const Graph *graph = tn_graph_parse_text(&ctx, tn_sv(refusals[i].text), "case");
        StrBuf text = tn_str(&ctx.arena);
        tn_str_puts(&text, "");
        tn_diag_print(&ctx.diags, &text);
        if (graph != NULL || strstr(text.data, refusals[i].message) == NULL) {
            fail_msg("case %zu: expected \"%s\", found: %s", i, refusals[i].message, text.data);
        }
        tn_ctx_free(&ctx);
    }
}

/* The condition decides whether the body is run at all: what it gives is not looked at
 * otherwise. */
static void test_if(void **state) {
    (void)state;
    for (int64_t holds = 0; holds < 2; holds++) {
        Ctx ctx;
        tn_ctx_init(&ctx, NULL);
        const char *source =
            "graph @g(%x: f64[2], %i: i64[1], %c: bool, %w: f64[2]) -> (%a, %b) { "
            "%a, %b = if(%x, %i, %c, %w) {carried=2} do graph @b(%t: i64, %x: f64[2], "
            "%i: i64[1], %c: bool, %w: f64[2]) -> (%y, %j) { %y = div(%x, %w) %j = neg(%i) } }";
        Graph *graph = tn_graph_parse_text(&ctx, tn_sv(source), "case");
        assert_non_null(graph);
        RefTensor in[] = {
            {.dtype = TN_F64, .rank = 1, .dims = {2}, .count = 2, .f = (double[]){3, 5}},
            {.dtype = TN_I64, .rank = 1, .dims = {1}, .count = 1, .i = (int64_t[]){7}},
            {.dtype = TN_BOOL, .count = 1, .i = (int64_t[]){holds}},
            {.dtype = TN_F64, .rank = 1, .dims = {2}, .count = 2, .f = (double[]){2, 4}},
        };
        RefTensor out[2];
        assert_true(tn_eval_graph(graph, in, &ctx.arena, out, NULL, NULL));
        assert_true(out[0].f[0] == (holds ? 1.5 : 3) && out[0].f[1] == (holds ? 1.25 : 5));
        assert_int_equal(out[1].i[0], holds ? -7 : 7);
        tn_ctx_free(&ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_if),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
