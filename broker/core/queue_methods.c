// SPDX-License-Identifier: Apache-2.0
/* Methods of the classes exchange and queue: resolve names, ask the model, answer the client. */
#include "broker/core/arguments.h"
#include "broker/core/binding.h"
#include "broker/core/catalogue.h"
#include "broker/core/core.h"
#include "broker/core/dispatch.h"
#include "broker/core/vhost.h"

/* Answers with a method that has no arguments, once `batch` is durable. */
static void queue_answer(struct channel *ch, enum method_id id, bool no_wait, uint64_t batch)
{
    struct method ok = {.id = id};
    if (!no_wait)
        replies_method(ch, &ok, batch);
}

/* ---- Exchanges ---- */

const struct reply *on_exchange_declare(struct channel *ch, const struct method *m, struct fault *f)
{
    const struct amqp_exchange_declare *d = &m->exchange_declare;
    const struct reply *bad = exchange_declare(ch->session->vhost, d, f);
    if (bad == NULL)
        queue_answer(ch, METHOD_exchange_declare_ok, d->no_wait,
                     catalogue_asked(&ch->session->core->catalogue));
    return bad;
}

const struct reply *on_exchange_delete(struct channel *ch, const struct method *m, struct fault *f)
{
    const struct amqp_exchange_delete *d = &m->exchange_delete;
    uint8_t copy[255];
    struct exchange *x = vhost_exchange(ch->session->vhost, name_strip(d->exchange, copy));
    bool durable = x != NULL && x->durable;
    const struct reply *bad = exchange_delete(ch->session->vhost, d, &ch->session->core->work, f);
    if (bad == NULL)
        queue_answer(ch, METHOD_exchange_delete_ok, d->no_wait,
                     core_barrier(ch->session->core, durable));
    return bad;
}

const struct reply *on_exchange_bind(struct channel *ch, const struct method *m, struct fault *f)
{
    const struct reply *bad = exchange_bind(ch->session->vhost, &m->exchange_bind, f);
    if (bad == NULL)
        queue_answer(ch, METHOD_exchange_bind_ok, m->exchange_bind.no_wait,
                     catalogue_asked(&ch->session->core->catalogue));
    return bad;
}

const struct reply *on_exchange_unbind(struct channel *ch, const struct method *m, struct fault *f)
{
    const struct reply *bad = exchange_unbind(ch->session->vhost, &m->exchange_unbind,
                                              &ch->session->core->work, f);
    if (bad == NULL)
        queue_answer(ch, METHOD_exchange_unbind_ok, m->exchange_unbind.no_wait,
                     core_barrier(ch->session->core, true));
    return bad;
}

/* ---- Declaring queues ---- */

static void queue_declared(struct channel *ch, const struct queue *q, bool no_wait, uint64_t batch)
{
    struct method ok = {.id = METHOD_queue_declare_ok};
    ok.queue_declare_ok.queue = q->name;
    ok.queue_declare_ok.message_count = (uint32_t)queue_n_ready(q);
    ok.queue_declare_ok.consumer_count = (uint32_t)q->n_consumers;
    if (!no_wait)
        replies_method(ch, &ok, batch);
}

static const struct reply *queue_inequivalent(const struct queue *q, const char *name,
                                              bool received, bool current, struct fault *f)
{
    return fault_set(f, REPLY_PRECONDITION_FAILED,
                     "inequivalent arg '%s' for " QUEUE_TEXT ": received '%s' but current is '%s'",
                     name, QUEUE_TEXT_ARGS(q), received ? "true" : "false",
                     current ? "true" : "false");
}

/* A declare of a queue that exists: does it mean the same one? */
static const struct reply *queue_redeclare(struct channel *ch, const struct queue *q,
                                           const struct amqp_queue_declare *d, struct fault *f)
{
    const struct reply *bad = queue_check_owner(q, ch->session, f);
    if (bad != NULL)
        return bad;
    if (d->exclusive != q->exclusive)
        return queue_locked(q, f);
    bool durable = d->durable && !d->exclusive;
    if (durable != q->durable)
        return queue_inequivalent(q, "durable", durable, q->durable, f);
    if (d->auto_delete != q->auto_delete)
        return queue_inequivalent(q, "auto_delete", d->auto_delete, q->auto_delete, f);
    return queue_arguments_equal(d->arguments, q->arguments, q->name, q->vhost->name, f);
}

static const struct reply *queue_create(struct channel *ch, const struct amqp_queue_declare *d,
                                        struct queue **q, struct fault *f)
{
    struct vhost *v = ch->session->vhost;
    const struct reply *bad = queue_arguments_check(d->arguments, d->durable, d->exclusive,
                                                    d->auto_delete, d->queue, v->name, f);
    if (bad != NULL)
        return bad;
    struct core *core = ch->session->core;
    if (queue_new(q, core, v, d, ch->session, catalogue_number(&core->catalogue)) != OK)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    if (catalogue_tell_queue(*q) == OK)
        return NULL;
    queue_delete(*q);
    return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
}

