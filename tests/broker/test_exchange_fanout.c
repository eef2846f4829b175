// SPDX-License-Identifier: Apache-2.0
#include "tests/broker/routing.h"

START_TEST(every_bound_queue_gets_it_whatever_the_key)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "a");
    world_queue(&w, "b");
    world_queue(&w, "c");
    ck_assert_str_eq(world_bind(&w, "amq.fanout", "a", ""), "ok");
    ck_assert_str_eq(world_bind(&w, "amq.fanout", "b", "key"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.fanout", "key"), "a b");
    ck_assert_str_eq(world_route(&w, "amq.fanout", ""), "a b");
    world_fini(&w);
}
END_TEST

START_TEST(a_queue_bound_twice_gets_it_once_until_both_are_gone)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "a");
    ck_assert_str_eq(world_bind(&w, "amq.fanout", "a", "1"), "ok");
    ck_assert_str_eq(world_bind(&w, "amq.fanout", "a", "2"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.fanout", ""), "a");
    ck_assert_str_eq(world_unbind(&w, "amq.fanout", "a", "1"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.fanout", ""), "a");
    ck_assert_str_eq(world_unbind(&w, "amq.fanout", "a", "2"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.fanout", ""), "");
    world_fini(&w);
}
END_TEST

WORLD_MAIN("exchange_fanout", every_bound_queue_gets_it_whatever_the_key,
           a_queue_bound_twice_gets_it_once_until_both_are_gone)
