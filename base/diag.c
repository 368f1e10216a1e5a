/* diag.c: the list of diagnostics and how it is printed.
 *
 * Invariant: nothing from a model reaches the output unescaped, neither names in
 * a location nor the text, so no message can forge another line or a terminal
 * command. The list is bounded; the first TN_DIAG_MAX problems are kept.
 */
#include "base/diag.h"

#include <inttypes.h>
#include <stdarg.h>

/* Locations outlive what they were made from: parsers may reset their arenas. */
static const char *keep(Arena *arena, const char *text) {
    return text ? tn_sv_dup(arena, tn_sv(text)) : NULL;
}

bool tn_diag(DiagList *list, tn_status status, Loc loc, const char *format, ...) {
    if (list->items.len >= TN_DIAG_MAX) {
        list->dropped++;
        return false;
    }
    StrBuf text = tn_str(list->arena);
    va_list args;
    va_start(args, format);
    tn_str_vprintf(&text, format, args);
    va_end(args);
    loc.file = keep(list->arena, loc.file);
    loc.node = keep(list->arena, loc.node);
    loc.op = keep(list->arena, loc.op);
    Diag diag = {.status = status, .loc = loc, .text = text.data};
    tn_vec_push(list->arena, &list->items, diag);
    return false;
}

tn_status tn_diag_status(const DiagList *list) {
    for (size_t i = 0; i < list->items.len; i++) {
        if (list->items.data[i].status != TN_OK) {
            return list->items.data[i].status;
        }
    }
    return TN_OK;
}

static void put_place(StrBuf *out, const Loc *loc) {
    if (!loc->file) {
        return;
    }
    tn_str_show(out, tn_sv(loc->file));
    if (loc->line) {
        tn_str_printf(out, ":%" PRIu32, loc->line);
    }
    if (loc->line && loc->column) {
        tn_str_printf(out, ":%" PRIu32, loc->column);
    }
    tn_str_puts(out, ": ");
}

static void put_node(StrBuf *out, const Loc *loc) {
    if (loc->node) {
        tn_str_puts(out, "node '");
        tn_str_escape(out, tn_sv(loc->node));
        tn_str_putc(out, '\'');
    }
    if (loc->op) {
        tn_str_puts(out, loc->node ? " (" : "");
        tn_str_escape(out, tn_sv(loc->op));
        tn_str_puts(out, loc->node ? ")" : "");
    }
    if (loc->node || loc->op) {
        tn_str_puts(out, ": ");
    }
    if (loc->has_offset) {
        tn_str_printf(out, "at byte %" PRIu64 ": ", loc->offset);
    }
}

/* How many columns `text` takes when printed: escapes widen it, UTF-8 narrows it. */
static size_t printed_width(StrBuf *out, StrView text) {
    size_t start = out->len, width = 0;
    tn_str_show(out, text);
    for (size_t i = start; i < out->len; i++) {
        width += ((unsigned char)out->data[i] >> 6) != 2;
    }
    out->len = start;
    return width;
}

/* The source line and a caret below the column. */
static void put_snippet(StrBuf *out, const Diag *diag) {
    if (!diag->snippet) {
        return;
    }
    StrView line = tn_sv(diag->snippet);
    tn_str_puts(out, "    ");
    tn_str_show(out, line);
    tn_str_putc(out, '\n');
    if (diag->loc.column == 0) {
        return;
    }
    if (line.len > diag->loc.column - 1) {
        line.len = diag->loc.column - 1;
    }
    size_t width = printed_width(out, line);
    for (size_t i = 0; i < width + 4; i++) {
        tn_str_putc(out, ' ');
    }
    tn_str_puts(out, "^\n");
}

void tn_diag_print(const DiagList *list, StrBuf *out) {
    for (size_t i = 0; i < list->items.len; i++) {
        const Diag *diag = &list->items.data[i];
        put_place(out, &diag->loc);
        tn_str_puts(out, diag->status == TN_OK ? "note: " : "error: ");
        put_node(out, &diag->loc);
        tn_str_show(out, tn_sv(diag->text ? diag->text : "out of memory"));
        tn_str_putc(out, '\n');
        put_snippet(out, diag);
    }
    if (list->dropped) {
        tn_str_printf(out, "note: %" PRIu32 " more problems not shown\n", list->dropped);
    }
}
