// SPDX-License-Identifier: Apache-2.0
#include "broker/net/conn.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "broker/net/io_priv.h"

#define NS_PER_S UINT64_C(1000000000)

/* How long the end may take: for the peer to read a close and say close-ok; to read the rest; and
 * to wonder why its login got no answer. */
#define CONN_CLOSE_OK_NS (30 * NS_PER_S)
#define CONN_LINGER_NS   (3 * NS_PER_S)
#define CONN_REFUSED_NS  (3 * NS_PER_S)
/* Output that has not moved for so long belongs to a peer that is gone. */
#define CONN_STUCK_NS (30 * NS_PER_S)

enum { CONN_READ_MIN = 16 * 1024, CONN_READ_MAX = 64 * 1024, CONN_PARTS_PER_WRITE = 64 };

#define CONN_STATE_ROW(name, next) [name] = next,
static const unsigned CONN_NEXT[] = {CONN_STATES(CONN_STATE_ROW)};
#undef CONN_STATE_ROW

static void conn_move(struct conn *c, enum conn_state state)
{
    ASSERT((CONN_NEXT[c->state] & BIT(state)) != 0);
    c->state = state;
}

/* ---- Life ---- */

static void conn_on_timer(struct timer *t, uint64_t now_ns);
static void conn_on_ready(void *arg, bool readable, bool writable);
static void conn_append(struct conn *c, struct span bytes);
static void conn_end(struct conn *c);

enum err conn_new(struct conn **out, struct io *io, struct loop_socket *socket, bool loopback)
{
    *out = NULL;
    struct conn *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return ERR_NOMEM;
    c->io = io;
    c->socket = socket;
    c->loopback = loopback;
    c->state = CONN_OPEN;
    c->timer.fire = conn_on_timer;
    list_init(&c->in_ready);
    list_init(&c->in_written);
    deque_init(&c->parts, sizeof(struct conn_part));
    deque_init(&c->marks, sizeof(struct conn_mark));
    wire_init(&c->wire, io->options.frame_max, io->options.message_size_max, io->options.index);
    if (timers_reserve(&io->timers) != OK)
        goto free_conn;
    if (slots_add(&io->conns, c, &c->id) != OK)
        goto unreserve;
    if (loop_watch(socket, conn_on_ready, c) != OK)
        goto remove;
    c->reading = true;
    c->read_ns = io->now_ns;
    c->wrote_ns = io->now_ns;
    c->deadline_ns = io->now_ns + io->options.handshake_timeout_ns;
    timer_set(&io->timers, &c->timer, c->deadline_ns);
    *out = c;
    return OK;
remove:
    slots_remove(&io->conns, c->id);
unreserve:
    timers_unreserve(&io->timers);
free_conn:
    free(c);
    return ERR_NOMEM;
}

void conn_free(struct conn *c)
{
    ASSERT(c->socket == NULL && !c->known);
    list_remove(&c->in_ready);
    list_remove(&c->in_written);
    timer_clear(&c->io->timers, &c->timer);
    timers_unreserve(&c->io->timers);
    slots_remove(&c->io->conns, c->id);
    wire_fini(&c->wire);
    buf_fini(&c->rest);
    io_return_buffer(c->io, &c->out);
    deque_fini(&c->parts);
    deque_fini(&c->marks);
    free(c);
}

static void conn_wake_write(struct conn *c)
{
    if (!list_linked(&c->in_written))
        list_push_back(&c->io->written, &c->in_written);
}

void conn_drop(struct conn *c)
{
    if (c->socket == NULL)
        return;
    loop_close(c->socket);
    c->socket = NULL;
    if (c->state != CONN_GONE)
        conn_move(c, CONN_GONE);
    c->closed_due = c->known;
    list_remove(&c->in_ready);
    timer_clear(&c->io->timers, &c->timer);
    buf_fini(&c->rest);
    buf_consume(&c->out, buf_span(&c->out).size);
    io_return_buffer(c->io, &c->out);
    deque_fini(&c->parts);
    deque_fini(&c->marks);
    conn_wake_write(c);
}

/* ---- Deadlines ---- */

static uint64_t conn_heartbeat_ns(const struct conn *c)
{
    return c->open ? c->wire.heartbeat_s * NS_PER_S : 0;
}

static uint64_t conn_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Sets the timer to the nearest deadline, unless it stands at an earlier one: then it will look
 * again. */
