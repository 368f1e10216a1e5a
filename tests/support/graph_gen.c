/* graph_gen.c: random graphs: values, constants, and the loop that picks steps. */
#include "tests/support/graph_gen_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- random numbers ---- */

static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static int64_t uniform(uint64_t *state, int64_t lo, int64_t hi) {
    return lo + (int64_t)(next_random(state) % (uint64_t)(hi - lo + 1));
}

int64_t gen_int(Gen *gen, int64_t lo, int64_t hi) {
    return uniform(&gen->random, lo, hi);
}

bool gen_chance(Gen *gen, int percent) {
    return gen_int(gen, 0, 99) < percent;
}

/* ---- sizes ---- */

int64_t gen_size(Gen *gen, const Dim *dim) {
    size_t n = gen->ctx->dims->symbols.len;
    int64_t *values = TN_NEW_ARRAY(&gen->ctx->scratch, int64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        values[i] = GEN_SYMBOL_MAX;
    }
    int64_t size;
    return tn_dim_eval(dim, values, &size) ? size : INT64_MAX;
}

int64_t gen_count(Gen *gen, const Type *type) {
    int64_t count = 1;
    for (uint32_t i = 0; i < type->rank; i++) {
        int64_t size = gen_size(gen, type->dims[i]);
        size = size < 1 ? 1 : size;
        if (size > GEN_WORK_MAX || count > GEN_WORK_MAX) {
            return INT64_MAX;
        }
        count *= size;
    }
    return count;
}

const Dim *gen_const_dim(Gen *gen, int64_t size) {
    return tn_dim_const(gen->ctx, size);
}

const Dim *gen_any_dim(Gen *gen) {
    static const int64_t sizes[] = {1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 33};
    if (gen->n_symbols > 0 && gen_chance(gen, 30)) {
        return gen->symbols[gen_int(gen, 0, gen->n_symbols - 1)];
    }
    return gen_const_dim(gen, gen_chance(gen, 1) ? 0 : GEN_PICK(gen, sizes));
}

/* ---- what is known of values ---- */

bool gen_is_float(const Value *value) {
    return tn_dtype_is_float(value->type.dtype);
}

GenInfo gen_info(Gen *gen, const Value *value) {
    for (size_t i = 0; i < gen->values.len; i++) {
        if (gen->values.data[i] == value) {
            return gen->infos.data[i];
        }
    }
    return (GenInfo){0, -1};
}

bool gen_is_exact(Gen *gen, const Value *value) {
    return gen_info(gen, value).frac >= 0;
}

/* Floats stay exact while all multiples up to the bound fit a float's 24 bits. */
static GenInfo settle(const Value *value, GenInfo info) {
    if (!gen_is_float(value)) {
        double most = ldexp(1, (int)tn_dtype_bytes(value->type.dtype) * 8);
        info.mag = value->type.dtype == TN_BOOL ? 1 : fmin(info.mag, most);
        info.frac = 0;
    } else if (info.frac >= 0 && ldexp(info.mag, info.frac) > 0x1p22) {
        info.frac = -1;
    }
    return info;
}

void gen_record(Gen *gen, Value *value, GenInfo info) {
    tn_vec_push(&gen->ctx->arena, &gen->values, value);
    tn_vec_push(&gen->ctx->arena, &gen->infos, settle(value, info));
}

bool gen_wants_any(Gen *gen, const Value *value) {
    (void)gen;
    (void)value;
    return true;
}

bool gen_wants_float(Gen *gen, const Value *value) {
    (void)gen;
    return gen_is_float(value);
}

bool gen_wants_number(Gen *gen, const Value *value) {
    (void)gen;
    return value->type.dtype != TN_BOOL;
}

bool gen_wants_int(Gen *gen, const Value *value) {
    (void)gen;
    return tn_dtype_is_int(value->type.dtype);
}

bool gen_wants_bool(Gen *gen, const Value *value) {
    (void)gen;
    return value->type.dtype == TN_BOOL;
}

bool gen_wants_exact(Gen *gen, const Value *value) {
    return value->type.dtype != TN_BOOL && gen_is_exact(gen, value);
}

