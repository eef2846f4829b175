// SPDX-License-Identifier: Apache-2.0
/* Commands: onto the wire, and into the model as if executed at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/sim/actor.h"
#include "tests/sim/failure.h"
#include "tests/sim/properties.h"

static struct world *chan_world(const struct chan *ch)
{
    return ch->actor->world;
}

void chan_command(struct chan *ch, const struct method *m, const struct expected *e)
{
    ch->cmd++;
    if (e != NULL) {
        struct expected *place = deque_push(&ch->expected);
        ASSERT(place != NULL);
        *place = *e;
        place->cmd = ch->cmd;
    }
    trace(method_info(m->id)->name, ch->actor->conn, ch->number, ch->cmd, ch->expected.n);
    client_method(&ch->actor->client, ch->number, m);
}

void chan_open(struct chan *ch)
{
    struct method m = {.id = METHOD_channel_open};
    struct expected e = {.id = METHOD_channel_open_ok};
    chan_command(ch, &m, &e);
    ch->state = CHAN_OPENING;
}

void chan_close(struct chan *ch)
{
    struct method m = {.id = METHOD_channel_close};
    m.channel_close.reply_code = 200;
    struct expected e = {.id = METHOD_channel_close_ok};
    chan_command(ch, &m, &e);
    chan_ending(ch, CHAN_CLOSING);
}

bool chan_knows(const struct chan *ch, const struct model_queue *q)
{
    if (q->owner != ch->uid)
        return false;
    for (int i = 0; i < CONSUMERS_MAX; i++)
        if (ch->consumers[i].state != CONSUMER_UNUSED && ch->consumers[i].queue == q)
            return false;
    /* What a get will fetch that was sent while something was in flight shows when it comes. */
    for (size_t i = 0; i < ch->expected.n; i++) {
        const struct expected *e = deque_at(&ch->expected, i);
        if (e->id == METHOD_basic_get_ok && e->queue == q && !e->exact)
            return false;
    }
    return true;
}

/* ---- Queues ---- */

void chan_declare(struct chan *ch, struct model_queue *q, bool passive)
{
    struct method m = {.id = METHOD_queue_declare};
    m.queue_declare = (struct amqp_queue_declare){.queue = span_str(q->name),
                                                  .passive = passive,
                                                  .durable = q->durable,
                                                  .exclusive = q->exclusive,
                                                  .auto_delete = q->auto_delete};
    struct expected e = {.id = METHOD_queue_declare_ok,
                         .queue = q,
                         .exact = chan_knows(ch, q),
                         .n_messages = (uint32_t)model_n_ready(q),
                         .n_most = (uint32_t)model_n_most(q),
                         .n_consumers = (uint32_t)q->n_consumers};
    /* The second declare of a queue changes nothing, so it waits for nothing. */
    if (!passive && !q->declared && q->durable && !q->exclusive)
        e.batch = world_batch(chan_world(ch));
    q->declared = true;
    trace(q->name, ch->actor->conn, ch->number, q->durable, q->exclusive + 2u * q->auto_delete);
    chan_command(ch, &m, &e);
}

/* What is ready goes when command `cmd` is executed. */
static void chan_sweep_later(struct model_queue *q, uint64_t cmd)
{
    for (size_t i = q->first; i < q->places.n; i++) {
        struct place *p = model_place(q, i);
        if (p->state == PLACE_READY && p->purge_cmd == 0)
            p->purge_cmd = cmd;
    }
}

static void chan_purge_shared(struct model_queue *q)
{
    q->n_purges++;
    for (size_t i = q->first; i < q->places.n; i++)
        model_place(q, i)->doubtful = true;
}

void chan_purge(struct chan *ch, struct model_queue *q)
{
    struct method m = {.id = METHOD_queue_purge};
    m.queue_purge.queue = span_str(q->name);
    struct expected e = {.id = METHOD_queue_purge_ok, .queue = q};
    if (q->shared)
        chan_purge_shared(q);
    else
        chan_sweep_later(q, ch->cmd + 1);
    chan_command(ch, &m, &e); /* waits for a batch only if it took away what the store knows */
}

static void chan_end_queue(struct chan *ch, struct model_queue *q, uint64_t cmd)
{
    trace(q->name, ch->actor->conn, ch->number, cmd, 0);
    q->live = false;
    q->end_cmd = cmd;
    model_drop_queue_bindings(&chan_world(ch)->model, q);
    chan_sweep_later(q, cmd);
}

