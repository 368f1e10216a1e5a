/* tenon/runtime.h: the ABI of a compiled model, and the small library that runs one.
 *
 * Part 1 is what emitted code and its callers share: plain data, no functions.
 * Part 2 is libtenon_rt, which needs libc, libm and (optionally) OpenMP only.
 *
 * Thread rules: a tn_model is immutable after opening and may be shared; a
 * tn_session belongs to one run at a time; several sessions of one model may
 * run at once. Nothing here prints, exits, aborts or touches errno's meaning.
 */
#ifndef TENON_RUNTIME_H
#define TENON_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Part 1: the ABI -------------------------------------------------- */

enum { TN_ABI_VERSION = 2, TN_MAX_RANK = 16 };

typedef enum tn_status {
    TN_OK = 0,
    TN_USAGE = 1,       /* wrong call or command line */
    TN_BAD_INPUT = 2,   /* malformed model, wrong shape, type or name */
    TN_UNSUPPORTED = 3, /* valid, but not something Tenon (or this CPU) does */
    TN_LIMIT = 4,       /* over a size or time limit, or out of memory */
    TN_IO = 5,
    TN_INTERNAL = 6     /* our bug */
} tn_status;

/* Element types; the numbers are part of the ABI (same as ONNX's TensorProto.DataType). */
typedef enum tn_dtype {
    TN_DT_NONE = 0,
    TN_F32 = 1,
    TN_U8 = 2,
    TN_I8 = 3,
    TN_U16 = 4,
    TN_I16 = 5,
    TN_I32 = 6,
    TN_I64 = 7,
    TN_STRING = 8,
    TN_BOOL = 9, /* one byte, 0 or 1 */
    TN_F16 = 10,
    TN_F64 = 11,
    TN_U32 = 12,
    TN_U64 = 13,
    TN_BF16 = 16
} tn_dtype;

/* A dense row-major tensor in the caller's memory. */
typedef struct tn_tensor {
    void *data;
    int32_t dtype; /* tn_dtype */
    int32_t rank;
    int64_t dims[TN_MAX_RANK];
} tn_tensor;

/* CPU features a compiled model may need; bits of tn_model_desc.cpu_features. */
enum {
    TN_CPU_SSE42 = 1 << 0,  /* x86-64-v2 */
    TN_CPU_AVX2 = 1 << 1,   /* x86-64-v3: AVX2, FMA, BMI, F16C */
    TN_CPU_AVX512 = 1 << 2, /* x86-64-v4: F, BW, CD, DQ, VL */
    TN_CPU_BF16 = 1 << 3,   /* AVX512-BF16 */
    TN_CPU_VNNI = 1 << 4
};

/* One input or output. A dimension is `dims[i]` when that is
 * >= 0, else the symbol number `-1 - dims[i]`. */
typedef struct tn_io_desc {
    const char *name;
    int32_t dtype;
    int32_t rank;
    const int64_t *dims;
    uint64_t offset; /* 0 */
} tn_io_desc;

/* What a variable of the state region is for. */
typedef enum tn_state_role {
    TN_STATE_PARAM = 0,     /* what training changes: weights */
    TN_STATE_BUFFER = 1,    /* the model's own, not trained: running means */
    TN_STATE_OPTIMIZER = 2, /* moments and the like */
    TN_STATE_GRAD = 3,      /* sums of gradients between `grad` and `apply` */
    TN_STATE_COUNTER = 4    /* steps taken, the seed */
} tn_state_role;

/* One variable of the state region: a dense row-major tensor of static shape. */
typedef struct tn_state_desc {
    const char *name;
    int32_t dtype;
    int32_t rank;
    const int64_t *dims;
    uint64_t offset; /* in bytes, a multiple of 64 */
    int32_t role;    /* tn_state_role */
    int32_t reserved; /* 0 */
} tn_state_desc;

/* A hyper-parameter: a number that training entries take at each call. */
typedef struct tn_hyper_desc {
    const char *name;
    double value; /* what a session starts with */
} tn_hyper_desc;

