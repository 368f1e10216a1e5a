/* lang_type.c: types of parameters and variables.
 *
 * A type is an expression: an element type with sizes, f32[N, 2*k], x.dtype[*x.shape]. In the
 * type of a parameter a new name that stands alone as a size, or is spread over several, is
 * declared by it; `...` stands for any sizes.
 */
#include "frontend/lang_eval.h"

bool tn_lang_type(Lang *lang, const Expr *expr, Type *out) {
    Val v = tn_lang_eval(lang, expr);
    if (v.kind == VAL_DTYPE) {
        *out = tn_type_scalar(v.dtype);
        return true;
    }
    if (v.kind != VAL_TYPE) {
        if (v.kind != VAL_BAD) {
            tn_lang_error(lang, expr->place, "%s is no type such as f32[3,4]",
                          tn_val_describe(lang, v));
        }
        return false;
    }
    *out = *v.type;
    return true;
}

/* The element type before the sizes. */
static bool element_type(Lang *lang, const Expr *expr, DType *out) {
    const Expr *base = expr->kind == EXPR_INDEX ? expr->items[0] : expr;
    return tn_lang_dtype(lang, base->place, tn_lang_eval(lang, base), "the type", out);
}

static bool is_new_name(const Lang *lang, const Expr *dim) {
    return dim->kind == EXPR_NAME && tn_env_get(lang->frame->env, dim->text) == NULL;
}

/* ---- arguments ---- */

typedef struct Match {
    Lang *lang;
    const Param *param;
    Place place;
    const Type *type; /* of the argument */
} Match;

static bool mismatch(const Match *m) {
    StrBuf text = tn_str(&m->lang->ctx->scratch);
    tn_type_print(m->lang->ctx, m->type, &text);
    StrView written = {m->param->type->place.source->text.data + m->param->type->place.start, 0};
    const StrView whole = m->param->type->place.source->text;
    while (written.data + written.len < whole.data + whole.len && written.len < 80 &&
           written.data[written.len] != '\n') {
        char c = written.data[written.len++];
        if (c == ']') {
            break;
        }
    }
    tn_lang_error(m->lang, m->place, "argument '%.*s' is %s, expected %.*s",
                  (int)m->param->name.len, m->param->name.data, text.data, (int)written.len,
                  written.data);
    return false;
}

static bool match_dim(const Match *m, const Expr *dim, const Dim *actual) {
    Lang *lang = m->lang;
    if (is_new_name(lang, dim)) {
        tn_env_set(lang, lang->frame->env, dim->text, tn_val_dim(actual));
        return true;
    }
    Val v = tn_lang_eval(lang, dim);
    const Dim *wanted = tn_lang_dim(lang, dim->place, v, "a size");
    if (wanted == NULL) {
        return false;
    }
    if (wanted == actual) {
        return true;
    }
    if (tn_dim_is(tn_dim_eq(lang->ctx, wanted, actual), 0)) {
        return mismatch(m);
    }
    Call *call = tn_lang_start(lang, m->place, NULL);
    bool ok =
        tn_make_require(call, actual, wanted, "argument '%.*s' has another size than declared",
                        (int)m->param->name.len, m->param->name.data);
    return ok || mismatch(m);
}

static bool match_dims(const Match *m) {
    const Expr *expr = m->param->type;
    uint32_t n = expr->kind == EXPR_INDEX ? expr->n_items - 1 : 0;
    uint32_t rank = m->type->rank;
    uint32_t at = 0;
    uint32_t skipped = 0;
    for (uint32_t i = 0; i < n; i++) {
        const Expr *dim = expr->items[i + 1];
        if (dim->kind == EXPR_DOTS && skipped == 0 && rank + 1 >= n) {
            at += rank + 1 - n;
            skipped = 1;
        } else if (at >= rank || dim->kind == EXPR_DOTS || dim->kind == EXPR_SPREAD) {
            return mismatch(m);
        } else if (!match_dim(m, dim, m->type->dims[at++])) {
            return false;
        }
    }
    return at == rank || mismatch(m);
}

bool tn_lang_match(Lang *lang, const Param *param, Place place, Val *arg) {
    DType dtype;
    if (!element_type(lang, param->type, &dtype)) {
        return false;
    }
    bool number = tn_val_is_number(*arg) || arg->kind == VAL_BOOL;
    if (number || (arg->kind == VAL_TENSOR && arg->weak)) {
        Value *tensor = tn_lang_tensor(lang, place, *arg, dtype, "an argument");
        if (tensor == NULL) {
            return false;
        }
        *arg = tn_val_tensor(lang, tensor);
    }
    if (arg->kind != VAL_TENSOR) {
        tn_lang_error(lang, place, "argument '%.*s' is %s, expected a tensor", (int)param->name.len,
                      param->name.data, tn_val_describe(lang, *arg));
        return false;
    }
    Match m = {lang, param, place, &arg->tensor->type};
    return arg->tensor->type.dtype == dtype ? match_dims(&m) : mismatch(&m);
}

/* ---- inputs of entries ---- */

bool tn_lang_input_type(Lang *lang, const Param *param, int input, Type *out) {
    DType dtype;
    if (param->type == NULL) {
        tn_lang_error(lang, param->place, "an input needs a type, such as %.*s: f32[N,784]",
                      (int)param->name.len, param->name.data);
        return false;
    }
    if (!element_type(lang, param->type, &dtype)) {
        return false;
    }
    uint32_t n = param->type->kind == EXPR_INDEX ? param->type->n_items - 1 : 0;
    if (n > TN_MAX_RANK) {
        tn_lang_error(lang, param->place, "%u dimensions, at most %d are possible", n, TN_MAX_RANK);
        return false;
    }
    *out = tn_type_scalar(dtype);
    for (uint32_t i = 0; i < n; i++) {
        const Expr *dim = param->type->items[i + 1];
        if (is_new_name(lang, dim)) {
            const Dim *symbol = tn_symbols_named(&lang->symbols, dim->text, input, (int)i);
            tn_env_set(lang, lang->frame->env, dim->text, tn_val_dim(symbol));
        }
        const Dim *size = tn_lang_dim(lang, dim->place, tn_lang_eval(lang, dim), "a size");
        if (size == NULL) {
            return false;
        }
        if (size->lo < 0) {
            tn_lang_error(lang, dim->place, "this size may be negative");
            return false;
        }
        out->dims[out->rank++] = size;
    }
    return true;
}
