// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/false_node.h"

#include <stdlib.h>
#include <string.h>

void *false_room(void *at, size_t n, size_t size)
{
    at = realloc(at, n == 0 ? size : n * size);
    ASSERT(at != NULL);
    return at;
}

/* ---- Content ---- */

static void content_grow(struct false_content *c, size_t size)
{
    if (size <= c->size)
        return;
    if (size > c->room) {
        c->room = size > 2 * c->room ? size : 2 * c->room;
        c->bytes = false_room(c->bytes, c->room, 1);
    }
    memset(c->bytes + c->size, 0, size - c->size);
    c->size = size;
}

static void content_write(struct false_content *c, size_t offset, const uint8_t *at, size_t size)
{
    if (size == 0)
        return;
    content_grow(c, offset + size);
    memcpy(c->bytes + offset, at, size);
}

static struct false_name *content_find(const struct false_content *c, const char *name)
{
    for (size_t i = 0; i < c->n_names; i++)
        if (strcmp(c->names[i].name, name) == 0)
            return &c->names[i];
    return NULL;
}

static void content_make(struct false_content *c, const char *name, size_t node)
{
    if (content_find(c, name) != NULL)
        return; /* what was there before has not been removed after all */
    c->names = false_room(c->names, c->n_names + 1, sizeof(*c->names));
    struct false_name *n = &c->names[c->n_names++];
    memcpy(n->name, name, strlen(name) + 1);
    n->node = node;
}

static void content_remove(struct false_content *c, const char *name)
{
    struct false_name *n = content_find(c, name);
    if (n != NULL)
        *n = c->names[--c->n_names];
}

/* A durable rename of a name whose making was lost is there all the same: the folder was written as
 * it was. */
static void content_rename(struct false_content *c, const struct false_change *change)
{
    if (content_find(c, change->name) == NULL && change->state != CHANGE_DURABLE)
        return;
    content_remove(c, change->to);
    content_remove(c, change->name);
    content_make(c, change->to, change->node);
}

static void content_flip(struct false_content *c, size_t offset, uint8_t mask)
{
    if (offset < c->size)
        c->bytes[offset] ^= mask;
}

/* Makes a change, or leaves it when what it is about is not there. */
static void content_change(struct false_content *c, const struct false_change *change)
{
    switch (change->kind) {
    case CHANGE_WRITE: content_write(c, change->offset, change->bytes, change->size); return;
    case CHANGE_SIZE: content_grow(c, change->size); return;
    case CHANGE_FLIP: content_flip(c, change->offset, change->bytes[0]); return;
    case CHANGE_MAKE:
        if (change->state == CHANGE_DURABLE)
            content_remove(c, change->name); /* as with a rename */
        content_make(c, change->name, change->node);
        return;
    case CHANGE_RENAME: content_rename(c, change); return;
    case CHANGE_REMOVE: content_remove(c, change->name); return;
    }
}

/* Some of the sectors that it touches, and perhaps its size without its bytes. */
static void content_write_torn(struct false_content *c, const struct false_change *change,
                               struct rng *chance)
{
    size_t end = change->offset + change->size;
    if (rng_below(chance, 2) == 0)
        content_grow(c, end);
    for (size_t at = change->offset; at < end;) {
        size_t next = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        if (next > end)
            next = end;
        if (rng_below(chance, 2) == 0)
            content_write(c, at, change->bytes + (at - change->offset), next - at);
        at = next;
    }
}

/* All and nothing are drawn of their own, or a write of many sectors would never be there whole. */
static void content_change_perhaps(struct false_content *c, const struct false_change *change,
                                   struct rng *chance)
{
    uint64_t luck = rng_below(chance, 4);
    if (luck == 0)
        content_change(c, change);
    else if (luck != 1 && change->kind == CHANGE_WRITE)
        content_write_torn(c, change, chance);
}

