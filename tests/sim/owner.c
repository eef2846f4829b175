// SPDX-License-Identifier: Apache-2.0
/* What owners and traders do with a channel. Everything an owner touches is its own, so it knows
 * every answer beforehand; traders share theirs and do less with it. Which habits a channel has is
 * drawn at its beginning, so that some do little else than one thing. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/sim/actor.h"
#include "tests/sim/failure.h"
#include "tests/sim/properties.h"

enum { OWNER_QUEUES = 6, OWNER_EXCHANGES = 4, OWNER_EXPECTED_MAX = 64, OWNER_UNSENT_MAX = 1 << 20 };

static struct world *owner_world(const struct chan *ch)
{
    return ch->actor->world;
}

static uint64_t owner_draw(const struct chan *ch, uint64_t n)
{
    return world_draw(owner_world(ch), n);
}

static bool owner_chance(const struct chan *ch, unsigned one_in)
{
    return world_chance(owner_world(ch), one_in);
}

/* ---- What it has ---- */

static bool owner_may_use(const struct chan *ch, const struct model_queue *q)
{
    bool mine = ch->actor->role == ROLE_TRADER ? q->shared : q->owner == ch->uid;
    return mine && q->live && q->name[0] != 0;
}

/* One of its queues, or NULL. */
static struct model_queue *owner_queue(const struct chan *ch)
{
    const struct model *m = &owner_world(ch)->model;
    struct model_queue *found = NULL;
    uint64_t n = 0;
    for (size_t i = 0; i < m->queues.n; i++) {
        struct model_queue *q = model_queue_at(m, i);
        if (owner_may_use(ch, q) && owner_draw(ch, ++n) == 0)
            found = q;
    }
    return found;
}

static struct model_exchange *owner_exchange(const struct chan *ch)
{
    const struct model *m = &owner_world(ch)->model;
    struct model_exchange *found = NULL;
    uint64_t n = 0;
    for (size_t i = 0; i < m->exchanges.n; i++) {
        struct model_exchange *x = *(struct model_exchange **)deque_at(&m->exchanges, i);
        bool mine = x->owner == (ch->actor->role == ROLE_TRADER ? 0 : ch->uid);
        if (mine && x->live && owner_draw(ch, ++n) == 0)
            found = x;
    }
    return found;
}

static size_t owner_n_queues(const struct chan *ch)
{
    const struct model *m = &owner_world(ch)->model;
    size_t n = 0;
    for (size_t i = 0; i < m->queues.n; i++)
        n += model_queue_at(m, i)->owner == ch->uid && model_queue_at(m, i)->live;
    return n;
}

static size_t owner_n_exchanges(const struct chan *ch)
{
    const struct model *m = &owner_world(ch)->model;
    size_t n = 0;
    for (size_t i = 0; i < m->exchanges.n; i++) {
        const struct model_exchange *x = *(struct model_exchange **)deque_at(&m->exchanges, i);
        n += x->owner == ch->uid && x->live;
    }
    return n;
}

/* ---- Declaring ---- */

/* The name of a queue that is surely deleted, to be used again; "" when there is none. */
static const char *owner_old_name(const struct chan *ch)
{
    const struct model *m = &owner_world(ch)->model;
    for (size_t i = 0; i < m->queues.n; i++) {
        const struct model_queue *q = model_queue_at(m, i);
        bool gone = q->owner == ch->uid && !q->live && q->end_cmd != 0 &&
                    q->end_cmd <= ch->executed && !q->server_named;
        if (gone && model_find_queue(m, q->name) == NULL)
            return q->name;
    }
    return "";
}

static void owner_declare(struct chan *ch)
{
    struct world *w = owner_world(ch);
    if (owner_n_queues(ch) >= ch->queues_max)
        return;
    char name[NAME_SIZE];
    const char *old = owner_chance(ch, 3) ? owner_old_name(ch) : "";
    bool server_named = owner_chance(ch, 8);
    snprintf(name, sizeof(name), "q%u", ++w->n_names);
    if (old[0] != 0)
        snprintf(name, sizeof(name), "%s", old);
    struct model_queue *q = model_add_queue(&w->model, server_named ? "" : name);
    q->owner = ch->uid;
    q->actor = ch->actor->number;
    q->server_named = server_named;
    q->durable = owner_chance(ch, 2);
    q->exclusive = server_named || owner_chance(ch, 5);
    q->auto_delete = owner_chance(ch, 6);
    chan_declare(ch, q, false);
}

