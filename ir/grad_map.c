/* grad_map.c: builds primitives from the derivative texts of ops.def.
 *
 *   list   = sum (";" sum)*                 one for each operand
 *   sum    = product (("+" | "-") product)*
 *   product = factor (("*" | "/") factor)*
 *   factor = number | "g" | "y" | "tie" | "$" digit | name "(" sum ("," sum)* ")" | "(" sum ")"
 *
 * Numbers stay numbers as long as they can: a zero factor makes a product vanish, so that an
 * operand without influence gets no cotangent instead of zeros. The texts are part of the
 * program: a mistake in one is an internal error.
 */
#include "ir/grad_map.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A number, or a value of the node's shape. */
typedef struct Term {
    Value *value; /* NULL: a number */
    double number;
} Term;

typedef struct Reader {
    GradRule *rule;
    const char *at;
    const Type *shape; /* of the numbers that become values */
    double tie;
    bool failed;
} Reader;

static Term read_sum(Reader *r);

static Term number(double value) {
    return (Term){NULL, value};
}

static Term fail(Reader *r) {
    if (!r->failed) {
        tn_diag(&r->rule->build.graph->ctx->diags, TN_INTERNAL, r->rule->node->loc,
                "%s: its derivative is malformed at '%s'", tn_op_info(r->rule->node->op)->name,
                r->at);
    }
    r->failed = true;
    return number(0);
}

static bool accept(Reader *r, char c) {
    while (*r->at == ' ') {
        r->at++;
    }
    bool found = *r->at == c;
    r->at += found;
    return found;
}

static Value *as_value(Reader *r, Term term) {
    return term.value != NULL ? term.value
                              : tn_build_number(&r->rule->build, r->shape, term.number);
}

static bool is_number(Term term, double value) {
    return term.value == NULL && term.number == value;
}

static double fold(Op op, double a, double b) {
    return op == TN_OP_add ? a + b : op == TN_OP_sub ? a - b : op == TN_OP_mul ? a * b : a / b;
}

static Term combine(Reader *r, Op op, Term a, Term b) {
    if (a.value == NULL && b.value == NULL) {
        return number(fold(op, a.number, b.number));
    }
    bool additive = op == TN_OP_add || op == TN_OP_sub;
    if (is_number(b, additive ? 0 : 1)) {
        return a;
    }
    if ((op == TN_OP_add && is_number(a, 0)) || (op == TN_OP_mul && is_number(a, 1))) {
        return b;
    }
    if (!additive && (is_number(a, 0) || (op == TN_OP_mul && is_number(b, 0)))) {
        return number(0);
    }
    return (Term){tn_build_map2(&r->rule->build, op, as_value(r, a), as_value(r, b)), 0};
}

/* A row of the table applied to what stands in parentheses. */
static Term apply(Reader *r, Op op, const Term *args, int n) {
    Build *build = &r->rule->build;
    Value *in[3];
    if (op == TN_OP_neg && args[0].value == NULL) {
        return number(-args[0].number);
    }
    if (op == TN_OP_select && args[1].value == NULL && args[2].value == NULL &&
        args[1].number == args[2].number) {
        return args[1];
    }
    for (int i = 0; i < n; i++) {
        in[i] = as_value(r, args[i]);
    }
    Attr to = tn_attr_of_dtype(TN_ATTR_to, r->rule->node->in[0]->type.dtype);
    return (Term){tn_build_node(build, op, in, (uint32_t)n, &to, op == TN_OP_cast), 0};
}

static Term read_call(Reader *r, StrView name) {
    Op op = tn_op_by_name(name);
    Term args[3];
    int n = 0;
    if (op == TN_OP_COUNT || tn_op_info(op)->cls != OPC_MAP) {
        return fail(r);
    }
    do {
        if (n == 3) {
            return fail(r);
        }
        args[n++] = read_sum(r);
    } while (accept(r, ','));
    if (!accept(r, ')') || n != tn_op_info(op)->n_in || r->failed) {
        return fail(r);
    }
    return apply(r, op, args, n);
}

static Term read_word(Reader *r) {
    const char *start = r->at;
    while (isalnum((unsigned char)*r->at) || *r->at == '_') {
        r->at++;
    }
    StrView word = {start, (size_t)(r->at - start)};
    if (tn_sv_is(word, "g")) {
        return (Term){r->rule->out_ct[0], 0};
    }
    if (tn_sv_is(word, "y")) {
        return (Term){r->rule->node->out[0], 0};
    }
    if (tn_sv_is(word, "tie")) {
        return number(r->tie);
    }
    return accept(r, '(') ? read_call(r, word) : fail(r);
}

static Term read_factor(Reader *r) {
    if (accept(r, '(')) {
        Term inner = read_sum(r);
        return accept(r, ')') ? inner : fail(r);
    }
    if (accept(r, '$')) {
        int operand = *r->at - '0';
        if (operand < 0 || operand >= r->rule->node->n_in) {
            return fail(r);
        }
        r->at++;
        return (Term){r->rule->node->in[operand], 0};
    }
    if (isdigit((unsigned char)*r->at) || *r->at == '-') {
        char *end;
        double value = strtod(r->at, &end);
        bool found = end > r->at;
        r->at = end;
        return found ? number(value) : fail(r);
    }
    return isalpha((unsigned char)*r->at) ? read_word(r) : fail(r);
}

static Term read_product(Reader *r) {
    Term term = read_factor(r);
    for (;;) {
        if (accept(r, '*')) {
            term = combine(r, TN_OP_mul, term, read_factor(r));
        } else if (accept(r, '/')) {
            term = combine(r, TN_OP_div, term, read_factor(r));
        } else {
            return term;
        }
    }
}

static Term read_sum(Reader *r) {
    Term term = read_product(r);
    for (;;) {
        if (accept(r, '+')) {
            term = combine(r, TN_OP_add, term, read_product(r));
        } else if (accept(r, '-')) {
            term = combine(r, TN_OP_sub, term, read_product(r));
        } else {
            return term;
        }
    }
}

/* The text of operand `i`. */
static const char *part(const char *texts, uint32_t i) {
    for (; i > 0 && texts != NULL; i--) {
        texts = strchr(texts, ';');
        texts = texts != NULL ? texts + 1 : NULL;
    }
    return texts;
}

/* What an operand gets of the cotangent where two are equal: nothing beside a number, so that
 * max(x, 0) has derivative 0 at 0, else half. */
static double tie_of(const Node *node) {
    bool beside_number = false;
    double ignored;
    for (uint32_t i = 0; i < node->n_in; i++) {
        beside_number = beside_number || tn_value_splat(node->in[i], &ignored);
    }
    return beside_number ? 0 : 0.5;
}

bool tn_grad_map_text(GradRule *rule, const char *derivatives) {
    const Node *node = rule->node;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (!rule->wanted[i]) {
            continue;
        }
        Reader reader = {.rule = rule,
                         .at = part(derivatives, i),
                         .shape = &node->out[0]->type,
                         .tie = tie_of(node)};
        if (reader.at == NULL) {
            reader.at = "";
            fail(&reader);
            return false;
        }
        Term term = read_sum(&reader);
        if (!reader.failed && !accept(&reader, ';') && *reader.at != '\0') {
            fail(&reader);
        }
        if (reader.failed) {
            return false;
        }
        rule->in_ct[i] = is_number(term, 0) ? NULL : as_value(&reader, term);
    }
    return true;
}

bool tn_grad_map(GradRule *rule) {
    return tn_grad_map_text(rule, tn_op_info(rule->node->op)->derivatives);
}
