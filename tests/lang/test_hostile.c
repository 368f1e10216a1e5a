/* test_hostile.c: every truncation of a model's source, and 300 mutations of it.
 *
 * The importer must come back with a module, or with an error that is the source's fault.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/lang.h"

static const char source[] =
    "fn opt(p, g, t, rate=0.1) { # a comment\n"
    "  state m = zeros_like(p)\n"
    "  update m = 0.9 * m + g\n"
    "  return p - rate * m / (1 - 0.9 ** t)\n"
    "}\n"
    "fn mix(x, n, f=fn(v) => -v, k=n) {\n"
    "  param w: x.dtype[*x.shape[1:], n] = glorot_uniform\n"
    "  buffer b: f32[] = 0.5\n"
    "  update b = b + 1\n"
    "  assert n > 0 and k == n, \"n is {n}\"\n"
    "  for i, v in enumerate([1, 2.5e-1]) {\n"
    "    if i == 0 or not training { x = f(x) * v } else { x = x + v }\n"
    "  }\n"
    "  return x @ w + b\n"
    "}\n"
    "model net(x: f32[N,4], h0: f32[2]) {\n"
    "  h, ys = loop(h = h0; r in x; reverse=true) {\n"
    "    next h = tanh(h + r[::2])\n"
    "    yield h[0]\n"
    "  }\n"
    "  y = mix(x, 3, name=\"mix\")\n"
    "  return y[:, 1:3], h, if x.rank == 1 then h else ys\n"
    "}\n"
    "train t(x: f32[N,4], h0: f32[2]) {\n"
    "  y, h, ys = net(x, h0)\n"
    "  loss = mean((y - 1) ** 2) + 0 * sum(h)\n"
    "  minimize loss over net, \"net.*\" with opt(rate=0.5) clip_norm=1 l2=1e-4\n"
    "  metric m = max(y, axes=[0, 1])\n"
    "}\n";

static tn_status import(const char *text, size_t size) {
    Ctx ctx;
    char *own = malloc(size > 0 ? size : 1); /* of its size, for the sanitizer */
    memcpy(own, text, size);
    tn_ctx_init(&ctx, NULL);
    Module *module = tn_lang_import(&ctx, own, size, "model.tn", NULL);
    tn_status status = tn_diag_status(&ctx.diags);
    StrBuf said = tn_str(&ctx.arena);
    tn_diag_print(&ctx.diags, &said);
    if ((module == NULL) != (status != TN_OK) || status == TN_INTERNAL || status == TN_IO) {
        fail_msg("status %d of:\n%.*s\n%s", status, (int)size, own, said.data);
    }
    tn_ctx_free(&ctx);
    free(own);
    return status;
}

static void test_truncated(void **state) {
    (void)state;
    size_t size = strlen(source);
    const char *step = getenv("TENON_HOSTILE_STEP");
    size_t stride = step != NULL ? (size_t)atoi(step) : 1;
    assert_int_equal(import(source, size), TN_OK);
    size_t good = 0;
    for (size_t n = 0; n < size; n += stride > 0 ? stride : 1) {
        good += import(source, n) == TN_OK;
    }
    assert_true(good < 8 && (stride > 1 || good >= 1)); /* cut between items alone */
}

static size_t next_random(uint64_t *state, size_t n) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(*state >> 33) % n;
}

/* Some bytes replaced by a piece: of the text itself, or one that means much. */
static size_t mutate(char *text, size_t size, size_t cap, uint64_t *random) {
    static const char *const pieces[] = {
        "",        "0",       "-1",   "x",        "N",
        "{",       "}",       "(",    ")",        "[",
        "]",       ",",       "\"",   "1e308",    "**",
        "//",      " = ",     "none", "true",     "range(99999)",
        "*",       "...",     "loop", "f32[N]",   "fn(x) => ",
        "2 ** 62", ".shape",  "\n",   ":",        "grad(x, x)",
        "cast",    "\xff",    "net",  "mix",      "opt",
        "t",       "return ", "if ",  "training", "hyper(1)",
    };
    size_t at = next_random(random, size + 1);
    size_t cut = next_random(random, 12);
    size_t from = next_random(random, size);
    size_t len = next_random(random, 24);
    const char *piece = pieces[next_random(random, sizeof pieces / sizeof *pieces)];
    char copy[32];
    cut = cut > size - at ? size - at : cut;
    if (next_random(random, 3) == 0) {
        len = len > size - from ? size - from : len;
        memcpy(copy, text + from, len);
    } else {
        len = strlen(piece);
        memcpy(copy, piece, len);
    }
    if (size - cut + len > cap) {
        return size;
    }
    memmove(text + at + len, text + at + cut, size - at - cut);
    memcpy(text + at, copy, len);
    return size - cut + len;
}

static void test_mutated(void **state) {
    (void)state;
    uint64_t random = 4;
    const char *more = getenv("TENON_HOSTILE_CASES");
    int cases = more != NULL ? atoi(more) : 300;
    for (int i = 0; i < cases; i++) {
        size_t cap = sizeof source + 1000;
        char *text = malloc(cap);
        size_t size = strlen(source);
        memcpy(text, source, size);
        for (size_t n = 1 + next_random(&random, 3); n > 0; n--) {
            size = mutate(text, size, cap, &random);
        }
        import(text, size);
        free(text);
    }
}

static void test_bytes(void **state) {
    (void)state;
    uint64_t random = 9;
    char text[64];
    for (int i = 0; i < 100; i++) {
        size_t n = next_random(&random, sizeof text);
        for (size_t k = 0; k < n; k++) {
            text[k] = (char)next_random(&random, 256);
        }
        assert_true(import(text, n) != TN_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_mutated),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
