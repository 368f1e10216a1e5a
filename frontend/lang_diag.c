/* lang_diag.c: diagnostics of model source.
 *
 * A mistake inside the library is shown at the user's call, with a note on where in the
 * library it was found. Evaluation meets one mistake once for every entry and round of an
 * unrolled loop; it is reported once.
 */
#include "frontend/lang_eval.h"

#include <string.h>

enum { SNIPPET_MAX = 200, TRACE_MAX = 6 };

/* The frame whose call is the last step from the user's text into the library. */
static const Frame *library_frame(const Lang *lang, Place place) {
    const Frame *last = NULL;
    for (const Frame *f = lang->frame; f != NULL && place.source != NULL && place.source->library;
         f = f->caller) {
        place = f->place;
        last = f;
    }
    return last;
}

Place tn_lang_user_place(const Lang *lang, Place place) {
    const Frame *frame = library_frame(lang, place);
    return frame != NULL ? frame->place : place;
}

Loc tn_lang_loc(const Lang *lang, Place place) {
    place = tn_lang_user_place(lang, place);
    return (Loc){.file = place.source != NULL ? place.source->file : NULL,
                 .line = place.line,
                 .column = place.column};
}

/* The line of a place, for a caret under it. */
static const char *snippet(const Lang *lang, Place place) {
    if (place.source == NULL || place.column == 0 || place.column > SNIPPET_MAX) {
        return NULL;
    }
    StrView text = place.source->text;
    size_t start = place.start - (place.column - 1);
    size_t end = place.start;
    while (end < text.len && text.data[end] != '\n' && end - start < SNIPPET_MAX) {
        end++;
    }
    return tn_sv_dup(&lang->ctx->arena, (StrView){text.data + start, end - start});
}

static void set_snippet(Lang *lang, size_t index, Place place) {
    if (index < lang->ctx->diags.items.len) {
        lang->ctx->diags.items.data[index].snippet = snippet(lang, place);
    }
}

static void note(Lang *lang, Place place, const char *text) {
    if (place.source == NULL) {
        return;
    }
    size_t at = lang->ctx->diags.items.len;
    Loc loc = {.file = place.source->file, .line = place.line, .column = place.column};
    tn_diag(&lang->ctx->diags, TN_OK, loc, "%s", text);
    set_snippet(lang, at, place);
}

/* Where in the library it was found, and from where the user's functions were called. */
static void trace(Lang *lang, Place place) {
    Arena *arena = &lang->ctx->arena;
    const Frame *frame = lang->frame;
    if (place.source != NULL && place.source->library) {
        note(lang, place, "found here, in the library");
    }
    while (frame != NULL && frame->place.source != NULL && place.source != NULL &&
           place.source->library) {
        place = frame->place;
        frame = frame->caller;
    }
    for (int i = 0; i < TRACE_MAX && frame != NULL; i++, frame = frame->caller) {
        bool here = frame->place.source == place.source && frame->place.start == place.start;
        if (frame->place.source != NULL && !frame->place.source->library && !here) {
            note(lang, frame->place,
                 tn_arena_printf(arena, "in the call of %.*s()", (int)frame->def->name.len,
                                 frame->def->name.data));
        }
    }
}

/* Whether the same was said at the same place before. */
static bool is_repeated(Lang *lang, Place place, const char *text) {
    uint64_t key[3] = {(uintptr_t)place.source, place.start, 0};
    key[2] = tn_hash(TN_HASH_SEED, text, strlen(text));
    bool added;
    void **slot = tn_map_put_int(&lang->reported, tn_hash(TN_HASH_SEED, key, sizeof key), &added);
    *slot = lang;
    return !added;
}

static void report(Lang *lang, Place place, tn_status status, const char *format, va_list args) {
    StrBuf text = tn_str(&lang->ctx->arena);
    const Frame *frame = library_frame(lang, place);
    Place user = tn_lang_user_place(lang, place);
    if (frame != NULL) {
        tn_str_printf(&text, "%.*s: ", (int)frame->def->name.len, frame->def->name.data);
    }
    tn_str_vprintf(&text, format, args);
    size_t at = lang->ctx->diags.items.len;
    if (is_repeated(lang, user, text.data)) {
        return;
    }
    tn_diag(&lang->ctx->diags, status, tn_lang_loc(lang, place), "%s", text.data);
    set_snippet(lang, at, user);
    if (status != TN_OK) {
        trace(lang, place);
    }
}

Val tn_lang_error(Lang *lang, Place place, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(lang, place, TN_BAD_INPUT, format, args);
    va_end(args);
    return (Val){.kind = VAL_BAD};
}

Val tn_lang_limit(Lang *lang, Place place, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!lang->stopped) {
        report(lang, place, TN_LIMIT, format, args);
    }
    va_end(args);
    lang->stopped = true;
    return (Val){.kind = VAL_BAD};
}

void tn_lang_warn(Lang *lang, Place place, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(lang, place, TN_OK, format, args);
    va_end(args);
}

bool tn_lang_work(Lang *lang, Place place, size_t amount) {
    lang->steps += amount;
    if (lang->steps > LANG_STEPS_MAX) {
        tn_lang_limit(lang, place, "evaluating the model takes more than %d steps", LANG_STEPS_MAX);
    }
    return !lang->stopped;
}

/* ---- building nodes ---- */

/* The innermost named instance, for messages and profiles. */
static const char *instance(const Lang *lang) {
    for (const Frame *f = lang->frame; f != NULL; f = f->caller) {
        if (f->scope != NULL && f->scope->path != NULL && f->scope->path[0] != '\0') {
            return f->scope->path;
        }
    }
    return NULL;
}

Call *tn_lang_start(Lang *lang, Place place, const char *op) {
    Graph *graph = lang->entry->graph;
    lang->import.graph = graph;
    lang->call = (Call){.import = &lang->import,
                        .ctx = lang->ctx,
                        .graph = graph,
                        .loc = tn_lang_loc(lang, place),
                        .opset = TN_OPSET_MAX};
    lang->call.loc.op = op;
    lang->call.loc.node = instance(lang);
    lang->had = lang->ctx->diags.items.len;
    return &lang->call;
}

/* Completes the first diagnostic that building left; drops it when it is repeated. */
static void complete(Lang *lang, Place place) {
    DiagList *diags = &lang->ctx->diags;
    Place user = tn_lang_user_place(lang, place);
    if (diags->items.len <= lang->had) {
        return;
    }
    if (is_repeated(lang, user, diags->items.data[lang->had].text)) {
        diags->items.len = lang->had;
        return;
    }
    for (size_t i = lang->had; i < diags->items.len; i++) {
        set_snippet(lang, i, user);
    }
    trace(lang, place);
}

Val tn_lang_finish(Lang *lang, Place place, Value *tensor) {
    if (lang->entry->graph->n_nodes > LANG_NODES_MAX) {
        return tn_lang_limit(lang, place, "the model has more than %d operations", LANG_NODES_MAX);
    }
    if (tensor == NULL) {
        complete(lang, place);
        return (Val){.kind = VAL_BAD};
    }
    return tn_val_tensor(lang, tensor);
}
