/* fuse.h: state shared by the parts of the fuse pass. */
#ifndef TN_PASSES_FUSE_H
#define TN_PASSES_FUSE_H

#include "passes/group.h"
#include "passes/pass.h"

/* Where in its group's loops a value is computed. */
typedef enum Space {
    SPACE_NONE,  /* not in a group */
    SPACE_ROOT,  /* once per root index */
    SPACE_FULL,  /* rows: once per full index */
    SPACE_INNER, /* wherever a member reads it: never stored */
    SPACE_BAD    /* (as an answer) does not fit */
} Space;

typedef struct Fuse {
    Ctx *ctx;
    Graph *graph;
    Arena *arena; /* scratch */
    bool optimise;
    uint8_t *space;  /* Space by value id */
    const Dim *const **at; /* by value id: a member's index over its group's variables */
    uint8_t *passes; /* by value id: after how many passes over a row a member is known */
    uint32_t *order; /* topological position by node id */
    TN_VEC(Group *) groups;
    TN_VEC(uint32_t) stamps; /* by group: visited marks */
    TN_VEC(Group *) stack;
    uint32_t stamp;
} Fuse;

/* Notes every node's place in the graph; to be done anew after nodes were added. */
void tn_fuse_number(Fuse *fuse);
/* Puts a group's nodes in the graph's order. */
void tn_fuse_sort_group(Fuse *fuse, Group *group);
/* Readers compute again what is cheaper to compute than to keep (fuse_again.c). */
void tn_fuse_again(Fuse *fuse);
/* Cheap pointwise groups become part of their readers (fuse_dissolve.c). */
void tn_fuse_dissolve(Fuse *fuse);
/* Numbers groups in execution order and sorts the graph's nodes by them (fuse_order.c). */
bool tn_fuse_order(Fuse *fuse);

#endif
