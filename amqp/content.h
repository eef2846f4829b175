// SPDX-License-Identifier: Apache-2.0
/* amqp/content.h — content headers, read where they lie, and bodies too large to copy.
 *
 * The payload of a header frame is class id, weight, body size, property flags, properties
 * (0-9-1 §2.3.5.2). It is kept as the bytes that came in; this module finds what the broker itself
 * must know.
 *
 * Thread: any.   Blocks: never.   Allocates: body_new, body_grow.
 */
#ifndef AMQP_CONTENT_H
#define AMQP_CONTENT_H

#include "amqp/properties.def"
#include "amqp/reply.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/span.h"

enum { CLASS_BASIC = 60, CONTENT_HEADER_FIXED = 14 };

#define PROPERTY_ENUM(name, bit, type) PROPERTY_##name = 1 << bit,
enum property_flag { AMQP_PROPERTIES(PROPERTY_ENUM) };
#undef PROPERTY_ENUM

#define PROPERTY_octet                   uint8_t
#define PROPERTY_longlongu               uint64_t
#define PROPERTY_shortstr                struct span
#define PROPERTY_table                   struct span
#define PROPERTY_MEMBER(name, bit, type) PROPERTY_##type name;
struct properties {
    uint16_t flags; /* of enum property_flag: which of the members are present */
    AMQP_PROPERTIES(PROPERTY_MEMBER)
};
#undef PROPERTY_MEMBER

struct content_header {
    uint16_t class_id;
    uint64_t body_size;
    struct span rest; /* flags and properties */
};

/* Splits the fixed part off a header frame's payload. False when it is cut short. */
MUST_USE bool content_header_take(struct span payload, struct content_header *h);

/* Reads flags and properties (content_header.rest) into `p`, which borrows them. Absent members are
 * zero. False when they are malformed, hold unknown flags, or bytes are left over. */
MUST_USE bool properties_take(struct span rest, struct properties *p);

/* A body that was received straight into its own memory. It belongs to one owner at a time, and is
 * freed by the thread that made it. */
struct body {
    struct body *next; /* for lists of bodies on their way back */
    size_t size;       /* bytes received */
    size_t capacity;
    uint32_t home; /* the I/O thread that made it */
    uint8_t bytes[];
};

/* Room for the first bytes of a body that will have `size`. NULL when memory is out. */
struct body *body_new(uint64_t size, uint32_t home);

/* Makes room for at least one more byte, up to `size` in all. ERR_NOMEM leaves `*b` as it was. */
MUST_USE enum err body_grow(struct body **b, uint64_t size);

void body_free(struct body *b);

#endif