void chan_delete(struct chan *ch, struct model_queue *q)
{
    struct method m = {.id = METHOD_queue_delete};
    m.queue_delete.queue = span_str(q->name);
    struct expected e = {.id = METHOD_queue_delete_ok, .queue = q};
    chan_end_queue(ch, q, ch->cmd + 1);
    if (q->durable && !q->exclusive)
        e.batch = world_batch(chan_world(ch));
    chan_command(ch, &m, &e);
}

/* ---- Publishing ---- */

static uint64_t chan_record(struct chan *ch, const struct publish_options *o)
{
    struct message_record r = {.size = o->size,
                               .by = ch->uid,
                               .cmd = ch->cmd + 1,
                               .persistent = o->persistent,
                               .bare = o->bare,
                               .priority = o->priority};
    memcpy(r.headers, o->headers, sizeof(r.headers));
    snprintf(r.exchange, sizeof(r.exchange), "%s", o->exchange);
    snprintf(r.key, sizeof(r.key), "%s", o->key);
    return model_add_message(&chan_world(ch)->model, &r);
}

static void chan_owe_return(struct chan *ch, uint64_t message)
{
    uint64_t *place = deque_push(&ch->returns);
    ASSERT(place != NULL);
    *place = message;
}

static bool chan_goes_to_disk(bool persistent, const struct deque *queues)
{
    for (size_t i = 0; persistent && i < queues->n; i++) {
        const struct model_queue *q = *(struct model_queue **)deque_at(queues, i);
        if (q->durable && !q->exclusive)
            return true;
    }
    return false;
}

static void chan_published(struct chan *ch, const struct publish_options *o, uint64_t message,
                           const struct deque *queues)
{
    for (size_t i = 0; i < queues->n; i++)
        model_add_place(*(struct model_queue **)deque_at(queues, i), message, ch->uid, ch->cmd + 1);
    bool returns = o->mandatory && queues->n == 0;
    if (returns)
        chan_owe_return(ch, message);
    if (!ch->confirm)
        return;
    struct confirm *c = deque_push(&ch->confirms);
    ASSERT(c != NULL);
    *c = (struct confirm){.message = message, .returns = returns};
    if (chan_goes_to_disk(o->persistent, queues))
        c->batch = world_batch(chan_world(ch));
    ch->n_published++;
}

void chan_publish(struct chan *ch, const struct publish_options *o)
{
    struct world *w = chan_world(ch);
    uint64_t message = chan_record(ch, o);
    struct deque queues;
    deque_init(&queues, sizeof(struct model_queue *));
    model_route(&w->model, model_message(&w->model, message), &queues);
    if (ch->state != CHAN_FAILING && !ch->tx)
        chan_published(ch, o, message, &queues);
    if (ch->state != CHAN_FAILING && ch->tx) {
        struct tx_item *item = deque_push(&ch->tx_items);
        ASSERT(item != NULL);
        *item = (struct tx_item){.message = message, .mandatory = o->mandatory, .queues = queues};
    } else {
        deque_fini(&queues);
    }
    struct amqp_basic_publish m = {.exchange = span_str(o->exchange),
                                   .routing_key = span_str(o->key),
                                   .mandatory = o->mandatory};
    uint8_t properties[PROPERTIES_SIZE];
    struct span p = properties_make(model_message(&w->model, message), message, properties);
    uint8_t *body = malloc(o->size + 1);
    ASSERT(body != NULL);
    model_body(message, body, o->size);
    ch->cmd++;
    trace("basic.publish", ch->actor->conn, ch->number, message, o->size);
    client_publish(&ch->actor->client, ch->number, &m, p, span_of(body, o->size));
    free(body);
}

/* ---- Consuming ---- */

void chan_get(struct chan *ch, struct model_queue *q, bool no_ack)
{
    struct method m = {.id = METHOD_basic_get};
    m.basic_get.queue = span_str(q->name);
    m.basic_get.no_ack = no_ack;
    struct expected e = {.id = METHOD_basic_get_ok, .queue = q, .no_ack = no_ack};
    e.exact = chan_knows(ch, q);
    if (e.exact) {
        for (size_t i = q->first; i < q->places.n && e.message == 0; i++) {
            struct place *p = model_place(q, i);
            if (p->state != PLACE_READY || p->purge_cmd != 0)
                continue;
            e.message = p->message;
            p->state = no_ack ? PLACE_SETTLING : PLACE_OUT;
            p->holder = ch->uid;
            p->settle_cmd = ch->cmd + 1;
        }
        e.n_messages = (uint32_t)model_n_ready(q);
    }
    chan_command(ch, &m, &e);
}

