/* lang_loop.c: loops over time: the primitive `loop` with a body evaluated once; with the option
 * `when` the primitive `if`. */
#include <string.h>

#include "frontend/lang_eval.h"
#include "ir/loopnode.h"

static const Val bad = {.kind = VAL_BAD};

Value *tn_loop_capture(LoopState *loop, Val v) {
    if (loop == NULL) {
        return NULL;
    }
    Value *outer = v.graph == loop->around ? v.tensor : tn_loop_capture(loop->outer, v);
    if (outer == NULL) {
        return NULL;
    }
    bool added;
    void **slot = tn_map_put_int(&loop->captured, outer->id, &added);
    if (added) {
        Type type = outer->type;
        type.layout = NULL;
        *slot = tn_graph_add_input(loop->body, outer->name, type);
        tn_vec_push(&loop->body->ctx->arena, &loop->in, outer);
    }
    return *slot;
}

/* ---- before the body ---- */

typedef struct LoopOptions {
    bool reverse;
    const Dim *trips; /* NULL: as long as what it goes over */
    Value *when;      /* NULL: it always runs */
} LoopOptions;

static Value *condition(Lang *lang, const NamedVal *named) {
    Value *value = tn_lang_tensor(lang, named->place, named->value, TN_BOOL, "when");
    if (value != NULL && (value->type.dtype != TN_BOOL || value->type.rank != 0)) {
        tn_lang_error(lang, named->place, "'when' is one truth value, found %s",
                      tn_val_describe(lang, named->value));
        return NULL;
    }
    return value;
}

