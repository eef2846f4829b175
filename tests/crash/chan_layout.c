// SPDX-License-Identifier: Apache-2.0
/* Declaring, binding, emptying and deleting: unsure when sent, sure when answered. */
#include "amqp/table.h"
#include "base/bytes.h"
#include "tests/crash/chan.h"

static struct layout *chan_layout(const struct chan *ch)
{
    return &ch->ground->model.layout;
}

void chan_declare_queue(struct chan *ch, uint32_t queue, bool passive)
{
    struct layout_queue *q = &chan_layout(ch)->queues[queue];
    uint8_t limit[4];
    struct buf arguments;
    buf_init(&arguments);
    put_u32(limit, q->length_max);
    if (q->length_max != 0) {
        enum err e = table_add(&arguments, SPAN_LIT("x-max-length"), 'I', span_of(limit, 4));
        ASSERT(e == OK);
    }
    struct method declare = {.id = METHOD_queue_declare,
                             .queue_declare = {.queue = span_str(q->name),
                                               .durable = !q->transient,
                                               .passive = passive,
                                               .arguments = buf_span(&arguments)}};
    ch->missing = false;
    chan_call(ch, &declare, METHOD_queue_declare_ok, queue);
    buf_fini(&arguments);
}

void chan_declare_exchange(struct chan *ch, uint32_t exchange, bool passive)
{
    const struct layout_exchange *x = &chan_layout(ch)->exchanges[exchange];
    struct method declare = {.id = METHOD_exchange_declare,
                             .exchange_declare = {.exchange = span_str(x->name),
                                                  .type = span_str(LAYOUT_KIND[x->kind]),
                                                  .passive = passive,
                                                  .durable = !x->transient}};
    ch->missing = false;
    chan_call(ch, &declare, METHOD_exchange_declare_ok, exchange);
}

/* Four methods with the same arguments, but for their names. */
static void chan_put_binding(struct chan *ch, uint32_t binding, bool wanted)
{
    struct layout *l = chan_layout(ch);
    struct layout_binding *b = &l->bindings[binding];
    struct span source = span_str(l->exchanges[b->exchange].name);
    struct span key = span_str(b->key);
    struct span target = span_str(b->to_exchange ? l->exchanges[b->destination].name
                                                 : l->queues[b->destination].name);
    struct method m = {.id = METHOD_NONE};
    enum method_id answer;
    b->fact = FACT_UNSURE;
    b->wanted = wanted;
    if (b->to_exchange && wanted) {
        m.id = METHOD_exchange_bind;
        answer = METHOD_exchange_bind_ok;
        m.exchange_bind = (struct amqp_exchange_bind){
            .destination = target, .source = source, .routing_key = key};
    } else if (b->to_exchange) {
        m.id = METHOD_exchange_unbind;
        answer = METHOD_exchange_unbind_ok;
        m.exchange_unbind = (struct amqp_exchange_unbind){
            .destination = target, .source = source, .routing_key = key};
    } else if (wanted) {
        m.id = METHOD_queue_bind;
        answer = METHOD_queue_bind_ok;
        m.queue_bind = (struct amqp_queue_bind){
            .queue = target, .exchange = source, .routing_key = key};
    } else {
        m.id = METHOD_queue_unbind;
        answer = METHOD_queue_unbind_ok;
        m.queue_unbind = (struct amqp_queue_unbind){
            .queue = target, .exchange = source, .routing_key = key};
    }
    chan_call(ch, &m, answer, binding);
}

void chan_bind(struct chan *ch, uint32_t binding)
{
    chan_put_binding(ch, binding, true);
}

void chan_unbind(struct chan *ch, uint32_t binding)
{
    chan_put_binding(ch, binding, false);
}

void chan_purge(struct chan *ch, uint32_t queue)
{
    const char *name = chan_layout(ch)->queues[queue].name;
    struct method purge = {.id = METHOD_queue_purge, .queue_purge = {.queue = span_str(name)}};
    chan_call(ch, &purge, METHOD_queue_purge_ok, queue);
}

void chan_delete_queue(struct chan *ch, uint32_t queue)
{
    struct layout_queue *q = &chan_layout(ch)->queues[queue];
    struct method del = {.id = METHOD_queue_delete, .queue_delete = {.queue = span_str(q->name)}};
    q->fact = FACT_UNSURE;
    chan_call(ch, &del, METHOD_queue_delete_ok, queue);
}

void chan_delete_exchange(struct chan *ch, uint32_t exchange)
{
    struct layout_exchange *x = &chan_layout(ch)->exchanges[exchange];
    struct method del = {.id = METHOD_exchange_delete,
                         .exchange_delete = {.exchange = span_str(x->name)}};
    x->fact = FACT_UNSURE;
    chan_call(ch, &del, METHOD_exchange_delete_ok, exchange);
}

/* Acknowledging what came from a deleted queue is allowed, but there is nothing to know. */
static void chan_forget_queue(struct chan *ch, uint32_t queue)
{
    size_t n = 0;
    for (size_t i = 0; i < ch->held.n; i++) {
        struct held h = *(struct held *)deque_at(&ch->held, i);
        if (model_copy(&ch->ground->model, h.copy)->queue != queue)
            *(struct held *)deque_at(&ch->held, n++) = h;
    }
    deque_cut(&ch->held, n);
}

void chan_layout_answered(struct chan *ch, const struct method *m)
{
    struct layout *l = chan_layout(ch);
    if (m->id == METHOD_queue_declare_ok) {
        l->queues[ch->subject].fact = FACT_YES;
        ch->count = m->queue_declare_ok.message_count;
    } else if (m->id == METHOD_exchange_declare_ok) {
        l->exchanges[ch->subject].fact = FACT_YES;
    } else if (m->id == METHOD_queue_bind_ok || m->id == METHOD_exchange_bind_ok) {
        l->bindings[ch->subject].fact = FACT_YES;
    } else if (m->id == METHOD_queue_unbind_ok || m->id == METHOD_exchange_unbind_ok) {
        l->bindings[ch->subject].fact = FACT_NO;
    } else if (m->id == METHOD_queue_purge_ok) {
        model_count_is(&ch->ground->model, ch->subject, m->queue_purge_ok.message_count);
        model_emptied(&ch->ground->model, ch->subject, ch->uid, false);
    } else if (m->id == METHOD_queue_delete_ok) {
        model_count_is(&ch->ground->model, ch->subject, m->queue_delete_ok.message_count);
        layout_drop_queue(l, ch->subject);
        model_emptied(&ch->ground->model, ch->subject, ch->uid, true);
        chan_forget_queue(ch, ch->subject);
    } else if (m->id == METHOD_exchange_delete_ok) {
        layout_drop_exchange(l, ch->subject);
    }
}
