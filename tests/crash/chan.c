// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/chan.h"

#include <stdio.h>

#include "tests/crash/message.h"

void chan_init(struct chan *ch, struct ground *g, struct link *link, uint16_t number,
               enum role role)
{
    *ch = (struct chan){.ground = g, .link = link, .number = number, .role = role, .first_tag = 1};
    ch->uid = ++g->n_channels;
    deque_init(&ch->unconfirmed, sizeof(uint32_t));
    deque_init(&ch->held, sizeof(struct held));
}

void chan_fini(struct chan *ch)
{
    deque_fini(&ch->unconfirmed);
    deque_fini(&ch->held);
}

bool chan_is_idle(const struct chan *ch)
{
    return ch->awaited == METHOD_NONE;
}

static void chan_put(struct chan *ch, const struct method *m)
{
    enum err e = client_put(&ch->link->client, ch->number, m);
    ASSERT(e == OK);
}

void chan_call(struct chan *ch, const struct method *m, enum method_id awaited, uint32_t subject)
{
    ASSERT(chan_is_idle(ch));
    chan_put(ch, m);
    ch->awaited = awaited;
    ch->awaited_cmd = ++ch->n_commands;
    ch->subject = subject;
}

void chan_publish(struct chan *ch, const struct publish *p)
{
    struct model *m = &ch->ground->model;
    uint32_t queues[COPIES_MAX];
    size_t n = layout_route(&m->layout, p->exchange, p->key, queues, COPIES_MAX);
    struct record r = {
        .producer = ch->uid, .size = p->size, .tx = ch->tx, .persistent = p->persistent};
    if (p->exchange != 0)
        snprintf(r.exchange, sizeof(r.exchange), "%s", m->layout.exchanges[p->exchange - 1].name);
    snprintf(r.key, sizeof(r.key), "%s", p->key);
    uint32_t message = model_publish(m, &r, queues, n);
    struct method publish = {
        .id = METHOD_basic_publish,
        .basic_publish = {.exchange = span_str(r.exchange), .routing_key = span_str(p->key)}};
    chan_put(ch, &publish);
    message_put(&ch->link->client.out, ch->number, &r, message, ch->link->client.frame_max);
    ch->n_commands++;
    ch->ground->n_published++;
    if (ch->role == ROLE_TRANSACTOR) {
        ch->n_in_tx++;
        return;
    }
    uint32_t *place = deque_push(&ch->unconfirmed);
    ASSERT(place != NULL);
    *place = message;
    ch->n_unconfirmed++;
}

void chan_get(struct chan *ch, uint32_t queue, bool no_ack)
{
    const char *name = ch->ground->model.layout.queues[queue].name;
    struct method get = {.id = METHOD_basic_get,
                         .basic_get = {.queue = span_str(name), .no_ack = no_ack}};
    ch->no_ack = no_ack;
    chan_call(ch, &get, METHOD_basic_get_ok, queue);
}

/* The consumer tag says what has to be known of a delivery. */
static void chan_consumer_tag(const struct chan *ch, char at[16])
{
    snprintf(at, 16, "%c%u", ch->consumes_blindly ? 'n' : 'c', ch->queue);
}

void chan_consume(struct chan *ch, uint32_t queue, bool no_ack)
{
    struct layout_queue *q = &ch->ground->model.layout.queues[queue];
    char tag[16];
    ch->queue = queue;
    ch->consuming = true;
    ch->consumes_blindly = no_ack;
    q->leaky = q->leaky || no_ack;
    chan_consumer_tag(ch, tag);
    struct method consume = {.id = METHOD_basic_consume,
                             .basic_consume = {.queue = span_str(q->name),
                                               .consumer_tag = span_str(tag),
                                               .no_ack = no_ack}};
    chan_call(ch, &consume, METHOD_basic_consume_ok, queue);
}

