// SPDX-License-Identifier: Apache-2.0
#include "broker/core/queue.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/rng.h"
#include "tests/broker/core_fixture.h"

static void declare(struct client *c, const char *name)
{
    say(c, "1 queue_declare queue=%s no_wait", name);
}

static void publish_numbers(struct client *c, const char *queue, unsigned n)
{
    for (unsigned i = 1; i <= n; i++)
        put(c, "1 basic_publish routing_key=%s | %u", queue, i);
    fixture_run(c->fx);
}

START_TEST(messages_come_in_order_and_are_counted)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    declare(c, "q");
    publish_numbers(c, "q", 3);
    say(c, "1 queue_declare queue=q passive");
    say(c, "1 basic_get queue=q no_ack");
    say(c, "1 basic_get queue=q no_ack");
    say(c, "1 basic_get queue=q no_ack");
    say(c, "1 basic_get queue=q no_ack");
    heard(c, "1 queue_declare_ok queue=q message_count=3",
          "1 basic_get_ok delivery_tag=1 routing_key=q message_count=2 | 1",
          "1 basic_get_ok delivery_tag=2 routing_key=q message_count=1 | 2",
          "1 basic_get_ok delivery_tag=3 routing_key=q | 3", "1 basic_get_empty");
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(a_requeued_message_comes_back_to_its_place)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    declare(c, "q");
    publish_numbers(c, "q", 5);
    for (int i = 0; i < 4; i++)
        say(c, "1 basic_get queue=q");
    forget(c);
    /* Out of order: 3, then 1, then 2; 4 stays out. */
    say(c, "1 basic_reject delivery_tag=3 requeue");
    say(c, "1 basic_nack delivery_tag=1 requeue");
    say(c, "1 basic_nack delivery_tag=2 requeue");
    for (int i = 0; i < 5; i++)
        say(c, "1 basic_get queue=q no_ack");
    heard(c, "1 basic_get_ok delivery_tag=5 redelivered routing_key=q message_count=3 | 1",
          "1 basic_get_ok delivery_tag=6 redelivered routing_key=q message_count=2 | 2",
          "1 basic_get_ok delivery_tag=7 redelivered routing_key=q message_count=1 | 3",
          "1 basic_get_ok delivery_tag=8 routing_key=q | 5", "1 basic_get_empty");
    say(c, "1 basic_nack delivery_tag=4 requeue");
    say(c, "1 basic_get queue=q no_ack");
    heard(c, "1 basic_get_ok delivery_tag=9 redelivered routing_key=q | 4");
    fixture_free(fx);
}
END_TEST

/* A naive queue: what is in it by number, and who was handed what. */
START_TEST(any_order_of_returns_gives_the_original_order)
{
    enum { MESSAGES = 60 };
    struct rng rng = {8};
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    declare(c, "q");
    publish_numbers(c, "q", MESSAGES);
    bool in[MESSAGES + 1];
    bool seen[MESSAGES + 1] = {false};
    unsigned number_of_tag[2000] = {0};
    unsigned n_tags = 0;
    memset(in, true, sizeof(in));
    for (int step = 0; step < 900; step++) {
        if (rng_below(&rng, 2) == 0) {
            unsigned first = 1;
            while (first <= MESSAGES && !in[first])
                first++;
            say(c, "1 basic_get queue=q");
            char wanted[8] = "";
            if (first <= MESSAGES)
                snprintf(wanted, sizeof(wanted), "| %u", first);
            const char *line = line_heard(c, 0);
            ck_assert_str_eq(first > MESSAGES ? "" : strchr(line, '|'), wanted);
            ck_assert_int_eq(first <= MESSAGES && seen[first], strstr(line, "redelivered") != NULL);
            forget(c);
            if (first > MESSAGES)
                continue;
            in[first] = false;
            seen[first] = true;
            number_of_tag[++n_tags] = first;
        } else if (n_tags != 0) {
            unsigned tag = 1 + (unsigned)rng_below(&rng, n_tags);
            if (number_of_tag[tag] == 0)
                continue;
            say(c, "1 basic_nack delivery_tag=%u requeue", tag);
            in[number_of_tag[tag]] = true;
            number_of_tag[tag] = 0;
        }
    }
    fixture_free(fx);
}
END_TEST

