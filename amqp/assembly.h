// SPDX-License-Identifier: Apache-2.0
/* amqp/assembly.h — a content on its way in, put together from its frames.
 *
 * Used by wire.c alone, for contents whose frames do not lie in one piece. Bodies up to
 * BODY_INLINE_MAX are kept beside the method; larger ones get a struct body that grows as its bytes
 * arrive; those above the size limit are counted but not kept.
 *
 * Thread: that of the wire.
 */
#ifndef AMQP_ASSEMBLY_H
#define AMQP_ASSEMBLY_H

#include "amqp/content.h"
#include "base/buf.h"
#include "base/map.h"

struct assembly {
    struct map_node by_channel;
    uint16_t channel;
    bool has_header;
    bool kept;        /* false: the body is over the limit and is dropped as it comes */
    struct buf bytes; /* the method's payload, the header's payload, a small body */
    size_t payload_size;
    size_t header_size;
    uint64_t body_size;
    uint64_t body_left;
    struct body *large; /* the body, when it is larger than BODY_INLINE_MAX and kept */
};

/* Copies the method's payload. NULL when memory is out. */
struct assembly *assembly_new(uint16_t channel, struct span payload);
void assembly_free(struct assembly *a);

/* Takes the header frame. `crowded`: others are under way, a large body begins with little memory.
 * ERR_NOMEM. */
MUST_USE enum err assembly_header(struct assembly *a, struct span header, uint64_t body_size,
                                  uint64_t body_size_max, uint32_t home, bool crowded);

/* Copies body bytes, at most body_left of them. ERR_NOMEM. */
MUST_USE enum err assembly_body(struct assembly *a, struct span bytes);

/* Memory for more bytes of a large body, between 1 and body_left of them; 0 when it is not large or
 * not kept, when it is whole, or when memory is out. */
size_t assembly_room(struct assembly *a, uint8_t **at);

/* `n` bytes have been put there. */
void assembly_received(struct assembly *a, size_t n);

/* What the assembly holds now; valid until it changes. */
struct span assembly_payload(const struct assembly *a);
struct span assembly_header_payload(const struct assembly *a);
struct span assembly_small_body(const struct assembly *a);

/* Bytes held, for the bound per connection. */
uint64_t assembly_bytes(const struct assembly *a);

#endif