static const struct reply *queue_declare_active(struct channel *ch, struct amqp_queue_declare d,
                                                struct fault *f)
{
    uint8_t name[64];
    const struct reply *bad = NULL;
    if (d.queue.size == 0) {
        bad = queue_arguments_check_unnamed(d.arguments, f);
        d.queue = core_make_name(ch->session->core, "amq.gen-", name);
    } else if (span_starts(d.queue, SPAN_LIT("amq."))) {
        bad = fault_set(f, REPLY_ACCESS_REFUSED,
                        "queue name '%.*s' contains reserved prefix 'amq.*'", SPAN_FMT(d.queue));
    }
    if (bad != NULL)
        return bad;
    struct queue *q = vhost_queue(ch->session->vhost, d.queue);
    bool made = q == NULL;
    if (!made && queue_check_owner(q, ch->session, f) == NULL && channel_awaits_queue(ch, q))
        return NULL;
    catalogue_found(&ch->session->core->catalogue, made ? 0 : q->batch);
    bad = made ? queue_create(ch, &d, &q, f) : queue_redeclare(ch, q, &d, f);
    if (bad == NULL)
        bad = channel_set_last_queue(ch, q->name, f);
    if (bad == NULL)
        queue_declared(ch, q, d.no_wait, catalogue_asked(&ch->session->core->catalogue));
    return bad;
}

const struct reply *on_queue_declare(struct channel *ch, const struct method *m, struct fault *f)
{
    struct amqp_queue_declare d = m->queue_declare;
    uint8_t copy[255];
    d.queue = name_strip(d.queue, copy);
    if (!d.passive)
        return queue_declare_active(ch, d, f);
    const struct vhost *v = ch->session->vhost;
    struct queue *q = vhost_queue(v, d.queue);
    if (q == NULL)
        return fault_set(f, REPLY_NOT_FOUND, "no " QUEUE_TEXT, SPAN_FMT(d.queue),
                         SPAN_FMT(v->name));
    const struct reply *bad = queue_check_owner(q, ch->session, f);
    if (bad == NULL && channel_awaits_queue(ch, q))
        return NULL;
    if (bad == NULL)
        bad = channel_set_last_queue(ch, q->name, f);
    if (bad == NULL)
        queue_declared(ch, q, d.no_wait, 0);
    return bad;
}

/* ---- Binding, purging, deleting ---- */

const struct reply *on_queue_bind(struct channel *ch, const struct method *m, struct fault *f)
{
    struct amqp_queue_bind b = m->queue_bind;
    bool unnamed = b.queue.size == 0;
    uint8_t copy[255];
    const struct reply *bad = channel_queue_name(ch, &b.queue, f);
    if (bad != NULL)
        return bad;
    b.queue = name_strip(b.queue, copy);
    if (unnamed && b.routing_key.size == 0)
        b.routing_key = b.queue;
    bad = queue_bind(ch->session->vhost, &b, ch->session, f);
    if (bad == NULL)
        queue_answer(ch, METHOD_queue_bind_ok, b.no_wait,
                     catalogue_asked(&ch->session->core->catalogue));
    return bad;
}

const struct reply *on_queue_unbind(struct channel *ch, const struct method *m, struct fault *f)
{
    struct amqp_queue_unbind b = m->queue_unbind;
    bool unnamed = b.queue.size == 0;
    uint8_t copy[255];
    const struct reply *bad = channel_queue_name(ch, &b.queue, f);
    if (bad != NULL)
        return bad;
    b.queue = name_strip(b.queue, copy);
    if (unnamed && b.routing_key.size == 0)
        b.routing_key = b.queue;
    bad = queue_unbind(ch->session->vhost, &b, ch->session, &ch->session->core->work, f);
    if (bad == NULL)
        queue_answer(ch, METHOD_queue_unbind_ok, false, core_barrier(ch->session->core, true));
    return bad;
}

const struct reply *on_queue_purge(struct channel *ch, const struct method *m, struct fault *f)
{
    struct queue *q;
    const struct reply *bad = channel_queue(ch, m->queue_purge.queue, &q, f);
    if (bad != NULL)
        return bad;
    if (channel_awaits_queue(ch, q))
        return NULL;
    size_t n;
    if (queue_purge(q, &n) != OK)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    struct method ok = {.id = METHOD_queue_purge_ok};
    ok.queue_purge_ok.message_count = (uint32_t)n;
    if (!m->queue_purge.no_wait)
        replies_method(ch, &ok, core_barrier(ch->session->core, q->durable));
    return NULL;
}

static void queue_deleted(struct channel *ch, bool no_wait, size_t n, uint64_t batch)
{
    struct method ok = {.id = METHOD_queue_delete_ok};
    ok.queue_delete_ok.message_count = (uint32_t)n;
    if (!no_wait)
        replies_method(ch, &ok, batch);
}

const struct reply *on_queue_delete(struct channel *ch, const struct method *m, struct fault *f)
{
    const struct amqp_queue_delete *d = &m->queue_delete;
    struct span name = d->queue;
    uint8_t copy[255];
    const struct reply *bad = channel_queue_name(ch, &name, f);
    if (bad != NULL)
        return bad;
    name = name_strip(name, copy);
    struct queue *q = vhost_queue(ch->session->vhost, name);
    if (q == NULL) {
        queue_deleted(ch, d->no_wait, 0, 0);
        return NULL;
    }
    bad = queue_check_owner(q, ch->session, f);
    if (bad != NULL)
        return bad;
    if (channel_awaits_queue(ch, q))
        return NULL;
    if (d->if_empty && queue_n_ready(q) != 0)
        return fault_set(f, REPLY_PRECONDITION_FAILED, QUEUE_TEXT " not empty", QUEUE_TEXT_ARGS(q));
    if (d->if_unused && q->n_consumers != 0)
        return fault_set(f, REPLY_PRECONDITION_FAILED, QUEUE_TEXT " in use", QUEUE_TEXT_ARGS(q));
    size_t n = queue_n_ready(q);
    catalogue_forget_queue(q);
    uint64_t batch = core_barrier(ch->session->core, q->durable);
    queue_deleted(ch, d->no_wait, n, batch); /* before basic.cancel for its consumers */
    queue_delete(q);
    return NULL;
}
