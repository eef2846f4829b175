// SPDX-License-Identifier: Apache-2.0
/* The texts and the order of checks are a stock RabbitMQ's. */
#include "base/rng.h"
#include "tests/broker/routing.h"

#define DEFAULT_REFUSED "ACCESS_REFUSED - operation not permitted on the default exchange"
#define NO_EXCHANGE(x)  "NOT_FOUND - no exchange '" x "' in vhost '/'"
#define LOCKED                                                                            \
    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. " \
    "It could be originally declared on another connection or the exclusive property "    \
    "value does not match that of the original declaration."
#define VOLATILE "ACCESS_REFUSED - cannot bind or unbind to a volatile (direct reply-to) queue"

START_TEST(the_default_exchange_takes_part_in_no_binding)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    ck_assert_str_eq(world_bind(&w, "", "q", "k"), DEFAULT_REFUSED);
    ck_assert_str_eq(world_bind(&w, "\r\n", "nope", "k"), DEFAULT_REFUSED);
    ck_assert_str_eq(world_unbind(&w, "", "nope", "k"), DEFAULT_REFUSED);
    ck_assert_str_eq(world_bind_exchange(&w, "", "nope", "k"), DEFAULT_REFUSED);
    ck_assert_str_eq(world_bind_exchange(&w, "nope", "", "k"), DEFAULT_REFUSED);
    ck_assert_str_eq(world_unbind_exchange(&w, "", "amq.direct", "k"), DEFAULT_REFUSED);
    ck_assert_str_eq(world_unbind_exchange(&w, "amq.direct", "", "k"), DEFAULT_REFUSED);
    world_fini(&w);
}
END_TEST

START_TEST(a_bind_names_the_missing_end_the_source_first)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    ck_assert_str_eq(world_bind(&w, "nox", "noq", ""), NO_EXCHANGE("nox"));
    ck_assert_str_eq(world_bind(&w, "nox", "q", ""), NO_EXCHANGE("nox"));
    ck_assert_str_eq(world_bind(&w, "amq.direct", "noq", ""),
                     "NOT_FOUND - no queue 'noq' in vhost '/'");
    ck_assert_str_eq(world_bind_exchange(&w, "nox", "nod", ""), NO_EXCHANGE("nox"));
    ck_assert_str_eq(world_bind_exchange(&w, "nox", "amq.direct", ""), NO_EXCHANGE("nox"));
    ck_assert_str_eq(world_bind_exchange(&w, "amq.direct", "nod", ""), NO_EXCHANGE("nod"));
    ck_assert_uint_eq(w.v->bindings.n, 0);
    world_fini(&w);
}
END_TEST

START_TEST(unbinding_what_is_not_there_is_fine)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    ck_assert_str_eq(world_unbind(&w, "nox", "noq", ""), "ok");
    ck_assert_str_eq(world_unbind(&w, "nox", "q", ""), "ok");
    ck_assert_str_eq(world_unbind(&w, "amq.direct", "noq", ""), "ok");
    ck_assert_str_eq(world_unbind(&w, "amq.direct", "q", ""), "ok");
    ck_assert_str_eq(world_unbind_exchange(&w, "nox", "nod", ""), "ok");
    ck_assert_str_eq(world_unbind_exchange(&w, "amq.direct", "nod", ""), "ok");
    ck_assert_str_eq(world_unbind_exchange(&w, "amq.direct", "amq.topic", ""), "ok");
    world_fini(&w);
}
END_TEST

START_TEST(names_lose_carriage_returns_and_line_feeds_but_keys_keep_them)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    ck_assert_str_eq(world_bind(&w, "amq.\rdirect", "q\n", "k\r\n"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.direct", "k"), "");
    ck_assert_str_eq(world_route(&w, "amq.direct", "k\r\n"), "q");
    ck_assert_str_eq(world_unbind(&w, "amq.direct\n", "\rq", "k\r\n"), "ok");
    ck_assert_str_eq(world_bind_exchange(&w, "\namq.direct", "amq.topic\r", ""), "ok");
    ck_assert_str_eq(world_unbind_exchange(&w, "amq.direct\r", "\namq.topic", ""), "ok");
    ck_assert_uint_eq(w.v->bindings.n, 0);
    world_fini(&w);
}
END_TEST

START_TEST(the_same_binding_again_is_one_binding)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(world_bind_as(&w, NULL, "amq.direct", "q", "k", "a:I:1"), "ok");
    ck_assert_uint_eq(w.v->bindings.n, 1);
    ck_assert_str_eq(world_unbind_as(&w, NULL, "amq.direct", "q", "k", "a:I:1"), "ok");
    ck_assert_uint_eq(w.v->bindings.n, 0);
    ck_assert_str_eq(world_route(&w, "amq.direct", "k"), "");
    world_fini(&w);
}
END_TEST

