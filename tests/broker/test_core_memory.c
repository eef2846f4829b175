// SPDX-License-Identifier: Apache-2.0
/* Each allocation of a core's turns fails in turn, and then all from there on: what could not be
 * done costs at most the connection that asked for it, nothing leaks, and others go on. */
#include <string.h>

#include "tests/base/memory.h"
#include "tests/broker/core_fixture.h"

enum { STEPS = 8, LINES_MAX = 16 };

struct scenario {
    const char *name;
    const char *before[LINES_MAX]; /* said while there is memory */
    const char *lines[LINES_MAX];  /* executed without */
    bool store_held;               /* meanwhile */
    bool large;                    /* a publish with a large body comes last */
    uint64_t memory_limit;
    unsigned turn_work; /* meanwhile; 0 = as ever */
};

static const struct scenario SCENARIOS[] = {
    {.name = "topology",
     .lines = {"1 queue_declare queue=q durable",
               "1 exchange_declare exchange=x type=topic durable",
               "1 queue_bind queue=q exchange=x routing_key=a.#",
               "1 exchange_bind source=amq.fanout destination=x", "2 channel_open",
               "2 queue_declare queue=e exclusive",
               "1 queue_unbind queue=q exchange=x "
               "routing_key=a.#",
               "1 exchange_delete exchange=x", "2 channel_close"}},
    {.name = "publish",
     .before = {"1 queue_declare queue=q", "1 queue_bind queue=q exchange=amq.fanout"},
     .lines = {"1 confirm_select", "1 basic_publish routing_key=q | one",
               "1 basic_publish exchange=amq.fanout mandatory | two",
               "1 basic_publish routing_key=none mandatory | three", "1 basic_get queue=q",
               "1 basic_get queue=q", "1 basic_nack multiple requeue", "1 queue_purge queue=q"},
     .large = true},
    {.name = "consume",
     .before = {"1 queue_declare queue=q", "1 basic_publish routing_key=q | one",
                "1 basic_publish routing_key=q | two", "1 basic_publish routing_key=q | three"},
     .lines = {"1 basic_consume queue=q consumer_tag=t", "2 channel_open",
               "2 basic_consume queue=q consumer_tag=u no_ack",
               "1 basic_reject delivery_tag=1 "
               "requeue",
               "1 basic_publish routing_key=q | four", "1 basic_cancel consumer_tag=t",
               "1 channel_close", "2 queue_delete queue=q"}},
    {.name = "tx",
     .before = {"1 queue_declare queue=q", "1 basic_publish routing_key=q | one",
                "1 basic_publish routing_key=q | two"},
     .lines = {"1 tx_select", "1 basic_publish routing_key=q | three", "1 basic_get queue=q",
               "1 basic_nack delivery_tag=1 requeue", "1 tx_commit",
               "1 basic_publish routing_key=q | four", "1 tx_rollback"},
     .large = true},
    {.name = "waiting replies",
     .before = {"1 queue_declare queue=q", "1 basic_publish routing_key=q | one",
                "1 confirm_select"},
     .lines = {"1 queue_declare queue=d durable", "1 basic_get queue=q",
               "1 basic_publish routing_key=q | two", "1 basic_qos", "0 connection_close"},
     .store_held = true},
    {.name = "parked",
     .before = {"1 queue_declare queue=q", "1 basic_publish routing_key=q | one",
                "1 basic_publish routing_key=q | two"},
     .lines = {"1 basic_publish routing_key=q | three", "1 basic_qos", "1 channel_close"},
     .large = true,
     .memory_limit = 10},
    {.name = "long walk",
     .before = {"1 queue_declare queue=q", "1 queue_bind queue=q exchange=amq.fanout routing_key=1",
                "1 queue_bind queue=q exchange=amq.fanout routing_key=2",
                "1 queue_bind queue=q exchange=amq.fanout routing_key=3",
                "1 queue_bind queue=q exchange=amq.fanout routing_key=4",
                "1 queue_bind queue=q exchange=amq.fanout routing_key=5",
                "1 queue_bind queue=q exchange=amq.fanout routing_key=6",
                "1 queue_bind queue=q exchange=amq.fanout routing_key=7",
                "1 queue_bind queue=q exchange=amq.fanout routing_key=8",
                "1 queue_bind queue=q exchange=amq.fanout routing_key=9"},
     .lines = {"1 basic_publish exchange=amq.fanout | x"},
     .turn_work = 8},
};