/* What emitted code receives for one run. All memory is the caller's. */
typedef struct tn_run {
    const void *const *in;
    void *const *out;
    const unsigned char *weights; /* read-only region, 64-byte aligned */
    unsigned char *state;         /* parameters and optimiser state, 64-byte aligned */
    unsigned char *arena;         /* scratch, 64-byte aligned, plan[0] bytes */
    const int64_t *plan;          /* as filled by the entry's plan function */
    const double *hyper;          /* hyper-parameters of training entries */
    void (*barrier)(void *team);  /* all threads of the run meet here */
    void *team;
} tn_run;

/* One entry point of a model ("infer", "init", "step", ...).
 *
 * plan: given the inputs (dims and, for small integer inputs that shapes depend
 * on, data) and the number of threads, fills `plan` (n_plan words): plan[0] the
 * arena's bytes, plan[1] the number of dims that follow for the outputs in
 * order (flattened), the rest private. Returns 0, or 1 + the number of the check
 * in `checks` that failed. Called by one thread.
 * run: the SPMD body; every thread of the team calls it with its number. */
typedef struct tn_entry_desc {
    const char *name;
    const tn_io_desc *inputs;
    const tn_io_desc *outputs;
    int32_t n_inputs, n_outputs;
    int32_t n_plan;
    int32_t n_checks;
    const char *const *checks; /* what each plan check demands, as text */
    int32_t (*plan)(const tn_tensor *inputs, int32_t n_threads, int64_t *plan);
    void (*run)(const tn_run *run, int32_t thread, int32_t n_threads);
    int32_t n_kernels;
    const char *const *kernel_names; /* the model's own node names, for profiles */
    /* Runs kernel `index` alone, in order, for per-kernel timing. */
    void (*run_kernel)(const tn_run *run, int32_t index, int32_t thread, int32_t n_threads);
    /* Operations of each kernel: an estimate with symbols at their hints. */
    const double *kernel_flops;
} tn_entry_desc;

/* The describing table; a model exports exactly one symbol `<prefix>_model` of this type. */
typedef struct tn_model_desc {
    uint32_t abi_version; /* TN_ABI_VERSION */
    uint32_t desc_size;   /* sizeof(tn_model_desc) */
    uint32_t cpu_features;
    int32_t n_symbols;
    const char *name;
    const char *target;                /* e.g. "x86-64-v4" */
    const char *const *symbol_names;   /* symbolic dims by number */
    const tn_entry_desc *entries;
    int32_t n_entries;
    int32_t n_state;
    const tn_state_desc *state;        /* layout of the state region */
    uint64_t state_bytes;
    uint64_t weight_bytes;
    const unsigned char *weights;      /* embedded weights, or NULL: caller supplies them */
    uint64_t weight_hash;              /* tn_hash of the region, checked for external weights */
    const tn_hyper_desc *hyper;
    int64_t n_hyper;
    const void *reserved[6];
} tn_model_desc;

/* ---- Part 2: libtenon_rt ---------------------------------------------- */

#if defined(__GNUC__)
#define TN_API __attribute__((visibility("default")))
#else
#define TN_API
#endif

typedef struct tn_model tn_model;
typedef struct tn_session tn_session;

/* A caller's own threads: run `body(arg, i, n)` for i in 0..n-1 concurrently and
 * return when all are done. All n must really run at the same time. */
typedef struct tn_thread_pool {
    void (*parallel)(void *self, int32_t n_threads,
                     void (*body)(void *arg, int32_t thread, int32_t n_threads), void *arg);
    void *self;
} tn_thread_pool;

/* Text of the last failure is written to `error` (NUL-terminated, cut at `error_size`). */

/* Opens a compiled shared object. Checks the file before any of its code can
 * run: ABI version, structure size, CPU features. TN_UNSUPPORTED for a CPU that
 * lacks what it needs. */
TN_API tn_status tn_model_open(const char *path, tn_model **out, char *error, size_t error_size);
/* Wraps a model linked into the program (static library, object or C source).
 * `weights` may be NULL when the model embeds them. */
