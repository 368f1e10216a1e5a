/* lang_builtin.c: functions written in C: lists, numbers, shapes, movement of data.
 *
 * What primitives do is called by their own names; here is what is clumsy by them alone.
 * Rows are in lang_builtins.def.
 */
#include <math.h>
#include <string.h>

#include "frontend/lang_eval.h"

static const Val bad = {.kind = VAL_BAD};

/* ---- the table ---- */

#define BUILTIN(name, params, function, what) Val tn_builtin_##function(Args *args);
#include "frontend/lang_builtins.def"
#undef BUILTIN

static const Builtin builtins[] = {
#define BUILTIN(name, params, function, what) {#name, params, tn_builtin_##function, what},
#include "frontend/lang_builtins.def"
#undef BUILTIN
    {NULL, NULL, NULL, 0},
};

const Builtin *tn_lang_builtins(void) {
    return builtins;
}

const Fn *tn_lang_find_builtin(Lang *lang, StrView name) {
    for (size_t i = 0; builtins[i].name != NULL; i++) {
        if (tn_sv_is(name, builtins[i].name)) {
            Fn *fn = TN_NEW(&lang->ctx->arena, Fn);
            *fn = (Fn){.builtin = &builtins[i], .op = TN_OP_COUNT};
            return fn;
        }
    }
    return NULL;
}

static bool absent(Val v) {
    return v.kind == VAL_ABSENT || v.kind == VAL_NONE;
}

static Value *tensor_arg(Args *args, int i, const char *what) {
    DType none = TN_DT_NONE;
    return tn_lang_tensor(args->lang, args->place, args->v[i], none, what);
}

static Call *start(Args *args) {
    return tn_lang_start(args->lang, args->place, args->builtin->name);
}

static Val finish(Args *args, Value *value) {
    return tn_lang_finish(args->lang, args->place, value);
}

/* ---- lists and numbers ---- */

Val tn_builtin_len(Args *args) {
    Val v = args->v[0];
    if (v.kind == VAL_LIST) {
        return tn_val_int(args->lang, (int64_t)v.list->n);
    }
    if (v.kind == VAL_STRING) {
        return tn_val_int(args->lang, (int64_t)v.text.len);
    }
    return tn_lang_error(args->lang, args->place, "len of %s", tn_val_describe(args->lang, v));
}

Val tn_builtin_range(Args *args) {
    Lang *lang = args->lang;
    int64_t n[3] = {0, 0, 1};
    for (int i = 0; i < 3; i++) {
        if (args->v[i].kind != VAL_ABSENT &&
            !tn_lang_int(lang, args->place, args->v[i], "a bound of a range", &n[i])) {
            return bad;
        }
    }
    int64_t from = args->v[1].kind == VAL_ABSENT ? 0 : n[0];
    int64_t to = args->v[1].kind == VAL_ABSENT ? n[0] : n[1];
    const int64_t most = (int64_t)1 << 40;
    if (n[2] == 0 || from < -most || from > most || to < -most || to > most || n[2] < -most ||
        n[2] > most) {
        return tn_lang_error(lang, args->place, "a range of these numbers cannot be made");
    }
    int64_t count = n[2] > 0 ? (to - from + n[2] - 1) / n[2] : (from - to - n[2] - 1) / -n[2];
    count = count > 0 ? count : 0;
    if (count > LANG_LIST_MAX) {
        return tn_lang_limit(lang, args->place, "a list has at most %d entries", LANG_LIST_MAX);
    }
    if (!tn_lang_work(lang, args->place, (size_t)count)) {
        return bad;
    }
    Val *items = TN_NEW_ARRAY(&lang->ctx->arena, Val, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++) {
        items[i] = tn_val_int(lang, from + i * n[2]);
    }
    return tn_val_list(lang, items, (size_t)count);
}

static bool list_arg(Args *args, int i, const List **out) {
    Val v = args->v[i];
    *out = v.list;
    if (v.kind != VAL_LIST) {
        tn_lang_error(args->lang, args->place, "%s takes a list, found %s", args->builtin->name,
                      tn_val_describe(args->lang, v));
    }
    return v.kind == VAL_LIST && tn_lang_work(args->lang, args->place, v.list->n);
}

