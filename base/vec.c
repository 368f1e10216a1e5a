/* vec.c: growth of typed arrays: doubling, so that n pushes cost O(n). */
#include "base/vec.h"

#include <stdint.h>
#include <string.h>

enum { FIRST_CAPACITY = 8, LARGEST_ALIGN = 64 };

/* The largest power of two that divides the item's size: at least the type's alignment. */
static size_t align_for(size_t item_size) {
    size_t align = item_size & -item_size;
    return align && align < LARGEST_ALIGN ? align : LARGEST_ALIGN;
}

void *tn_vec_grow(Arena *arena, void *data, size_t *cap, size_t item_size) {
    /* A capacity that cannot double saturates, and the array's size then overflows. */
    size_t grown = *cap > SIZE_MAX / 2 ? SIZE_MAX : *cap * 2;
    if (grown == 0) {
        grown = FIRST_CAPACITY;
    }
    void *storage = tn_arena_array(arena, grown, item_size, align_for(item_size));
    if (storage && *cap) {
        memcpy(storage, data, *cap * item_size);
    }
    if (storage) {
        *cap = grown;
    }
    return storage;
}