START_TEST(a_purge_takes_what_is_ready_and_leaves_what_is_out)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    declare(c, "q");
    publish_numbers(c, "q", 4);
    say(c, "1 basic_get queue=q");
    say(c, "1 basic_get queue=q");
    forget(c);
    say(c, "1 basic_nack delivery_tag=2 requeue");
    say(c, "1 queue_purge queue=q");
    heard(c, "1 queue_purge_ok message_count=3");
    say(c, "1 queue_purge queue=q");
    heard(c, "1 queue_purge_ok");
    say(c, "1 basic_nack delivery_tag=1 requeue");
    say(c, "1 basic_get queue=q");
    heard(c, "1 basic_get_ok delivery_tag=3 redelivered routing_key=q | 1");
    fixture_free(fx);
}
END_TEST

START_TEST(a_large_queue_is_purged_and_deleted_in_slices)
{
    enum { MANY = 3 * TURN_WORK_MAX };
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    for (int round = 0; round < 2; round++) {
        declare(c, "q");
        publish_numbers(c, "q", MANY);
        put(c, round == 0 ? "1 queue_purge queue=q" : "1 queue_delete queue=q");
        put(c, "1 queue_declare queue=q");
        unsigned n_turns = 0;
        while (fixture_step(fx))
            n_turns++;
        char counted[64];
        snprintf(counted, sizeof(counted), "1 queue_%s_ok message_count=%u",
                 round == 0 ? "purge" : "delete", MANY);
        /* The answer, and the name, are there at once; the work goes on behind. */
        heard(c, counted, "1 queue_declare_ok queue=q");
        ck_assert_uint_ge(n_turns, 2);
        ck_assert_uint_eq(fx->core->message_bytes, 0);
        ck_assert_uint_le(fx->core->stats.work_max, TURN_WORK_MAX);
    }
    fixture_free(fx);
}
END_TEST

START_TEST(a_queue_deleted_with_messages_out_waits_for_them)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    declare(c, "q");
    publish_numbers(c, "q", 3);
    say(c, "1 basic_get queue=q");
    say(c, "1 basic_get queue=q");
    forget(c);
    say(c, "1 queue_delete queue=q");
    heard(c, "1 queue_delete_ok message_count=1");
    ck_assert_uint_eq(fx->core->queues.n, 1);
    declare(c, "q");
    ck_assert_uint_eq(fx->core->queues.n, 2);
    /* A message of the old queue does not turn up in the new one. */
    say(c, "1 basic_nack delivery_tag=1 requeue");
    say(c, "1 basic_ack delivery_tag=2");
    say(c, "1 basic_get queue=q");
    heard(c, "1 basic_get_empty");
    ck_assert_uint_eq(fx->core->queues.n, 1);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(an_exclusive_queue_is_its_owners_alone)
{
    struct fixture *fx = fixture_new(0);
    struct client *a = fixture_connect(fx);
    struct client *b = fixture_connect(fx);
    say(a, "1 queue_declare queue=q exclusive");
    heard(a, "1 queue_declare_ok queue=q");
    say(b, "1 basic_get queue=q");
    heard(b, "1 channel_close reply_code=405 reply_text=RESOURCE_LOCKED - cannot obtain exclusive "
             "access to locked queue 'q' in vhost '/'. It could be originally declared on another "
             "connection or the exclusive property value does not match that of the original "
             "declaration. class_id=60 method_id=70");
    put_closed(a);
    fixture_run(fx);
    ck_assert_ptr_null(fixture_queue(fx, "q"));
    fixture_free(fx);
}
END_TEST

SUITE("queue", messages_come_in_order_and_are_counted, a_requeued_message_comes_back_to_its_place,
      any_order_of_returns_gives_the_original_order,
      a_purge_takes_what_is_ready_and_leaves_what_is_out,
      a_large_queue_is_purged_and_deleted_in_slices,
      a_queue_deleted_with_messages_out_waits_for_them, an_exclusive_queue_is_its_owners_alone)
