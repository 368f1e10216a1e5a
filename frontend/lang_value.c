/* lang_value.c: compile-time values: making, showing, comparing and converting them. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "frontend/lang_eval.h"

/* ---- making ---- */

Val tn_val_none(void) {
    return (Val){.kind = VAL_NONE};
}

Val tn_val_bool(bool truth) {
    return (Val){.kind = VAL_BOOL, .truth = truth};
}

Val tn_val_float(double number) {
    return (Val){.kind = VAL_FLOAT, .number = number};
}

Val tn_val_dim(const Dim *dim) {
    return (Val){.kind = VAL_INT, .dim = dim};
}

Val tn_val_int(Lang *lang, int64_t value) {
    return tn_val_dim(tn_dim_const(lang->ctx, value));
}

Val tn_val_text(StrView text) {
    return (Val){.kind = VAL_STRING, .text = text};
}

Val tn_val_dtype(DType dtype) {
    return (Val){.kind = VAL_DTYPE, .dtype = dtype};
}

Val tn_val_list(Lang *lang, const Val *items, size_t n) {
    Arena *arena = &lang->ctx->arena;
    List *list = TN_NEW(arena, List);
    Val *copy = TN_NEW_ARRAY(arena, Val, n > 0 ? n : 1);
    if (n > 0) {
        memcpy(copy, items, n * sizeof *items);
    }
    list->items = copy;
    list->n = n;
    return (Val){.kind = VAL_LIST, .list = list};
}

Val tn_val_tensor(const Lang *lang, Value *tensor) {
    return (Val){.kind = VAL_TENSOR, .tensor = tensor, .graph = lang->entry->graph};
}

Val tn_val_shape(Lang *lang, const Type *type) {
    Val dims[TN_MAX_RANK];
    for (int i = 0; i < type->rank; i++) {
        dims[i] = tn_val_dim(type->dims[i]);
    }
    return tn_val_list(lang, dims, type->rank);
}

bool tn_val_known(Val v, double *out) {
    if (v.kind == VAL_FLOAT) {
        *out = v.number;
    } else if (v.kind == VAL_INT && tn_dim_is_const(v.dim)) {
        *out = (double)v.dim->value;
    }
    return v.kind == VAL_FLOAT || (v.kind == VAL_INT && tn_dim_is_const(v.dim));
}

/* ---- showing ---- */

static void print_list(Lang *lang, const List *list, StrBuf *out) {
    tn_str_putc(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        tn_str_puts(out, i > 0 ? "," : "");
        if (out->len > LANG_TEXT_MAX) {
            tn_str_puts(out, "...");
            break;
        }
        tn_val_print(lang, list->items[i], out);
    }
    tn_str_putc(out, ']');
}

static StrView fn_name(const Fn *fn) {
    return fn->def != NULL       ? fn->def->name
           : fn->builtin != NULL ? tn_sv(fn->builtin->name)
           : fn->network != NULL ? tn_sv("network")
                                 : tn_sv(tn_op_info(fn->op)->name);
}

void tn_val_print(Lang *lang, Val v, StrBuf *out) {
    switch (v.kind) {
    case VAL_BAD:
    case VAL_ABSENT:
        tn_str_puts(out, "?");
        break;
    case VAL_NONE:
        tn_str_puts(out, "none");
        break;
    case VAL_TENSOR:
        tn_type_print(lang->ctx, &v.tensor->type, out);
        break;
    case VAL_INT:
        tn_dim_print(lang->ctx, v.dim, out);
        break;
    case VAL_FLOAT:
        tn_str_printf(out, "%.9g", v.number);
        break;
    case VAL_BOOL:
        tn_str_puts(out, v.truth ? "true" : "false");
        break;
    case VAL_STRING:
    case VAL_MATCH:
        tn_str_write(out, v.text.data, v.text.len);
        break;
    case VAL_LIST:
        print_list(lang, v.list, out);
        break;
    case VAL_FN:
        tn_str_write(out, fn_name(v.fn).data, fn_name(v.fn).len);
        break;
    case VAL_DTYPE:
        tn_str_puts(out, tn_dtype_text(v.dtype));
        break;
    case VAL_TYPE:
        tn_type_print(lang->ctx, v.type, out);
        break;
    }
}

const char *tn_val_describe(Lang *lang, Val v) {
    static const char *const kinds[] = {
        [VAL_BAD] = "",
        [VAL_ABSENT] = "nothing ",
        [VAL_NONE] = "",
        [VAL_TENSOR] = "a tensor ",
        [VAL_INT] = "the number ",
        [VAL_FLOAT] = "the number ",
        [VAL_BOOL] = "",
        [VAL_STRING] = "the text ",
        [VAL_LIST] = "the list ",
        [VAL_FN] = "the function ",
        [VAL_DTYPE] = "the element type ",
        [VAL_TYPE] = "the type ",
        [VAL_MATCH] = "",
    };
    StrBuf text = tn_str(&lang->ctx->scratch);
    bool model = v.kind == VAL_FN && v.fn->def != NULL && v.fn->def->kind == FN_MODEL;
    const char *quote = v.kind == VAL_STRING ? "\"" : "";
    tn_str_printf(&text, "%s%s", model ? "the model " : kinds[v.kind], quote);
    size_t at = text.len;
    tn_val_print(lang, v, &text);
    tn_str_puts(&text, quote);
    if (text.len - at > 80) {
        text.len = at + 77;
        text.data[text.len] = '\0';
        tn_str_puts(&text, "...");
    }
    return text.data;
}