TN_API tn_status tn_model_from_desc(const tn_model_desc *desc, const void *weights,
                                    size_t weight_bytes, tn_model **out, char *error,
                                    size_t error_size);
/* As tn_model_from_desc for a model whose code and weights belong to `owner`, e.g. a
 * JIT: tn_model_close calls `release(owner)` last. After a failure `owner` is still the
 * caller's. The weights are trusted: their hash is not checked. */
TN_API tn_status tn_model_adopt(const tn_model_desc *desc, const void *weights, size_t weight_bytes,
                                void (*release)(void *owner), void *owner, tn_model **out,
                                char *error, size_t error_size);
TN_API void tn_model_close(tn_model *model);
TN_API const tn_model_desc *tn_model_describe(const tn_model *model);
/* The features of this processor, TN_CPU_ bits. */
TN_API uint32_t tn_cpu_features(void);

/* A session holds one arena and one plan. `entry` NULL means "infer". */
TN_API tn_status tn_session_create(const tn_model *model, const char *entry, tn_session **out,
                                   char *error, size_t error_size);
TN_API void tn_session_destroy(tn_session *session);
/* Threads for the following runs: 0 means one per core the process may use. */
TN_API void tn_session_set_threads(tn_session *session, int32_t n_threads);
/* The number in force, never 0. */
TN_API int32_t tn_session_threads(const tn_session *session);
TN_API void tn_session_set_pool(tn_session *session, const tn_thread_pool *pool);
/* State of a model that trains: one region of desc->state_bytes, zeroed, 64-byte aligned; may be
 * copied as bytes. The entry `init` fills it. NULL when out of memory. Several states of one
 * model may train at once. A state is plain memory: any region that is large enough and aligned
 * will do, and it may outlive the model. */
TN_API void *tn_state_create(const tn_model *model);
TN_API void tn_state_destroy(void *state);
/* The variable of that name as a tensor whose data lies in `state`; TN_BAD_INPUT when there is
 * none. */
TN_API tn_status tn_state_find(const tn_model *model, void *state, const char *name,
                               tn_tensor *out);
/* The region that the following runs read and write, borrowed. A session of a model with state
 * cannot run before it has one (TN_USAGE); planning needs none. Runs on one state must not
 * overlap. */
TN_API void tn_session_set_state(tn_session *session, void *state);
/* A hyper-parameter of the following runs; TN_BAD_INPUT for a name the model does not have. */
TN_API tn_status tn_session_set_hyper(tn_session *session, const char *name, double value);
/* Checks types, ranks and dims of the inputs, sizes the arena, and returns the
 * outputs' dtypes and dims in `outputs` (their data pointers are left alone).
 * This is the only call that allocates; it does nothing when the shapes are
 * those of the last call. */
TN_API tn_status tn_session_plan(tn_session *session, const tn_tensor *inputs, int32_t n_inputs,
                                 tn_tensor *outputs, int32_t n_outputs);
/* Runs on the caller's memory. Plans first if shapes changed since the last
 * plan. Outputs must have the planned dims. */
TN_API tn_status tn_session_run(tn_session *session, const tn_tensor *inputs, int32_t n_inputs,
                                const tn_tensor *outputs, int32_t n_outputs);
/* As tn_session_run, filling `ms` (n_kernels of the entry) with the time of each kernel. */
TN_API tn_status tn_session_profile(tn_session *session, const tn_tensor *inputs, int32_t n_inputs,
                                    const tn_tensor *outputs, int32_t n_outputs, double *ms);
/* What the last failing call on this session had to say; never NULL. */
TN_API const char *tn_session_error(const tn_session *session);
TN_API size_t tn_session_arena_bytes(const tn_session *session);

/* Bytes of one element, 0 for TN_STRING and unknown types; and the type's name ("f32"). */
TN_API size_t tn_dtype_size(int32_t dtype);
TN_API const char *tn_dtype_name(int32_t dtype);
/* Elements of a tensor, or -1 when the product overflows or a dim is negative. */
TN_API int64_t tn_tensor_count(const tn_tensor *tensor);

#ifdef __cplusplus
}
#endif

#endif
