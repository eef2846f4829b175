// SPDX-License-Identifier: Apache-2.0
#include "broker/core/pacing.h"

#include "base/limits.h"
#include "tests/broker/core_fixture.h"

enum { MESSAGES = 16, BACKLOG = MESSAGES / 2, LET_GO = BACKLOG / 2, PREFETCH = 2 };

static struct fixture *fx;
static struct client *consumer;
static struct client *publisher;

static void begin(void)
{
    fx = fixture_new(0);
    fx->core->options.pacing_messages = MESSAGES;
    fx->now_ns = 1000000000;
    consumer = fixture_connect(fx);
    publisher = fixture_connect(fx);
    say(consumer, "1 queue_declare queue=q no_wait");
}

static void consume(struct client *c)
{
    say(c, "1 basic_qos prefetch_count=%d", PREFETCH);
    say(c, "1 basic_consume queue=q consumer_tag=t");
    forget(c);
}

static void flood(struct client *c, int n)
{
    for (int i = 0; i < n; i++)
        put(c, "1 basic_publish routing_key=q | x");
    fixture_run(fx);
}

/* Acknowledges the first delivery, so that one more is taken from the backlog. */
static void take_one(void)
{
    static uint64_t tag;
    const struct session *s = fx->core->links[consumer->link].sessions[consumer->conn.index];
    const struct channel *ch = CONTAINER_OF(s->channel_list.next, struct channel, in_session);
    tag = ch->last_tag - ch->unsettled.n + 1;
    say(consumer, "1 basic_ack delivery_tag=%llu", (unsigned long long)tag);
}

/* The first message of a backlog has just been taken. */
static void flood_behind(void)
{
    consume(consumer);
    flood(publisher, PREFETCH + BACKLOG + 1);
    take_one();
    heard_nothing(publisher);
}

START_TEST(a_publisher_ahead_of_a_consumer_is_throttled_until_it_has_caught_up)
{
    begin();
    flood_behind();
    flood(publisher, MESSAGES - 1);
    heard_nothing(publisher);
    flood(publisher, 1);
    heard(publisher, "order THROTTLE");
    while (queue_n_ready(fixture_queue(fx, "q")) > LET_GO) {
        heard_nothing(publisher);
        take_one();
    }
    heard(publisher, "order UNTHROTTLE");
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), LET_GO);
    /* It begins anew. */
    flood(publisher, BACKLOG - LET_GO + MESSAGES - 1);
    heard_nothing(publisher);
    flood(publisher, 1);
    heard(publisher, "order THROTTLE");
    fixture_free(fx);
}
END_TEST

START_TEST(large_messages_count_by_their_size)
{
    enum { SIZE = PACING_BYTES / 4 };
    begin();
    flood_behind();
    for (int i = 0; i < 4; i++) {
        heard_nothing(publisher);
        flood(publisher, 1);
        struct body *large = body_new(SIZE, publisher->link);
        while (large->capacity < SIZE)
            ck_assert_int_eq(body_grow(&large, SIZE), OK);
        large->size = SIZE;
        put_body(publisher, 1, "", "q", SPAN_NONE, SIZE, large);
        fixture_run(fx);
    }
    heard(publisher, "order THROTTLE");
    fixture_free(fx);
}
END_TEST

START_TEST(nobody_is_throttled_for_a_queue_from_which_nobody_takes)
{
    begin();
    flood(publisher, 4 * MESSAGES);
    consume(consumer);
    forget(publisher);
    fx->now_ns += PACING_THROTTLE_NS + 1;
    flood(publisher, 4 * MESSAGES);
    heard_nothing(publisher);
    /* Now somebody does. */
    take_one();
    flood(publisher, MESSAGES);
    heard(publisher, "order THROTTLE");
    fixture_free(fx);
}
END_TEST

START_TEST(nobody_is_throttled_who_may_have_to_acknowledge)
{
    begin();
    flood_behind();
    flood(consumer, 4 * MESSAGES);
    for (size_t i = 0; i < n_heard(consumer); i++)
        ck_assert_str_ne(line_heard(consumer, i), "order THROTTLE");
    say(publisher, "2 channel_open");
    say(publisher, "2 basic_get queue=q");
    forget(publisher);
    flood(publisher, 4 * MESSAGES);
    heard_nothing(publisher);
    say(publisher, "2 basic_ack delivery_tag=1");
    flood(publisher, MESSAGES);
    heard(publisher, "order THROTTLE");
    fixture_free(fx);
}
END_TEST

