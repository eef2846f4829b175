// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POOL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define POOL_SANITIZED 1
#endif
#endif
/* Deliberate: the one condition on the build, because a list of freed blocks blinds a sanitizer. */
#ifdef POOL_SANITIZED
enum { POOL_KEEPS = 0 };
#else
enum { POOL_KEEPS = 1 };
#endif

void pool_init(struct pool *p)
{
    *p = (struct pool){.kept = {0}};
}

void pool_fini(struct pool *p)
{
    for (size_t i = 0; i < POOL_CLASSES; i++) {
        while (p->classes[i] != NULL) {
            struct pool_free *next = p->classes[i]->next;
            free(p->classes[i]);
            p->classes[i] = next;
        }
    }
    pool_init(p);
}

static size_t pool_class(size_t size)
{
    if (size <= POOL_SMALL_MAX)
        return size == 0 ? 0 : (size - 1) / POOL_STEP;
    return POOL_SMALL_CLASSES + (size - POOL_SMALL_MAX - 1) / POOL_LARGE_STEP;
}

size_t pool_class_bytes(size_t class)
{
    if (class < POOL_SMALL_CLASSES)
        return (class + 1) * POOL_STEP;
    return POOL_SMALL_MAX + (class - POOL_SMALL_CLASSES + 1) * POOL_LARGE_STEP;
}

void *pool_take(struct pool *p, size_t size)
{
    if (size > POOL_SIZE_MAX)
        return malloc(size);
    size_t class = pool_class(size);
    struct pool_free *block = p->classes[class];
    if (block == NULL)
        return malloc(pool_class_bytes(class));
    p->classes[class] = block->next;
    p->kept[class]--;
    return block;
}

void pool_give(struct pool *p, void *at, size_t size)
{
    size_t class = pool_class(size);
    if (!POOL_KEEPS || size > POOL_SIZE_MAX ||
        p->kept[class] >= POOL_KEEP_BYTES / pool_class_bytes(class)) {
        free(at);
        return;
    }
    struct pool_free *block = at;
    block->next = p->classes[class];
    p->classes[class] = block;
    p->kept[class]++;
}
