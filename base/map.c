// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum {
    MAP_BUCKETS_MIN = 8,
    MAP_MOVES_PER_CHANGE =
        8, /* a table of n is emptied in n/8 changes, long before it fills again */
};

static uint64_t map_rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static void map_sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = map_rotl(v[1], 13) ^ v[0];
    v[0] = map_rotl(v[0], 32);
    v[2] += v[3];
    v[3] = map_rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = map_rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = map_rotl(v[1], 17) ^ v[2];
    v[2] = map_rotl(v[2], 32);
}

uint64_t map_hash(uint64_t seed, struct span key)
{
    uint64_t v[4] = {seed ^ 0x736f6d6570736575u, ~seed ^ 0x646f72616e646f6du,
                     seed ^ 0x6c7967656e657261u, ~seed ^ 0x7465646279746573u};
    size_t i = 0;
    for (; i + 8 <= key.size; i += 8) {
        uint64_t w;
        memcpy(&w, key.at + i, 8);
        v[3] ^= w;
        map_sip_round(v);
        v[0] ^= w;
    }
    uint64_t last = (uint64_t)key.size << 56;
    if (key.size > i)
        memcpy(&last, key.at + i, key.size - i);
    last |= (uint64_t)key.size << 56;
    v[3] ^= last;
    map_sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int r = 0; r < 3; r++)
        map_sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m)
{
    *m = (struct map){.buckets = NULL, .old = NULL};
}

void map_fini(struct map *m)
{
    free(m->buckets);
    free(m->old);
    map_init(m);
}

static struct map_node **map_bucket(const struct map *m, uint64_t hash)
{
    if (m->old != NULL && (hash & (m->n_old - 1)) >= m->moved)
        return &m->old[hash & (m->n_old - 1)];
    if (m->n_buckets == 0)
        return (struct map_node **)&m->single;
    return &m->buckets[hash & (m->n_buckets - 1)];
}

static struct map_node *map_candidate(struct map_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct map_node *map_find(const struct map *m, uint64_t hash)
{
    return map_candidate(*map_bucket(m, hash), hash);
}

struct map_node *map_find_next(const struct map_node *node)
{
    return map_candidate(node->next, node->hash);
}

static void map_move_chain(struct map *m, struct map_node *chain)
{
    for (struct map_node *next; chain != NULL; chain = next) {
        next = chain->next;
        struct map_node **b = &m->buckets[chain->hash & (m->n_buckets - 1)];
        chain->next = *b;
        *b = chain;
    }
}

static void map_move_some(struct map *m)
{
    for (int i = 0; m->old != NULL && i < MAP_MOVES_PER_CHANGE; i++) {
        struct map_node *chain = m->old[m->moved];
        m->old[m->moved++] = NULL;
        map_move_chain(m, chain);
        if (m->moved == m->n_old) {
            free(m->old);
            m->old = NULL;
        }
    }
}

static void map_resize(struct map *m, size_t n_buckets)
{
    struct map_node **buckets = calloc(n_buckets, sizeof(struct map_node *));
    if (buckets == NULL)
        return;
    m->old = m->buckets;
    m->n_old = m->n_buckets;
    m->moved = 0;
    m->buckets = buckets;
    m->n_buckets = n_buckets;
    map_move_chain(m, m->single);
    m->single = NULL;
}

void map_insert(struct map *m, struct map_node *node, uint64_t hash)
{
    map_move_some(m);
    if (m->old == NULL && m->n >= (m->n_buckets == 0 ? 2 : m->n_buckets))
        map_resize(m, m->n_buckets == 0 ? MAP_BUCKETS_MIN : m->n_buckets * 2);
    struct map_node **b = map_bucket(m, hash);
    node->hash = hash;
    node->next = *b;
    *b = node;
    m->n++;
}

void map_remove(struct map *m, struct map_node *node)
{
    struct map_node **at = map_bucket(m, node->hash);
    while (*at != node) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    m->n--;
    map_move_some(m);
    if (m->old == NULL && m->n_buckets > MAP_BUCKETS_MIN && m->n < m->n_buckets / 8)
        map_resize(m, m->n_buckets / 2);
}

struct map_node *map_each(const struct map *m, struct map_walk *walk)
{
    size_t n_single = m->n_buckets == 0 ? 1 : 0;
    while (walk->next == NULL &&
           walk->at < n_single + m->n_buckets + (m->old == NULL ? 0 : m->n_old)) {
        size_t i = walk->at++;
        if (n_single != 0)
            walk->next = m->single;
        else
            walk->next = i < m->n_buckets ? m->buckets[i] : m->old[i - m->n_buckets];
    }
    struct map_node *node = walk->next;
    if (node != NULL)
        walk->next = node->next;
    return node;
}
