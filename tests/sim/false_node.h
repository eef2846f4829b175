// SPDX-License-Identifier: Apache-2.0
/* tests/sim/false_node.h — a file or a folder of the false disk: what is durable, and what is not.
 *
 * A node is its content as of the last sync and the changes since, in order. With all of them made
 * it is what a reader sees. After a power cut each of them was made, or was not, or in part.
 *
 * A change is pending until a sync makes it durable. If the sync fails it is in doubt, for ever: no
 * later sync makes it durable, so the changes behind it, durable or not, cannot be merged into the
 * content.
 *
 * Thread: the one of the simulation.   Aborts without memory.
 */
#ifndef TESTS_SIM_FALSE_NODE_H
#define TESTS_SIM_FALSE_NODE_H

#include "base/rng.h"
#include "storage/disk.h"

enum { SECTOR_BYTES = 512 }; /* what a disk writes whole or not at all */

struct false_name {
    char name[DISK_PATH_MAX];
    size_t node; /* its number, which is for the disk to know */
};

/* Of a file the bytes, of a folder the names. */
struct false_content {
    uint8_t *bytes;
    size_t size;
    size_t room;
    struct false_name *names;
    size_t n_names;
};

enum false_change_kind {
    CHANGE_WRITE,
    CHANGE_SIZE, /* never makes it smaller */
    CHANGE_FLIP,
    CHANGE_MAKE,
    CHANGE_RENAME,
    CHANGE_REMOVE
};

enum false_change_state { CHANGE_PENDING, CHANGE_IN_DOUBT, CHANGE_DURABLE };

struct false_change {
    enum false_change_kind kind;
    enum false_change_state state;
    size_t offset;
    size_t size;    /* of the bytes; CHANGE_SIZE: of the file */
    uint8_t *bytes; /* copied; CHANGE_FLIP: one, the mask */
    char name[DISK_PATH_MAX];
    char to[DISK_PATH_MAX]; /* CHANGE_RENAME */
    size_t node;            /* CHANGE_MAKE, CHANGE_RENAME */
};

struct false_node {
    bool folder;
    bool locked;
    bool marked; /* for the disk */
    size_t n_open;
    struct false_content synced;
    struct false_content now;
    struct false_change *changes;
    size_t n_changes;
};

/* A block for `n` elements, as realloc. */
void *false_room(void *at, size_t n, size_t size);

struct false_node *false_node_new(bool folder);
struct false_node *false_node_copy(const struct false_node *node);
void false_node_free(struct false_node *node);

/* Which node a name in a folder leads to; it is there. */
size_t false_node_named(const struct false_node *folder, const char *name);

/* Makes a change, which makes sense to whoever reads. */
void false_node_change(struct false_node *node, const struct false_change *change);

/* The name as a reader sees it, or NULL. */
const struct false_name *false_node_find(const struct false_node *folder, const char *name);

/* A sync that went well, or did not. */
void false_node_sync(struct false_node *node);
void false_node_doubt(struct false_node *node);

/* Makes up what is left of the node, which is durable. */
void false_node_power_on(struct false_node *node, struct rng *chance);

#endif
