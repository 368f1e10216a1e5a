/* lang_random.c: random numbers from counters: nothing is stored, everything repeats.
 *
 * The key of a random operator is made of the seed, the operator's number, the step and the
 * micro-batch, by the generator itself; an element's counter is its index. Numbers for first
 * values have keys of their own.
 */
#include <math.h>

#include "frontend/lang_eval.h"

static const double two_32 = 4294967296.0;

static Value *u32(Call *call, double number) {
    return tn_make_scalar(call, TN_U32, number);
}

static Value *draw(Call *call, Value *key0, Value *key1, Value *counter) {
    Value *in[] = {key0, key1, counter};
    return tn_make_node(call, TN_OP_random, in, 3, NULL, 0);
}

/* The two halves of an i64. */
static void halves(Call *call, Value *word, Value *out[2]) {
    Value *high = tn_make_map2(call, TN_OP_div, word, tn_make_scalar(call, TN_I64, two_32));
    out[0] = tn_make_cast(call, word, TN_U32);
    out[1] = tn_make_cast(call, high, TN_U32);
}

/* The value of a counter here, as u32; zero where there is none. */
static Value *counter(Lang *lang, Place place, const char *name, bool used) {
    const FnDef *def = lang->entry->def;
    if (!used || def == NULL || def->kind != FN_TRAIN) {
        return u32(tn_lang_start(lang, place, "random"), 0);
    }
    Var *var = tn_var_own(lang, tn_lang_block_name(lang, def, name), TN_STATE_COUNTER,
                          tn_type_scalar(TN_I64), 0);
    Value *old = tn_lang_here(lang, place, tn_var_read(lang, var));
    return tn_make_cast(tn_lang_start(lang, place, "random"), old, TN_U32);
}

bool tn_lang_key(Lang *lang, Place place, Value *key[2]) {
    Entry *entry = lang->entry;
    bool init = entry->kind == ENTRY_INIT;
    Val seed =
        init
            ? (Val){.kind = VAL_TENSOR, .tensor = entry->root->inputs.data[0], .graph = entry->root}
            : tn_var_read(lang, tn_var_seed(lang));
    Value *word[2];
    Value *own = tn_lang_here(lang, place, seed);
    Value *step = counter(lang, place, "step", !init);
    Value *micro = counter(lang, place, "micro", entry->kind == ENTRY_GRAD);
    Call *call = tn_lang_start(lang, place, "random");
    halves(call, own, word);
    Value *op = draw(call, word[0], word[1], u32(call, entry->random_base + entry->n_random++));
    Value *time = init ? u32(call, 1) : draw(call, op, step, micro);
    for (LoopState *loop = entry->loop; loop != NULL; loop = loop->outer) {
        Val turn = {.kind = VAL_TENSOR, .tensor = loop->turn, .graph = loop->body};
        Value *here = tn_lang_here(lang, place, turn);
        call = tn_lang_start(lang, place, "random");
        time = draw(call, op, time, tn_make_cast(call, here, TN_U32));
    }
    key[0] = draw(call, op, time, u32(call, 0));
    key[1] = draw(call, op, time, u32(call, 1));
    return tn_lang_finish(lang, place, key[1]).kind != VAL_BAD;
}

/* Random bits, one u32 for every element. */
static Value *bits(Call *call, Value *const key[2], const Shape *shape) {
    const Dim *n = tn_shape_count(call, shape);
    Shape flat = {.rank = 1, .dims = {n}};
    Value *index = tn_make_reshape(call, tn_make_iota(call, TN_U32, &flat, 0), shape);
    return draw(call, tn_make_expand(call, key[0], shape), tn_make_expand(call, key[1], shape),
                index);
}

/* The upper `keep` bits as a float. */
static Value *upper(Call *call, Value *word, int keep, DType dtype) {
    Value *low = tn_make_scalar(call, TN_U32, (double)(1u << (32 - keep)));
    return tn_make_cast(call, tn_make_map2(call, TN_OP_div, word, low), dtype);
}

/* Even in [0, 1): 24 bits for f32, 53 for f64, 8 and 11 for the narrow ones. */
static Value *uniform(Call *call, Value *const key[2], const Shape *shape, DType dtype) {
    Value *word = bits(call, key, shape);
    if (dtype == TN_F64) {
        Value *const other[] = {key[1], key[0]};
        Value *high = upper(call, word, 27, dtype);
        Value *low = upper(call, bits(call, other, shape), 26, dtype);
        Value *all =
            tn_make_map2(call, TN_OP_add, tn_make_map2_num(call, TN_OP_mul, high, 67108864.0), low);
        return tn_make_map2_num(call, TN_OP_mul, all, 1 / 9007199254740992.0);
    }
    int keep = dtype == TN_F32 ? 24 : dtype == TN_F16 ? 11 : 8;
    return tn_make_map2_num(call, TN_OP_mul, upper(call, word, keep, dtype), ldexp(1, -keep));
}

static bool arguments(Args *args, Shape *shape, DType *dtype) {
    *dtype = TN_F32;
    if (!tn_lang_shape(args->lang, args->place, args->v[0], "the shape", shape) ||
        (args->v[1].kind != VAL_ABSENT &&
         !tn_lang_dtype(args->lang, args->place, args->v[1], "dtype", dtype))) {
        return false;
    }
    if (!tn_dtype_is_float(*dtype)) {
        tn_lang_error(args->lang, args->place, "%s makes floats, not %s", args->builtin->name,
                      tn_dtype_text(*dtype));
        return false;
    }
    return true;
}

static Val drawn(Args *args, Value *value) {
    Lang *lang = args->lang;
    Val result = tn_lang_finish(lang, args->place, value);
    if (result.kind == VAL_TENSOR) {
        RandomUse use = {value, lang->entry->graph, args->place};
        tn_vec_push(&lang->ctx->arena, &lang->entry->randoms, use);
    }
    return result;
}

Val tn_builtin_random_uniform(Args *args) {
    Lang *lang = args->lang;
    Shape shape;
    DType dtype;
    Value *key[2];
    if (!arguments(args, &shape, &dtype) || !tn_lang_key(lang, args->place, key)) {
        return (Val){.kind = VAL_BAD};
    }
    Call *call = tn_lang_start(lang, args->place, "random_uniform");
    return drawn(args, uniform(call, key, &shape, dtype));
}

/* sqrt(-2 log u) cos(2 pi v), u in (0, 1]. */
Val tn_builtin_random_normal(Args *args) {
    Lang *lang = args->lang;
    Shape shape;
    DType dtype;
    Value *key[2];
    Value *other[2];
    if (!arguments(args, &shape, &dtype) || !tn_lang_key(lang, args->place, key) ||
        !tn_lang_key(lang, args->place, other)) {
        return (Val){.kind = VAL_BAD};
    }
    Call *call = tn_lang_start(lang, args->place, "random_normal");
    Value *u = tn_make_num_map2(call, TN_OP_sub, 1, uniform(call, key, &shape, dtype));
    Value *v = uniform(call, other, &shape, dtype);
    Value *radius = tn_make_map2_num(call, TN_OP_mul, tn_make_map1(call, TN_OP_log, u), -2);
    radius = tn_make_map1(call, TN_OP_sqrt, radius);
    Value *angle = tn_make_map2_num(call, TN_OP_mul, v, 6.283185307179586);
    Value *wave = tn_make_map1(call, TN_OP_cos, angle);
    return drawn(args, tn_make_map2(call, TN_OP_mul, radius, wave));
}
