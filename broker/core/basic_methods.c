// SPDX-License-Identifier: Apache-2.0
/* Methods of the class basic, publish excepted. */
#include "base/bytes.h"
#include "base/limits.h"
#include "broker/core/arguments.h"
#include "broker/core/core.h"
#include "broker/core/dispatch.h"
#include "broker/core/messages.h"
#include "broker/core/settle.h"
#include "broker/core/tx.h"
#include "broker/core/vhost.h"

/* ---- qos ---- */

const struct reply *on_basic_qos(struct channel *ch, const struct method *m, struct fault *f)
{
    const struct amqp_basic_qos *q = &m->basic_qos;
    if (q->prefetch_size != 0)
        return fault_set(f, REPLY_NOT_IMPLEMENTED, "prefetch_size!=0 (%u)", q->prefetch_size);
    if (q->global) {
        /* As in RabbitMQ, a limit that is new counts everything outstanding at this moment, what
         * basic.get fetched included, but not what a transaction holds; from then on it counts
         * deliveries to consumers and their settlements. */
        if (ch->channel_prefetch == 0)
            ch->volume = ch->unsettled.n - tx_n_held(ch);
        ch->channel_prefetch = q->prefetch_count;
    } else {
        /* RabbitMQ's trap: asking for a limit per consumer takes the channel's away. */
        ch->consumer_prefetch = q->prefetch_count;
        ch->channel_prefetch = 0;
    }
    if (ch->channel_prefetch == 0)
        ch->volume = 0;
    channel_wake_consumers(ch);
    struct method ok = {.id = METHOD_basic_qos_ok};
    replies_method(ch, &ok, 0);
    return NULL;
}

/* ---- consume and cancel ---- */

static const struct reply *basic_check_exclusive(const struct queue *q, bool exclusive,
                                                 struct fault *f)
{
    if (q->exclusive_consumer == NULL && !(exclusive && q->n_consumers != 0))
        return NULL;
    return fault_set(f, REPLY_ACCESS_REFUSED, QUEUE_TEXT " in exclusive use", QUEUE_TEXT_ARGS(q));
}

const struct reply *on_basic_consume(struct channel *ch, const struct method *m, struct fault *f)
{
    const struct amqp_basic_consume *b = &m->basic_consume;
    if (b->consumer_tag.size != 0 && consumer_find(ch, b->consumer_tag) != NULL)
        return fault_set(f, REPLY_NOT_ALLOWED, "attempt to reuse consumer tag '%.*s'",
                         SPAN_FMT(b->consumer_tag));
    struct queue *q;
    struct consumer_options options = {.tag = b->consumer_tag,
                                       .no_ack = b->no_ack,
                                       .exclusive = b->exclusive,
                                       .prefetch = ch->consumer_prefetch};
    const struct reply *bad = channel_queue(ch, b->queue, &q, f);
    if (bad == NULL)
        bad = consumer_arguments_check(b->arguments, QUEUE_CLASSIC, q->name, q->vhost->name,
                                       &options.priority, f);
    if (bad == NULL)
        bad = basic_check_exclusive(q, b->exclusive, f);
    if (bad != NULL)
        return bad;
    uint8_t name[64];
    if (options.tag.size == 0)
        options.tag = core_make_name(ch->session->core, "amq.ctag-", name);
    struct consumer *c;
    if (consumer_new(&c, ch, q, &options) != OK)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    struct method ok = {.id = METHOD_basic_consume_ok};
    ok.basic_consume_ok.consumer_tag = c->tag;
    if (b->no_wait)
        consumer_start(c);
    else
        replies_method_then(ch, &ok, 0, THEN_START_CONSUMER, c->id);
    return NULL;
}

const struct reply *on_basic_cancel(struct channel *ch, const struct method *m, struct fault *f)
{
    (void)f;
    struct consumer *c = consumer_find(ch, m->basic_cancel.consumer_tag);
    if (c != NULL)
        consumer_cancel(c);
    struct method ok = {.id = METHOD_basic_cancel_ok};
    ok.basic_cancel_ok.consumer_tag = m->basic_cancel.consumer_tag;
    if (!m->basic_cancel.no_wait)
        replies_method(ch, &ok, 0);
    return NULL;
}

/* ---- get ---- */

