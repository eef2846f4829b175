// SPDX-License-Identifier: Apache-2.0
/* tests/amqp/wire_play.h — bytes through a wire in pieces, and a log of what came out.
 *
 * The log depends on the events alone: two ways of cutting the same bytes must give the same log.
 * Each piece is copied to memory of its own size, so that a sanitizer sees any step beyond it.
 * A broken promise of the wire aborts, which a fuzzer and a test see alike.
 *
 * Deliberate: function bodies in a header, because every test is a program of one file.
 */
#ifndef TESTS_AMQP_WIRE_PLAY_H
#define TESTS_AMQP_WIRE_PLAY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/wire.h"
#include "base/bytes.h"

struct wire_play {
    struct wire w;
    struct buf rest;
    struct buf log;
    bool direct; /* large bodies are put into their memory where the wire allows it */
    uint64_t n_in;
    enum wire_got last; /* other than WIRE_MORE */
    struct fault fault;
    size_t n_events;
};

static inline void wire_play_init(struct wire_play *p, uint32_t frame_max, uint64_t body_size_max)
{
    memset(p, 0, sizeof(*p));
    buf_init(&p->rest);
    buf_init(&p->log);
    wire_init(&p->w, frame_max, body_size_max, 0);
}

static inline void wire_play_fini(struct wire_play *p)
{
    wire_fini(&p->w);
    buf_fini(&p->rest);
    buf_fini(&p->log);
}

static inline void wire_play_bytes(struct wire_play *p, struct span s)
{
    uint64_t size = s.size;
    ASSERT(buf_append(&p->log, span_of(&size, sizeof(size))) == OK);
    ASSERT(buf_append(&p->log, s) == OK);
}

static inline void wire_play_event(struct wire_play *p, enum wire_got got, struct wire_event *ev)
{
    uint64_t head[3] = {got, 0, 0};
    p->last = got;
    p->n_events++;
    switch (got) {
    case WIRE_PUBLISH:
        head[1] = ev->channel;
        head[2] = ev->body_size;
        wire_play_bytes(p, span_of(head, sizeof(head)));
        wire_play_bytes(p, ev->payload);
        wire_play_bytes(p, ev->header);
        ASSERT(ev->large_body == NULL || ev->body.size == 0);
        wire_play_bytes(p, ev->large_body == NULL
                               ? ev->body
                               : span_of(ev->large_body->bytes, ev->large_body->size));
        body_free(ev->large_body);
        break;
    case WIRE_METHOD:
        head[1] = ev->channel;
        head[2] = ev->method.id;
        wire_play_bytes(p, span_of(head, sizeof(head)));
        wire_play_bytes(p, ev->payload);
        break;
    case WIRE_FAULT:
        p->fault = ev->fault;
        ASSERT(ev->fault.reply != NULL && strlen(ev->fault.text) <= REPLY_TEXT_MAX);
        head[1] = ev->fault.reply->code;
        head[2] = (uint64_t)ev->fault.class_id << 16 | ev->fault.method_id;
        wire_play_bytes(p, span_of(head, sizeof(head)));
        wire_play_bytes(p, span_str(ev->fault.text));
        break;
    case WIRE_OPENED:
    case WIRE_REFUSED:
    case WIRE_HEARTBEAT: wire_play_bytes(p, span_of(head, sizeof(head))); break;
    case WIRE_MORE: break;
    }
}

/* Puts what it can of the piece straight into a body; the rest of it. */
static inline struct span wire_play_direct(struct wire_play *p, struct span piece)
{
    uint8_t *at = NULL;
    size_t room = wire_body_room(&p->w, &at);
    ASSERT(room == 0 || buf_span(&p->rest).size == 0);
    size_t n = room < piece.size ? room : piece.size;
    if (n == 0)
        return piece;
    put_bytes(at, span_of(piece.at, n));
    wire_body_received(&p->w, n);
    p->n_in += n;
    return span_of(piece.at + n, piece.size - n);
}

static inline void wire_play_feed(struct wire_play *p, struct span piece)
{
    if (p->direct)
        piece = wire_play_direct(p, piece);
    size_t size = buf_span(&p->rest).size + piece.size;
    uint8_t *copy = malloc(size + (size == 0));
    ASSERT(copy != NULL);
    put_bytes(put_bytes(copy, buf_span(&p->rest)), piece);
    buf_consume(&p->rest, buf_span(&p->rest).size);
    p->n_in += piece.size;
    struct span in = span_of(copy, size);
    struct wire_event ev;
    for (enum wire_got got; (got = wire_next(&p->w, &in, &ev)) != WIRE_MORE;)
        wire_play_event(p, got, &ev);
    ASSERT(in.size <= (size_t)p->w.frame_max_ours + FRAME_OVERHEAD);
    ASSERT(p->w.assembled_bytes <= p->n_in && p->w.assembled_bytes <= p->w.assembled_bytes_max);
    ASSERT(buf_append(&p->rest, in) == OK);
    free(copy);
}

/* ---- Making bytes ---- */

static inline void wire_put_frame(struct buf *b, uint8_t type, uint16_t channel,
                                  struct span payload)
{
    uint8_t *at = buf_reserve(b, payload.size + FRAME_OVERHEAD);
    ASSERT(at != NULL);
    uint8_t *p = frame_put_head(at, type, channel, (uint32_t)payload.size);
    put_u8(put_bytes(p, payload), FRAME_END);
    buf_commit(b, payload.size + FRAME_OVERHEAD);
}

static inline void wire_put_method(struct buf *b, uint16_t channel, const struct method *m)
{
    uint8_t payload[2048];
    ASSERT(method_size(m) <= sizeof(payload));
    uint8_t *end = method_encode(payload, m);
    wire_put_frame(b, FRAME_METHOD, channel, span_of(payload, (size_t)(end - payload)));
}

static inline void wire_put_header(struct buf *b, uint16_t channel, uint64_t body_size,
                                   struct span properties)
{
    uint8_t payload[4096];
    ASSERT(properties.size <= sizeof(payload) - 12);
    uint8_t *p = put_u64(put_u16(put_u16(payload, CLASS_BASIC), 0), body_size);
    p = put_bytes(p, properties);
    wire_put_frame(b, FRAME_HEADER, channel, span_of(payload, (size_t)(p - payload)));
}

static inline void wire_put_publish(struct buf *b, uint16_t channel, const char *key)
{
    struct method m = {.id = METHOD_basic_publish};
    m.basic_publish = (struct amqp_basic_publish){.routing_key = span_str(key)};
    wire_put_method(b, channel, &m);
}

/* Protocol header and tune-ok: from here on anything may come. */
static inline void wire_put_opening(struct buf *b, uint32_t frame_max)
{
    ASSERT(buf_append(b, span_of(WIRE_PROTOCOL_HEADER, 8)) == OK);
    struct method m = {.id = METHOD_connection_tune_ok};
    m.connection_tune_ok = (struct amqp_connection_tune_ok){2047, frame_max, 60};
    wire_put_method(b, 0, &m);
}

#endif
