// SPDX-License-Identifier: Apache-2.0
#include "broker/core/replies.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "broker/core/core.h"
#include "broker/core/messages.h"

enum reply_kind { REPLY_IS_METHOD, REPLY_IS_CONTENT, REPLY_IS_ACK, REPLY_IS_NACK };

struct waiting_reply {
    uint64_t batch;
    uint8_t kind; /* enum reply_kind */
    uint8_t then; /* enum reply_then */
    uint16_t prefix_size;
    uint32_t size;
    uint8_t *bytes; /* owned: the payload, or prefix and suffix */
    union {
        struct message *message; /* a reference */
        struct slot_id consumer;
        struct {
            uint64_t first; /* confirms first … last */
            uint64_t last;
        } tags;
    };
};

enum { REPLY_PAYLOAD_MAX = 8 * 1024 };

void replies_init(struct replies *r)
{
    deque_init(&r->list, sizeof(struct waiting_reply));
    list_init(&r->in_flush);
}

static struct core *replies_core(const struct channel *ch)
{
    return ch->session->core;
}

static void replies_drop(struct channel *ch, struct waiting_reply *w)
{
    if (w->kind == REPLY_IS_CONTENT)
        message_unref(replies_core(ch), w->message);
    free(w->bytes);
}

void replies_fini(struct replies *r)
{
    ASSERT(r->list.n == 0);
    deque_fini(&r->list);
    list_remove(&r->in_flush);
}

static bool replies_send_confirm(struct channel *ch, struct waiting_reply *w)
{
    uint8_t payload[16];
    /* One frame for all when they reach back to the first unanswered one: confirms go in order, so
     * everything below has been answered. */
    struct method m;
    if (w->kind == REPLY_IS_ACK) {
        m.id = METHOD_basic_ack;
        m.basic_ack = (struct amqp_basic_ack){w->tags.last, w->tags.last != w->tags.first};
    } else {
        m.id = METHOD_basic_nack;
        m.basic_nack = (struct amqp_basic_nack){w->tags.last, w->tags.last != w->tags.first, false};
    }
    uint8_t *end = method_encode(payload, &m);
    return output_payload(ch->session, ch->number, span_of(payload, (size_t)(end - payload)));
}

static bool replies_send(struct channel *ch, struct waiting_reply *w)
{
    struct span bytes = span_of(w->bytes, w->size);
    switch ((enum reply_kind)w->kind) {
    case REPLY_IS_METHOD: return output_payload(ch->session, ch->number, bytes);
    case REPLY_IS_CONTENT:
        return output_content(ch->session, ch->number, span_of(bytes.at, w->prefix_size),
                              span_of(bytes.at + w->prefix_size, bytes.size - w->prefix_size),
                              w->message);
    case REPLY_IS_ACK:
    case REPLY_IS_NACK: return replies_send_confirm(ch, w);
    }
    return false;
}

/* The consequence of a reply that is out. */
static void replies_then(struct channel *ch, enum reply_then then, struct slot_id consumer)
{
    struct session *s = ch->session;
    switch (then) {
    case THEN_NOTHING: break;
    case THEN_START_CONSUMER: {
        struct consumer *c = slots_at(&s->core->consumers, consumer);
        if (c != NULL && c->channel == ch)
            consumer_start(c);
        break;
    }
    case THEN_FREE_CHANNEL: parking_retire(ch); break;
    case THEN_CLOSE: session_order(s, ORDER_CLOSE); break;
    case THEN_AWAIT_CLOSE_OK: session_order(s, ORDER_CLOSING); break;
    }
}

/* A place at the end of the list, or NULL after having ended the connection. */
static struct waiting_reply *replies_wait(struct channel *ch, uint64_t batch)
{
    struct waiting_reply *w = deque_push(&ch->replies.list);
    if (w == NULL) {
        session_abort(ch->session);
        return NULL;
    }
    *w = (struct waiting_reply){.batch = batch};
    if (batch > ch->session->last_batch)
        ch->session->last_batch = batch;
    if (!list_linked(&ch->replies.in_flush))
        list_push_back(&replies_core(ch)->waiting, &ch->replies.in_flush);
    return w;
}

/* Nothing is owed to a connection whose end has been announced. */
static bool replies_refused(const struct channel *ch)
{
    return ch->session->state == SESSION_ENDED || ch->state == CHANNEL_GONE;
}