Value *gen_value(Gen *gen, GenWants *wants) {
    int64_t n = (int64_t)gen->values.len;
    for (int attempt = 0; attempt < 12; attempt++) {
        int64_t back = gen_chance(gen, 40) ? 1 : gen_chance(gen, 60) ? 6 : n;
        int64_t at = gen_int(gen, back < n ? n - back : 0, n - 1);
        if (wants(gen, gen->values.data[at])) {
            return gen->values.data[at];
        }
    }
    return NULL;
}

/* ---- nodes ---- */

Value *gen_node(Gen *gen, Op op, Value *const *in, uint32_t n_in, const Attr *attrs,
                uint32_t n_attrs, GenInfo info) {
    for (uint32_t i = 0; i < n_in; i++) {
        if (in[i] == NULL) {
            return NULL;
        }
    }
    Node *node = tn_node_new(gen->graph, op, in, n_in, attrs, n_attrs, (Loc){0}, NULL);
    if (node == NULL) {
        return NULL;
    }
    Value *value = node->out[0];
    bool too_wild = gen_is_float(value) && !(info.mag <= gen->mag_max);
    if (gen_count(gen, &value->type) > GEN_COUNT_MAX || value->type.rank > GEN_RANK_MAX ||
        too_wild) {
        tn_node_remove(gen->graph, node);
        return NULL;
    }
    gen_record(gen, value, info);
    return value;
}

Value *gen_map1(Gen *gen, Op op, Value *a, GenInfo info) {
    return gen_node(gen, op, &a, 1, NULL, 0, info);
}

Value *gen_map2(Gen *gen, Op op, Value *a, Value *b, GenInfo info) {
    return gen_node(gen, op, (Value *[]){a, b}, 2, NULL, 0, info);
}

Value *gen_tamed(Gen *gen, Value *x, double most) {
    bool tame = x != NULL && gen_info(gen, x).mag <= most;
    return x == NULL || tame ? x : gen_map1(gen, TN_OP_tanh, x, (GenInfo){1, -1});
}

Value *gen_positive(Gen *gen, Value *x) {
    GenInfo info = gen_info(gen, x);
    Value *size = gen_map1(gen, TN_OP_abs, x, info);
    info.mag += 0.5;
    info.frac = info.frac == 0 ? 1 : info.frac;
    return size == NULL ? NULL
                        : gen_map2(gen, TN_OP_add, size, gen_number_like(gen, size, 0.5), info);
}

/* ---- constants ---- */

/* A small element of the dtype: integers, or quarters for floats. */
static void small_element(uint64_t *random, RefTensor *tensor, int64_t at) {
    if (tn_dtype_is_float(tensor->dtype)) {
        tensor->f[at] = (double)uniform(random, -16, 16) / 4;
    } else if (tensor->dtype == TN_BOOL) {
        tensor->i[at] = uniform(random, 0, 1);
    } else {
        tensor->i[at] = uniform(random, tn_dtype_is_signed(tensor->dtype) ? -9 : 0, 9);
    }
}

static RefTensor new_tensor(Arena *arena, DType dtype, uint32_t rank, const int64_t *dims) {
    RefTensor tensor = {.dtype = dtype, .rank = (uint8_t)rank, .count = 1};
    for (uint32_t i = 0; i < rank; i++) {
        tensor.dims[i] = dims[i];
        tensor.count *= dims[i];
    }
    tensor.i = TN_NEW_ARRAY(arena, int64_t, (size_t)tensor.count + 1);
    return tensor;
}

static Value *add_const(Gen *gen, const RefTensor *tensor, GenInfo info) {
    const Dim *dims[TN_MAX_RANK];
    for (uint32_t i = 0; i < tensor->rank; i++) {
        dims[i] = gen_const_dim(gen, tensor->dims[i]);
    }
    size_t size = (size_t)tensor->count * tn_dtype_bytes(tensor->dtype);
    void *bytes = tn_arena_alloc(&gen->ctx->arena, size + 1, 64);
    tn_ref_to_bytes(tensor, bytes);
    Value *value =
        tn_const_new(gen->graph, tn_type_make(tensor->dtype, tensor->rank, dims), bytes, NULL);
    if (value != NULL) {
        gen_record(gen, value, info);
    }
    return value;
}

