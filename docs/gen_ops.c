/* gen_ops.c: prints documentation that is nothing but a table of the sources.
 *
 *   gen_ops ops      docs/ops.md: every primitive, from ir/ops.def, attrs.def and traits.def
 *   gen_ops onnx     docs/onnx.md: every ONNX operator, from frontend/onnx_ops.def
 *   gen_ops support  the summary in README.md, from onnx_ops.def, dtypes.def and targets.def
 *
 * It sees the tables and nothing else of Tenon. The test docs/tables fails when a document
 * differs from what is printed here; run with UPDATE=1 it writes them anew.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct Attribute {
    const char *name, *how;
} Attribute;

typedef struct Primitive {
    const char *name, *doc;
    bool map;
    const char *domain, *result, *grad; /* of a map */
    int n_in;
    const char *cls; /* of the others */
    const Attribute *attrs;
} Primitive;

#define A(name, how) {#name, #how},
#define ATTRS(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__ {                                                                              \
            NULL, NULL                                                                             \
        }                                                                                          \
    }
#define MAP(...)
#define OP(id, n_in, n_out, cls, attrs, doc) static const Attribute attrs_##id[] = attrs;
#include "ir/ops.def"
#undef MAP
#undef OP

static const Primitive primitives[] = {
#define MAP(id, arity, domain, result, c_float, c_int, grad, doc)                                  \
    {#id, doc, true, #domain, #result, grad, arity, NULL, NULL},
#define OP(id, n_in, n_out, cls, attrs, doc)                                                       \
    {#id, doc, false, NULL, NULL, NULL, n_in, #cls, attrs_##id},
#include "ir/ops.def"
#undef MAP
#undef OP
};

static const struct {
    const char *name, *kind, *doc;
} attributes[] = {
#define ATTR(id, kind, doc) {#id, #kind, doc},
#include "ir/attrs.def"
#undef ATTR
};

static const struct {
    const char *op, *bits;
} traits[] = {
#define TRAIT(id, bits) {#id, #bits},
#include "ir/traits.def"
#undef TRAIT
};

typedef struct OnnxRow {
    const char *name;
    int since, min_in, max_in, max_out;
    const char *attrs;
} OnnxRow;

static const OnnxRow onnx_rows[] = {
#define OP(name, since, min_in, max_in, max_out, function, param, attrs)                           \
    {#name, since, min_in, max_in, max_out, attrs},
#include "frontend/onnx_ops.def"
#undef OP
};

static const char *const dtypes[] = {
#define DTYPE(id, text, cls, bytes, c_type) text,
#include "ir/dtypes.def"
#undef DTYPE
};

static const struct {
    const char *name, *doc;
} targets[] = {
#define TARGET(name, march, features, vector_bytes, regs, fma, l1, l2, l3, doc) {name, doc},
#include "ir/targets.def"
#undef TARGET
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Text inside a table: bars would end the cell. */
static void put_cell(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            putchar('\\');
        }
        putchar(*text);
    }
}

/* ---- primitives ---- */

static const char *domain_text(const char *domain) {
    static const char *const texts[][2] = {{"NUM", "float, integer"}, {"FLOAT", "float"},
                                           {"INT", "integer"},        {"U32", "u32"},
                                           {"BOOL", "bool"},          {"ANY", "any"}};
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (strcmp(domain, texts[i][0]) == 0) {
            return texts[i][1];
        }
    }
    return domain;
}

static const char *result_text(const char *result) {
    static const char *const texts[][2] = {
        {"SAME", "as operands"}, {"BOOL", "bool"}, {"TO", "attribute `to`"}};
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (strcmp(result, texts[i][0]) == 0) {
            return texts[i][1];
        }
    }
    return result;
}

/* The last cell of a row. */
static void print_gradient(const char *grad) {
    bool zeros = grad[strspn(grad, "0; ")] == '\0';
    if (zeros) {
        printf(" | none |\n");
    } else {
        printf(" | `%s` |\n", grad);
    }
}

static void print_maps(void) {
    printf("## Elementwise\n\n"
           "Operands have equal dims and one type (but for the condition of `select`).\n\n"
           "Gradient is the cotangent of each operand over that of the result, g, the operands $0, "
           "$1, $2\nand the result y; `tie` is 1/2, or 0 where an operand is one number repeated. "
           "None: all are zero.\n\n"
           "| Primitive | Operands | Types | Result | Meaning | Gradient |\n"
           "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT(primitives); i++) {
        const Primitive *p = &primitives[i];
        if (p->map) {
            printf("| `%s` | %d | %s | %s | ", p->name, p->n_in, domain_text(p->domain),
                   result_text(p->result));
            put_cell(p->doc);
            print_gradient(p->grad);
        }
    }
    printf("\n");
}

static void print_attribute(const Attribute *attr) {
    for (size_t i = 0; i < COUNT(attributes); i++) {
        if (strcmp(attributes[i].name, attr->name) == 0) {
            bool required = strcmp(attr->how, "REQ") == 0;
            bool empty = strcmp(attr->how, "EMPTY") == 0;
            printf("| `%s` | %s | %s | ", attr->name, attributes[i].kind,
                   required ? "required"
                   : empty  ? "empty"
                            : attr->how);
            put_cell(attributes[i].doc);
            printf(" |\n");
        }
    }
}

static void print_operands(int n_in) {
    printf("(");
    for (int i = 0; i < n_in; i++) {
        printf("%s%c", i > 0 ? ", " : "", 'a' + i);
    }
    printf("%s)", n_in < 0 ? "a, ..." : "");
}