static bool options_of(Lang *lang, const LoopExpr *loop, LoopOptions *out) {
    CallArgs args = {0};
    *out = (LoopOptions){0};
    if (!tn_lang_eval_args(lang, loop->options, loop->n_options, &args)) {
        return false;
    }
    for (size_t i = 0; i < args.named.len; i++) {
        const NamedVal *named = &args.named.data[i];
        bool ok = false;
        if (tn_sv_is(named->key, "reverse")) {
            ok = tn_lang_bool(lang, named->place, named->value, "reverse", &out->reverse);
        } else if (tn_sv_is(named->key, "trips")) {
            out->trips = tn_lang_dim(lang, named->place, named->value, "trips");
            ok = out->trips != NULL;
        } else if (tn_sv_is(named->key, "when")) {
            out->when = condition(lang, named);
            ok = out->when != NULL;
        } else {
            tn_lang_error(lang, named->place, "a loop has the options reverse, trips and when");
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* What runs once or not at all carries something, and has no turns. */
static bool fits_condition(Lang *lang, Place place, const LoopExpr *loop,
                           const LoopOptions *options) {
    bool fits =
        loop->n_carried > 0 && loop->n_over == 0 && options->trips == NULL && !options->reverse;
    if (options->when != NULL && !fits) {
        tn_lang_error(lang, place,
                      "with when= a loop carries values, goes over nothing and runs once");
        return false;
    }
    return true;
}

/* Operands carried and scanned, and the condition, in the graph around. */
static bool operands(Lang *lang, Place place, LoopState *state, LoopOptions *options) {
    Arena *arena = &lang->ctx->arena;
    const LoopExpr *loop = state->loop;
    for (uint32_t i = 0; i < loop->n_carried + loop->n_over; i++) {
        bool over = i >= loop->n_carried;
        const LoopItem *item = over ? &loop->over[i - loop->n_carried] : &loop->carried[i];
        Val v = tn_lang_eval(lang, item->value);
        Value *tensor = tn_lang_tensor(lang, item->place, v, v.weak ? TN_F32 : TN_DT_NONE,
                                       over ? "what a loop goes over" : "a carried value");
        if (tensor == NULL) {
            return false;
        }
        if (over && tensor->type.rank == 0) {
            tn_lang_error(lang, item->place, "a loop goes over dimension 0 of a tensor, found %s",
                          tn_val_describe(lang, v));
            return false;
        }
        if (over && options->trips == NULL) {
            options->trips = tensor->type.dims[0];
        }
        tn_vec_push(arena, &state->in, tensor);
    }
    if (options->when != NULL) {
        tn_vec_push(arena, &state->in, options->when);
    } else if (options->trips == NULL) {
        tn_lang_error(lang, place, "a loop over nothing needs trips=: how often it runs");
    }
    return options->when != NULL || options->trips != NULL;
}

/* Body inputs for them, bound to their names. */
static void bind(Lang *lang, LoopState *state, const LoopOptions *options, Env *env) {
    const LoopExpr *loop = state->loop;
    Graph *body = state->body;
    state->turn = tn_graph_add_input(body, "turn", tn_type_scalar(TN_I64));
    for (uint32_t i = 0; i < loop->n_carried + loop->n_over; i++) {
        bool over = i >= loop->n_carried;
        StrView name = over ? loop->over[i - loop->n_carried].name : loop->carried[i].name;
        Type type = state->in.data[i]->type;
        type.layout = NULL;
        type = over ? tn_loop_slice_type(&type) : type;
        Value *input = tn_graph_add_input(body, tn_sv_dup(&lang->ctx->arena, name), type);
        tn_env_set(lang, env, name, (Val){.kind = VAL_TENSOR, .tensor = input, .graph = body});
    }
    if (options->when != NULL) {
        tn_graph_add_input(body, NULL, tn_type_scalar(TN_BOOL));
    }
}

/* ---- the body ---- */

/* What the body gives, as outputs of its graph. */
static bool outputs(Lang *lang, Place place, LoopState *state) {
    const LoopExpr *loop = state->loop;
    for (uint32_t i = 0; i < loop->n_carried; i++) {
        const LoopItem *item = &loop->carried[i];
        if (state->next[i].kind == VAL_ABSENT) {
            tn_lang_error(lang, item->place, "the loop's body gives no next %.*s",
                          (int)item->name.len, item->name.data);
            return false;
        }
        const Type *type = &state->in.data[i]->type;
        Value *value =
            tn_lang_tensor(lang, item->place, state->next[i], type->dtype, "a carried value");
        if (value == NULL) {
            return false;
        }
        if (!tn_type_same_shape(&value->type, type)) {
            Val old = {.kind = VAL_TENSOR, .tensor = state->in.data[i], .graph = state->around};
            const char *was = tn_val_describe(lang, old);
            tn_lang_error(lang, item->place, "'%.*s' is %s at first and %s after a turn",
                          (int)item->name.len, item->name.data, was,
                          tn_val_describe(lang, state->next[i]));
            return false;
        }
        tn_graph_add_output(state->body, NULL, value);
    }
    for (size_t i = 0; i < state->yields.len; i++) {
        Val v = state->yields.data[i];
        Value *value =
            tn_lang_tensor(lang, place, v, v.weak ? TN_F32 : TN_DT_NONE, "what a loop yields");
        if (value == NULL) {
            return false;
        }
        tn_graph_add_output(state->body, NULL, value);
    }
    return true;
}

static bool run_body(Lang *lang, const Expr *expr, LoopState *state, const LoopOptions *options) {
    Entry *entry = lang->entry;
    Frame *outer = lang->frame;
    Frame *frame = TN_NEW(&lang->ctx->arena, Frame);
    *frame = *outer;
    frame->env = tn_env_new(lang, outer->env);
    frame->vars = tn_map(&lang->ctx->arena);
    frame->loop = state;
    frame->returned = false;
    state->outer = entry->loop;
    entry->loop = state;
    entry->graph = state->body;
    lang->frame = frame;
    bind(lang, state, options, frame->env);
    tn_lang_exec(lang, &state->loop->body);
    bool ok = !lang->stopped && outputs(lang, expr->place, state);
    lang->frame = outer;
    entry->loop = state->outer;
    entry->graph = state->around;
    return ok;
}

static Val results(Lang *lang, Place place, const Node *node) {
    if (node == NULL) {
        return tn_lang_finish(lang, place, NULL);
    }
    Val *values = TN_NEW_ARRAY(&lang->ctx->arena, Val, node->n_out + 1u);
    for (uint32_t i = 0; i < node->n_out; i++) {
        values[i] = tn_val_tensor(lang, node->out[i]);
    }
    return node->n_out == 1 ? values[0] : tn_val_list(lang, values, node->n_out);
}

static Node *make_node(Lang *lang, Place place, const LoopState *state,
                       const LoopOptions *options) {
    const LoopExpr *loop = state->loop;
    Call *call = tn_lang_start(lang, place, options->when != NULL ? "if" : "loop");
    uint32_t n_in = (uint32_t)state->in.len;
    return options->when != NULL
               ? tn_if_new(call->graph, state->body, state->in.data, n_in, loop->n_carried,
                           call->loc, NULL)
               : tn_loop_new(call->graph, state->body, state->in.data, n_in, options->trips,
                             loop->n_carried, loop->n_over, options->reverse, call->loc, NULL);
}

Val tn_lang_loop(Lang *lang, const Expr *expr) {
    const LoopExpr *loop = expr->loop;
    Arena *arena = &lang->ctx->arena;
    LoopState *state = TN_NEW(arena, LoopState);
    LoopOptions options;
    state->loop = loop;
    state->around = lang->entry->graph;
    state->captured = tn_map(arena);
    state->next = TN_NEW_ARRAY(arena, Val, loop->n_carried + 1u);
    for (uint32_t i = 0; i < loop->n_carried; i++) {
        state->next[i].kind = VAL_ABSENT;
    }
    if (loop->n_carried > 1000 || loop->n_over > 1000) {
        return tn_lang_limit(lang, expr->place, "a loop has at most 1000 values of a kind");
    }
    if (!options_of(lang, loop, &options) || !fits_condition(lang, expr->place, loop, &options) ||
        !operands(lang, expr->place, state, &options)) {
        return bad;
    }
    state->body = tn_graph_new(lang->ctx, "body");
    if (!run_body(lang, expr, state, &options)) {
        return bad;
    }
    if (state->body->outputs.len == 0) {
        return tn_lang_error(lang, expr->place, "the loop carries and yields nothing");
    }
    if (options.when != NULL && state->yields.len > 0) {
        return tn_lang_error(lang, expr->place, "a loop with when= yields nothing");
    }
    return results(lang, expr->place, make_node(lang, expr->place, state, &options));
}
