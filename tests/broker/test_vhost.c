// SPDX-License-Identifier: Apache-2.0
#include "tests/broker/routing.h"

START_TEST(a_new_vhost_has_rabbitmqs_exchanges)
{
    static const char *const NAMES[][2] = {
        {"", "direct"},
        {"amq.direct", "direct"},
        {"amq.fanout", "fanout"},
        {"amq.topic", "topic"},
        {"amq.headers", "headers"},
        {"amq.match", "headers"},
        {"amq.rabbitmq.trace", "topic"},
    };
    struct world w;
    world_init(&w);
    ck_assert_uint_eq(w.v->exchanges.n, sizeof(NAMES) / sizeof(NAMES[0]));
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        struct exchange *x = vhost_exchange(w.v, span_str(NAMES[i][0]));
        ck_assert_ptr_nonnull(x);
        ck_assert_str_eq(x->type->name, NAMES[i][1]);
        ck_assert(x->durable && !x->auto_delete);
        ck_assert_int_eq(x->internal, strcmp(NAMES[i][0], "amq.rabbitmq.trace") == 0);
        ck_assert_int_eq(exchange_is_default(x), NAMES[i][0][0] == '\0');
    }
    ck_assert_ptr_null(vhost_exchange(w.v, SPAN_LIT("amq")));
    ck_assert_ptr_null(vhost_queue(w.v, SPAN_LIT("")));
    world_fini(&w);
}
END_TEST

START_TEST(everything_that_alters_routes_advances_the_epoch)
{
    struct world w;
    world_init(&w);
    uint64_t last = w.v->routing_epoch;
#define ADVANCES(what)                               \
    do {                                             \
        ck_assert_str_eq(what, "ok");                \
        ck_assert_uint_gt(w.v->routing_epoch, last); \
        last = w.v->routing_epoch;                   \
    } while (0)
    world_queue(&w, "q");
    ADVANCES(world_declare(&w, "x", "direct", "", ""));
    ADVANCES(world_declare(&w, "y", "fanout", "", ""));
    ADVANCES(world_bind(&w, "x", "q", "k"));
    ADVANCES(world_bind_exchange(&w, "x", "y", "k"));
    ADVANCES(world_unbind_exchange(&w, "x", "y", "k"));
    ADVANCES(world_unbind(&w, "x", "q", "k"));
    ADVANCES(world_delete(&w, "x", false));
#undef ADVANCES
    /* What changes nothing keeps the caches. */
    ck_assert_str_eq(world_delete(&w, "x", false), "ok");
    ck_assert_str_eq(world_declare(&w, "y", "fanout", "", ""), "ok");
    ck_assert_str_eq(world_unbind(&w, "y", "q", "k"), "ok");
    ck_assert_uint_eq(w.v->routing_epoch, last);
    world_fini(&w);
}
END_TEST

/* More bindings than are removed at once. */
static void bind_many(struct world *w, const char *exchange, const char *queue, unsigned n)
{
    char key[16];
    for (unsigned i = 0; i < n; i++) {
        snprintf(key, sizeof(key), "%u", i);
        ck_assert_str_eq(world_bind(w, exchange, queue, key), "ok");
    }
}

