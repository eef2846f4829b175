// SPDX-License-Identifier: Apache-2.0
/* base/pool.h — memory for many short-lived things of a few sizes.
 *
 * Freed blocks wait in a list per size class, at most POOL_KEEP_BYTES of each, so that the common
 * path neither calls malloc nor lets memory pile up. Requests above POOL_SIZE_MAX go to malloc.
 * Under a sanitizer everything does, so that nothing is hidden from it.
 *
 * Thread: that of the owner.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

enum {
    POOL_STEP = 32, /* between classes up to POOL_SMALL_MAX … */
    POOL_SMALL_MAX = 1024,
    POOL_LARGE_STEP = 256, /* … and above */
    POOL_SIZE_MAX = 4096,
    POOL_SMALL_CLASSES = POOL_SMALL_MAX / POOL_STEP,
    POOL_CLASSES = POOL_SMALL_CLASSES + (POOL_SIZE_MAX - POOL_SMALL_MAX) / POOL_LARGE_STEP,
    POOL_KEEP_BYTES = 512 * 1024,
};

struct pool_free {
    struct pool_free *next;
};

struct pool {
    struct pool_free *classes[POOL_CLASSES];
    uint32_t kept[POOL_CLASSES]; /* blocks in each list */
};

/* What blocks of a class have room for. */
size_t pool_class_bytes(size_t class);

void pool_init(struct pool *p);
void pool_fini(struct pool *p);

/* NULL when memory is out. */
void *pool_take(struct pool *p, size_t size);

/* `size` is what was asked for. */
void pool_give(struct pool *p, void *at, size_t size);

#endif
