/* emit_temp.c: what loops and temps become in C.
 *
 * A temp lives in C variables where its indices are known after unrolling: one a scalar, or
 * one a vector when an index runs along the lanes of a vector loop. Otherwise it is an
 * array. The choice is made for each home: the smallest block such that outside of it the
 * temp, if it occurs at all, is defined anew before it is read. So a main nest and its tail
 * choose apart although they share the temp.
 */
#include <string.h>

#include "codegen/emit.h"

enum { MAX_UNROLLED = 1024, MAX_REGISTERS = 256 };

/* ---- loops ---- */

static int32_t power_of_two_above(int32_t n) {
    int32_t power = 1;
    while (power < n) {
        power *= 2;
    }
    return power;
}

static bool has_lanes(void *arg, Stmt *stmt) {
    return stmt->kind != STMT_FOR || stmt->loop != LOOP_VECTOR || stmt->lanes != *(int32_t *)arg;
}

static bool reads(Expr *expr, const Temp *temp);

/* A loop that does nothing but define each lane of a temp, where other loops run over as
 * many lanes: one assignment of a vector. */
static bool sets_lanes(const Emit *e, const Stmt *loop) {
    const Stmt *def = loop->body;
    if (loop->loop == LOOP_PARTITION || loop->extent->kind != DIM_CONST || def == NULL ||
        def->kind != STMT_DEF || def->next != NULL || reads(def->value, def->temp)) {
        return false;
    }
    bool along = false;
    for (int d = 0; d < def->n_index; d++) {
        along =
            along || (def->index[d] == loop->var && def->temp->extents[d] == loop->extent->value);
    }
    int32_t lanes = (int32_t)(along ? loop->extent->value : 0);
    return lanes > 1 && power_of_two_above(lanes) == lanes &&
           !tn_stmt_visit(e->kernel->body, has_lanes, &lanes);
}

LoopPlan *tn_emit_plan_of(const Emit *e, const Dim *var) {
    return tn_map_get_int(&e->loops, var->sym);
}

/* Statements of a loop after unrolling; decides its form. */
static int64_t loop_size(Emit *e, const Stmt *loop, bool in_vector) {
    LoopPlan *plan = TN_NEW(e->arena, LoopPlan);
    *tn_map_put_int(&e->loops, loop->var->sym, NULL) = plan;
    bool vector = !in_vector && ((loop->loop == LOOP_VECTOR && loop->lanes > 1) ||
                                 (loop->loop != LOOP_VECTOR && sets_lanes(e, loop)));
    int32_t lanes = loop->loop == LOOP_VECTOR ? loop->lanes : (int32_t)loop->extent->value;
    plan->extent = loop->extent;
    plan->form = vector ? FORM_LANE : FORM_LOOP;
    plan->lanes = vector ? power_of_two_above(lanes) : 1;
    int64_t size = 1;
    for (const Stmt *stmt = loop->body; stmt != NULL; stmt = stmt->next) {
        size += stmt->kind == STMT_FOR ? loop_size(e, stmt, in_vector || vector) : 1;
    }
    bool once = tn_dim_is(loop->extent, 1) && !vector;
    if (once || (loop->loop == LOOP_UNROLL && size * loop->lanes <= MAX_UNROLLED)) {
        plan->form = FORM_CONST;
        plan->lanes = once ? 1 : loop->lanes;
        size *= plan->lanes;
    }
    return size;
}

static int64_t block_size(Emit *e, const Stmt *stmt) {
    int64_t size = 0;
    for (; stmt != NULL; stmt = stmt->next) {
        size += stmt->kind == STMT_FOR ? loop_size(e, stmt, false) : 1;
    }
    return size;
}

bool tn_emit_plan_loops(Emit *e) {
    return block_size(e, e->kernel->body) <= 2 * MAX_UNROLLED ||
           tn_emit_fail(e, TN_LIMIT, "it is too large to compile as one function");
}

/* ---- homes ---- */

typedef enum Access { ACCESS_NONE, ACCESS_DEF, ACCESS_READ } Access;

typedef struct Search {
    const Temp *temp;
    bool found;
} Search;

static bool look_for(void *arg, Expr *expr) {
    Search *search = arg;
    search->found = search->found || (expr->kind == EXPR_TEMP && expr->temp == search->temp);
    return !search->found;
}

static bool reads(Expr *expr, const Temp *temp) {
    Search search = {temp, false};
    tn_expr_visit(expr, look_for, &search);
    return search.found;
}

