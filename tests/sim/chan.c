// SPDX-License-Identifier: Apache-2.0
/* The beginning and the end of a channel, and what its end leaves certain. */
#include <stdlib.h>

#include "tests/sim/actor.h"
#include "tests/sim/failure.h"

struct chan *chan_new(struct actor *a, uint16_t number)
{
    struct world *w = a->world;
    struct chan *ch = calloc(1, sizeof(*ch));
    struct chan **place = deque_push(&w->chans);
    ASSERT(ch != NULL && place != NULL);
    *place = ch;
    ch->uid = (uint32_t)w->chans.n;
    ch->actor = a;
    ch->number = number;
    deque_init(&ch->expected, sizeof(struct expected));
    deque_init(&ch->confirms, sizeof(struct confirm));
    deque_init(&ch->returns, sizeof(uint64_t));
    deque_init(&ch->tx_items, sizeof(struct tx_item));
    deque_init(&ch->out, sizeof(struct outstanding));
    deque_init(&ch->last_seen, sizeof(struct last_seen));
    return ch;
}

static void chan_drop_tx(struct chan *ch)
{
    for (size_t i = 0; i < ch->tx_items.n; i++)
        deque_fini(&((struct tx_item *)deque_at(&ch->tx_items, i))->queues);
    deque_cut(&ch->tx_items, 0);
}

void chan_free(struct chan *ch)
{
    chan_drop_tx(ch);
    deque_fini(&ch->expected);
    deque_fini(&ch->confirms);
    deque_fini(&ch->returns);
    deque_fini(&ch->tx_items);
    deque_fini(&ch->out);
    deque_fini(&ch->last_seen);
    free(ch);
}

struct chan *chan_by_uid(const struct world *w, uint32_t uid)
{
    ASSERT(uid != 0 && uid <= w->chans.n);
    return *(struct chan **)deque_at(&w->chans, uid - 1);
}

size_t chan_n_consumers(const struct chan *ch)
{
    size_t n = 0;
    for (int i = 0; i < CONSUMERS_MAX; i++)
        n += ch->consumers[i].state != CONSUMER_UNUSED;
    return n;
}

uint32_t chan_n_out(const struct chan *ch)
{
    uint32_t n = 0;
    for (size_t i = 0; i < ch->out.n; i++)
        n += ((const struct outstanding *)deque_at(&ch->out, i))->consumer != 0;
    return n;
}

static bool chan_has_room(const struct chan *ch)
{
    if (ch->limit == 0)
        return true;
    return !ch->tx && ch->last_get_tag == 0 && chan_n_out(ch) < ch->limit;
}

bool chan_may_take(const struct chan *ch, const struct sim_consumer *c)
{
    if (c->state != CONSUMER_ACTIVE || !c->queue->live)
        return false;
    if (c->prefetch != 0 && c->n_out >= c->prefetch)
        return false;
    return chan_has_room(ch); /* the channel's limit holds for those too that need not ack */
}

struct sim_consumer *chan_consumer(struct chan *ch, unsigned id)
{
    for (int i = 0; id != 0 && i < CONSUMERS_MAX; i++)
        if (ch->consumers[i].state != CONSUMER_UNUSED && ch->consumers[i].id == id)
            return &ch->consumers[i];
    return NULL;
}

/* Is it, as far as anybody knows, being served from this queue? */
static bool chan_consumes(const struct chan *ch, const struct model_queue *q)
{
    for (int i = 0; i < CONSUMERS_MAX; i++)
        if (ch->consumers[i].state != CONSUMER_UNUSED && ch->consumers[i].queue == q)
            return true;
    return false;
}

/* Has it asked for a message that has not come? */
static bool chan_gets(const struct chan *ch, const struct model_queue *q)
{
    for (size_t i = 0; i < ch->expected.n; i++) {
        const struct expected *e = deque_at(&ch->expected, i);
        if (e->id == METHOD_basic_get_ok && e->queue == q)
            return true;
    }
    return false;
}

size_t chan_n_gets(const struct chan *ch, const struct model_queue *q)
{
    size_t n = 0;
    for (size_t i = 0; i < ch->expected.n; i++) {
        const struct expected *e = deque_at(&ch->expected, i);
        n += e->id == METHOD_basic_get_ok && e->queue == q;
    }
    return n;
}

/* May messages of this queue be on their way to it that need no ack? */
static bool chan_leaks(const struct chan *ch, const struct model_queue *q)
{
    for (int i = 0; i < CONSUMERS_MAX; i++) {
        const struct sim_consumer *c = &ch->consumers[i];
        if (c->state != CONSUMER_UNUSED && c->queue == q && c->no_ack)
            return true;
    }
    for (size_t i = 0; i < ch->expected.n; i++) {
        const struct expected *e = deque_at(&ch->expected, i);
        if (e->id == METHOD_basic_get_ok && e->queue == q && e->no_ack)
            return true;
    }
    return false;
}

/* Purges that were not answered may still be executed. */
static void chan_lose_purges(const struct chan *ch)
{
    for (size_t i = 0; i < ch->expected.n; i++) {
        const struct expected *e = deque_at(&ch->expected, i);
        if (e->id != METHOD_queue_purge_ok || !e->queue->shared)
            continue;
        e->queue->n_purges--;
        e->queue->leaky = true;
    }
}