static const struct reply *basic_get_ok(struct channel *ch, struct queue *q, bool no_ack,
                                        struct fault *f)
{
    uint64_t seq;
    bool redelivered;
    uint64_t tag = ch->last_tag + 1;
    /* The entry first: once the message is taken nothing may fail any more. */
    struct unsettled_entry e = {tag, 0, NULL, q->id.index, UNSETTLED_BY_GET};
    if (!no_ack && unsettled_push(&ch->unsettled, &e) != OK)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    struct message *m = queue_take(q, &seq, &redelivered);
    if (!no_ack) {
        struct unsettled_entry *held = unsettled_find(&ch->unsettled, tag);
        held->seq = seq;
        held->message = m;
        ch->session->core->message_bytes += UNSETTLED_ENTRY_BYTES;
    }
    ch->last_tag = tag;
    ch->session->core->stats.delivered++;
    uint8_t prefix[4 + 8 + 1];
    uint8_t suffix[4];
    put_u8(put_u64(put_u16(put_u16(prefix, 60), 71), tag), redelivered);
    put_u32(suffix, (uint32_t)queue_n_ready(q));
    replies_content(ch, span_of(prefix, sizeof(prefix)), span_of(suffix, sizeof(suffix)), m, 0);
    if (no_ack)
        queue_settled(q, m, seq, 0);
    return NULL;
}

const struct reply *on_basic_get(struct channel *ch, const struct method *m, struct fault *f)
{
    struct queue *q;
    const struct reply *bad = channel_queue(ch, m->basic_get.queue, &q, f);
    if (bad != NULL)
        return bad;
    if (channel_awaits_queue(ch, q))
        return NULL;
    if (!output_has_room(ch->session)) {
        parking_output(ch);
        return NULL;
    }
    if (queue_n_ready(q) != 0)
        return basic_get_ok(ch, q, m->basic_get.no_ack, f);
    struct method empty = {.id = METHOD_basic_get_empty};
    replies_method(ch, &empty, 0);
    return NULL;
}

/* ---- settling ---- */

static const struct reply *basic_settle(struct channel *ch, uint64_t tag, bool multiple,
                                        enum settle how, struct fault *f)
{
    return multiple ? settle_up_to(ch, tag, how, f) : settle_one(ch, tag, how, f);
}

const struct reply *on_basic_ack(struct channel *ch, const struct method *m, struct fault *f)
{
    return basic_settle(ch, m->basic_ack.delivery_tag, m->basic_ack.multiple, SETTLE_ACK, f);
}

const struct reply *on_basic_reject(struct channel *ch, const struct method *m, struct fault *f)
{
    return basic_settle(ch, m->basic_reject.delivery_tag, false,
                        m->basic_reject.requeue ? SETTLE_REQUEUE : SETTLE_DROP, f);
}

const struct reply *on_basic_nack(struct channel *ch, const struct method *m, struct fault *f)
{
    return basic_settle(ch, m->basic_nack.delivery_tag, m->basic_nack.multiple,
                        m->basic_nack.requeue ? SETTLE_REQUEUE : SETTLE_DROP, f);
}

/* ---- recover ---- */

/* Requeues everything outstanding, but what a transaction holds. */
static bool basic_recover_some(struct channel *ch, void *state, unsigned *work)
{
    enum method_id id = (enum method_id)(uintptr_t)state;
    if (!settle_some(ch, ch->settle_last, SETTLE_REQUEUE, work))
        return false;
    struct method ok = {.id = METHOD_basic_recover_ok};
    if (id == METHOD_basic_recover)
        replies_method(ch, &ok, 0);
    return true;
}

static const struct reply *basic_recover(struct channel *ch, bool requeue, enum method_id id,
                                         struct fault *f)
{
    if (!requeue)
        return fault_set(f, REPLY_NOT_IMPLEMENTED, "requeue=false");
    ch->settle_from = 0;
    ch->settle_last = ch->last_tag;
    if (!basic_recover_some(ch, (void *)(uintptr_t)id, &ch->session->core->work))
        parking_job(ch, basic_recover_some, (void *)(uintptr_t)id);
    return NULL;
}

const struct reply *on_basic_recover(struct channel *ch, const struct method *m, struct fault *f)
{
    return basic_recover(ch, m->basic_recover.requeue, METHOD_basic_recover, f);
}

const struct reply *on_basic_recover_async(struct channel *ch, const struct method *m,
                                           struct fault *f)
{
    return basic_recover(ch, m->basic_recover_async.requeue, METHOD_basic_recover_async, f);
}
