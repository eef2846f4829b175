// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/memory.h"

#include <malloc.h>

/* Names that the linker's --wrap asks for. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *p);

static size_t memory_now;
static size_t memory_most;

size_t memory_used(void)
{
    return memory_now;
}

size_t memory_peak(void)
{
    return memory_most;
}

void memory_reset_peak(void)
{
    memory_most = memory_now;
}

static void *memory_count(void *p)
{
    memory_now += malloc_usable_size(p);
    if (memory_now > memory_most)
        memory_most = memory_now;
    return p;
}

void *__wrap_malloc(size_t size)
{
    return memory_count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return memory_count(__real_calloc(n, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return memory_count(__real_aligned_alloc(alignment, size));
}

void *__wrap_realloc(void *p, size_t size)
{
    size_t before = malloc_usable_size(p);
    void *q = __real_realloc(p, size);
    if (q != NULL)
        memory_now -= before;
    return memory_count(q);
}

void __wrap_free(void *p)
{
    memory_now -= malloc_usable_size(p);
    __real_free(p);
}
