/* str.h: string views and a string builder in an arena.
 *
 * A StrView is borrowed bytes with a length (not NUL-terminated, may hold any
 * byte). A StrBuf grows in an arena and is always NUL-terminated.
 */
#ifndef TN_BASE_STR_H
#define TN_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

typedef struct StrView {
    const char *data;
    size_t len;
} StrView;

#define TN_SV(literal) ((StrView){(literal), sizeof(literal) - 1})

StrView tn_sv(const char *cstr);
bool tn_sv_eq(StrView a, StrView b);
bool tn_sv_is(StrView a, const char *cstr);
/* NUL-terminated copy in the arena; embedded NULs are kept as bytes. */
char *tn_sv_dup(Arena *arena, StrView view);

typedef struct StrBuf {
    Arena *arena; /* borrowed */
    char *data;   /* NUL-terminated, never NULL after the first append */
    size_t len;
    size_t cap;
} StrBuf;

StrBuf tn_str(Arena *arena);
void tn_str_putc(StrBuf *buf, char c);
void tn_str_puts(StrBuf *buf, const char *text);
void tn_str_write(StrBuf *buf, const void *bytes, size_t len);
void tn_str_printf(StrBuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tn_str_vprintf(StrBuf *buf, const char *format, va_list args);
/* Appends `view` with control bytes, double quotes, backslashes and invalid UTF-8 escaped
 * (\xNN, \n, \", \\). */
void tn_str_escape(StrBuf *buf, StrView view);
/* The same for text to be read by people: double quotes and backslashes stay as they are. */
void tn_str_show(StrBuf *buf, StrView view);
/* printf into the arena. */
char *tn_arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
