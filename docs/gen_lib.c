/* gen_lib.c: prints docs/library.md from the text library.
 *
 *   gen_lib frontend/lib/FILE.tn ...
 *
 * The page is the files' opening comments, "FILE.tn: title." on a line and what else there is,
 * and, of every function whose name does not start with an underscore, its parameters and the
 * comment in front of it. Lines of a comment that are indented by more than a space stand as
 * they are. A title of another form and a public function without a comment are errors. The
 * test docs/library holds the page against what is printed here.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_ = 400, COMMENT_MAX = 60, SIGNATURE_MAX = 2000 };

typedef struct Reader {
    const char *path;
    FILE *file;
    char comment[COMMENT_MAX][LINE_MAX_]; /* the lines just read, without "#" */
    int n_comment;
    bool opened; /* the opening comment has been printed */
} Reader;

static bool read_line(Reader *reader, char *line) {
    if (fgets(line, LINE_MAX_, reader->file) == NULL) {
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    return true;
}

/* A comment's lines; those that are indented become a block. */
static void print_comment(const Reader *reader, int from) {
    bool block = false;
    for (int i = from; i < reader->n_comment; i++) {
        const char *line = reader->comment[i];
        bool indented = strncmp(line, "   ", 3) == 0;
        if (indented != block) {
            putchar('\n');
        }
        block = indented;
        printf("%s%s\n", indented ? "    " : "", line + (indented ? 3 : *line == ' '));
    }
    putchar('\n');
}

static bool print_opening(Reader *reader) {
    if (reader->opened || reader->n_comment == 0) {
        return true;
    }
    reader->opened = true;
    const char *title = strstr(reader->comment[0], ": ");
    size_t n = title == NULL ? 0 : strcspn(title, ".");
    if (n < 3 || strcmp(title + n, ".") != 0) {
        fprintf(stderr, "%s: the first line is not \"FILE.tn: title.\"\n", reader->path);
        return false;
    }
    printf("## %c%.*s\n\n`%s`\n", title[2] - 'a' + 'A', (int)n - 3, title + 3, reader->path);
    print_comment(reader, 1);
    return true;
}

/* "fn NAME(...)", up to the brace, over as many lines as it takes. */
static bool read_signature(Reader *reader, char *line, char *out) {
    size_t n = 0;
    do {
        int added = snprintf(out + n, SIGNATURE_MAX - n, "%s    %s", n > 0 ? "\n" : "", line);
        n += (size_t)added;
        if (added < 0 || n >= SIGNATURE_MAX) {
            return false;
        }
    } while (line[strlen(line) - 1] != '{' && read_line(reader, line));
    char *brace = strrchr(out, '{');
    if (brace == NULL) {
        return false;
    }
    brace[-1] = '\0';
    return true;
}

static bool print_function(Reader *reader, char *line) {
    char signature[SIGNATURE_MAX];
    const char *name = line + 3;
    if (*name == '_') {
        return true;
    }
    int n = (int)strcspn(name, "(");
    if (reader->n_comment == 0) {
        fprintf(stderr, "%s: %.*s has no comment\n", reader->path, n, name);
        return false;
    }
    printf("### %.*s\n\n", n, name);
    if (!read_signature(reader, line, signature)) {
        fprintf(stderr, "%s: a parameter list without end\n", reader->path);
        return false;
    }
    printf("%s\n\n", signature);
    print_comment(reader, 0);
    return true;
}

static bool print_functions(Reader *reader) {
    bool good = true;
    char line[LINE_MAX_];
    while (good && read_line(reader, line)) {
        if (*line == '#' && reader->n_comment < COMMENT_MAX) {
            memcpy(reader->comment[reader->n_comment++], line + 1, strlen(line));
            continue;
        }
        if (*line == '\0') {
            good = print_opening(reader);
        } else if (strncmp(line, "fn ", 3) == 0) {
            good = print_function(reader, line);
        }
        reader->n_comment = 0;
    }
    return good;
}

static bool print_file(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        return false;
    }
    Reader reader = {.path = path, .file = file};
    bool good = print_functions(&reader);
    fclose(file);
    return good;
}

int main(int argc, char **argv) {
    printf("# The text library\n\n"
           "Layers, activations, losses, optimisers, schedules, initialisers and metrics of the\n"
           "model language. All of them are written in that language, in `frontend/lib/`, and\n"
           "compiled into the compiler; this page is made of their comments. A definition of the\n"
           "same name in a model's file takes a function's place.\n\n");
    for (int i = 1; i < argc; i++) {
        if (!print_file(argv[i])) {
            return 5;
        }
    }
    return fflush(stdout) == 0 ? 0 : 5;
}
