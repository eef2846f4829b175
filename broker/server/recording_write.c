// SPDX-License-Identifier: Apache-2.0
/* The writing half of recording.h, and the digest. */
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/map.h"
#include "broker/server/recording.h"

/* Size, checksum, kind: filled in by recording_end, except for the kind. */
enum { RECORD_PREFIX = 8 };

/* More than the fixed part of any event. */
enum { EVENT_FIXED_MAX = 64 };

static enum err recording_begin(struct buf *out, enum recording_kind kind, size_t *at)
{
    *at = buf_span(out).size;
    uint8_t *p = buf_reserve(out, RECORD_PREFIX + 1);
    if (p == NULL)
        return ERR_NOMEM;
    put_u8(put_u64(p, 0), (uint8_t)kind);
    buf_commit(out, RECORD_PREFIX + 1);
    return OK;
}

static void recording_end(struct buf *out, size_t at)
{
    uint8_t *prefix = out->bytes + out->first + at;
    struct span payload = span_of(prefix + RECORD_PREFIX, buf_span(out).size - at - RECORD_PREFIX);
    ASSERT(payload.size <= UINT32_MAX);
    put_u32(put_u32(prefix, (uint32_t)payload.size), checksum_crc32c(0, payload));
}

/* ---- Head ---- */

static enum err recording_put_user(struct buf *out, const struct user *u)
{
    uint8_t *p = buf_reserve(out, u->name.size + 4 + PASSWORD_SALT + PASSWORD_DIGEST + 1);
    if (p == NULL)
        return ERR_NOMEM;
    const uint8_t *from = p;
    p = put_longstr(p, u->name);
    p = put_bytes(p, span_of(u->salt, sizeof(u->salt)));
    p = put_bytes(p, span_of(u->digest, sizeof(u->digest)));
    p = put_u8(p, u->loopback_only);
    buf_commit(out, (size_t)(p - from));
    return OK;
}

enum err recording_put_head(struct buf *out, const struct core *core, struct span build)
{
    const struct core_options *o = &core->options;
    size_t at;
    if (buf_append(out, RECORDING_MAGIC) != OK || recording_begin(out, RECORDING_HEAD, &at) != OK)
        return ERR_NOMEM;
    uint8_t *p = buf_reserve(out, build.size + o->version.size + o->default_vhost.size + 128);
    if (p == NULL)
        return ERR_NOMEM;
    const uint8_t *from = p;
    p = put_longstr(put_longstr(put_longstr(p, build), o->version), o->default_vhost);
    p = put_u16(put_u16(put_u32(p, o->frame_max), o->channel_max), o->heartbeat_s);
    p = put_u64(put_u64(p, o->message_size_max), o->memory_limit_bytes);
    p = put_u32(put_u32(p, o->turn_work), o->pacing_messages);
    p = put_u32(p, (uint32_t)core->n_links);
    /* As env gave it, not as a number: core_new asks for octets. */
    p = put_bytes(p, span_of(&core->hash_seed, sizeof(core->hash_seed)));
    p = put_bytes(p, span_of(core->name_secret, sizeof(core->name_secret)));
    p = put_u32(p, (uint32_t)o->users->n);
    buf_commit(out, (size_t)(p - from));
    for (size_t i = 0; i < o->users->n; i++)
        if (recording_put_user(out, &o->users->list[i]) != OK)
            return ERR_NOMEM;
    recording_end(out, at);
    return OK;
}

/* ---- Events ---- */

static uint8_t *put_publish(uint8_t *p, const struct in_publish *in)
{
    unsigned flags = (in->mandatory ? RECORDING_MANDATORY : 0u) |
                     (in->immediate ? RECORDING_IMMEDIATE : 0u) |
                     (in->large != NULL ? RECORDING_LARGE : 0u);
    p = put_u8(put_u8(p, in->method_id), (uint8_t)flags);
    p = put_u64(put_u32(p, in->large != NULL ? in->large->home : 0), in->body_size);
    p = put_longstr(put_longstr(p, in->route), in->header);
    return put_longstr(p,
                       in->large != NULL ? span_of(in->large->bytes, in->large->size) : in->body);
}

static uint8_t *put_fault(uint8_t *p, const struct fault *f)
{
    p = put_u16(put_u16(put_u16(p, f->reply->code), f->class_id), f->method_id);
    return put_shortstr(p, span_str(f->text));
}

static uint8_t *put_opened(uint8_t *p, const struct in_opened *in)
{
    return put_shortstr(put_u8(p, in->loopback), span_str(in->peer));
}

static size_t recording_event_size(const struct in_head *head)
{
    size_t size = EVENT_FIXED_MAX;
    if (head->kind == IN_OPENED)
        size += LINK_PEER_MAX;
    if (head->kind == IN_METHOD)
        size += ((const struct in_method *)head)->payload.size;
    if (head->kind == IN_FAULT)
        size += REPLY_TEXT_MAX;
    if (head->kind == IN_PUBLISH) {
        const struct in_publish *in = (const struct in_publish *)head;
        size += in->route.size + in->header.size +
                (in->large != NULL ? in->large->size : in->body.size);
    }
    return size;
}