static void conn_arm(struct conn *c)
{
    uint64_t at = c->deadline_ns;
    uint64_t interval = conn_heartbeat_ns(c);
    if (interval != 0 && c->state == CONN_OPEN)
        at = conn_min(at, c->io->now_ns + interval / 2);
    if (c->stuck_ns != 0)
        at = conn_min(at, c->stuck_ns + CONN_STUCK_NS);
    if (at == TIMER_NEVER)
        timer_clear(&c->io->timers, &c->timer);
    else if (!timer_is_set(&c->timer) || at < c->timer.deadline_ns)
        timer_set(&c->io->timers, &c->timer, at);
}

static void conn_beat(struct conn *c, uint64_t now_ns)
{
    uint64_t interval = conn_heartbeat_ns(c);
    if (interval == 0 || c->state != CONN_OPEN)
        return;
    /* A connection that we do not read cannot show that it lives. */
    bool unread = c->paused || !c->reading;
    if (unread)
        c->read_ns = now_ns;
    if (now_ns - c->read_ns > interval * 2 + interval / 2) {
        log_event(LOG_CONN_CLOSED, "reason=\"missed heartbeats\"");
        conn_drop(c);
        return;
    }
    if (now_ns - c->wrote_ns < interval / 2 || c->output_done != c->output_bytes)
        return;
    uint8_t frame[FRAME_OVERHEAD];
    put_u8(frame_put_head(frame, FRAME_HEARTBEAT, 0, 0), FRAME_END);
    conn_append(c, span_of(frame, sizeof(frame)));
    conn_wake_write(c);
}

static void conn_on_timer(struct timer *t, uint64_t now_ns)
{
    struct conn *c = CONTAINER_OF(t, struct conn, timer);
    bool stuck = c->stuck_ns != 0 && now_ns >= c->stuck_ns + CONN_STUCK_NS;
    if (stuck || now_ns >= c->deadline_ns) {
        conn_drop(c);
        return;
    }
    conn_beat(c, now_ns);
    if (c->socket != NULL)
        conn_arm(c);
}

static void conn_set_deadline(struct conn *c, uint64_t in_ns)
{
    c->deadline_ns = in_ns == TIMER_NEVER ? TIMER_NEVER : c->io->now_ns + in_ns;
    timer_clear(&c->io->timers, &c->timer);
    conn_arm(c);
}

/* ---- Readiness ---- */

/* A peer that does not read our answers is not asked for more requests. Once the end has begun a
 * pause is over: what comes is dropped, and close-ok must be seen. */
static bool conn_wants_read(const struct conn *c)
{
    bool paused = c->paused && c->state == CONN_OPEN;
    return !paused && c->output_bytes - c->output_done < OUTPUT_STOP_READING;
}

static void conn_update_wants(struct conn *c)
{
    if (c->socket == NULL)
        return;
    bool reading = conn_wants_read(c);
    if (reading && !c->reading)
        c->read_ns = c->io->now_ns;
    c->reading = reading;
    loop_want(c->socket, reading, c->wants_write);
    if (reading && c->more_rest && !list_linked(&c->in_ready))
        list_push_back(&c->io->ready, &c->in_ready);
}

static void conn_on_ready(void *arg, bool readable, bool writable)
{
    struct conn *c = arg;
    if (readable && !c->reading) {
        /* The peer has gone while it was not read: what it holds must not wait for ever. */
        conn_drop(c);
        return;
    }
    if (readable && !list_linked(&c->in_ready)) {
        c->readable = true;
        list_push_back(&c->io->ready, &c->in_ready);
    }
    if (writable) {
        c->wants_write = false;
        conn_wake_write(c);
    }
}

/* ---- Input ---- */

static void *conn_record(struct conn *c, size_t size, enum in_kind kind, uint16_t channel)
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

/* ---- Output ---- */

/* Room at the end of the output, or NULL after the connection has ended for want of memory. */
static uint8_t *conn_reserve(struct conn *c, size_t size)
{
    if (c->socket == NULL)
        return NULL;
    io_lend_buffer(c->io, &c->out);
    uint8_t *p = buf_reserve(&c->out, size);
    if (p == NULL)
        conn_drop(c);
    return p;
}

static void conn_commit(struct conn *c, size_t size)
{
    buf_commit(&c->out, size);
    c->buffered += size;
    c->output_bytes += size;
}

static void conn_append(struct conn *c, struct span bytes)
{
    uint8_t *p = conn_reserve(c, bytes.size);
    if (p == NULL)
        return;
    put_bytes(p, bytes);
    conn_commit(c, bytes.size);
}

void conn_bytes(struct conn *c, const struct out_bytes *out)
{
    conn_append(c, span_of(out->bytes, out->size));
}

