/* map.h: hash maps in an arena, from strings or 64-bit keys to pointers.
 *
 * Keys of a StrMap are borrowed: they must outlive the map. Insertion order is
 * kept, so iteration (and all that is printed from it) is deterministic. The
 * hash is seeded by nothing: same input, same order, same output text.
 */
#ifndef TN_BASE_MAP_H
#define TN_BASE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

typedef struct MapEntry {
    StrView key;   /* string maps */
    uint64_t word; /* integer maps: the key; string maps: the hash */
    void *value;
} MapEntry;

typedef struct Map {
    Arena *arena;      /* borrowed */
    MapEntry *entries; /* in insertion order */
    uint32_t *slots;   /* open addressing; entry index + 1, 0 is empty */
    uint32_t len, cap, n_slots;
} Map;

Map tn_map(Arena *arena);
/* Returns the value slot of `key`, added with NULL when absent (`*added` tells; may be NULL). */
void **tn_map_put_str(Map *map, StrView key, bool *added);
void **tn_map_put_int(Map *map, uint64_t key, bool *added);
/* Returns the value, or NULL when absent. */
void *tn_map_get_str(const Map *map, StrView key);
void *tn_map_get_int(const Map *map, uint64_t key);

/* 64-bit FNV-1a style mix over bytes, continuing from `seed` (start with TN_HASH_SEED). */
#define TN_HASH_SEED 0xcbf29ce484222325ull
uint64_t tn_hash(uint64_t seed, const void *bytes, size_t len);
/* The same of one word, in one step. */
uint64_t tn_hash_word(uint64_t seed, uint64_t word);
/* The same of the length and, where the data are long, of samples: large weights are not all read
 * for it. */
uint64_t tn_hash_sample(uint64_t seed, const void *bytes, size_t len);

#endif