/* The first thing a statement does with the temp. */
static Access first_access(Stmt *stmt, const Temp *temp) {
    Access found = ACCESS_NONE;
    if (stmt->kind == STMT_FOR) {
        for (Stmt *at = stmt->body; at != NULL && found == ACCESS_NONE; at = at->next) {
            found = first_access(at, temp);
        }
        return found;
    }
    if (reads(stmt->value, temp) || (stmt->at != NULL && reads(stmt->at, temp)) ||
        (stmt->kind == STMT_ACC && stmt->temp == temp)) {
        return ACCESS_READ;
    }
    return stmt->kind == STMT_DEF && stmt->temp == temp ? ACCESS_DEF : ACCESS_NONE;
}

static void settle(Emit *e, const Stmt *owner, Stmt *body, Temp *temp) {
    bool apart = true, any = false;
    for (Stmt *stmt = body; stmt != NULL; stmt = stmt->next) {
        Access access = first_access(stmt, temp);
        any = any || access != ACCESS_NONE;
        apart =
            apart && (access == ACCESS_NONE || (stmt->kind == STMT_FOR && access == ACCESS_DEF));
    }
    if (!any) {
        return;
    }
    for (Stmt *stmt = body; stmt != NULL && apart; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR) {
            settle(e, stmt, stmt->body, temp);
        }
    }
    if (!apart) {
        void **slot = tn_map_put_int(&e->homes, (uint64_t)(uintptr_t)owner + 1, NULL);
        if (*slot == NULL) {
            *slot = TN_NEW(e->arena, TempVec);
        }
        tn_vec_push(e->arena, (TempVec *)*slot, temp);
    }
}

void tn_emit_plan_homes(Emit *e) {
    for (size_t i = 0; i < e->kernel->temps.len; i++) {
        settle(e, NULL, e->kernel->body, e->kernel->temps.data[i]);
    }
}

/* ---- choosing ---- */

typedef struct Choice {
    Emit *e;
    TempRep *rep;
    const Dim *extent;    /* of the vector loops that access it */
    uint32_t moving;      /* dimensions with an index known at run time only */
    bool irregular;       /* lanes are not whole vectors of one size */
    bool single;          /* single lanes are accessed */
} Choice;

static bool has_form(const Emit *e, const Dim *dim, LoopForm form) {
    if (dim->kind == DIM_SYM) {
        const LoopPlan *plan = tn_emit_plan_of(e, dim);
        return (plan != NULL ? plan->form : FORM_LOOP) == form; /* sizes are C variables too */
    }
    bool found = false;
    for (uint32_t i = 0; i < dim->n_args && !found; i++) {
        found = has_form(e, dim->args[i], form);
    }
    return found;
}

/* The one lane variable in a dimension. */
static const Dim *find_lane(const Emit *e, const Dim *dim) {
    if (dim->kind == DIM_SYM) {
        return has_form(e, dim, FORM_LANE) ? dim : NULL;
    }
    const Dim *found = NULL;
    for (uint32_t i = 0; i < dim->n_args && found == NULL; i++) {
        found = find_lane(e, dim->args[i]);
    }
    return found;
}

static bool is_multiple(const Dim *dim, int64_t of) {
    bool ok = dim->kind == DIM_CONST || dim->kind == DIM_SUM ? dim->value % of == 0 : of == 1;
    for (uint32_t i = 0; i < dim->n_args && dim->kind == DIM_SUM && ok; i++) {
        ok = dim->coefs[i] % of == 0;
    }
    return ok;
}

static void weigh_lane_index(Choice *choice, int d, const Dim *index) {
    Emit *e = choice->e;
    const Dim *var = find_lane(e, index), *rest = NULL;
    int32_t lanes = tn_emit_plan_of(e, var)->lanes;
    int64_t coef = 0;
    if (!tn_dim_linear(e->ctx, index, var, &coef, &rest) || coef != 1 ||
        !is_multiple(rest, lanes)) {
        choice->irregular = true;
        return;
    }
    if (choice->rep->lane_dim < 0) {
        choice->rep->lane_dim = d;
        choice->rep->lanes = lanes;
        choice->extent = tn_emit_plan_of(e, var)->extent;
    }
    choice->irregular =
        choice->irregular || choice->rep->lane_dim != d || choice->rep->lanes != lanes;
    choice->rep->uniform =
        choice->rep->uniform && choice->extent == tn_emit_plan_of(e, var)->extent;
}

