/* verify.c: tenon verify: the compiled model against the reference evaluator.
 *
 * With --each-node every value of the graph is made an output, in the order of
 * computation, so one more compilation shows where the first difference arises. Models that
 * train are verified by verify_train.c, their gradients by verify_grad.c.
 */
#include "tools/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/op.h"

enum { TABLE_ROWS = 10 };

typedef struct Verification {
    const Args *args;
    Subject subject;
    tn_graph *graph;
    Runner runner;
    Inputs inputs;
    tn_tensor *reference; /* one per output */
    Compared *rows;       /* the latest round */
    int32_t n_outputs;
    int32_t n_own; /* outputs of the model itself; the rest are inner values */
    double worst;  /* over all rounds */
} Verification;

/* Names an inner value by the model node it comes from. */
static const char *describe(Ctx *ctx, const Node *node) {
    const char *op = node->loc.op ? node->loc.op : tn_op_info(node->op)->name;
    return node->loc.node && *node->loc.node
               ? tn_arena_printf(&ctx->arena, "node '%s' (%s)", node->loc.node, op)
               : tn_arena_printf(&ctx->arena, "a node %s", op);
}

static void expose(Verification *v, Graph *graph) {
    Ctx *ctx = graph->ctx;
    for (Node *node = graph->first; node; node = node->next) {
        for (uint32_t i = 0; i < node->n_out && !tn_node_is_const(node); i++) {
            Value *value = node->out[i];
            if (!value->is_output) {
                tn_graph_add_output(graph,
                                    tn_arena_printf(&ctx->arena, "%s:%s#%u", describe(ctx, node),
                                                    tn_op_info(node->op)->name, value->id),
                                    value);
            }
        }
    }
    v->n_outputs = tn_graph_output_count(v->graph);
}

static tn_status prepare(Verification *v) {
    v->graph = tn_module_entry_graph(v->subject.source.module, "infer");
    if (!v->graph) {
        return tn_tool_error(TN_BAD_INPUT, "the model has no entry 'infer'");
    }
    v->n_own = v->n_outputs = tn_graph_output_count(v->graph);
    if (tn_args_has(v->args, OPT_EACH_NODE)) {
        expose(v, (Graph *)v->graph); /* a tn_graph is a Graph: see frontend.h */
    }
    v->rows = calloc((size_t)v->n_outputs + 1, sizeof *v->rows);
    v->reference = calloc((size_t)v->n_outputs + 1, sizeof *v->reference);
    if (!v->rows || !v->reference) {
        return tn_tool_error(TN_LIMIT, "out of memory");
    }
    tn_status status = tn_inputs_of_graph(v->graph, &v->inputs);
    if (status == TN_OK) {
        status = tn_subject_compile(&v->subject.source, &v->subject);
    }
    return status == TN_OK ? tn_runner_open(v->args, &v->subject, NULL, &v->runner) : status;
}

static tn_status evaluate(Verification *v) {
    Source *source = &v->subject.source;
    tn_tensors_free(v->reference, v->n_outputs);
    tn_tool_progress("evaluating the reference ...");
    tn_status status = tn_evaluate(source->compiler, v->graph, v->inputs.tensors, v->inputs.n,
                                   v->reference, v->n_outputs);
    tn_tool_progress(NULL);
    if (status != TN_OK) {
        tn_tool_messages(source->compiler);
    }
    return status;
}

static void compare(Verification *v) {
    for (int32_t i = 0; i < v->n_outputs; i++) {
        const tn_tensor *got = &v->runner.outputs[i], *want = &v->reference[i];
        Compared *row = &v->rows[i];
        *row = (Compared){.name = v->runner.entry->outputs[i].name, .shape = *want};
        row->what = i < v->n_own ? "output" : "value";
        row->shape.data = NULL;
        if (tn_tensor_same_shape(got, want)) {
            row->diff = tn_tensor_diff(got, want);
        } else {
            row->diff = (TensorDiff){.error = INFINITY, .where = -1};
        }
        if (row->diff.error > v->worst) {
            v->worst = row->diff.error;
        }
    }
}

void tn_compared_print(const Compared *row) {
    char type[256], place[256] = "";
    tn_tensor_type_text(&row->shape, type, sizeof type);
    printf("  %-9.3g %s ", row->diff.error, row->what);
    tn_tool_show(stdout, row->name);
    printf(": %s", type);
    if (row->diff.where >= 0) {
        tn_tensor_place(&row->shape, row->diff.where, place, sizeof place);
        printf(" at %s: %.9g, reference %.9g", place, row->diff.got, row->diff.want);
    } else if (row->diff.error > 0) {
        printf(": the compiled model gives another shape");
    }
    printf("\n");
}

