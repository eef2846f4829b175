// SPDX-License-Identifier: Apache-2.0
/* broker/net/loop.h without a kernel. A socket lives until both ends have let go of it; the loop
 * visits its sockets in the order of their making, beginning at one drawn from the seed, and may
 * leave out ready ones, for the next turn reports them again. */
#include "tests/sim/net.h"

#include <stdlib.h>
#include <string.h>

/* Deliberate: loop_new has no argument to carry this; there is one simulation per process. */
static struct net *net_now;

struct pipe {
    struct buf bytes;
    size_t capacity;
    bool ended; /* the writer writes no more */
};

struct loop_socket {
    struct loop *loop;
    struct pipe in;  /* towards the broker */
    struct pipe out; /* towards the client */
    enum net_pace pace;
    bool loopback;
    bool accepted;
    bool wants_read;
    bool wants_write;
    bool reset;
    bool broker_gone;
    bool client_gone;
    loop_on_ready *on_ready;
    void *arg;
};

struct peer {
    struct loop_socket socket;
};

struct loop_listener {
    char unused;
};

struct loop {
    struct peer **sockets;
    size_t n;
    size_t capacity;
    bool waiting;
    bool woken;
    bool turning; /* its sockets are being visited: none is freed */
    loop_on_accept *on_accept;
    void *accept_arg;
};

/* ---- The net ---- */

void net_init(struct net *net, uint64_t seed)
{
    *net = (struct net){.rng = {seed}};
    net_now = net;
}

void net_fini(struct net *net)
{
    ASSERT(net->n_loops == 0 && net->n_sockets == 0);
    free(net->loops);
    net_now = NULL;
}

static size_t net_piece(enum net_pace pace, size_t most)
{
    struct rng *r = &net_now->rng;
    if (most <= 1 || net_now->hurry)
        return most;
    switch (pace) {
    case PACE_WHOLE: return rng_below(r, 8) != 0 ? most : 1 + rng_below(r, most);
    case PACE_PIECES:
        return 1 + rng_below(r, rng_below(r, 2) == 0 ? most : most < 4096 ? most : 4096);
    case PACE_BYTES: return 1 + rng_below(r, most < 9 ? most : 9);
    }
    return most;
}

/* ---- The loop ---- */

enum err loop_new(struct loop **out)
{
    struct loop *l = calloc(1, sizeof(*l));
    *out = l;
    struct loop **loops = realloc(net_now->loops, (net_now->n_loops + 1) * sizeof(struct loop *));
    ASSERT(l != NULL && loops != NULL);
    net_now->loops = loops;
    loops[net_now->n_loops++] = l;
    return OK;
}

/* Frees a socket that both ends have let go of. */
static void socket_free(struct peer *p)
{
    struct loop *l = p->socket.loop;
    if (l->turning || !p->socket.broker_gone || !p->socket.client_gone)
        return;
    size_t i = 0;
    while (l->sockets[i] != p)
        i++;
    memmove(&l->sockets[i], &l->sockets[i + 1], (--l->n - i) * sizeof(struct peer *));
    buf_fini(&p->socket.in.bytes);
    buf_fini(&p->socket.out.bytes);
    free(p);
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    size_t i = 0;
    while (net_now->loops[i] != l)
        i++;
    net_now->loops[i] = net_now->loops[--net_now->n_loops];
    for (size_t k = 0; k < l->n; k++) {
        struct loop_socket *s = &l->sockets[k]->socket;
        if (s->accepted || s->broker_gone)
            continue;
        /* With the loop goes its listener, and what waits there. */
        s->broker_gone = true;
        net_now->n_waiting--;
        net_now->n_sockets--;
    }
    while (l->n != 0) {
        /* A client may still hold its end: it must have let go before the loop is freed. */
        ASSERT(l->sockets[0]->socket.client_gone && l->sockets[0]->socket.broker_gone);
        socket_free(l->sockets[0]);
    }
    free(l->sockets);
    free(l);
}

static bool socket_is_readable(const struct loop_socket *s)
{
    return s->reset || s->in.ended || (s->wants_read && buf_span(&s->in.bytes).size != 0);
}

