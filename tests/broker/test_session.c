// SPDX-License-Identifier: Apache-2.0
#include "broker/core/session.h"

#include <string.h>

#include "base/limits.h"
#include "broker/core/vhost.h"
#include "tests/broker/core_fixture.h"

START_TEST(exclusive_queues_are_gone_before_close_ok)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=e exclusive no_wait");
    for (int i = 0; i < 200; i++)
        put(c, "1 queue_declare queue=e%d exclusive no_wait", i);
    fixture_run(fx);
    put(c, "0 connection_close reply_code=200");
    while (n_heard(c) == 0)
        fixture_step(fx);
    ck_assert_uint_eq(fx->core->vhost->queues.n, 0);
    heard(c, "0 connection_close_ok", "order CLOSE");
    fixture_free(fx);
}
END_TEST

START_TEST(close_ok_waits_for_parked_work_and_owed_replies)
{
    enum { MANY = 3 * TURN_WORK_MAX };
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    hand_out(c, MANY);
    fx->store_held = true;
    put(c, "1 basic_recover requeue");
    put(c, "1 queue_declare queue=d durable");
    put(c, "0 connection_close reply_code=200");
    fixture_run(fx);
    heard(c, "1 basic_recover_ok");
    fx->store_held = false;
    fixture_run(fx);
    heard(c, "1 queue_declare_ok queue=d", "0 connection_close_ok", "order CLOSE");
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), MANY);
    fixture_free(fx);
}
END_TEST

START_TEST(a_hard_error_closes_the_connection_and_the_rest_is_dropped)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    struct client *d = fixture_connect(fx);
    say(c, "1 queue_declare queue=e exclusive no_wait");
    put(c, "5 queue_declare queue=x");
    put(c, "1 queue_declare queue=y");
    fixture_run(fx);
    heard(c,
          "0 connection_close reply_code=504 reply_text=CHANNEL_ERROR - expected 'channel.open' "
          "class_id=50 method_id=10",
          "order CLOSING");
    ck_assert_ptr_null(fixture_queue(fx, "y"));
    ck_assert_ptr_null(fixture_queue(fx, "e"));
    say(c, "0 connection_close_ok");
    heard(c, "order CLOSE");
    put_closed(c);
    fixture_run(fx);
    heard(c, "order RELEASED");
    say(d, "1 queue_declare queue=z");
    heard(d, "1 queue_declare_ok queue=z");
    fixture_free(fx);
}
END_TEST

START_TEST(both_sides_may_close_at_once)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    core_shutdown(fx->core);
    fixture_run(fx);
    heard(c,
          "0 connection_close reply_code=320 reply_text=CONNECTION_FORCED - broker forced "
          "connection closure with reason 'shutdown'",
          "order CLOSING");
    say(c, "0 connection_close reply_code=200");
    heard(c, "0 connection_close_ok", "order CLOSE");
    fixture_free(fx);
}
END_TEST

START_TEST(a_framing_fault_is_answered_with_its_text)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    put_fault(c, REPLY_FRAME_ERROR, "something");
    fixture_run(fx);
    heard(c, "0 connection_close reply_code=501 reply_text=FRAME_ERROR - something",
          "order CLOSING");
    put_closed(c);
    fixture_run(fx);
    heard(c, "order RELEASED");
    fixture_free(fx);
}
END_TEST

/* The socket goes at any moment: whatever the session held is given back. */
START_TEST(a_lost_socket_gives_everything_back)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    struct client *d = fixture_connect(fx);
    say(d, "1 queue_declare queue=q no_wait");
    say(c, "1 queue_declare queue=e exclusive no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=t no_wait");
    say(c, "2 channel_open");
    say(c, "2 tx_select");
    say(c, "2 basic_publish routing_key=q | never");
    for (int i = 0; i < 5; i++)
        say(d, "1 basic_publish routing_key=q | m");
    c->stalled = true;
    put_closed(c);
    fixture_run(fx);
    ck_assert(!c->open);
    const struct queue *q = fixture_queue(fx, "q");
    ck_assert_uint_eq(queue_n_ready(q), 5);
    ck_assert_uint_eq(q->n_unsettled, 0);
    ck_assert_uint_eq(q->n_consumers, 0);
    ck_assert_uint_eq(fx->core->vhost->queues.n, 1);
    say(d, "1 basic_get queue=q");
    heard(d, "1 basic_get_ok delivery_tag=1 redelivered routing_key=q message_count=4 | m");
    fixture_free(fx);
}
END_TEST

START_TEST(many_things_are_given_back_in_slices)
{
    enum { MANY = 3 * TURN_WORK_MAX };
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < MANY; i++)
        put(c, "1 basic_publish routing_key=q | x");
    fixture_run(fx);
    say(c, "1 basic_consume queue=q consumer_tag=t no_wait");
    forget(c);
    ck_assert_uint_eq(fixture_queue(fx, "q")->n_unsettled, MANY);
    put_closed(c);
    fixture_step(fx);
    ck_assert(c->open);
    fixture_run(fx);
    ck_assert(!c->open);
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), MANY);
    ck_assert_uint_le(fx->core->stats.work_max, TURN_WORK_MAX);
    fixture_free(fx);
}
END_TEST

START_TEST(channel_zero_knows_its_own_methods_only)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "0 connection_update_secret new_secret=s reason=r");
    heard(c, "0 connection_update_secret_ok");
    say(c, "0 queue_declare queue=q");
    ck_assert_uint_eq(n_heard(c), 2);
    ck_assert_ptr_nonnull(strstr(line_heard(c, 0), "0 connection_close reply_code=50"));
    fixture_free(fx);
}
END_TEST

START_TEST(no_more_channels_than_agreed)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    for (int i = 2; i <= 2047; i++)
        put(c, "%d channel_open", i);
    fixture_run(fx);
    ck_assert_uint_eq(n_heard(c), 2046);
    forget(c);
    say(c, "2048 channel_open");
    ck_assert_int_eq(strncmp(line_heard(c, 0), "0 connection_close reply_code=530", 33), 0);
    fixture_free(fx);
}
END_TEST

SUITE("session", exclusive_queues_are_gone_before_close_ok,
      close_ok_waits_for_parked_work_and_owed_replies,
      a_hard_error_closes_the_connection_and_the_rest_is_dropped, both_sides_may_close_at_once,
      a_framing_fault_is_answered_with_its_text, a_lost_socket_gives_everything_back,
      many_things_are_given_back_in_slices, channel_zero_knows_its_own_methods_only,
      no_more_channels_than_agreed)
