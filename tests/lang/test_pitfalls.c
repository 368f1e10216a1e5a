/* test_pitfalls.c: programs as tutorials print them, which fail or train badly, and what is said
 * about each: an error with a way out, or a note on a model that compiles all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/lang_run.h"

typedef struct Pitfall {
    const char *source, *text;
    bool compiles;
} Pitfall;

#define MLP                                                                                        \
    "model mlp(x: f32[N,784]) {\n"                                                                 \
    "  return dense(dense(x, 64, activation=relu), 10, activation=softmax)\n"                      \
    "}\n"
#define IMAGE(channels)                                                                            \
    "model generator(z: f32[N,100]) {\n"                                                           \
    "  h = reshape(dense(z, 7 * 7 * 32), [-1, 32, 7, 7])\n"                                        \
    "  h = conv2d_transpose(h, 16, 5, stride=2, padding=\"same\")\n"                               \
    "  return conv2d_transpose(h, " channels ", 5, stride=2, padding=\"same\", activation=tanh)\n" \
    "}\n"                                                                                          \
    "model discriminator(x: f32[N,1,28,28]) { return dense(flatten(x), 1) }\n"                     \
    "train gan(z: f32[N,100]) {\n"                                                                 \
    "  minimize binary_crossentropy(discriminator(generator(z)), 1) with adam()\n"                 \
    "}\n"

static const Pitfall pitfalls[] = {
    /* softmax in the model, logits in the loss */
    {MLP "train t(x: f32[N,784], label: i32[N]) {\n"
         "  minimize sparse_categorical_crossentropy(mlp(x), label) with adam()\n"
         "}\n",
     "the result of a softmax: the loss cannot go below 1.461; leave the softmax out", true},
    {MLP "train t(x: f32[N,784], label: i32[N]) {\n"
         "  loss = sparse_categorical_crossentropy(mlp(x), label, from_logits=false)\n"
         "  minimize loss with adam()\n"
         "}\n",
     "", true},
    /* the old name of the rate */
    {MLP "train t(x: f32[N,784], label: i32[N]) {\n"
         "  loss = sparse_categorical_crossentropy(mlp(x), label, from_logits=false)\n"
         "  minimize loss with adam(lr=0.001)\n"
         "}\n",
     "6:27: error: adam has no parameter 'lr'; it takes p g t rate beta1 beta2", false},
    /* a default that is a thousandth of the method's own */
    {MLP "train t(x: f32[N,784], y: f32[N,10]) {\n"
         "  minimize categorical_crossentropy(mlp(x), y, from_logits=false) with adadelta()\n"
         "}\n",
     "takes Keras's 0.001, at which it hardly learns; the method's own is 1.0: write rate=1.0",
     true},
    {MLP "train t(x: f32[N,784], y: f32[N,10]) {\n"
         "  minimize categorical_crossentropy(mlp(x), y, from_logits=false) with "
         "adadelta(rate=1.0)\n"
         "}\n",
     "", true},
    /* a variational autoencoder whose code is drawn and not used */
    {"model encoder(x: f32[N,784]) {\n"
     "  return dense(x, 2, name=\"mean\"), dense(x, 2, name=\"log_var\")\n"
     "}\n"
     "model decoder(z: f32[N,2]) { return dense(z, 784, activation=sigmoid) }\n"
     "train vae(x: f32[N,784]) {\n"
     "  mean_, log_var = encoder(x)\n"
     "  z = mean_ + exp(log_var / 2) * random_normal(mean_.shape)\n"
     "  minimize mean_squared_error(decoder(mean_), x) with adam()\n"
     "}\n",
     "7:34: note: these random numbers have no path to a loss", true},
    {"model m(x: f32[N,784]) { return Layer(fn(x) => x) }\n", "there is nothing called 'Layer'",
     false},
    /* a class that nobody wrote, a size that nobody gave */
    {"train gan(x: f32[N,3]) { gan = LoadBalancedGAN(x) }\n",
     "there is nothing called 'LoadBalancedGAN'", false},
    {"model g(z: f32[N,100]) { return reshape(dense(z, 784), [-1, img_dim, img_dim]) }\n",
     "there is nothing called 'img_dim'", false},
    /* pictures of three channels for a discriminator of one */
    {IMAGE("3"), "argument 'x' is f32[N,3,28,28], expected f32[N,1,28,28]", false},
    {IMAGE("1"), "", true},
    /* statistics of one example */
    {"model m(x: f32[1,8]) { return dense(batch_norm(x), 1) }\n"
     "train t(x: f32[1,8]) { minimize mean(m(x)) with adam() }\n",
     "batch_norm over a batch of 1: while training every result is beta alone", true},
    /* an argument of a layer given to a function of one step */
    {"fn lstm_cell(x, h, c, units) { return h, c }\n"
     "model m(x: f32[N,8], h: f32[N,8], c: f32[N,8]) {\n"
     "  return lstm_cell(x, h, c, 8, return_sequences=true)\n"
     "}\n",
     "lstm_cell has no parameter 'return_sequences'; it takes x h c units", false},
};

static void test_pitfalls(void **state) {
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < sizeof pitfalls / sizeof *pitfalls; i++) {
        const Pitfall *pitfall = &pitfalls[i];
        LangRun run;
        lang_open(&run, pitfall->source);
        bool said = pitfall->text[0] == '\0' ? run.text.data[0] == '\0'
                                             : strstr(run.text.data, pitfall->text) != NULL;
        if (!said || (run.module != NULL) != pitfall->compiles) {
            print_message("source:\n%s\nfound:\n%s\nexpected:\n%s\n", pitfall->source,
                          run.text.data, pitfall->text);
            failed++;
        }
        lang_close(&run);
    }
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pitfalls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
