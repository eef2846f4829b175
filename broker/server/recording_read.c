// SPDX-License-Identifier: Apache-2.0
/* The reading half of recording.h. What is refused here cannot have come from broker/net: the core
 * asserts some of it. */
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/limits.h"
#include "broker/server/recording.h"

bool recording_take_magic(struct span *in)
{
    struct span magic;
    struct span rest = *in;
    if (!take_span(&rest, RECORDING_MAGIC.size, &magic) || !span_eq(magic, RECORDING_MAGIC))
        return false;
    *in = rest;
    return true;
}

enum recording_got recording_next(struct span *in, struct recording_record *r)
{
    struct span rest = *in;
    uint32_t size;
    uint32_t checksum;
    uint8_t kind;
    if (in->size == 0)
        return RECORDING_END;
    if (!take_u32(&rest, &size) || !take_u32(&rest, &checksum) ||
        !take_span(&rest, size, &r->payload))
        return RECORDING_TORN;
    if (checksum_crc32c(0, r->payload) != checksum || !take_u8(&r->payload, &kind) ||
        kind > RECORDING_DONE)
        return RECORDING_DAMAGED;
    r->kind = (enum recording_kind)kind;
    *in = rest;
    return RECORDING_RECORD;
}

/* ---- Head ---- */

static bool take_options(struct span *in, struct core_options *o)
{
    return take_longstr(in, &o->version) && take_longstr(in, &o->default_vhost) &&
           take_u32(in, &o->frame_max) && take_u16(in, &o->channel_max) &&
           take_u16(in, &o->heartbeat_s) && take_u64(in, &o->message_size_max) &&
           take_u64(in, &o->memory_limit_bytes) && take_u32(in, &o->turn_work) &&
           take_u32(in, &o->pacing_messages) && o->frame_max >= FRAME_MAX_MIN &&
           o->frame_max <= FRAME_MAX_DEFAULT && o->channel_max != 0 &&
           o->message_size_max <= BODY_SIZE_CEILING && o->turn_work != 0 &&
           o->turn_work <= TURN_WORK_MAX && o->pacing_messages != 0;
}

bool recording_take_head(struct span in, struct recording_head *head)
{
    memset(head, 0, sizeof(*head));
    if (!take_longstr(&in, &head->build) || !take_options(&in, &head->options) ||
        !take_u32(&in, &head->n_links) || head->n_links == 0 ||
        head->n_links > RECORDING_LINKS_MAX || !take_span(&in, RECORDING_SECRETS, &head->secrets) ||
        !take_u32(&in, &head->n_users))
        return false;
    head->users = in;
    for (uint32_t i = 0; i < head->n_users; i++) {
        struct user user;
        if (!recording_take_user(&in, &user))
            return false;
    }
    return in.size == 0;
}

bool recording_take_user(struct span *in, struct user *user)
{
    struct span salt;
    struct span digest;
    uint8_t loopback_only;
    if (!take_longstr(in, &user->name) || !take_span(in, PASSWORD_SALT, &salt) ||
        !take_span(in, PASSWORD_DIGEST, &digest) || !take_u8(in, &loopback_only))
        return false;
    put_bytes(user->salt, salt);
    put_bytes(user->digest, digest);
    user->loopback_only = loopback_only != 0;
    return true;
}

/* ---- Events ---- */

bool recording_take_link(struct span *in, uint32_t *link)
{
    return take_u32(in, link);
}

static bool take_opened(struct span *in, struct in_opened *ev)
{
    uint8_t loopback;
    struct span peer;
    if (!take_u8(in, &loopback) || !take_shortstr(in, &peer) || peer.size >= LINK_PEER_MAX)
        return false;
    ev->loopback = loopback != 0;
    *put_bytes((uint8_t *)ev->peer, peer) = 0;
    return true;
}

/* Contents of channel 0 are handed on as methods: see wire.c. */
static bool take_method(struct span *in, struct in_method *ev)
{
    struct fault fault;
    return take_longstr(in, &ev->payload) &&
           method_decode(ev->payload, &ev->method, &fault) == NULL &&
           (ev->head.channel == 0 || !method_info(ev->method.id)->content);
}

