// SPDX-License-Identifier: Apache-2.0
/* Before the others: makes what traders share. While they leave: makes room, where publishers wait
 * for memory. After them: empties every queue that is left, in order; all that was promised must be
 * there; and deletes everything that was ever declared. */
#include <stdio.h>

#include "tests/sim/actor.h"
#include "tests/sim/failure.h"

enum { SHARED_QUEUES = 4, JANITOR_GETS = 50 };

static struct world *janitor_world(const struct chan *ch)
{
    return ch->actor->world;
}

/* ---- Founding ---- */

static void janitor_bind(struct chan *ch, struct model_exchange *x, struct model_queue *q,
                         const char *key)
{
    struct model_binding b = {.source = x, .queue = q};
    snprintf(b.key, sizeof(b.key), "%s", key);
    model_bind(&janitor_world(ch)->model, &b);
    struct method m = {.id = METHOD_queue_bind};
    m.queue_bind = (struct amqp_queue_bind){
        .queue = span_str(q->name), .exchange = span_str(x->name), .routing_key = span_str(b.key)};
    struct expected e = {.id = METHOD_queue_bind_ok};
    chan_command(ch, &m, &e);
}

static struct model_exchange *janitor_exchange(struct chan *ch, const char *name,
                                               enum exchange_kind kind)
{
    struct method m = {.id = METHOD_exchange_declare};
    m.exchange_declare = (struct amqp_exchange_declare){.exchange = span_str(name),
                                                        .type = span_str(KIND_NAMES[kind])};
    struct expected e = {.id = METHOD_exchange_declare_ok};
    chan_command(ch, &m, &e);
    return model_add_exchange(&janitor_world(ch)->model, name, kind);
}

static void janitor_found(struct chan *ch)
{
    static const char *const PATTERNS[SHARED_QUEUES] = {"a.#", "#.b", "*.c", "#"};
    static const char *const KEYS[SHARED_QUEUES] = {"a", "b", "a.b", "c"};
    struct model_exchange *fanout = janitor_exchange(ch, "s.fanout", KIND_FANOUT);
    struct model_exchange *direct = janitor_exchange(ch, "s.direct", KIND_DIRECT);
    struct model_exchange *topic = janitor_exchange(ch, "s.topic", KIND_TOPIC);
    for (unsigned i = 0; i < SHARED_QUEUES; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "s%u", i);
        struct model_queue *q = model_add_queue(&janitor_world(ch)->model, name);
        q->shared = true;
        q->durable = i % 2 == 0;
        chan_declare(ch, q, false);
        janitor_bind(ch, fanout, q, "");
        janitor_bind(ch, direct, q, KEYS[i]);
        janitor_bind(ch, topic, q, PATTERNS[i]);
    }
}

/* ---- Making room ---- */

static void janitor_drain(struct chan *ch)
{
    struct world *w = janitor_world(ch);
    for (size_t i = 0; i < w->model.queues.n; i++) {
        struct model_queue *q = model_queue_at(&w->model, i);
        for (int k = 0; q->shared && k < JANITOR_GETS; k++)
            chan_get(ch, q, true);
    }
}

/* ---- Clearing ---- */

static bool janitor_is_to_clear(const struct model_queue *q)
{
    return q->shared || q->orphaned;
}

/* Everything that surely was in the queue has come out of it. */
static void janitor_check_empty(const struct model_queue *q)
{
    for (size_t i = q->first; i < q->places.n; i++) {
        const struct place *p = model_place(q, i);
        bool there = (p->state == PLACE_READY || p->state == PLACE_OUT) && !p->doubtful;
        EXPECT(!there, "message %llu is lost from queue %s; channel %u had it, %s",
               (unsigned long long)p->message, q->name, p->holder,
               p->state == PLACE_OUT ? "and has it" : "and gave it back");
    }
}

/* Goes on with the next queue. True when there is none. */
static bool janitor_clear_queue(struct chan *ch)
{
    struct world *w = janitor_world(ch);
    while (ch->at < w->model.queues.n && !janitor_is_to_clear(model_queue_at(&w->model, ch->at)))
        ch->at++;
    if (ch->at == w->model.queues.n)
        return true;
    struct model_queue *q = model_queue_at(&w->model, ch->at);
    if (ch->stage == 0) {
        chan_declare(ch, q, false);
        ch->drained = false;
        ch->stage = 1;
    } else if (!ch->drained) {
        for (int i = 0; i < JANITOR_GETS; i++)
            chan_get(ch, q, true);
    } else {
        janitor_check_empty(q);
        chan_delete(ch, q);
        ch->stage = 0;
        ch->at++;
    }
    return false;
}

static void janitor_clear_exchanges(struct chan *ch)
{
    struct world *w = janitor_world(ch);
    for (size_t i = 0; i < w->model.exchanges.n; i++) {
        const struct model_exchange *x = *(struct model_exchange **)deque_at(&w->model.exchanges,
                                                                             i);
        struct method m = {.id = METHOD_exchange_delete};
        m.exchange_delete.exchange = span_str(x->name);
        struct expected e = {.id = METHOD_exchange_delete_ok};
        chan_command(ch, &m, &e);
    }
}

void janitor_step(struct chan *ch)
{
    if (ch->state != CHAN_OPEN || ch->expected.n != 0)
        return;
    switch (ch->actor->chore) {
    case CHORE_NONE: break;
    case CHORE_FOUND:
        if (ch->stage++ == 0)
            janitor_found(ch);
        else
            chan_close(ch);
        break;
    case CHORE_PURGE:
        if (ch->stage == 0) {
            chan_purge(ch, model_queue_at(&janitor_world(ch)->model,
                                          world_draw(janitor_world(ch), SHARED_QUEUES)));
            ch->stage = 1;
        } else if (!janitor_world(ch)->resting) {
            chan_close(ch); /* earlier it would wake whom the purge has to wake */
        }
        break;
    case CHORE_DRAIN:
        if (world_others_are_gone(janitor_world(ch), ch->actor))
            chan_close(ch);
        else
            janitor_drain(ch);
        break;
    case CHORE_CLEAR:
        if (ch->stage == 2)
            chan_close(ch);
        else if (janitor_clear_queue(ch)) {
            janitor_clear_exchanges(ch);
            ch->stage = 2;
        }
        break;
    }
}
