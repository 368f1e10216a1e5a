/* test_elf.c: what is refused before dlopen: no model, another ABI or processor, damage.
 *
 * The shared objects are made here by the system's compiler from the fixture; without a
 * compiler these tests are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/rt.h"

static char folder[] = "/tmp/tenon-elf-XXXXXX";
static char source_root[1024];
static unsigned char *good; /* bytes of a model that opens */
static size_t good_size;

static const char *in_folder(const char *name) {
    static char path[2][256];
    static int turn;
    turn ^= 1;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_bytes(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Compiles `text` (after the fixture) to NAME in the folder; false without a compiler. */
static bool build(const char *name, const char *text) {
    char command[4096], code[4096];
    snprintf(code, sizeof code, "#include \"tests/runtime/fixture.h\"\n%s\n", text);
    write_bytes(in_folder("source.c"), code, strlen(code));
    snprintf(command, sizeof command,
             "cc -std=c17 -w -O1 -shared -fPIC -I'%s' -I'%s/include' -o '%s/%s' '%s/source.c' "
             "2>/dev/null",
             source_root, source_root, folder, name, folder);
    return system(command) == 0;
}

static int make_folder(void **state) {
    (void)state;
    /* This file is tests/runtime/test_elf.c under the root. */
    snprintf(source_root, sizeof source_root, "%s", __FILE__);
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(source_root, '/');
        if (slash) {
            *slash = '\0';
        } else {
            strcpy(source_root, ".");
        }
    }
    return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[256];
    free(good);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}

#define TABLE(fields)                                                                              \
    "const tn_model_desc twist_model = {.abi_version = TN_ABI_VERSION, .desc_size = "              \
    "sizeof(tn_model_desc), .n_symbols = 2, .name = \"twist\", .target = \"any\", "                \
    ".symbol_names = fixture_symbols, .entries = fixture_entries, .n_entries = 1, " fields "};"

static tn_status try_open(const char *path, char *error, size_t size) {
    tn_model *model = NULL;
    tn_status status = tn_model_open(path, &model, error, size);
    assert_true((status == TN_OK) == (model != NULL));
    tn_model_close(model);
    return status;
}

/* Expects `status` and `text`, and that no code of the file ran. */
static void refuse(const char *name, tn_status status, const char *text) {
    char error[512] = "";
    assert_int_equal(try_open(in_folder(name), error, sizeof error), status);
    if (!strstr(error, text) || !strstr(error, name)) {
        fail_msg("expected '%s' and the file's name in '%s'", text, error);
    }
}

#define MARK_RUN                                                                                   \
    "#include <stdlib.h>\n__attribute__((constructor)) static void ran(void) {"                    \
    " setenv(\"TENON_TEST_RAN\", \"1\", 1); }\n"

static void opens_a_model(void **state) {
    (void)state;
    char error[512];
    if (!build("good.so", TABLE(""))) {
        skip();
    }
    assert_int_equal(try_open(in_folder("good.so"), error, sizeof error), TN_OK);
    tn_model *model;
    assert_int_equal(tn_model_open(in_folder("good.so"), &model, error, sizeof error), TN_OK);
    assert_string_equal(tn_model_describe(model)->name, "twist");
    tn_session *session;
    assert_int_equal(tn_session_create(model, NULL, &session, error, sizeof error), TN_OK);
    float x[3] = {1, 2, 3}, y[3] = {10, 20, 30}, z[3], s[2];
    int64_t pick = 2;
    tn_tensor in[] = {{.data = x, .dtype = TN_F32, .rank = 2, .dims = {1, 3}},
                      {.data = y, .dtype = TN_F32, .rank = 2, .dims = {1, 3}},
                      {.data = &pick, .dtype = TN_I64, .rank = 1, .dims = {1}}};
    tn_tensor out[] = {{.data = z, .dtype = TN_F32, .rank = 2, .dims = {1, 3}},
                       {.data = s, .dtype = TN_F32, .rank = 1, .dims = {2}}};
    assert_int_equal(tn_session_run(session, in, 3, out, 2), TN_OK);
    assert_true(z[0] == 16 && z[1] == 24 && z[2] == 32 && s[1] == 1);
    tn_session_destroy(session);
    tn_model_close(model);
}

static void opens_by_bare_name(void **state) {
    (void)state;
    char error[512], back[1024];
    if (!build("good.so", TABLE(""))) {
        skip();
    }
    assert_non_null(getcwd(back, sizeof back));
    assert_int_equal(chdir(folder), 0);
    tn_status status = try_open("good.so", error, sizeof error);
    assert_int_equal(chdir(back), 0);
    assert_int_equal(status, TN_OK);
}

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    unsetenv("TENON_TEST_RAN");
    if (!build("abi.so", MARK_RUN "const struct { unsigned v, s, f; } old_model = {77, 12, 0};")) {
        skip();
    }
    refuse("abi.so", TN_UNSUPPORTED, "made for ABI version 77, this runtime has version 2");
    build("cpu.so", MARK_RUN TABLE(".cpu_features = 1u << 31"));
    refuse("cpu.so", TN_UNSUPPORTED, "this model needs features 0x80000000");
    build("small.so",
          MARK_RUN "const struct { unsigned v, s, f; } a_model = {TN_ABI_VERSION, 12, 0};");
    refuse("small.so", TN_BAD_INPUT, "its describing table is too small");
    build("none.so", MARK_RUN "int other;");
    refuse("none.so", TN_BAD_INPUT, "no exported symbol ends in \"_model\"");
    build("two.so", MARK_RUN "int a_model[99] = {2}, b_model[99] = {2};");
    refuse("two.so", TN_BAD_INPUT, "more than one");
    build("code.so", MARK_RUN "void a_model(void) {}");
    refuse("code.so", TN_BAD_INPUT, "no exported symbol");
    build("bss.so", MARK_RUN "tn_model_desc a_model;");
    refuse("bss.so", TN_BAD_INPUT, "not in the file");
    assert_null(getenv("TENON_TEST_RAN"));
}

