// SPDX-License-Identifier: Apache-2.0
#include "broker/core/consumer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/rng.h"
#include "tests/broker/core_fixture.h"

static void publish_numbers(struct client *c, const char *queue, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++)
        put(c, "1 basic_publish routing_key=%s | %u", queue, i);
    fixture_run(c->fx);
}

START_TEST(what_waits_is_delivered_after_consume_ok)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    publish_numbers(c, "q", 1, 2);
    say(c, "1 basic_consume queue=q consumer_tag=t");
    publish_numbers(c, "q", 3, 3);
    heard(c, "1 basic_consume_ok consumer_tag=t",
          "1 basic_deliver consumer_tag=t delivery_tag=1 routing_key=q | 1",
          "1 basic_deliver consumer_tag=t delivery_tag=2 routing_key=q | 2",
          "1 basic_deliver consumer_tag=t delivery_tag=3 routing_key=q | 3");
    fixture_free(fx);
}
END_TEST

/* consume-ok waits behind a declare-ok that waits for the disk; no delivery may overtake it. */
START_TEST(no_delivery_overtakes_its_consume_ok)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    fx->store_held = true;
    say(c, "1 queue_declare queue=q durable");
    say(c, "1 basic_consume queue=q consumer_tag=t no_ack");
    publish_numbers(c, "q", 1, 2);
    heard_nothing(c);
    fx->store_held = false;
    fixture_run(fx);
    heard(c, "1 queue_declare_ok queue=q", "1 basic_consume_ok consumer_tag=t",
          "1 basic_deliver consumer_tag=t delivery_tag=1 routing_key=q | 1",
          "1 basic_deliver consumer_tag=t delivery_tag=2 routing_key=q | 2");
    fixture_free(fx);
}
END_TEST

START_TEST(consumers_take_turns)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=a no_wait no_ack");
    say(c, "1 basic_consume queue=q consumer_tag=b no_wait no_ack");
    say(c, "1 basic_consume queue=q consumer_tag=c no_wait no_ack");
    publish_numbers(c, "q", 1, 5);
    heard(c, "1 basic_deliver consumer_tag=a delivery_tag=1 routing_key=q | 1",
          "1 basic_deliver consumer_tag=b delivery_tag=2 routing_key=q | 2",
          "1 basic_deliver consumer_tag=c delivery_tag=3 routing_key=q | 3",
          "1 basic_deliver consumer_tag=a delivery_tag=4 routing_key=q | 4",
          "1 basic_deliver consumer_tag=b delivery_tag=5 routing_key=q | 5");
    fixture_free(fx);
}
END_TEST

START_TEST(a_full_consumer_is_passed_over_and_comes_back)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_qos prefetch_count=1");
    say(c, "1 basic_consume queue=q consumer_tag=a no_wait");
    say(c, "1 basic_qos prefetch_count=2");
    say(c, "1 basic_consume queue=q consumer_tag=b no_wait");
    publish_numbers(c, "q", 1, 5);
    heard(c, "1 basic_qos_ok", "1 basic_qos_ok",
          "1 basic_deliver consumer_tag=a delivery_tag=1 routing_key=q | 1",
          "1 basic_deliver consumer_tag=b delivery_tag=2 routing_key=q | 2",
          "1 basic_deliver consumer_tag=b delivery_tag=3 routing_key=q | 3");
    say(c, "1 basic_ack delivery_tag=3");
    heard(c, "1 basic_deliver consumer_tag=b delivery_tag=4 routing_key=q | 4");
    say(c, "1 basic_ack delivery_tag=1");
    heard(c, "1 basic_deliver consumer_tag=a delivery_tag=5 routing_key=q | 5");
    fixture_free(fx);
}
END_TEST

START_TEST(a_consumer_keeps_the_prefetch_of_its_beginning)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_qos prefetch_count=1");
    say(c, "1 basic_consume queue=q consumer_tag=a no_wait");
    say(c, "1 basic_qos prefetch_count=10");
    publish_numbers(c, "q", 1, 3);
    heard(c, "1 basic_qos_ok", "1 basic_qos_ok",
          "1 basic_deliver consumer_tag=a delivery_tag=1 routing_key=q | 1");
    fixture_free(fx);
}
END_TEST

