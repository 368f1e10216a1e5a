/* str.c: string views and the string builder.
 *
 * Invariant: when `data` is not NULL, `len < cap` and data[len] is NUL. After an
 * allocation failure without a jump target, appends do nothing.
 */
#include "base/str.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

StrView tn_sv(const char *cstr) {
    return (StrView){cstr, cstr ? strlen(cstr) : 0};
}

bool tn_sv_eq(StrView a, StrView b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool tn_sv_is(StrView a, const char *cstr) {
    return tn_sv_eq(a, tn_sv(cstr));
}

char *tn_sv_dup(Arena *arena, StrView view) {
    if (view.len == SIZE_MAX) { /* no room for the NUL: let the arena refuse it */
        return tn_arena_array(arena, view.len, 2, 1);
    }
    char *copy = tn_arena_alloc(arena, view.len + 1, 1);
    if (copy && view.len) {
        memcpy(copy, view.data, view.len);
    }
    return copy;
}

StrBuf tn_str(Arena *arena) {
    return (StrBuf){.arena = arena};
}

/* Makes room for `more` bytes and the NUL behind them. */
static bool reserve(StrBuf *buf, size_t more) {
    if (buf->data && more < buf->cap - buf->len) {
        return true;
    }
    size_t need, doubled = buf->cap > SIZE_MAX / 2 ? SIZE_MAX : buf->cap * 2;
    if (__builtin_add_overflow(buf->len + 1, more, &need)) {
        need = SIZE_MAX;
    }
    size_t cap = doubled > need ? doubled : need;
    if (cap < FIRST_CAPACITY) {
        cap = FIRST_CAPACITY;
    }
    char *data = tn_arena_alloc(buf->arena, cap, 1);
    if (!data) {
        return false;
    }
    if (buf->len) {
        memcpy(data, buf->data, buf->len);
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void tn_str_write(StrBuf *buf, const void *bytes, size_t len) {
    if (!reserve(buf, len)) {
        return;
    }
    if (len) {
        memcpy(buf->data + buf->len, bytes, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void tn_str_putc(StrBuf *buf, char c) {
    tn_str_write(buf, &c, 1);
}

void tn_str_puts(StrBuf *buf, const char *text) {
    tn_str_write(buf, text, strlen(text));
}

void tn_str_vprintf(StrBuf *buf, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    size_t room = buf->data ? buf->cap - buf->len : 0;
    int needed = vsnprintf(room ? buf->data + buf->len : NULL, room, format, args);
    if (needed >= 0 && (size_t)needed >= room && reserve(buf, (size_t)needed)) {
        vsnprintf(buf->data + buf->len, (size_t)needed + 1, format, again);
    }
    if (needed >= 0 && buf->data && (size_t)needed < buf->cap - buf->len) {
        buf->len += (size_t)needed;
    } else if (buf->data) {
        buf->data[buf->len] = '\0';
    }
    va_end(again);
}

void tn_str_printf(StrBuf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    tn_str_vprintf(buf, format, args);
    va_end(args);
}

char *tn_arena_printf(Arena *arena, const char *format, ...) {
    StrBuf buf = tn_str(arena);
    va_list args;
    va_start(args, format);
    tn_str_vprintf(&buf, format, args);
    va_end(args);
    return buf.data;
}

/* The code point's smallest value per sequence length, to tell overlong forms. */
static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

/* The length of the printable UTF-8 sequence at the start of `p`, or 0. */
static size_t utf8_length(const unsigned char *p, size_t len) {
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len) {
        return 0;
    }
    if (n == 1) {
        return p[0] >= 0x20 && p[0] != 0x7f;
    }
    uint32_t code = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) {
            return 0;
        }
        code = code << 6 | (p[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    bool control = code < 0xa0;
    bool sound = code >= smallest[n] && code <= 0x10ffff && !surrogate && !control;
    return sound ? n : 0;
}

void tn_str_escape(StrBuf *buf, StrView view) {
    for (size_t i = 0, n; i < view.len; i += n) {
        const unsigned char *p = (const unsigned char *)view.data + i;
        n = utf8_length(p, view.len - i);
        if (n == 0 && *p == '\n') {
            tn_str_puts(buf, "\\n");
        } else if (n == 0) {
            tn_str_printf(buf, "\\x%02x", *p);
        } else if (*p == '"' || *p == '\\') {
            tn_str_printf(buf, "\\%c", *p);
        } else {
            tn_str_write(buf, p, n);
        }
        n = n ? n : 1;
    }
}

void tn_str_show(StrBuf *buf, StrView view) {
    size_t start = 0;
    for (size_t i = 0; i < view.len; i++) {
        if (view.data[i] != '"' && view.data[i] != '\\') {
            continue;
        }
        tn_str_escape(buf, (StrView){view.data + start, i - start});
        tn_str_putc(buf, view.data[i]);
        start = i + 1;
    }
    tn_str_escape(buf, (StrView){view.data + start, view.len - start});
}