void chan_consume(struct chan *ch, struct model_queue *q, const struct consume_options *o)
{
    int i = 0;
    while (i < CONSUMERS_MAX && ch->consumers[i].state != CONSUMER_UNUSED)
        i++;
    if (i == CONSUMERS_MAX)
        return;
    struct sim_consumer *c = &ch->consumers[i];
    *c = (struct sim_consumer){.state = CONSUMER_ASKED,
                               .queue = q,
                               .no_ack = o->no_ack,
                               .exclusive = o->exclusive,
                               .priority = o->priority,
                               .prefetch = o->no_ack ? 0 : ch->consumer_prefetch};
    c->id = ++ch->n_consumer_names;
    snprintf(c->tag, sizeof(c->tag), "t%u.%u", ch->uid, c->id);
    uint8_t table[32];
    struct method m = {.id = METHOD_basic_consume};
    m.basic_consume = (struct amqp_basic_consume){.queue = span_str(q->name),
                                                  .consumer_tag = span_str(c->tag),
                                                  .no_ack = o->no_ack,
                                                  .exclusive = o->exclusive};
    if (o->priority != 0) {
        uint8_t *p = put_u8(put_shortstr(table, SPAN_LIT("x-priority")), 'I');
        p = put_u32(p, (uint32_t)o->priority);
        m.basic_consume.arguments = span_of(table, (size_t)(p - table));
    }
    struct expected e = {.id = METHOD_basic_consume_ok, .queue = q, .consumer = c->id};
    q->n_consumers++;
    q->exclusive_consumer |= o->exclusive;
    m.basic_consume.no_wait = world_chance(chan_world(ch), 8);
    if (m.basic_consume.no_wait)
        c->state = CONSUMER_ACTIVE;
    chan_command(ch, &m, m.basic_consume.no_wait ? NULL : &e);
}

void chan_cancel(struct chan *ch, struct sim_consumer *c)
{
    struct method m = {.id = METHOD_basic_cancel};
    m.basic_cancel.consumer_tag = span_str(c->tag);
    struct expected e = {.id = METHOD_basic_cancel_ok, .queue = c->queue, .consumer = c->id};
    c->state = CONSUMER_CANCELLING;
    c->queue->n_consumers--;
    if (c->exclusive)
        c->queue->exclusive_consumer = false;
    if (c->queue->owner == ch->uid && c->queue->auto_delete && c->queue->n_consumers == 0)
        chan_end_queue(ch, c->queue, ch->cmd + 1);
    chan_command(ch, &m, &e);
}

void chan_qos(struct chan *ch, uint16_t n, bool global)
{
    struct method m = {.id = METHOD_basic_qos};
    m.basic_qos = (struct amqp_basic_qos){.prefetch_count = n, .global = global};
    struct expected e = {.id = METHOD_basic_qos_ok, .limit = global ? n : 0, .global = global};
    if (!global)
        ch->consumer_prefetch = n;
    chan_command(ch, &m, &e);
}

/* ---- Settling ---- */

/* Command `cmd` settles it. */
static void chan_settled(struct chan *ch, const struct outstanding *o, bool requeue, uint64_t cmd)
{
    struct place *p = model_place(o->queue, model_find_place(o->queue, o->message));
    struct sim_consumer *c = chan_consumer(ch, o->consumer);
    if (c != NULL)
        c->n_out--;
    if (p->state != PLACE_OUT || p->holder != ch->uid)
        return; /* the broker has dropped this connection and given the message to another */
    p->settle_cmd = cmd;
    if (!requeue || (!o->queue->live && !o->queue->shared)) {
        p->state = PLACE_SETTLING;
        return;
    }
    p->state = PLACE_READY;
    p->seen = true;
    p->sure_cmd = cmd;
    p->doubtful |= model_in_doubt(o->queue);
}

