// SPDX-License-Identifier: Apache-2.0
#include "base/fifo.h"

#include <stdlib.h>

enum { FIFO_CHUNK_MIN = 8, FIFO_CHUNK_GROWTH = 8 };

void fifo_init(struct fifo *f, size_t element_size)
{
    *f = (struct fifo){.size = element_size};
}

void fifo_fini(struct fifo *f)
{
    while (f->front != NULL) {
        struct fifo_chunk *next = f->front->next;
        free(f->front);
        f->front = next;
    }
    fifo_init(f, f->size);
}

/* The chunk that the next element goes to, NULL when memory is out. */
static struct fifo_chunk *fifo_room(struct fifo *f)
{
    if (f->back != NULL && f->back->end != f->back->capacity)
        return f->back;
    uint32_t capacity = f->back == NULL ? FIFO_CHUNK_MIN : f->back->capacity * FIFO_CHUNK_GROWTH;
    if (capacity > FIFO_CHUNK_MAX)
        capacity = FIFO_CHUNK_MAX;
    struct fifo_chunk *c = malloc(sizeof(*c) + capacity * f->size);
    if (c == NULL)
        return NULL;
    *c = (struct fifo_chunk){.capacity = capacity};
    if (f->back == NULL)
        f->front = c;
    else
        f->back->next = c;
    f->back = c;
    return c;
}

enum err fifo_reserve(struct fifo *f)
{
    return fifo_room(f) == NULL ? ERR_NOMEM : OK;
}

void *fifo_push(struct fifo *f)
{
    struct fifo_chunk *c = fifo_room(f);
    if (c == NULL)
        return NULL;
    f->n++;
    return c->bytes + c->end++ * f->size;
}

void *fifo_front(const struct fifo *f)
{
    return f->n == 0 ? NULL : f->front->bytes + f->front->first * f->size;
}

void fifo_pop(struct fifo *f)
{
    ASSERT(f->n != 0);
    struct fifo_chunk *c = f->front;
    c->first++;
    f->n--;
    if (c->first < c->end)
        return;
    if (c->next == NULL && c->capacity == FIFO_CHUNK_MIN) {
        /* A queue that is filled and emptied in turn keeps its smallest chunk. */
        c->first = 0;
        c->end = 0;
        return;
    }
    f->front = c->next;
    if (f->front == NULL)
        f->back = NULL;
    free(c);
}

void fifo_move(struct fifo *to, struct fifo *from)
{
    ASSERT(to->n == 0 && to->size == from->size);
    fifo_fini(to);
    *to = *from;
    fifo_init(from, to->size);
}
