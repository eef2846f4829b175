// SPDX-License-Identifier: Apache-2.0
/* What the owner does with queues and exchanges that come and go. It alone publishes to them, gets
 * from them and changes them, one command at a time, so it knows what is in them. */
#include <stdio.h>
#include <string.h>

#include "tests/crash/load.h"

enum { OWNER_QUEUES = 4, OWNER_EXCHANGES = 2, OWNER_KEYS = 3, OWNER_WINDOW = 40 };

static struct layout *owner_layout(const struct chan *ch)
{
    return &ch->ground->model.layout;
}

/* One of its queues, or UINT32_MAX. */
static uint32_t owner_queue(const struct chan *ch)
{
    const struct layout *l = owner_layout(ch);
    uint32_t found = UINT32_MAX;
    uint64_t n = 0;
    for (uint32_t i = 0; i < l->n_queues; i++)
        if (!l->queues[i].shared && l->queues[i].fact == FACT_YES && role_draw(ch, ++n) == 0)
            found = i;
    return found;
}

/* An exchange to bind to: its own, or the shared direct one. UINT32_MAX when there is none. */
static uint32_t owner_exchange(const struct chan *ch, bool own)
{
    const struct layout *l = owner_layout(ch);
    uint32_t found = UINT32_MAX;
    uint64_t n = 0;
    for (uint32_t i = 0; i < l->n_exchanges; i++) {
        const struct layout_exchange *x = &l->exchanges[i];
        bool fits = !x->shared || (!own && x->kind == LAYOUT_DIRECT);
        if (fits && x->fact == FACT_YES && role_draw(ch, ++n) == 0)
            found = i;
    }
    return found;
}

/* A binding of its own making. */
static uint32_t owner_binding(const struct chan *ch)
{
    const struct layout *l = owner_layout(ch);
    uint32_t found = UINT32_MAX;
    uint64_t n = 0;
    for (uint32_t i = 0; i < l->n_bindings; i++)
        if (strncmp(l->bindings[i].key, "own.", 4) == 0 && l->bindings[i].fact == FACT_YES &&
            role_draw(ch, ++n) == 0)
            found = i;
    return found;
}

static void owner_key(const struct chan *ch, char key[LAYOUT_NAME_SIZE])
{
    snprintf(key, LAYOUT_NAME_SIZE, "own.%u", (unsigned)role_draw(ch, OWNER_KEYS));
}

/* ---- Deeds ---- */

static void owner_declare(struct chan *ch)
{
    struct layout *l = owner_layout(ch);
    char name[LAYOUT_NAME_SIZE];
    snprintf(name, sizeof(name), "v%u", (unsigned)role_draw(ch, OWNER_QUEUES));
    for (uint32_t i = 0; i < l->n_queues; i++)
        if (l->queues[i].fact != FACT_NO && strcmp(l->queues[i].name, name) == 0)
            return;
    uint32_t queue = layout_add_queue(l, name);
    l->queues[queue].transient = role_chance(ch, 5);
    l->queues[queue].length_max = role_chance(ch, 2) ? 1000000 : 0;
    chan_declare_queue(ch, queue, false);
}

static void owner_declare_exchange(struct chan *ch)
{
    struct layout *l = owner_layout(ch);
    char name[LAYOUT_NAME_SIZE];
    snprintf(name, sizeof(name), "w%u", (unsigned)role_draw(ch, OWNER_EXCHANGES));
    for (uint32_t i = 0; i < l->n_exchanges; i++)
        if (l->exchanges[i].fact != FACT_NO && strcmp(l->exchanges[i].name, name) == 0)
            return;
    enum layout_kind kind = (enum layout_kind)role_draw(ch, 3);
    uint32_t exchange = layout_add_exchange(l, name, kind);
    l->exchanges[exchange].transient = role_chance(ch, 5);
    chan_declare_exchange(ch, exchange, false);
}

/* Of a queue of its own, or sometimes of an exchange. */
static void owner_bind(struct chan *ch)
{
    struct layout_binding b = {.exchange = owner_exchange(ch, false),
                               .to_exchange = role_chance(ch, 4)};
    b.destination = b.to_exchange ? owner_exchange(ch, true) : owner_queue(ch);
    owner_key(ch, b.key);
    if (b.exchange == UINT32_MAX || b.destination == UINT32_MAX ||
        layout_find_binding(owner_layout(ch), &b) != UINT32_MAX)
        return;
    chan_bind(ch, layout_add_binding(owner_layout(ch), &b));
}

/* To a queue, along a binding, or where there may be none. */
static void owner_publish(struct chan *ch)
{
    const struct layout *l = owner_layout(ch);
    uint32_t queue = owner_queue(ch);
    uint32_t binding = owner_binding(ch);
    uint32_t exchange = owner_exchange(ch, false);
    char key[LAYOUT_NAME_SIZE];
    struct publish p = {.size = role_size(ch), .persistent = !role_chance(ch, 10)};
    if (ch->n_unconfirmed >= OWNER_WINDOW || queue == UINT32_MAX || !role_may_publish(ch))
        return;
    p.key = l->queues[queue].name;
    if (exchange != UINT32_MAX && role_chance(ch, 4)) {
        owner_key(ch, key);
        p.exchange = exchange + 1;
        p.key = key;
    } else if (binding != UINT32_MAX && role_chance(ch, 2)) {
        p.exchange = l->bindings[binding].exchange + 1;
        p.key = l->bindings[binding].key;
    }
    chan_publish(ch, &p);
}

/* Changes something, if it exists. */
static void owner_change(struct chan *ch)
{
    uint64_t what = role_draw(ch, 100);
    uint32_t queue = owner_queue(ch);
    uint32_t exchange = owner_exchange(ch, true);
    uint32_t binding = owner_binding(ch);
    if (what < 25)
        owner_declare(ch);
    else if (what < 40)
        owner_declare_exchange(ch);
    else if (what < 70)
        owner_bind(ch);
    else if (what < 82 && binding != UINT32_MAX)
        chan_unbind(ch, binding);
    else if (what < 88 && queue != UINT32_MAX)
        chan_purge(ch, queue);
    else if (what < 94 && queue != UINT32_MAX)
        chan_delete_queue(ch, queue);
    else if (what >= 94 && exchange != UINT32_MAX)
        chan_delete_exchange(ch, exchange);
}

void owner_step(struct chan *ch)
{
    struct method select = {.id = METHOD_confirm_select};
    if (!chan_is_idle(ch))
        return;
    if (ch->n_commands == 0) {
        chan_call(ch, &select, METHOD_confirm_select_ok, 0);
        return;
    }
    uint64_t what = role_draw(ch, 100);
    uint32_t queue = owner_queue(ch);
    if (what < 60)
        owner_publish(ch);
    else if (what < 75 && queue != UINT32_MAX)
        chan_get(ch, queue, role_chance(ch, 3));
    else if (what < 85 && ch->held.n != 0)
        chan_settle(ch, (size_t)role_draw(ch, ch->held.n), role_chance(ch, 3),
                    role_chance(ch, 5) ? HOW_REQUEUE : HOW_ACK);
    else if (what >= 97)
        owner_change(ch);
}
