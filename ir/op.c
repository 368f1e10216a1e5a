/* op.c: the op table, built from ops.def, and the names of primitives and attributes. */
#include "ir/op.h"

#include "ir/ops/ops.h"

/* Spelling of attribute defaults in ops.def. */
#define DEFAULT_REQ DEF_REQ, 0
#define DEFAULT_EMPTY DEF_EMPTY, 0
#define DEFAULT_0 DEF_INT, 0
#define DEFAULT_1 DEF_INT, 1
#define DEFAULT_I64 DEF_DTYPE, TN_I64
#define A(name, how) {TN_ATTR_##name, DEFAULT_##how},
/* The last, empty row keeps lists without attributes legal C. */
#define ATTRS(...) {__VA_ARGS__{TN_ATTR_COUNT, DEF_REQ, 0}}

#define MAP(id, ...)
#define OP(id, n_in, n_out, cls, attrs, doc) static const AttrSchema schema_##id[] = attrs;
#include "ir/ops.def"
#undef MAP
#undef OP

static const AttrSchema schema_to[] = {{TN_ATTR_to, DEF_REQ, 0}};
#define ATTRS_OF_SAME .attrs = NULL, .n_attrs = 0
#define ATTRS_OF_BOOL .attrs = NULL, .n_attrs = 0
#define ATTRS_OF_TO .attrs = schema_to, .n_attrs = 1

#define FORMULA_SOURCE(id) .element = tn_lower_##id
#define FORMULA_VIEW(id) .element = tn_lower_##id
#define FORMULA_INDEX(id) .element = tn_lower_##id
#define FORMULA_REDUCE(id) .reduction = tn_lower_##id
#define FORMULA_SWEEP(id) .sweep = tn_lower_##id
/* Its body is what there is to lower. */
#define FORMULA_LOOP(id) .element = NULL

static const OpInfo table[TN_OP_COUNT] = {
#define MAP(id, arity, dom, res, cf, ci, derivative, text)                                         \
    [TN_OP_##id] = {.name = #id,                                                                   \
                    .doc = text,                                                                   \
                    .cls = OPC_MAP,                                                                \
                    .n_in = arity,                                                                 \
                    .n_out = 1,                                                                    \
                    .domain = DOMAIN_##dom,                                                        \
                    .result = RESULT_##res,                                                        \
                    .c_float = cf,                                                                 \
                    .c_int = ci,                                                                   \
                    ATTRS_OF_##res,                                                                \
                    .type = tn_type_map,                                                           \
                    .eval = tn_eval_##id,                                                          \
                    .derivatives = derivative,                                                     \
                    .element = tn_lower_map},
#define OP(id, ins, outs, class, list, text)                                                       \
    [TN_OP_##id] = {.name = #id,                                                                   \
                    .doc = text,                                                                   \
                    .cls = OPC_##class,                                                            \
                    .n_in = ins,                                                                   \
                    .n_out = outs,                                                                 \
                    .attrs = schema_##id,                                                          \
                    .n_attrs = sizeof schema_##id / sizeof *schema_##id - 1,                       \
                    .type = tn_type_##id,                                                          \
                    .eval = tn_eval_##id,                                                          \
                    .grad = tn_grad_##id,                                                          \
                    FORMULA_##class(id)},
#include "ir/ops.def"
#undef MAP
#undef OP
};

static const struct {
    const char *name;
    AttrKind kind;
} attr_table[TN_ATTR_COUNT] = {
#define ATTR(id, kind, doc) [TN_ATTR_##id] = {#id, ATTR_##kind},
#include "ir/attrs.def"
#undef ATTR
};

const OpInfo *tn_op_info(Op op) {
    return &table[op];
}

Op tn_op_by_name(StrView name) {
    for (int op = 0; op < TN_OP_COUNT; op++) {
        if (tn_sv_is(name, table[op].name)) {
            return (Op)op;
        }
    }
    return TN_OP_COUNT;
}

const char *tn_attr_text(AttrName name) {
    return attr_table[name].name;
}

AttrKind tn_attr_kind(AttrName name) {
    return attr_table[name].kind;
}

AttrName tn_attr_by_name(StrView name) {
    for (int attr = 0; attr < TN_ATTR_COUNT; attr++) {
        if (tn_sv_is(name, attr_table[attr].name)) {
            return (AttrName)attr;
        }
    }
    return TN_ATTR_COUNT;
}
