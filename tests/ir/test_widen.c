/* test_widen.c: the double-precision twin of a module, as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/module.h"

/* %s is the type that must change. Integers and bodies' own types are among the cases. */
static const char text[] =
    "module \"m\"\n"
    "state \"w\" param %s[3]\n"
    "state \"t\" counter i64[]\n"
    "hyper \"rate\" = 0.1\n"
    "graph @step(%%x: %s[N,3], %%k: i32[N], %%w: %s[3] state 0, %%rate: f64[] hyper 0)"
    " -> (%%y, %%w1 state 0) {\n"
    "  %%half = const() {to=%s, dims=[]} = 0.5\n"
    "  %%three = const() {to=%s, dims=[3]} = [0.1, 2, -3]\n"
    "  %%h = expand(%%half) {dims=[3], axes=[]}\n"
    "  %%r = cast(%%rate) {to=%s}\n"
    "  %%rs = expand(%%r) {dims=[3], axes=[]}\n"
    "  %%a = mul(%%w, %%h)\n"
    "  %%b = mul(%%a, %%rs)\n"
    "  %%w1 = add(%%b, %%three)\n"
    "  %%y = cast(%%k) {to=%s}\n"
    "}\n";

static const char *print(Ctx *ctx, const Module *module) {
    StrBuf out = tn_str(&ctx->arena);
    tn_module_print(module, false, &out);
    return out.data;
}

static Module *read_as(Ctx *ctx, const char *dtype) {
    const char *d = dtype;
    StrBuf source = tn_str(&ctx->arena);
    tn_str_printf(&source, text, d, d, d, d, d, d, d);
    Module *module = tn_module_parse_text(ctx, (StrView){source.data, source.len}, "widen.tn");
    assert_non_null(module);
    return module;
}

static void replaces_single_precision(void **state) {
    (void)state;
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    Module *module = read_as(&ctx, "f32"), *wide = tn_module_clone(module);
    const char *before = print(&ctx, module);
    tn_module_widen(wide);
    assert_true(tn_module_verify(wide));
    assert_string_equal(print(&ctx, module), before); /* a clone shares nothing that changed */
    Graph *graph = tn_module_entry(wide, TN_SV("step"));
    const Node *three = graph->first->next;
    double elements[3];
    assert_int_equal(three->blob->size, sizeof elements);
    memcpy(elements, three->blob->data, sizeof elements);
    assert_true(elements[0] == (double)0.1F && elements[1] == 2 && elements[2] == -3);
    memcpy((void *)(uintptr_t)three->blob->data, (double[]){0.1, 2, -3}, sizeof elements);
    assert_string_equal(print(&ctx, wide), print(&ctx, read_as(&ctx, "f64")));
    tn_ctx_free(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(replaces_single_precision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
