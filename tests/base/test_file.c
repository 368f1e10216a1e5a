/* test_file.c: files that appear complete or not at all. */
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char folder[] = "/tmp/tenon-file-XXXXXX";
static bool all_have_names; /* as on a file system without nameless files */

/* In the place of the C library's. */
int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    unsigned mode = va_arg(args, unsigned);
    va_end(args);
    if (all_have_names && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static const char *in_folder(const char *name) {
    static char paths[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

static int count_files(void) {
    int n = -2; /* . and .. */
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static void expect_content(const char *name, const char *text) {
    char got[64] = "";
    FILE *file = fopen(in_folder(name), "rb");
    assert_non_null(file);
    got[fread(got, 1, sizeof got - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(got, text);
}

static Output start(const char *name, const char *text) {
    Output out;
    assert_true(tn_output_open(in_folder(name), &out));
    assert_true(tn_write_all(out.fd, text, strlen(text)));
    return out;
}

static void put(const char *name, const char *text) {
    Output out = start(name, text);
    assert_true(tn_output_close(&out, true));
    expect_content(name, text);
}

static int set_up(void **state) {
    (void)state;
    all_have_names = false;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static int set_up_named(void **state) {
    int code = set_up(state);
    all_have_names = true;
    return code;
}

static int tear_down(void **state) {
    (void)state;
    char line[256];
    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    return system(line);
}

static void appears_when_complete(void **state) {
    (void)state;
    Output out = start("a", "one");
    assert_int_not_equal(access(in_folder("a"), F_OK), 0);
    assert_int_equal(count_files(), all_have_names ? 1 : 0);
    assert_true(tn_output_close(&out, true));
    expect_content("a", "one");
    assert_int_equal(count_files(), 1);
}

static void forgotten_leaves_what_was_there(void **state) {
    (void)state;
    put("a", "one");
    Output out = start("a", "two");
    errno = ENOSPC; /* why it is given up */
    assert_false(tn_output_close(&out, false));
    assert_int_equal(errno, ENOSPC);
    expect_content("a", "one");
    assert_int_equal(count_files(), 1);
}

static void two_at_once(void **state) {
    (void)state;
    Output first = start("a", "first"), second = start("a", "second");
    assert_true(tn_output_close(&second, true));
    expect_content("a", "second");
    assert_true(tn_output_close(&first, true));
    expect_content("a", "first");
    assert_int_equal(count_files(), 1);
}

static void a_leftover_is_no_obstacle(void **state) {
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "tenon-%ld-0.part", (long)getpid());
    put(name, "left");
    put("a", "one");
    expect_content(name, "left");
    assert_int_equal(count_files(), 2);
}

static void mode_is_that_of_new_files(void **state) {
    (void)state;
    struct stat info;
    mode_t mask = umask(027);
    put("a", "one");
    umask(mask);
    assert_int_equal(stat(in_folder("a"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
}

static void follows_links(void **state) {
    (void)state;
    struct stat info;
    put("a", "one");
    assert_int_equal(symlink("a", in_folder("link")), 0);
    put("link", "two");
    expect_content("a", "two");
    assert_int_equal(lstat(in_folder("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
}

static void longest_names(void **state) {
    (void)state;
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    put(name, "one");
    assert_int_equal(count_files(), 1);
}

static void refuses(void **state) {
    (void)state;
    Output out;
    assert_false(tn_output_open(in_folder("none/a"), &out));
    assert_int_equal(errno, ENOENT);
    assert_false(tn_output_open(folder, &out));
    assert_int_equal(errno, EISDIR);
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_false(tn_output_open(in_folder("fifo"), &out)); /* nobody reads */
    assert_int_equal(errno, ENXIO);
    out = start("a", "one");
    assert_int_equal(mkdir(in_folder("a"), 0700), 0);
    assert_false(tn_output_close(&out, true));
    assert_int_equal(errno, EISDIR);
    assert_int_equal(count_files(), 2);
}

static void in_place(void **state) {
    (void)state;
    Output out;
    assert_false(tn_output_makes_file("-"));
    assert_false(tn_output_makes_file("/dev/full"));
    assert_true(tn_output_makes_file(in_folder("new")));
    assert_true(tn_output_open("/dev/full", &out));
    assert_false(tn_write_all(out.fd, "x", 1));
    assert_int_equal(errno, ENOSPC);
    assert_true(tn_output_close(&out, true));
    assert_int_equal(access("/dev/full", F_OK), 0);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down), {                                    \
        #test " (named)", test, set_up_named, tear_down, NULL                                      \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(appears_when_complete),
        BOTH(forgotten_leaves_what_was_there),
        BOTH(two_at_once),
        BOTH(a_leftover_is_no_obstacle),
        BOTH(mode_is_that_of_new_files),
        BOTH(follows_links),
        BOTH(longest_names),
        BOTH(refuses),
        cmocka_unit_test_setup_teardown(in_place, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
