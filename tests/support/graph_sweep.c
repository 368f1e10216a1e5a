/* graph_sweep.c: checks a property of random graphs over many seeds. */
#include "tests/support/graph_sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t from_environment(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

const char *sweep_text(const Graph *graph) {
    StrBuf text = tn_str(&graph->ctx->arena);
    tn_graph_print(graph, false, &text);
    return text.data;
}

const char *sweep_messages(Ctx *ctx) {
    StrBuf text = tn_str(&ctx->arena);
    tn_str_puts(&text, "");
    tn_diag_print(&ctx->diags, &text);
    ctx->diags.items.len = 0;
    return text.data;
}

double sweep_tolerance(const Graph *graph, double for_f32, double for_f64) {
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        if (node->n_out > 0 && node->out[0]->type.dtype == TN_F32) {
            return for_f32;
        }
    }
    return for_f64;
}

typedef struct Failing {
    SweepProperty *property;
    uint64_t seed;
} Failing;

static bool still_fails(void *arg, Graph *graph) {
    const Failing *failing = arg;
    return failing->property(graph, failing->seed) != NULL;
}

static void report(Graph *graph, SweepProperty *property, uint64_t seed, const char *wrong) {
    Graph *small = gen_shrink(graph, still_fails, &(Failing){property, seed});
    print_error("seed %llu: %s\nshrunk to\n%s", (unsigned long long)seed, wrong, sweep_text(small));
    const char *smaller = property(small, seed);
    print_error("which says: %s\n", smaller != NULL ? smaller : "nothing");
}

static bool check_seed(SweepProperty *property, uint64_t seed) {
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    DType float_type = seed % 2 == 0 ? TN_F64 : TN_F32;
    Graph *graph = gen_graph(&ctx, (GenOptions){.seed = seed, .float_type = float_type});
    if (ctx.diags.items.len > 0 || !tn_graph_verify(graph)) {
        fail_msg("seed %llu: the generator made an invalid graph: %s", (unsigned long long)seed,
                 sweep_messages(&ctx));
    }
    const char *wrong = property(graph, seed);
    if (wrong != NULL) {
        report(graph, property, seed, wrong);
    }
    tn_ctx_free(&ctx);
    return wrong == NULL;
}

void sweep_graphs(SweepProperty *property, uint64_t n_default) {
    uint64_t first = from_environment("TENON_RANDOM_SEED", 1);
    uint64_t n = from_environment("TENON_RANDOM_GRAPHS", n_default);
    uint64_t failed = 0;
    for (uint64_t seed = first; seed < first + n && failed < 5; seed++) {
        failed += !check_seed(property, seed);
    }
    assert_int_equal(failed, 0);
}
