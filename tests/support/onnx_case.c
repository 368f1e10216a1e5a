/* onnx_case.c: single-operator models, made, imported and evaluated. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/onnx_case.h"

typedef enum Form { STATIC_DIMS, SYMBOLIC_DIMS, CONSTANTS, N_FORMS } Form;

/* ---- tensors ---- */

static int64_t parse_dims(const char *text, int64_t *dims, int *rank) {
    int64_t count = 1;
    *rank = 0;
    while (*text != 0) {
        char *end;
        dims[*rank] = strtoll(text, &end, 10);
        count *= dims[(*rank)++];
        text = *end == ',' ? end + 1 : end;
    }
    return count;
}

/* "2,1,3" as "s2,1,s3". */
static void symbolic_dims(const char *text, char *out) {
    for (bool start = true; *text != 0; start = *text == ',', text++) {
        bool one = text[0] == '1' && (text[1] == ',' || text[1] == 0);
        if (start && !one) {
            *out++ = 's';
        }
        *out++ = *text;
    }
    *out = 0;
}

static RefTensor ref_of(Arena *arena, const CaseTensor *tensor) {
    RefTensor ref = {.dtype = tensor->dtype};
    int rank;
    ref.count = parse_dims(tensor->dims, ref.dims, &rank);
    ref.rank = (uint8_t)rank;
    ref.i = tn_arena_array(arena, (size_t)ref.count + 1, 8, 8);
    for (int64_t k = 0; k < ref.count; k++) {
        if (tn_dtype_is_float(tensor->dtype)) {
            ref.f[k] = tensor->values[k];
        } else {
            ref.i[k] = (int64_t)tensor->values[k];
        }
    }
    return ref;
}

static tn_tensor bytes_of(Arena *arena, const CaseTensor *tensor) {
    RefTensor ref = ref_of(arena, tensor);
    tn_tensor out = {.dtype = (int32_t)ref.dtype, .rank = ref.rank};
    memcpy(out.dims, ref.dims, sizeof out.dims);
    out.data = tn_arena_array(arena, (size_t)ref.count + 1, 8, 8);
    tn_ref_to_bytes(&ref, out.data);
    return out;
}

/* ---- models ---- */

static size_t input_count(const OpCase *c) {
    size_t n = c->n_in;
    while (c->n_in == 0 && n < CASE_INPUTS && c->in[n].dtype != TN_DT_NONE) {
        n++;
    }
    return n;
}

static size_t output_count(const OpCase *c) {
    size_t n = 0;
    while (n < CASE_OUTPUTS && c->out[n].dtype != TN_DT_NONE) {
        n++;
    }
    return n;
}

static void put_input(Pb *graph, const OpCase *c, size_t i, Form form, Arena *arena) {
    char name[8];
    char dims[128];
    snprintf(name, sizeof name, "x%zu", i);
    if (form == CONSTANTS) {
        tn_tensor bytes = bytes_of(arena, &c->in[i]);
        size_t size = (size_t)tn_tensor_count(&bytes) * tn_dtype_bytes((DType)bytes.dtype);
        Pb tensor = onnx_tensor(name, bytes.dtype, bytes.rank, bytes.dims, bytes.data, size);
        pb_message(graph, GRAPH_INIT, &tensor);
        return;
    }
    symbolic_dims(c->in[i].dims, dims);
    bool list = i > 0 && tn_dtype_is_int(c->in[i].dtype) && strchr(c->in[i].dims, ',') == NULL;
    Pb value = onnx_value(name, (int)c->in[i].dtype,
                          form == SYMBOLIC_DIMS && !list ? dims : c->in[i].dims);
    pb_message(graph, GRAPH_INPUT, &value);
}

static Pb make_model(const OpCase *c, Form form, Arena *arena) {
    Pb graph = {0};
    StrBuf inputs = tn_str(arena);
    StrBuf outputs = tn_str(arena);
    for (size_t i = 0; i < input_count(c); i++) {
        bool omitted = c->in[i].dtype == TN_DT_NONE;
        tn_str_printf(&inputs, omitted ? "- " : "x%zu ", i);
        if (!omitted) {
            put_input(&graph, c, i, form, arena);
        }
    }
    for (size_t i = 0; i < output_count(c); i++) {
        char name[8];
        snprintf(name, sizeof name, "y%zu", i);
        tn_str_printf(&outputs, "%s ", name);
        Pb value = onnx_value(name, (int)c->out[i].dtype, NULL);
        pb_message(&graph, GRAPH_OUTPUT, &value);
    }
    tn_str_putc(&inputs, 0);
    Pb node = onnx_node("n", c->op, inputs.data, outputs.data, c->attrs);
    pb_message(&graph, GRAPH_NODE, &node);
    return onnx_model(&graph, 8, c->opset);
}

