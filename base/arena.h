/* arena.h: bump allocation for everything whose lifetime is one context or one pass.
 *
 * Invariants: memory comes back zeroed and aligned; nothing is freed singly; a
 * mark taken earlier can be reset to, which releases all that was allocated
 * since. When the system has no memory left the arena jumps to `on_oom` (set by
 * the public entry point); without one it returns NULL.
 */
#ifndef TN_BASE_ARENA_H
#define TN_BASE_ARENA_H

#include <setjmp.h>
#include <stddef.h>

typedef struct ArenaBlock ArenaBlock;

typedef struct Arena {
    ArenaBlock *last;     /* newest block; blocks are chained backwards */
    jmp_buf *on_oom;      /* borrowed; where to go when memory runs out, or NULL */
    size_t total;         /* bytes obtained from the system */
    long fail_after;      /* test hook: the n-th allocation from now fails; 0 is off */
} Arena;

typedef struct ArenaMark {
    ArenaBlock *block;
    size_t used;
} ArenaMark;

void tn_arena_init(Arena *arena, jmp_buf *on_oom);
/* Returns `size` zeroed bytes aligned to `align` (a power of two, at most 64). */
void *tn_arena_alloc(Arena *arena, size_t size, size_t align);
/* Like tn_arena_alloc for `count` items; an overflowing product counts as out of memory. */
void *tn_arena_array(Arena *arena, size_t count, size_t size, size_t align);
void *tn_arena_copy(Arena *arena, const void *data, size_t size);
ArenaMark tn_arena_mark(const Arena *arena);
void tn_arena_reset(Arena *arena, ArenaMark mark);
void tn_arena_free(Arena *arena);

#define TN_NEW(arena, T) ((T *)tn_arena_alloc((arena), sizeof(T), _Alignof(T)))
#define TN_NEW_ARRAY(arena, T, n) ((T *)tn_arena_array((arena), (n), sizeof(T), _Alignof(T)))

#endif
