// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "broker/net/conn_priv.h"

enum { CONN_READ_MIN = 16 * 1024, CONN_READ_MAX = 64 * 1024 };

/* ---- Records for the core ---- */

void *conn_record(struct conn *c, size_t size, enum in_kind kind, uint16_t channel)
{
    struct in_head *head = ring_reserve(&c->io->options.link->in, size);
    ASSERT(head != NULL); /* LINK_IN_ROOM was free before the event was asked for */
    *head = (struct in_head){.kind = kind, .conn = c->id, .channel = channel};
    ring_commit(&c->io->options.link->in, size);
    return head;
}

/* A content that was put together lies in the wire only until its next call: it is copied behind
 * the record. */
static void conn_hand_on_publish(struct conn *c, struct wire_event *ev)
{
    bool copied = c->wire.finished != NULL;
    size_t behind = copied ? ev->payload.size + ev->header.size + ev->body.size : 0;
    struct in_publish *in = conn_record(c, sizeof(*in) + behind, IN_PUBLISH, ev->channel);
    in->method_id = (uint8_t)ev->method.id;
    in->mandatory = false;
    in->immediate = false;
    if (ev->method.id == METHOD_basic_publish) {
        in->mandatory = ev->method.basic_publish.mandatory;
        in->immediate = ev->method.basic_publish.immediate;
    }
    if (copied) {
        uint8_t *at = (uint8_t *)(in + 1);
        uint8_t *header_at = put_bytes(at, ev->payload);
        uint8_t *body_at = put_bytes(header_at, ev->header);
        put_bytes(body_at, ev->body);
        ev->payload.at = at;
        ev->header.at = header_at;
        ev->body.at = body_at;
    }
    /* Of basic.publish: class, method and ticket stand before the route, the bits behind it. */
    in->route = ev->method.id == METHOD_basic_publish
                    ? span_of(ev->payload.at + 6, ev->payload.size - 7)
                    : SPAN_NONE;
    in->header = ev->header;
    in->body = ev->body;
    in->body_size = ev->body_size;
    in->large = ev->large_body;
}

static void conn_hand_on(struct conn *c, enum wire_got got, struct wire_event *ev)
{
    switch (got) {
    case WIRE_OPENED: {
        struct in_opened *in = conn_record(c, sizeof(*in), IN_OPENED, 0);
        in->loopback = c->loopback;
        c->known = true;
        break;
    }
    case WIRE_REFUSED:
        log_event(LOG_CONN_REFUSED, "reason=\"protocol header\"");
        conn_append(c, span_of(WIRE_PROTOCOL_HEADER, sizeof(WIRE_PROTOCOL_HEADER)));
        conn_end(c);
        break;
    case WIRE_METHOD: {
        struct in_method *in = conn_record(c, sizeof(*in), IN_METHOD, ev->channel);
        in->payload = ev->payload;
        in->method = ev->method;
        break;
    }
    case WIRE_PUBLISH: conn_hand_on_publish(c, ev); break;
    case WIRE_FAULT: {
        struct in_fault *in = conn_record(c, sizeof(*in), IN_FAULT, 0);
        in->fault = ev->fault;
        break;
    }
    case WIRE_HEARTBEAT:
    case WIRE_MORE: break;
    }
}

/* Keeps what was not used up. Without memory for it the connection ends. */
static void conn_keep_rest(struct conn *c, struct span rest)
{
    if (rest.size != 0 && buf_append(&c->rest, rest) != OK)
        conn_drop(c);
}

/* Hands on what is whole in `bytes`; returns what is left. */
static struct span conn_parse(struct conn *c, struct span bytes)
{
    struct wire_event ev;
    c->more_rest = false;
    while (c->state == CONN_OPEN || c->state == CONN_CLOSING) {
        if (!ring_has_room(&c->io->options.link->in, LINK_IN_ROOM)) {
            c->more_rest = true;
            return bytes;
        }
        enum wire_got got = wire_next(&c->wire, &bytes, &ev);
        if (got == WIRE_MORE)
            return bytes;
        conn_hand_on(c, got, &ev);
    }
    return SPAN_NONE; /* whatever comes now is of no interest */
}

/* Reads behind what is left from before. Bytes read, 0 = none. */
static size_t conn_receive(struct conn *c, uint8_t *at, size_t room)
{
    if (!c->readable || c->more_rest || c->ended)
        return 0;
    if (room > CONN_READ_MAX)
        room = CONN_READ_MAX;
    ssize_t n = loop_read(c->socket, at, room);
    c->readable = n == (ssize_t)room; /* else the loop will say when there is more */
    if (n > 0) {
        c->read_ns = c->io->now_ns;
        return (size_t)n;
    }
    c->ended = n == LOOP_END || n == LOOP_BROKEN;
    return 0;
}

bool conn_read(struct conn *c)
{
    struct io *io = c->io;
    if (c->socket == NULL || !conn_wants_read(c))
        return true;
    if (!ring_has_room(&io->options.link->in, LINK_IN_ROOM))
        return false;
    struct span rest = buf_span(&c->rest);
    size_t room;
    uint8_t *at = io_block_room(io, rest.size + CONN_READ_MIN, &room);
    if (at == NULL)
        return false;
    put_bytes(at, rest);
    size_t size = rest.size;
    buf_consume(&c->rest, rest.size);
    size += conn_receive(c, at + size, room - size);
    struct span left = conn_parse(c, span_of(at, size));
    io_block_use(io, size - left.size);
    conn_keep_rest(c, left);
    buf_trim(&c->rest, 0);
    if (c->socket == NULL)
        return true;
    if (c->ended && !c->more_rest)
        conn_drop(c);
    else if ((c->readable || c->more_rest) && !list_linked(&c->in_ready))
        list_push_back(&io->ready, &c->in_ready);
    return true;
}
