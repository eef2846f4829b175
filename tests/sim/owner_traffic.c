// SPDX-License-Identifier: Apache-2.0
/* Messages: what a channel publishes, consumes and settles, and in which mode. */
#include <stdio.h>

#include "tests/sim/owner.h"

/* ---- Publishing ---- */

static uint32_t owner_size(const struct chan *ch)
{
    uint32_t most = owner_world(ch)->plan.body_max;
    switch (owner_draw(ch, 16)) {
    case 0: return 0;
    case 1: return (uint32_t)owner_draw(ch, most + 1);
    case 2: return (uint32_t)owner_draw(ch, most < 20000 ? most + 1 : 20000);
    default: return (uint32_t)owner_draw(ch, 200);
    }
}

static void owner_new_route(const struct chan *ch, struct kept_route *r)
{
    const struct model_exchange *x = owner_chance(ch, 2) ? owner_exchange(ch) : NULL;
    const struct model_queue *q = owner_queue(ch);
    if (x != NULL) {
        snprintf(r->exchange, sizeof(r->exchange), "%s", x->name);
        owner_word(ch, r->key, sizeof(r->key), false);
    } else {
        r->exchange[0] = 0;
        snprintf(r->key, sizeof(r->key), "%s",
                 q == NULL || owner_chance(ch, 16) ? "nowhere" : q->name);
    }
}

/* A route that is used again and again is what a cache remembers; meanwhile its queue or exchange
 * may have been deleted, or made anew. */
static void owner_choose_route(struct chan *ch, struct kept_route *r)
{
    unsigned n = ch->n_routes < ROUTES_KEPT ? ch->n_routes : ROUTES_KEPT;
    if (n != 0 && !owner_chance(ch, 3)) {
        *r = ch->routes[owner_draw(ch, n)];
        return;
    }
    owner_new_route(ch, r);
    ch->routes[ch->n_routes++ % ROUTES_KEPT] = *r;
}

static void owner_publish_along(struct chan *ch, const struct kept_route *r, uint64_t n)
{
    struct publish_options o = {
        .exchange = r->exchange, .key = r->key, .mandatory = owner_chance(ch, 3)};
    for (int i = 0; i < HEADERS_MAX; i++)
        o.headers[i] = owner_chance(ch, 2) ? 0 : (uint8_t)(1 + owner_draw(ch, HEADER_VALUES));
    if (r->exchange[0] != 0 && model_find_exchange(&owner_world(ch)->model, r->exchange) == NULL) {
        owner_publish_in_vain(ch, &o);
        return;
    }
    for (; n != 0 && client_unsent(&ch->actor->client) < OWNER_UNSENT_MAX; n--) {
        o.size = n > 4 ? (uint32_t)owner_draw(ch, 64) : owner_size(ch);
        o.persistent = owner_chance(ch, 2);
        o.bare = o.size >= 8 && owner_chance(ch, 2);
        o.priority = owner_chance(ch, 8) ? (uint8_t)owner_draw(ch, 10) : 0;
        chan_publish(ch, &o);
    }
}

void owner_publish_some(struct chan *ch, uint64_t n)
{
    struct kept_route r;
    owner_choose_route(ch, &r);
    owner_publish_along(ch, &r, n);
}

/* Before and right after something has changed: the second time a cache must not be believed. */
void owner_publish_around(struct chan *ch)
{
    struct kept_route r;
    owner_choose_route(ch, &r);
    owner_publish_along(ch, &r, 1);
    if (ch->state == CHAN_OPEN)
        owner_change_topology(ch, &r);
    if (ch->state == CHAN_OPEN)
        owner_publish_along(ch, &r, 2);
}

void owner_publish(struct chan *ch)
{
    owner_publish_some(ch, 1 + owner_draw(ch, 4));
}

void owner_publish_many(struct chan *ch)
{
    if (owner_chance(ch, 4))
        owner_publish_some(ch, owner_draw(ch, owner_chance(ch, 8) ? 2000 : 100));
}

/* ---- Consuming ---- */

void owner_get(struct chan *ch)
{
    struct model_queue *q = owner_queue(ch);
    for (uint64_t n = owner_draw(ch, 8); q != NULL && n != 0; n--)
        chan_get(ch, q, owner_chance(ch, 3));
}

void owner_consume(struct chan *ch)
{
    struct model_queue *q = owner_queue(ch);
    if (q == NULL || q->exclusive_consumer)
        return; /* owner_mistakes.c tries that */
    struct consume_options o = {.no_ack = owner_chance(ch, 4),
                                .priority = (int32_t)owner_draw(ch, 3) - 1};
    o.exclusive = !q->shared && q->n_consumers == 0 && owner_chance(ch, 6);
    chan_consume(ch, q, &o);
}

/* Past publishes that wait for memory a cancel is executed early, and may be answered early. */
bool owner_may_cancel(const struct chan *ch)
{
    return owner_world(ch)->plan.memory_limit == 0 || ch->expected.n == 0;
}

void owner_cancel(struct chan *ch)
{
    struct sim_consumer *c = &ch->consumers[owner_draw(ch, CONSUMERS_MAX)];
    if (c->state == CONSUMER_ACTIVE && c->queue->live && owner_may_cancel(ch))
        chan_cancel(ch, c);
}

/* A multiple settlement takes all up to a tag: none of them may still be on its way. */
static bool owner_knows_tags(const struct chan *ch)
{
    for (size_t i = 0; i < ch->expected.n; i++)
        if (((const struct expected *)deque_at(&ch->expected, i))->id == METHOD_basic_get_ok)
            return false;
    return true;
}

void owner_settle(struct chan *ch)
{
    for (uint64_t n = 1 + owner_draw(ch, 4); n != 0 && ch->out.n != 0; n--) {
        size_t i = owner_draw(ch, ch->out.n);
        if (((struct outstanding *)deque_at(&ch->out, i))->held)
            continue;
        bool multiple = owner_knows_tags(ch) && owner_chance(ch, 3);
        chan_settle(ch, i, multiple, (enum how)owner_draw(ch, 3));
    }
}

void owner_recover(struct chan *ch)
{
    if (chan_n_consumers(ch) == 0 && owner_knows_tags(ch) && owner_chance(ch, 3))
        chan_recover(ch);
}

void owner_qos(struct chan *ch)
{
    /* A limit of the whole channel is of interest between one and none. */
    bool global = owner_chance(ch, 2);
    uint64_t limit = global && !owner_chance(ch, 4) ? 2 + owner_draw(ch, 3) : owner_draw(ch, 6);
    chan_qos(ch, (uint16_t)limit, global);
}

/* ---- Modes ---- */

void owner_mode(struct chan *ch)
{
    struct method m = {.id = METHOD_confirm_select};
    struct expected e = {.id = METHOD_confirm_select_ok};
    if (ch->tx || ch->confirm)
        return;
    /* In a transaction nothing overtakes: what waits for memory could wait for its own acks. */
    if (owner_chance(ch, 2) || owner_world(ch)->plan.memory_limit != 0) {
        ch->confirm = true;
    } else {
        m.id = METHOD_tx_select;
        e.id = METHOD_tx_select_ok;
        ch->tx = true;
    }
    chan_command(ch, &m, &e);
}

void owner_end_tx(struct chan *ch)
{
    if (!ch->tx)
        return;
    if (owner_chance(ch, 4))
        chan_tx_rollback(ch);
    else
        chan_tx_commit(ch);
}