Value *gen_const(Gen *gen, DType dtype, uint32_t rank, const int64_t *dims) {
    RefTensor tensor = new_tensor(&gen->ctx->scratch, dtype, rank, dims);
    if (tensor.count > GEN_COUNT_MAX) {
        return NULL;
    }
    uint64_t same = gen->random;
    bool splat = gen_chance(gen, 10);
    for (int64_t i = 0; i < tensor.count; i++) {
        uint64_t again = same;
        small_element(splat ? &again : &gen->random, &tensor, i);
    }
    bool is_float = tn_dtype_is_float(dtype);
    return add_const(gen, &tensor, (GenInfo){is_float ? 4 : 9, is_float ? 2 : 0});
}

/* Fractional bits of a number that has few, else -1. */
static int frac_of(double number) {
    for (int bits = 0; bits < 8; bits++) {
        if (ldexp(number, bits) == rint(ldexp(number, bits))) {
            return bits;
        }
    }
    return -1;
}

Value *gen_scalar(Gen *gen, DType dtype, double number) {
    RefTensor tensor = new_tensor(&gen->ctx->scratch, dtype, 0, NULL);
    if (tn_dtype_is_float(dtype)) {
        tensor.f[0] = number;
    } else {
        tensor.i[0] = (int64_t)number;
    }
    return add_const(gen, &tensor, (GenInfo){fabs(number), frac_of(number)});
}

Value *gen_expand(Gen *gen, Value *x, uint32_t rank, const Dim *const *dims, const int64_t *axes) {
    if (x == NULL) {
        return NULL;
    }
    Attr attrs[2] = {{.name = TN_ATTR_dims, .kind = ATTR_DIMS, .n = rank, .dims = dims},
                     {.name = TN_ATTR_axes, .kind = ATTR_INTS, .n = x->type.rank, .ints = axes}};
    return gen_node(gen, TN_OP_expand, &x, 1, attrs, 2, gen_info(gen, x));
}

Value *gen_reshape(Gen *gen, Value *x, uint32_t rank, const Dim *const *dims) {
    if (x == NULL) {
        return NULL;
    }
    Attr attr = {.name = TN_ATTR_dims, .kind = ATTR_DIMS, .n = rank, .dims = dims};
    return gen_node(gen, TN_OP_reshape, &x, 1, &attr, 1, gen_info(gen, x));
}

Value *gen_number_like(Gen *gen, const Value *like, double number) {
    Value *scalar = gen_scalar(gen, like->type.dtype, number);
    return like->type.rank == 0 ? scalar
                                : gen_expand(gen, scalar, like->type.rank, like->type.dims, NULL);
}

/* ---- partners ---- */

/* A constant along one static dim, or of one element, repeated. */
static Value *broadcast_const(Gen *gen, const Value *like) {
    uint32_t rank = like->type.rank;
    int64_t axis = rank == 0 ? -1 : gen_int(gen, -1, (int64_t)rank - 1);
    if (axis < 0 || !tn_dim_is_const(like->type.dims[axis])) {
        Value *scalar = gen_const(gen, like->type.dtype, 0, NULL);
        return rank == 0 ? scalar : gen_expand(gen, scalar, rank, like->type.dims, NULL);
    }
    Value *row = gen_const(gen, like->type.dtype, 1, &like->type.dims[axis]->value);
    return gen_expand(gen, row, rank, like->type.dims, &axis);
}

/* An existing value that shows the dims of `like` when repeated along some. */
static Value *broadcast_value(Gen *gen, const Value *like) {
    Value *small = gen_value(gen, gen_wants_any);
    if (small == NULL || small->type.dtype != like->type.dtype ||
        small->type.rank > like->type.rank) {
        return NULL;
    }
    int64_t axes[TN_MAX_RANK];
    uint32_t to = 0;
    for (uint32_t i = 0; i < small->type.rank; i++, to++) {
        while (to < like->type.rank && like->type.dims[to] != small->type.dims[i] &&
               !tn_dim_is(small->type.dims[i], 1)) {
            to++;
        }
        if (to >= like->type.rank) {
            return NULL;
        }
        axes[i] = to;
    }
    return gen_expand(gen, small, like->type.rank, like->type.dims, axes);
}

static Value *same_type_value(Gen *gen, const Value *like) {
    Value *found[16];
    int64_t n = 0;
    for (size_t i = gen->values.len; i-- > 0 && n < 16;) {
        Value *value = gen->values.data[i];
        if (value != like && tn_type_same_shape(&value->type, &like->type)) {
            found[n++] = value;
        }
    }
    return n == 0 ? NULL : found[gen_int(gen, 0, n - 1)];
}

