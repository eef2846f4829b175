// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

enum { BUF_CAPACITY_MIN = 256 };

void buf_init(struct buf *b)
{
    *b = (struct buf){.bytes = NULL};
}

void buf_fini(struct buf *b)
{
    free(b->bytes);
    buf_init(b);
}

uint8_t *buf_reserve(struct buf *b, size_t size)
{
    if (b->bytes != NULL && b->capacity - b->end >= size)
        return b->bytes + b->end;
    size_t used = b->end - b->first;
    if (b->bytes != NULL && b->capacity - used >= size && b->first >= used) {
        memcpy(b->bytes, b->bytes + b->first, used);
    } else {
        size_t capacity = b->capacity == 0 ? BUF_CAPACITY_MIN : b->capacity;
        while (capacity - used < size)
            capacity *= 2;
        uint8_t *bytes = malloc(capacity);
        if (bytes == NULL)
            return NULL;
        if (b->bytes != NULL)
            memcpy(bytes, b->bytes + b->first, used);
        free(b->bytes);
        b->bytes = bytes;
        b->capacity = capacity;
    }
    b->first = 0;
    b->end = used;
    return b->bytes + used;
}

void buf_commit(struct buf *b, size_t size)
{
    ASSERT(b->capacity - b->end >= size);
    b->end += size;
}

enum err buf_append(struct buf *b, struct span bytes)
{
    uint8_t *at = buf_reserve(b, bytes.size);
    if (at == NULL)
        return ERR_NOMEM;
    if (bytes.size != 0)
        memcpy(at, bytes.at, bytes.size);
    b->end += bytes.size;
    return OK;
}

struct span buf_span(const struct buf *b)
{
    return b->bytes == NULL ? SPAN_NONE : span_of(b->bytes + b->first, b->end - b->first);
}

void buf_consume(struct buf *b, size_t size)
{
    ASSERT(size <= b->end - b->first);
    b->first += size;
    if (b->first == b->end) {
        b->first = 0;
        b->end = 0;
    }
}

void buf_trim(struct buf *b, size_t keep)
{
    if (b->first == b->end && b->capacity > keep)
        buf_fini(b);
}
