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

/* Channels whose first reply waits for one batch. There are as many of these as the store has
 * batches under way. */
struct reply_batch {
    uint64_t batch;
    struct list channels; /* by replies.in_flush */
    struct list in_core;  /* in core.awaiting_store, oldest first */
};

void replies_init(struct replies *r)
{
    deque_init(&r->list, sizeof(struct waiting_reply));
    list_init(&r->in_flush);
    r->n_contents = 0;
}

static struct core *replies_core(const struct channel *ch)
{
    return ch->session->core;
}

static size_t replies_cost(const struct waiting_reply *w)
{
    return sizeof(*w) + w->size;
}

/* It leaves the list. */
static void replies_drop(struct channel *ch, struct waiting_reply *w)
{
    if (w->kind == REPLY_IS_CONTENT) {
        message_unref(replies_core(ch), w->message);
        ch->replies.n_contents--;
    }
    session_uncharge(ch->session, replies_cost(w));
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

/* The channels of one batch; NULL when memory is out. A new reply mostly waits for the newest. */
static struct list *replies_batch(struct core *core, uint64_t batch)
{
    struct list *at = core->awaiting_store.prev;
    for (; at != &core->awaiting_store; at = at->prev) {
        struct reply_batch *b = CONTAINER_OF(at, struct reply_batch, in_core);
        if (b->batch == batch)
            return &b->channels;
        if (b->batch < batch)
            break;
    }
    struct reply_batch *b = malloc(sizeof(*b));
    if (b == NULL)
        return NULL;
    b->batch = batch;
    list_init(&b->channels);
    list_insert_before(at->next, &b->in_core);
    return &b->channels;
}

/* Puts the channel to where its first reply is seen to. */
static void replies_place(struct channel *ch)
{
    list_remove(&ch->replies.in_flush);
    if (ch->replies.list.n == 0)
        return; /* at the end of a retired channel, whose session may be gone */
    struct core *core = replies_core(ch);
    uint64_t batch = ((struct waiting_reply *)deque_at(&ch->replies.list, 0))->batch;
    struct list *channels = batch <= core->durable ? NULL : replies_batch(core, batch);
    /* Without memory for its batch it is looked at in every turn. */
    list_push_back(channels == NULL ? &core->replying : channels, &ch->replies.in_flush);
}

/* Puts it at the end of the list. False after having ended the connection: memory is out. */
static bool replies_wait(struct channel *ch, const struct waiting_reply *reply)
{
    struct session *s = ch->session;
    struct waiting_reply *w = deque_push(&ch->replies.list);
    if (w == NULL) {
        session_abort(s);
        return false;
    }
    *w = *reply;
    if (w->batch > s->last_batch)
        s->last_batch = w->batch;
    if (ch->replies.list.n == 1)
        replies_place(ch);
    session_charge(s, replies_cost(w));
    return true;
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
    if (copy.at == NULL) {
        session_abort(ch->session);
        return;
    }
    struct waiting_reply w = {.batch = batch,
                              .kind = REPLY_IS_METHOD,
                              .then = (uint8_t)then,
                              .size = (uint32_t)size,
                              .bytes = (uint8_t *)(uintptr_t)copy.at,
                              .consumer = consumer};
    if (!replies_wait(ch, &w))
        free(w.bytes);
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
    struct waiting_reply w = {.batch = batch,
                              .kind = REPLY_IS_CONTENT,
                              .prefix_size = (uint16_t)prefix.size,
                              .size = (uint32_t)(prefix.size + suffix.size),
                              .bytes = malloc(prefix.size + suffix.size + 1),
                              .message = message};
    if (w.bytes != NULL)
        put_bytes(put_bytes(w.bytes, prefix), suffix);
    else
        session_abort(ch->session);
    if (w.bytes == NULL || !replies_wait(ch, &w)) {
        free(w.bytes);
        message_unref(replies_core(ch), message);
        return;
    }
    ch->replies.n_contents++;
}

void replies_confirm(struct channel *ch, uint64_t tag, bool ack, uint64_t batch)
{
    /* After some were dropped another would confirm them too, for it is cumulative. */
    if (replies_refused(ch) || ch->replies.confirms_dropped)
        return;
    uint8_t kind = ack ? REPLY_IS_ACK : REPLY_IS_NACK;
    struct deque *list = &ch->replies.list;
    struct waiting_reply *last = list->n == 0 ? NULL : deque_at(list, list->n - 1);
    if (last != NULL && last->kind == kind && last->batch >= batch) {
        last->tags.last = tag;
        return;
    }
    (void)replies_wait(ch,
                       &(struct waiting_reply){.batch = batch, .kind = kind, .tags = {tag, tag}});
}

void replies_drop_confirms(struct channel *ch)
{
    struct deque *list = &ch->replies.list;
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct waiting_reply *w = deque_at(list, i);
        if (w->kind == REPLY_IS_ACK || w->kind == REPLY_IS_NACK)
            replies_drop(ch, w);
        else
            *(struct waiting_reply *)deque_at(list, kept++) = *w;
    }
    deque_cut(list, kept);
    ch->replies.confirms_dropped = true;
    replies_place(ch);
}

