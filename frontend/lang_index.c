/* lang_index.c: x[...]: entries and parts of tensors, lists and texts; types, f32[N,10].
 *
 * Indices follow NumPy: negative numbers count from the end, ranges are cut to the tensor,
 * `none` adds a dimension, `...` stands for all dimensions not mentioned, an integer tensor
 * picks elements. Parts known only at run time must lie inside the tensor.
 */
#include <inttypes.h>

#include "frontend/lang_eval.h"

static const Val bad = {.kind = VAL_BAD};

/* One entry of an index, evaluated. */
typedef struct IndexItem {
    ExprKind kind; /* EXPR_RANGE, EXPR_DOTS, or another: a value */
    Val value;
    Val part[3];
} IndexItem;

typedef TN_VEC(IndexItem) IndexVec;

static bool eval_index(Lang *lang, const Expr *expr, IndexVec *out) {
    Arena *arena = &lang->ctx->arena;
    bool ok = true;
    for (uint32_t i = 1; i < expr->n_items; i++) {
        const Expr *from = expr->items[i];
        IndexItem item = {.kind = from->kind};
        if (from->kind == EXPR_RANGE) {
            for (int k = 0; k < 3; k++) {
                item.part[k] =
                    from->items[k] != NULL ? tn_lang_eval(lang, from->items[k]) : tn_val_none();
                ok = ok && item.part[k].kind != VAL_BAD;
            }
        } else if (from->kind != EXPR_DOTS) {
            ValVec values = {0};
            ok = tn_lang_eval_items(lang, &from, 1, &values) && ok;
            for (size_t k = 0; ok && k < values.len; k++) {
                item = (IndexItem){.kind = EXPR_INT, .value = values.data[k]};
                tn_vec_push(arena, out, item);
            }
            continue;
        }
        tn_vec_push(arena, out, item);
    }
    return ok;
}

/* ---- lists ---- */

/* A bound of a range as a number in 0..n. */
static bool list_bound(Lang *lang, Place place, Val v, int64_t otherwise, int64_t n, int64_t *out) {
    *out = otherwise;
    if (v.kind == VAL_NONE) {
        return true;
    }
    if (!tn_lang_int(lang, place, v, "an index", out)) {
        return false;
    }
    *out = *out < 0 ? *out + n : *out;
    *out = *out < 0 ? 0 : *out > n ? n : *out;
    return true;
}

static Val index_list(Lang *lang, Place place, const List *list, const IndexVec *index) {
    int64_t n = (int64_t)list->n;
    int64_t from;
    int64_t to;
    if (index->len != 1 || index->data[0].kind == EXPR_DOTS) {
        return tn_lang_error(lang, place, "a list takes one index");
    }
    const IndexItem *item = &index->data[0];
    if (item->kind == EXPR_RANGE) {
        if (item->part[2].kind != VAL_NONE) {
            return tn_lang_error(lang, place, "a range of a list has no step");
        }
        if (!list_bound(lang, place, item->part[0], 0, n, &from) ||
            !list_bound(lang, place, item->part[1], n, n, &to) ||
            !tn_lang_work(lang, place, list->n)) {
            return bad;
        }
        return tn_val_list(lang, list->items + from, to > from ? (size_t)(to - from) : 0);
    }
    if (!tn_lang_int(lang, place, item->value, "an index", &from)) {
        return bad;
    }
    if (from < -n || from >= n) {
        return tn_lang_error(lang, place, "index %" PRId64 " is outside a list of %" PRId64, from,
                             n);
    }
    return list->items[from < 0 ? from + n : from];
}

/* ---- types ---- */

static Val index_dtype(Lang *lang, Place place, DType dtype, const IndexVec *index) {
    Arena *arena = &lang->ctx->arena;
    ValVec dims = {0};
    Shape shape;
    for (size_t i = 0; i < index->len; i++) {
        const IndexItem *item = &index->data[i];
        if (item->kind == EXPR_RANGE || item->kind == EXPR_DOTS) {
            return tn_lang_error(lang, place, "a type lists sizes");
        }
        if (item->value.kind == VAL_LIST) {
            for (size_t k = 0; k < item->value.list->n; k++) {
                tn_vec_push(arena, &dims, item->value.list->items[k]);
            }
        } else {
            tn_vec_push(arena, &dims, item->value);
        }
    }
    Val list = tn_val_list(lang, dims.data, dims.len);
    if (!tn_lang_shape(lang, place, list, "the type's shape", &shape)) {
        return bad;
    }
    Type *type = TN_NEW(arena, Type);
    *type = tn_type_make(dtype, (uint8_t)shape.rank, shape.dims);
    return (Val){.kind = VAL_TYPE, .type = type};
}