void chan_cancel(struct chan *ch)
{
    char tag[16];
    chan_consumer_tag(ch, tag);
    struct method cancel = {.id = METHOD_basic_cancel,
                            .basic_cancel = {.consumer_tag = span_str(tag)}};
    chan_call(ch, &cancel, METHOD_basic_cancel_ok, ch->queue);
    ch->consuming = false;
}

void chan_qos(struct chan *ch, uint16_t prefetch)
{
    struct method qos = {.id = METHOD_basic_qos, .basic_qos = {.prefetch_count = prefetch}};
    chan_call(ch, &qos, METHOD_basic_qos_ok, 0);
}

/* ---- Settling ---- */

static void chan_settle_one(struct chan *ch, uint32_t copy, enum how how)
{
    struct model *m = &ch->ground->model;
    if (how == HOW_REQUEUE) {
        model_requeue(m, copy);
    } else if (ch->tx == 0) {
        model_settle(m, copy, ch->n_commands);
    } else if (model_copy(m, copy)->settled_tx == 0) {
        model_tx_settle(m, copy, ch->tx);
        ch->n_in_tx++;
    }
}

static void chan_send_settle(struct chan *ch, uint64_t tag, bool multiple, enum how how)
{
    struct method ack = {.id = METHOD_basic_ack, .basic_ack = {tag, multiple}};
    struct method reject = {.id = METHOD_basic_reject, .basic_reject = {tag, how == HOW_REQUEUE}};
    struct method nack = {.id = METHOD_basic_nack,
                          .basic_nack = {tag, multiple, how == HOW_REQUEUE}};
    if (how == HOW_ACK)
        chan_put(ch, &ack);
    else if (multiple || rng_below(&ch->ground->rng, 2) == 0)
        chan_put(ch, &nack);
    else
        chan_put(ch, &reject);
    ch->n_commands++;
}

/* What is settled leaves; in a transaction everything stays until its end is known. */
static void chan_forget_held(struct chan *ch)
{
    const struct model *m = &ch->ground->model;
    size_t n = 0;
    for (size_t i = 0; i < ch->held.n; i++) {
        struct held h = *(struct held *)deque_at(&ch->held, i);
        const struct copy *c = model_copy(m, h.copy);
        if (c->holder == ch->uid && c->state == COPY_OUT)
            *(struct held *)deque_at(&ch->held, n++) = h;
    }
    deque_cut(&ch->held, n);
}

void chan_settle(struct chan *ch, size_t i, bool multiple, enum how how)
{
    const struct held *last = deque_at(&ch->held, i);
    chan_send_settle(ch, last->tag, multiple, how);
    for (size_t j = multiple ? 0 : i; j <= i; j++)
        chan_settle_one(ch, ((struct held *)deque_at(&ch->held, j))->copy, how);
    chan_forget_held(ch);
}

/* ---- Transactions ---- */

void chan_tx_commit(struct chan *ch)
{
    struct method commit = {.id = METHOD_tx_commit};
    model_tx_asked(&ch->ground->model, ch->tx);
    chan_call(ch, &commit, METHOD_tx_commit_ok, 0);
}

void chan_tx_rollback(struct chan *ch)
{
    struct method rollback = {.id = METHOD_tx_rollback};
    chan_call(ch, &rollback, METHOD_tx_rollback_ok, 0);
}

/* ---- Ends ---- */

void chan_ended(struct chan *ch, bool orderly)
{
    struct model *m = &ch->ground->model;
    if (ch->tx != 0)
        model_tx_rolled_back(m, ch->tx);
    model_channel_ended(m, ch->uid, orderly);
}

void chan_killed(struct chan *ch)
{
    struct model *m = &ch->ground->model;
    if (ch->awaited == METHOD_basic_get_ok && ch->no_ack)
        model_doubt(m, ch->subject, false);
    else if (ch->awaited == METHOD_queue_purge_ok)
        model_doubt(m, ch->subject, false);
    else if (ch->awaited == METHOD_queue_delete_ok)
        model_doubt(m, ch->subject, true);
}