/* RabbitMQ's trap: a limit per consumer, said after the channel's, takes the channel's away. */
START_TEST(a_limit_per_consumer_takes_the_channels_away)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_qos prefetch_count=1 global");
    say(c, "1 basic_consume queue=q consumer_tag=a no_wait");
    publish_numbers(c, "q", 1, 4);
    heard(c, "1 basic_qos_ok", "1 basic_deliver consumer_tag=a delivery_tag=1 routing_key=q | 1");
    say(c, "1 basic_qos prefetch_count=2");
    heard(c, "1 basic_qos_ok", "1 basic_deliver consumer_tag=a delivery_tag=2 routing_key=q | 2",
          "1 basic_deliver consumer_tag=a delivery_tag=3 routing_key=q | 3",
          "1 basic_deliver consumer_tag=a delivery_tag=4 routing_key=q | 4");
    fixture_free(fx);
}
END_TEST

START_TEST(both_limits_hold_when_the_channels_comes_last)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_qos prefetch_count=2");
    say(c, "1 basic_qos prefetch_count=3 global");
    say(c, "1 basic_consume queue=q consumer_tag=a no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=b no_wait");
    publish_numbers(c, "q", 1, 6);
    heard(c, "1 basic_qos_ok", "1 basic_qos_ok",
          "1 basic_deliver consumer_tag=a delivery_tag=1 routing_key=q | 1",
          "1 basic_deliver consumer_tag=b delivery_tag=2 routing_key=q | 2",
          "1 basic_deliver consumer_tag=a delivery_tag=3 routing_key=q | 3");
    say(c, "1 basic_ack delivery_tag=1");
    ck_assert_uint_eq(n_heard(c), 1);
    forget(c);
    say(c, "1 basic_ack multiple");
    ck_assert_uint_eq(n_heard(c), 2);
    fixture_free(fx);
}
END_TEST

/* What basic.get handed out counts against no limit. */
START_TEST(a_get_does_not_count_against_the_channels_limit)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_qos prefetch_count=1 global");
    publish_numbers(c, "q", 1, 3);
    say(c, "1 basic_get queue=q");
    forget(c);
    say(c, "1 basic_consume queue=q consumer_tag=a no_wait");
    heard(c, "1 basic_deliver consumer_tag=a delivery_tag=2 routing_key=q | 2");
    say(c, "1 basic_ack delivery_tag=1");
    heard_nothing(c);
    say(c, "1 basic_ack delivery_tag=2");
    heard(c, "1 basic_deliver consumer_tag=a delivery_tag=3 routing_key=q | 3");
    fixture_free(fx);
}
END_TEST

START_TEST(no_ack_consumers_know_no_limit)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_qos prefetch_count=1");
    say(c, "1 basic_qos prefetch_count=1 global");
    say(c, "1 basic_consume queue=q consumer_tag=a no_ack no_wait");
    forget(c);
    publish_numbers(c, "q", 1, 50);
    ck_assert_uint_eq(n_heard(c), 50);
    fixture_free(fx);
}
END_TEST

START_TEST(after_cancel_ok_nothing_is_delivered_and_old_tags_still_settle)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=a no_wait");
    publish_numbers(c, "q", 1, 2);
    forget(c);
    say(c, "1 basic_cancel consumer_tag=a");
    heard(c, "1 basic_cancel_ok consumer_tag=a");
    publish_numbers(c, "q", 3, 3);
    heard_nothing(c);
    ck_assert_uint_eq(fx->core->consumers.n, 1); /* its unsettled entries still name it */
    say(c, "1 basic_ack delivery_tag=1");
    say(c, "1 basic_reject delivery_tag=2 requeue");
    ck_assert_uint_eq(fx->core->consumers.n, 0);
    say(c, "1 basic_get queue=q");
    heard(c, "1 basic_get_ok delivery_tag=3 redelivered routing_key=q message_count=1 | 2");
    fixture_free(fx);
}
END_TEST

START_TEST(a_cancelled_consumer_with_unsettled_messages_still_counts_for_the_channel)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_qos prefetch_count=2 global");
    say(c, "1 basic_consume queue=q consumer_tag=a no_wait");
    publish_numbers(c, "q", 1, 4);
    say(c, "1 basic_cancel consumer_tag=a no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=b no_wait");
    forget(c);
    say(c, "1 basic_ack delivery_tag=1");
    heard(c, "1 basic_deliver consumer_tag=b delivery_tag=3 routing_key=q | 3");
    fixture_free(fx);
}
END_TEST

