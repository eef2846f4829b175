// SPDX-License-Identifier: Apache-2.0
/* What publishers, consumers, getters and transactors do with the shared queues. */
#include <stdio.h>
#include <string.h>

#include "tests/crash/load.h"

enum {
    ROLE_WINDOW = 100,    /* unconfirmed publishes of a channel */
    ROLE_PREFETCH = 40,   /* unsettled deliveries to a consumer */
    ROLE_HELD_MAX = 30,   /* a getter's */
    ROLE_TX_MAX = 12,     /* publishes and acks of a transaction */
    ROLE_BLIND_ONE_IN = 6 /* consumers that need not ack, where there may be some */
};

uint64_t role_draw(const struct chan *ch, uint64_t n)
{
    return rng_below(&ch->ground->rng, n);
}

bool role_chance(const struct chan *ch, unsigned one_in)
{
    return role_draw(ch, one_in) == 0;
}

bool role_may_publish(const struct chan *ch)
{
    const struct model *m = &ch->ground->model;
    return m->n_there < LOAD_THERE_MAX && m->there_bytes < LOAD_THERE_BYTES_MAX;
}

/* Mostly small ones; empty ones, ones of many frames, and now and then two megabytes. */
uint32_t role_size(const struct chan *ch)
{
    static const struct {
        unsigned percent;
        uint32_t max;
    } SIZES[] = {{5, 1}, {50, 100}, {30, 4096}, {12, 65536}, {3, 300000}};
    uint64_t at = role_draw(ch, 100);
    if (role_chance(ch, 1500))
        return 2 * 1024 * 1024;
    size_t i = 0;
    while (at >= SIZES[i].percent)
        at -= SIZES[i++].percent;
    return (uint32_t)role_draw(ch, SIZES[i].max);
}

/* ---- Publishing ---- */

static uint32_t role_shared_queue(const struct chan *ch)
{
    const struct layout *l = &ch->ground->model.layout;
    uint32_t n = 0;
    while (n < l->n_queues && l->queues[n].shared)
        n++;
    return (uint32_t)role_draw(ch, n);
}

/* Through the default exchange, or one of those that are shared, with any of their keys. */
static void role_publish(struct chan *ch)
{
    const struct layout *l = &ch->ground->model.layout;
    static const char *const KEYS[] = {"a", "b", "a.b", "a.c", "a.b.c", "c.b"};
    uint32_t n = 0;
    while (n < l->n_exchanges && l->exchanges[n].shared)
        n++;
    struct publish p = {.exchange = (uint32_t)role_draw(ch, n + 1),
                        .size = role_size(ch),
                        .persistent = !role_chance(ch, 10)};
    p.key = p.exchange == 0 ? l->queues[role_shared_queue(ch)].name
                            : KEYS[role_draw(ch, sizeof(KEYS) / sizeof(KEYS[0]))];
    chan_publish(ch, &p);
}

static void role_publisher(struct chan *ch)
{
    struct method select = {.id = METHOD_confirm_select};
    if (ch->n_commands == 0) {
        chan_call(ch, &select, METHOD_confirm_select_ok, 0);
        return;
    }
    if (chan_is_idle(ch) && ch->n_unconfirmed < ROLE_WINDOW && role_may_publish(ch))
        role_publish(ch);
}

/* ---- Consuming ---- */

static void role_settle(struct chan *ch)
{
    uint64_t what = role_draw(ch, 100);
    size_t i = (size_t)role_draw(ch, role_chance(ch, 2) ? 1 : ch->held.n);
    if (what < 65)
        chan_settle(ch, i, false, HOW_ACK);
    else if (what < 80)
        chan_settle(ch, i, true, HOW_ACK);
    else if (what < 88)
        chan_settle(ch, i, role_chance(ch, 2), HOW_REJECT);
    else
        chan_settle(ch, i, role_chance(ch, 4), HOW_REQUEUE);
}

static void role_consumer(struct chan *ch)
{
    const struct layout *l = &ch->ground->model.layout;
    if (ch->n_commands == 0) {
        chan_qos(ch, ROLE_PREFETCH);
        return;
    }
    if (ch->held.n != 0 && !role_chance(ch, 4))
        role_settle(ch);
    if (!chan_is_idle(ch))
        return;
    if (!ch->consuming) {
        uint32_t queue = role_shared_queue(ch);
        bool blind = l->queues[queue].name[1] == '0' && role_chance(ch, ROLE_BLIND_ONE_IN);
        chan_consume(ch, queue, blind);
    } else if (role_chance(ch, 400)) {
        chan_cancel(ch);
    } else if (role_chance(ch, 50)) {
        chan_qos(ch, ROLE_PREFETCH);
    }
}

static void role_getter(struct chan *ch)
{
    if (ch->held.n > ROLE_HELD_MAX || (ch->held.n != 0 && role_chance(ch, 3)))
        role_settle(ch);
    if (chan_is_idle(ch))
        chan_get(ch, role_shared_queue(ch), false);
}

/* ---- Transactions ---- */

/* The first held message that the open transaction has not settled; held.n when there is none. */
static size_t role_unsettled(const struct chan *ch)
{
    size_t i = 0;
    while (i < ch->held.n) {
        const struct held *h = deque_at(&ch->held, i);
        if (model_copy(&ch->ground->model, h->copy)->settled_tx == 0)
            break;
        i++;
    }
    return i;
}

static void role_transactor(struct chan *ch)
{
    struct method select = {.id = METHOD_tx_select};
    if (ch->n_commands == 0)
        chan_call(ch, &select, METHOD_tx_select_ok, 0);
    if (!chan_is_idle(ch))
        return;
    uint64_t what = role_draw(ch, 100);
    size_t i = role_unsettled(ch);
    if (ch->n_in_tx >= ROLE_TX_MAX || (ch->n_in_tx >= 2 && what < 12))
        role_chance(ch, 5) ? chan_tx_rollback(ch) : chan_tx_commit(ch);
    else if (what < 60 && role_may_publish(ch))
        role_publish(ch);
    else if (what < 75 && i < ch->held.n)
        chan_settle(ch, i, false, role_chance(ch, 4) ? HOW_REJECT : HOW_ACK);
    else if (ch->held.n < ROLE_HELD_MAX)
        chan_get(ch, role_shared_queue(ch), false);
    else if (i < ch->held.n)
        chan_settle(ch, i, false, HOW_ACK);
    else
        chan_tx_commit(ch);
}

void role_step(struct chan *ch)
{
    switch (ch->role) {
    case ROLE_PUBLISHER: role_publisher(ch); break;
    case ROLE_CONSUMER: role_consumer(ch); break;
    case ROLE_GETTER: role_getter(ch); break;
    case ROLE_TRANSACTOR: role_transactor(ch); break;
    case ROLE_OWNER: owner_step(ch); break;
    case ROLE_CHECKER: break;
    }
}
