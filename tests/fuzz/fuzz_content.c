// SPDX-License-Identifier: Apache-2.0
/* Any bytes as the payload of a header frame: properties are whole and lie inside it. */
#include <string.h>

#include "amqp/content.h"
#include "amqp/table.h"
#include "tests/fuzz/target.h"

static void check_inside(struct span outer, struct span inner)
{
    ASSERT(inner.size == 0 ||
           (inner.at >= outer.at && inner.at + inner.size <= outer.at + outer.size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span payload = span_of(data, size);
    struct content_header h;
    struct properties p;
    if (!content_header_take(payload, &h))
        return 0;
    check_inside(payload, h.rest);
    if (!properties_take(h.rest, &p))
        return 0;
    check_inside(payload, p.content_type);
    check_inside(payload, p.cluster_id);
    check_inside(payload, p.headers);
    ASSERT((p.flags & 3) == 0);
    ASSERT((p.flags & PROPERTY_headers) != 0 || p.headers.size == 0);
    ASSERT((p.flags & PROPERTY_priority) != 0 || p.priority == 0);
    ASSERT(table_check(p.headers) == TABLE_OK);
    return 0;
}