static bool socket_is_writable(const struct loop_socket *s)
{
    return s->wants_write &&
           (s->reset || s->client_gone || buf_span(&s->out.bytes).size < s->out.capacity);
}

static bool socket_is_ready(const struct loop_socket *s)
{
    if (s->broker_gone)
        return false;
    return !s->accepted || socket_is_readable(s) || socket_is_writable(s);
}

bool net_loop_is_ready(const struct loop *l)
{
    if (l->woken)
        return true;
    for (size_t i = 0; i < l->n; i++)
        if (socket_is_ready(&l->sockets[i]->socket))
            return true;
    return false;
}

void loop_turn(struct loop *l, uint64_t timeout_ns)
{
    struct rng *r = &net_now->rng;
    size_t n = l->n;
    size_t start = n == 0 ? 0 : rng_below(r, n);
    /* A loop that waits would not return without an event; one that polls may see only some. */
    l->turning = true;
    bool all = timeout_ns != 0 || rng_below(r, 4) != 0;
    for (size_t i = 0; i < n; i++) {
        struct loop_socket *s = &l->sockets[(start + i) % n]->socket;
        if (!socket_is_ready(s) || (!all && rng_below(r, 2) == 0))
            continue;
        if (!s->accepted) {
            s->accepted = true;
            net_now->n_waiting--;
            l->on_accept(l->accept_arg, s, s->loopback);
        } else {
            s->on_ready(s->arg, socket_is_readable(s), socket_is_writable(s));
        }
    }
    l->waiting = false;
    l->woken = false;
    l->turning = false;
    for (size_t i = l->n; i-- != 0;)
        socket_free(l->sockets[i]);
}

void loop_about_to_wait(struct loop *l)
{
    l->waiting = true;
}

void loop_wake(struct loop *l)
{
    l->woken |= l->waiting;
}

enum err listener_open(struct loop_listener **out, const char *address, char *why, size_t why_size)
{
    (void)address;
    (void)why;
    (void)why_size;
    *out = calloc(1, sizeof(**out));
    ASSERT(*out != NULL);
    return OK;
}

void listener_close(struct loop_listener *listener)
{
    free(listener);
}

enum err loop_accept_on(struct loop *l, struct loop_listener *listener, loop_on_accept *on_accept,
                        void *arg)
{
    (void)listener;
    l->on_accept = on_accept;
    l->accept_arg = arg;
    return OK;
}

/* ---- The broker's end ---- */

enum err loop_watch(struct loop_socket *s, loop_on_ready *on_ready, void *arg)
{
    s->on_ready = on_ready;
    s->arg = arg;
    s->wants_read = true;
    return OK;
}

enum err loop_want(struct loop_socket *s, bool readable, bool writable)
{
    s->wants_read = readable;
    s->wants_write = writable;
    return OK;
}

static size_t socket_size_of(const struct iovec *parts, int n_parts)
{
    size_t size = 0;
    for (int i = 0; i < n_parts; i++)
        size += parts[i].iov_len;
    ASSERT(size != 0);
    return size;
}

ssize_t loop_read(struct loop_socket *s, const struct iovec *parts, int n_parts)
{
    size_t size = socket_size_of(parts, n_parts);
    if (s->reset)
        return LOOP_BROKEN;
    struct span in = buf_span(&s->in.bytes);
    if (in.size == 0)
        return s->in.ended ? LOOP_END : LOOP_LATER;
    if (rng_below(&net_now->rng, 32) == 0)
        return LOOP_LATER;
    size_t n = net_piece(s->pace, in.size < size ? in.size : size);
    for (size_t at = 0; at < n; parts++) {
        size_t part = parts->iov_len < n - at ? parts->iov_len : n - at;
        memcpy(parts->iov_base, in.at + at, part);
        at += part;
    }
    buf_consume(&s->in.bytes, n);
    net_now->moved += n;
    return (ssize_t)n;
}