static struct false_content content_copy(const struct false_content *from)
{
    struct false_content c = {.size = from->size, .room = from->size, .n_names = from->n_names};
    if (c.size != 0)
        c.bytes = memcpy(false_room(NULL, c.size, 1), from->bytes, c.size);
    if (c.n_names != 0)
        c.names = memcpy(false_room(NULL, c.n_names, sizeof(*c.names)), from->names,
                         c.n_names * sizeof(*c.names));
    return c;
}

static void content_fini(struct false_content *c)
{
    free(c->bytes);
    free(c->names);
}

/* ---- Nodes ---- */

struct false_node *false_node_new(bool folder)
{
    struct false_node *node = false_room(NULL, 1, sizeof(*node));
    *node = (struct false_node){.folder = folder};
    return node;
}

static void node_append(struct false_node *node, const struct false_change *change)
{
    node->changes = false_room(node->changes, node->n_changes + 1, sizeof(*node->changes));
    struct false_change *c = &node->changes[node->n_changes++];
    *c = *change;
    if (change->bytes != NULL)
        c->bytes = memcpy(false_room(NULL, c->size, 1), change->bytes, c->size);
}

struct false_node *false_node_copy(const struct false_node *node)
{
    struct false_node *copy = false_node_new(node->folder);
    copy->synced = content_copy(&node->synced);
    copy->now = content_copy(&node->now);
    for (size_t i = 0; i < node->n_changes; i++)
        node_append(copy, &node->changes[i]);
    return copy;
}

/* Forgets the first `n` changes. */
static void node_drop(struct false_node *node, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(node->changes[i].bytes);
    node->n_changes -= n;
    memmove(node->changes, node->changes + n, node->n_changes * sizeof(*node->changes));
}

void false_node_free(struct false_node *node)
{
    if (node == NULL)
        return;
    if (node->n_changes != 0)
        node_drop(node, node->n_changes);
    free(node->changes);
    content_fini(&node->synced);
    content_fini(&node->now);
    free(node);
}

/* Merges the changes that are durable, up to the first that is not. */
static void node_settle(struct false_node *node)
{
    size_t n = 0;
    for (; n < node->n_changes && node->changes[n].state == CHANGE_DURABLE; n++)
        content_change(&node->synced, &node->changes[n]);
    if (n != 0)
        node_drop(node, n);
}

size_t false_node_named(const struct false_node *folder, const char *name)
{
    const struct false_name *n = content_find(&folder->now, name);
    ASSERT(n != NULL);
    return n->node;
}

void false_node_change(struct false_node *node, const struct false_change *change)
{
    node_append(node, change);
    content_change(&node->now, change);
    node_settle(node);
}

const struct false_name *false_node_find(const struct false_node *folder, const char *name)
{
    return content_find(&folder->now, name);
}

static void node_move_pending(struct false_node *node, enum false_change_state state)
{
    for (size_t i = 0; i < node->n_changes; i++)
        if (node->changes[i].state == CHANGE_PENDING)
            node->changes[i].state = state;
}

void false_node_sync(struct false_node *node)
{
    node_move_pending(node, CHANGE_DURABLE);
    node_settle(node);
}

void false_node_doubt(struct false_node *node)
{
    node_move_pending(node, CHANGE_IN_DOUBT);
}

void false_node_power_on(struct false_node *node, struct rng *chance)
{
    uint64_t luck = rng_below(chance, 4); /* of the whole node: see content_change_perhaps */
    for (size_t i = 0; i < node->n_changes; i++) {
        const struct false_change *change = &node->changes[i];
        if (change->state == CHANGE_DURABLE || luck == 0)
            content_change(&node->synced, change);
        else if (luck != 1)
            content_change_perhaps(&node->synced, change, chance);
    }
    if (node->n_changes != 0)
        node_drop(node, node->n_changes);
    content_fini(&node->now);
    node->now = content_copy(&node->synced);
}
