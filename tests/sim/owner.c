// SPDX-License-Identifier: Apache-2.0
/* What owners and traders do with a channel. Everything an owner touches is its own, so it knows
 * every answer beforehand; traders share theirs and do less with it. Which habits a channel has is
 * drawn at its beginning, so that some do little else than one thing. */
#include "tests/sim/owner.h"

enum { OWNER_QUEUES = 6, OWNER_EXPECTED_MAX = 64 };

struct world *owner_world(const struct chan *ch)
{
    return ch->actor->world;
}

uint64_t owner_draw(const struct chan *ch, uint64_t n)
{
    return world_draw(owner_world(ch), n);
}

bool owner_chance(const struct chan *ch, unsigned one_in)
{
    return world_chance(owner_world(ch), one_in);
}

/* ---- Turns ---- */

static const struct {
    unsigned weight;
    bool traders;
    void (*run)(struct chan *ch);
} OWNER_OPS[] = {
    {6, false, owner_declare},
    {2, true, owner_redeclare},
    {3, false, owner_declare_exchange},
    {8, false, owner_bind},
    {4, false, owner_unbind},
    {1, false, owner_delete_exchange},
    {20, true, owner_publish},
    {4, true, owner_publish_many},
    {10, true, owner_get},
    {5, true, owner_consume},
    {3, true, owner_cancel},
    {14, true, owner_settle},
    {2, true, owner_recover},
    {3, true, owner_qos},
    {2, true, owner_purge},
    {2, false, owner_delete},
    {1, true, owner_mode},
    {6, true, owner_end_tx},
    {2, true, owner_err},
    {4, false, owner_publish_around},
};

enum { OWNER_N_OPS = sizeof(OWNER_OPS) / sizeof(OWNER_OPS[0]) };

static void owner_begin(struct chan *ch)
{
    ch->begun = true;
    ch->n_ops = 1 + (unsigned)owner_draw(ch, owner_world(ch)->plan.n_ops);
    ch->talk = (unsigned)owner_draw(ch, 3);
    ch->queues_max = owner_chance(ch, 4) ? 40 : OWNER_QUEUES;
    bool trader = ch->actor->role == ROLE_TRADER;
    for (int i = 0; i < OWNER_N_OPS; i++)
        if (owner_chance(ch, OWNER_OPS[i].run == owner_get ? 2 : 4) ||
            (trader && !OWNER_OPS[i].traders))
            ch->habits |= 1u << i;
}

static void owner_do_one(struct chan *ch)
{
    unsigned total = 0;
    for (int i = 0; i < OWNER_N_OPS; i++)
        if ((ch->habits & (1u << i)) == 0)
            total += OWNER_OPS[i].weight;
    uint64_t at = total == 0 ? 0 : owner_draw(ch, total);
    for (int i = 0; total != 0 && i < OWNER_N_OPS; i++) {
        if ((ch->habits & (1u << i)) != 0)
            continue;
        if (at < OWNER_OPS[i].weight) {
            OWNER_OPS[i].run(ch);
            return;
        }
        at -= OWNER_OPS[i].weight;
    }
}

/* Brings everything into the open, step by step. True when nothing is left but to close. */
static bool owner_land(struct chan *ch)
{
    for (int i = 0; i < CONSUMERS_MAX; i++) {
        struct sim_consumer *c = &ch->consumers[i];
        if (c->state == CONSUMER_ACTIVE && c->queue->live && owner_may_cancel(ch))
            chan_cancel(ch, c);
        if (c->state != CONSUMER_UNUSED)
            return false;
    }
    if (ch->out.n != 0 && owner_world(ch)->plan.memory_limit != 0)
        chan_settle(ch, ch->out.n - 1, false, HOW_ACK);
    if (ch->expected.n != 0 || ch->confirms.n != 0)
        return false;
    if (ch->tx && (ch->tx_items.n != 0 || ch->out.n != 0)) {
        for (size_t i = 0; i < ch->out.n; i++)
            if (!((struct outstanding *)deque_at(&ch->out, i))->held)
                chan_settle(ch, i, false, (enum how)owner_draw(ch, 3));
        chan_tx_commit(ch);
        return false;
    }
    if (ch->out.n != 0) {
        chan_settle(ch, ch->out.n - 1, owner_chance(ch, 2), (enum how)owner_draw(ch, 3));
        return false;
    }
    struct model_queue *q = ch->actor->role == ROLE_TRADER ? NULL : owner_queue(ch);
    if (q == NULL)
        return true;
    if (owner_chance(ch, 3)) {
        chan_delete(ch, q);
        return false;
    }
    for (size_t n = model_n_ready(q) + 1; n != 0; n--)
        chan_get(ch, q, true);
    chan_delete(ch, q);
    return false;
}

/* One message for an empty queue of its own whose consumers are all ready. */
static void owner_poke_queue(struct chan *ch)
{
    const struct sim_consumer *some = &ch->consumers[owner_draw(ch, CONSUMERS_MAX)];
    const struct model_queue *q = some->queue;
    if (some->state != CONSUMER_ACTIVE || !q->live || q->owner != ch->uid || ch->tx ||
        model_n_ready(q) != 0) {
        owner_publish_some(ch, 1);
        return;
    }
    bool all = true;
    for (int i = 0; i < CONSUMERS_MAX; i++) {
        const struct sim_consumer *c = &ch->consumers[i];
        all &= c->state == CONSUMER_UNUSED || c->queue != q || chan_may_take(ch, c);
    }
    struct publish_options o = {.exchange = "", .key = q->name, .size = 8};
    chan_publish(ch, &o);
    ch->first_choice = all ? owner_world(ch)->model.messages.n : 0;
}

/* One thing only, from rest: whoever has to wake up for it must not need another reason. */
void owner_poke(struct chan *ch)
{
    if (ch->state != CHAN_OPEN || !ch->begun)
        return;
    if (ch->limit != 0 && owner_chance(ch, 3)) {
        chan_qos(ch, (uint16_t)(ch->limit + 1), true);
        return;
    }
    switch (owner_draw(ch, 5)) {
    case 0: owner_qos(ch); break;
    case 1:
    case 2: owner_poke_queue(ch); break;
    default:
        if (ch->out.n != 0 && !ch->tx)
            chan_settle(ch, owner_draw(ch, ch->out.n), false, (enum how)owner_draw(ch, 3));
    }
}

void owner_step(struct chan *ch)
{
    if (ch->state == CHAN_FAILING)
        owner_keep_talking(ch);
    if (ch->state != CHAN_OPEN || client_unsent(&ch->actor->client) > OWNER_UNSENT_MAX)
        return;
    if (!ch->begun)
        owner_begin(ch);
    if (owner_world(ch)->landing) {
        if (owner_land(ch))
            chan_close(ch);
        return;
    }
    if (ch->expected.n >= OWNER_EXPECTED_MAX)
        return;
    if (ch->n_ops == 0) {
        chan_close(ch);
        return;
    }
    ch->n_ops--;
    owner_do_one(ch);
}