/* ---- tensors ---- */

/* A tensor being indexed: dims before `axis` are done. */
typedef struct Cut {
    Lang *lang;
    Place place;
    Value *x;
    int axis;
    uint32_t drop;  /* dims that an index took away */
    int gathered;   /* operands picked by a tensor so far */
} Cut;

static Call *start(const Cut *cut) {
    return tn_lang_start(cut->lang, cut->place, "index");
}

/* `v` counted from 0; negative numbers count from the end. */
static const Dim *position(const Cut *cut, Val v, const Dim *size) {
    const Dim *at = tn_lang_dim(cut->lang, cut->place, v, "an index");
    bool negative = at != NULL && at->hi < 0;
    return negative ? tn_dim_add(cut->lang->ctx, at, size) : at;
}

static bool outside(const Cut *cut, const Dim *at, const Dim *size) {
    StrBuf text = tn_str(&cut->lang->ctx->scratch);
    tn_dim_print(cut->lang->ctx, at, &text);
    tn_str_puts(&text, " is outside the size ");
    tn_dim_print(cut->lang->ctx, size, &text);
    tn_lang_error(cut->lang, cut->place, "index %s of dimension %d", text.data, cut->axis);
    return false;
}

static bool take_one(Cut *cut, Val v) {
    Ctx *ctx = cut->lang->ctx;
    const Dim *size = cut->x->type.dims[cut->axis];
    const Dim *at = position(cut, v, size);
    if (at == NULL) {
        return false;
    }
    if (at->hi < 0 || tn_dim_is(tn_dim_lt(ctx, at, size), 0)) {
        return outside(cut, at, size);
    }
    cut->x = tn_make_slice(start(cut), cut->x, cut->axis, at, tn_dim_const(ctx, 1), 1);
    tn_lang_finish(cut->lang, cut->place, cut->x);
    cut->drop |= 1u << cut->axis++;
    return cut->x != NULL;
}

/* A bound of a range, cut to 0..size (for steps backwards to -1..size-1). */
static const Dim *bound(const Cut *cut, Val v, const Dim *otherwise, const Dim *size, bool back) {
    Ctx *ctx = cut->lang->ctx;
    if (v.kind == VAL_NONE) {
        return otherwise;
    }
    const Dim *at = position(cut, v, size);
    if (at == NULL) {
        return NULL;
    }
    const Dim *least = tn_dim_const(ctx, back ? -1 : 0);
    const Dim *most = back ? tn_dim_addc(ctx, size, -1) : size;
    return tn_dim_min(ctx, tn_dim_max(ctx, at, least), most);
}

static bool take_range(Cut *cut, const IndexItem *item) {
    Ctx *ctx = cut->lang->ctx;
    const Dim *size = cut->x->type.dims[cut->axis];
    int64_t step = 1;
    if (item->part[2].kind != VAL_NONE &&
        !tn_lang_int(cut->lang, cut->place, item->part[2], "the step of a range", &step)) {
        return false;
    }
    if (step == 0 || step > INT32_MAX || step < -INT32_MAX) {
        tn_lang_error(cut->lang, cut->place, "the step of a range cannot be %" PRId64, step);
        return false;
    }
    bool back = step < 0;
    const Dim *last = tn_dim_addc(ctx, size, -1);
    const Dim *none = tn_dim_const(ctx, back ? -1 : 0);
    const Dim *from = bound(cut, item->part[0], back ? last : none, size, back);
    const Dim *to = bound(cut, item->part[1], back ? none : size, size, back);
    if (from == NULL || to == NULL) {
        return false;
    }
    const Dim *span = back ? tn_dim_sub(ctx, from, to) : tn_dim_sub(ctx, to, from);
    const Dim *count = tn_dim_ceil_div(ctx, span, tn_dim_const(ctx, back ? -step : step));
    count = tn_dim_max(ctx, count, tn_dim_const(ctx, 0));
    if (tn_dim_is(count, 0)) {
        from = tn_dim_const(ctx, 0); /* nothing is taken: the start must lie inside all the same */
    }
    cut->x = tn_make_slice(start(cut), cut->x, cut->axis++, from, count, step);
    tn_lang_finish(cut->lang, cut->place, cut->x);
    return cut->x != NULL;
}