START_TEST(the_end_of_a_backlog_lets_go)
{
    begin();
    flood_behind();
    flood(publisher, MESSAGES + 1);
    heard(publisher, "order THROTTLE");
    say(consumer, "1 queue_purge queue=q no_wait");
    heard(publisher, "order UNTHROTTLE");
    flood(publisher, BACKLOG + 1);
    take_one();
    flood(publisher, MESSAGES + 1);
    heard(publisher, "order THROTTLE");
    say(consumer, "1 queue_delete queue=q no_wait");
    heard(publisher, "order UNTHROTTLE");
    fixture_free(fx);
}
END_TEST

START_TEST(a_throttled_session_may_end)
{
    begin();
    flood_behind();
    flood(publisher, MESSAGES + 1);
    heard(publisher, "order THROTTLE");
    put_closed(publisher);
    fixture_run(fx);
    ck_assert(list_empty(&fixture_queue(fx, "q")->throttled));
    while (queue_n_ready(fixture_queue(fx, "q")) != 0)
        take_one();
    fixture_free(fx);
}
END_TEST

START_TEST(many_are_let_go_in_slices)
{
    enum { PUBLISHERS = 6 };
    struct client *publishers[PUBLISHERS];
    begin();
    flood_behind();
    for (int i = 0; i < PUBLISHERS; i++) {
        publishers[i] = i == 0 ? publisher : fixture_connect(fx);
        flood(publishers[i], MESSAGES + 1);
        heard(publishers[i], "order THROTTLE");
    }
    struct queue *q = fixture_queue(fx, "q");
    fx->core->work = 2;
    pacing_let_go(q);
    ck_assert_uint_eq(fx->core->work, 0);
    fixture_run(fx);
    heard(publishers[0], "order UNTHROTTLE");
    heard(publishers[1], "order UNTHROTTLE");
    heard_nothing(publishers[2]);
    /* Its end lets go of all, however little a turn can do. */
    fx->core->options.turn_work = 16;
    say(consumer, "1 queue_delete queue=q no_wait");
    for (int i = 2; i < PUBLISHERS; i++)
        heard(publishers[i], "order UNTHROTTLE");
    fixture_free(fx);
}
END_TEST

START_TEST(a_commit_counts_like_any_publish)
{
    begin();
    flood_behind();
    say(publisher, "1 tx_select");
    forget(publisher);
    flood(publisher, MESSAGES);
    heard_nothing(publisher);
    say(publisher, "1 tx_commit");
    heard(publisher, "order THROTTLE", "1 tx_commit_ok");
    fixture_free(fx);
}
END_TEST

START_TEST(a_publish_to_many_queues_counts_like_any)
{
    enum { QUEUES = 40 };
    begin();
    say(consumer, "1 queue_bind queue=q exchange=amq.fanout no_wait");
    for (int i = 0; i < QUEUES; i++) {
        say(consumer, "1 queue_declare queue=q%d no_wait", i);
        say(consumer, "1 queue_bind queue=q%d exchange=amq.fanout no_wait", i);
    }
    flood_behind();
    fx->core->options.turn_work = QUEUES;
    for (int i = 0; i < MESSAGES; i++) {
        heard_nothing(publisher);
        say(publisher, "1 basic_publish exchange=amq.fanout | x");
    }
    heard(publisher, "order THROTTLE");
    fixture_free(fx);
}
END_TEST

SUITE("pacing", a_publisher_ahead_of_a_consumer_is_throttled_until_it_has_caught_up,
      large_messages_count_by_their_size, nobody_is_throttled_for_a_queue_from_which_nobody_takes,
      nobody_is_throttled_who_may_have_to_acknowledge, the_end_of_a_backlog_lets_go,
      a_throttled_session_may_end, many_are_let_go_in_slices, a_commit_counts_like_any_publish,
      a_publish_to_many_queues_counts_like_any)
