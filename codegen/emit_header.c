/* emit_header.c: the C header that goes with a compiled model.
 *
 * It declares the describing table and, where all shapes are constant, sizes and a typed
 * wrapper. Names are made of the prefix and numbers; the model's own stand in comments only
 * after everything but plain characters is replaced.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "codegen/entry.h"

/* A name for a comment. */
static void put_plain(StrBuf *out, const char *name) {
    for (int i = 0; name != NULL && name[i] != '\0' && i < 60; i++) {
        unsigned char c = (unsigned char)name[i];
        tn_str_putc(out, c < 128 && (isalnum(c) || c == '_' || c == '.') ? (char)c : '_');
    }
}

/* A letter of a C identifier as a capital. */
static char capital(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* "#define PREFIX_IN_COUNT0 5" */
static void put_define(StrBuf *out, const char *prefix, const char *what, size_t i, int64_t value) {
    tn_str_puts(out, "#define ");
    for (const char *at = prefix; *at != '\0'; at++) {
        tn_str_putc(out, capital(*at));
    }
    tn_str_printf(out, "_%s%zu %" PRId64 "\n", what, i, value);
}

static bool all_static(const Graph *graph) {
    bool ok = true;
    for (size_t i = 0; i < tn_graph_caller_inputs(graph); i++) {
        ok = ok && tn_type_static_count(&graph->inputs.data[i]->type) >= 0;
    }
    for (size_t i = 0; i < tn_graph_caller_outputs(graph); i++) {
        ok = ok && tn_type_static_count(&graph->outputs.data[i].value->type) >= 0;
    }
    return ok && tn_graph_caller_outputs(graph) > 0;
}

static void put_tensor(StrBuf *out, const char *what, size_t i, const Type *type, bool cst) {
    tn_str_printf(out, "        {%s%s%zu, %d, %d, {", cst ? "(void *)(uintptr_t)" : "", what, i,
                  (int)type->dtype, type->rank);
    for (int d = 0; d < type->rank; d++) {
        tn_str_printf(out, "%s%" PRId64, d > 0 ? ", " : "", type->dims[d]->value);
    }
    tn_str_puts(out, type->rank > 0 ? "}},\n" : "0}},\n");
}

static void put_parameters(const Graph *graph, StrBuf *out) {
    for (size_t i = 0; i < tn_graph_caller_inputs(graph); i++) {
        tn_str_printf(out, ", const %s *in%zu", tn_dtype_c(graph->inputs.data[i]->type.dtype), i);
    }
    for (size_t i = 0; i < tn_graph_caller_outputs(graph); i++) {
        tn_str_printf(out, ", %s *out%zu", tn_dtype_c(graph->outputs.data[i].value->type.dtype), i);
    }
}

/* One call with typed pointers, for models without symbolic dimensions. */
static void put_wrapper(const Graph *graph, const char *prefix, StrBuf *out) {
    size_t n_in = tn_graph_caller_inputs(graph), n_out = tn_graph_caller_outputs(graph);
    tn_str_printf(out,
                  "\n/* Runs the session of this model on arrays of the sizes above. */\n"
                  "static inline tn_status %s_infer(tn_session *session",
                  prefix);
    put_parameters(graph, out);
    tn_str_puts(out, ") {\n    const tn_tensor inputs[] = {\n");
    for (size_t i = 0; i < n_in; i++) {
        put_tensor(out, "in", i, &graph->inputs.data[i]->type, true);
    }
    tn_str_puts(out, n_in == 0 ? "        {0, 0, 0, {0}}};\n" : "    };\n");
    tn_str_puts(out, "    const tn_tensor outputs[] = {\n");
    for (size_t i = 0; i < n_out; i++) {
        put_tensor(out, "out", i, &graph->outputs.data[i].value->type, false);
    }
    tn_str_printf(out,
                  "    };\n    return tn_session_run(session, inputs, %zu, outputs, %zu);\n}\n",
                  n_in, n_out);
}

static void put_sizes(const Graph *graph, const char *prefix, StrBuf *out) {
    for (size_t i = 0; i < tn_graph_caller_inputs(graph); i++) {
        tn_str_printf(out, "/* input %zu: ", i);
        put_plain(out, graph->inputs.data[i]->name);
        tn_str_puts(out, " */\n");
        put_define(out, prefix, "IN_COUNT", i, tn_type_static_count(&graph->inputs.data[i]->type));
    }
    for (size_t i = 0; i < tn_graph_caller_outputs(graph); i++) {
        tn_str_printf(out, "/* output %zu: ", i);
        put_plain(out, graph->outputs.data[i].name);
        tn_str_puts(out, " */\n");
        put_define(out, prefix, "OUT_COUNT", i,
                   tn_type_static_count(&graph->outputs.data[i].value->type));
    }
}

bool tn_emit_header(const Compile *compile, const EmitOptions *options, StrBuf *out) {
    const char *prefix = options->prefix;
    const Module *module = compile->module;
    const Graph *graph = module->entries.data[0];
    tn_str_printf(
        out,
        "/* A model compiled by Tenon: what a C program needs to use it with libtenon_rt.\n"
        " * Open it with tn_model_open, or linked in with\n"
        " * tn_model_from_desc(&%s_model, ...). */\n"
        "#ifndef TENON_MODEL_%s_H\n#define TENON_MODEL_%s_H\n\n"
        "#include \"tenon/runtime.h\"\n\n"
        "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
        "extern const tn_model_desc %s_model;\n\n",
        prefix, prefix, prefix, prefix);
    if (strcmp(tn_module_entry_of(module, 0), "infer") == 0 && all_static(graph)) {
        tn_str_puts(out, "/* Elements of each input and output. */\n");
        put_sizes(graph, prefix, out);
        put_wrapper(graph, prefix, out);
    }
    tn_str_puts(out, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
    return true;
}