static bool take_new_axis(Cut *cut) {
    cut->x = tn_make_unsqueeze(start(cut), cut->x, 1u << cut->axis++);
    tn_lang_finish(cut->lang, cut->place, cut->x);
    return cut->x != NULL;
}

/* Elements picked by an integer tensor, whose dims take the place of the one indexed. */
static bool take_tensor(Cut *cut, Val v) {
    Value *index = tn_lang_tensor(cut->lang, cut->place, v, TN_DT_NONE, "an index");
    if (index == NULL) {
        return false;
    }
    if (!tn_dtype_is_int(index->type.dtype) || cut->gathered++ > 0) {
        tn_lang_error(cut->lang, cut->place, "an index is %s, expected one tensor of integers",
                      tn_val_describe(cut->lang, v));
        return false;
    }
    cut->x = tn_make_gather(start(cut), cut->x, index, cut->axis);
    tn_lang_finish(cut->lang, cut->place, cut->x);
    cut->axis += index->type.rank;
    return cut->x != NULL;
}

static bool take_item(Cut *cut, const IndexItem *item, int mentioned, int rank) {
    if (item->kind == EXPR_DOTS) {
        cut->axis += rank - mentioned;
        return true;
    }
    if (item->kind == EXPR_RANGE) {
        return take_range(cut, item);
    }
    if (item->value.kind == VAL_NONE) {
        return take_new_axis(cut);
    }
    return item->value.kind == VAL_TENSOR ? take_tensor(cut, item->value)
                                          : take_one(cut, item->value);
}

static Val index_tensor(Lang *lang, Place place, Val base, const IndexVec *index) {
    int rank = base.tensor->type.rank;
    int mentioned = 0;
    int dots = 0;
    for (size_t i = 0; i < index->len; i++) {
        bool dot = index->data[i].kind == EXPR_DOTS;
        bool axis = index->data[i].kind != EXPR_RANGE && index->data[i].value.kind == VAL_NONE;
        dots += dot;
        mentioned += !dot && (!axis || index->data[i].kind == EXPR_RANGE);
    }
    if (dots > 1) {
        return tn_lang_error(lang, place, "'...' can stand in an index once");
    }
    if (mentioned > rank || index->len > 2 * TN_MAX_RANK) {
        return tn_lang_error(lang, place, "%zu indices of %s", index->len,
                             tn_val_describe(lang, base));
    }
    Cut cut = {.lang = lang, .place = place};
    cut.x = tn_lang_tensor(lang, place, base, TN_DT_NONE, "the tensor indexed");
    for (size_t i = 0; cut.x != NULL && i < index->len; i++) {
        if (!take_item(&cut, &index->data[i], mentioned, rank)) {
            return bad;
        }
    }
    if (cut.x == NULL) {
        return bad;
    }
    Val result = tn_val_tensor(lang, cut.x);
    if (cut.drop != 0) {
        result = tn_lang_finish(lang, place, tn_make_squeeze(start(&cut), cut.x, cut.drop));
    }
    return result;
}

Val tn_lang_index(Lang *lang, const Expr *expr, Val base) {
    IndexVec index = {0};
    if (!eval_index(lang, expr, &index) || base.kind == VAL_BAD) {
        return bad;
    }
    switch (base.kind) {
    case VAL_TENSOR:
        return index_tensor(lang, expr->place, base, &index);
    case VAL_LIST:
        return index_list(lang, expr->place, base.list, &index);
    case VAL_DTYPE:
        return index_dtype(lang, expr->place, base.dtype, &index);
    default:
        return tn_lang_error(lang, expr->place, "%s has no entries", tn_val_describe(lang, base));
    }
}