/* ---- comparing ---- */

static bool equal_lists(const List *a, const List *b) {
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!tn_val_equal(a->items[i], b->items[i])) {
            return false;
        }
    }
    return true;
}

static bool equal_fns(const Fn *a, const Fn *b) {
    return a == b || (a->def != NULL && a->def == b->def && a->outer == b->outer) ||
           (a->builtin != NULL && a->builtin == b->builtin) ||
           (a->def == NULL && b->def == NULL && a->builtin == NULL && b->builtin == NULL &&
            a->op == b->op);
}

bool tn_val_equal(Val a, Val b) {
    double x;
    double y;
    if (tn_val_known(a, &x) && tn_val_known(b, &y)) {
        return x == y;
    }
    if (a.kind != b.kind) {
        return false;
    }
    switch (a.kind) {
    case VAL_NONE:
    case VAL_ABSENT:
        return true;
    case VAL_TENSOR:
        return a.tensor == b.tensor;
    case VAL_INT:
        return a.dim == b.dim;
    case VAL_BOOL:
        return a.truth == b.truth;
    case VAL_STRING:
    case VAL_MATCH:
        return tn_sv_eq(a.text, b.text);
    case VAL_LIST:
        return equal_lists(a.list, b.list);
    case VAL_FN:
        return equal_fns(a.fn, b.fn);
    case VAL_DTYPE:
        return a.dtype == b.dtype;
    case VAL_TYPE:
        return tn_type_same_shape(a.type, b.type);
    case VAL_BAD:
    case VAL_FLOAT:
        break;
    }
    return false;
}

/* ---- converting ---- */

/* "WHAT is X, expected Y"; always false. */
static bool refuse(Lang *lang, Place place, Val v, const char *what, const char *expected) {
    if (v.kind == VAL_ABSENT) {
        tn_lang_error(lang, place, "%s is missing: expected %s", what, expected);
    } else if (v.kind != VAL_BAD) {
        tn_lang_error(lang, place, "%s is %s, expected %s", what, tn_val_describe(lang, v),
                      expected);
    }
    return false;
}

Value *tn_lang_here(Lang *lang, Place place, Val v) {
    Entry *entry = lang->entry;
    if (v.graph == entry->graph) {
        return v.tensor;
    }
    Value *first = tn_var_init(lang, v.graph, v.tensor);
    if (first != NULL) {
        v = (Val){.kind = VAL_TENSOR, .tensor = first, .graph = entry->root};
    }
    Value *here = v.graph == entry->graph ? v.tensor : tn_loop_capture(entry->loop, v);
    if (here == NULL) {
        tn_lang_error(lang, place,
                      entry->kind == ENTRY_INIT
                          ? "a first value cannot depend on the model's tensors"
                      : entry->kind == ENTRY_APPLY
                          ? "the update of parameters cannot depend on the forward pass"
                          : "a tensor from inside a loop is used outside; next and yield give it");
    }
    return here;
}

static Value *known_tensor(Lang *lang, Call *call, Val v, DType dtype) {
    (void)lang;
    if (v.kind == VAL_BOOL) {
        return tn_make_scalar_int(call, dtype != TN_DT_NONE ? dtype : TN_BOOL, v.truth);
    }
    if (v.kind == VAL_INT) {
        return tn_make_scalar_dim(call, dtype != TN_DT_NONE ? dtype : TN_I64, v.dim);
    }
    return tn_make_scalar(call, dtype != TN_DT_NONE ? dtype : TN_F32, v.number);
}

/* Whether the number can be one of that dtype. */
static bool number_fits(Val v, DType dtype) {
    bool integral = dtype == TN_DT_NONE || tn_dtype_is_float(dtype) || v.kind != VAL_FLOAT ||
                    v.number == floor(v.number);
    return integral && (dtype != TN_BOOL || v.kind == VAL_BOOL);
}