START_TEST(source_destination_key_and_arguments_make_the_identity)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_queue(&w, "amq.topic");
    world_bind_as(&w, NULL, "amq.direct", "q", "k", "");
    world_bind_as(&w, NULL, "amq.direct", "q", "", "");
    world_bind_as(&w, NULL, "amq.direct", "q", "k", "a:I:1");
    world_bind_as(&w, NULL, "amq.direct", "q", "k", "a:l:1");
    world_bind_as(&w, NULL, "amq.direct", "q", "k", "a:I:1 b:I:1");
    world_bind_as(&w, NULL, "amq.direct", "q", "k", "a:I:1 a:I:2");
    world_bind_as(&w, NULL, "amq.direct", "q", "k", "a:I:2 a:I:1");
    world_bind_as(&w, NULL, "amq.topic", "q", "k", "");
    world_bind_as(&w, NULL, "amq.direct", "amq.topic", "k", "");
    world_bind_exchange(&w, "amq.direct", "amq.topic", "k");
    ck_assert_uint_eq(w.v->bindings.n, 10);
    vhost_check(w.v);
    world_fini(&w);
}
END_TEST

START_TEST(arguments_are_the_same_in_whatever_order_their_names_come)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_bind_as(&w, NULL, "amq.direct", "q", "k", "b:S:x a:I:1 c:V:");
    world_bind_as(&w, NULL, "amq.direct", "q", "k", "a:I:1 c:V: b:S:x");
    ck_assert_uint_eq(w.v->bindings.n, 1);
    ck_assert_str_eq(world_unbind_as(&w, NULL, "amq.direct", "q", "k", "b:S:x a:l:1 c:V:"), "ok");
    ck_assert_uint_eq(w.v->bindings.n, 1);
    ck_assert_str_eq(world_unbind_as(&w, NULL, "amq.direct", "q", "k", "c:V: b:S:x a:I:1"), "ok");
    ck_assert_uint_eq(w.v->bindings.n, 0);
    world_fini(&w);
}
END_TEST

START_TEST(an_exclusive_queue_is_bound_by_its_owner_alone)
{
    static const char OWNER[1];
    static const char OTHER[1];
    struct world w;
    world_init(&w);
    struct queue *q = world_queue(&w, "q");
    q->exclusive = true;
    q->owner = (struct session *)(void *)OWNER;
    ck_assert_str_eq(world_bind_as(&w, OTHER, "amq.direct", "q", "k", ""), LOCKED);
    ck_assert_str_eq(world_unbind_as(&w, OTHER, "amq.direct", "q", "k", ""), "ok");
    ck_assert_str_eq(world_bind_as(&w, OWNER, "amq.direct", "q", "k", ""), "ok");
    ck_assert_str_eq(world_bind_as(&w, OTHER, "amq.direct", "q", "k", ""), LOCKED);
    ck_assert_str_eq(world_unbind_as(&w, OTHER, "amq.direct", "q", "k", ""), LOCKED);
    ck_assert_str_eq(world_bind_as(&w, OTHER, "", "q", "k", ""), DEFAULT_REFUSED);
    ck_assert_str_eq(world_bind_as(&w, OTHER, "nox", "q", "k", ""), NO_EXCHANGE("nox"));
    ck_assert_str_eq(
        world_bind_as(&w, OTHER, "amq.headers", "q", "k", "x-match:S:foo"),
        "PRECONDITION_FAILED - Invalid x-match field value <<\"foo\">>; expected all, any, "
        "all-with-x, or any-with-x");
    ck_assert_str_eq(world_unbind_as(&w, OWNER, "amq.direct", "q", "k", ""), "ok");
    world_fini(&w);
}
END_TEST

START_TEST(reply_to_names_are_no_queues)
{
    struct world w;
    world_init(&w);
    ck_assert_str_eq(world_bind(&w, "amq.direct", "amq.rabbitmq.reply-to", "k"), VOLATILE);
    ck_assert_str_eq(world_bind(&w, "nox", "amq.rabbitmq.reply-to.g1h2", "k"), VOLATILE);
    ck_assert_str_eq(world_unbind(&w, "", "amq.rabbitmq.reply-to", "k"), VOLATILE);
    ck_assert_str_eq(world_bind(&w, "amq.direct", "amq.rabbitmq.reply-too", "k"),
                     "NOT_FOUND - no queue 'amq.rabbitmq.reply-too' in vhost '/'");
    world_fini(&w);
}
END_TEST

