// SPDX-License-Identifier: Apache-2.0
/* The table against a naive one: an array that says which keys are in. */
#include "base/map.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "tests/base/suite.h"

enum { KEYS = 3000 };

struct thing {
    struct map_node by_key;
    uint32_t key;
    bool in;
    bool seen;
};

static struct thing things[KEYS];

static uint64_t hash_of(uint32_t key, uint64_t mask)
{
    return map_hash(11, span_of(&key, sizeof(key))) & mask;
}

static struct thing *find(const struct map *m, uint32_t key, uint64_t mask)
{
    struct map_node *n = map_find(m, hash_of(key, mask));
    for (; n != NULL; n = map_find_next(n)) {
        struct thing *t = CONTAINER_OF(n, struct thing, by_key);
        if (n->hash != hash_of(t->key, mask))
            ck_abort_msg("a candidate of another hash");
        if (t->key == key)
            return t;
    }
    return NULL;
}

static void check_walk(const struct map *m, size_t n)
{
    struct map_walk walk = {0};
    size_t n_seen = 0;
    for (size_t i = 0; i < KEYS; i++)
        things[i].seen = false;
    for (struct map_node *node; (node = map_each(m, &walk)) != NULL; n_seen++) {
        struct thing *t = CONTAINER_OF(node, struct thing, by_key);
        if (!t->in || t->seen)
            ck_abort_msg("key %u is walked over wrongly", t->key);
        t->seen = true;
    }
    ck_assert_uint_eq(n_seen, n);
    ck_assert_uint_eq(m->n, n);
}

static void play(uint64_t seed, uint64_t mask)
{
    struct rng rng = {seed};
    struct map m;
    size_t n = 0;
    map_init(&m);
    memset(things, 0, sizeof(things));
    for (uint32_t i = 0; i < KEYS; i++)
        things[i].key = i;
    for (int step = 0; step < 30000; step++) {
        /* Waves of growth and decline cross every size, and every state of a move between. */
        bool growing = step / 5000 % 2 == 0;
        struct thing *t = &things[rng_below(&rng, KEYS)];
        if (find(&m, t->key, mask) != (t->in ? t : NULL))
            ck_abort_msg("step %d finds key %u wrongly", step, t->key);
        bool wanted = rng_below(&rng, 10) < (growing ? 9 : 1);
        if (wanted && !t->in) {
            map_insert(&m, &t->by_key, hash_of(t->key, mask));
            n++;
        } else if (!wanted && t->in) {
            map_remove(&m, &t->by_key);
            n--;
        }
        t->in = wanted;
        if (step % 1000 == 0)
            check_walk(&m, n);
    }
    check_walk(&m, n);
    for (uint32_t i = 0; i < KEYS; i++)
        ck_assert_ptr_eq(find(&m, i, mask), things[i].in ? &things[i] : NULL);
    map_fini(&m);
}

START_TEST(it_finds_what_an_array_finds)
{
    for (uint64_t seed = 0; seed < 5; seed++)
        play(seed, UINT64_MAX);
}
END_TEST

START_TEST(keys_of_one_hash_are_told_apart_by_the_caller)
{
    play(1, 0xff);
}
END_TEST

START_TEST(an_empty_table_finds_nothing)
{
    struct map m;
    struct map_walk walk = {0};
    map_init(&m);
    ck_assert_ptr_null(map_find(&m, 0));
    ck_assert_ptr_null(map_each(&m, &walk));
    map_fini(&m);
}
END_TEST

/* A change moves a few buckets: with 100,000 nodes inside, an insertion that grows the table leaves
 * nearly all of them where they were. */
START_TEST(no_single_change_moves_the_whole_table)
{
    enum { MANY = 131072 };
    struct map_node *nodes = calloc(MANY + 1, sizeof(*nodes));
    struct map m;
    map_init(&m);
    for (size_t i = 0; i <= MANY; i++) {
        uint64_t key = i;
        size_t moved = m.old == NULL ? 0 : m.moved;
        bool moving = m.old != NULL;
        map_insert(&m, &nodes[i], map_hash(1, span_of(&key, sizeof(key))));
        if (moving && m.old != NULL && m.moved - moved > 16)
            ck_abort_msg("%zu buckets at once", m.moved - moved);
    }
    ck_assert_ptr_nonnull(m.old);
    for (size_t i = 0; i < MANY; i++)
        map_remove(&m, &nodes[i]);
    ck_assert_uint_le(m.n_buckets, MANY);
    /* Going on, it comes down to what the few that are left need. */
    for (size_t i = 0; i < MANY; i++) {
        map_insert(&m, &nodes[0], nodes[0].hash);
        map_remove(&m, &nodes[0]);
    }
    ck_assert_uint_le(m.n_buckets, 16);
    ck_assert_ptr_null(m.old);
    ck_assert_ptr_eq(map_find(&m, nodes[MANY].hash), &nodes[MANY]);
    map_fini(&m);
    free(nodes);
}
END_TEST

START_TEST(a_hash_depends_on_every_byte_the_length_and_the_seed)
{
    uint8_t key[24] = {0};
    for (size_t size = 0; size <= sizeof(key); size++) {
        uint64_t plain = map_hash(1, span_of(key, size));
        ck_assert_uint_ne(plain, map_hash(2, span_of(key, size)));
        if (size != 0)
            ck_assert_uint_ne(plain, map_hash(1, span_of(key, size - 1)));
        for (size_t i = 0; i < size; i++) {
            key[i] ^= 0x80;
            ck_assert_uint_ne(plain, map_hash(1, span_of(key, size)));
            key[i] ^= 0x80;
        }
    }
    ck_assert_uint_eq(map_hash(9, SPAN_NONE), map_hash(9, span_of(key, 0)));
}
END_TEST

SUITE("map", it_finds_what_an_array_finds, keys_of_one_hash_are_told_apart_by_the_caller,
      an_empty_table_finds_nothing, no_single_change_moves_the_whole_table,
      a_hash_depends_on_every_byte_the_length_and_the_seed)
