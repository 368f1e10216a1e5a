/* picture.c: writes SVG; each image is a small PNG inside it, stored without compression. */
#include "picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE = 28,
    CLASSES = 10,
    COLUMNS = 8,
    FIRST_ROWS = 4, /* rows of the first images */
    WRONG_ROWS = 2, /* rows of mistakes */
    CARD_WIDTH = 124,
    CARD_HEIGHT = 158,
    GAP = 12,
    MARGIN = 32,
    HEADING = 44
};

static const char *const class_names[CLASSES] = {"T-shirt", "Trouser",   "Pullover", "Dress",
                                                 "Coat",    "Sandal",    "Shirt",    "Sneaker",
                                                 "Bag",     "Ankle boot"};

typedef struct Page {
    FILE *file;
    const unsigned char *pixels, *labels;
    const float *probabilities;
    int32_t n;
} Page;

/* Bytes on their way to a PNG. */
typedef struct Bytes {
    unsigned char data[2048];
    size_t n;
} Bytes;

static void put(Bytes *to, const void *from, size_t n) {
    memcpy(to->data + to->n, from, n);
    to->n += n;
}

static void put_word(Bytes *to, uint32_t word) {
    const unsigned char b[4] = {(unsigned char)(word >> 24), (unsigned char)(word >> 16),
                                (unsigned char)(word >> 8), (unsigned char)word};
    put(to, b, sizeof b);
}

static uint32_t crc32_of(const unsigned char *data, size_t n) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}