static void weigh(Choice *choice, const Dim *const *index) {
    const Temp *temp = choice->rep->temp;
    bool by_lane = false;
    for (int d = 0; d < temp->rank; d++) {
        bool lane = has_form(choice->e, index[d], FORM_LANE);
        by_lane = by_lane || lane;
        if (has_form(choice->e, index[d], FORM_LOOP)) {
            choice->moving |= 1u << d;
            choice->irregular = choice->irregular || lane;
        } else if (lane) {
            weigh_lane_index(choice, d, index[d]);
        }
    }
    choice->single = choice->single || !by_lane;
}

static bool weigh_expr(void *arg, Expr *expr) {
    Choice *choice = arg;
    if (expr->kind == EXPR_TEMP && expr->temp == choice->rep->temp) {
        weigh(choice, expr->index);
    }
    return true;
}

static bool weigh_stmt(void *arg, Stmt *stmt) {
    Choice *choice = arg;
    if (stmt->kind == STMT_FOR) {
        return true;
    }
    if (stmt->kind != STMT_STORE && stmt->temp == choice->rep->temp) {
        weigh(choice, stmt->index);
    }
    tn_stmt_exprs(stmt, weigh_expr, choice);
    return true;
}

/* Whether the elements can be variables of their own. */
static bool can_name(const Choice *choice) {
    const TempRep *rep = choice->rep;
    uint32_t lane_bit = rep->lane_dim >= 0 ? 1u << rep->lane_dim : 0;
    bool subscript = (choice->moving & lane_bit) != 0;
    return !choice->irregular && (choice->moving & ~lane_bit) == 0 &&
           !(subscript && rep->temp->extents[rep->lane_dim] > rep->lanes);
}

static uint32_t count_vars(const TempRep *rep) {
    uint64_t count = 1;
    for (int d = 0; d < rep->temp->rank; d++) {
        int32_t extent = rep->temp->extents[d];
        int32_t per = d == rep->lane_dim && !rep->array ? rep->lanes : 1;
        count *= (uint64_t)((extent + per - 1) / per);
        count = count > UINT32_MAX ? UINT32_MAX : count;
    }
    return (uint32_t)count;
}

static TempRep *choose(Emit *e, const Temp *temp, Stmt *body) {
    TempRep *rep = TN_NEW(e->arena, TempRep);
    *rep = (TempRep){.temp = temp, .lane_dim = -1, .lanes = 1, .uniform = true};
    Choice choice = {.e = e, .rep = rep};
    tn_stmt_visit(body, weigh_stmt, &choice);
    rep->uniform = rep->uniform && !choice.single;
    rep->private = e->lanes.var != NULL && rep->lane_dim < 0 && !choice.irregular;
    rep->array = !can_name(&choice) || count_vars(rep) > MAX_REGISTERS;
    if (rep->array) {
        rep->lane_dim = -1;
    }
    rep->lanes = rep->private ? e->lanes.n : rep->array ? 1 : rep->lanes;
    rep->n_vars = count_vars(rep);
    rep->number = e->n_names++;
    rep->used = TN_NEW_ARRAY(e->arena, bool, rep->array ? 1 : rep->n_vars + 1);
    rep->outer = e->reps[temp->id];
    return rep;
}

TempVec *tn_emit_open_temps(Emit *e, const Stmt *owner, Stmt *body) {
    TempVec *temps = tn_map_get_int(&e->homes, (uint64_t)(uintptr_t)owner + 1);
    for (size_t i = 0; temps != NULL && i < temps->len; i++) {
        e->reps[temps->data[i]->id] = choose(e, temps->data[i], body);
    }
    return temps;
}

static VType rep_type(const TempRep *rep) {
    return tn_vtype(rep->temp->dtype, rep->lanes);
}

static void declare(Emit *e, const TempRep *rep) {
    const char *type = tn_prelude_type(e->prelude, rep_type(rep));
    const char *zero = rep->lanes > 1 ? "{0}" : "0";
    if (rep->array) {
        tn_emit_line(e, "%s t%u[%u] __attribute__((aligned(64)));", type, rep->number,
                     rep->n_vars > 0 ? rep->n_vars : 1);
        return;
    }
    for (uint32_t i = 0; i < rep->n_vars; i++) {
        if (!rep->used[i]) {
            continue;
        }
        if (rep->n_vars == 1) {
            tn_emit_line(e, "%s t%u = %s;", type, rep->number, zero);
        } else {
            tn_emit_line(e, "%s t%u_%u = %s;", type, rep->number, i, zero);
        }
    }
}

