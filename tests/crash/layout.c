// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/layout.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

const char *const LAYOUT_KIND[3] = {"direct", "topic", "fanout"};

static void layout_name(char at[LAYOUT_NAME_SIZE], const char *name)
{
    size_t n = strlen(name);
    ASSERT(n < LAYOUT_NAME_SIZE);
    memcpy(at, name, n + 1);
}

uint32_t layout_add_queue(struct layout *l, const char *name)
{
    uint32_t at = 0;
    while (at < l->n_queues && !(l->queues[at].fact == FACT_NO && l->queues[at].checked_gone))
        at++;
    ASSERT(at < LAYOUT_QUEUES);
    l->queues[at] = (struct layout_queue){.fact = FACT_UNSURE};
    layout_name(l->queues[at].name, name);
    l->n_queues += at == l->n_queues;
    return at;
}

uint32_t layout_add_exchange(struct layout *l, const char *name, enum layout_kind kind)
{
    uint32_t at = 0;
    while (at < l->n_exchanges &&
           !(l->exchanges[at].fact == FACT_NO && l->exchanges[at].checked_gone))
        at++;
    ASSERT(at < LAYOUT_EXCHANGES);
    l->exchanges[at] = (struct layout_exchange){.kind = kind, .fact = FACT_UNSURE};
    layout_name(l->exchanges[at].name, name);
    l->n_exchanges += at == l->n_exchanges;
    return at;
}

uint32_t layout_add_binding(struct layout *l, const struct layout_binding *b)
{
    uint32_t at = 0;
    while (at < l->n_bindings && l->bindings[at].fact != FACT_NO)
        at++;
    ASSERT(at < LAYOUT_BINDINGS);
    l->bindings[at] = *b;
    l->bindings[at].fact = FACT_UNSURE;
    l->bindings[at].wanted = true;
    l->n_bindings += at == l->n_bindings;
    return at;
}

uint32_t layout_find_binding(const struct layout *l, const struct layout_binding *b)
{
    for (uint32_t i = 0; i < l->n_bindings; i++) {
        const struct layout_binding *it = &l->bindings[i];
        if (it->fact != FACT_NO && it->exchange == b->exchange &&
            it->destination == b->destination && it->to_exchange == b->to_exchange &&
            strcmp(it->key, b->key) == 0)
            return i;
    }
    return UINT32_MAX;
}

bool layout_topic_matches(const char *pattern, const char *key)
{
    for (;;) {
        if (strcmp(pattern, "#") == 0)
            return true;
        size_t n_pattern = strcspn(pattern, ".");
        size_t n_key = strcspn(key, ".");
        bool any = n_pattern == 1 && *pattern == '*';
        if (!any && (n_pattern != n_key || memcmp(pattern, key, n_key) != 0))
            return false;
        pattern += n_pattern;
        key += n_key;
        if (*pattern == 0 || *key == 0)
            return *pattern == *key || (*key == 0 && strcmp(pattern, ".#") == 0);
        pattern++;
        key++;
    }
}

static bool layout_matches(const struct layout *l, const struct layout_binding *b, const char *key)
{
    switch (l->exchanges[b->exchange].kind) {
    case LAYOUT_DIRECT: return strcmp(b->key, key) == 0;
    case LAYOUT_TOPIC: return layout_topic_matches(b->key, key);
    case LAYOUT_FANOUT: return true;
    }
    return false;
}

static size_t layout_add_target(uint32_t *queues, size_t n, size_t max, uint32_t queue)
{
    for (size_t i = 0; i < n; i++)
        if (queues[i] == queue)
            return n;
    ASSERT(n < max);
    queues[n] = queue;
    return n + 1;
}

size_t layout_route(const struct layout *l, uint32_t exchange, const char *key, uint32_t *queues,
                    size_t max)
{
    bool visited[LAYOUT_EXCHANGES] = {false};
    uint32_t path[LAYOUT_EXCHANGES];
    size_t n_path = 0;
    size_t n = 0;
    for (uint32_t i = 0; exchange == 0 && i < l->n_queues; i++)
        if (l->queues[i].fact != FACT_NO && strcmp(l->queues[i].name, key) == 0)
            n = layout_add_target(queues, n, max, i);
    if (exchange != 0)
        path[n_path++] = exchange - 1;
    for (size_t at = 0; at < n_path; at++) {
        for (uint32_t i = 0; i < l->n_bindings; i++) {
            const struct layout_binding *b = &l->bindings[i];
            if (b->fact == FACT_NO || b->exchange != path[at] || !layout_matches(l, b, key))
                continue;
            if (!b->to_exchange)
                n = layout_add_target(queues, n, max, b->destination);
            else if (!visited[b->destination] && b->destination != exchange - 1)
                path[n_path++] = b->destination;
            if (b->to_exchange)
                visited[b->destination] = true;
        }
    }
    return n;
}

void layout_drop_queue(struct layout *l, uint32_t queue)
{
    l->queues[queue].fact = FACT_NO;
    for (uint32_t i = 0; i < l->n_bindings; i++)
        if (!l->bindings[i].to_exchange && l->bindings[i].destination == queue)
            l->bindings[i].fact = FACT_NO;
}

void layout_drop_exchange(struct layout *l, uint32_t exchange)
{
    l->exchanges[exchange].fact = FACT_NO;
    for (uint32_t i = 0; i < l->n_bindings; i++)
        if (l->bindings[i].exchange == exchange ||
            (l->bindings[i].to_exchange && l->bindings[i].destination == exchange))
            l->bindings[i].fact = FACT_NO;
}
