// SPDX-License-Identifier: Apache-2.0
/* After a kill: topology first, then a probe along every route, then every queue from its first
 * message to its last. The probes are ordinary messages of the model, so the scan finds both what a
 * lost binding has cost and what one that came back has brought. */
#include <stdio.h>
#include <string.h>

#include "tests/crash/checker.h"

enum { VERIFY_OWN_KEYS = 3, VERIFY_ACK_PERCENT = 55 };

/* ---- Topology ---- */

/* Is it there? What the answer does to the layout is undone: the model judges. */
static void verify_ask_queue(struct checker *c, uint32_t i)
{
    struct model *m = &c->ground->model;
    enum fact before = m->layout.queues[i].fact;
    chan_declare_queue(&c->chans[0], i, true);
    checker_await(c, &c->chans[0]);
    m->layout.queues[i].fact = before;
    if (!checker_stopped(c))
        model_queue_is(m, i, !c->chans[0].missing);
}

static void verify_ask_exchange(struct checker *c, uint32_t i)
{
    struct model *m = &c->ground->model;
    enum fact before = m->layout.exchanges[i].fact;
    chan_declare_exchange(&c->chans[0], i, true);
    checker_await(c, &c->chans[0]);
    m->layout.exchanges[i].fact = before;
    if (!checker_stopped(c))
        model_exchange_is(m, i, !c->chans[0].missing);
}

static bool verify_queue_named(const struct layout *l, const char *name)
{
    for (uint32_t i = 0; i < l->n_queues; i++)
        if (l->queues[i].fact != FACT_NO && strcmp(l->queues[i].name, name) == 0)
            return true;
    return false;
}

static bool verify_exchange_named(const struct layout *l, const char *name)
{
    for (uint32_t i = 0; i < l->n_exchanges; i++)
        if (l->exchanges[i].fact != FACT_NO && strcmp(l->exchanges[i].name, name) == 0)
            return true;
    return false;
}

/* What is there must be what was declared: declaring it again with other arguments is refused. */
static void verify_queue(struct checker *c, uint32_t i)
{
    const struct layout_queue *q = &c->ground->model.layout.queues[i];
    if (q->fact == FACT_NO)
        return;
    verify_ask_queue(c, i);
    if (checker_stopped(c) || q->fact == FACT_NO)
        return;
    chan_declare_queue(&c->chans[0], i, false);
    checker_await(c, &c->chans[0]);
}

static void verify_exchange(struct checker *c, uint32_t i)
{
    const struct layout_exchange *x = &c->ground->model.layout.exchanges[i];
    if (x->fact == FACT_NO)
        return;
    verify_ask_exchange(c, i);
    if (checker_stopped(c) || x->fact == FACT_NO)
        return;
    chan_declare_exchange(&c->chans[0], i, false);
    checker_await(c, &c->chans[0]);
}

/* What was deleted, and not declared again, is looked for once. */
static void verify_no_queue(struct checker *c, uint32_t i)
{
    struct layout *l = &c->ground->model.layout;
    if (l->queues[i].fact != FACT_NO || l->queues[i].checked_gone)
        return;
    if (!verify_queue_named(l, l->queues[i].name))
        verify_ask_queue(c, i);
    l->queues[i].checked_gone = !checker_stopped(c);
}

static void verify_no_exchange(struct checker *c, uint32_t i)
{
    struct layout *l = &c->ground->model.layout;
    if (l->exchanges[i].fact != FACT_NO || l->exchanges[i].checked_gone)
        return;
    if (!verify_exchange_named(l, l->exchanges[i].name))
        verify_ask_exchange(c, i);
    l->exchanges[i].checked_gone = !checker_stopped(c);
}

/* A bind or unbind without an answer is done again: both may be repeated. */
static void verify_binding(struct checker *c, uint32_t i)
{
    const struct layout_binding *b = &c->ground->model.layout.bindings[i];
    if (b->fact != FACT_UNSURE)
        return;
    if (b->wanted)
        chan_bind(&c->chans[0], i);
    else
        chan_unbind(&c->chans[0], i);
    checker_await(c, &c->chans[0]);
}

