/* lang_suggest.c: the name that a name not found was meant to be. */
#include "frontend/lang_eval.h"

enum { NAME_MAX_LEN = 40, DISTANCE_MAX = 2 };

typedef struct Suggestion {
    StrView name, best;
    size_t distance;
} Suggestion;

static size_t least(size_t a, size_t b, size_t c) {
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* How many letters have to be changed, added or left out, capital or not. */
static size_t distance(StrView a, StrView b) {
    size_t row[NAME_MAX_LEN + 1];
    for (size_t k = 0; k <= b.len; k++) {
        row[k] = k;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            size_t above = row[k];
            size_t change = corner + (lower(a.data[i - 1]) != lower(b.data[k - 1]));
            row[k] = least(above + 1, row[k - 1] + 1, change);
            corner = above;
        }
    }
    return row[b.len];
}

static void consider(Suggestion *s, StrView name) {
    if (name.len == 0 || name.len > NAME_MAX_LEN || name.data[0] == '_' ||
        name.len + DISTANCE_MAX < s->name.len || s->name.len + DISTANCE_MAX < name.len) {
        return;
    }
    size_t d = distance(s->name, name);
    if (d < s->distance && d < s->name.len) {
        s->distance = d;
        s->best = name;
    }
}

static void consider_all(Suggestion *s, const Map *map) {
    for (uint32_t i = 0; i < map->len; i++) {
        consider(s, map->entries[i].key);
    }
}

/* The element type that other languages call float32, int64 or uint8. */
static StrView short_dtype(const Lang *lang, StrView name) {
    size_t word = 0;
    while (word < name.len && name.data[word] >= 'a') {
        word++;
    }
    if (word < 2) {
        return (StrView){"", 0};
    }
    StrView text = tn_sv(tn_arena_printf(&lang->ctx->arena, "%c%.*s", name.data[0],
                                         (int)(name.len - word), name.data + word));
    return tn_dtype_parse(text) != TN_DT_NONE ? text : (StrView){"", 0};
}

StrView tn_lang_suggest(const Lang *lang, StrView name) {
    static const char *const words[] = {"true", "false", "none", "training", "step_count", "bool"};
    Suggestion s = {.name = name, .distance = name.len > 3 ? DISTANCE_MAX + 1 : DISTANCE_MAX};
    if (name.len > NAME_MAX_LEN) {
        return s.best;
    }
    for (const Env *env = lang->frame != NULL ? lang->frame->env : NULL; env != NULL;
         env = env->outer) {
        consider_all(&s, &env->names);
    }
    consider_all(&s, &lang->items);
    for (const Builtin *b = tn_lang_builtins(); b->name != NULL; b++) {
        consider(&s, tn_sv(b->name));
    }
    for (int op = 0; op < TN_OP_COUNT; op++) {
        consider(&s, tn_sv(tn_op_info((Op)op)->name));
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        consider(&s, tn_sv(words[i]));
    }
    StrView dtype = short_dtype(lang, name);
    return dtype.len > 0 ? dtype : s.best;
}