Graph *onnx_import(Ctx *ctx, const Pb *model, const FrontendOptions *options,
                   const char **messages) {
    Graph *graph = tn_onnx_import(ctx, model->data, model->len, "test.onnx", options);
    StrBuf text = tn_str(&ctx->arena);
    tn_diag_print(&ctx->diags, &text);
    *messages = text.len > 0 ? text.data : "";
    return graph;
}

/* ---- comparing ---- */

static void compare(const OpCase *c, Form form, size_t output, const RefTensor *got) {
    Arena arena;
    tn_arena_init(&arena, NULL);
    RefTensor want = ref_of(&arena, &c->out[output]);
    if (got->dtype != want.dtype || got->rank != want.rank ||
        memcmp(got->dims, want.dims, want.rank * sizeof *want.dims) != 0) {
        fail_msg("%s, form %d: output %zu has another type or shape", c->op, (int)form, output);
    }
    for (int64_t k = 0; k < want.count; k++) {
        bool floats = tn_dtype_is_float(want.dtype);
        double a = floats ? got->f[k] : (double)got->i[k];
        double b = floats ? want.f[k] : (double)want.i[k];
        bool same = (isnan(a) && isnan(b)) || a == b ||
                    (floats && fabs(a - b) <= 2e-6 * (fabs(b) > 1 ? fabs(b) : 1));
        if (!same) {
            fail_msg("%s, form %d: element %lld of output %zu is %.9g, expected %.9g", c->op,
                     (int)form, (long long)k, output, a, b);
        }
    }
    tn_arena_free(&arena);
}

static size_t collect_inputs(const OpCase *c, Arena *arena, RefTensor *inputs, Binding *bindings,
                             size_t *n_bindings) {
    size_t n = 0;
    *n_bindings = 0;
    for (size_t i = 0; i < input_count(c); i++) {
        if (c->in[i].dtype == TN_DT_NONE) {
            continue;
        }
        inputs[n++] = ref_of(arena, &c->in[i]);
        if (c->in[i].given) {
            const char *name = tn_arena_printf(arena, "x%zu", i);
            bindings[(*n_bindings)++] = (Binding){name, bytes_of(arena, &c->in[i])};
        }
    }
    return n;
}

static void check_form(const OpCase *c, Form form) {
    Ctx ctx;
    Binding bindings[CASE_INPUTS];
    RefTensor inputs[CASE_INPUTS];
    RefTensor outputs[CASE_OUTPUTS];
    FrontendOptions options = {.bindings = bindings};
    const char *messages;
    tn_ctx_init(&ctx, NULL);
    collect_inputs(c, &ctx.arena, inputs, bindings, &options.n_bindings);
    Pb model = make_model(c, form, &ctx.arena);
    Graph *graph = onnx_import(&ctx, &model, &options, &messages);
    if (graph == NULL) {
        fail_msg("%s, form %d: %s", c->op, (int)form, messages);
    }
    if (!tn_eval_graph(graph, inputs, &ctx.arena, outputs, NULL, NULL)) {
        StrBuf text = tn_str(&ctx.arena);
        tn_diag_print(&ctx.diags, &text);
        fail_msg("%s, form %d: %s", c->op, (int)form, text.data);
    }
    for (size_t i = 0; i < graph->outputs.len; i++) {
        compare(c, form, i, &outputs[i]);
    }
    assert_int_equal(graph->outputs.len, output_count(c));
    pb_free(&model);
    tn_ctx_free(&ctx);
}

void onnx_check(const OpCase *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        for (Form form = STATIC_DIMS; form < N_FORMS; form++) {
            if (form != SYMBOLIC_DIMS || cases[i].static_only == NULL) {
                check_form(&cases[i], form);
            }
        }
    }
}

void onnx_check_error(Pb *model, const FrontendOptions *options, tn_status status,
                      const char *text) {
    Ctx ctx;
    const char *messages;
    tn_ctx_init(&ctx, NULL);
    Graph *graph = onnx_import(&ctx, model, options, &messages);
    if (graph != NULL) {
        fail_msg("accepted; expected: %s", text);
    }
    if (tn_diag_status(&ctx.diags) != status || strstr(messages, text) == NULL) {
        fail_msg("status %d, expected %d; message '%s', expected '%s'",
                 (int)tn_diag_status(&ctx.diags), (int)status, messages, text);
    }
    pb_free(model);
    tn_ctx_free(&ctx);
}

void onnx_check_graph_error(Pb *graph, tn_status status, const char *text) {
    Pb model = onnx_model(graph, 8, 13);
    onnx_check_error(&model, NULL, status, text);
}