static void chan_forget(struct chan *ch)
{
    chan_drop_tx(ch);
    deque_cut(&ch->expected, 0);
    deque_cut(&ch->confirms, 0);
    deque_cut(&ch->returns, 0);
    deque_cut(&ch->out, 0);
    for (int i = 0; i < CONSUMERS_MAX; i++)
        ch->consumers[i].state = CONSUMER_UNUSED;
}

void chan_ending(struct chan *ch, enum chan_state state)
{
    ch->state = state;
    for (int i = 0; i < CONSUMERS_MAX; i++)
        if (ch->consumers[i].state != CONSUMER_UNUSED && ch->consumers[i].queue->owner != ch->uid)
            ch->consumers[i].queue->unseen_returns = true;
    for (size_t i = 0; i < ch->expected.n; i++) {
        const struct expected *e = deque_at(&ch->expected, i);
        if (e->id == METHOD_basic_get_ok && e->queue->owner != ch->uid)
            e->queue->unseen_returns = true;
    }
}

/* ---- In order ---- */

static void chan_end_place(const struct chan *ch, const struct model_queue *q, struct place *p)
{
    bool held = p->holder == ch->uid;
    if (p->state == PLACE_OUT && held) {
        p->doubtful |= model_in_doubt(q);
        p->state = PLACE_READY;
        p->seen = true;
        p->sure_cmd = 0;
    }
    if (p->state == PLACE_SETTLING && held)
        p->state = PLACE_GONE;
}

void chan_ended(struct chan *ch)
{
    struct world *w = ch->actor->world;
    EXPECT(ch->returns.n == 0, "c%u.%u ended without %zu returns that were due", ch->actor->conn,
           ch->number, ch->returns.n);
    ch->executed = ch->cmd;
    for (size_t i = 0; i < w->model.queues.n; i++) {
        struct model_queue *q = model_queue_at(&w->model, i);
        bool own = q->owner == ch->uid;
        if (own) {
            q->n_consumers = 0;
            q->exclusive_consumer = false;
            if (q->live && q->auto_delete && chan_consumes(ch, q)) {
                q->live = false;
                model_drop_queue_bindings(&w->model, q);
            }
        }
        for (size_t k = q->first; k < q->places.n; k++) {
            struct place *p = model_place(q, k);
            chan_end_place(ch, q, p);
            /* What a no-ack consumer was sent last may still be unread. */
            if (own && p->state == PLACE_READY) {
                p->sure_cmd = 0;
                if (!q->live)
                    p->state = PLACE_GONE;
            }
        }
    }
    chan_forget(ch);
    ch->state = CHAN_CLOSED;
}

/* ---- Lost ---- */

static void chan_lose_place(const struct chan *ch, const struct model_queue *q, bool served,
                            bool leaks, struct place *p)
{
    bool held = p->holder == ch->uid;
    bool executed = p->settle_cmd <= ch->executed;
    bool was_ready = p->state == PLACE_READY;
    if (p->state == PLACE_SETTLING && held) {
        p->state = executed ? PLACE_GONE : PLACE_READY;
        p->doubtful = true;
        p->maybe_seen = true;
    } else if (p->state == PLACE_OUT && held) {
        p->state = PLACE_READY;
        p->maybe_seen = true;
    }
    if (p->by == ch->uid && p->cmd > ch->executed && !p->seen)
        p->doubtful = true;
    if (was_ready && served)
        p->maybe_seen = true;
    /* Also what another channel holds, for it may be ending: then it may have gone this way. */
    p->doubtful |= leaks || model_in_doubt(q);
    if (p->purge_cmd != 0 && q->owner == ch->uid) {
        if (p->purge_cmd <= ch->executed && p->state == PLACE_READY)
            p->state = PLACE_GONE;
        p->doubtful = true;
        p->purge_cmd = 0;
    }
}

static void chan_lose_queue(const struct chan *ch, struct model_queue *q)
{
    bool own = q->owner == ch->uid;
    bool leaks = chan_leaks(ch, q);
    bool served = chan_consumes(ch, q) || chan_gets(ch, q);
    q->leaky |= leaks;
    for (size_t i = q->first; i < q->places.n; i++)
        chan_lose_place(ch, q, served, leaks, model_place(q, i));
    if (!own)
        return;
    bool ended = !q->live && q->end_cmd <= ch->executed;
    bool gone = ended || q->exclusive;
    q->orphaned = !gone;
    q->live = false; /* nobody publishes to it any more */
    q->owner = 0;
    model_drop_queue_bindings(&ch->actor->world->model, q);
    for (size_t i = q->first; i < q->places.n; i++) {
        struct place *p = model_place(q, i);
        if (gone && p->state != PLACE_OUT)
            p->state = PLACE_GONE;
        p->sure_cmd = 0;
        /* It goes with its last consumer, which may have been there. */
        p->doubtful |= q->auto_delete || q->end_cmd != 0;
    }
}

void chan_lost(struct chan *ch)
{
    struct world *w = ch->actor->world;
    if (ch->state == CHAN_LOST || ch->state == CHAN_CLOSED)
        return;
    for (size_t i = 0; i < w->model.queues.n; i++)
        chan_lose_queue(ch, model_queue_at(&w->model, i));
    for (size_t i = 0; i < w->model.exchanges.n; i++) {
        struct model_exchange *x = *(struct model_exchange **)deque_at(&w->model.exchanges, i);
        if (x->owner == ch->uid)
            x->live = false;
    }
    chan_ending(ch, CHAN_LOST);
    chan_lose_purges(ch);
    chan_forget(ch);
}
