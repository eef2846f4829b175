// SPDX-License-Identifier: Apache-2.0
#include "base/deque.h"

#include <stdlib.h>
#include <string.h>

enum { DEQUE_CAPACITY_MIN = 8, DEQUE_CAPACITY_KEPT = 64 };

void deque_init(struct deque *d, size_t element_size)
{
    *d = (struct deque){.size = element_size};
}

void deque_fini(struct deque *d)
{
    free(d->bytes);
    deque_init(d, d->size);
}

static enum err deque_resize(struct deque *d, size_t capacity)
{
    uint8_t *bytes = malloc(capacity * d->size);
    if (bytes == NULL)
        return ERR_NOMEM;
    size_t n_front = d->capacity - d->first;
    if (n_front > d->n)
        n_front = d->n;
    if (d->n != 0) {
        memcpy(bytes, d->bytes + d->first * d->size, n_front * d->size);
        memcpy(bytes + n_front * d->size, d->bytes, (d->n - n_front) * d->size);
    }
    free(d->bytes);
    d->bytes = bytes;
    d->capacity = capacity;
    d->first = 0;
    return OK;
}

void *deque_push(struct deque *d)
{
    if (d->n == d->capacity &&
        deque_resize(d, d->capacity == 0 ? DEQUE_CAPACITY_MIN : d->capacity * 2) != OK)
        return NULL;
    d->n++;
    return deque_at(d, d->n - 1);
}

void *deque_at(const struct deque *d, size_t i)
{
    return d->bytes + ((d->first + i) & (d->capacity - 1)) * d->size;
}

static void deque_shrink(struct deque *d)
{
    /* A failed attempt keeps the larger ring: nothing is lost but memory. */
    if (d->capacity > DEQUE_CAPACITY_KEPT && d->n < d->capacity / 4)
        (void)!deque_resize(d, d->capacity / 2);
}

void deque_pop(struct deque *d)
{
    ASSERT(d->n != 0);
    d->first = (d->first + 1) & (d->capacity - 1);
    d->n--;
    deque_shrink(d);
}

void deque_cut(struct deque *d, size_t i)
{
    ASSERT(i <= d->n);
    d->n = i;
    deque_shrink(d);
}

void deque_trim(struct deque *d)
{
    if (d->n == 0)
        deque_fini(d);
}
