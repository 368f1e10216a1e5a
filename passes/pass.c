/* pass.c: the pass table and the loop that runs it.
 *
 * Passes run in the order of passes.def. What a pass leaves in the scratch arena is
 * released when it ends; texts for "(unchanged)" lie below that mark. Dumps and times
 * are comments and text forms, so a dump of one pass parses back.
 */
#include "passes/pass.h"

#include <time.h>

static const Pass pass_table[] = {
#define PASS(id, level, min_opt, doc) {#id, PASS_##level, min_opt, tn_pass_##id, doc},
#include "passes/passes.def"
#undef PASS
};

enum { PASS_COUNT = sizeof pass_table / sizeof pass_table[0] };

const Pass *tn_pass_at(uint32_t index) {
    return index < PASS_COUNT ? &pass_table[index] : NULL;
}

const Pass *tn_pass_by_name(StrView name) {
    for (uint32_t i = 0; i < PASS_COUNT; i++) {
        if (tn_sv_is(name, pass_table[i].name)) {
            return &pass_table[i];
        }
    }
    return NULL;
}

/* The text of what the compilation has come to, in the scratch arena. */
static StrBuf compile_text(const Compile *compile) {
    StrBuf text = tn_str(&compile->ctx->scratch);
    if (compile->program != NULL) {
        tn_program_print(compile->program, &text);
    } else {
        tn_graph_print(compile->graph, true, &text);
    }
    return text;
}

static bool names_pass(const char *option, const Pass *pass) {
    return option != NULL &&
           (tn_sv_is(tn_sv(option), pass->name) || tn_sv_is(tn_sv(option), "all"));
}

static bool wants_dump(const Compile *compile, const Pass *pass) {
    return compile->dump != NULL && names_pass(compile->options.dump_after, pass);
}

static void dump_after(Compile *compile, const Pass *pass, StrView before) {
    StrBuf after = compile_text(compile);
    if (tn_sv_eq(before, (StrView){after.data, after.len})) {
        tn_str_printf(compile->dump, "# after %s (unchanged)\n", pass->name);
        return;
    }
    tn_str_printf(compile->dump, "# after %s\n", pass->name);
    tn_str_write(compile->dump, after.data, after.len);
}

static bool verify(Compile *compile, const Pass *pass) {
    bool ok = true;
    if (compile->program == NULL) {
        ok = tn_graph_verify(compile->graph);
    } else {
        for (size_t i = 0; i < compile->program->steps.len && ok; i++) {
            ok = tn_kernel_verify(compile->program->steps.data[i].kernel);
        }
    }
    return ok ||
           tn_diag(&compile->ctx->diags, TN_INTERNAL, (Loc){0}, "pass '%s' left an invalid %s",
                   pass->name, compile->program == NULL ? "graph" : "program");
}

/* Graph passes work on one graph: bodies of loops are graphs of their own, done first. */
static bool run_on_bodies(Compile *compile, const Pass *pass) {
    Graph *graph = compile->graph;
    bool in_body = compile->in_body, ok = true;
    compile->in_body = true;
    for (Node *node = graph->first; ok && node != NULL; node = node->next) {
        if (node->body != NULL && pass->level == PASS_GRAPH) {
            compile->graph = node->body;
            ok = run_on_bodies(compile, pass) && pass->run(compile);
        }
    }
    compile->graph = graph;
    compile->in_body = in_body;
    return ok;
}

bool tn_pass_run(Compile *compile, const Pass *pass) {
    ArenaMark mark = tn_arena_mark(&compile->ctx->scratch);
    bool ok = run_on_bodies(compile, pass) && pass->run(compile) &&
              (!compile->options.verify_each || verify(compile, pass));
    tn_arena_reset(&compile->ctx->scratch, mark);
    return ok;
}

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static void put_time(const Compile *compile, const char *name, double ms) {
    if (compile->options.time_passes && compile->dump != NULL) {
        tn_str_printf(compile->dump, "# time %-10s %10.3f ms\n", name, ms);
    }
}

