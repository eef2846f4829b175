// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/content.h"
#include "amqp/wire.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/rng.h"

enum { MESSAGE_HEAD = 16, MESSAGE_HEADER_MAX = 64 };

/* Class to properties, as a header frame's payload. */
static struct span message_header(const struct record *r, uint32_t message,
                                  uint8_t at[MESSAGE_HEADER_MAX])
{
    char id[16];
    snprintf(id, sizeof(id), "%u", message);
    uint8_t *p = put_u16(at, CLASS_BASIC);
    p = put_u16(p, 0);
    p = put_u64(p, r->size);
    p = put_u16(p, PROPERTY_delivery_mode | PROPERTY_message_id);
    p = put_u8(p, r->persistent ? 2 : 1);
    p = put_shortstr(p, span_str(id));
    return span_of(at, (size_t)(p - at));
}

/* The whole body, in memory of the caller's that has room for its head besides. */
static void message_body(const struct record *r, uint32_t message, uint8_t *at)
{
    struct rng rng = {message};
    uint8_t head[MESSAGE_HEAD];
    size_t n_rest = r->size > MESSAGE_HEAD ? r->size - MESSAGE_HEAD : 0;
    uint8_t *p = at + MESSAGE_HEAD;
    for (size_t left = n_rest; left != 0;) {
        uint64_t v = rng_next(&rng);
        size_t n = left < sizeof(v) ? left : sizeof(v);
        memcpy(p, &v, n);
        p += n;
        left -= n;
    }
    p = put_u32(head, r->producer);
    p = put_u32(p, message);
    p = put_u32(p, r->size);
    put_u32(p, checksum_crc32c(0, span_of(at + MESSAGE_HEAD, n_rest)));
    memcpy(at, head, r->size < MESSAGE_HEAD ? r->size : MESSAGE_HEAD);
}

static void message_put_frame(struct buf *out, uint8_t type, uint16_t channel, struct span payload)
{
    uint8_t *start = buf_reserve(out, payload.size + FRAME_OVERHEAD);
    ASSERT(start != NULL);
    uint8_t *p = frame_put_head(start, type, channel, (uint32_t)payload.size);
    put_u8(put_bytes(p, payload), FRAME_END);
    buf_commit(out, payload.size + FRAME_OVERHEAD);
}

void message_put(struct buf *out, uint16_t channel, const struct record *r, uint32_t message,
                 uint32_t frame_max)
{
    uint8_t header[MESSAGE_HEADER_MAX];
    message_put_frame(out, FRAME_HEADER, channel, message_header(r, message, header));
    uint8_t *body = malloc(r->size + MESSAGE_HEAD);
    ASSERT(body != NULL);
    message_body(r, message, body);
    for (size_t at = 0; at < r->size;) {
        size_t n = r->size - at;
        if (n > frame_max - FRAME_OVERHEAD)
            n = frame_max - FRAME_OVERHEAD;
        message_put_frame(out, FRAME_BODY, channel, span_of(body + at, n));
        at += n;
    }
    free(body);
}

uint32_t message_number(struct span header)
{
    struct content_header h;
    struct properties p;
    if (!content_header_take(header, &h) || !properties_take(h.rest, &p) || p.message_id.size > 10)
        return 0;
    uint64_t number = 0;
    for (size_t i = 0; i < p.message_id.size; i++) {
        if (p.message_id.at[i] < '0' || p.message_id.at[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(p.message_id.at[i] - '0');
    }
    return number > UINT32_MAX ? 0 : (uint32_t)number;
}

bool message_is_intact(const struct record *r, uint32_t message, struct span header,
                       struct span body)
{
    uint8_t made[MESSAGE_HEADER_MAX];
    if (!span_eq(header, message_header(r, message, made)) || body.size != r->size)
        return false;
    uint8_t *wanted = malloc(r->size + MESSAGE_HEAD);
    ASSERT(wanted != NULL);
    message_body(r, message, wanted);
    bool equal = span_eq(span_of(wanted, r->size), body);
    free(wanted);
    return equal;
}