static void owner_redeclare(struct chan *ch)
{
    struct model_queue *q = owner_queue(ch);
    if (q != NULL)
        chan_declare(ch, q, q->server_named || owner_chance(ch, 2));
}

static void owner_declare_exchange(struct chan *ch)
{
    struct world *w = owner_world(ch);
    if (owner_n_exchanges(ch) >= OWNER_EXCHANGES)
        return;
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "x%u", ++w->n_names);
    struct model_exchange *x = model_add_exchange(&w->model, name,
                                                  (enum exchange_kind)owner_draw(ch, KIND_COUNT));
    x->owner = ch->uid;
    x->durable = owner_chance(ch, 2);
    struct method m = {.id = METHOD_exchange_declare};
    m.exchange_declare = (struct amqp_exchange_declare){
        .exchange = span_str(name), .type = span_str(KIND_NAMES[x->kind]), .durable = x->durable};
    struct expected e = {.id = METHOD_exchange_declare_ok};
    if (x->durable)
        e.batch = world_batch(w);
    chan_command(ch, &m, &e);
}

static void owner_delete_exchange(struct chan *ch)
{
    struct model_exchange *x = owner_exchange(ch);
    if (x == NULL || !owner_chance(ch, 3))
        return;
    struct method m = {.id = METHOD_exchange_delete};
    m.exchange_delete.exchange = span_str(x->name);
    struct expected e = {.id = METHOD_exchange_delete_ok};
    model_delete_exchange(&owner_world(ch)->model, x);
    chan_command(ch, &m, &e);
}

/* ---- Binding ---- */

static void owner_word(const struct chan *ch, char *at, size_t size, bool pattern)
{
    static const char *const WORDS[] = {"a", "b", "c", "*", "#"};
    size_t n = 1 + owner_draw(ch, 4);
    at[0] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(at);
        snprintf(at + used, size - used, "%s%s", i == 0 ? "" : ".",
                 WORDS[owner_draw(ch, pattern ? 5 : 3)]);
    }
}

static void owner_new_binding(const struct chan *ch, struct model_binding *b)
{
    owner_word(ch, b->key, sizeof(b->key), b->source->kind == KIND_TOPIC);
    if (b->source->kind != KIND_HEADERS)
        return;
    b->any = owner_chance(ch, 2);
    b->headers[0] = (uint8_t)(1 + owner_draw(ch, HEADER_VALUES));
    b->headers[1] = (uint8_t)owner_draw(ch, HEADER_VALUES + 1);
}

static struct span owner_binding_arguments(const struct model_binding *b, uint8_t *table)
{
    if (b->source->kind != KIND_HEADERS)
        return SPAN_NONE;
    uint8_t *p = put_u8(put_shortstr(table, SPAN_LIT("x-match")), 'S');
    p = put_longstr(p, b->any ? SPAN_LIT("any") : SPAN_LIT("all"));
    p = properties_put_headers(p, b->headers);
    return span_of(table, (size_t)(p - table));
}

static void owner_send_binding(struct chan *ch, const struct model_binding *b, bool unbind)
{
    uint8_t table[64];
    struct span arguments = owner_binding_arguments(b, table);
    struct span source = span_str(b->source->name);
    struct span key = span_str(b->key);
    struct method m = {.id = unbind ? METHOD_queue_unbind : METHOD_queue_bind};
    struct expected e = {.id = unbind ? METHOD_queue_unbind_ok : METHOD_queue_bind_ok};
    if (b->queue != NULL && unbind) {
        m.queue_unbind = (struct amqp_queue_unbind){.queue = span_str(b->queue->name),
                                                    .exchange = source,
                                                    .routing_key = key,
                                                    .arguments = arguments};
    } else if (b->queue != NULL) {
        m.queue_bind = (struct amqp_queue_bind){.queue = span_str(b->queue->name),
                                                .exchange = source,
                                                .routing_key = key,
                                                .arguments = arguments};
    } else if (unbind) {
        m.id = METHOD_exchange_unbind;
        e.id = METHOD_exchange_unbind_ok;
        m.exchange_unbind = (struct amqp_exchange_unbind){
            .destination = span_str(b->exchange->name),
            .source = source,
            .routing_key = key,
            .arguments = arguments};
    } else {
        m.id = METHOD_exchange_bind;
        e.id = METHOD_exchange_bind_ok;
        m.exchange_bind = (struct amqp_exchange_bind){.destination = span_str(b->exchange->name),
                                                      .source = source,
                                                      .routing_key = key,
                                                      .arguments = arguments};
    }
    chan_command(ch, &m, &e);
}