void replies_drop_all(struct channel *ch)
{
    struct deque *list = &ch->replies.list;
    for (size_t i = 0; i < list->n; i++)
        replies_drop(ch, deque_at(list, i));
    deque_cut(list, 0);
    replies_place(ch);
}

/* ---- Turns ---- */

/* The first reply is out: forgets it, and does what follows from it. */
static void replies_sent(struct channel *ch)
{
    struct waiting_reply w = *(struct waiting_reply *)deque_at(&ch->replies.list, 0);
    deque_pop(&ch->replies.list);
    session_uncharge(ch->session, replies_cost(&w));
    free(w.bytes);
    if (w.kind == REPLY_IS_CONTENT && --ch->replies.n_contents == 0)
        channel_wake_consumers(ch);
    if (w.kind == REPLY_IS_METHOD)
        replies_then(ch, (enum reply_then)w.then, w.consumer);
}

/* Sends what may go; the channel may be retired by it. False when room or work is used up. */
static bool replies_flush(struct channel *ch, unsigned *work)
{
    struct deque *list = &ch->replies.list;
    while (list->n != 0) {
        struct waiting_reply *w = deque_at(list, 0);
        if (w->batch > replies_core(ch)->durable)
            break;
        if (*work == 0)
            return false;
        --*work; /* also for the try: many channels may find the same ring full */
        if (!replies_send(ch, w))
            return false;
        replies_sent(ch);
    }
    deque_trim(list);
    return true;
}

/* The next batch that has become durable, taken off; NULL when there is none. */
static struct reply_batch *replies_next_batch(struct core *core)
{
    struct list *first = list_first(&core->awaiting_store);
    struct reply_batch *b = first == NULL ? NULL : CONTAINER_OF(first, struct reply_batch, in_core);
    if (b == NULL || b->batch > core->durable)
        return NULL;
    list_remove(&b->in_core);
    return b;
}

bool replies_run(struct core *core, unsigned *work)
{
    for (struct reply_batch *b; (b = replies_next_batch(core)) != NULL; free(b))
        list_splice_back(&core->replying, &b->channels);
    struct list now;
    list_init(&now);
    list_splice_back(&now, &core->replying);
    bool more = false;
    for (struct list *node; *work != 0 && (node = list_pop_front(&now)) != NULL;) {
        struct channel *ch = CONTAINER_OF(node, struct channel, replies.in_flush);
        more |= !replies_flush(ch, work);
        replies_place(ch);
        /* Emptied, it may be what the end of its session has waited for. */
        more |= ch->replies.list.n == 0 && !list_empty(&core->teardowns);
    }
    /* Those that had no turn go first next time. */
    list_splice_front(&core->replying, &now);
    return more || (*work == 0 && !list_empty(&core->replying));
}

void replies_forget(struct core *core)
{
    for (struct list *node; (node = list_pop_front(&core->awaiting_store)) != NULL;)
        free(CONTAINER_OF(node, struct reply_batch, in_core));
}