static void refuses_other_files(void **state) {
    (void)state;
    write_bytes(in_folder("empty.so"), "", 0);
    refuse("empty.so", TN_BAD_INPUT, "not an ELF shared object");
    write_bytes(in_folder("text.so"), "hello, this is not a model at all", 33);
    refuse("text.so", TN_BAD_INPUT, "not a Tenon model");
    refuse("missing.so", TN_IO, "cannot open: No such file");
    assert_int_equal(mkdir(in_folder("dir.so"), 0700), 0);
    refuse("dir.so", TN_IO, "not a regular file");
    assert_int_equal(mkfifo(in_folder("fifo.so"), 0600), 0);
    refuse("fifo.so", TN_IO, "not a regular file");
    assert_int_equal(try_open(NULL, NULL, 0), TN_USAGE);
}

static bool load_good(void) {
    if (!build("good.so", TABLE(""))) {
        return false;
    }
    FILE *file = fopen(in_folder("good.so"), "rb");
    assert_non_null(file);
    good = good ? good : malloc(1 << 20);
    good_size = fread(good, 1, 1 << 20, file);
    fclose(file);
    return true;
}

static void refuses_truncations(void **state) {
    (void)state;
    if (!load_good()) {
        skip();
    }
    char error[512];
    for (size_t size = 0; size < good_size; size += size < 512 ? 1 : 61) {
        write_bytes(in_folder("cut.so"), good, size);
        assert_int_equal(try_open(in_folder("cut.so"), error, sizeof error), TN_BAD_INPUT);
        assert_non_null(strstr(error, "not a Tenon model"));
    }
}

/* Mutations are only probed, not opened: the bytes of code may be anything. */
static void survives_mutations(void **state) {
    (void)state;
    if (!load_good()) {
        skip();
    }
    uint64_t random = 1;
    unsigned char *copy = malloc(good_size);
    assert_non_null(copy);
    for (int round = 0; round < 1500; round++) {
        memcpy(copy, good, good_size);
        for (int change = 0; change < 4; change++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            size_t part = random >> 20 & 1; /* half in the headers, half at the end */
            size_t at = (size_t)(random >> 33) % 1024;
            copy[part && good_size > 1024 ? good_size - 1 - at : at % good_size] =
                random >> 60 & 1 ? 0xff : (unsigned char)(random >> 24);
        }
        write_bytes(in_folder("mutant.so"), copy, good_size);
        ElfModel probe;
        char error[256] = "";
        tn_status status =
            tn_elf_probe(in_folder("mutant.so"), &probe, (ErrorText){error, sizeof error});
        assert_true(status == TN_OK || error[0] != '\0');
    }
    free(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_a_model),
        cmocka_unit_test(opens_by_bare_name),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(refuses_other_files),
        cmocka_unit_test(refuses_truncations),
        cmocka_unit_test(survives_mutations),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