void tn_emit_close_temps(Emit *e, TempVec *temps) {
    for (size_t i = 0; temps != NULL && i < temps->len; i++) {
        TempRep *rep = e->reps[temps->data[i]->id];
        declare(e, rep);
        e->reps[rep->temp->id] = rep->outer;
    }
}

/* ---- access ---- */

/* "t3_5", marked as used. */
static const char *var_text(Emit *e, TempRep *rep, int64_t number) {
    if (number < 0 || number >= rep->n_vars) {
        tn_emit_fail(e, TN_INTERNAL, "a temp's index is out of range");
        return "0";
    }
    rep->used[number] = true;
    return rep->n_vars == 1 ? tn_emit_text(e, "t%u", rep->number)
                            : tn_emit_text(e, "t%u_%u", rep->number, (unsigned)number);
}

/* Splits the index along the lanes: number of the vector, and the subscript in it (NULL: all
 * lanes). */
static int64_t lane_index(Emit *e, const TempRep *rep, const Dim *index, const char **subscript) {
    const Dim *var = e->lanes.var != NULL ? e->lanes.var : e->single, *rest = NULL;
    int64_t coef = 0;
    if (var != NULL && tn_dim_linear(e->ctx, index, var, &coef, &rest) && coef == 1 &&
        rest->kind == DIM_CONST && rest->value % rep->lanes == 0) {
        *subscript = e->lanes.var != NULL ? NULL : e->single_name;
        return rest->value / rep->lanes;
    }
    if (index->kind == DIM_CONST) {
        *subscript = tn_emit_text(e, "%d", (int)(index->value % rep->lanes));
        return index->value / rep->lanes;
    }
    *subscript = tn_emit_dim(e, index);
    return 0;
}

static Val named_element(Emit *e, TempRep *rep, const Dim *const *index) {
    const char *subscript = NULL;
    int64_t number = 0;
    bool part = false;
    for (int d = 0; d < rep->temp->rank; d++) {
        const Dim *at = tn_emit_resolve(e, index[d]);
        int32_t extent = rep->temp->extents[d];
        if (d == rep->lane_dim) {
            number = number * ((extent + rep->lanes - 1) / rep->lanes) +
                     lane_index(e, rep, at, &subscript);
            part = subscript != NULL;
        } else {
            number = number * extent + (at->kind == DIM_CONST ? at->value : -1);
        }
    }
    if (rep->private && e->lanes.var == NULL) {
        subscript = e->single_name;
        part = true;
    }
    const char *text = var_text(e, rep, number);
    VType type = rep_type(rep);
    return part ? (Val){tn_emit_text(e, "%s[%s]", text, subscript), tn_vtype(type.dtype, 1)}
                : (Val){text, type};
}

static const Dim *array_position(Emit *e, const TempRep *rep, const Dim *const *index) {
    const Dim *at = tn_dim_const(e->ctx, 0);
    for (int d = 0; d < rep->temp->rank; d++) {
        at = tn_dim_add(e->ctx, tn_dim_mulc(e->ctx, at, rep->temp->extents[d]),
                        tn_emit_resolve(e, index[d]));
    }
    return at;
}

static Val array_element(Emit *e, TempRep *rep, const Dim *const *index) {
    const Dim *at = array_position(e, rep, index), *rest = NULL;
    int64_t coef = 0;
    VType type = rep_type(rep);
    if (tn_emit_uses_lanes(e, at)) {
        /* A run of scalars read or written as a vector. */
        VType wide = tn_vtype(type.dtype, e->lanes.n);
        if (type.dtype == TN_BOOL || type.lanes > 1 || e->lanes.count != NULL ||
            !tn_dim_linear(e->ctx, at, e->lanes.var, &coef, &rest) || coef != 1) {
            return (Val){NULL, wide};
        }
        const char *name = tn_prelude_type(e->prelude, wide);
        return (Val){
            tn_emit_text(e, "(*(%su *)(t%u + %s))", name, rep->number, tn_emit_dim(e, rest)), wide};
    }
    const char *text = tn_emit_text(e, "t%u[%s]", rep->number, tn_emit_dim(e, at));
    if (rep->private && e->lanes.var == NULL) {
        text = tn_emit_text(e, "%s[%s]", text, e->single_name);
        type = tn_vtype(type.dtype, 1);
    }
    return (Val){text, type};
}

