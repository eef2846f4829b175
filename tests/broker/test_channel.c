// SPDX-License-Identifier: Apache-2.0
#include "broker/core/channel.h"

#include <string.h>

#include "tests/broker/core_fixture.h"

START_TEST(a_soft_error_costs_its_channel_alone)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "2 channel_open");
    say(c, "1 queue_declare queue=none passive");
    heard(c, "2 channel_open_ok",
          "1 channel_close reply_code=404 reply_text=NOT_FOUND - no queue 'none' in vhost '/' "
          "class_id=50 method_id=10");
    say(c, "2 queue_declare queue=q");
    heard(c, "2 queue_declare_ok queue=q");
    /* Everything is dropped until close-ok; then the number may be used again. */
    say(c, "1 queue_declare queue=dropped");
    say(c, "1 basic_publish routing_key=q | dropped");
    heard_nothing(c);
    ck_assert_ptr_null(fixture_queue(fx, "dropped"));
    say(c, "1 channel_close_ok");
    say(c, "1 channel_open");
    heard(c, "1 channel_open_ok");
    fixture_free(fx);
}
END_TEST

START_TEST(closes_that_cross_are_both_answered)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    put(c, "1 queue_declare queue=none passive");
    put(c, "1 channel_close reply_code=200");
    put(c, "1 channel_close_ok");
    put(c, "1 channel_open");
    fixture_run(fx);
    ck_assert_uint_eq(n_heard(c), 3);
    ck_assert_str_eq(line_heard(c, 1), "1 channel_close_ok");
    ck_assert_str_eq(line_heard(c, 2), "1 channel_open_ok");
    fixture_free(fx);
}
END_TEST

START_TEST(the_end_of_a_channel_returns_what_was_out_and_cancels_its_consumers)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=t no_wait");
    for (int i = 0; i < 3; i++)
        say(c, "1 basic_publish routing_key=q | m");
    forget(c);
    say(c, "1 channel_close reply_code=200");
    heard(c, "1 channel_close_ok");
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 3);
    ck_assert_uint_eq(fixture_queue(fx, "q")->n_consumers, 0);
    ck_assert_uint_eq(fx->core->consumers.n, 0);
    say(c, "1 channel_open");
    say(c, "1 basic_get queue=q");
    heard(c, "1 channel_open_ok",
          "1 basic_get_ok delivery_tag=1 redelivered routing_key=q message_count=2 | m");
    fixture_free(fx);
}
END_TEST

START_TEST(an_empty_queue_name_means_the_one_declared_last)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=a no_wait");
    say(c, "1 queue_declare queue=b no_wait");
    say(c, "1 queue_bind exchange=amq.direct no_wait"); /* the key, too, is the queue's name */
    say(c, "1 basic_publish exchange=amq.direct routing_key=b | x");
    say(c, "1 basic_get");
    heard(c, "1 basic_get_ok delivery_tag=1 exchange=amq.direct routing_key=b | x");
    say(c, "2 channel_open");
    forget(c);
    say(c, "2 basic_get");
    heard(c, "2 channel_close reply_code=404 reply_text=NOT_FOUND - no previously declared queue "
             "class_id=60 method_id=70");
    fixture_free(fx);
}
END_TEST

START_TEST(delivery_tags_are_the_channels_own)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "2 channel_open");
    for (int i = 0; i < 3; i++)
        say(c, "1 basic_publish routing_key=q | m");
    forget(c);
    say(c, "1 basic_get queue=q");
    say(c, "2 basic_get queue=q no_ack");
    say(c, "2 basic_get queue=q");
    heard(c, "1 basic_get_ok delivery_tag=1 routing_key=q message_count=2 | m",
          "2 basic_get_ok delivery_tag=1 routing_key=q message_count=1 | m",
          "2 basic_get_ok delivery_tag=2 routing_key=q | m");
    say(c, "2 basic_ack delivery_tag=1"); /* it was no_ack: nothing to acknowledge */
    ck_assert_int_eq(strncmp(line_heard(c, 0), "2 channel_close reply_code=406", 30), 0);
    fixture_free(fx);
}
END_TEST

/* Each qos wakes all consumers of the channel, and each publish tries those that are ready. */
START_TEST(waking_many_consumers_is_counted_and_done_in_slices)
{
    enum { CONSUMERS = 6000, ROUNDS = 40 };
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < CONSUMERS; i++)
        put(c, "1 basic_consume queue=q consumer_tag=t%d no_wait", i);
    fixture_run(fx);
    say(c, "1 basic_qos prefetch_count=1 global");
    say(c, "1 basic_publish routing_key=q | first");
    forget(c);
    for (int i = 0; i < ROUNDS; i++) {
        put(c, "1 basic_publish routing_key=q | x");
        put(c, "1 queue_purge queue=q no_wait");
        put(c, "1 basic_qos prefetch_count=1 global");
    }
    uint64_t turns = fx->core->stats.turns;
    fixture_run(fx);
    ck_assert_uint_ge(fx->core->stats.turns - turns, ROUNDS);
    ck_assert_uint_le(fx->core->stats.work_max, fx->core->options.turn_work);
    forget(c);
    /* All are still served. */
    say(c, "1 basic_qos global");
    for (int i = 0; i < CONSUMERS; i++)
        put(c, "1 basic_publish routing_key=q | x");
    fixture_run(fx);
    ck_assert_uint_eq(n_heard(c), CONSUMERS + 1);
    LIST_EACH(&fixture_queue(fx, "q")->consumers, node)
        ck_assert_uint_ge(CONTAINER_OF(node, struct consumer, in_queue)->n_unsettled, 1);
    fixture_free(fx);
}
END_TEST

SUITE("channel", a_soft_error_costs_its_channel_alone, closes_that_cross_are_both_answered,
      the_end_of_a_channel_returns_what_was_out_and_cancels_its_consumers,
      an_empty_queue_name_means_the_one_declared_last, delivery_tags_are_the_channels_own,
      waking_many_consumers_is_counted_and_done_in_slices)