static void print_primitive(const Primitive *p) {
    printf("### %s\n\n`%s", p->name, p->name);
    print_operands(p->n_in);
    printf("`: %s.\n\n", p->doc);
    if (p->attrs[0].name != NULL) {
        printf("| Attribute | Kind | Default | Meaning |\n|---|---|---|---|\n");
        for (const Attribute *attr = p->attrs; attr->name != NULL; attr++) {
            print_attribute(attr);
        }
        printf("\n");
    }
}

static void print_class(const char *cls, const char *title, const char *text) {
    printf("## %s\n\n%s\n\n", title, text);
    for (size_t i = 0; i < COUNT(primitives); i++) {
        if (!primitives[i].map && strcmp(primitives[i].cls, cls) == 0) {
            print_primitive(&primitives[i]);
        }
    }
}

static void print_traits(void) {
    printf("## Traits\n\n"
           "What the passes that form kernels know besides the class; `ir/traits.def` says what "
           "each means.\n\n| Primitive | Traits |\n|---|---|\n");
    for (size_t i = 0; i < COUNT(traits); i++) {
        printf("| `%s` | ", traits[i].op);
        for (const char *at = traits[i].bits; *at != '\0'; at++) {
            if (*at == '|') {
                putchar(',');
            } else if (!(*at == ' ' && at[1] == '|')) {
                putchar(*at);
            }
        }
        printf(" |\n");
    }
}

static void print_ops(void) {
    printf("# Primitives\n\n"
           "Printed by `docs/gen_ops.c` from `ir/ops.def`, `ir/attrs.def` and `ir/traits.def`; "
           "do not edit.\n`docs/text-format.md` describes how graphs of them are written.\n\n"
           "Kinds of attributes: INT and INTS are numbers, DTYPE is an element type, DIMS are "
           "dimension\nexpressions, which may be symbolic.\n\n");
    print_maps();
    print_class("SOURCE", "Sources", "Values from nothing.");
    print_class(
        "VIEW", "Views",
        "Each element is one element of the operand, at an index computed from the result's "
        "index.");
    print_class("INDEX", "Data movement",
                "Each element is a formula over elements of the operands.");
    print_class("REDUCE", "Reductions", "Each element is a reduction of a formula.");
    print_class("SWEEP", "Sweeps",
                "Elements depend on each other: a run over a space in order, each turn of which "
                "adds to an element.");
    print_class("LOOP", "Loops", "A graph run again and again.");
    print_traits();
}

/* ---- ONNX operators ---- */

static void print_range(int least, int most) {
    if (most < 0) {
        printf("%d or more", least);
    } else if (least == most) {
        printf("%d", least);
    } else {
        printf("%d to %d", least, most);
    }
}

static void print_names(const char *words) {
    bool first = true;
    while (*words != '\0') {
        size_t n = strcspn(words, " ");
        printf("%s`%.*s`", first ? "" : ", ", (int)n, words);
        first = false;
        words += n;
        words += strspn(words, " ");
    }
}

static void print_onnx(void) {
    printf("# ONNX operators\n\n"
           "Printed by `docs/gen_ops.c` from `frontend/onnx_ops.def`; do not edit.\n\n"
           "A row holds from its opset up to the next row of the same name. An operator, opset, "
           "attribute or\nelement type that is not listed is refused with a message that names "
           "it.\n\n"
           "| Operator | Since opset | Inputs | Outputs | Attributes |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT(onnx_rows); i++) {
        const OnnxRow *row = &onnx_rows[i];
        printf("| %s | %d | ", row->name, row->since);
        print_range(row->min_in, row->max_in);
        printf(" | ");
        print_range(1, row->max_out);
        printf(" | ");
        print_names(row->attrs);
        printf(" |\n");
    }
}

/* ---- summary ---- */

enum { LINE_WIDTH = 96 };

/* Appends a word to a paragraph of bounded width; `*column` is where the line has got to. */
static void put_word(const char *word, const char *after, size_t *column) {
    size_t n = strlen(word) + strlen(after);
    if (*column > 0 && *column + 1 + n > LINE_WIDTH) {
        putchar('\n');
        *column = 0;
    }
    printf("%s%s%s", *column > 0 ? " " : "", word, after);
    *column += n + (*column > 0);
}

static bool is_last_row(size_t i) {
    return i + 1 == COUNT(onnx_rows) || strcmp(onnx_rows[i].name, onnx_rows[i + 1].name) != 0;
}

static void print_operators(void) {
    size_t n = 0, column = 0;
    for (size_t i = 0; i < COUNT(onnx_rows); i++) {
        n += is_last_row(i);
    }
    printf("%zu ONNX operators ([docs/onnx.md](docs/onnx.md) lists their opsets and "
           "attributes):\n\n",
           n);
    for (size_t i = 0; i < COUNT(onnx_rows); i++) {
        if (is_last_row(i)) {
            put_word(onnx_rows[i].name, i + 1 < COUNT(onnx_rows) ? "," : ".", &column);
        }
    }
    printf("\n\n");
}

static void print_support(void) {
    print_operators();
    printf("Element types:");
    for (size_t i = 0; i < COUNT(dtypes); i++) {
        printf("%s %s", i > 0 ? "," : "", dtypes[i]);
    }
    printf(".\nTargets:");
    for (size_t i = 0; i < COUNT(targets); i++) {
        printf("%s %s (%s)", i > 0 ? "," : "", targets[i].name, targets[i].doc);
    }
    printf(".\n");
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*print)(void);
    } documents[] = {{"ops", print_ops}, {"onnx", print_onnx}, {"support", print_support}};
    for (size_t i = 0; argc == 2 && i < COUNT(documents); i++) {
        if (strcmp(argv[1], documents[i].name) == 0) {
            documents[i].print();
            return fflush(stdout) == 0 ? 0 : 5;
        }
    }
    fprintf(stderr, "usage: gen_ops ops|onnx|support\n");
    return 1;
}