Val tn_builtin_enumerate(Args *args) {
    Lang *lang = args->lang;
    const List *list;
    if (!list_arg(args, 0, &list)) {
        return bad;
    }
    Val *items = TN_NEW_ARRAY(&lang->ctx->arena, Val, list->n + 1);
    for (size_t i = 0; i < list->n; i++) {
        items[i] = tn_val_list(lang, (Val[]){tn_val_int(lang, (int64_t)i), list->items[i]}, 2);
    }
    return tn_val_list(lang, items, list->n);
}

Val tn_builtin_zip(Args *args) {
    Lang *lang = args->lang;
    const List *a;
    const List *b;
    if (!list_arg(args, 0, &a) || !list_arg(args, 1, &b)) {
        return bad;
    }
    if (a->n != b->n) {
        return tn_lang_error(lang, args->place, "zip of lists of %zu and %zu entries", a->n, b->n);
    }
    Val *items = TN_NEW_ARRAY(&lang->ctx->arena, Val, a->n + 1);
    for (size_t i = 0; i < a->n; i++) {
        items[i] = tn_val_list(lang, (Val[]){a->items[i], b->items[i]}, 2);
    }
    return tn_val_list(lang, items, a->n);
}

Val tn_builtin_kind(Args *args) {
    static const char *const names[] = {
        [VAL_BAD] = "",          [VAL_ABSENT] = "none",   [VAL_NONE] = "none",
        [VAL_TENSOR] = "tensor", [VAL_INT] = "number",    [VAL_FLOAT] = "number",
        [VAL_BOOL] = "bool",     [VAL_STRING] = "string", [VAL_LIST] = "list",
        [VAL_FN] = "function",   [VAL_DTYPE] = "dtype",   [VAL_TYPE] = "type",
    };
    return tn_val_text(tn_sv(names[args->v[0].kind]));
}

Val tn_builtin_int(Args *args) {
    double x;
    if (args->v[0].kind == VAL_INT) {
        return args->v[0];
    }
    if (!tn_lang_number(args->lang, args->place, args->v[0], "the number", &x)) {
        return bad;
    }
    if (!(fabs(x) < 9e15)) {
        return tn_lang_error(args->lang, args->place, "%g is no integer of 64 bits", x);
    }
    return tn_val_int(args->lang, (int64_t)x);
}

Val tn_builtin_str(Args *args) {
    StrBuf text = tn_str(&args->lang->ctx->arena);
    tn_str_puts(&text, "");
    tn_val_print(args->lang, args->v[0], &text);
    return tn_val_text((StrView){text.data, text.len});
}

/* ---- notes of the library about tensors ---- */

static uint64_t tag_key(Val v) {
    return tn_hash(TN_HASH_SEED, &v.tensor, sizeof v.tensor);
}

Val tn_builtin_tag(Args *args) {
    Lang *lang = args->lang;
    StrView name;
    Val v = args->v[0];
    if (!tn_lang_string(lang, args->place, args->v[1], "a tag's name", &name)) {
        return bad;
    }
    if (v.kind != VAL_TENSOR) {
        return v;
    }
    void **slot = tn_map_put_int(&lang->tags, tag_key(v), NULL);
    Tag *tag = TN_NEW(&lang->ctx->arena, Tag);
    *tag = (Tag){name, args->v[2].kind == VAL_ABSENT ? tn_val_bool(true) : args->v[2], *slot};
    *slot = tag;
    return v;
}

/* What was noted; a primitive of one operand has noted its operand under its own name. */
Val tn_builtin_tag_of(Args *args) {
    StrView name;
    Val v = args->v[0];
    if (!tn_lang_string(args->lang, args->place, args->v[1], "a tag's name", &name)) {
        return bad;
    }
    const Tag *tag = v.kind == VAL_TENSOR ? tn_map_get_int(&args->lang->tags, tag_key(v)) : NULL;
    for (; tag != NULL; tag = tag->next) {
        if (tn_sv_eq(tag->name, name)) {
            return tag->value;
        }
    }
    const Node *node = v.kind == VAL_TENSOR ? v.tensor->def : NULL;
    if (node != NULL && node->n_in == 1 && tn_sv_is(name, tn_op_info(node->op)->name)) {
        return (Val){.kind = VAL_TENSOR, .tensor = node->in[0], .graph = v.graph};
    }
    return tn_val_none();
}