static uint8_t *conn_put_heads(uint8_t *p, const struct out_content *out)
{
    const struct message *m = out->message;
    struct span route = message_route(m);
    struct span header = message_header(m);
    uint16_t channel = out->head.channel;
    size_t method_size = out->prefix_size + route.size + out->suffix_size;
    p = frame_put_head(p, FRAME_METHOD, channel, (uint32_t)method_size);
    p = put_bytes(p, span_of(out->bytes, out->prefix_size));
    p = put_bytes(p, route);
    p = put_bytes(p, span_of(out->bytes + out->prefix_size, out->suffix_size));
    p = put_u8(p, FRAME_END);
    p = frame_put_head(p, FRAME_HEADER, channel, (uint32_t)header.size);
    return put_u8(put_bytes(p, header), FRAME_END);
}

/* A body frame whose payload goes out from where it lies. */
static void conn_part(struct conn *c, uint16_t channel, struct span payload)
{
    uint8_t *p = conn_reserve(c, FRAME_OVERHEAD);
    if (p == NULL)
        return;
    frame_put_head(p, FRAME_BODY, channel, (uint32_t)payload.size);
    conn_commit(c, FRAME_HEAD);
    struct conn_part *part = deque_push(&c->parts);
    if (part == NULL) {
        conn_drop(c);
        return;
    }
    *part = (struct conn_part){c->buffered, payload.at, payload.size};
    c->output_bytes += payload.size;
    uint8_t end = FRAME_END;
    conn_append(c, span_of(&end, 1));
}

void conn_content(struct conn *c, const struct out_content *out)
{
    /* Once the socket is gone the core lets go of what is in flight: there may be no message. */
    if (c->socket == NULL)
        return;
    const struct message *m = out->message;
    struct span body = message_body(m);
    size_t body_max = c->wire.frame_max - FRAME_OVERHEAD;
    size_t n_frames = (body.size + body_max - 1) / body_max;
    size_t heads = 2 * (size_t)FRAME_OVERHEAD + out->prefix_size + m->route_size +
                   out->suffix_size + m->header_size;
    bool copied = m->large == NULL;
    uint8_t *start = conn_reserve(c, heads + (copied ? n_frames * FRAME_OVERHEAD + body.size : 0));
    c->contents++;
    if (start == NULL)
        return;
    uint8_t *p = conn_put_heads(start, out);
    while (copied && body.size != 0) {
        struct span payload = span_of(body.at, body.size < body_max ? body.size : body_max);
        p = frame_put_head(p, FRAME_BODY, out->head.channel, (uint32_t)payload.size);
        p = put_u8(put_bytes(p, payload), FRAME_END);
        body = span_of(body.at + payload.size, body.size - payload.size);
    }
    conn_commit(c, (size_t)(p - start));
    while (body.size != 0 && c->socket != NULL) {
        struct span payload = span_of(body.at, body.size < body_max ? body.size : body_max);
        conn_part(c, out->head.channel, payload);
        body = span_of(body.at + payload.size, body.size - payload.size);
    }
}

/* Output first, then the end. */
static void conn_end(struct conn *c)
{
    if (c->state != CONN_OPEN && c->state != CONN_CLOSING)
        return;
    conn_move(c, CONN_FLUSHING);
    conn_set_deadline(c, CONN_CLOSE_OK_NS);
    conn_wake_write(c);
}

void conn_order(struct conn *c, enum order order)
{
    if (order == ORDER_RELEASED) {
        c->known = false;
        if (c->socket == NULL)
            conn_free(c);
        return;
    }
    if (c->socket == NULL)
        return;
    switch (order) {
    case ORDER_OPEN:
        c->open = true;
        conn_set_deadline(c, TIMER_NEVER);
        break;
    case ORDER_CLOSING:
        if (c->state == CONN_OPEN)
            conn_move(c, CONN_CLOSING);
        conn_set_deadline(c, c->wire.state == WIRE_STOPPED ? CONN_LINGER_NS : CONN_CLOSE_OK_NS);
        break;
    case ORDER_CLOSE: conn_end(c); break;
    case ORDER_CLOSE_LATE:
        if (c->state == CONN_OPEN)
            conn_move(c, CONN_WAITING);
        conn_set_deadline(c, CONN_REFUSED_NS);
        break;
    case ORDER_PAUSE:
    case ORDER_RESUME:
        c->paused = order == ORDER_PAUSE;
        conn_update_wants(c);
        break;
    case ORDER_RELEASED: break;
    }
}

/* ---- Writing ---- */