static enum err recording_put_event(struct buf *out, const struct in_head *head)
{
    uint8_t *p = buf_reserve(out, recording_event_size(head));
    if (p == NULL)
        return ERR_NOMEM;
    const uint8_t *from = p;
    p = put_u32(put_u32(put_u8(p, (uint8_t)head->kind), head->conn.index), head->conn.generation);
    p = put_u16(p, head->channel);
    switch ((enum in_kind)head->kind) {
    case IN_OPENED: p = put_opened(p, (const struct in_opened *)head); break;
    case IN_METHOD: p = put_longstr(p, ((const struct in_method *)head)->payload); break;
    case IN_PUBLISH: p = put_publish(p, (const struct in_publish *)head); break;
    case IN_FAULT: p = put_fault(p, &((const struct in_fault *)head)->fault); break;
    case IN_SENT: p = put_u64(p, ((const struct in_sent *)head)->contents); break;
    case IN_CLOSED: break;
    }
    buf_commit(out, (size_t)(p - from));
    return OK;
}

enum err recording_put_input(struct buf *out, const struct core *core, uint32_t link, uint64_t *at,
                             uint64_t end)
{
    size_t record;
    size_t size;
    if (recording_begin(out, RECORDING_INPUT, &record) != OK)
        return ERR_NOMEM;
    uint8_t *p = buf_reserve(out, sizeof(link));
    if (p == NULL)
        return ERR_NOMEM;
    put_u32(p, link);
    buf_commit(out, sizeof(link));
    const struct ring *in = &core->links[link].link->in;
    for (const void *event; buf_span(out).size - record < RECORDING_INPUT_BYTES &&
                            (event = ring_walk(in, at, end, &size)) != NULL;)
        if (recording_put_event(out, event) != OK)
            return ERR_NOMEM;
    recording_end(out, record);
    return OK;
}

/* ---- Turns ---- */

enum err recording_put_turn(struct buf *out, const struct core *core)
{
    size_t at;
    if (recording_begin(out, RECORDING_TURN, &at) != OK)
        return ERR_NOMEM;
    uint8_t *p = buf_reserve(out, 25 + 8 * core->n_links);
    if (p == NULL)
        return ERR_NOMEM;
    const uint8_t *from = p;
    p = put_u64(put_u64(p, core->now_ns), core->durable);
    p = put_u8(put_u64(p, store_filling(core->options.store)), core->shutdown_due);
    for (size_t i = 0; i < core->n_links; i++)
        p = put_u64(p, core->links[i].link->out.w_tail);
    buf_commit(out, (size_t)(p - from));
    recording_end(out, at);
    return OK;
}

enum err recording_put_done(struct buf *out, uint64_t digest)
{
    size_t at;
    if (recording_begin(out, RECORDING_DONE, &at) != OK)
        return ERR_NOMEM;
    uint8_t *p = buf_reserve(out, sizeof(digest));
    if (p == NULL)
        return ERR_NOMEM;
    put_u64(p, digest);
    buf_commit(out, sizeof(digest));
    recording_end(out, at);
    return OK;
}

/* ---- Digest ---- */

static uint64_t digest_numbers(uint64_t digest, const uint64_t *numbers, size_t n)
{
    return map_hash(digest, span_of(numbers, n * sizeof(*numbers)));
}

static uint64_t digest_content(uint64_t digest, const struct core_link *link,
                               const struct out_content *out)
{
    digest = map_hash(digest, span_of(out->bytes, (size_t)out->prefix_size + out->suffix_size));
    /* Once the socket has gone, in this very turn, the message may have gone with it. */
    const struct session *s = core_session(link, out->head.conn);
    if (s == NULL || s->in_flight.n == 0)
        return digest;
    digest = map_hash(digest, message_route(out->message));
    digest = map_hash(digest, message_header(out->message));
    return map_hash(digest, message_body(out->message));
}

static uint64_t digest_record(uint64_t digest, const struct core_link *link,
                              const struct out_head *head)
{
    digest = digest_numbers(
        digest,
        (const uint64_t[]){head->kind, head->conn.index, head->conn.generation, head->channel}, 4);
    switch ((enum out_kind)head->kind) {
    case OUT_BYTES: {
        const struct out_bytes *out = (const struct out_bytes *)head;
        return map_hash(digest, span_of(out->bytes, out->size));
    }
    case OUT_CONTENT: return digest_content(digest, link, (const struct out_content *)head);
    case OUT_ORDER:
        return digest_numbers(digest, &(uint64_t){((const struct out_order *)head)->order}, 1);
    case OUT_BODIES:
        for (const struct body *b = ((const struct out_bodies *)head)->first; b != NULL;
             b = b->next)
            digest = digest_numbers(digest, &(uint64_t){b->size}, 1);
        return digest;
    }
    return digest;
}

uint64_t recording_digest(const struct core *core, bool more)
{
    uint64_t digest = digest_numbers(
        core->stats.turns,
        (const uint64_t[]){more, core->work, core->message_bytes, core->queues.n}, 4);
    for (size_t i = 0; i < core->n_links; i++) {
        const struct ring *out = &core->links[i].link->out;
        uint64_t at = atomic_load_explicit(&out->head, memory_order_relaxed);
        size_t size;
        for (const void *head; (head = ring_walk(out, &at, out->w_at, &size)) != NULL;)
            digest = digest_record(digest, &core->links[i], head);
    }
    return digest;
}