/* ---- tensors of one number ---- */

/* A shape and a dtype, which are those of `like` when given. */
static bool shape_and_dtype(Args *args, Val shape, Val dtype, Shape *out, DType *type) {
    *type = TN_F32;
    return tn_lang_shape(args->lang, args->place, shape, "the shape", out) &&
           (absent(dtype) || tn_lang_dtype(args->lang, args->place, dtype, "dtype", type));
}

static Val filled(Args *args, Val number, const Shape *shape, DType dtype) {
    Value *scalar = tn_lang_tensor(args->lang, args->place, number, dtype, "the value");
    if (scalar == NULL) {
        return bad;
    }
    return finish(args, tn_make_fill(start(args), scalar, shape));
}

Val tn_builtin_constant_shape(Args *args) {
    Shape shape;
    DType dtype;
    if (!shape_and_dtype(args, args->v[0], args->v[1], &shape, &dtype)) {
        return bad;
    }
    Val number = dtype == TN_BOOL ? tn_val_bool(args->builtin->what != 0)
                                  : tn_val_int(args->lang, args->builtin->what);
    return filled(args, number, &shape, dtype);
}

Val tn_builtin_full(Args *args) {
    Shape shape;
    DType dtype;
    if (!shape_and_dtype(args, args->v[0], args->v[2], &shape, &dtype)) {
        return bad;
    }
    return filled(args, args->v[1], &shape, dtype);
}

/* The shape and dtype of a tensor, whose elements do not matter. */
Val tn_builtin_constant_like(Args *args) {
    Val like = args->v[0];
    if (like.kind != VAL_TENSOR) {
        return tn_lang_error(args->lang, args->place, "%s takes a tensor, found %s",
                             args->builtin->name, tn_val_describe(args->lang, like));
    }
    Shape shape = tn_shape_of(like.tensor);
    DType dtype = like.tensor->type.dtype;
    return filled(args, tn_val_bool(args->builtin->what != 0), &shape, dtype);
}

typedef struct Elements {
    ValVec flat;
    Shape shape;
    bool floats;
} Elements;

/* Flattens nested lists of numbers; every level has entries of one shape. */
static bool flatten(Args *args, Val v, int level, Elements *out) {
    Lang *lang = args->lang;
    if (v.kind != VAL_LIST) {
        out->floats = out->floats || v.kind == VAL_FLOAT;
        if (level != out->shape.rank || !(tn_val_is_number(v) || v.kind == VAL_BOOL)) {
            tn_lang_error(lang, args->place,
                          "constant takes numbers, or lists of lists of one "
                          "length of them");
            return false;
        }
        tn_vec_push(&lang->ctx->arena, &out->flat, v);
        return true;
    }
    if (out->flat.len == 0 && level == out->shape.rank && level < TN_MAX_RANK) {
        out->shape.dims[out->shape.rank++] = tn_dim_const(lang->ctx, (int64_t)v.list->n);
    }
    if (level >= out->shape.rank || !tn_dim_is(out->shape.dims[level], (int64_t)v.list->n)) {
        tn_lang_error(lang, args->place, "a constant's lists differ in length");
        return false;
    }
    for (size_t i = 0; i < v.list->n; i++) {
        if (!flatten(args, v.list->items[i], level + 1, out)) {
            return false;
        }
    }
    return tn_lang_work(lang, args->place, v.list->n);
}

static bool store(Args *args, const Elements *elements, RefTensor *out) {
    for (size_t i = 0; i < elements->flat.len; i++) {
        Val v = elements->flat.data[i];
        double x = v.kind == VAL_BOOL ? v.truth : 0;
        if (v.kind != VAL_BOOL && !tn_lang_number(args->lang, args->place, v, "an element", &x)) {
            return false;
        }
        if (tn_dtype_is_float(out->dtype)) {
            out->f[i] = x;
        } else {
            out->i[i] = v.kind == VAL_INT ? v.dim->value : (int64_t)x;
        }
    }
    return true;
}

