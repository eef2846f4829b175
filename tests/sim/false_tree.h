// SPDX-License-Identifier: Apache-2.0
/* tests/sim/false_tree.h — the nodes of a false disk, by number and by path.
 *
 * Thread: the one of the simulation.   Aborts without memory.
 */
#ifndef TESTS_SIM_FALSE_TREE_H
#define TESTS_SIM_FALSE_TREE_H

#include "tests/sim/false_node.h"

struct false_tree {
    struct false_node **nodes; /* 0 is the directory, NULL is a number not in use */
    size_t n;
};

/* Takes a node; its number. */
size_t false_tree_add(struct false_tree *t, struct false_node *node);

/* The node that a path leads to, or NULL. */
struct false_node *false_tree_find(struct false_tree *t, const char *path);

/* The folder of that path ("" is the directory), or NULL. */
struct false_node *false_tree_find_folder(struct false_tree *t, const char *path);

/* The folder that holds what a path leads to, or NULL; and the last part of the path. */
struct false_node *false_tree_folder(struct false_tree *t, const char *path, const char **last);

/* Marks the nodes that are open or that a reader can reach, and with `ever` those that a power cut
 * may bring back. */
void false_tree_mark(struct false_tree *t, bool ever);

/* Frees what cannot be reached any more, whatever happens. */
void false_tree_sweep(struct false_tree *t);

#endif
