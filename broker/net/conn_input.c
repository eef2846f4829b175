// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "broker/net/conn_priv.h"

enum {
    CONN_READ_MIN = 16 * 1024,
    CONN_READ_MAX = 128 * 1024,
    /* Behind a large body only so much is read that what comes before the next one is likely to be
     * in it: the rest of that body can go straight to its place. */
    CONN_READ_BEHIND = 2 * 1024,
    /* A body frame is read straight to its place from this size on; many small ones are read faster
     * together. */
    CONN_READ_DIRECT = 32 * 1024,
    /* When a connection has had its turn: bytes read, and of the records made of them. The latter
     * is what a turn of the core takes in. */
    CONN_TURN_BYTES = 256 * 1024,
    CONN_TURN_EVENTS = 128 * 1024,
};

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
        snprintf(in->peer, sizeof(in->peer), "%s", loop_peer(c->socket));
        c->known = true;
        break;
    }
    case WIRE_REFUSED:
        log_event(LOG_CONN_REFUSED, "peer=%s reason=\"protocol header\"", loop_peer(c->socket));
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

/* Is what comes looked at? After the end has begun it is of no interest. */
static bool conn_is_parsed(const struct conn *c)
{
    return c->state == CONN_OPEN || c->state == CONN_CLOSING;
}

/* Hands on what is whole in `bytes`; returns what is left. */
static struct span conn_parse(struct conn *c, struct span bytes)
{
    struct wire_event ev;
    c->more_rest = false;
    while (conn_is_parsed(c)) {
        if (!ring_has_room(&c->io->options.link->in, LINK_IN_ROOM)) {
            c->more_rest = true;
            return bytes;
        }
        enum wire_got got = wire_next(&c->wire, &bytes, &ev);
        if (got == WIRE_MORE)
            return bytes;
        conn_hand_on(c, got, &ev);
    }
    return SPAN_NONE;
}

/* Reads into the body at hand, if there is a large one, and to `at`. The bytes that are there. */
static size_t conn_receive(struct conn *c, uint8_t *at, size_t room, size_t *n_read)
{
    if (!c->readable || c->more_rest || c->ended)
        return 0;
    uint8_t *body = NULL;
    size_t direct = conn_is_parsed(c) ? wire_body_room(&c->wire, &body) : 0;
    if (direct < CONN_READ_DIRECT && !c->large)
        direct = 0;
    size_t most = c->large ? CONN_READ_BEHIND : CONN_READ_MAX;
    struct iovec parts[2] = {{body, direct}, {at, room < most ? room : most}};
    ssize_t n = direct != 0 ? loop_read(c->socket, parts, 2) : loop_read(c->socket, parts + 1, 1);
    /* If not all is full, the loop will say when there is more. */
    c->readable = n == (ssize_t)(direct + parts[1].iov_len);
    c->large = c->large && !c->readable;
    c->ended = n == LOOP_END || n == LOOP_BROKEN;
    if (n <= 0)
        return 0;
    c->read_ns = c->io->now_ns;
    *n_read += (size_t)n;
    if (direct == 0)
        return (size_t)n;
    size_t n_direct = (size_t)n < direct ? (size_t)n : direct;
    c->large = true;
    wire_body_received(&c->wire, n_direct);
    return (size_t)n - n_direct;
}

/* One read and what is whole after it. False when there was no room. */
static bool conn_read_once(struct conn *c, size_t *n_read)
{
    struct io *io = c->io;
    struct span rest = buf_span(&c->rest);
    size_t room;
    if (!ring_has_room(&io->options.link->in, LINK_IN_ROOM))
        return false;
    uint8_t *at = io_block_room(io, rest.size + CONN_READ_MIN, &room);
    if (at == NULL)
        return false;
    put_bytes(at, rest);
    size_t size = rest.size;
    buf_consume(&c->rest, rest.size);
    size += conn_receive(c, at + size, room - size, n_read);
    struct span left = conn_parse(c, span_of(at, size));
    io_block_use(io, size - left.size);
    conn_keep_rest(c, left);
    return true;
}

/* The more of a flood goes through a turn the less it costs, for reading, writing and waking the
 * peer cost the same for much as for little. But no connection takes more than its share of a
 * turn. */
bool conn_read(struct conn *c)
{
    struct ring *in = &c->io->options.link->in;
    uint64_t events_end = in->w_at + CONN_TURN_EVENTS;
    size_t n_read = 0;
    bool room = true;
    do {
        if (c->socket == NULL || !conn_wants_read(c))
            return true;
        room = conn_read_once(c, &n_read);
    } while (room && c->readable && n_read < CONN_TURN_BYTES && in->w_at < events_end);
    buf_trim(&c->rest, 0);
    if (c->socket == NULL)
        return true;
    if (c->ended && !c->more_rest)
        conn_drop(c);
    else if ((c->readable || c->more_rest) && room && !list_linked(&c->in_ready))
        list_push_back(&c->io->ready, &c->in_ready);
    return room;
}
