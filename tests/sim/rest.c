// SPDX-License-Identifier: Apache-2.0
/* Everybody stops for a while. Once nothing is under way any more, nobody may still wait: every
 * answer has come, and no message stands in a queue that some consumer could take. A wake-up that
 * nobody gives shows here, and only here: a consumer that is forgotten is owed no answer, and the
 * next thing that happens may hide it. */
#include <assert.h>

#include "base/limits.h"
#include "broker/core/queue.h"
#include "broker/core/vhost.h"
#include "tests/sim/actor.h"
#include "tests/sim/failure.h"

enum {
    REST_STEPS = 2000,       /* so long must nothing have happened */
    REST_STEPS_MAX = 600000, /* then something goes round in circles */
    POKES_MAX = 6,
};

/* A publisher that is throttled is read again before the rest is over. */
static_assert((uint64_t)REST_STEPS * REST_TICK_NS >= 2 * (uint64_t)PACING_THROTTLE_NS,
              "a rest is too short to see who is throttled");

/* ---- Coming to rest ---- */

static bool rest_actor_is_busy(const struct actor *a)
{
    if (!a->connected)
        return a->state == ACTOR_NEW;
    return !peer_is_closed(a->client.peer) && client_unsent(&a->client) != 0;
}

/* Does the broker have something to do that needs nobody else? */
static bool rest_broker_is_busy(const struct world *w)
{
    const struct core *c = w->core;
    size_t size;
    for (size_t i = 0; i < w->plan.n_sides; i++)
        if (ring_peek(&((struct world *)(uintptr_t)w)->sides[i].link.in, &size) != NULL)
            return true;
    /* The end of a connection may have to wait for memory. */
    if (w->plan.memory_limit == 0 && !list_empty(&c->teardowns))
        return true;
    return !list_empty(&c->jobs) || !list_empty(&c->active_queues) || !list_empty(&c->garbage) ||
           !world_store_rests(w);
}

static bool rest_is_busy(const struct world *w)
{
    /* Who waits for memory is not read, and keeps what it has not sent. */
    if (w->plan.memory_limit != 0)
        return rest_broker_is_busy(w);
    for (size_t i = 0; i < w->n_actors; i++)
        if (rest_actor_is_busy(w->actors[i]))
            return true;
    return rest_broker_is_busy(w);
}

/* ---- What must be true then ---- */

/* Publishes wait for memory only while there is none. */
static void rest_check_memory(const struct world *w)
{
    const struct core *c = w->core;
    uint64_t limit = w->plan.memory_limit;
    bool high = c->message_bytes > (c->memory_high ? limit - limit / 16 : limit);
    EXPECT(high || list_empty(&c->memory_parked),
           "publishes wait for memory, and %llu bytes of %llu are used",
           (unsigned long long)c->message_bytes, (unsigned long long)limit);
}

static void rest_check_consumer(const struct chan *ch, const struct sim_consumer *c)
{
    const struct model_queue *q = c->queue;
    for (size_t i = q->first; i < q->places.n; i++) {
        const struct place *p = model_place(q, i);
        if (p->state != PLACE_READY || p->purge_cmd != 0 || p->doubtful)
            continue;
        world_print(ch->actor->world);
        fail("c%u.%u: message %llu waits in queue %s, and %s could take it", ch->actor->conn,
             ch->number, (unsigned long long)p->message, q->name, c->tag);
    }
}

static void rest_check_chan(const struct chan *ch)
{
    if (ch->expected.n != 0) {
        const struct expected *e = deque_at(&ch->expected, 0);
        world_print(ch->actor->world);
        fail("c%u.%u: %s does not come (command %llu)", ch->actor->conn, ch->number,
             method_info(e->id)->name, (unsigned long long)e->cmd);
    }
    if (ch->state != CHAN_OPEN)
        return;
    EXPECT(ch->confirms.n == 0, "c%u.%u: %zu confirms do not come, from %llu on", ch->actor->conn,
           ch->number, ch->confirms.n, (unsigned long long)ch->n_confirmed + 1);
    EXPECT(ch->returns.n == 0, "c%u.%u: %zu returns do not come", ch->actor->conn, ch->number,
           ch->returns.n);
    for (int i = 0; i < CONSUMERS_MAX; i++)
        if (chan_may_take(ch, &ch->consumers[i]))
            rest_check_consumer(ch, &ch->consumers[i]);
}

/* The broker counts what the model counts, give or take what is in doubt. */
static void rest_check_queue(const struct world *w, const struct model_queue *q)
{
    const struct queue *there = vhost_queue(w->core->vhost, span_str(q->name));
    size_t n_sure = 0;
    size_t n_most = 0;
    for (size_t i = q->first; i < q->places.n; i++) {
        const struct place *p = model_place(q, i);
        n_sure += p->state == PLACE_READY && p->purge_cmd == 0 && !p->doubtful;
        n_most += p->state == PLACE_READY || (p->state != PLACE_GONE && p->doubtful);
    }
    EXPECT(there != NULL, "queue %s does not exist", q->name);
    size_t n = queue_n_ready(there);
    EXPECT(n >= n_sure && n <= n_most, "queue %s has %zu messages, not %zu to %zu", q->name, n,
           n_sure, n_most);
}

static void rest_check(const struct world *w)
{
    if (w->plan.memory_limit != 0) {
        rest_check_memory(w);
        return;
    }
    for (size_t i = 0; i < w->n_actors; i++) {
        const struct actor *a = w->actors[i];
        if (!a->connected || a->role == ROLE_VANDAL || a->state != ACTOR_RUNNING || !a->orderly)
            continue;
        for (size_t k = 0; k < a->n_chans; k++)
            rest_check_chan(a->chans[k]);
    }
    for (size_t i = 0; i < w->model.queues.n; i++) {
        const struct model_queue *q = model_queue_at(&w->model, i);
        if (q->live && q->declared)
            rest_check_queue(w, q);
    }
}

static void rest_wait(struct world *w)
{
    uint64_t begin = w->step;
    uint64_t since = w->step;
    uint64_t n_events = trace_count();
    uint64_t moved = w->net.moved;
    while (w->step - since < REST_STEPS) {
        world_step(w);
        if (w->step % 64 == 0)
            world_stop_leaks(w);
        if (n_events != trace_count() || moved != w->net.moved || rest_is_busy(w))
            since = w->step;
        n_events = trace_count();
        moved = w->net.moved;
        if (w->step - begin > REST_STEPS_MAX) {
            world_print(w);
            fail("the broker does not come to rest");
        }
    }
}

static void rest_poke(struct world *w)
{
    for (size_t i = 0; i < w->n_actors; i++) {
        struct actor *a = w->actors[i];
        if (a->state == ACTOR_RUNNING && (a->role == ROLE_OWNER || a->role == ROLE_TRADER))
            owner_poke(a->chans[world_draw(w, a->n_chans)]);
    }
}

void world_rest(struct world *w)
{
    trace("rest", 0, 0, 0, 0);
    w->resting = true;
    w->net.hurry = true;
    rest_wait(w);
    rest_check(w);
    for (uint64_t n = world_draw(w, POKES_MAX); n != 0; n--) {
        rest_poke(w);
        if (w->plan.memory_limit != 0 && w->n_actors < ACTORS_MAX - 2 && world_chance(w, 4))
            world_errand(w, CHORE_PURGE);
        rest_wait(w);
        rest_check(w);
    }
    w->resting = false;
    w->net.hurry = false;
    trace("rested", 0, 0, 0, 0);
}