Value *gen_partner(Gen *gen, Value *like) {
    Value *partner = gen_chance(gen, 50) ? same_type_value(gen, like) : NULL;
    if (partner == NULL && gen_chance(gen, 50)) {
        partner = broadcast_value(gen, like);
    }
    if (partner == NULL && gen_chance(gen, 90)) {
        partner = broadcast_const(gen, like);
    }
    return partner != NULL ? partner : like;
}

/* ---- the graph ---- */

/* Ranges of different kinds: any size, at least one, and a plausible bound. */
static void add_symbols(Gen *gen) {
    static const char *const names[3] = {"N", "seq", "width"};
    static const int64_t most[3] = {INT64_MAX, INT64_MAX, 4096};
    gen->n_symbols = (uint32_t)gen_int(gen, 0, 3);
    for (uint32_t i = 0; i < gen->n_symbols; i++) {
        int64_t least = gen_chance(gen, 40) ? 1 : 0;
        gen->symbols[i] = tn_dim_symbol(gen->ctx, tn_sv(names[i]), SYM_INPUT_DIM, least,
                                        most[gen_int(gen, 0, 2)]);
        tn_dim_symbol_of(gen->ctx, gen->symbols[i])->input = -1;
    }
}

/* A symbol is read from the first place it has among the inputs. */
static void place_symbols(Gen *gen, const Value *input) {
    for (uint32_t d = input->type.rank; d-- > 0;) {
        if (input->type.dims[d]->kind == DIM_SYM) {
            Symbol *symbol = tn_dim_symbol_of(gen->ctx, input->type.dims[d]);
            if (symbol->input < 0 || symbol->input == (int32_t)input->out) {
                symbol->input = (int32_t)input->out;
                symbol->index = (int32_t)d;
            }
        }
    }
}

static void add_input(Gen *gen, DType dtype, uint32_t rank, const Dim *const *dims) {
    char name[16];
    snprintf(name, sizeof name, "x%zu", gen->graph->inputs.len);
    Value *input = tn_graph_add_input(gen->graph, name, tn_type_make(dtype, (uint8_t)rank, dims));
    bool is_float = tn_dtype_is_float(dtype);
    gen_record(gen, input, (GenInfo){is_float ? 4 : 9, is_float ? 2 : 0});
    place_symbols(gen, input);
}

static DType any_dtype(Gen *gen) {
    static const DType others[] = {TN_I32, TN_I64, TN_BOOL, TN_I32, TN_I64, TN_BOOL, TN_I8,
                                   TN_U8,  TN_I16, TN_U16,  TN_U32, TN_U64, TN_F32,  TN_F64};
    return gen_chance(gen, 65) ? gen->float_type : GEN_PICK(gen, others);
}

/* Every symbol is a dim of some input. */
static void add_inputs(Gen *gen) {
    int64_t n = gen_int(gen, 1, 4);
    for (int64_t i = 0; i < n; i++) {
        const Dim *dims[GEN_RANK_MAX];
        uint32_t rank = (uint32_t)gen_int(gen, 0, gen_chance(gen, 20) ? GEN_RANK_MAX : 3);
        for (uint32_t d = 0; d < rank; d++) {
            dims[d] = gen_any_dim(gen);
        }
        Type type = tn_type_make(TN_F32, (uint8_t)rank, dims);
        if (gen_count(gen, &type) <= GEN_COUNT_MAX) {
            add_input(gen, any_dtype(gen), rank, dims);
        }
    }
    for (uint32_t i = 0; i < gen->n_symbols; i++) {
        const Dim *dims[2] = {gen->symbols[i], gen_const_dim(gen, gen_int(gen, 1, 9))};
        add_input(gen, gen->float_type, 2, dims);
    }
    if (gen->values.len == 0) {
        add_input(gen, gen->float_type, 1, (const Dim *[]){gen_const_dim(gen, 7)});
    }
}

typedef struct Choice {
    GenStep *step;
    int weight;
} Choice;