START_TEST(a_queue_with_many_bindings_is_unbound_in_slices)
{
    enum { N_BINDINGS = 1000, N_SLICE = 64 };
    struct world w;
    char key[16];
    world_init(&w);
    struct queue *q = world_queue(&w, "q");
    world_queue(&w, "r");
    world_declare(&w, "auto", "topic", "a", "");
    for (unsigned i = 0; i < N_BINDINGS; i++) {
        snprintf(key, sizeof(key), "a.%u", i);
        world_bind(&w, "auto", "q", key);
    }
    world_bind(&w, "amq.fanout", "q", "");
    world_bind(&w, "amq.fanout", "r", "");
    world_queue_delete(q);
    ck_assert_str_eq(world_route(&w, "auto", "a.999"), "");
    ck_assert_str_eq(world_route(&w, "amq.fanout", ""), "r");
    /* A new queue of that name has nothing to do with the old one. */
    world_queue(&w, "q");
    ck_assert_str_eq(world_route(&w, "auto", "a.999"), "");
    ck_assert_str_eq(world_bind(&w, "amq.fanout", "q", ""), "ok");
    ck_assert_str_eq(world_route(&w, "amq.fanout", ""), "q r");
    unsigned slices = 1;
    unsigned work = N_SLICE;
    for (; !binding_remove_some(q, &work); work = N_SLICE, slices++) {
        ck_assert_uint_eq(work, 0);
        vhost_check(w.v);
    }
    ck_assert_uint_eq(slices, (N_BINDINGS + 1) / N_SLICE + 1);
    ck_assert(!world_exists(&w, "auto"));
    ck_assert_uint_eq(w.v->bindings.n, 2);
    world_queue_free(q);
    world_fini(&w);
}
END_TEST

START_TEST(removing_bindings_of_a_deleted_queue_does_not_disturb_route_caches)
{
    struct world w;
    world_init(&w);
    struct queue *q = world_queue(&w, "q");
    world_bind(&w, "amq.direct", "q", "1");
    world_bind(&w, "amq.direct", "q", "2");
    world_queue_delete(q);
    uint64_t epoch = w.v->routing_epoch;
    unsigned work = 1;
    ck_assert(!binding_remove_some(q, &work));
    ck_assert_uint_eq(w.v->routing_epoch, epoch);
    world_queue_free(q);
    world_fini(&w);
}
END_TEST

/* Everything at random: exchanges of all types come and go, bindings of both kinds, queues. After
 * each step the invariants hold, and the count of bindings is that of a plain set of them. */
START_TEST(random_changes_keep_the_invariants)
{
    enum { N_NAMES = 6, N_STEPS = 8000 };
    static const char *const TYPES[] = {"direct", "fanout", "topic", "headers"};
    static const char *const KEYS[] = {"", "a", "a.b", "#", "*.b", "a.#"};
    struct world w;
    struct rng rng = {5};
    size_t most = 0;
    world_init(&w);
    for (int step = 0; step < N_STEPS; step++) {
        char x[] = {'x', (char)('0' + rng_below(&rng, N_NAMES)), '\0'};
        char y[] = {'x', (char)('0' + rng_below(&rng, N_NAMES)), '\0'};
        char q[] = {'q', (char)('0' + rng_below(&rng, N_NAMES)), '\0'};
        const char *key = KEYS[rng_below(&rng, 6)];
        struct queue *queue = vhost_queue(w.v, span_str(q));
        size_t before = w.v->bindings.n;
        switch (rng_below(&rng, 16)) {
        case 0: world_delete(&w, x, rng_below(&rng, 2) == 0); break;
        case 1:
            if (queue != NULL) {
                world_queue_delete(queue);
                vhost_check(w.v);
                world_queue_free(queue);
            }
            break;
        case 2:
        case 3: world_unbind(&w, x, q, key); break;
        case 4: world_unbind_exchange(&w, x, y, key); break;
        case 5:
        case 6:
            world_declare(&w, x, TYPES[rng_below(&rng, 4)], rng_below(&rng, 2) == 0 ? "a" : "", "");
            break;
        case 7:
        case 8: world_queue(&w, q); break;
        case 9:
        case 10:
        case 11:
            if (strcmp(world_bind_exchange(&w, x, y, key), "ok") == 0)
                ck_assert_uint_le(w.v->bindings.n, before + 1);
            break;
        default:
            if (strcmp(world_bind(&w, x, q, key), "ok") == 0)
                ck_assert_uint_le(w.v->bindings.n, before + 1);
            else
                ck_assert_uint_eq(w.v->bindings.n, before);
        }
        vhost_check(w.v);
        ck_assert(list_empty(&w.v->detached));
        most = most > w.v->bindings.n ? most : w.v->bindings.n;
    }
    ck_assert_uint_gt(most, 20);
    world_fini(&w);
}
END_TEST

WORLD_MAIN("binding", the_default_exchange_takes_part_in_no_binding,
           a_bind_names_the_missing_end_the_source_first, unbinding_what_is_not_there_is_fine,
           names_lose_carriage_returns_and_line_feeds_but_keys_keep_them,
           the_same_binding_again_is_one_binding,
           source_destination_key_and_arguments_make_the_identity,
           arguments_are_the_same_in_whatever_order_their_names_come,
           an_exclusive_queue_is_bound_by_its_owner_alone, reply_to_names_are_no_queues,
           a_queue_with_many_bindings_is_unbound_in_slices,
           removing_bindings_of_a_deleted_queue_does_not_disturb_route_caches,
           random_changes_keep_the_invariants)
