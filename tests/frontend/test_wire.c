/* test_wire.c: the wire reader, and models cut short or changed at random.
 *
 * Whatever the bytes, an import ends in a graph or in a diagnostic with a status of bad
 * input, unsupported or limit; sanitizers watch the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/onnx_model.h"
#include "frontend/wire.h"
#include "tests/support/onnx_case.h"

static Wire wire_of(const void *bytes, size_t len) {
    return tn_wire_make(bytes, (StrView){bytes, len});
}

static void test_fields(void **state) {
    (void)state;
    Pb pb = {0};
    pb_int(&pb, 1, -1);
    pb_text(&pb, 2, "abc");
    pb_float(&pb, 3, 1.5f);
    pb_raw(&pb, "\x21\1\2\3\4\5\6\7\x88", 9); /* field 4, fixed64 */
    pb_int(&pb, 536870911, 300);
    Wire wire = wire_of(pb.data, pb.len);
    WireField field;
    assert_true(tn_wire_next(&wire, &field));
    assert_true(field.number == 1 && field.type == WIRE_VARINT && field.value == UINT64_MAX);
    assert_true(tn_wire_next(&wire, &field));
    assert_true(field.at == 11 && tn_sv_is(field.bytes, "abc"));
    assert_true(tn_wire_next(&wire, &field));
    assert_true(field.type == WIRE_FIXED32 && field.value == 0x3fc00000);
    assert_true(tn_wire_next(&wire, &field));
    assert_true(field.type == WIRE_FIXED64 && field.value == 0x8807060504030201u);
    assert_true(tn_wire_next(&wire, &field));
    assert_true(field.number == 536870911 && field.value == 300);
    assert_false(tn_wire_next(&wire, &field));
    assert_null(wire.error);
    pb_free(&pb);
}

static void test_bad_fields(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len, at;
    } cases[] = {
        {"\x08", 1, 1},                                         /* no value */
        {"\x08\x80", 2, 2},                                     /* value cut */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, 1}, /* 65 bits */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, 1},
        {"\x12\x05"
         "ab",
         4, 1},                                /* length past the end */
        {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 1}, /* length 2^64 - 1 */
        {"\x15\1\2\3", 4, 1},                                   /* fixed32 cut */
        {"\x11\1\2\3\4\5\6\7", 8, 1},                           /* fixed64 cut */
        {"\x0b", 1, 0},                                         /* group */
        {"\x0c", 1, 0},
        {"\x0e", 1, 0},                                         /* wire type 6 */
        {"\x00\x01", 2, 0},                                     /* field 0 */
        {"\x80\x80\x80\x80\x10\x01", 6, 0},                     /* field 2^29 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* On the heap, so that a sanitizer sees a read past the end. */
        char *bytes = malloc(cases[i].len);
        memcpy(bytes, cases[i].bytes, cases[i].len);
        Wire wire = wire_of(bytes, cases[i].len);
        WireField field;
        assert_false(tn_wire_next(&wire, &field));
        assert_non_null(wire.error);
        assert_int_equal(wire.error_at, cases[i].at);
        assert_false(tn_wire_next(&wire, &field));
        free(bytes);
    }
}

static void test_packed(void **state) {
    (void)state;
    Wire wire = wire_of("", 0);
    size_t n;
    assert_true(tn_wire_count(&wire, WIRE_VARINT, TN_SV("\x01\x80\x02\x03"), &n));
    assert_int_equal(n, 3);
    assert_true(tn_wire_count(&wire, WIRE_FIXED32, TN_SV("12345678"), &n));
    assert_int_equal(n, 2);
    assert_false(tn_wire_count(&wire, WIRE_FIXED64, TN_SV("12345"), &n));
    wire = wire_of("", 0);
    assert_false(tn_wire_count(&wire, WIRE_VARINT, TN_SV("\x01\x80"), &n));
}

/* ---- models ---- */

/* Reshape by a computed shape, a product with a constant, softmax: names, attributes, lists,
 * tensors and symbolic dims are all there. */
static Pb small_model(void) {
    static const float weights[] = {1, 2, 3, 4, 5, 6};
    static const int64_t dims[] = {3, 2};
    static const int64_t shape[] = {-1, 3};
    static const int64_t two = 2;
    Pb graph = {0};
    Pb parts[] = {
        onnx_value("x", 1, "N,3,1"),
        onnx_node("r", "Reshape", "x s", "a", NULL),
        onnx_node("m", "MatMul", "a w", "b", NULL),
        onnx_node("p", "Softmax", "b", "y", "axis=-1"),
        onnx_node("t", "Transpose", "y", "z", "perm=[1,0]"),
        onnx_tensor("w", 1, 2, dims, weights, sizeof weights),
        onnx_tensor("s", 7, 1, &two, shape, sizeof shape),
        onnx_value("y", 1, "N,2"),
        onnx_value("z", 1, NULL),
    };
    static const unsigned fields[] = {GRAPH_INPUT, GRAPH_NODE,   GRAPH_NODE,
                                      GRAPH_NODE,  GRAPH_NODE,   GRAPH_INIT,
                                      GRAPH_INIT,  GRAPH_OUTPUT, GRAPH_OUTPUT};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        pb_message(&graph, fields[i], &parts[i]);
    }
    return onnx_model(&graph, 8, 13);
}

