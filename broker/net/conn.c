// SPDX-License-Identifier: Apache-2.0
#include "broker/net/conn.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "broker/net/conn_priv.h"

/* How long a peer may wonder why its login got no answer. */
#define CONN_REFUSED_NS (3 * NS_PER_S)
/* Output that has not moved for so long belongs to a peer that is gone. */
#define CONN_STUCK_NS (30 * NS_PER_S)

#define CONN_STATE_ROW(name, next) [name] = next,
static const unsigned CONN_NEXT[] = {CONN_STATES(CONN_STATE_ROW)};
#undef CONN_STATE_ROW

void conn_move(struct conn *c, enum conn_state state)
{
    ASSERT((CONN_NEXT[c->state] & BIT(state)) != 0);
    c->state = state;
}

/* ---- Life ---- */

static void conn_on_timer(struct timer *t, uint64_t now_ns);
static void conn_on_ready(void *arg, bool readable, bool writable);

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

void conn_wake_write(struct conn *c)
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
void conn_arm(struct conn *c)
{
    uint64_t at = c->deadline_ns;
    uint64_t interval = conn_heartbeat_ns(c);
    if (interval != 0 && c->state == CONN_OPEN)
        at = conn_min(at, c->io->now_ns + interval / 2);
    if (c->stuck_ns != 0)
        at = conn_min(at, c->stuck_ns + CONN_STUCK_NS);
    if (c->throttle_ns != 0)
        at = conn_min(at, c->throttle_ns);
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
    /* A connection that we do not read cannot show that it lives; one that waits for its turn, or
     * for room in the link, has shown it. */
    bool unread = c->paused || !c->reading || list_linked(&c->in_ready);
    if (unread)
        c->read_ns = now_ns;
    if (now_ns - c->read_ns > interval * 2 + interval / 2) {
        log_event(LOG_CONN_LOST, "peer=%s reason=\"missed heartbeats\"", loop_peer(c->socket));
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

/* The core would rather not hear of it for a while. Being told again does not make it longer. */
static void conn_throttle(struct conn *c)
{
    if (c->throttle_ns != 0 || c->paused)
        return;
    c->throttle_ns = c->io->now_ns + PACING_THROTTLE_NS;
    conn_arm(c);
    conn_update_wants(c); /* may drop it */
}

static void conn_unthrottle(struct conn *c)
{
    if (c->throttle_ns == 0)
        return;
    c->throttle_ns = 0;
    conn_update_wants(c);
}

static void conn_on_timer(struct timer *t, uint64_t now_ns)
{
    struct conn *c = CONTAINER_OF(t, struct conn, timer);
    bool stuck = c->stuck_ns != 0 && now_ns >= c->stuck_ns + CONN_STUCK_NS;
    if (stuck)
        log_event(LOG_CONN_LOST, "peer=%s reason=\"does not read\"", loop_peer(c->socket));
    else if (now_ns >= c->deadline_ns && c->state == CONN_OPEN)
        log_event(LOG_CONN_REFUSED, "peer=%s reason=\"handshake timeout\"", loop_peer(c->socket));
    if (stuck || now_ns >= c->deadline_ns) {
        conn_drop(c);
        return;
    }
    if (now_ns >= c->throttle_ns)
        conn_unthrottle(c);
    if (c->socket == NULL)
        return;
    conn_beat(c, now_ns);
    if (c->socket != NULL)
        conn_arm(c);
}

void conn_set_deadline(struct conn *c, uint64_t in_ns)
{
    c->deadline_ns = in_ns == TIMER_NEVER ? TIMER_NEVER : c->io->now_ns + in_ns;
    timer_clear(&c->io->timers, &c->timer);
    conn_arm(c);
}

/* ---- Readiness ---- */

/* A peer that does not read our answers is not asked for more requests. Once the end has begun a
 * pause is over: what comes is dropped, and close-ok must be seen. */
bool conn_wants_read(const struct conn *c)
{
    bool paused = (c->paused || c->throttle_ns != 0) && c->state == CONN_OPEN;
    return !paused && c->output_bytes - c->output_done < OUTPUT_STOP_READING;
}

void conn_update_wants(struct conn *c)
{
    if (c->socket == NULL)
        return;
    bool reading = conn_wants_read(c);
    if (reading && !c->reading)
        c->read_ns = c->io->now_ns;
    if (!reading && c->throttle_ns == 0 && c->gone) {
        conn_drop(c);
        return;
    }
    c->reading = reading;
    c->gone = c->gone && !reading;
    if (loop_want(c->socket, reading, c->wants_write) != OK) {
        conn_drop(c);
        return;
    }
    if (reading && c->more_rest && !list_linked(&c->in_ready))
        list_push_back(&c->io->ready, &c->in_ready);
}

static void conn_on_ready(void *arg, bool readable, bool writable)
{
    struct conn *c = arg;
    if (readable && !c->reading && c->throttle_ns == 0) {
        /* The peer has gone while it was not read: what it holds must not wait for ever. */
        conn_drop(c);
        return;
    }
    /* Who is throttled will be read in a moment, to the end of what was sent. */
    c->gone |= readable && !c->reading;
    if (readable && c->reading && !list_linked(&c->in_ready)) {
        c->readable = true;
        list_push_back(&c->io->ready, &c->in_ready);
    }
    if (writable) {
        c->wants_write = false;
        conn_wake_write(c);
    }
}
/* ---- The core's word ---- */

/* Output first, then the end. */
void conn_end(struct conn *c)
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
        c->throttle_ns = 0;
        conn_update_wants(c);
        break;
    case ORDER_THROTTLE: conn_throttle(c); break;
    case ORDER_UNTHROTTLE: conn_unthrottle(c); break;
    case ORDER_RELEASED: break;
    }
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
