/* test_entry.c: what comes out as a whole: files with one visible symbol and no needs, the same
 * bytes at every compile, C that other compilers take without a warning, and the ABI.
 */
#include <elf.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "codegen/entry.h"

typedef struct Session {
    tn_compiler *compiler;
    tn_graph *graph;
    char folder[64];
} Session;

/* Several kernels, a symbolic size, weights, maths, a bool, integers, an expression of a
 * symbol among the outputs, and names that could end a string or a comment. */
static void build(Session *s) {
    static const float weights[35] = {1, -2, 0.5f, 3, -1, 0.25f, 2, 1, 1, -0.5f, 0.125f, 2, -3};
    const char *names[] = {"N", NULL, NULL};
    tn_graph *g = s->graph = tn_graph_create(s->compiler, "odd \"name\" */ \\ ?\?/ \x01");
    tn_value *x = tn_input(g, "in\"*/put", TN_F32, 2, (int64_t[]){-1, 5}, names);
    tn_value *k = tn_input(g, "k", TN_I64, 1, (int64_t[]){3}, NULL);
    tn_value *w = tn_constant(g, TN_F32, 2, (int64_t[]){5, 7}, weights);
    tn_value *y = tn_matmul(g, x, w);
    tn_value *t = tn_apply(g, "Tanh", &y, 1, NULL);
    tn_value *e = tn_apply(g, "Erf", &y, 1, NULL);
    tn_output(g, "power", tn_apply(g, "Pow", (tn_value *[]){t, e}, 2, NULL));
    tn_output(g, "nan", tn_apply(g, "IsNaN", &y, 1, NULL));
    tn_output(g, "cat", tn_apply(g, "Concat", (tn_value *[]){x, x}, 2, "axis=0"));
    tn_output(g, "quotient", tn_div(g, k, tn_scalar(g, TN_I64, -1)));
    tn_output(g, "soft", tn_softmax(g, y, 1));
}

static int set_up(void **state) {
    Session *s = calloc(1, sizeof *s);
    s->compiler = tn_compiler_create();
    build(s);
    strcpy(s->folder, "/tmp/tenon-test-XXXXXX");
    *state = s;
    return mkdtemp(s->folder) == NULL;
}

static int tear_down(void **state) {
    Session *s = *state;
    char *const argv[] = {"rm", "-rf", s->folder, NULL};
    pid_t pid;
    int status;
    if (posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) == 0) {
        waitpid(pid, &status, 0);
    }
    tn_compiler_destroy(s->compiler);
    free(s);
    return 0;
}

static char *path_of(const Session *s, const char *name) {
    char *path = malloc(128);
    snprintf(path, 128, "%s/%s", s->folder, name);
    return path;
}

static char *compile_to(const Session *s, const char *name) {
    char *path = path_of(s, name);
    if (tn_compile_file(s->compiler, s->graph, TN_EMIT_AUTO, path) != TN_OK) {
        fail_msg("%s", tn_compiler_messages(s->compiler));
    }
    return path;
}

static unsigned char *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    fseek(file, 0, SEEK_SET);
    unsigned char *bytes = malloc(*size + 1);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    bytes[*size] = 0;
    fclose(file);
    return bytes;
}

/* ---- symbols ---- */

/* The section headers and one symbol table of a whole ELF file. */
static const Elf64_Sym *symbols_of(const unsigned char *file, uint32_t type, size_t *n,
                                   const char **strings) {
    const Elf64_Ehdr *header = (const void *)file;
    const Elf64_Shdr *sections = (const void *)(file + header->e_shoff);
    for (int i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type == type) {
            *n = sections[i].sh_size / sizeof(Elf64_Sym);
            *strings = (const char *)file + sections[sections[i].sh_link].sh_offset;
            return (const void *)(file + sections[i].sh_offset);
        }
    }
    *n = 0;
    return NULL;
}

/* One visible symbol, nothing undefined, nothing writable but what the loader fixes. */
static void check_symbols(const char *path, uint32_t table) {
    size_t size, n;
    const char *strings = "";
    unsigned char *file = read_all(path, &size);
    const Elf64_Sym *symbols = symbols_of(file, table, &n, &strings);
    int visible = 0;
    for (size_t i = 1; i < n; i++) {
        const char *name = strings + symbols[i].st_name;
        bool local = ELF64_ST_BIND(symbols[i].st_info) == STB_LOCAL;
        bool hidden = ELF64_ST_VISIBILITY(symbols[i].st_other) == STV_HIDDEN;
        if (local) {
            continue;
        }
        if (symbols[i].st_shndx == SHN_UNDEF) {
            fail_msg("%s needs %s", path, name);
        }
        if (!hidden) {
            assert_string_equal(name, "model_model");
            visible++;
        }
        assert_memory_equal(name, "model_", 6);
    }
    assert_int_equal(visible, 1);
    free(file);
}