static void verify_topology(struct checker *c)
{
    const struct layout *l = &c->ground->model.layout;
    for (uint32_t i = 0; i < l->n_exchanges && !checker_stopped(c); i++)
        verify_exchange(c, i);
    for (uint32_t i = 0; i < l->n_queues && !checker_stopped(c); i++)
        verify_queue(c, i);
    for (uint32_t i = 0; i < l->n_exchanges && !checker_stopped(c); i++)
        verify_no_exchange(c, i);
    for (uint32_t i = 0; i < l->n_queues && !checker_stopped(c); i++)
        verify_no_queue(c, i);
    for (uint32_t i = 0; i < l->n_bindings && !checker_stopped(c); i++)
        verify_binding(c, i);
}

/* ---- Probes ---- */

static void verify_probe(struct checker *c, uint32_t exchange, const char *key)
{
    struct publish p = {.exchange = exchange, .key = key, .persistent = true};
    p.size = (uint32_t)rng_below(&c->ground->rng, 64);
    chan_publish(&c->chans[1], &p);
}

/* Every key that a binding may have, whether it has or not. */
static void verify_probes(struct checker *c)
{
    static const char *const KEYS[] = {"a", "b", "a.b", "c.b", "a.b.c", "none"};
    const struct layout *l = &c->ground->model.layout;
    char key[LAYOUT_NAME_SIZE];
    for (uint32_t i = 0; i < l->n_queues; i++)
        if (l->queues[i].fact == FACT_YES)
            verify_probe(c, 0, l->queues[i].name);
    for (uint32_t i = 0; i < l->n_exchanges; i++) {
        if (l->exchanges[i].fact != FACT_YES)
            continue;
        for (size_t k = 0; l->exchanges[i].shared && k < sizeof(KEYS) / sizeof(KEYS[0]); k++)
            verify_probe(c, i + 1, KEYS[k]);
        for (unsigned k = 0; k < VERIFY_OWN_KEYS; k++) {
            snprintf(key, sizeof(key), "own.%u", k);
            verify_probe(c, i + 1, key);
        }
    }
    checker_await_confirms(c);
}

/* ---- Queues ---- */

/* Everything that is in it, once, and nothing more. */
static void verify_scan(struct checker *c, uint32_t queue)
{
    struct model *m = &c->ground->model;
    struct chan *ch = &c->chans[1];
    model_scan_begin(m, queue);
    chan_declare_queue(ch, queue, true);
    checker_await(c, ch);
    ch->n_taken = 0;
    if (checker_stopped(c))
        return;
    chan_consume(ch, queue, false);
    checker_await(c, ch);
    checker_await_messages(c, ch->count);
    if (checker_stopped(c))
        return;
    chan_cancel(ch);
    checker_await(c, ch);
    if (checker_stopped(c))
        return;
    chan_get(ch, queue, false);
    checker_await(c, ch);
    if (checker_stopped(c))
        return;
    m->n_checks++;
    if (ch->n_taken != ch->count)
        model_flaw(m, FLAW_COUNT, 0, "queue %s: %u messages, declare-ok says %u",
                   m->layout.queues[queue].name, ch->n_taken, ch->count);
    model_scan_end(m, queue);
}

/* A part is settled in one way or the other; what is not goes back to its place. */
static void verify_settle(struct checker *c, bool all)
{
    struct chan *ch = &c->chans[1];
    struct rng *rng = &c->ground->rng;
    uint64_t part = rng_below(rng, 4) == 0 ? 100 : VERIFY_ACK_PERCENT;
    for (size_t i = ch->held.n; i-- != 0;)
        if (all || rng_below(rng, 100) < part)
            chan_settle(ch, i, false, rng_below(rng, 8) == 0 ? HOW_REJECT : HOW_ACK);
    if (ch->held.n > 1 && rng_below(rng, 2) == 0)
        chan_settle(ch, (size_t)rng_below(rng, ch->held.n), true, HOW_REQUEUE);
    while (ch->held.n != 0)
        chan_settle(ch, (size_t)rng_below(rng, ch->held.n), false, HOW_REQUEUE);
    chan_qos(ch, 0);
    checker_await(c, ch);
}

void checker_verify(struct checker *c, bool all)
{
    struct model *m = &c->ground->model;
    verify_topology(c);
    if (!checker_stopped(c))
        verify_probes(c);
    for (uint32_t i = 0; i < m->layout.n_queues && !checker_stopped(c); i++) {
        if (m->layout.queues[i].fact != FACT_YES)
            continue;
        verify_scan(c, i);
        if (!checker_stopped(c))
            verify_settle(c, all);
    }
    if (!checker_stopped(c))
        model_scanned(m);
}
