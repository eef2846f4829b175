// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "broker/net/conn_priv.h"

enum { CONN_PARTS_PER_WRITE = 64 };

/* ---- Encoding ---- */

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

void conn_append(struct conn *c, struct span bytes)
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
    /* A peer that reads, however slowly, gets all that came before the end. */
    if (moved && c->state == CONN_FLUSHING)
        c->deadline_ns = c->io->now_ns + CONN_CLOSE_OK_NS;
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
