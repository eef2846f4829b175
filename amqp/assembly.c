// SPDX-License-Identifier: Apache-2.0
#include "amqp/assembly.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

struct assembly *assembly_new(uint16_t channel, struct span payload)
{
    struct assembly *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return NULL;
    a->channel = channel;
    a->payload_size = payload.size;
    buf_init(&a->bytes);
    if (buf_append(&a->bytes, payload) != OK) {
        free(a);
        return NULL;
    }
    return a;
}

void assembly_free(struct assembly *a)
{
    buf_fini(&a->bytes);
    body_free(a->large);
    free(a);
}

enum err assembly_header(struct assembly *a, struct span header, uint64_t body_size,
                         uint64_t body_size_max, uint32_t home, bool crowded)
{
    ASSERT(!a->has_header);
    if (buf_append(&a->bytes, header) != OK)
        return ERR_NOMEM;
    a->has_header = true;
    a->header_size = header.size;
    a->body_size = body_size;
    a->body_left = body_size;
    a->kept = body_size <= body_size_max;
    if (!a->kept || body_size <= BODY_INLINE_MAX)
        return OK;
    a->large = body_new(crowded ? BODY_FIRST_BYTES_CROWDED : body_size, home);
    return a->large == NULL ? ERR_NOMEM : OK;
}

size_t assembly_room(struct assembly *a, uint8_t **at)
{
    if (a->large == NULL || a->body_left == 0)
        return 0;
    if (a->large->size == a->large->capacity && body_grow(&a->large, a->body_size) != OK)
        return 0;
    *at = a->large->bytes + a->large->size;
    return a->large->capacity - a->large->size;
}

void assembly_received(struct assembly *a, size_t n)
{
    ASSERT(n <= a->body_left && n <= a->large->capacity - a->large->size);
    a->large->size += n;
    a->body_left -= n;
}

static enum err assembly_body_large(struct assembly *a, struct span bytes)
{
    while (bytes.size != 0) {
        uint8_t *at;
        size_t n = assembly_room(a, &at);
        if (n == 0)
            return ERR_NOMEM;
        if (n > bytes.size)
            n = bytes.size;
        memcpy(at, bytes.at, n);
        assembly_received(a, n);
        bytes = span_of(bytes.at + n, bytes.size - n);
    }
    return OK;
}

enum err assembly_body(struct assembly *a, struct span bytes)
{
    ASSERT(bytes.size <= a->body_left);
    if (a->large != NULL)
        return assembly_body_large(a, bytes);
    a->body_left -= bytes.size;
    return a->kept ? buf_append(&a->bytes, bytes) : OK;
}

struct span assembly_payload(const struct assembly *a)
{
    return span_of(buf_span(&a->bytes).at, a->payload_size);
}

struct span assembly_header_payload(const struct assembly *a)
{
    return span_of(buf_span(&a->bytes).at + a->payload_size, a->header_size);
}

struct span assembly_small_body(const struct assembly *a)
{
    struct span all = buf_span(&a->bytes);
    size_t before = a->payload_size + a->header_size;
    return span_of(all.at + before, all.size - before);
}

uint64_t assembly_bytes(const struct assembly *a)
{
    return buf_span(&a->bytes).size + (a->large == NULL ? 0 : a->large->size);
}
