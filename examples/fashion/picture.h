/* picture.h: an SVG page of images with what the network said about them. */
#ifndef EXAMPLES_FASHION_PICTURE_H
#define EXAMPLES_FASHION_PICTURE_H

#include <stdint.h>

/* Draws the first images, and the mistakes the network was surest of. `pixels` has 28 x 28
 * bytes an image, `probabilities` ten an image. Returns 0 on success. */
int picture_write(const char *path, const unsigned char *pixels, const unsigned char *labels,
                  const float *probabilities, int32_t n);

#endif
