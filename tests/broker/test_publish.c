// SPDX-License-Identifier: Apache-2.0
#include "broker/core/publish.h"

#include <stdio.h>

#include "base/limits.h"
#include "broker/core/vhost.h"
#include "tests/broker/core_fixture.h"

static struct fixture *fx;
static struct client *c;

static void begin(void)
{
    fx = fixture_new(0);
    c = fixture_connect(fx);
}

START_TEST(an_unroutable_publish_is_dropped_or_returned_before_its_confirm)
{
    begin();
    say(c, "1 confirm_select no_wait");
    put(c, "1 basic_publish routing_key=nowhere | dropped");
    put(c, "1 basic_publish routing_key=nowhere mandatory | back");
    fixture_run(fx);
    heard(c, "1 basic_ack delivery_tag=1",
          "1 basic_return reply_code=312 reply_text=NO_ROUTE routing_key=nowhere | back",
          "1 basic_ack delivery_tag=2");
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

static void check_refused(const char *line, const char *wanted)
{
    begin();
    say(c, "%s", line);
    ck_assert_str_eq(line_heard(c, 0), wanted);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}

START_TEST(a_refused_publish_closes_its_channel_or_connection)
{
    check_refused(
        "1 basic_publish exchange=none routing_key=k | x",
        "1 channel_close reply_code=404 reply_text=NOT_FOUND - no exchange 'none' in vhost "
        "'/' class_id=60 method_id=40");
    check_refused("1 basic_publish routing_key=k immediate | x",
                  "0 connection_close reply_code=540 reply_text=NOT_IMPLEMENTED - immediate=true "
                  "class_id=60 method_id=40");
    check_refused("1 basic_publish exchange=amq.rabbitmq.trace routing_key=k | x",
                  "1 channel_close reply_code=403 reply_text=ACCESS_REFUSED - cannot publish to "
                  "internal exchange 'amq.rabbitmq.trace' in vhost '/' class_id=60 method_id=40");
}
END_TEST

START_TEST(a_message_over_the_limit_is_refused)
{
    begin();
    put_body(c, 1, "", "q", SPAN_NONE, fx->message_size_max + 1, NULL);
    fixture_run(fx);
    heard(c,
          "1 channel_close reply_code=406 reply_text=PRECONDITION_FAILED - message size 16777217 "
          "is larger than configured max size 16777216 class_id=60 method_id=40");
    fixture_free(fx);
}
END_TEST

/* Each change of the topology between two publishes of the same route must be seen by the second.
 */
START_TEST(a_remembered_route_does_not_outlive_its_truth)
{
    begin();
    say(c, "1 queue_declare queue=a no_wait");
    say(c, "1 queue_declare queue=b no_wait");
    say(c, "1 queue_bind queue=a exchange=amq.topic routing_key=k no_wait");
    static const struct {
        const char *change;
        size_t a, b; /* messages in the queues after one more publish; SIZE_MAX = gone */
    } STEPS[] = {
        {"1 basic_qos", 1, 0},
        {"1 basic_qos", 2, 0},
        {"1 queue_bind queue=b exchange=amq.topic routing_key=# no_wait", 3, 1},
        {"1 queue_unbind queue=a exchange=amq.topic routing_key=k", 3, 2},
        {"1 exchange_declare exchange=x type=fanout no_wait", 3, 3},
        {"1 exchange_bind source=amq.topic destination=x routing_key=k no_wait", 3, 4},
        {"1 queue_bind queue=a exchange=x no_wait", 4, 5},
        {"1 exchange_delete exchange=x no_wait", 4, 6},
        {"1 queue_delete queue=b no_wait", 4, SIZE_MAX},
        {"1 queue_declare queue=b no_wait", 4, 0},
        {"1 queue_bind queue=b exchange=amq.topic routing_key=k no_wait", 4, 1},
    };
    for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
        say(c, "%s", STEPS[i].change);
        say(c, "1 basic_publish exchange=amq.topic routing_key=k | x");
        const struct queue *b = fixture_queue(fx, "b");
        ck_assert_msg(queue_n_ready(fixture_queue(fx, "a")) == STEPS[i].a, "after %s",
                      STEPS[i].change);
        ck_assert_msg((b == NULL ? SIZE_MAX : queue_n_ready(b)) == STEPS[i].b, "after %s",
                      STEPS[i].change);
    }
    fixture_free(fx);
}
END_TEST