/* Runs the pass, adding its time to `*total`. */
static bool run_timed(Compile *compile, const Pass *pass, double *total) {
    double start = now_ms();
    bool ok = tn_pass_run(compile, pass);
    double ms = now_ms() - start;
    put_time(compile, pass->name, ms);
    *total += ms;
    return ok;
}

/* Texts lie below the pass's own use of the scratch arena. */
static bool run_dumped(Compile *compile, const Pass *pass, double *total) {
    if (!wants_dump(compile, pass)) {
        return run_timed(compile, pass, total);
    }
    ArenaMark mark = tn_arena_mark(&compile->ctx->scratch);
    StrBuf before = compile_text(compile);
    bool ok = run_timed(compile, pass, total);
    if (ok) {
        dump_after(compile, pass, (StrView){before.data, before.len});
    }
    tn_arena_reset(&compile->ctx->scratch, mark);
    return ok;
}

/* Leaves the pass out if its level is above the one asked for. */
static bool run_or_skip(Compile *compile, const Pass *pass, double *total) {
    if (compile->options.opt_level >= pass->min_opt) {
        return run_dumped(compile, pass, total);
    }
    if (wants_dump(compile, pass)) {
        tn_str_printf(compile->dump, "# after %s (not run at -O%d)\n", pass->name,
                      compile->options.opt_level);
    }
    return true;
}

/* `name` is NULL, a pass or (where allowed) "all". */
static bool check_name(Compile *compile, const char *option, const char *name, bool all) {
    if (name == NULL || tn_pass_by_name(tn_sv(name)) != NULL ||
        (all && tn_sv_is(tn_sv(name), "all"))) {
        return true;
    }
    StrBuf known = tn_str(&compile->ctx->scratch);
    for (uint32_t i = 0; i < PASS_COUNT; i++) {
        tn_str_printf(&known, "%s%s", i == 0 ? "" : ", ", pass_table[i].name);
    }
    return tn_diag(&compile->ctx->diags, TN_USAGE, (Loc){0}, "%s: no pass '%s'; there are %s%s",
                   option, name, all ? "all, " : "", known.data);
}

/* Whether the last failure is that of a budget: every entry is then to say what it needs. */
static bool over_budget(const Compile *compile) {
    const DiagList *diags = &compile->ctx->diags;
    return compile->options.train_memory > 0 && diags->items.len > 0 &&
           diags->items.data[diags->items.len - 1].status == TN_LIMIT;
}

bool tn_passes_run_module(Compile *compile) {
    const Module *module = compile->module;
    bool ok = true;
    for (size_t i = 0; i < module->entries.len; i++) {
        compile->graph = module->entries.data[i];
        compile->program = NULL;
        if (module->entries.len > 1 && compile->dump != NULL &&
            (compile->options.dump_after != NULL || compile->options.time_passes)) {
            tn_str_printf(compile->dump, "# entry %s\n", tn_module_entry_of(module, i));
        }
        if (!tn_passes_run(compile)) {
            ok = false;
            if (!over_budget(compile)) {
                break;
            }
        } else if (compile->program != NULL) {
            tn_vec_push(&compile->ctx->arena, &compile->programs, compile->program);
        }
    }
    return ok;
}

bool tn_passes_run(Compile *compile) {
    const Options *options = &compile->options;
    if (!check_name(compile, "--dump-after", options->dump_after, true) ||
        !check_name(compile, "--stop-after", options->stop_after, false)) {
        return false;
    }
    double total = 0;
    for (uint32_t i = 0; i < PASS_COUNT; i++) {
        if (!run_or_skip(compile, &pass_table[i], &total)) {
            return false;
        }
        if (options->stop_after != NULL && names_pass(options->stop_after, &pass_table[i])) {
            break;
        }
    }
    put_time(compile, "total", total);
    return true;
}