START_TEST(a_deleted_queue_tells_its_consumers)
{
    struct fixture *fx = fixture_new(0);
    struct client *a = fixture_connect(fx);
    struct client *b = fixture_connect(fx);
    say(a, "1 queue_declare queue=q no_wait");
    say(a, "1 basic_consume queue=q consumer_tag=t no_wait");
    publish_numbers(a, "q", 1, 1);
    forget(a);
    say(b, "1 queue_delete queue=q");
    heard(b, "1 queue_delete_ok");
    heard(a, "1 basic_cancel consumer_tag=t no_wait");
    say(a, "1 basic_nack delivery_tag=1 requeue");
    heard_nothing(a);
    ck_assert_uint_eq(fx->core->queues.n, 0);
    ck_assert_uint_eq(fx->core->consumers.n, 0);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

/* Its consumers are cancelled in slices, by the queue's end and by the channel's. */
START_TEST(a_failed_channel_hears_nothing_more_of_its_consumers)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    fx->core->options.turn_work = 16;
    say(c, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < 60; i++)
        say(c, "1 basic_consume queue=q consumer_tag=t%d no_wait", i);
    forget(c);
    put(c, "1 queue_delete queue=q no_wait");
    say(c, "1 basic_get queue=q");
    ck_assert_int_eq(strncmp(line_heard(c, n_heard(c) - 1), "1 channel_close ", 16), 0);
    ck_assert_uint_eq(fx->core->consumers.n, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(an_auto_delete_queue_goes_with_its_last_consumer)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    forget(c);
    say(c, "2 channel_open");
    say(c, "2 queue_declare queue=q2 auto_delete no_wait");
    say(c, "2 basic_consume queue=q2 consumer_tag=a no_wait");
    say(c, "2 basic_consume queue=q2 consumer_tag=b no_wait");
    say(c, "2 basic_cancel consumer_tag=a no_wait");
    ck_assert_ptr_nonnull(fixture_queue(fx, "q2"));
    say(c, "2 basic_cancel consumer_tag=b no_wait");
    ck_assert_ptr_null(fixture_queue(fx, "q2"));
    fixture_free(fx);
}
END_TEST

/* A consumer whose connection does not read is no longer fed, and others get what it would have. */
START_TEST(a_connection_that_does_not_read_holds_a_bounded_amount)
{
    struct fixture *fx = fixture_new(0);
    struct client *slow = fixture_connect(fx);
    struct client *fast = fixture_connect(fx);
    static char body[4001];
    memset(body, 'x', 4000);
    say(fast, "1 queue_declare queue=q no_wait");
    slow->stalled = true;
    say(slow, "1 basic_consume queue=q consumer_tag=s no_ack no_wait");
    for (int i = 0; i < 600; i++)
        put_body(fast, 1, "", "q", span_str(body), 4000, NULL);
    fixture_run(fx);
    size_t n_slow = n_heard(slow);
    ck_assert_uint_ge(n_slow, OUTPUT_PENDING_MAX / 4200 / 2);
    ck_assert_uint_le(n_slow, OUTPUT_PENDING_MAX / 4000 + 2);
    say(fast, "1 basic_consume queue=q consumer_tag=f no_ack no_wait");
    ck_assert_uint_eq(n_heard(fast) + n_slow, 600);
    ck_assert_uint_eq(n_heard(slow), n_slow);
    /* Once its socket has taken what was sent, it is served again. */
    put_sent(slow);
    fixture_run(fx);
    for (int i = 0; i < 10; i++)
        put_body(fast, 1, "", "q", span_str(body), 4000, NULL);
    fixture_run(fx);
    ck_assert_uint_eq(n_heard(slow), n_slow + 5);
    fixture_free(fx);
}
END_TEST

static void consume(struct client *c, const char *tag, uint8_t priority)
{
    uint8_t arguments[16] = "\x0ax-priorityI\0\0\0";
    arguments[sizeof(arguments) - 1] = priority;
    struct method m = {.id = METHOD_basic_consume};
    m.basic_consume = (struct amqp_basic_consume){
        .queue = SPAN_LIT("q"),
        .consumer_tag = span_str(tag),
        .no_ack = true,
        .no_wait = true,
        .arguments = span_of(arguments, sizeof(arguments)),
    };
    put_method(c, 1, &m);
    fixture_run(c->fx);
}

/* Against a search for the highest priority, and in it for whoever has waited longest. */
START_TEST(the_highest_priority_is_served_first_and_equals_take_turns)
{
    enum { N = 40, STEPS = 2000 };
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    struct rng rng = {7};
    int priority[N]; /* -1 = no such consumer */
    unsigned turn[N];
    unsigned tag = 0;
    char text[96];
    for (unsigned i = 0; i < N; i++)
        priority[i] = -1;
    say(c, "1 queue_declare queue=q no_wait");
    forget(c);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned best = N;
        for (unsigned i = 0; i < N; i++)
            if (priority[i] >= 0 && (best == N || priority[i] > priority[best] ||
                                     (priority[i] == priority[best] && turn[i] < turn[best])))
                best = i;
        unsigned i = best;
        if (best != N && rng_below(&rng, 3) != 0) {
            say(c, "1 basic_publish routing_key=q | x");
            snprintf(text, sizeof(text),
                     "1 basic_deliver consumer_tag=t%u delivery_tag=%u routing_key=q | x", best,
                     ++tag);
            heard(c, text);
        } else {
            i = (unsigned)rng_below(&rng, N);
            snprintf(text, sizeof(text), "t%u", i);
            if (priority[i] >= 0)
                say(c, "1 basic_cancel consumer_tag=%s no_wait", text);
            priority[i] = priority[i] >= 0 ? -1 : (int)rng_below(&rng, 8);
            if (priority[i] >= 0)
                consume(c, text, (uint8_t)priority[i]);
        }
        turn[i] = step;
    }
    fixture_free(fx);
}
END_TEST