START_TEST(a_large_exchange_is_gone_at_once_and_freed_in_slices)
{
    struct world w;
    world_init(&w);
    struct queue *q = world_queue(&w, "q");
    world_declare(&w, "x", "topic", "", "");
    world_declare(&w, "y", "fanout", "", "");
    ck_assert_str_eq(world_bind_exchange(&w, "y", "x", ""), "ok");
    bind_many(&w, "x", "q", 2000);
    ck_assert_str_eq(world_delete(&w, "x", false), "ok");
    ck_assert(!world_exists(&w, "x"));
    ck_assert(!list_empty(&w.v->detached));
    ck_assert_uint_gt(w.v->bindings.n, 1000);
    vhost_check(w.v);
    /* The name is free, and what takes it starts empty. */
    ck_assert_str_eq(world_declare(&w, "x", "topic", "", ""), "ok");
    ck_assert_str_eq(world_route(&w, "x", "7"), "");
    ck_assert_str_eq(world_bind(&w, "x", "q", "7"), "ok");
    ck_assert_str_eq(world_route(&w, "x", "7"), "q");
    ck_assert_str_eq(world_route(&w, "y", "7"), "");
    unsigned turns = 0;
    for (unsigned work = 100; !vhost_work(w.v, &work); work = 100, turns++) {
        ck_assert_uint_eq(work, 0);
        vhost_check(w.v);
    }
    ck_assert_uint_ge(turns, 10);
    ck_assert_uint_eq(w.v->bindings.n, 1);
    ck_assert_ptr_eq(list_first(&q->bindings)->next, &q->bindings);
    world_fini(&w);
}
END_TEST

START_TEST(a_small_deletion_does_not_wait_for_a_large_one_before_it)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_declare(&w, "large", "topic", "", "");
    world_declare(&w, "source", "fanout", "a", "");
    world_declare(&w, "small", "fanout", "", "");
    world_bind_exchange(&w, "source", "small", "");
    bind_many(&w, "large", "q", 2000);
    ck_assert_str_eq(world_delete(&w, "large", false), "ok");
    ck_assert(!list_empty(&w.v->detached));
    ck_assert_str_eq(world_delete(&w, "small", false), "ok");
    ck_assert(!world_exists(&w, "source"));
    world_fini(&w);
}
END_TEST

START_TEST(a_detached_exchange_matches_nothing_even_through_what_still_leads_to_it)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_declare(&w, "x", "fanout", "", "");
    world_declare(&w, "y", "fanout", "", "");
    world_bind_exchange(&w, "y", "x", "");
    world_bind(&w, "x", "q", "");
    struct exchange *x = vhost_exchange(w.v, SPAN_LIT("x"));
    exchange_detach(x);
    exchange_detach(x);
    ck_assert_str_eq(world_route(&w, "y", ""), "");
    struct routed_message m = {.key = SPAN_NONE};
    world_find(&w, x, &m, 1);
    ck_assert_uint_eq(w.r.n, 0);
    vhost_check(w.v);
    unsigned work = 0;
    ck_assert(!exchange_free_some(x, &work));
    work = 3;
    ck_assert(vhost_work(w.v, &work));
    ck_assert_uint_eq(work, 0);
    world_fini(&w);
}
END_TEST

START_TEST(a_vhost_goes_with_all_its_exchanges_however_they_are_bound)
{
    struct world w;
    char name[16] = "x0";
    world_init(&w);
    for (unsigned i = 0; i < 300; i++) {
        char next[16];
        snprintf(next, sizeof(next), "x%u", i + 1);
        if (i == 0)
            world_declare(&w, name, "topic", "a", "");
        world_declare(&w, next, i % 2 == 0 ? "fanout" : "headers", "a", "");
        ck_assert_str_eq(world_bind_exchange(&w, name, next, "k"), "ok");
        ck_assert_str_eq(world_bind_exchange(&w, next, name, "k"), "ok");
        ck_assert_str_eq(world_bind_exchange(&w, next, next, "k"), "ok");
        memcpy(name, next, sizeof(name));
    }
    vhost_check(w.v);
    world_fini(&w);
}
END_TEST

WORLD_MAIN("vhost", a_new_vhost_has_rabbitmqs_exchanges,
           everything_that_alters_routes_advances_the_epoch,
           a_large_exchange_is_gone_at_once_and_freed_in_slices,
           a_small_deletion_does_not_wait_for_a_large_one_before_it,
           a_detached_exchange_matches_nothing_even_through_what_still_leads_to_it,
           a_vhost_goes_with_all_its_exchanges_however_they_are_bound)
