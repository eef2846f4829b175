// SPDX-License-Identifier: Apache-2.0
/* basic_methods.c, but what test_consumer and test_settle show already. */
#include <string.h>

#include "base/limits.h"
#include "tests/broker/core_fixture.h"

static struct fixture *fx;
static struct client *c;

static void begin(void)
{
    fx = fixture_new(0);
    c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
}

START_TEST(prefetch_is_counted_in_messages_only)
{
    begin();
    say(c, "1 basic_qos prefetch_size=1");
    heard(c,
          "0 connection_close reply_code=540 reply_text=NOT_IMPLEMENTED - prefetch_size!=0 (1) "
          "class_id=60 method_id=10",
          "order CLOSING");
    fixture_free(fx);
}
END_TEST

START_TEST(a_consumer_tag_is_made_up_or_unique)
{
    begin();
    say(c, "1 basic_consume queue=q");
    const char *line = line_heard(c, 0);
    ck_assert_int_eq(strncmp(line, "1 basic_consume_ok consumer_tag=amq.ctag-", 41), 0);
    ck_assert_uint_eq(strlen(line), 41 + 22);
    forget(c);
    say(c, "1 basic_consume queue=q consumer_tag=t");
    heard(c, "1 basic_consume_ok consumer_tag=t");
    say(c, "1 basic_consume queue=q consumer_tag=t");
    heard(c,
          "0 connection_close reply_code=530 reply_text=NOT_ALLOWED - attempt to reuse consumer "
          "tag 't' class_id=60 method_id=20",
          "order CLOSING");
    fixture_free(fx);
}
END_TEST

START_TEST(an_exclusive_consumer_is_alone)
{
    begin();
    say(c, "2 channel_open");
    say(c, "1 basic_consume queue=q consumer_tag=a exclusive");
    forget(c);
    say(c, "2 basic_consume queue=q consumer_tag=b");
    heard(c, "2 channel_close reply_code=403 reply_text=ACCESS_REFUSED - queue 'q' in vhost '/' in "
             "exclusive use class_id=60 method_id=20");
    say(c, "1 basic_cancel consumer_tag=a no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=c no_wait");
    say(c, "3 channel_open");
    forget(c);
    say(c, "3 basic_consume queue=q consumer_tag=d exclusive");
    heard(c, "3 channel_close reply_code=403 reply_text=ACCESS_REFUSED - queue 'q' in vhost '/' in "
             "exclusive use class_id=60 method_id=20");
    fixture_free(fx);
}
END_TEST

START_TEST(cancelling_what_is_not_there_is_fine)
{
    begin();
    say(c, "1 basic_cancel consumer_tag=none");
    heard(c, "1 basic_cancel_ok consumer_tag=none");
    fixture_free(fx);
}
END_TEST

START_TEST(consumers_and_gets_need_their_queue)
{
    begin();
    say(c, "1 basic_consume queue=none");
    heard(c, "1 channel_close reply_code=404 reply_text=NOT_FOUND - no queue 'none' in vhost '/' "
             "class_id=60 method_id=20");
    say(c, "2 channel_open");
    forget(c);
    say(c, "2 basic_get queue=none");
    heard(c, "2 channel_close reply_code=404 reply_text=NOT_FOUND - no queue 'none' in vhost '/' "
             "class_id=60 method_id=70");
    fixture_free(fx);
}
END_TEST

START_TEST(a_higher_priority_is_served_first)
{
    static const uint8_t TABLE[] = "\x0ax-priorityI\0\0\0\5";
    begin();
    say(c, "1 basic_qos prefetch_count=1");
    say(c, "1 basic_consume queue=q consumer_tag=low no_wait");
    struct method m = {.id = METHOD_basic_consume};
    m.basic_consume.queue = SPAN_LIT("q");
    m.basic_consume.consumer_tag = SPAN_LIT("high");
    m.basic_consume.no_wait = true;
    m.basic_consume.arguments = span_of(TABLE, sizeof(TABLE) - 1);
    put_method(c, 1, &m);
    fixture_run(fx);
    forget(c);
    for (int i = 0; i < 3; i++)
        say(c, "1 basic_publish routing_key=q | m");
    heard(c, "1 basic_deliver consumer_tag=high delivery_tag=1 routing_key=q | m",
          "1 basic_deliver consumer_tag=low delivery_tag=2 routing_key=q | m");
    say(c, "1 basic_ack delivery_tag=2 multiple");
    heard(c, "1 basic_deliver consumer_tag=high delivery_tag=3 routing_key=q | m");
    fixture_free(fx);
}
END_TEST