static const Choice choices[] = {
    {gen_step_smooth, 12}, {gen_step_arithmetic, 14}, {gen_step_exact, 5},
    {gen_step_compare, 5}, {gen_step_logic, 4},       {gen_step_select, 5},
    {gen_step_cast, 6},    {gen_step_reshape, 7},     {gen_step_transpose, 6},
    {gen_step_expand, 5},  {gen_step_slice, 7},       {gen_step_pad, 5},
    {gen_step_concat, 5},  {gen_step_gather, 6},      {gen_step_source, 3},
    {gen_step_copy, 1},    {gen_step_reduce, 8},      {gen_step_arg, 3},
    {gen_step_softmax, 4}, {gen_step_norm, 4},        {gen_step_contract, 9},
    {gen_step_conv, 9},    {gen_step_pool, 5},        {gen_step_unpool, 3},
    {gen_step_cumsum, 4},  {gen_step_scatter, 5},     {gen_step_random, 2},
    {gen_step_loop, 3}};

void gen_take_step(Gen *gen) {
    int total = 0;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        total += choices[i].weight;
    }
    int64_t at = gen_int(gen, 0, total - 1);
    size_t i = 0;
    while (at >= choices[i].weight) {
        at -= choices[i++].weight;
    }
    ArenaMark mark = tn_arena_mark(&gen->ctx->scratch);
    choices[i].step(gen);
    tn_arena_reset(&gen->ctx->scratch, mark);
}

/* Most values that nothing uses, and now and then another. */
static void add_outputs(Gen *gen) {
    char name[16];
    for (size_t i = gen->values.len; i-- > 0;) {
        Value *value = gen->values.data[i];
        size_t n = gen->graph->outputs.len;
        bool is_sink = value->n_uses == 0 && value->def != NULL && !tn_node_is_const(value->def);
        if (n < 5 && (is_sink ? gen_chance(gen, 85) || n == 0 : gen_chance(gen, 2))) {
            snprintf(name, sizeof name, "y%zu", n);
            tn_graph_add_output(gen->graph, name, value);
        }
    }
    if (gen->graph->outputs.len == 0) {
        tn_graph_add_output(gen->graph, "y0", gen->values.data[gen->values.len - 1]);
    }
}

Graph *gen_graph(Ctx *ctx, GenOptions options) {
    Gen gen = {.ctx = ctx,
               .graph = tn_graph_new(ctx, "random"),
               .random = options.seed * 0x2545f4914f6cdd1dull + 1,
               .float_type = options.float_type,
               .mag_max = 1e5};
    add_symbols(&gen);
    add_inputs(&gen);
    static const int64_t lengths[] = {3, 5, 8, 12, 20, 30};
    int64_t n_steps = GEN_PICK(&gen, lengths);
    for (int64_t i = 0; i < n_steps && ctx->diags.items.len == 0; i++) {
        gen_take_step(&gen);
    }
    add_outputs(&gen);
    return gen.graph;
}

/* ---- inputs ---- */

RefTensor *gen_inputs(Graph *graph, uint64_t seed, Arena *arena) {
    static const int64_t sizes[] = {1, 1, 2, 3, 5, 7, 8, 0};
    Ctx *ctx = graph->ctx;
    uint64_t random = seed * 0x9e3779b97f4a7c15ull + 7;
    size_t n_symbols = ctx->dims->symbols.len;
    int64_t *symbols = TN_NEW_ARRAY(arena, int64_t, n_symbols + 1);
    for (size_t i = 0; i < n_symbols; i++) {
        symbols[i] = sizes[uniform(&random, 0, 99) < 5 ? 7 : uniform(&random, 0, 6)];
        int64_t least = ctx->dims->symbols.data[i].dim->lo;
        symbols[i] = symbols[i] < least ? least : symbols[i];
    }
    RefTensor *inputs = TN_NEW_ARRAY(arena, RefTensor, graph->inputs.len + 1);
    for (size_t i = 0; i < graph->inputs.len; i++) {
        const Type *type = &graph->inputs.data[i]->type;
        int64_t dims[TN_MAX_RANK];
        for (uint32_t d = 0; d < type->rank; d++) {
            dims[d] = 0;
            tn_dim_eval(type->dims[d], symbols, &dims[d]);
        }
        inputs[i] = new_tensor(arena, type->dtype, type->rank, dims);
        for (int64_t k = 0; k < inputs[i].count; k++) {
            small_element(&random, &inputs[i], k);
        }
    }
    return inputs;
}
