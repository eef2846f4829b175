// SPDX-License-Identifier: Apache-2.0
#include "broker/link/message.h"

struct span message_route(const struct message *m)
{
    return span_of(m->bytes, m->route_size);
}

struct span message_header(const struct message *m)
{
    return span_of(m->bytes + m->route_size, m->header_size);
}

struct span message_body(const struct message *m)
{
    return m->large != NULL ? span_of(m->large->bytes, m->body_size)
                            : span_of(m->bytes + m->route_size + m->header_size, m->body_size);
}

size_t message_footprint(const struct message *m)
{
    return sizeof(*m) + m->route_size + m->header_size + m->body_size;
}
