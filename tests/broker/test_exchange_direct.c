// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"
#include "tests/broker/routing.h"

START_TEST(only_the_same_key_matches)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "a");
    world_queue(&w, "b");
    ck_assert_str_eq(world_bind(&w, "amq.direct", "a", "k"), "ok");
    ck_assert_str_eq(world_bind(&w, "amq.direct", "b", "k"), "ok");
    ck_assert_str_eq(world_bind(&w, "amq.direct", "b", ""), "ok");
    ck_assert_str_eq(world_route(&w, "amq.direct", "k"), "a b");
    ck_assert_str_eq(world_route(&w, "amq.direct", ""), "b");
    ck_assert_str_eq(world_route(&w, "amq.direct", "K"), "");
    ck_assert_str_eq(world_route(&w, "amq.direct", "k "), "");
    ck_assert_str_eq(world_route(&w, "amq.direct", "#"), "");
    world_fini(&w);
}
END_TEST

START_TEST(unbinding_one_leaves_the_others_of_its_key)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "a");
    world_queue(&w, "b");
    world_bind(&w, "amq.direct", "a", "k");
    world_bind(&w, "amq.direct", "b", "k");
    /* The index borrows the key from the first binding: it must survive that one's end. */
    ck_assert_str_eq(world_unbind(&w, "amq.direct", "a", "k"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.direct", "k"), "b");
    ck_assert_str_eq(world_unbind(&w, "amq.direct", "b", "k"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.direct", "k"), "");
    world_fini(&w);
}
END_TEST

/* Binds and unbinds at random, with a matrix of flags beside it. */
START_TEST(random_changes_route_like_a_matrix)
{
    enum { N_QUEUES = 6, N_KEYS = 20, N_STEPS = 4000 };
    struct world w;
    struct rng rng = {11};
    bool bound[N_QUEUES][N_KEYS] = {{false}};
    char queue[2] = "a";
    char key[8];
    world_init(&w);
    for (int i = 0; i < N_QUEUES; i++, queue[0]++)
        world_queue(&w, queue);
    for (int step = 0; step < N_STEPS; step++) {
        size_t q = rng_below(&rng, N_QUEUES);
        size_t k = rng_below(&rng, N_KEYS);
        queue[0] = (char)('a' + q);
        snprintf(key, sizeof(key), "%zu", k);
        bool bind = rng_below(&rng, 2) == 0;
        ck_assert_str_eq(bind ? world_bind(&w, "amq.direct", queue, key)
                              : world_unbind(&w, "amq.direct", queue, key),
                         "ok");
        bound[q][k] = bind;
        k = rng_below(&rng, N_KEYS);
        char wanted[2 * N_QUEUES + 1] = "";
        for (int i = 0; i < N_QUEUES; i++) {
            char name[3] = {' ', (char)('a' + i), '\0'};
            if (bound[i][k])
                strcat(wanted, wanted[0] == '\0' ? name + 1 : name);
        }
        snprintf(key, sizeof(key), "%zu", k);
        ck_assert_str_eq(world_route(&w, "amq.direct", key), wanted);
    }
    world_fini(&w);
}
END_TEST

WORLD_MAIN("exchange_direct", only_the_same_key_matches, unbinding_one_leaves_the_others_of_its_key,
           random_changes_route_like_a_matrix)