static void test_symbols(void **state) {
    Session *s = *state;
    static const char *const targets[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(tn_compiler_set(s->compiler, "march", targets[i]));
        char *so = compile_to(s, "m.so"), *object = compile_to(s, "m.o");
        check_symbols(so, SHT_DYNSYM);
        check_symbols(object, SHT_SYMTAB);
        free(so);
        free(object);
    }
}

/* ---- repetition ---- */

static void test_same_bytes(void **state) {
    Session *s = *state;
    static const char *const names[][2] = {
        {"a.c", "b.c"}, {"a.o", "b.o"}, {"a.so", "b.so"}, {"a.a", "b.a"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t sizes[2];
        char *a = compile_to(s, names[i][0]), *b = compile_to(s, names[i][1]);
        unsigned char *first = read_all(a, &sizes[0]), *second = read_all(b, &sizes[1]);
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(first, second, sizes[0]);
        free(first);
        free(second);
        free(a);
        free(b);
    }
}

/* ---- other compilers ---- */

/* The exit status, or -1 when there is no such program. */
static int run(const char *const *argv) {
    pid_t pid;
    int status = 0;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ) != 0) {
        return -1;
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static bool have(const char *program) {
    return run((const char *const[]){"sh", "-c", "command -v \"$0\" >/dev/null", program, NULL}) ==
           0;
}

static void build_c(const char *compiler, const char *source, const char *march, const char *extra,
                    const char *embed) {
    char *object = malloc(256), arch[64];
    snprintf(object, 256, "%s.%s.o", source, compiler);
    snprintf(arch, sizeof arch, "-march=%s", march);
    const char *const argv[] = {compiler, "-std=c17", "-O1", "-Wall", "-Wextra", "-Werror", arch,
                                extra,    embed,      "-c",  source,  "-o",      object,    NULL};
    if (run(argv) != 0) {
        fail_msg("%s -march=%s %s refuses %s", compiler, march, extra, source);
    }
    free(object);
}

static void test_other_compilers(void **state) {
    Session *s = *state;
    static const char *const compilers[] = {"gcc", "clang", "clang-19"};
    static const char *const targets[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
    int used = 0;
    assert_true(tn_compiler_set(s->compiler, "march", "native"));
    char *source = compile_to(s, "m.c"), *weights = path_of(s, "m.weights"), embed[192];
    snprintf(embed, sizeof embed, "-DTENON_EMBED_WEIGHTS=\"%s\"", weights);
    for (size_t c = 0; c < 3; c++) {
        if (!have(compilers[c])) {
            continue;
        }
        for (size_t i = 0; i < 3; i++) {
            build_c(compilers[c], source, targets[i], "-fPIC", "-DPLAIN");
        }
        build_c(compilers[c], source, "x86-64", "-fPIC", embed);
        if (c == 0) {
            build_c(compilers[c], source, "x86-64-v3", "-fopenmp", embed);
        }
        used++;
    }
    free(source);
    free(weights);
    if (used == 0) {
        skip();
    }
}

/* ---- the ABI ---- */

#define SIZE_OF(type) "_Static_assert(sizeof(" #type ") == %zu, \"\");\n"
#define AT(type, field) "_Static_assert(__builtin_offsetof(" #type ", " #field ") == %zu, \"\");\n"

static void test_abi(void **state) {
    (void)state;
    char checks[4096];
    snprintf(checks, sizeof checks,
             SIZE_OF(tn_tensor) AT(tn_tensor, rank) AT(tn_tensor, dims) SIZE_OF(tn_io_desc)
                 AT(tn_io_desc, dims) AT(tn_io_desc, offset) SIZE_OF(tn_run) AT(tn_run, weights) AT(
                     tn_run, arena) AT(tn_run, plan) AT(tn_run, barrier) AT(tn_run, team)
                     SIZE_OF(tn_entry_desc) AT(tn_entry_desc, n_inputs) AT(tn_entry_desc, checks)
                         AT(tn_entry_desc, run) AT(tn_entry_desc, run_kernel)
                             AT(tn_entry_desc, kernel_flops) SIZE_OF(tn_model_desc)
                                 AT(tn_model_desc, cpu_features) AT(tn_model_desc,
                                                                    name) AT(tn_model_desc, entries)
                                     AT(tn_model_desc, n_state) AT(tn_model_desc, weight_bytes)
                                         AT(tn_model_desc, weight_hash) AT(tn_model_desc, reserved),
             sizeof(tn_tensor), offsetof(tn_tensor, rank), offsetof(tn_tensor, dims),
             sizeof(tn_io_desc), offsetof(tn_io_desc, dims), offsetof(tn_io_desc, offset),
             sizeof(tn_run), offsetof(tn_run, weights), offsetof(tn_run, arena),
             offsetof(tn_run, plan), offsetof(tn_run, barrier), offsetof(tn_run, team),
             sizeof(tn_entry_desc), offsetof(tn_entry_desc, n_inputs),
             offsetof(tn_entry_desc, checks), offsetof(tn_entry_desc, run),
             offsetof(tn_entry_desc, run_kernel), offsetof(tn_entry_desc, kernel_flops),
             sizeof(tn_model_desc), offsetof(tn_model_desc, cpu_features),
             offsetof(tn_model_desc, name), offsetof(tn_model_desc, entries),
             offsetof(tn_model_desc, n_state), offsetof(tn_model_desc, weight_bytes),
             offsetof(tn_model_desc, weight_hash), offsetof(tn_model_desc, reserved));
    for (uint32_t i = 0; tn_target_at(i) != NULL; i++) {
        char source[16384], *error = NULL;
        int n = snprintf(
            source, sizeof source,
            "typedef int int32_t; typedef unsigned uint32_t; typedef long int64_t;\n"
            "typedef unsigned long uint64_t;\n%s%s_Static_assert(TN_FEATURES == %uu, \"\");\n",
            tn_entry_abi, checks, tn_target_at(i)->features);
        assert_true(n > 0 && (size_t)n < sizeof source);
        Bytes object = {0};
        if (!tn_clang_compile(source, (size_t)n, tn_target_at(i), 1, CLANG_OBJECT, &object,
                              &error)) {
            fail_msg("%s", error);
        }
        free(object.data);
    }
}

/* ---- running ---- */

/* One compiled model at several sizes, some none at all, against the evaluator. */
static void check_size(Session *s, const tn_model *compiled, int64_t n) {
    char error[256];
    tn_session *session;
    float *x = calloc((size_t)n * 5 + 1, sizeof *x);
    int64_t k[3] = {7, -7, INT64_MIN};
    for (int64_t i = 0; i < n * 5; i++) {
        x[i] = (float)(i % 17) / 8 - 1;
    }
    tn_tensor in[2] = {{x, TN_F32, 2, {n, 5}}, {k, TN_I64, 1, {3}}};
    tn_tensor expected[5] = {{0}}, found[5] = {{0}};
    assert_int_equal(tn_evaluate(s->compiler, s->graph, in, 2, expected, 5), TN_OK);
    assert_int_equal(tn_session_create(compiled, NULL, &session, error, sizeof error), TN_OK);
    if (tn_session_plan(session, in, 2, found, 5) != TN_OK) {
        fail_msg("%s", tn_session_error(session));
    }
    for (int i = 0; i < 5; i++) {
        assert_memory_equal(found[i].dims, expected[i].dims,
                            (size_t)found[i].rank * sizeof(int64_t));
        found[i].data = calloc((size_t)tn_tensor_count(&found[i]) + 1, 8);
    }
    assert_int_equal(tn_session_run(session, in, 2, found, 5), TN_OK);
    for (int i = 0; i < 5; i++) {
        for (int64_t at = 0; at < tn_tensor_count(&found[i]); at++) {
            if (found[i].dtype == TN_F32) {
                float a = ((float *)expected[i].data)[at], b = ((float *)found[i].data)[at];
                assert_true((a != a && b != b) || (a - b < 1e-5f && b - a < 1e-5f));
            } else {
                size_t bytes = tn_dtype_size(found[i].dtype);
                assert_memory_equal((char *)expected[i].data + (size_t)at * bytes,
                                    (char *)found[i].data + (size_t)at * bytes, bytes);
            }
        }
        free(expected[i].data);
        free(found[i].data);
    }
    tn_session_destroy(session);
    free(x);
}

static void test_sizes(void **state) {
    Session *s = *state;
    tn_model *compiled = NULL;
    if (tn_compile_jit(s->compiler, s->graph, &compiled) != TN_OK) {
        fail_msg("%s", tn_compiler_messages(s->compiler));
    }
    static const int64_t sizes[] = {1, 0, 2, 33, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_size(s, compiled, sizes[i]);
    }
    tn_model_close(compiled);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbols),         cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_other_compilers), cmocka_unit_test(test_abi),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
