/* alloc_count.h: how often the program has asked the allocator for memory.
 *
 * A program that calls it gets an allocator that counts, in the place of the C library's.
 */
#ifndef TN_TESTS_SUPPORT_ALLOC_COUNT_H
#define TN_TESTS_SUPPORT_ALLOC_COUNT_H

/* Calls so far, by all threads; -1 where they cannot be counted: a sanitizer has put an allocator
 * of its own there, or the C library is another than glibc. */
long alloc_count(void);

#endif