/* The next pieces of output, in order. */
static int conn_gather(const struct conn *c, struct iovec *iov)
{
    struct span buffered = buf_span(&c->out);
    uint64_t at = c->written;
    int n = 0;
    for (size_t i = 0; i < c->parts.n && n + 2 < CONN_PARTS_PER_WRITE; i++) {
        const struct conn_part *part = deque_at(&c->parts, i);
        size_t before = (size_t)(part->at - at);
        if (before != 0)
            iov[n++] = (struct iovec){(void *)(uintptr_t)buffered.at, before};
        buffered = span_of(buffered.at + before, buffered.size - before);
        at = part->at;
        iov[n++] = (struct iovec){(void *)(uintptr_t)part->bytes, part->size};
    }
    if (buffered.size != 0 && n + 2 < CONN_PARTS_PER_WRITE)
        iov[n++] = (struct iovec){(void *)(uintptr_t)buffered.at, buffered.size};
    return n;
}

static void conn_wrote(struct conn *c, size_t n)
{
    c->output_done += n;
    while (n != 0) {
        struct conn_part *part = c->parts.n == 0 ? NULL : deque_at(&c->parts, 0);
        size_t buffered = part == NULL ? n : (size_t)(part->at - c->written);
        if (buffered > n)
            buffered = n;
        buf_consume(&c->out, buffered);
        c->written += buffered;
        n -= buffered;
        if (n == 0)
            break;
        size_t direct = n < part->size ? n : part->size;
        part->bytes += direct;
        part->size -= direct;
        n -= direct;
        if (part->size == 0)
            deque_pop(&c->parts);
    }
}

/* Which contents the socket has taken. */
static void conn_update_marks(struct conn *c)
{
    if (c->output_done == c->output_bytes) {
        deque_cut(&c->marks, 0);
        c->contents_done = c->contents;
        return;
    }
    for (; c->marks.n != 0; deque_pop(&c->marks)) {
        const struct conn_mark *mark = deque_at(&c->marks, 0);
        if (mark->end > c->output_done)
            break;
        c->contents_done = mark->contents;
    }
    const struct conn_mark *last = c->marks.n == 0 ? NULL : deque_at(&c->marks, c->marks.n - 1);
    if ((last == NULL ? c->contents_done : last->contents) == c->contents)
        return;
    struct conn_mark *mark = deque_push(&c->marks);
    if (mark == NULL)
        conn_drop(c);
    else
        *mark = (struct conn_mark){c->output_bytes, c->contents};
}

void conn_flush(struct conn *c)
{
    struct iovec iov[CONN_PARTS_PER_WRITE];
    ssize_t n = 0;
    bool moved = false;
    while (c->socket != NULL && !c->wants_write && c->output_done != c->output_bytes) {
        n = loop_write(c->socket, iov, conn_gather(c, iov));
        if (n < 0)
            break;
        moved = true;
        conn_wrote(c, (size_t)n);
    }
    if (c->socket == NULL)
        return;
    if (n == LOOP_BROKEN) {
        conn_drop(c);
        return;
    }
    if (moved)
        c->wrote_ns = c->io->now_ns;
    bool drained = c->output_done == c->output_bytes;
    c->wants_write = !drained;
    c->stuck_ns = drained ? 0 : moved || c->stuck_ns == 0 ? c->io->now_ns : c->stuck_ns;
    conn_update_marks(c);
    if (c->socket == NULL)
        return;
    if (drained) {
        io_return_buffer(c->io, &c->out);
        deque_trim(&c->parts);
        deque_trim(&c->marks);
        if (c->state == CONN_FLUSHING && !c->shut) {
            c->shut = true;
            loop_shutdown(c->socket);
            conn_set_deadline(c, CONN_LINGER_NS);
        }
    } else {
        conn_arm(c);
    }
    conn_update_wants(c);
}

bool conn_tell(struct conn *c)
{
    struct link *link = c->io->options.link;
    bool sent = c->known && c->socket != NULL && c->contents_told != c->contents_done;
    if ((sent || c->closed_due) && !ring_has_room(&link->in, 4096))
        return false;
    if (sent) {
        struct in_sent *in = conn_record(c, sizeof(*in), IN_SENT, 0);
        in->contents = c->contents_done;
        c->contents_told = c->contents_done;
    }
    if (c->closed_due) {
        conn_record(c, sizeof(struct in_head), IN_CLOSED, 0);
        c->closed_due = false;
    } else if (c->socket == NULL && !c->known) {
        conn_free(c);
    }
    return true;
}
