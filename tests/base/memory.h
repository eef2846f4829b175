// SPDX-License-Identifier: Apache-2.0
/* tests/base/memory.h — allocations that fail on demand.
 *
 * For a program linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc. memory_fail_from(n)
 * lets n allocations succeed and none after them; memory_fail_once(n) makes only the one after n
 * fail. libcheck allocates with every assertion: heal first, assert then.
 *
 * Deliberate: function bodies in a header, because every test is a program of one file.
 */
#ifndef TESTS_BASE_MEMORY_H
#define TESTS_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);

static bool memory_armed;
static bool memory_only_one;
static bool memory_failed; /* since it was armed */
static unsigned memory_left;

static bool memory_fails(void)
{
    if (!memory_armed)
        return false;
    if (memory_left != 0) {
        memory_left--;
        return false;
    }
    memory_failed = true;
    memory_armed = !memory_only_one;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return memory_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return memory_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return memory_fails() ? NULL : __real_realloc(at, size);
}

static inline void memory_fail_from(unsigned n)
{
    memory_left = n;
    memory_failed = false;
    memory_only_one = false;
    memory_armed = true;
}

static inline void memory_fail_once(unsigned n)
{
    memory_fail_from(n);
    memory_only_one = true;
}

static inline void memory_heal(void)
{
    memory_armed = false;
}

#endif