START_TEST(a_reached_channel_limit_holds_back_those_who_need_not_ack)
{
    begin();
    say(c, "1 queue_declare queue=other no_wait");
    say(c, "1 basic_qos prefetch_count=1 global");
    say(c, "1 basic_consume queue=q consumer_tag=acks no_wait");
    say(c, "1 basic_consume queue=other consumer_tag=not no_ack no_wait");
    forget(c);
    say(c, "1 basic_publish routing_key=other | 1");
    say(c, "1 basic_publish routing_key=other | 2");
    say(c, "1 basic_publish routing_key=q | m");
    say(c, "1 basic_publish routing_key=other | 3");
    heard(c, "1 basic_deliver consumer_tag=not delivery_tag=1 routing_key=other | 1",
          "1 basic_deliver consumer_tag=not delivery_tag=2 routing_key=other | 2",
          "1 basic_deliver consumer_tag=acks delivery_tag=3 routing_key=q | m");
    say(c, "1 basic_ack delivery_tag=3");
    heard(c, "1 basic_deliver consumer_tag=not delivery_tag=4 routing_key=other | 3");
    fixture_free(fx);
}
END_TEST

/* What consumers may have is theirs before a later method looks at the queue, in one read or not.
 */
START_TEST(a_requeue_reaches_a_waiting_consumer_before_the_next_get)
{
    begin();
    say(c, "1 basic_publish routing_key=q | a");
    say(c, "1 basic_get queue=q");
    say(c, "1 basic_consume queue=q consumer_tag=t no_wait");
    forget(c);
    put(c, "1 basic_nack delivery_tag=1 requeue");
    put(c, "1 basic_get queue=q");
    put(c, "1 queue_declare queue=q passive");
    fixture_run(fx);
    heard(c, "1 basic_deliver consumer_tag=t delivery_tag=2 redelivered routing_key=q | a",
          "1 basic_get_empty", "1 queue_declare_ok queue=q consumer_count=1");
    fixture_free(fx);
}
END_TEST

/* As in RabbitMQ each requeue is served before the next: what was given back first goes first. */
START_TEST(requeued_messages_reach_a_waiting_consumer_one_by_one)
{
    begin();
    say(c, "1 basic_consume queue=q consumer_tag=t no_wait");
    say(c, "1 basic_publish routing_key=q | a");
    say(c, "1 basic_publish routing_key=q | b");
    forget(c);
    put(c, "1 basic_reject delivery_tag=2 requeue");
    put(c, "1 basic_nack delivery_tag=1 requeue");
    fixture_run(fx);
    heard(c, "1 basic_deliver consumer_tag=t delivery_tag=3 redelivered routing_key=q | b",
          "1 basic_deliver consumer_tag=t delivery_tag=4 redelivered routing_key=q | a");
    put(c, "1 basic_nack multiple requeue"); /* at once they are in their order */
    fixture_run(fx);
    heard(c, "1 basic_deliver consumer_tag=t delivery_tag=5 redelivered routing_key=q | a",
          "1 basic_deliver consumer_tag=t delivery_tag=6 redelivered routing_key=q | b");
    fixture_free(fx);
}
END_TEST

enum { BODY_SIZE = 60000, BODIES = 100 };

/* A client that does not read asks for more than its output holds. */
static void get_unread(const char *get)
{
    static char body[BODY_SIZE];
    begin();
    for (unsigned i = 0; i < BODIES; i++)
        put_body(c, 1, "", "q", span_of(body, BODY_SIZE), BODY_SIZE, NULL);
    fixture_run(fx);
    c->stalled = true;
    for (unsigned i = 0; i < BODIES; i++)
        put(c, "%s", get);
    put(c, "1 basic_qos prefetch_count=1");
    fixture_run(fx);
    ck_assert_uint_ge(n_heard(c), OUTPUT_PENDING_MAX / BODY_SIZE);
    ck_assert_uint_le(n_heard(c), OUTPUT_PENDING_MAX / BODY_SIZE + 2);
}

START_TEST(gets_wait_while_their_output_is_full)
{
    get_unread("1 basic_get queue=q no_ack");
    c->stalled = false;
    put_sent(c);
    fixture_run(fx);
    ck_assert_uint_eq(n_heard(c), BODIES + 1);
    ck_assert_str_eq(line_heard(c, BODIES), "1 basic_qos_ok");
    fixture_free(fx);
}
END_TEST

START_TEST(a_get_that_waits_for_output_goes_with_its_connection)
{
    get_unread("1 basic_get queue=q");
    put_closed(c);
    fixture_run(fx);
    ck_assert(!c->open);
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), BODIES);
    fixture_free(fx);
}
END_TEST

SUITE("basic_methods", prefetch_is_counted_in_messages_only, a_consumer_tag_is_made_up_or_unique,
      an_exclusive_consumer_is_alone, cancelling_what_is_not_there_is_fine,
      consumers_and_gets_need_their_queue, a_higher_priority_is_served_first,
      a_reached_channel_limit_holds_back_those_who_need_not_ack,
      a_requeue_reaches_a_waiting_consumer_before_the_next_get,
      requeued_messages_reach_a_waiting_consumer_one_by_one, gets_wait_while_their_output_is_full,
      a_get_that_waits_for_output_goes_with_its_connection)