Val tn_builtin_constant(Args *args) {
    Lang *lang = args->lang;
    Arena *arena = &lang->ctx->arena;
    Elements elements = {0};
    DType dtype;
    if (!flatten(args, args->v[0], 0, &elements)) {
        return bad;
    }
    size_t n = elements.flat.len;
    dtype = elements.floats                                   ? TN_F32
            : n > 0 && elements.flat.data[0].kind == VAL_BOOL ? TN_BOOL
                                                              : TN_I64;
    if (!absent(args->v[1]) && !tn_lang_dtype(lang, args->place, args->v[1], "dtype", &dtype)) {
        return bad;
    }
    if (elements.floats && !tn_dtype_is_float(dtype)) {
        return tn_lang_error(lang, args->place, "fractions cannot be %s", tn_dtype_text(dtype));
    }
    RefTensor data = {.dtype = dtype, .count = (int64_t)n};
    data.f = TN_NEW_ARRAY(arena, double, n + 1);
    if (!store(args, &elements, &data)) {
        return bad;
    }
    unsigned char *bytes = tn_arena_alloc(arena, n * 8 + 8, 16);
    tn_ref_to_bytes(&data, bytes);
    return finish(args, tn_make_const(start(args), dtype, &elements.shape, bytes));
}

/* ---- views ---- */

Val tn_builtin_shape(Args *args) {
    Val v = args->v[0];
    if (v.kind != VAL_TENSOR) {
        return tn_lang_error(args->lang, args->place, "shape takes a tensor, found %s",
                             tn_val_describe(args->lang, v));
    }
    return tn_val_shape(args->lang, &v.tensor->type);
}

/* A size of -1 is what remains. */
static bool resolve_shape(Args *args, const Value *x, Val given, Shape *out) {
    Lang *lang = args->lang;
    int unknown = -1;
    const Dim *known[TN_MAX_RANK];
    size_t n_known = 0;
    if (given.kind != VAL_LIST || given.list->n > TN_MAX_RANK) {
        return tn_lang_shape(lang, args->place, given, "the shape", out);
    }
    *out = (Shape){.rank = (int)given.list->n};
    for (int i = 0; i < out->rank; i++) {
        const Dim *dim = tn_lang_dim(lang, args->place, given.list->items[i], "a size");
        if (dim == NULL) {
            return false;
        }
        if (tn_dim_is(dim, -1) && unknown < 0) {
            unknown = i;
            continue;
        }
        if (dim->hi < 0) {
            tn_lang_error(lang, args->place, "a size cannot be negative; -1, once, is the rest");
            return false;
        }
        out->dims[i] = known[n_known++] = dim;
    }
    if (unknown >= 0) {
        out->dims[unknown] =
            tn_make_quotient(start(args), x->type.dims, x->type.rank, known, n_known);
    }
    return true;
}

Val tn_builtin_reshape(Args *args) {
    Value *x = tensor_arg(args, 0, "x");
    Shape shape;
    if (x == NULL || !resolve_shape(args, x, args->v[1], &shape)) {
        return bad;
    }
    return finish(args, tn_make_reshape(start(args), x, &shape));
}

Val tn_builtin_transpose(Args *args) {
    Lang *lang = args->lang;
    Value *x = tensor_arg(args, 0, "x");
    int64_t perm[TN_MAX_RANK];
    uint32_t seen = 0;
    Val given = args->v[1];
    if (x == NULL) {
        return bad;
    }
    int rank = x->type.rank;
    if (!absent(given) && (given.kind != VAL_LIST || given.list->n != (size_t)rank)) {
        return tn_lang_error(lang, args->place, "the permutation is %s, expected a list of %d axes",
                             tn_val_describe(lang, given), rank);
    }
    for (int i = 0; i < rank; i++) {
        int axis = rank - 1 - i;
        if (!absent(given) &&
            !tn_lang_axis(lang, args->place, given.list->items[i], rank, "axis", &axis)) {
            return bad;
        }
        perm[i] = axis;
        seen |= 1u << axis;
    }
    if (seen != (1u << rank) - 1) {
        return tn_lang_error(lang, args->place, "%s is no permutation",
                             tn_val_describe(lang, given));
    }
    return finish(args, tn_make_transpose(start(args), x, perm));
}