static void put_large(struct client *c)
{
    struct body *large = body_new(20000, 0);
    large->size = 20000;
    memset(large->bytes, 'x', 20000);
    put_body(c, 1, "", "q", SPAN_NONE, 20000, large);
}

/* True when no allocation was left to fail. */
static bool play(const struct scenario *s, unsigned n, bool once)
{
    struct fixture *fx = fixture_new(s->memory_limit);
    struct client *c = fixture_connect(fx);
    struct client *other = fixture_connect(fx);
    for (size_t i = 0; i < LINES_MAX && s->before[i] != NULL; i++)
        say(c, "%s", s->before[i]);
    for (size_t i = 0; i < LINES_MAX && s->lines[i] != NULL; i++)
        put(c, "%s", s->lines[i]);
    if (s->large)
        put_large(c);
    for (unsigned i = 0; i < FIXTURE_LINKS; i++)
        ring_publish(&fx->links[i].in);
    /* No assertion of libcheck in between: they allocate. */
    if (once)
        memory_fail_once(n);
    else
        memory_fail_from(n);
    if (s->turn_work != 0)
        fx->core->options.turn_work = s->turn_work;
    for (int i = 0; i < STEPS; i++) {
        core_step(fx->core);
        if (!s->store_held)
            null_keeper_step(&fx->keeper);
    }
    bool whole = !memory_failed;
    memory_heal();
    core_check(fx->core);
    fixture_run(fx);
    forget(other);
    say(other, "1 queue_declare queue=after");
    ck_assert_msg(n_heard(other) == 1, "%s, allocation %u: the other connection says %zu lines",
                  s->name, n, n_heard(other));
    ck_assert_str_eq(line_heard(other, 0), "1 queue_declare_ok queue=after");
    ck_assert_ptr_null(fx->core->long_routes.owner);
    fixture_free(fx);
    return whole;
}

static void sweep(const char *name, bool once)
{
    for (size_t i = 0; i < sizeof(SCENARIOS) / sizeof(SCENARIOS[0]); i++) {
        unsigned n = 0;
        if (strcmp(SCENARIOS[i].name, name) != 0)
            continue;
        while (!play(&SCENARIOS[i], n, once))
            n++;
        ck_assert_uint_ge(n, 2);
    }
}

#define SWEEP(test, name)   \
    START_TEST(test)        \
    {                       \
        sweep(name, true);  \
        sweep(name, false); \
    }                       \
    END_TEST

SWEEP(topology_without_memory, "topology")
SWEEP(publishing_without_memory, "publish")
SWEEP(consuming_without_memory, "consume")
SWEEP(a_transaction_without_memory, "tx")
SWEEP(waiting_replies_without_memory, "waiting replies")
SWEEP(parking_without_memory, "parked")
SWEEP(a_long_walk_without_memory, "long walk")

/* A core at rest has nothing left to do: what lacked memory is tried again before. */
START_TEST(the_end_of_a_session_is_tried_again)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    struct client *d = fixture_connect(fx);
    say(d, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < 3; i++)
        say(d, "1 basic_publish routing_key=q | x");
    for (int i = 0; i < 3; i++)
        say(c, "1 basic_get queue=q");
    put_closed(c);
    memory_fail_once(0);
    bool more = fixture_step(fx);
    ck_assert(memory_failed);
    memory_heal();
    while (more)
        more = fixture_step(fx);
    ck_assert(!c->open);
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 3);
    fixture_free(fx);
}
END_TEST

SUITE("core_memory", topology_without_memory, publishing_without_memory, consuming_without_memory,
      a_transaction_without_memory, waiting_replies_without_memory, parking_without_memory,
      a_long_walk_without_memory, the_end_of_a_session_is_tried_again)
