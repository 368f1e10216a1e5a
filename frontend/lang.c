/* lang.c: from model source to a module. */
#include "frontend/lang.h"

#include <string.h>

#include "frontend/lang_train.h"

/* ---- reading ---- */

static bool add_defs(Lang *lang, const LangSource *source, const FnDefVec *defs) {
    Arena *arena = &lang->ctx->arena;
    bool ok = true;
    for (size_t i = 0; i < defs->len; i++) {
        const FnDef *def = defs->data[i];
        void **slot = tn_map_put_str(&lang->items, def->name, NULL);
        const FnDef *had = *slot;
        if (had != NULL && had->place.source == source) {
            tn_lang_error(lang, def->place, "'%.*s' is defined twice", (int)def->name.len,
                          def->name.data);
            ok = false;
        }
        *slot = (void *)(uintptr_t)def;
        if (def->kind == FN_MODEL && !source->library) {
            tn_vec_push(arena, &lang->models, def);
        } else if (def->kind == FN_TRAIN && !source->library) {
            tn_vec_push(arena, &lang->trains, def);
        }
    }
    return ok;
}

static bool read_source(Lang *lang, const char *file, StrView text, bool library) {
    LangSource *source = TN_NEW(&lang->ctx->arena, LangSource);
    FnDefVec defs = {0};
    *source =
        (LangSource){tn_sv_dup(&lang->ctx->arena, tn_sv(file != NULL ? file : "")), text, library};
    bool ok = tn_lang_parse(lang->ctx, source, &defs);
    return add_defs(lang, source, &defs) && ok;
}

static bool read_library(Lang *lang) {
    size_t n;
    const LibraryFile *files = tn_lang_library(&n);
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        const char *name = tn_arena_printf(&lang->ctx->arena, "library/%s", files[i].name);
        ok = read_source(lang, name, (StrView){files[i].text, files[i].size}, true) && ok;
    }
    return ok;
}

/* The first byte that is no space and in no comment. */
static size_t first_word(StrView text) {
    size_t at = 0;
    bool comment = false;
    for (; at < text.len; at++) {
        char c = text.data[at];
        comment = c == '#' || (comment && c != '\n');
        if (!comment && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
            break;
        }
    }
    return at;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool tn_lang_is_source(StrView text) {
    static const char *const graphs[] = {"graph", "sym", "module"};
    size_t at = first_word(text);
    StrView word = {text.data + at, 0};
    while (at + word.len < text.len && is_letter(word.data[word.len])) {
        word.len++;
    }
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) {
        if (tn_sv_is(word, graphs[i])) {
            return false;
        }
    }
    bool plain = word.len > 0;
    for (size_t i = 0; i < text.len && i < 64; i++) {
        unsigned char c = (unsigned char)text.data[i];
        plain = plain && (c >= ' ' || c == '\n' || c == '\t' || c == '\r') && c != 0x7f;
    }
    return plain;
}

/* ---- entries ---- */

size_t tn_lang_errors(const Lang *lang) {
    size_t n = lang->ctx->diags.dropped;
    for (size_t i = 0; i < lang->ctx->diags.items.len; i++) {
        n += lang->ctx->diags.items.data[i].status != TN_OK;
    }
    return n;
}

/* The model that `infer` runs: the one a train block calls first, else the first that no other
 * model calls. */
static const FnDef *main_model(const Lang *lang) {
    if (lang->first_model != NULL) {
        return lang->first_model;
    }
    for (size_t i = 0; i < lang->models.len; i++) {
        if (tn_map_get_str(&lang->called, lang->models.data[i]->name) == NULL) {
            return lang->models.data[i];
        }
    }
    return lang->models.len > 0 ? lang->models.data[0] : NULL;
}

static bool make_entries(Lang *lang) {
    bool ok = true;
    for (size_t i = 0; i < lang->trains.len && !lang->stopped; i++) {
        ok = tn_lang_train(lang, lang->trains.data[i]) && ok;
    }
    for (size_t i = 0; ok && i < lang->models.len && !lang->stopped; i++) {
        const FnDef *def = lang->models.data[i];
        const char *name =
            tn_arena_printf(&lang->ctx->arena, "infer.%.*s", (int)def->name.len, def->name.data);
        ok = tn_lang_infer(lang, def, name);
    }
    const FnDef *main = main_model(lang);
    for (size_t i = 0; i < lang->entries.len; i++) {
        Entry *entry = lang->entries.data[i];
        if (entry->kind == ENTRY_INFER && entry->def == main) {
            entry->root->name = "infer";
        }
    }
    return ok && !lang->stopped;
}

static void fill_module(Lang *lang) {
    Arena *arena = &lang->ctx->arena;
    if (lang->init != NULL) {
        tn_entry_finish(lang, lang->init);
        tn_vec_push(arena, &lang->module->entries, lang->init->root);
    }
    for (size_t i = 0; i < lang->entries.len; i++) {
        if (lang->entries.data[i] != lang->init) {
            tn_vec_push(arena, &lang->module->entries, lang->entries.data[i]->root);
        }
    }
}

Lang *tn_lang_start_source(Ctx *ctx, StrView text, const char *file,
                           const FrontendOptions *options) {
    Arena *arena = &ctx->arena;
    Lang *lang = TN_NEW(arena, Lang);
    *lang = (Lang){.ctx = ctx, .options = options};
    lang->import = (Import){.ctx = ctx, .options = options, .known = tn_map(arena)};
    lang->import.source.ctx = ctx;
    lang->symbols = tn_symbols(ctx, options);
    lang->items = tn_map(arena);
    lang->by_name = tn_map(arena);
    lang->tags = tn_map(arena);
    lang->called = tn_map(arena);
    lang->weights = tn_map(arena);
    lang->reported = tn_map(arena);
    bool ok = read_library(lang);
    ok = read_source(lang, file, text, false) && ok;
    if (ok && lang->models.len + lang->trains.len == 0) {
        ok = tn_diag(&ctx->diags, TN_BAD_INPUT, (Loc){.file = file},
                     "there is no model and no train block");
    }
    return ok ? lang : NULL;
}

Module *tn_lang_end_module(Lang *lang) {
    fill_module(lang);
    return tn_module_verify(lang->module) ? lang->module : NULL;
}

Module *tn_lang_import(Ctx *ctx, const void *bytes, size_t size, const char *file,
                       const FrontendOptions *options) {
    StrView text = {tn_arena_copy(&ctx->arena, bytes, size), size};
    Lang *lang = tn_lang_start_source(ctx, text, file, options);
    if (lang == NULL) {
        return NULL;
    }
    size_t had = tn_lang_errors(lang);
    const FnDef *name = lang->trains.len > 0 ? lang->trains.data[0] : lang->models.data[0];
    lang->module = tn_module_new(ctx, tn_sv_dup(&ctx->arena, name->name));
    if (!make_entries(lang) || tn_lang_errors(lang) > had ||
        !tn_symbols_check(&lang->symbols, file)) {
        return NULL;
    }
    return tn_lang_end_module(lang);
}