/* True when a graph came out. */
static bool import_bytes(const unsigned char *data, size_t len) {
    Ctx ctx;
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, data, len);
    tn_ctx_init(&ctx, NULL);
    Graph *graph = tn_frontend_import(&ctx, copy, len, "fuzz.onnx", NULL);
    tn_status status = tn_diag_status(&ctx.diags);
    assert_true(graph != NULL || status == TN_BAD_INPUT || status == TN_UNSUPPORTED ||
                status == TN_LIMIT || status == TN_IO);
    tn_ctx_free(&ctx);
    free(copy);
    return graph != NULL;
}

static void test_truncation(void **state) {
    (void)state;
    Pb model = small_model();
    assert_true(import_bytes(model.data, model.len));
    for (size_t len = 0; len < model.len; len++) {
        assert_false(import_bytes(model.data, len));
    }
    pb_free(&model);
}

static uint64_t next_random(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = (*state ^ (*state >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* One to four changes: a byte replaced, a bit flipped, bytes cut out or put in. */
static void mutate(Pb *model, uint64_t *random) {
    static const unsigned char nasty[] = {0, 1, 0x7f, 0x80, 0xff};
    size_t changes = 1 + next_random(random) % 4;
    for (size_t i = 0; i < changes; i++) {
        size_t at = next_random(random) % model->len;
        switch (next_random(random) % 4) {
        case 0:
            model->data[at] = (unsigned char)next_random(random);
            break;
        case 1:
            model->data[at] = nasty[next_random(random) % sizeof nasty];
            break;
        case 2:
            model->data[at] ^= (unsigned char)(1u << next_random(random) % 8);
            break;
        default:
            memmove(model->data + at, model->data + at + 1, model->len - at - 1);
            model->len -= model->len > 1;
        }
    }
}

static void test_mutation(void **state) {
    (void)state;
    uint64_t random = 1;
    size_t accepted = 0;
    for (int i = 0; i < 4000; i++) {
        Pb model = small_model();
        mutate(&model, &random);
        accepted += import_bytes(model.data, model.len);
        pb_free(&model);
    }
    assert_true(accepted > 50 && accepted < 3500);
}

/* Empty messages are two bytes in a file and much more in memory. */
static void test_amplification(void **state) {
    (void)state;
    Pb graph = {0};
    for (int i = 0; i < 2000000; i++) {
        pb_raw(&graph, "\x0a\x00", 2);
    }
    Pb model = onnx_model(&graph, 8, 13);
    onnx_check_error(&model, NULL, TN_LIMIT, "unpacks to more than");
}

/* 4,000 messages inside each other: what no row of the tables names is not entered. */
static void test_depth(void **state) {
    (void)state;
    Pb inner = {0};
    for (int i = 0; i < 2000; i++) {
        Pb outer = {0};
        pb_message(&outer, 4, &inner); /* TypeProto.sequence_type */
        pb_message(&inner, 1, &outer); /* its elem_type */
    }
    Pb value = {0};
    pb_text(&value, 1, "x");
    pb_message(&value, 2, &inner);
    Pb graph = {0};
    pb_message(&graph, GRAPH_INPUT, &value);
    Pb output = onnx_value("x", 1, NULL);
    pb_message(&graph, GRAPH_OUTPUT, &output);
    onnx_check_graph_error(&graph, TN_BAD_INPUT, "input 'x' has no element type");
}

static void test_not_a_model(void **state) {
    (void)state;
    Pb empty = {0};
    pb_int(&empty, 1, 8);
    onnx_check_error(&empty, NULL, TN_BAD_INPUT, "no graph in the file");
    Pb text = {0};
    pb_raw(&text, "\x89PNG\r\n", 6);
    onnx_check_error(&text, NULL, TN_BAD_INPUT, "malformed Model");
    Pb wrong = {0};
    pb_text(&wrong, 1, "ir");
    onnx_check_error(&wrong, NULL, TN_BAD_INPUT, "'ir_version' has an unexpected wire type");
    Pb twice = small_model();
    Pb graph = {0};
    pb_message(&twice, 7, &graph);
    onnx_check_error(&twice, NULL, TN_BAD_INPUT, "'graph' occurs twice");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),   cmocka_unit_test(test_bad_fields),
        cmocka_unit_test(test_packed),   cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_mutation), cmocka_unit_test(test_amplification),
        cmocka_unit_test(test_depth),    cmocka_unit_test(test_not_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