static bool replies_may_go(const struct channel *ch, uint64_t batch)
{
    return ch->replies.list.n == 0 && batch <= replies_core(ch)->durable;
}

void replies_method_then(struct channel *ch, const struct method *m, uint64_t batch,
                         enum reply_then then, struct slot_id consumer)
{
    uint8_t payload[REPLY_PAYLOAD_MAX];
    size_t size = method_size(m);
    ASSERT(size <= sizeof(payload));
    if (replies_refused(ch))
        return;
    method_encode(payload, m);
    if (replies_may_go(ch, batch) &&
        output_payload(ch->session, ch->number, span_of(payload, size))) {
        replies_then(ch, then, consumer);
        return;
    }
    struct span copy = span_dup(span_of(payload, size));
    struct waiting_reply *w = copy.at == NULL ? NULL : replies_wait(ch, batch);
    if (w == NULL) {
        free((void *)(uintptr_t)copy.at);
        session_abort(ch->session);
        return;
    }
    w->kind = REPLY_IS_METHOD;
    w->then = (uint8_t)then;
    w->bytes = (uint8_t *)(uintptr_t)copy.at;
    w->size = (uint32_t)size;
    w->consumer = consumer;
}

void replies_method(struct channel *ch, const struct method *m, uint64_t batch)
{
    replies_method_then(ch, m, batch, THEN_NOTHING, (struct slot_id){0, 0});
}

void replies_content(struct channel *ch, struct span prefix, struct span suffix,
                     struct message *message, uint64_t batch)
{
    if (replies_refused(ch))
        return;
    message_ref(message);
    if (replies_may_go(ch, batch) &&
        output_content(ch->session, ch->number, prefix, suffix, message))
        return;
    uint8_t *bytes = malloc(prefix.size + suffix.size + 1);
    struct waiting_reply *w = bytes == NULL ? NULL : replies_wait(ch, batch);
    if (w == NULL) {
        free(bytes);
        message_unref(replies_core(ch), message);
        session_abort(ch->session);
        return;
    }
    put_bytes(put_bytes(bytes, prefix), suffix);
    w->kind = REPLY_IS_CONTENT;
    w->bytes = bytes;
    w->size = (uint32_t)(prefix.size + suffix.size);
    w->prefix_size = (uint16_t)prefix.size;
    w->message = message;
}

void replies_confirm(struct channel *ch, uint64_t tag, bool ack, uint64_t batch)
{
    if (replies_refused(ch))
        return;
    uint8_t kind = ack ? REPLY_IS_ACK : REPLY_IS_NACK;
    struct deque *list = &ch->replies.list;
    struct waiting_reply *last = list->n == 0 ? NULL : deque_at(list, list->n - 1);
    if (last != NULL && last->kind == kind && last->batch >= batch) {
        last->tags.last = tag;
        return;
    }
    struct waiting_reply *w = replies_wait(ch, batch);
    if (w == NULL)
        return;
    w->kind = kind;
    w->tags.first = tag;
    w->tags.last = tag;
}

void replies_drop_confirms(struct channel *ch)
{
    struct deque *list = &ch->replies.list;
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct waiting_reply *w = deque_at(list, i);
        if (w->kind != REPLY_IS_ACK && w->kind != REPLY_IS_NACK)
            *(struct waiting_reply *)deque_at(list, kept++) = *w;
    }
    deque_cut(list, kept);
}

void replies_drop_all(struct channel *ch)
{
    struct deque *list = &ch->replies.list;
    for (size_t i = 0; i < list->n; i++)
        replies_drop(ch, deque_at(list, i));
    deque_cut(list, 0);
    list_remove(&ch->replies.in_flush);
}

bool replies_flush(struct channel *ch)
{
    struct deque *list = &ch->replies.list;
    while (list->n != 0) {
        struct waiting_reply w = *(struct waiting_reply *)deque_at(list, 0);
        if (w.batch > replies_core(ch)->durable || !replies_send(ch, &w))
            return false;
        deque_pop(list);
        free(w.bytes);
        replies_then(ch, (enum reply_then)w.then, w.consumer);
    }
    deque_trim(list);
    list_remove(&ch->replies.in_flush);
    return true;
}

bool replies_due(const struct channel *ch)
{
    const struct deque *list = &ch->replies.list;
    return list->n != 0 &&
           ((struct waiting_reply *)deque_at(list, 0))->batch <= replies_core(ch)->durable;
}