int tn_compared_order(const void *a, const void *b) {
    const Compared *x = a, *y = b;
    return (x->diff.error < y->diff.error) - (x->diff.error > y->diff.error);
}

static void report(Verification *v) {
    for (int32_t i = v->n_own; i < v->n_outputs; i++) {
        if (v->rows[i].diff.error > tn_tolerance) {
            printf("first value beyond %g, in the order of computation:\n", tn_tolerance);
            tn_compared_print(&v->rows[i]);
            break;
        }
    }
    int32_t n = v->n_own;
    if (v->n_outputs > v->n_own) {
        printf("worst of %d values:\n", (int)v->n_outputs);
        qsort(v->rows, (size_t)v->n_outputs, sizeof *v->rows, tn_compared_order);
        n = v->n_outputs < TABLE_ROWS ? v->n_outputs : TABLE_ROWS;
    }
    for (int32_t i = 0; i < n; i++) {
        tn_compared_print(&v->rows[i]);
    }
}

void tn_verify_sizes(const Inputs *inputs) {
    for (int32_t i = 0; i < inputs->n; i++) {
        char type[256];
        tn_tensor_type_text(&inputs->tensors[i], type, sizeof type);
        fputs(i ? ", " : "", stdout);
        tn_tool_show(stdout, inputs->specs[i].name);
        printf(" %s", type);
    }
    printf("%s\n", inputs->n > 0 ? "" : "no inputs");
}

static tn_status verify_round(Verification *v, int round) {
    tn_status status = tn_inputs_make(&v->inputs, v->args, round);
    if (status == TN_OK) {
        status = evaluate(v);
    }
    if (status == TN_OK) {
        status = tn_runner_plan(&v->runner, &v->inputs);
    }
    if (status == TN_OK) {
        status = tn_runner_run(&v->runner, &v->inputs);
    }
    if (status != TN_OK) {
        return status;
    }
    compare(v);
    tn_verify_sizes(&v->inputs);
    report(v);
    return TN_OK;
}

static tn_status verify_plain(Verification *v) {
    tn_status status = prepare(v);
    for (int i = 0; i < tn_inputs_rounds(v->args) && status == TN_OK; i++) {
        status = verify_round(v, i);
    }
    tn_tensors_free(v->reference, v->n_outputs);
    free(v->reference);
    free(v->rows);
    tn_inputs_free(&v->inputs);
    tn_runner_free(&v->runner);
    return status;
}

static tn_status verify_training(Verification *v) {
    const Args *args = v->args;
    bool grad = tn_args_has(args, OPT_GRAD);
    if (tn_args_has(args, OPT_EACH_NODE) || tn_args_has(args, OPT_SIZES)) {
        return tn_tool_error(TN_USAGE, "options '--each-node' and '--sizes' are for models "
                                       "without state");
    }
    tn_status status = tn_subject_compile(&v->subject.source, &v->subject);
    if (status == TN_OK) {
        status = tn_subject_init(args, &v->subject);
    }
    if (status != TN_OK) {
        return status;
    }
    return grad ? tn_verify_grad(args, &v->subject, &v->worst)
                : tn_verify_train(args, &v->subject, &v->worst);
}

tn_status tn_cmd_verify(const Args *args) {
    const char *path = tn_tool_model_name(args);
    if (!path) {
        return TN_USAGE;
    }
    Verification v = {.args = args};
    tn_status status = tn_source_open(args, path, &v.subject.source);
    bool trains = status == TN_OK && tn_source_trains(&v.subject.source);
    if (status == TN_OK && !trains && tn_args_has(args, OPT_GRAD)) {
        status = tn_tool_error(TN_USAGE, "option '--grad': the model does not train; an ONNX "
                                         "model needs --loss");
    }
    if (status == TN_OK) {
        status = trains ? verify_training(&v) : verify_plain(&v);
    }
    if (status == TN_OK) {
        bool good = v.worst <= tn_tolerance;
        printf("%s: worst error %.3g, tolerance %g\n", good ? "ok" : "FAIL", v.worst, tn_tolerance);
        status = good ? TN_OK : TN_USAGE;
    }
    tn_subject_free(&v.subject);
    return status;
}