ssize_t loop_write(struct loop_socket *s, const struct iovec *parts, int n_parts)
{
    if (s->reset || s->client_gone)
        return LOOP_BROKEN;
    size_t room = s->out.capacity - buf_span(&s->out.bytes).size;
    size_t size = socket_size_of(parts, n_parts);
    if (room == 0 || rng_below(&net_now->rng, 32) == 0)
        return LOOP_LATER;
    size_t n = net_piece(s->pace, size < room ? size : room);
    size_t left = n;
    for (int i = 0; left != 0; i++) {
        size_t part = parts[i].iov_len < left ? parts[i].iov_len : left;
        enum err e = buf_append(&s->out.bytes, span_of(parts[i].iov_base, part));
        ASSERT(e == OK);
        left -= part;
    }
    net_now->moved += n;
    return (ssize_t)n;
}

const char *loop_peer(const struct loop_socket *s)
{
    (void)s;
    return "sim";
}

void loop_shutdown(struct loop_socket *s)
{
    s->out.ended = true;
}

void loop_close(struct loop_socket *s)
{
    struct peer *p = CONTAINER_OF(s, struct peer, socket);
    ASSERT(!s->broker_gone);
    s->broker_gone = true;
    s->out.ended = true;
    net_now->n_sockets--;
    /* As TCP does: closing on unread input is a reset, which may overtake what was written. */
    size_t unread = buf_span(&s->in.bytes).size;
    if (unread != 0 && rng_below(&net_now->rng, 2) == 0)
        buf_consume(&s->out.bytes, buf_span(&s->out.bytes).size);
    buf_consume(&s->in.bytes, unread);
    socket_free(p);
}

/* ---- The client's end ---- */

struct peer *peer_connect(struct loop *l, bool loopback, enum net_pace pace, size_t capacity)
{
    if (l->n == l->capacity) {
        l->capacity = l->capacity == 0 ? 16 : l->capacity * 2;
        l->sockets = realloc(l->sockets, l->capacity * sizeof(struct peer *));
    }
    struct peer *p = calloc(1, sizeof(*p));
    ASSERT(l->sockets != NULL && p != NULL);
    p->socket.loop = l;
    p->socket.loopback = loopback;
    p->socket.pace = pace;
    p->socket.in.capacity = capacity;
    p->socket.out.capacity = capacity;
    l->sockets[l->n++] = p;
    net_now->n_sockets++;
    net_now->n_waiting++;
    return p;
}

size_t peer_send(struct peer *p, struct span bytes)
{
    struct loop_socket *s = &p->socket;
    size_t room = s->in.capacity - buf_span(&s->in.bytes).size;
    if (s->broker_gone || s->reset || s->in.ended || room == 0 || bytes.size == 0)
        return 0;
    size_t n = net_piece(s->pace, bytes.size < room ? bytes.size : room);
    enum err e = buf_append(&s->in.bytes, span_of(bytes.at, n));
    ASSERT(e == OK);
    return n;
}

size_t peer_receive(struct peer *p, uint8_t *at, size_t size)
{
    struct loop_socket *s = &p->socket;
    struct span out = buf_span(&s->out.bytes);
    if (out.size == 0 || s->reset)
        return 0;
    size_t n = net_piece(s->pace, out.size < size ? out.size : size);
    memcpy(at, out.at, n);
    buf_consume(&s->out.bytes, n);
    return n;
}

bool peer_at_end(const struct peer *p)
{
    const struct loop_socket *s = &p->socket;
    return s->out.ended && buf_span(&s->out.bytes).size == 0;
}

bool peer_is_closed(const struct peer *p)
{
    return p->socket.broker_gone;
}

bool peer_is_quiet(const struct peer *p)
{
    return buf_span(&p->socket.out.bytes).size == 0;
}

void peer_shutdown(struct peer *p)
{
    p->socket.in.ended = true;
}

void peer_reset(struct peer *p)
{
    struct loop_socket *s = &p->socket;
    s->reset = true;
    buf_consume(&s->in.bytes, buf_span(&s->in.bytes).size);
    buf_consume(&s->out.bytes, buf_span(&s->out.bytes).size);
}

void peer_close(struct peer *p)
{
    struct loop_socket *s = &p->socket;
    s->in.ended = true;
    s->client_gone = true;
    socket_free(p);
}