static void owner_bind(struct chan *ch)
{
    struct model_binding b = {.source = owner_exchange(ch)};
    if (b.source == NULL)
        return;
    if (owner_chance(ch, 4))
        b.exchange = owner_exchange(ch);
    else
        b.queue = owner_queue(ch);
    if (b.queue == NULL && b.exchange == NULL)
        return;
    owner_new_binding(ch, &b);
    model_bind(&owner_world(ch)->model, &b);
    owner_send_binding(ch, &b, false);
}

static void owner_unbind(struct chan *ch)
{
    struct model *m = &owner_world(ch)->model;
    struct model_binding found = {.source = NULL};
    uint64_t n = 0;
    for (size_t i = 0; i < m->bindings.n; i++) {
        const struct model_binding *b = deque_at(&m->bindings, i);
        if (b->source->owner == ch->uid && owner_draw(ch, ++n) == 0)
            found = *b;
    }
    if (found.source == NULL)
        return;
    model_unbind(m, &found);
    owner_send_binding(ch, &found, true);
}

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

/* A route that is used again and again is what a cache remembers. */
static void owner_choose_route(struct chan *ch, struct publish_options *o, char *key, size_t size)
{
    const struct model_exchange *x = owner_chance(ch, 2) ? owner_exchange(ch) : NULL;
    const struct model_queue *q = owner_queue(ch);
    if (x != NULL) {
        o->exchange = x->name;
        owner_word(ch, key, size, false);
    } else {
        o->exchange = "";
        snprintf(key, size, "%s", q == NULL || owner_chance(ch, 16) ? "nowhere" : q->name);
    }
    o->key = key;
    for (int i = 0; i < HEADERS_MAX; i++)
        o->headers[i] = owner_chance(ch, 2) ? 0 : (uint8_t)(1 + owner_draw(ch, HEADER_VALUES));
}

static void owner_publish_some(struct chan *ch, uint64_t n)
{
    char key[NAME_SIZE];
    struct publish_options o = {.mandatory = owner_chance(ch, 3)};
    owner_choose_route(ch, &o, key, sizeof(key));
    for (; n != 0 && client_unsent(&ch->actor->client) < OWNER_UNSENT_MAX; n--) {
        o.size = n > 4 ? (uint32_t)owner_draw(ch, 64) : owner_size(ch);
        o.persistent = owner_chance(ch, 2);
        o.priority = owner_chance(ch, 8) ? (uint8_t)owner_draw(ch, 10) : 0;
        chan_publish(ch, &o);
    }
}

static void owner_publish(struct chan *ch)
{
    owner_publish_some(ch, 1 + owner_draw(ch, 4));
}

static void owner_publish_many(struct chan *ch)
{
    if (owner_chance(ch, 4))
        owner_publish_some(ch, owner_draw(ch, owner_chance(ch, 8) ? 2000 : 100));
}

/* ---- Consuming ---- */

static void owner_get(struct chan *ch)
{
    struct model_queue *q = owner_queue(ch);
    for (uint64_t n = owner_draw(ch, 8); q != NULL && n != 0; n--)
        chan_get(ch, q, owner_chance(ch, 3));
}

static void owner_consume(struct chan *ch)
{
    struct model_queue *q = owner_queue(ch);
    if (q != NULL)
        chan_consume(ch, q, owner_chance(ch, 4), (int32_t)owner_draw(ch, 3) - 1);
}

/* Past publishes that wait for memory a cancel is executed early, and may be answered early. */
static bool owner_may_cancel(const struct chan *ch)
{
    return owner_world(ch)->plan.memory_limit == 0 || ch->expected.n == 0;
}

static void owner_cancel(struct chan *ch)
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

static void owner_settle(struct chan *ch)
{
    for (uint64_t n = 1 + owner_draw(ch, 4); n != 0 && ch->out.n != 0; n--) {
        size_t i = owner_draw(ch, ch->out.n);
        if (((struct outstanding *)deque_at(&ch->out, i))->held)
            continue;
        bool multiple = owner_knows_tags(ch) && owner_chance(ch, 3);
        chan_settle(ch, i, multiple, (enum how)owner_draw(ch, 3));
    }
}

