// SPDX-License-Identifier: Apache-2.0
/* Exchanges, queues and bindings: what a channel declares, binds, purges and deletes. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/sim/owner.h"
#include "tests/sim/properties.h"

enum { OWNER_EXCHANGES = 4 };

/* ---- What it has ---- */

static bool owner_may_use(const struct chan *ch, const struct model_queue *q)
{
    bool mine = ch->actor->role == ROLE_TRADER ? q->shared : q->owner == ch->uid;
    return mine && q->live && q->name[0] != 0;
}

/* One of its queues, or NULL. */
struct model_queue *owner_queue(const struct chan *ch)
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

struct model_exchange *owner_exchange(const struct chan *ch)
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

/* Has no queue had its name since? */
static bool owner_is_latest(const struct model *m, size_t at)
{
    for (size_t i = at + 1; i < m->queues.n; i++)
        if (strcmp(model_queue_at(m, i)->name, model_queue_at(m, at)->name) == 0)
            return false;
    return true;
}

/* The name of a queue that is surely deleted, to be used again; "" when there is none. */
static const char *owner_old_name(const struct chan *ch)
{
    const struct model *m = &owner_world(ch)->model;
    for (size_t i = 0; i < m->queues.n; i++) {
        const struct model_queue *q = model_queue_at(m, i);
        bool gone = q->owner == ch->uid && !q->live && q->end_cmd != 0 &&
                    q->end_cmd <= ch->executed && !q->server_named;
        if (gone && owner_is_latest(m, i))
            return q->name;
    }
    return "";
}

void owner_declare(struct chan *ch)
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

void owner_redeclare(struct chan *ch)
{
    struct model_queue *q = owner_queue(ch);
    if (q != NULL)
        chan_declare(ch, q, q->server_named || owner_chance(ch, 2));
}

/* The name that some exchange has as its alternate and that does not exist, or "". */
static const char *owner_missing_alternate(const struct chan *ch)
{
    const struct model *m = &owner_world(ch)->model;
    for (size_t i = 0; i < m->exchanges.n; i++) {
        const struct model_exchange *x = *(struct model_exchange **)deque_at(&m->exchanges, i);
        if (x->owner == ch->uid && x->live && x->alternate[0] != 0 &&
            model_find_exchange(m, x->alternate) == NULL)
            return x->alternate;
    }
    return "";
}

/* Its alternate is an exchange of the channel, or one that may be declared later. */
static void owner_choose_alternate(struct chan *ch, struct model_exchange *x)
{
    const struct model_exchange *other = owner_exchange(ch);
    if (other != NULL && other != x && owner_chance(ch, 2))
        snprintf(x->alternate, sizeof(x->alternate), "%s", other->name);
    else
        snprintf(x->alternate, sizeof(x->alternate), "x%u", ++owner_world(ch)->n_names);
}

void owner_declare_exchange(struct chan *ch)
{
    struct world *w = owner_world(ch);
    if (owner_n_exchanges(ch) >= OWNER_EXCHANGES)
        return;
    char name[NAME_SIZE];
    const char *missing = owner_chance(ch, 2) ? owner_missing_alternate(ch) : "";
    if (missing[0] != 0)
        snprintf(name, sizeof(name), "%s", missing);
    else
        snprintf(name, sizeof(name), "x%u", ++w->n_names);
    struct model_exchange *x = model_add_exchange(&w->model, name,
                                                  (enum exchange_kind)owner_draw(ch, KIND_COUNT));
    x->owner = ch->uid;
    x->durable = owner_chance(ch, 2);
    if (owner_chance(ch, 3))
        owner_choose_alternate(ch, x);
    uint8_t table[NAME_SIZE + 32];
    struct method m = {.id = METHOD_exchange_declare};
    m.exchange_declare = (struct amqp_exchange_declare){
        .exchange = span_str(name), .type = span_str(KIND_NAMES[x->kind]), .durable = x->durable};
    if (x->alternate[0] != 0) {
        uint8_t *p = put_u8(put_shortstr(table, SPAN_LIT("alternate-exchange")), 'S');
        p = put_longstr(p, span_str(x->alternate));
        m.exchange_declare.arguments = span_of(table, (size_t)(p - table));
    }
    struct expected e = {.id = METHOD_exchange_declare_ok};
    if (x->durable)
        e.batch = world_batch(w);
    chan_command(ch, &m, &e);
}

static void owner_end_exchange(struct chan *ch, struct model_exchange *x)
{
    struct method m = {.id = METHOD_exchange_delete};
    m.exchange_delete.exchange = span_str(x->name);
    struct expected e = {.id = METHOD_exchange_delete_ok};
    model_delete_exchange(&owner_world(ch)->model, x);
    chan_command(ch, &m, &e);
}

void owner_delete_exchange(struct chan *ch)
{
    struct model_exchange *x = owner_exchange(ch);
    if (x != NULL && owner_chance(ch, 3))
        owner_end_exchange(ch, x);
}

/* ---- Binding ---- */

void owner_word(const struct chan *ch, char *at, size_t size, bool pattern)
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

void owner_bind(struct chan *ch)
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

void owner_unbind(struct chan *ch)
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

/* ---- Emptying ---- */

/* What is purged of a shared queue is known to nobody: only where memory has to be made. */
void owner_purge(struct chan *ch)
{
    struct model_queue *q = owner_queue(ch);
    if (q == NULL || (q->shared && owner_world(ch)->plan.memory_limit == 0))
        return;
    if (owner_chance(ch, q->shared ? 8 : 3))
        chan_purge(ch, q);
}

static void owner_delete_queue(struct chan *ch, struct model_queue *q)
{
    for (int i = 0; i < CONSUMERS_MAX; i++)
        if (ch->consumers[i].queue == q && ch->consumers[i].state == CONSUMER_ASKED)
            return; /* whether it is told of the end would depend on who is first */
    chan_delete(ch, q);
}

void owner_delete(struct chan *ch)
{
    struct model_queue *q = owner_queue(ch);
    if (q != NULL && owner_chance(ch, 4))
        owner_delete_queue(ch, q);
}

void owner_change_topology(struct chan *ch, const struct kept_route *r)
{
    const struct model *m = &owner_world(ch)->model;
    struct model_queue *q = r->exchange[0] == 0 ? model_find_queue(m, r->key) : NULL;
    struct model_exchange *x = r->exchange[0] == 0 ? NULL : model_find_exchange(m, r->exchange);
    switch (owner_draw(ch, 8)) {
    case 0:
    case 1: owner_bind(ch); break;
    case 2:
    case 3: owner_unbind(ch); break;
    case 4: owner_delete_exchange(ch); break;
    default:
        if (q != NULL && q->owner == ch->uid)
            owner_delete_queue(ch, q);
        else if (x != NULL && x->owner == ch->uid && owner_chance(ch, 4))
            owner_end_exchange(ch, x);
        else
            owner_declare(ch);
    }
}