static uint32_t adler32_of(const unsigned char *data, size_t n) {
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + data[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static void put_chunk(Bytes *png, const char *type, const Bytes *body) {
    put_word(png, (uint32_t)body->n);
    size_t start = png->n;
    put(png, type, 4);
    put(png, body->data, body->n);
    put_word(png, crc32_of(png->data + start, png->n - start));
}

/* An 8-bit grey image, dark on light as clothes are photographed. */
static void make_png(const unsigned char *pixels, Bytes *png) {
    Bytes raw = {.n = 0}, header = {.n = 0}, body = {.n = 0}, end = {.n = 0};
    for (int y = 0; y < SIDE; y++) {
        put(&raw, "", 1); /* no filter */
        for (int x = 0; x < SIDE; x++) {
            unsigned char grey = (unsigned char)(255 - pixels[y * SIDE + x]);
            put(&raw, &grey, 1);
        }
    }
    put_word(&header, SIDE);
    put_word(&header, SIDE);
    put(&header, "\x08\x00\x00\x00\x00", 5);
    const unsigned char stored[] = {0x78,
                                    0x01,
                                    0x01,
                                    (unsigned char)(raw.n & 255),
                                    (unsigned char)(raw.n >> 8),
                                    (unsigned char)(~raw.n & 255),
                                    (unsigned char)(~raw.n >> 8 & 255)};
    put(&body, stored, sizeof stored);
    put(&body, raw.data, raw.n);
    put_word(&body, adler32_of(raw.data, raw.n));
    png->n = 0;
    put(png, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(png, "IHDR", &header);
    put_chunk(png, "IDAT", &body);
    put_chunk(png, "IEND", &end);
}

static void print_base64(FILE *file, const Bytes *bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes->n; i += 3) {
        size_t left = bytes->n - i;
        uint32_t word = (uint32_t)bytes->data[i] << 16;
        word |= left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0;
        word |= left > 2 ? bytes->data[i + 2] : 0;
        fputc(digits[word >> 18], file);
        fputc(digits[word >> 12 & 63], file);
        fputc(left > 1 ? digits[word >> 6 & 63] : '=', file);
        fputc(left > 2 ? digits[word & 63] : '=', file);
    }
}

static int prediction(const Page *page, int32_t image) {
    const float *p = page->probabilities + (size_t)image * CLASSES;
    int best = 0;
    for (int c = 1; c < CLASSES; c++) {
        best = p[c] > p[best] ? c : best;
    }
    return best;
}

static double confidence(const Page *page, int32_t image) {
    return (double)page->probabilities[(size_t)image * CLASSES + (size_t)prediction(page, image)];
}

/* One image: a card with the picture, what the network says, how sure it is, the truth. */
static void draw_card(const Page *page, int32_t image, int x, int y) {
    int said = prediction(page, image), truth = page->labels[image];
    double sure = confidence(page, image);
    const char *colour = said == truth ? "#2e7d4f" : "#c0392b";
    Bytes png;
    make_png(page->pixels + (size_t)image * SIDE * SIDE, &png);
    fprintf(page->file, "<g transform=\"translate(%d %d)\">", x, y);
    fprintf(page->file,
            "<rect width=\"%d\" height=\"%d\" rx=\"10\" fill=\"#fff\" "
            "stroke=\"#d9dee5\"/>",
            CARD_WIDTH, CARD_HEIGHT);
    fprintf(page->file,
            "<image x=\"%d\" y=\"10\" width=\"84\" height=\"84\" "
            "style=\"image-rendering:pixelated\" href=\"data:image/png;base64,",
            (CARD_WIDTH - 84) / 2);
    print_base64(page->file, &png);
    fprintf(page->file, "\"/><text x=\"%d\" y=\"114\" class=\"said\" fill=\"%s\">%s</text>",
            CARD_WIDTH / 2, colour, class_names[said]);
    fprintf(page->file,
            "<rect x=\"16\" y=\"122\" width=\"%d\" height=\"5\" rx=\"2.5\" "
            "fill=\"#e8ecf1\"/><rect x=\"16\" y=\"122\" width=\"%.1f\" height=\"5\" rx=\"2.5\" "
            "fill=\"%s\"/>",
            CARD_WIDTH - 32, (CARD_WIDTH - 32) * sure, colour);
    fprintf(page->file, "<text x=\"%d\" y=\"145\" class=\"note\">", CARD_WIDTH / 2);
    if (said == truth) {
        fprintf(page->file, "%.1f %%", 100 * sure);
    } else {
        fprintf(page->file, "%.0f %%, is %s", 100 * sure, class_names[truth]);
    }
    fprintf(page->file, "</text></g>\n");
}

static void draw_heading(const Page *page, int y, const char *text) {
    fprintf(page->file, "<text x=\"%d\" y=\"%d\" class=\"heading\">%s</text>\n", MARGIN, y, text);
}

static void draw_grid(const Page *page, const int32_t *images, int n, int top) {
    for (int i = 0; i < n; i++) {
        draw_card(page, images[i], MARGIN + i % COLUMNS * (CARD_WIDTH + GAP),
                  top + i / COLUMNS * (CARD_HEIGHT + GAP));
    }
}

/* The mistakes the network was surest of, surest first; returns how many. */
static int worst_mistakes(const Page *page, int32_t *out, int max) {
    int n = 0;
    for (int32_t i = 0; i < page->n; i++) {
        if (prediction(page, i) == page->labels[i]) {
            continue;
        }
        int at = n < max ? n++ : max;
        while (at > 0 && confidence(page, out[at - 1]) < confidence(page, i)) {
            if (at < max) {
                out[at] = out[at - 1];
            }
            at--;
        }
        if (at < max) {
            out[at] = i;
        }
    }
    return n;
}

static void draw(const Page *page) {
    enum { N_FIRST = COLUMNS * FIRST_ROWS, N_WRONG = COLUMNS * WRONG_ROWS };
    int width = 2 * MARGIN + COLUMNS * (CARD_WIDTH + GAP) - GAP;
    int below = MARGIN + HEADING + FIRST_ROWS * (CARD_HEIGHT + GAP);
    int height = below + HEADING + WRONG_ROWS * (CARD_HEIGHT + GAP) + MARGIN - GAP;
    int32_t first[N_FIRST], wrong[N_WRONG];
    int n_first = page->n < N_FIRST ? (int)page->n : N_FIRST, right = 0;
    char text[128];
    for (int i = 0; i < n_first; i++) {
        first[i] = i;
    }
    for (int32_t i = 0; i < page->n; i++) {
        right += prediction(page, i) == page->labels[i];
    }
    fprintf(page->file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "width=\"%d\" height=\"%d\">\n",
            width, height, width, height);
    fprintf(page->file, "<style>text{font-family:system-ui,'DejaVu Sans',sans-serif}"
                        ".said{font-size:14px;font-weight:600;text-anchor:middle}"
                        ".note{font-size:11px;fill:#66707c;text-anchor:middle}"
                        ".heading{font-size:20px;font-weight:600;fill:#1f2933}</style>\n");
    fprintf(page->file, "<rect width=\"%d\" height=\"%d\" fill=\"#f4f6f9\"/>\n", width, height);
    snprintf(text, sizeof text, "Fashion-MNIST: the first test images (%.2f %% of %d are right)",
             100.0 * right / page->n, (int)page->n);
    draw_heading(page, MARGIN + 20, text);
    draw_grid(page, first, n_first, MARGIN + HEADING);
    draw_heading(page, below + 26, "The mistakes the network was surest of");
    draw_grid(page, wrong, worst_mistakes(page, wrong, N_WRONG), below + HEADING);
    fprintf(page->file, "</svg>\n");
}

int picture_write(const char *path, const unsigned char *pixels, const unsigned char *labels,
                  const float *probabilities, int32_t n) {
    Page page = {.pixels = pixels, .labels = labels, .probabilities = probabilities, .n = n};
    page.file = fopen(path, "w");
    if (!page.file) {
        return -1;
    }
    draw(&page);
    int bad = ferror(page.file);
    return fclose(page.file) != 0 || bad ? -1 : 0;
}
