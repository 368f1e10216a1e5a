/* frontend.c: which kind of model description a file holds. */
#include "frontend/frontend.h"

/* A .tn file is text and starts with a comment or the word `graph`; the first byte of an
 * ONNX file is a protobuf tag, which no letter, '#', '/' or space is in practice: as tags
 * they would name fields that ModelProto does not have. */
static bool is_text(StrView text) {
    static const char *const starts[] = {"graph", "#", "//"};
    size_t at = 0;
    while (at < text.len && (text.data[at] == ' ' || text.data[at] == '\t' ||
                             text.data[at] == '\r' || text.data[at] == '\n')) {
        at++;
    }
    StrView rest = {text.data + at, text.len - at};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        StrView start = tn_sv(starts[i]);
        if (rest.len >= start.len && tn_sv_eq((StrView){rest.data, start.len}, start)) {
            return true;
        }
    }
    return false;
}

Graph *tn_frontend_import(Ctx *ctx, const void *bytes, size_t size, const char *file,
                          const FrontendOptions *options) {
    StrView text = {bytes, size};
    if (size == 0) {
        tn_diag(&ctx->diags, TN_BAD_INPUT, (Loc){.file = file}, "the file is empty");
        return NULL;
    }
    if (is_text(text)) {
        return tn_graph_parse_text(ctx, text, file);
    }
    return tn_onnx_import(ctx, bytes, size, file, options);
}
