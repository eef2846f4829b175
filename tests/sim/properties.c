// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/properties.h"

#include <stdlib.h>

#include "amqp/content.h"
#include "base/bytes.h"
#include "tests/sim/failure.h"

uint8_t *properties_put_headers(uint8_t *p, const uint8_t headers[HEADERS_MAX])
{
    static const char *const NAMES[HEADERS_MAX] = {"h0", "h1"};
    for (int i = 0; i < HEADERS_MAX; i++) {
        if (headers[i] == 0)
            continue;
        p = put_u8(put_shortstr(p, span_str(NAMES[i])), 'I');
        p = put_u32(p, headers[i]);
    }
    return p;
}

struct span properties_make(const struct message_record *r, uint64_t number,
                            uint8_t at[PROPERTIES_SIZE])
{
    unsigned flags = PROPERTY_delivery_mode | (r->bare ? 0 : PROPERTY_timestamp);
    bool headers = r->headers[0] != 0 || r->headers[1] != 0;
    if (headers)
        flags |= PROPERTY_headers;
    if (r->priority != 0)
        flags |= PROPERTY_priority;
    uint8_t *p = put_u16(at, (uint16_t)flags);
    if (headers) {
        uint8_t *table = p + 4;
        uint8_t *end = properties_put_headers(table, r->headers);
        put_u32(p, (uint32_t)(end - table));
        p = end;
    }
    p = put_u8(p, r->persistent ? 2 : 1);
    if (r->priority != 0)
        p = put_u8(p, r->priority);
    if (!r->bare)
        p = put_u64(p, number);
    return span_of(at, (size_t)(p - at));
}

uint64_t properties_check(const struct model *m, struct span header, struct span body)
{
    struct content_header h;
    struct properties props;
    bool whole = content_header_take(header, &h) && properties_take(h.rest, &props);
    EXPECT(whole, "a delivered header does not decode");
    uint64_t number = props.timestamp;
    struct span rest = body;
    if ((props.flags & PROPERTY_timestamp) == 0)
        EXPECT(take_u64(&rest, &number), "a message that nobody can have published");
    const struct message_record *r = model_message(m, number);
    EXPECT(r != NULL, "message %llu was delivered and never published", (unsigned long long)number);
    uint8_t made[PROPERTIES_SIZE];
    EXPECT(span_eq(h.rest, properties_make(r, number, made)),
           "the properties of message %llu have changed", (unsigned long long)number);
    EXPECT(body.size == r->size, "message %llu has %zu bytes, published were %u",
           (unsigned long long)number, body.size, r->size);
    uint8_t *wanted = malloc(body.size + 1);
    ASSERT(wanted != NULL);
    model_body(number, wanted, body.size);
    EXPECT(span_eq(body, span_of(wanted, body.size)), "the body of message %llu has changed",
           (unsigned long long)number);
    free(wanted);
    return number;
}