START_TEST(a_fanout_shares_one_message)
{
    begin();
    for (int i = 0; i < 10; i++) {
        say(c, "1 queue_declare queue=q%d no_wait", i);
        say(c, "1 queue_bind queue=q%d exchange=amq.fanout no_wait", i);
    }
    say(c, "1 basic_publish exchange=amq.fanout | 0123456789");
    ck_assert_uint_lt(fx->core->message_bytes, 200 + 10 * QUEUE_ENTRY_BYTES);
    for (int i = 0; i < 10; i++)
        say(c, "1 basic_get queue=q%d no_ack", i);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(a_fanout_larger_than_a_turn_goes_in_slices_and_is_confirmed_once)
{
    enum { MANY = TURN_WORK_MAX + 500 };
    begin();
    for (int i = 0; i < MANY; i++) {
        put(c, "1 queue_declare queue=q%d no_wait", i);
        put(c, "1 queue_bind queue=q%d exchange=amq.fanout no_wait", i);
        if (i % 500 == 0)
            fixture_run(fx);
    }
    say(c, "1 confirm_select no_wait");
    put(c, "1 basic_publish exchange=amq.fanout | x");
    put(c, "1 queue_declare queue=q4500 passive");
    fixture_run(fx);
    heard(c, "1 basic_ack delivery_tag=1", "1 queue_declare_ok queue=q4500 message_count=1");
    for (int i = 0; i < MANY; i += 7) {
        char name[16];
        snprintf(name, sizeof(name), "q%d", i);
        if (queue_n_ready(fixture_queue(fx, name)) != 1)
            ck_abort_msg("%s has no message", name);
    }
    fixture_free(fx);
}
END_TEST

START_TEST(a_large_body_goes_home_when_its_last_reader_is_done)
{
    begin();
    say(c, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < 2; i++) {
        struct body *large = body_new(20000, 1);
        large->size = 20000;
        for (size_t k = 0; k < large->size; k++)
            large->bytes[k] = (uint8_t)k;
        put_body(c, 1, "", i == 0 ? "q" : "nowhere", SPAN_NONE, 20000, large);
    }
    fixture_run(fx);
    ck_assert_uint_eq(fx->n_bodies_home, 1); /* the unroutable one */
    say(c, "1 basic_get queue=q");
    heard(c, "1 basic_get_ok delivery_tag=1 routing_key=q | 20000 bytes");
    ck_assert_uint_eq(fx->n_bodies_home, 1);
    say(c, "1 basic_ack delivery_tag=1");
    ck_assert_uint_eq(fx->n_bodies_home, 2);
    fixture_free(fx);
}
END_TEST

START_TEST(contents_that_no_client_may_send_are_refused)
{
    begin();
    say(c, "1 basic_deliver consumer_tag=t | x");
    ck_assert_str_eq(line_heard(c, 0),
                     "0 connection_close reply_code=503 reply_text=COMMAND_INVALID"
                     " - unimplemented method class_id=60 method_id=60");
    fixture_free(fx);
}
END_TEST

SUITE("publish", an_unroutable_publish_is_dropped_or_returned_before_its_confirm,
      a_refused_publish_closes_its_channel_or_connection, a_message_over_the_limit_is_refused,
      a_remembered_route_does_not_outlive_its_truth, a_fanout_shares_one_message,
      a_fanout_larger_than_a_turn_goes_in_slices_and_is_confirmed_once,
      a_large_body_goes_home_when_its_last_reader_is_done,
      contents_that_no_client_may_send_are_refused)