/* Axes are those of the result. */
Val tn_builtin_expand_dims(Args *args) {
    Value *x = tensor_arg(args, 0, "x");
    Val given = args->v[1];
    size_t n = given.kind == VAL_LIST ? given.list->n : 1;
    uint32_t axes = 0;
    if (x == NULL) {
        return bad;
    }
    if (given.kind == VAL_NONE || n > TN_MAX_RANK) {
        return tn_lang_error(args->lang, args->place,
                             "axis is %s, expected an integer or a list of up to %d",
                             tn_val_describe(args->lang, given), TN_MAX_RANK);
    }
    if (!tn_lang_axes(args->lang, args->place, given, x->type.rank + (int)n, "axis", &axes)) {
        return bad;
    }
    return finish(args, tn_make_unsqueeze(start(args), x, axes));
}

Val tn_builtin_squeeze(Args *args) {
    Value *x = tensor_arg(args, 0, "x");
    uint32_t axes = 0;
    if (x == NULL) {
        return bad;
    }
    if (absent(args->v[1])) {
        for (int i = 0; i < x->type.rank; i++) {
            axes |= tn_dim_is(x->type.dims[i], 1) ? 1u << i : 0;
        }
    } else if (!tn_lang_axes(args->lang, args->place, args->v[1], x->type.rank, "axis", &axes)) {
        return bad;
    }
    return finish(args, tn_make_squeeze(start(args), x, axes));
}

Val tn_builtin_broadcast_to(Args *args) {
    Value *x = tensor_arg(args, 0, "x");
    Shape shape;
    if (x == NULL || !tn_lang_shape(args->lang, args->place, args->v[1], "the shape", &shape)) {
        return bad;
    }
    return finish(args, tn_make_expand(start(args), x, &shape));
}

/* ---- joining and parting ---- */

/* Tensors of one dtype. */
static bool tensor_list(Args *args, Val v, Value ***out, size_t *n) {
    Lang *lang = args->lang;
    DType dtype;
    bool weak;
    if (v.kind != VAL_LIST || v.list->n == 0) {
        tn_lang_error(lang, args->place, "%s takes a list of tensors, found %s",
                      args->builtin->name, tn_val_describe(lang, v));
        return false;
    }
    if (!tn_lang_meet(lang, args->place, v.list->items, v.list->n, &dtype, &weak)) {
        return false;
    }
    *n = v.list->n;
    *out = TN_NEW_ARRAY(&lang->ctx->arena, Value *, *n);
    for (size_t i = 0; i < *n; i++) {
        (*out)[i] = tn_lang_tensor(lang, args->place, v.list->items[i], dtype, "an entry");
        if ((*out)[i] == NULL) {
            return false;
        }
    }
    return true;
}

static bool axis_arg(Args *args, int i, int rank, int otherwise, int *out) {
    *out = otherwise;
    return args->v[i].kind == VAL_ABSENT ||
           tn_lang_axis(args->lang, args->place, args->v[i], rank, "axis", out);
}

Val tn_builtin_concat(Args *args) {
    Value **in;
    size_t n;
    int axis;
    if (!tensor_list(args, args->v[0], &in, &n) || !axis_arg(args, 1, in[0]->type.rank, 0, &axis)) {
        return bad;
    }
    return finish(args, tn_make_concat(start(args), in, n, axis));
}