/* A content may be any that wire.c lets through. */
static bool publish_is_whole(const struct in_publish *ev, struct span body, bool large,
                             uint64_t size_max)
{
    struct span route = ev->route;
    struct span exchange;
    struct span key;
    struct content_header h;
    if (ev->head.channel == 0 || ev->method_id >= METHOD_COUNT ||
        !method_info((enum method_id)ev->method_id)->content)
        return false;
    if (ev->method_id == METHOD_basic_publish &&
        (!take_shortstr(&route, &exchange) || !take_shortstr(&route, &key)))
        return false;
    if (route.size != 0 || !content_header_take(ev->header, &h) || h.class_id != CLASS_BASIC ||
        h.body_size != ev->body_size || ev->body_size > BODY_SIZE_CEILING)
        return false;
    if (large)
        return body.size == ev->body_size && body.size > BODY_INLINE_MAX;
    if (body.size == ev->body_size)
        return body.size <= BODY_INLINE_MAX;
    return body.size == 0 && ev->body_size > size_max; /* it was not kept */
}

static bool take_publish(struct span *in, struct recording_event *event, uint64_t size_max)
{
    struct in_publish *ev = &event->publish;
    uint8_t flags;
    if (!take_u8(in, &ev->method_id) || !take_u8(in, &flags) || !take_u32(in, &event->home) ||
        !take_u64(in, &ev->body_size) || !take_longstr(in, &ev->route) ||
        !take_longstr(in, &ev->header) || !take_longstr(in, &ev->body))
        return false;
    ev->mandatory = (flags & RECORDING_MANDATORY) != 0;
    ev->immediate = (flags & RECORDING_IMMEDIATE) != 0;
    event->large = (flags & RECORDING_LARGE) != 0;
    return publish_is_whole(ev, ev->body, event->large, size_max);
}

static const struct reply *reply_of_code(uint16_t code)
{
#define RECORDING_REPLY(name, code, scope) REPLY_##name,
    static const struct reply *const REPLIES[] = {AMQP_REPLIES(RECORDING_REPLY)};
#undef RECORDING_REPLY
    for (size_t i = 0; i < sizeof(REPLIES) / sizeof(REPLIES[0]); i++)
        if (REPLIES[i]->code == code)
            return REPLIES[i];
    return NULL;
}

/* Whoever breaks the framing loses the connection. */
static bool take_fault(struct span *in, struct fault *f)
{
    uint16_t code;
    struct span text;
    if (!take_u16(in, &code) || !take_u16(in, &f->class_id) || !take_u16(in, &f->method_id) ||
        !take_shortstr(in, &text))
        return false;
    f->reply = reply_of_code(code);
    *put_bytes((uint8_t *)f->text, text) = 0;
    return f->reply != NULL && f->reply->scope == SCOPE_CONNECTION;
}

bool recording_take_event(struct span *in, const struct core_options *options,
                          struct recording_event *ev)
{
    uint8_t kind;
    memset(ev, 0, sizeof(*ev));
    if (!take_u8(in, &kind) || !take_u32(in, &ev->head.conn.index) ||
        !take_u32(in, &ev->head.conn.generation) || !take_u16(in, &ev->head.channel))
        return false;
    ev->head.kind = kind;
    switch (kind) {
    case IN_OPENED: ev->size = sizeof(ev->opened); return take_opened(in, &ev->opened);
    case IN_METHOD: ev->size = sizeof(ev->method); return take_method(in, &ev->method);
    case IN_PUBLISH:
        ev->size = sizeof(ev->publish);
        return take_publish(in, ev, options->message_size_max);
    case IN_FAULT: ev->size = sizeof(ev->fault); return take_fault(in, &ev->fault.fault);
    case IN_SENT: ev->size = sizeof(ev->sent); return take_u64(in, &ev->sent.contents);
    case IN_CLOSED: ev->size = sizeof(ev->head); return true;
    default: return false;
    }
}

/* ---- Turns ---- */

bool recording_take_turn(struct span in, uint32_t n_links, struct recording_turn *turn)
{
    uint8_t shutdown;
    memset(turn, 0, sizeof(*turn));
    if (!take_u64(&in, &turn->now_ns) || !take_u64(&in, &turn->durable) ||
        !take_u64(&in, &turn->filling) || !take_u8(&in, &shutdown))
        return false;
    turn->shutdown = shutdown != 0;
    for (uint32_t i = 0; i < n_links; i++)
        if (!take_u64(&in, &turn->released[i]))
            return false;
    return in.size == 0;
}

bool recording_take_done(struct span in, uint64_t *digest)
{
    return take_u64(&in, digest) && in.size == 0;
}
