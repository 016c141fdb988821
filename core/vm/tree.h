/*
 * An ordered tree whose nodes live inside the caller's structs: AVL-balanced, keys unique. It owns no memory
 * and cannot fail. Every operation is O(log n); a walk with tree_next is O(1) per node on average.
 */
#ifndef VM_TREE_H
#define VM_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tree_node {
    struct tree_node *child[2]; /* lower keys, higher keys */
    struct tree_node *parent;
    uint64_t key;
    int height; /* 1 for a leaf */
};

struct tree {
    struct tree_node *root;
    size_t count;
};

/*
 * Insert node, whose key is set, directly behind `before`, the node with the next lower key; NULL: node is the
 * lowest.
 */
void tree_insert(struct tree *t, struct tree_node *before, struct tree_node *node);
void tree_remove(struct tree *t, struct tree_node *node);

/* The node with the highest key that is not above key; NULL when all are above. */
struct tree_node *tree_floor(const struct tree *t, uint64_t key);
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_last(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_prev(const struct tree_node *node);

/* Order, balance, heights, parents and the count. O(n). */
bool tree_valid(const struct tree *t);

#endif
