/* map.c: open addressing over a dense array of entries.
 *
 * Invariant: n_slots is zero or a power of two at least twice len, so a probe
 * always meets an empty slot. One map holds either string or integer keys,
 * told apart by key.data: integer keys have none.
 */
#include "base/map.h"

#include <string.h>

enum { FIRST_SLOTS = 16 };

uint64_t tn_hash(uint64_t seed, const void *bytes, size_t len) {
    const unsigned char *p = bytes;
    uint64_t hash = seed;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ p[i]) * 0x100000001b3ull;
    }
    return hash;
}

uint64_t tn_hash_word(uint64_t seed, uint64_t word) {
    uint64_t hash = (seed ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

uint64_t tn_hash_sample(uint64_t seed, const void *bytes, size_t len) {
    enum { STRETCHES = 16, STRETCH = 256 };
    uint64_t hash = tn_hash_word(seed, len);
    if (len <= STRETCHES * STRETCH) {
        return tn_hash(hash, bytes, len);
    }
    for (size_t i = 0; i < STRETCHES; i++) {
        size_t at = (len - STRETCH) / (STRETCHES - 1) * i;
        hash = tn_hash(hash, (const char *)bytes + at, STRETCH);
    }
    return hash;
}

Map tn_map(Arena *arena) {
    return (Map){.arena = arena};
}

/* Spreads a word over all bits, so that its low ones can pick a slot. */
static uint64_t spread(uint64_t word) {
    word ^= word >> 32;
    word *= 0xd6e8feb86659fd93ull;
    return word ^ word >> 32;
}

/* The slot that holds the key, or the empty slot where it belongs. */
static uint32_t *find_slot(const Map *map, StrView key, uint64_t word) {
    uint32_t mask = map->n_slots - 1;
    for (uint32_t at = (uint32_t)spread(word) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &map->slots[at];
        if (*slot == 0) {
            return slot;
        }
        const MapEntry *entry = &map->entries[*slot - 1];
        if (entry->word == word && tn_sv_eq(entry->key, key)) {
            return slot;
        }
    }
}

/* Doubles both arrays and places every entry anew. */
static bool grow(Map *map) {
    uint32_t n_slots = map->n_slots ? map->n_slots * 2 : FIRST_SLOTS;
    if (n_slots == 0) { /* 2^32 slots: let the arena refuse it */
        return tn_arena_array(map->arena, SIZE_MAX, 2, 1) != NULL;
    }
    uint32_t cap = n_slots / 2;
    uint32_t *slots = TN_NEW_ARRAY(map->arena, uint32_t, n_slots);
    MapEntry *entries = TN_NEW_ARRAY(map->arena, MapEntry, cap);
    if (!slots || !entries) {
        return false;
    }
    if (map->len) {
        memcpy(entries, map->entries, map->len * sizeof *entries);
    }
    map->slots = slots;
    map->entries = entries;
    map->n_slots = n_slots;
    map->cap = cap;
    for (uint32_t i = 0; i < map->len; i++) {
        *find_slot(map, entries[i].key, entries[i].word) = i + 1;
    }
    return true;
}

static void **put(Map *map, StrView key, uint64_t word, bool *added) {
    if (map->len == map->cap && !grow(map)) {
        return NULL;
    }
    uint32_t *slot = find_slot(map, key, word);
    bool absent = *slot == 0;
    if (absent) {
        map->entries[map->len] = (MapEntry){key, word, NULL};
        *slot = ++map->len;
    }
    if (added) {
        *added = absent;
    }
    return &map->entries[*slot - 1].value;
}

static void *get(const Map *map, StrView key, uint64_t word) {
    if (map->len == 0) {
        return NULL;
    }
    uint32_t slot = *find_slot(map, key, word);
    return slot ? map->entries[slot - 1].value : NULL;
}

static uint64_t hash_of(StrView key) {
    return tn_hash(TN_HASH_SEED, key.data, key.len);
}

void **tn_map_put_str(Map *map, StrView key, bool *added) {
    return put(map, key, hash_of(key), added);
}

void **tn_map_put_int(Map *map, uint64_t key, bool *added) {
    return put(map, (StrView){0}, key, added);
}

void *tn_map_get_str(const Map *map, StrView key) {
    return get(map, key, hash_of(key));
}

void *tn_map_get_int(const Map *map, uint64_t key) {
    return get(map, (StrView){0}, key);
}