Val tn_builtin_stack(Args *args) {
    Value **in;
    size_t n;
    int axis;
    if (!tensor_list(args, args->v[0], &in, &n) ||
        !axis_arg(args, 1, in[0]->type.rank + 1, 0, &axis)) {
        return bad;
    }
    Call *call = start(args);
    for (size_t i = 0; i < n; i++) {
        in[i] = tn_make_unsqueeze(call, in[i], 1u << axis);
        if (in[i] == NULL) {
            return finish(args, NULL);
        }
    }
    return finish(args, tn_make_concat(call, in, n, axis));
}

/* Sizes of the parts: `parts` equal ones, or those of a list. */
static bool part_sizes(Args *args, const Dim *size, ValVec *out) {
    Lang *lang = args->lang;
    int64_t n;
    Val parts = args->v[1];
    if (parts.kind == VAL_LIST) {
        out->data = (Val *)parts.list->items;
        out->len = parts.list->n;
        return true;
    }
    if (!tn_lang_int(lang, args->place, parts, "the number of parts", &n)) {
        return false;
    }
    if (n < 1 || n > 4096 || !tn_dim_is(tn_dim_modc(lang->ctx, size, n), 0)) {
        StrBuf text = tn_str(&lang->ctx->scratch);
        tn_dim_print(lang->ctx, size, &text);
        tn_lang_error(lang, args->place, "%s does not divide into %lld equal parts", text.data,
                      (long long)n);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        Val part = tn_val_dim(tn_dim_divc(lang->ctx, size, n));
        tn_vec_push(&lang->ctx->arena, out, part);
    }
    return true;
}

Val tn_builtin_split(Args *args) {
    Lang *lang = args->lang;
    Value *x = tensor_arg(args, 0, "x");
    ValVec sizes = {0};
    ValVec parts = {0};
    int axis;
    if (x == NULL || !axis_arg(args, 2, x->type.rank, 0, &axis)) {
        return bad;
    }
    if (x->type.rank == 0) {
        return tn_lang_error(lang, args->place, "a scalar cannot be split");
    }
    if (!part_sizes(args, x->type.dims[axis], &sizes)) {
        return bad;
    }
    const Dim *at = tn_dim_const(lang->ctx, 0);
    for (size_t i = 0; i < sizes.len; i++) {
        const Dim *size = tn_lang_dim(lang, args->place, sizes.data[i], "a part's size");
        if (size == NULL) {
            return bad;
        }
        Val part = finish(args, tn_make_slice(start(args), x, axis, at, size, 1));
        if (part.kind == VAL_BAD) {
            return bad;
        }
        tn_vec_push(&lang->ctx->arena, &parts, part);
        at = tn_dim_add(lang->ctx, at, size);
    }
    if (!tn_make_require(start(args), at, x->type.dims[axis],
                         "the parts of a split do not make up the whole")) {
        return finish(args, NULL);
    }
    return tn_val_list(lang, parts.data, parts.len);
}

Val tn_builtin_pad(Args *args) {
    Lang *lang = args->lang;
    Value *x = tensor_arg(args, 0, "x");
    Val pads = args->v[1];
    const Dim *lo[TN_MAX_RANK];
    const Dim *hi[TN_MAX_RANK];
    if (x == NULL) {
        return bad;
    }
    if (pads.kind != VAL_LIST || pads.list->n != x->type.rank) {
        return tn_lang_error(lang, args->place,
                             "pad takes a list [before, after] for each of %d dimensions, found %s",
                             x->type.rank, tn_val_describe(lang, pads));
    }
    for (int i = 0; i < x->type.rank; i++) {
        Val pair = pads.list->items[i];
        bool two = pair.kind == VAL_LIST && pair.list->n == 2;
        lo[i] = tn_lang_dim(lang, args->place, two ? pair.list->items[0] : pair, "padding");
        hi[i] = tn_lang_dim(lang, args->place, two ? pair.list->items[1] : pair, "padding");
        if (lo[i] == NULL || hi[i] == NULL) {
            return bad;
        }
    }
    Val fill = args->v[2].kind == VAL_ABSENT ? tn_val_bool(false) : args->v[2];
    Value *value = tn_lang_tensor(lang, args->place, fill, x->type.dtype, "the value");
    return value == NULL ? bad : finish(args, tn_make_pad(start(args), x, value, lo, hi));
}
