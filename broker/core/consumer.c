// SPDX-License-Identifier: Apache-2.0
#include "broker/core/consumer.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/probe.h"
#include "broker/core/core.h"
#include "broker/core/messages.h"

static struct queue *consumer_queue(const struct consumer *c)
{
    return slots_at(&c->core->queues, c->queue);
}

static void consumer_free(struct consumer *c)
{
    slots_remove(&c->core->consumers, c->id);
    free((void *)(uintptr_t)c->tag.at);
    free(c);
}

enum err consumer_new(struct consumer **out, struct channel *ch, struct queue *q,
                      const struct consumer_options *options)
{
    *out = NULL;
    struct core *core = ch->session->core;
    struct consumer *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return ERR_NOMEM;
    c->tag = span_dup(options->tag);
    c->level = c->tag.at == NULL ? NULL : queue_join_level(q, options->priority);
    if (c->level == NULL || slots_add(&core->consumers, c, &c->id) != OK) {
        if (c->level != NULL)
            queue_leave_level(c->level);
        free((void *)(uintptr_t)c->tag.at);
        free(c);
        return ERR_NOMEM;
    }
    c->core = core;
    c->channel = ch;
    c->queue = q->id;
    c->no_ack = options->no_ack;
    c->exclusive = options->exclusive;
    c->prefetch = options->prefetch;
    c->wait = CONSUMER_IDLE;
    list_init(&c->in_wait);
    map_insert(&ch->consumers, &c->by_tag, map_hash(core->hash_seed, c->tag));
    list_push_back(&ch->consumer_list, &c->in_channel);
    list_push_back(&q->consumers, &c->in_queue);
    q->n_consumers++;
    if (c->exclusive)
        q->exclusive_consumer = c;
    *out = c;
    return OK;
}

struct consumer *consumer_find(const struct channel *ch, struct span tag)
{
    struct map_node *n = map_find(&ch->consumers, map_hash(ch->session->core->hash_seed, tag));
    for (; n != NULL; n = map_find_next(n)) {
        struct consumer *c = CONTAINER_OF(n, struct consumer, by_tag);
        if (span_eq(c->tag, tag))
            return c;
    }
    return NULL;
}

void consumer_start(struct consumer *c)
{
    if (c->wait == CONSUMER_IDLE)
        consumer_wake(c);
}

void consumer_cancel(struct consumer *c)
{
    struct channel *ch = c->channel;
    struct queue *q = consumer_queue(c);
    map_remove(&ch->consumers, &c->by_tag);
    list_remove(&c->in_channel);
    list_remove(&c->in_queue);
    list_remove(&c->in_wait);
    queue_leave_level(c->level);
    c->level = NULL;
    c->wait = CONSUMER_IDLE;
    c->channel = NULL;
    q->n_consumers--;
    if (q->exclusive_consumer == c)
        q->exclusive_consumer = NULL;
    if (c->n_unsettled == 0)
        consumer_free(c);
    if (q->auto_delete && q->n_consumers == 0 && !q->deleted)
        queue_delete(q);
}

void consumer_notify_cancel(const struct consumer *c)
{
    const struct channel *ch = c->channel;
    /* Behind the close of its channel or connection a peer expects nothing of the kind. */
    bool ending = ch->state != CHANNEL_OPEN || ch->session->state != SESSION_RUNNING;
    if (ending || !ch->session->wants_cancels)
        return;
    struct method m = {.id = METHOD_basic_cancel};
    m.basic_cancel = (struct amqp_basic_cancel){.consumer_tag = c->tag, .no_wait = true};
    replies_method(c->channel, &m, 0);
}

/* Takes it out of the ready list, to `list` when there is one to wait in. */
static bool consumer_hold(struct consumer *c, enum consumer_wait wait, struct list *list)
{
    list_remove(&c->in_wait);
    c->wait = wait;
    if (list != NULL)
        list_push_back(list, &c->in_wait);
    return false;
}

bool consumer_check_ready(struct consumer *c)
{
    struct channel *ch = c->channel;
    /* Its end has been announced; cancelling it may take some turns more. */
    if (ch->state != CHANNEL_OPEN || ch->session->state != SESSION_RUNNING)
        return consumer_hold(c, CONSUMER_IDLE, NULL);
    if (!output_has_room(ch->session))
        return consumer_hold(c, CONSUMER_OUTPUT, &ch->session->waiting);
    /* As in RabbitMQ, the channel's limit holds back those too that need not acknowledge. */
    bool limited = ch->channel_prefetch != 0 && ch->volume >= ch->channel_prefetch;
    if (limited || ch->replies.n_contents >= REPLY_CONTENTS_MAX)
        return consumer_hold(c, CONSUMER_CHANNEL, &ch->waiting);
    if (!c->no_ack && c->prefetch != 0 && c->n_unsettled >= c->prefetch)
        return consumer_hold(c, CONSUMER_PREFETCH, NULL);
    return true;
}

void consumer_wake(struct consumer *c)
{
    struct queue *q = consumer_queue(c);
    list_remove(&c->in_wait);
    if (!q->deleted)
        queue_add_ready(q, c);
}

/* Tags go in order: while a content waits in the channel's replies, deliveries wait behind it. */
static bool consumer_send(struct channel *ch, struct span prefix, struct message *m)
{
    if (ch->replies.n_contents == 0)
        return output_content(ch->session, ch->number, prefix, SPAN_NONE, m);
    replies_content(ch, prefix, SPAN_NONE, m, 0);
    message_unref(ch->session->core, m);
    return true;
}

enum err consumer_deliver(struct consumer *c, struct queue *q, struct message *m, uint64_t seq,
                          bool redelivered)
{
    struct channel *ch = c->channel;
    struct core *core = ch->session->core;
    uint64_t tag = ch->last_tag + 1;
    if (!c->no_ack) {
        struct unsettled_entry e = {tag, seq, m, q->id.index, c->id.index};
        if (unsettled_push(&ch->unsettled, &e) != OK)
            return ERR_NOMEM;
    }
    uint8_t prefix[4 + 256 + 8 + 1];
    uint8_t *p = put_u16(put_u16(prefix, 60), 60);
    p = put_u8(put_u64(put_shortstr(p, c->tag), tag), redelivered);
    message_ref(m); /* for what follows: when memory fails the other one may be gone then */
    if (!consumer_send(ch, span_of(prefix, (size_t)(p - prefix)), m)) {
        if (!c->no_ack)
            unsettled_remove(&ch->unsettled, unsettled_find(&ch->unsettled, tag));
        message_unref(core, m);
        return ERR_NOMEM;
    }
    ch->last_tag = tag;
    core->stats.delivered++;
    PROBE2(deliver, q->number, seq);
    if (c->no_ack) {
        queue_tell_settled(q, m, seq, 0);
        message_unref(core, m);
    } else {
        c->n_unsettled++;
        ch->volume += ch->channel_prefetch != 0;
        q->n_unsettled++;
        core->message_bytes += UNSETTLED_ENTRY_BYTES;
    }
    queue_to_back(c); /* every ready consumer has its turn */
    return OK;
}

void consumer_settled(struct consumer *c)
{
    ASSERT(c->n_unsettled != 0);
    c->n_unsettled--;
    if (c->channel == NULL) {
        if (c->n_unsettled == 0)
            consumer_free(c);
        return;
    }
    if (c->wait == CONSUMER_PREFETCH && c->n_unsettled < c->prefetch)
        consumer_wake(c);
}
