// SPDX-License-Identifier: Apache-2.0
#include "broker/core/settle.h"

#include <stdio.h>

#include "base/limits.h"
#include "tests/broker/core_fixture.h"

static struct fixture *fx;
static struct client *c;

/* Messages 1 … n in queue q, all handed out by basic.get. */
static void begin(unsigned n)
{
    fx = fixture_new(0);
    c = fixture_connect(fx);
    hand_out(c, n);
}

static size_t n_unsettled(void)
{
    return fixture_queue(fx, "q")->n_unsettled;
}

START_TEST(an_ack_is_for_one_or_for_all_up_to_it)
{
    begin(6);
    say(c, "1 basic_ack delivery_tag=2");
    ck_assert_uint_eq(n_unsettled(), 5);
    say(c, "1 basic_ack delivery_tag=4 multiple");
    ck_assert_uint_eq(n_unsettled(), 2);
    say(c, "1 basic_ack multiple");
    ck_assert_uint_eq(n_unsettled(), 0);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    say(c, "1 basic_ack multiple");
    heard_nothing(c); /* tag 0 with nothing outstanding is fine */
    fixture_free(fx);
}
END_TEST

START_TEST(a_drop_drops_and_a_requeue_requeues)
{
    begin(4);
    say(c, "1 basic_reject delivery_tag=1");
    say(c, "1 basic_nack delivery_tag=3 multiple requeue");
    say(c, "1 basic_nack delivery_tag=4");
    ck_assert_uint_eq(n_unsettled(), 0);
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 2);
    say(c, "1 basic_get queue=q");
    heard(c, "1 basic_get_ok delivery_tag=5 redelivered routing_key=q message_count=1 | 2");
    fixture_free(fx);
}
END_TEST

static void check_unknown(const char *what, unsigned tag, unsigned method_id)
{
    char wanted[200];
    begin(2);
    say(c, "1 basic_ack delivery_tag=1");
    say(c, "%s", what);
    snprintf(wanted, sizeof(wanted),
             "1 channel_close reply_code=406 reply_text=PRECONDITION_FAILED - unknown delivery tag "
             "%u class_id=60 method_id=%u",
             tag, method_id);
    heard(c, wanted);
    /* The channel's end returned what was out. */
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 1);
    fixture_free(fx);
}

START_TEST(an_unknown_tag_closes_the_channel)
{
    check_unknown("1 basic_ack delivery_tag=1", 1, 80);
    check_unknown("1 basic_ack delivery_tag=3", 3, 80);
    check_unknown("1 basic_ack delivery_tag=3 multiple", 3, 80);
    check_unknown("1 basic_ack", 0, 80);
    check_unknown("1 basic_nack delivery_tag=9 requeue", 9, 120);
    check_unknown("1 basic_reject delivery_tag=1", 1, 90);
}
END_TEST

START_TEST(many_at_once_are_settled_in_slices)
{
    enum { MANY = 3 * TURN_WORK_MAX };
    begin(MANY);
    put(c, "1 basic_nack multiple requeue");
    put(c, "1 basic_get queue=q");
    fixture_step(fx);
    ck_assert_uint_gt(n_unsettled(), 0); /* not in one turn */
    heard_nothing(c);                    /* and what came behind it waits */
    fixture_run(fx);
    heard(c, "1 basic_get_ok delivery_tag=12289 redelivered routing_key=q message_count=12287 | 1");
    ck_assert_uint_le(fx->core->stats.work_max, TURN_WORK_MAX);
    fixture_free(fx);
}
END_TEST

START_TEST(other_channels_go_on_between_the_slices)
{
    enum { MANY = 4 * TURN_WORK_MAX };
    begin(MANY);
    say(c, "2 channel_open");
    forget(c);
    put(c, "1 basic_nack multiple requeue");
    put(c, "1 basic_qos prefetch_count=1");
    put(c, "2 basic_qos prefetch_count=1");
    while (n_heard(c) == 0)
        fixture_step(fx);
    heard(c, "2 basic_qos_ok");
    fixture_run(fx);
    heard(c, "1 basic_qos_ok");
    fixture_free(fx);
}
END_TEST

START_TEST(recover_requeues_everything_of_the_channel)
{
    begin(3);
    say(c, "1 basic_ack delivery_tag=2");
    say(c, "1 basic_recover requeue");
    heard(c, "1 basic_recover_ok");
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 2);
    say(c, "1 basic_recover_async requeue");
    heard_nothing(c);
    say(c, "1 basic_recover");
    ck_assert_uint_eq(n_heard(c), 2);
    ck_assert_str_eq(line_heard(c, 0),
                     "0 connection_close reply_code=540 reply_text=NOT_IMPLEMENTED"
                     " - requeue=false class_id=60 method_id=110");
    fixture_free(fx);
}
END_TEST

SUITE("settle", an_ack_is_for_one_or_for_all_up_to_it, a_drop_drops_and_a_requeue_requeues,
      an_unknown_tag_closes_the_channel, many_at_once_are_settled_in_slices,
      other_channels_go_on_between_the_slices, recover_requeues_everything_of_the_channel)