/* Processor time of 1,000 deliveries to two consumers, with `n` ready ones of lower priority. */
static double delivery_seconds(unsigned n)
{
    struct fixture *fx = fixture_new(0);
    struct client *low = fixture_connect(fx);
    struct client *high = fixture_connect(fx);
    say(low, "1 queue_declare queue=q no_wait");
    for (unsigned i = 0; i < n; i++)
        put(low, "1 basic_consume queue=q consumer_tag=t%u no_ack no_wait", i);
    fixture_run(fx);
    consume(high, "a", 9);
    consume(high, "b", 9);
    for (unsigned i = 0; i < 1000; i++)
        put(low, "1 basic_publish routing_key=q | x");
    for (unsigned i = 0; i < FIXTURE_LINKS; i++)
        ring_publish(&fx->links[i].in);
    clock_t from = clock();
    core_step(fx->core);
    clock_t till = clock();
    ck_assert_uint_eq(fx->core->stats.delivered, 1000);
    fixture_run(fx);
    forget(low);
    forget(high);
    fixture_free(fx);
    return (double)(till - from) / CLOCKS_PER_SEC;
}

/* Deliberate: measured by the clock, for the number of consumers is what nothing counts. It once
 * took some hundred times as long. */
START_TEST(a_delivery_does_not_cost_more_for_others_that_are_ready)
{
    double few = delivery_seconds(10);
    double many = delivery_seconds(15000);
    ck_assert_double_lt(many, few * 10 + 0.02);
}
END_TEST

SUITE("consumer", a_failed_channel_hears_nothing_more_of_its_consumers,
      what_waits_is_delivered_after_consume_ok, no_delivery_overtakes_its_consume_ok,
      consumers_take_turns, a_full_consumer_is_passed_over_and_comes_back,
      a_consumer_keeps_the_prefetch_of_its_beginning, a_limit_per_consumer_takes_the_channels_away,
      both_limits_hold_when_the_channels_comes_last,
      a_get_does_not_count_against_the_channels_limit, no_ack_consumers_know_no_limit,
      after_cancel_ok_nothing_is_delivered_and_old_tags_still_settle,
      a_cancelled_consumer_with_unsettled_messages_still_counts_for_the_channel,
      a_deleted_queue_tells_its_consumers, an_auto_delete_queue_goes_with_its_last_consumer,
      a_connection_that_does_not_read_holds_a_bounded_amount,
      the_highest_priority_is_served_first_and_equals_take_turns,
      a_delivery_does_not_cost_more_for_others_that_are_ready)