Value *tn_lang_tensor(Lang *lang, Place place, Val v, DType dtype, const char *what) {
    if (v.kind == VAL_TENSOR) {
        Value *tensor = tn_lang_here(lang, place, v);
        if (tensor == NULL || dtype == TN_DT_NONE || tensor->type.dtype == dtype) {
            return tensor;
        }
        if (v.weak) {
            return tn_make_cast(tn_lang_start(lang, place, "cast"), tensor, dtype);
        }
        tn_lang_error(lang, place, "%s is %s, expected elements of type %s; cast() converts", what,
                      tn_val_describe(lang, v), tn_dtype_text(dtype));
        return NULL;
    }
    if (!tn_val_is_number(v) && v.kind != VAL_BOOL) {
        refuse(lang, place, v, what, "a tensor");
        return NULL;
    }
    if (!number_fits(v, dtype)) {
        tn_lang_error(lang, place, "%s is %s, which is no %s", what, tn_val_describe(lang, v),
                      tn_dtype_text(dtype));
        return NULL;
    }
    Value *tensor = known_tensor(lang, tn_lang_start(lang, place, "constant"), v, dtype);
    tn_lang_finish(lang, place, tensor);
    return tensor;
}

bool tn_lang_bool(Lang *lang, Place place, Val v, const char *what, bool *out) {
    *out = v.kind == VAL_BOOL && v.truth;
    if (v.kind == VAL_TENSOR) {
        tn_lang_error(lang, place,
                      "%s is %s, known only when the model runs; where() chooses between tensors",
                      what, tn_val_describe(lang, v));
        return false;
    }
    return v.kind == VAL_BOOL || refuse(lang, place, v, what, "true or false");
}

const Dim *tn_lang_dim(Lang *lang, Place place, Val v, const char *what) {
    if (v.kind == VAL_FLOAT && v.number == floor(v.number) && fabs(v.number) < 9e15) {
        return tn_dim_const(lang->ctx, (int64_t)v.number);
    }
    if (v.kind != VAL_INT) {
        refuse(lang, place, v, what, "an integer");
        return NULL;
    }
    if (v.dim->overflow) {
        tn_lang_error(lang, place, "%s leaves 64 bits", what);
        return NULL;
    }
    return v.dim;
}

bool tn_lang_int(Lang *lang, Place place, Val v, const char *what, int64_t *out) {
    const Dim *dim = tn_lang_dim(lang, place, v, what);
    if (dim == NULL) {
        return false;
    }
    if (!tn_dim_is_const(dim)) {
        return refuse(lang, place, v, what, "a number known at compile time");
    }
    *out = dim->value;
    return true;
}

bool tn_lang_number(Lang *lang, Place place, Val v, const char *what, double *out) {
    return tn_val_known(v, out) || refuse(lang, place, v, what, "a number known at compile time");
}

bool tn_lang_dtype(Lang *lang, Place place, Val v, const char *what, DType *out) {
    *out = v.kind == VAL_DTYPE ? v.dtype : TN_DT_NONE;
    return v.kind == VAL_DTYPE || refuse(lang, place, v, what, "an element type such as f32");
}

bool tn_lang_string(Lang *lang, Place place, Val v, const char *what, StrView *out) {
    *out = v.kind == VAL_STRING ? v.text : (StrView){"", 0};
    return v.kind == VAL_STRING || refuse(lang, place, v, what, "a text in quotes");
}

bool tn_lang_shape(Lang *lang, Place place, Val v, const char *what, Shape *out) {
    const Val *items = v.kind == VAL_LIST ? v.list->items : &v;
    size_t n = v.kind == VAL_LIST ? v.list->n : 1;
    if (v.kind != VAL_LIST && v.kind != VAL_INT) {
        return refuse(lang, place, v, what, "a list of sizes");
    }
    if (n > TN_MAX_RANK) {
        tn_lang_error(lang, place, "%s has %zu dimensions, at most %d are possible", what, n,
                      TN_MAX_RANK);
        return false;
    }
    *out = (Shape){.rank = (int)n};
    for (size_t i = 0; i < n; i++) {
        out->dims[i] = tn_lang_dim(lang, place, items[i], what);
        if (out->dims[i] == NULL) {
            return false;
        }
        if (out->dims[i]->hi < 0) {
            return refuse(lang, place, v, what, "sizes that are not negative");
        }
    }
    return true;
}

bool tn_lang_axis(Lang *lang, Place place, Val v, int rank, const char *what, int *out) {
    int64_t axis = 0;
    if (!tn_lang_int(lang, place, v, what, &axis)) {
        return false;
    }
    if (axis < -rank || axis >= rank) {
        tn_lang_error(lang, place, "%s %" PRId64 " is outside a tensor of rank %d", what, axis,
                      rank);
        return false;
    }
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

bool tn_lang_axes(Lang *lang, Place place, Val v, int rank, const char *what, uint32_t *out) {
    if (v.kind == VAL_NONE || v.kind == VAL_ABSENT) {
        *out = (1u << rank) - 1;
        return true;
    }
    const Val *items = v.kind == VAL_LIST ? v.list->items : &v;
    size_t n = v.kind == VAL_LIST ? v.list->n : 1;
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        int axis = 0;
        if (!tn_lang_axis(lang, place, items[i], rank, what, &axis)) {
            return false;
        }
        if ((*out >> axis & 1) != 0) {
            tn_lang_error(lang, place, "%s names dimension %d twice", what, axis);
            return false;
        }
        *out |= 1u << axis;
    }
    return true;
}
