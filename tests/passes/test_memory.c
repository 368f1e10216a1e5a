/* test_memory.c: the arena of networks and their training steps is hardly larger than what has to
 * be in it at once, and what is alive at once lies apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/frontend.h"
#include "ir/target.h"
#include "passes/pass.h"
#include "tenon/tenon.h"

static const char *const models[] = {
    "examples/fashion_cnn.onnx",
    "examples/train/autoencoder.tn",
    "examples/train/cnn.tn",
    "examples/train/gan.tn",
    "examples/train/gru.tn",
    "examples/train/inception.tn",
    "examples/train/lstm.tn",
    "examples/train/mlp.tn",
    "examples/train/resnet.tn",
    "examples/train/transformer.tn",
    "examples/train/vae.tn",
    "bench/cnn.tn",
    "bench/gpt.tn",
    "bench/lstm.tn",
};

static bool alive(const Slot *slot, int32_t step) {
    return slot->kind == SLOT_ARENA && slot->first >= 0 && slot->first <= step &&
           step <= slot->last;
}

static uint64_t bytes_of(const Slot *slot) {
    return (uint64_t)slot->bytes->value;
}

static uint64_t live_bytes(const Program *program, int32_t step) {
    uint64_t sum = 0;
    for (size_t i = 0; i < program->slots.len; i++) {
        const Slot *slot = program->slots.data[i];
        sum += alive(slot, step) ? bytes_of(slot) : 0;
    }
    return sum;
}

/* Two slots are alive at once when the later one begins while the other lives. */
static void check_apart(const Program *program, const char *name) {
    for (size_t i = 0; i < program->slots.len; i++) {
        const Slot *a = program->slots.data[i];
        for (size_t k = 0; k < program->slots.len; k++) {
            const Slot *b = program->slots.data[k];
            if (a != b && alive(b, b->first) && alive(a, b->first) &&
                a->offset < b->offset + bytes_of(b) && b->offset < a->offset + bytes_of(a)) {
                fail_msg("%s: slots %u and %u share bytes", name, a->id, b->id);
            }
        }
        if (alive(a, a->first)) {
            assert_true(a->offset + bytes_of(a) <= program->arena_bytes);
        }
    }
}

static void check_program(const Program *program, const char *path) {
    uint64_t most = 0;
    assert_true(program->static_plan);
    for (int32_t step = 0; step < (int32_t)program->steps.len; step++) {
        uint64_t live = live_bytes(program, step);
        most = live > most ? live : most;
    }
    if (program->arena_bytes < most || (double)program->arena_bytes > 1.1 * (double)most) {
        fail_msg("%s: %s: an arena of %llu bytes for %llu", path, program->name,
                 (unsigned long long)program->arena_bytes, (unsigned long long)most);
    }
    check_apart(program, program->name);
}

static void check_model(const char *path) {
    tn_compiler *compiler = tn_compiler_create();
    tn_module *module;
    assert_non_null(compiler);
    assert_true(tn_compiler_set(compiler, "dim", "N=4"));
    if (tn_module_load(compiler, path, &module) != TN_OK) {
        fail_msg("%s", tn_compiler_messages(compiler));
    }
    Compile compile = {
        .ctx = tn_compiler_ctx(compiler),
        .options = {.opt_level = 2, .threads = 2, .target = tn_target_by_name(TN_SV("x86-64-v4"))},
        .module = (Module *)module};
    assert_true(tn_passes_run_module(&compile));
    for (size_t i = 0; i < compile.programs.len; i++) {
        check_program(compile.programs.data[i], path);
    }
    tn_compiler_destroy(compiler);
}

static void arenas_are_tight(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        check_model(models[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arenas_are_tight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
