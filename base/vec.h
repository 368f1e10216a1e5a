/* vec.h: a growable typed array whose storage lives in an arena.
 *
 *   typedef TN_VEC(Node *) NodeVec;
 *   NodeVec nodes = {0};
 *   tn_vec_push(arena, &nodes, node);
 *   for (size_t i = 0; i < nodes.len; i++) use(nodes.data[i]);
 *
 * Growing leaves the old storage to the arena; pointers into `data` are valid
 * until the next push.
 */
#ifndef TN_BASE_VEC_H
#define TN_BASE_VEC_H

#include <stddef.h>

#include "base/arena.h"

#define TN_VEC(T)                                                                                  \
    struct {                                                                                       \
        T *data;                                                                                   \
        size_t len;                                                                                \
        size_t cap;                                                                                \
    }

#define tn_vec_push(arena, vec, item)                                                              \
    ((vec)->len == (vec)->cap                                                                      \
         ? (void)((vec)->data =                                                                    \
                      tn_vec_grow((arena), (vec)->data, &(vec)->cap, sizeof *(vec)->data))         \
         : (void)0,                                                                                \
     (void)((vec)->data[(vec)->len++] = (item)))

/* Returns storage for at least one item more than `*cap`, holding the old items. */
void *tn_vec_grow(Arena *arena, void *data, size_t *cap, size_t item_size);

#endif