void chan_settle(struct chan *ch, size_t i, bool multiple, enum how how)
{
    uint64_t tag = ((struct outstanding *)deque_at(&ch->out, i))->tag;
    size_t kept = 0;
    for (size_t k = 0; k < ch->out.n; k++) {
        struct outstanding o = *(struct outstanding *)deque_at(&ch->out, k);
        bool chosen = !o.held && (o.tag == tag || (multiple && o.tag < tag));
        if (chosen && ch->tx) {
            o.held = true;
            o.requeue = how == HOW_REQUEUE;
        } else if (chosen) {
            chan_settled(ch, &o, how == HOW_REQUEUE, ch->cmd + 1);
            continue;
        }
        *(struct outstanding *)deque_at(&ch->out, kept++) = o;
    }
    deque_cut(&ch->out, kept);
    struct method m = {.id = METHOD_basic_ack};
    if (how == HOW_ACK) {
        m.basic_ack = (struct amqp_basic_ack){tag, multiple};
    } else if (multiple || world_chance(chan_world(ch), 2)) {
        m.id = METHOD_basic_nack;
        m.basic_nack = (struct amqp_basic_nack){tag, multiple, how == HOW_REQUEUE};
    } else {
        m.id = METHOD_basic_reject;
        m.basic_reject = (struct amqp_basic_reject){tag, how == HOW_REQUEUE};
    }
    chan_command(ch, &m, NULL);
}

void chan_recover(struct chan *ch)
{
    size_t kept = 0;
    for (size_t k = 0; k < ch->out.n; k++) {
        struct outstanding o = *(struct outstanding *)deque_at(&ch->out, k);
        if (o.held)
            *(struct outstanding *)deque_at(&ch->out, kept++) = o;
        else
            chan_settled(ch, &o, true, ch->cmd + 1);
    }
    deque_cut(&ch->out, kept);
    struct method m = {.id = METHOD_basic_recover};
    m.basic_recover.requeue = true;
    struct expected e = {.id = METHOD_basic_recover_ok};
    chan_command(ch, &m, &e);
}

/* ---- Transactions ---- */

static bool chan_commit_item(struct chan *ch, const struct tx_item *item, uint64_t cmd)
{
    const struct model *model = &chan_world(ch)->model;
    bool disk = chan_goes_to_disk(model_message(model, item->message)->persistent, &item->queues);
    size_t n = 0;
    for (size_t i = 0; i < item->queues.n; i++) {
        struct model_queue *q = *(struct model_queue **)deque_at(&item->queues, i);
        if (!q->live)
            continue;
        model_add_place(q, item->message, ch->uid, cmd);
        n++;
    }
    /* Its queues may have been deleted since it was published. */
    if (n == 0 && item->mandatory)
        chan_owe_return(ch, item->message);
    return disk;
}

void chan_tx_commit(struct chan *ch)
{
    struct method m = {.id = METHOD_tx_commit};
    struct expected e = {.id = METHOD_tx_commit_ok};
    uint64_t cmd = ch->cmd + 1;
    for (size_t i = 0; i < ch->tx_items.n; i++) {
        struct tx_item *item = deque_at(&ch->tx_items, i);
        if (chan_commit_item(ch, item, cmd))
            e.batch = world_batch(chan_world(ch));
        deque_fini(&item->queues);
    }
    deque_cut(&ch->tx_items, 0);
    size_t kept = 0;
    for (size_t k = 0; k < ch->out.n; k++) {
        struct outstanding o = *(struct outstanding *)deque_at(&ch->out, k);
        if (o.held)
            chan_settled(ch, &o, o.requeue, cmd);
        else
            *(struct outstanding *)deque_at(&ch->out, kept++) = o;
    }
    deque_cut(&ch->out, kept);
    chan_command(ch, &m, &e);
}

void chan_tx_rollback(struct chan *ch)
{
    struct method m = {.id = METHOD_tx_rollback};
    struct expected e = {.id = METHOD_tx_rollback_ok};
    for (size_t i = 0; i < ch->tx_items.n; i++)
        deque_fini(&((struct tx_item *)deque_at(&ch->tx_items, i))->queues);
    deque_cut(&ch->tx_items, 0);
    for (size_t k = 0; k < ch->out.n; k++)
        ((struct outstanding *)deque_at(&ch->out, k))->held = false;
    chan_command(ch, &m, &e);
}
