/* arena.c: chained blocks of zeroed memory, handed out front to back.
 *
 * Invariants: bytes beyond `used` of every block are zero, so an allocation need
 * not clear anything; a block's data starts at a 64-byte boundary. Under
 * AddressSanitizer, bytes not handed out are poisoned and a gap separates
 * neighbours, so that an overrun inside the arena is still found.
 */
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define GAP 16u
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define GAP 0u
#endif

enum { MAX_ALIGN = 64 };
static const size_t first_block = (size_t)16 << 10;
static const size_t largest_block = (size_t)1 << 20;

struct ArenaBlock {
    ArenaBlock *previous;
    unsigned char *data; /* 64-byte aligned, inside this allocation */
    size_t size, used;   /* of data */
    size_t whole;        /* bytes obtained from the system */
};

void tn_arena_init(Arena *arena, jmp_buf *on_oom) {
    *arena = (Arena){.on_oom = on_oom};
}

static void *out_of_memory(Arena *arena) {
    if (arena->on_oom) {
        longjmp(*arena->on_oom, 1);
    }
    return NULL;
}

/* Chains a new block with room for `size` bytes at any alignment. */
static ArenaBlock *add_block(Arena *arena, size_t size) {
    size_t room = arena->last ? arena->last->size * 2 : first_block;
    if (room > largest_block) {
        room = largest_block;
    }
    if (room < size) {
        room = size;
    }
    size_t whole = sizeof(ArenaBlock) + MAX_ALIGN + room;
    if (whole < room) {
        return NULL;
    }
    ArenaBlock *block = calloc(1, whole);
    if (!block) {
        return NULL;
    }
    uintptr_t start = (uintptr_t)(block + 1);
    size_t skip = (size_t)(-start & (MAX_ALIGN - 1));
    block->data = (unsigned char *)(block + 1) + skip;
    block->previous = arena->last;
    block->size = room;
    block->whole = whole;
    arena->last = block;
    arena->total += whole;
    POISON(block->data, block->size);
    return block;
}

/* The test hook: counts allocations down and tells when this one is to fail. */
static bool must_fail(Arena *arena) {
    if (arena->fail_after <= 0) {
        return false;
    }
    arena->fail_after--;
    return arena->fail_after == 0;
}

void *tn_arena_alloc(Arena *arena, size_t size, size_t align) {
    if (must_fail(arena) || size > SIZE_MAX - GAP) {
        return out_of_memory(arena);
    }
    size_t need = size + GAP;
    ArenaBlock *block = arena->last;
    size_t at = block ? (block->used + align - 1) & ~(align - 1) : 0;
    if (!block || at > block->size || block->size - at < need) {
        block = add_block(arena, need);
        if (!block) {
            return out_of_memory(arena);
        }
        at = 0;
    }
    block->used = at + need;
    UNPOISON(block->data + at, size);
    return block->data + at;
}

void *tn_arena_array(Arena *arena, size_t count, size_t size, size_t align) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return out_of_memory(arena);
    }
    return tn_arena_alloc(arena, bytes, align);
}

void *tn_arena_copy(Arena *arena, const void *data, size_t size) {
    void *copy = tn_arena_alloc(arena, size, _Alignof(max_align_t));
    if (copy && size) {
        memcpy(copy, data, size);
    }
    return copy;
}

ArenaMark tn_arena_mark(const Arena *arena) {
    return (ArenaMark){arena->last, arena->last ? arena->last->used : 0};
}

static void drop_last(Arena *arena) {
    ArenaBlock *block = arena->last;
    arena->last = block->previous;
    arena->total -= block->whole;
    UNPOISON(block->data, block->size);
    free(block);
}

void tn_arena_reset(Arena *arena, ArenaMark mark) {
    while (arena->last && arena->last != mark.block) {
        drop_last(arena);
    }
    ArenaBlock *block = arena->last;
    if (!block || block->used == mark.used) {
        return;
    }
    UNPOISON(block->data, block->size);
    memset(block->data + mark.used, 0, block->used - mark.used);
    block->used = mark.used;
    POISON(block->data + block->used, block->size - block->used);
}

void tn_arena_free(Arena *arena) {
    while (arena->last) {
        drop_last(arena);
    }
}