Val tn_emit_temp(Emit *e, const Temp *temp, const Dim *const *index) {
    TempRep *rep = e->reps[temp->id];
    if (rep == NULL) {
        tn_emit_fail(e, TN_INTERNAL, "a temp is used outside its block");
        return (Val){"0", tn_vtype(temp->dtype, 1)};
    }
    return rep->array ? array_element(e, rep, index) : named_element(e, rep, index);
}

/* A bool kept in a mask is 0 or -1. */
static bool in_mask(const TempRep *rep, const Val *element) {
    return rep->temp->dtype == TN_BOOL && rep->lanes > 1 && element->type.lanes == 1;
}

Val tn_emit_read_temp(Emit *e, const Temp *temp, const Dim *const *index) {
    Val element = tn_emit_temp(e, temp, index);
    if (element.text != NULL && !e->failed && in_mask(e->reps[temp->id], &element)) {
        element.text = tn_emit_text(e, "(%s & 1)", element.text);
    }
    return element;
}

const char *tn_emit_all_lanes(Emit *e, const Temp *temp, const Dim *const *index, const Dim *var) {
    TempRep *rep = e->reps[temp->id];
    int d = rep != NULL ? rep->lane_dim : -1;
    if (d < 0 || rep->array || index[d] != var || temp->extents[d] != rep->lanes) {
        return NULL;
    }
    const Dim *at[sizeof temp->extents / sizeof *temp->extents];
    for (int i = 0; i < temp->rank; i++) {
        at[i] = i == d ? tn_dim_const(e->ctx, 0) : index[i];
        if (tn_dim_uses(at[i], var)) {
            return NULL;
        }
    }
    const char *element = named_element(e, rep, at).text;
    return tn_emit_text(e, "%.*s", (int)(strchr(element, '[') - element), element);
}

/* ---- assignment ---- */

static void assign_by_lane(Emit *e, const Temp *temp, const Dim *const *index, Val value) {
    const Dim *var = e->lanes.var;
    const char *count = e->lanes.count, *name = tn_emit_name(e, "i");
    Lanes lanes = e->lanes;
    value = tn_val_name(e, tn_val_spread(e, value, lanes.n));
    tn_emit_line(e, "for (int64_t %s = 0; %s < %s; %s++) {", name, name,
                 count != NULL ? count : tn_emit_text(e, "%d", lanes.n), name);
    e->depth++;
    e->lanes = (Lanes){.n = 1};
    e->single = var;
    e->single_name = tn_emit_plan_of(e, var)->name = name;
    Val element = tn_emit_temp(e, temp, index);
    bool to_mask = in_mask(e->reps[temp->id], &element);
    tn_emit_line(e, "%s = %s%s[%s];", element.text, temp->dtype == TN_BOOL && !to_mask ? "-" : "",
                 value.text, name);
    e->single = NULL;
    e->single_name = tn_emit_plan_of(e, var)->name = NULL;
    e->lanes = lanes;
    e->depth--;
    tn_emit_line(e, "}");
}

/* Only the lanes in use may change where others are looked at. */
static Val keep_unused(Emit *e, const TempRep *rep, Val element, Val value) {
    if (e->lanes.count == NULL || rep->private || rep->uniform) {
        return value;
    }
    const char *first = tn_prelude_fn(e->prelude, "first", element.type);
    const char *select = tn_prelude_fn(e->prelude, "select", element.type);
    value.text = tn_emit_text(e, "%s(%s(%s), %s, %s)", select, first, e->lanes.count, value.text,
                              element.text);
    return value;
}

void tn_emit_assign(Emit *e, const Temp *temp, const Dim *const *index, Val value) {
    TempRep *rep = e->reps[temp->id];
    Val element = tn_emit_temp(e, temp, index);
    if (element.text == NULL) {
        assign_by_lane(e, temp, index, value);
        return;
    }
    if (value.type.lanes > element.type.lanes) {
        tn_emit_fail(e, TN_INTERNAL, "a temp shared by all lanes is assigned a value of each");
        return;
    }
    value = tn_val_spread(e, value, element.type.lanes);
    if (element.type.lanes > 1) {
        value = keep_unused(e, rep, element, tn_val_mask(e, value, element.type.mask_bytes));
    }
    const char *minus = in_mask(rep, &element) ? "(int8_t)-" : "";
    tn_emit_line(e, "%s = %s%s;", element.text, minus, value.text);
}
