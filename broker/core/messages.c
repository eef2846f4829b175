// SPDX-License-Identifier: Apache-2.0
#include "broker/core/messages.h"

#include "base/bytes.h"

static size_t message_allocation(const struct message *m)
{
    return sizeof(*m) + m->route_size + m->header_size + (m->large == NULL ? m->body_size : 0);
}

struct message *message_new(struct core *core, struct in_publish *p, const struct message_traits *t)
{
    size_t body = p->large == NULL ? p->body.size : 0;
    struct message *m = pool_take(&core->messages,
                                  sizeof(*m) + p->route.size + p->header.size + body);
    if (m == NULL)
        return NULL;
    m->refs = 1;
    m->token = 0;
    m->route_size = (uint16_t)p->route.size;
    m->persistent = t->persistent;
    m->priority = t->priority;
    m->header_size = (uint32_t)p->header.size;
    m->body_size = (uint32_t)p->body_size;
    m->large = p->large;
    p->large = NULL;
    uint8_t *at = put_bytes(put_bytes(m->bytes, p->route), p->header);
    if (m->large == NULL)
        put_bytes(at, p->body);
    core->message_bytes += message_footprint(m);
    return m;
}

/* sizes = size of the route (u16), priority (octet), 0 (octet), size of the header (u32) */
void message_stored_parts(const void *message, struct message_parts *out)
{
    const struct message *m = message;
    uint8_t *p = put_u8(put_u8(put_u16(out->head, m->route_size), m->priority), 0);
    out->head_size = (size_t)(put_u32(p, m->header_size) - out->head);
    out->parts[0] = message_route(m);
    out->parts[1] = message_header(m);
    out->parts[2] = message_body(m);
}

/* The two short strings of a route, and nothing else. */
static bool message_take_route(struct stored_message *s)
{
    struct span route = s->route;
    return take_shortstr(&route, &s->exchange) && take_shortstr(&route, &s->key) && route.size == 0;
}

bool message_take_stored(struct span bytes, struct stored_message *s)
{
    uint16_t route_size;
    uint8_t zero;
    uint32_t header_size;
    struct content_header h;
    if (!take_u16(&bytes, &route_size) || !take_u8(&bytes, &s->priority) ||
        !take_u8(&bytes, &zero) || !take_u32(&bytes, &header_size) ||
        !take_span(&bytes, route_size, &s->route) || !take_span(&bytes, header_size, &s->header) ||
        !message_take_route(s) || !content_header_take(s->header, &h) || h.body_size != bytes.size)
        return false;
    s->body = bytes;
    return true;
}

enum err message_from_store(struct core *core, struct span bytes, uint32_t refs,
                            struct message **out)
{
    struct stored_message s;
    if (!message_take_stored(bytes, &s))
        return ERR_SYNTAX;
    struct in_publish p = {
        .route = s.route, .header = s.header, .body = s.body, .body_size = s.body.size};
    struct message_traits traits = {.persistent = true, .priority = s.priority};
    struct message *m = message_new(core, &p, &traits);
    if (m == NULL)
        return ERR_NOMEM;
    m->refs = refs;
    *out = m;
    return OK;
}

struct message *message_ref(struct message *m)
{
    ASSERT(m->refs != 0);
    m->refs++;
    return m;
}

void message_body_home(struct core *core, struct body *b)
{
    struct core_link *home = &core->links[b->home];
    b->next = home->bodies_home;
    home->bodies_home = b;
}

void message_unref(struct core *core, struct message *m)
{
    ASSERT(m->refs != 0);
    if (--m->refs != 0)
        return;
    core->message_bytes -= message_footprint(m);
    size_t size = message_allocation(m);
    if (m->large != NULL)
        message_body_home(core, m->large);
    pool_give(&core->messages, m, size);
}

void messages_send_bodies_home(struct core *core)
{
    for (size_t i = 0; i < core->n_links; i++) {
        struct core_link *link = &core->links[i];
        if (link->bodies_home == NULL)
            continue;
        struct out_bodies *out = ring_reserve(&link->link->out, sizeof(*out));
        if (out == NULL)
            continue;
        *out = (struct out_bodies){.head = {.kind = OUT_BODIES}, .first = link->bodies_home};
        ring_commit(&link->link->out, sizeof(*out));
        link->bodies_home = NULL;
    }
}