static void owner_recover(struct chan *ch)
{
    if (chan_n_consumers(ch) == 0 && owner_knows_tags(ch) && owner_chance(ch, 3))
        chan_recover(ch);
}

static void owner_qos(struct chan *ch)
{
    chan_qos(ch, (uint16_t)owner_draw(ch, 6), owner_chance(ch, 3));
}

static void owner_purge(struct chan *ch)
{
    struct model_queue *q = owner_queue(ch);
    if (q != NULL && owner_chance(ch, 3))
        chan_purge(ch, q);
}

static void owner_delete(struct chan *ch)
{
    struct model_queue *q = owner_queue(ch);
    if (q == NULL || !owner_chance(ch, 4))
        return;
    for (int i = 0; i < CONSUMERS_MAX; i++)
        if (ch->consumers[i].queue == q && ch->consumers[i].state == CONSUMER_ASKED)
            return; /* whether it is told of the end would depend on who is first */
    chan_delete(ch, q);
}

/* ---- Modes ---- */

static void owner_mode(struct chan *ch)
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

static void owner_end_tx(struct chan *ch)
{
    if (!ch->tx)
        return;
    if (owner_chance(ch, 4))
        chan_tx_rollback(ch);
    else
        chan_tx_commit(ch);
}

/* ---- Mistakes ---- */

static void owner_publish_nowhere(struct chan *ch)
{
    struct publish_options o = {.exchange = "no-such-exchange", .key = "k", .size = 10};
    struct expected e = {.id = METHOD_channel_close, .code = 404};
    chan_ending(ch, CHAN_FAILING);
    chan_publish(ch, &o);
    struct expected *place = deque_push(&ch->expected);
    ASSERT(place != NULL);
    *place = e;
    place->cmd = ch->cmd;
}

static void owner_err(struct chan *ch)
{
    if (!owner_chance(ch, 6))
        return;
    struct method m = {.id = METHOD_queue_declare};
    uint16_t code = 404;
    const struct model_queue *q = owner_queue(ch);
    switch (owner_draw(ch, 6)) {
    case 0:
        m.queue_declare = (struct amqp_queue_declare){.queue = SPAN_LIT("no-such-queue"),
                                                      .passive = true};
        break;
    case 1:
        if (owner_world(ch)->plan.memory_limit != 0)
            return; /* it would overtake publishes that wait for memory, and they would be lost */
        m.id = METHOD_basic_ack;
        m.basic_ack.delivery_tag = ch->last_tag + 100000;
        code = 406;
        break;
    case 2:
        m.id = METHOD_basic_consume;
        m.basic_consume.queue = SPAN_LIT("no-such-queue");
        break;
    case 3:
        m.queue_declare.queue = SPAN_LIT("amq.mine");
        code = 403;
        break;
    case 4:
        if (q == NULL || q->exclusive) /* as those are that the broker has named */
            return;
        m.queue_declare = (struct amqp_queue_declare){
            .queue = span_str(q->name), .durable = !q->durable, .auto_delete = q->auto_delete};
        code = 406;
        break;
    default: owner_publish_nowhere(ch); return;
    }
    chan_provoke(ch, &m, code);
}

/* Commands behind a mistake are dropped: none of these messages may ever be seen. */
static void owner_keep_talking(struct chan *ch)
{
    if (ch->talk == 0)
        return;
    ch->talk--;
    owner_publish_some(ch, 1);
}

/* ---- Turns ---- */

static const struct {
    unsigned weight;
    bool traders;
    void (*run)(struct chan *ch);
} OWNER_OPS[] = {
    {6, false, owner_declare}, {2, true, owner_redeclare},    {3, false, owner_declare_exchange},
    {8, false, owner_bind},    {4, false, owner_unbind},      {1, false, owner_delete_exchange},
    {20, true, owner_publish}, {4, true, owner_publish_many}, {10, true, owner_get},
    {5, true, owner_consume},  {3, true, owner_cancel},       {14, true, owner_settle},
    {2, true, owner_recover},  {3, true, owner_qos},          {2, false, owner_purge},
    {2, false, owner_delete},  {1, true, owner_mode},         {6, true, owner_end_tx},
    {2, true, owner_err},
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
        if (owner_chance(ch, 4) || (trader && !OWNER_OPS[i].traders))
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
