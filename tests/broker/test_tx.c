// SPDX-License-Identifier: Apache-2.0
#include "broker/core/tx.h"

#include <string.h>

#include "base/limits.h"
#include "tests/broker/core_fixture.h"

static struct fixture *fx;
static struct client *c;
static struct client *other;

static void begin(void)
{
    fx = fixture_new(0);
    c = fixture_connect(fx);
    other = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 queue_declare queue=d durable no_wait");
    say(c, "1 tx_select");
    heard(c, "1 tx_select_ok");
}

static size_t n_ready(const char *queue)
{
    return queue_n_ready(fixture_queue(fx, queue));
}

START_TEST(a_publish_is_in_its_queue_after_commit_and_not_before)
{
    begin();
    say(c, "1 basic_publish routing_key=q | 1");
    say(c, "1 basic_publish routing_key=q | 2");
    ck_assert_uint_eq(n_ready("q"), 0);
    say(c, "1 tx_commit");
    heard(c, "1 tx_commit_ok");
    ck_assert_uint_eq(n_ready("q"), 2);
    say(c, "1 basic_publish routing_key=q | 3");
    say(c, "1 tx_rollback");
    heard(c, "1 tx_rollback_ok");
    say(c, "1 tx_commit");
    heard(c, "1 tx_commit_ok");
    ck_assert_uint_eq(n_ready("q"), 2);
    say(other, "1 basic_get queue=q no_ack");
    say(other, "1 basic_get queue=q no_ack");
    heard(other, "1 basic_get_ok delivery_tag=1 routing_key=q message_count=1 | 1",
          "1 basic_get_ok delivery_tag=2 routing_key=q | 2");
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(a_settlement_is_done_after_commit_and_undone_by_rollback)
{
    begin();
    for (int i = 0; i < 3; i++)
        say(other, "1 basic_publish routing_key=q | m");
    for (int i = 0; i < 3; i++)
        say(c, "1 basic_get queue=q");
    forget(c);
    say(c, "1 basic_ack delivery_tag=1");
    say(c, "1 basic_nack delivery_tag=2 requeue");
    ck_assert_uint_eq(fixture_queue(fx, "q")->n_unsettled, 3);
    say(c, "1 tx_rollback");
    heard(c, "1 tx_rollback_ok");
    ck_assert_uint_eq(fixture_queue(fx, "q")->n_unsettled, 3);
    say(c, "1 basic_ack delivery_tag=1");
    say(c, "1 basic_nack delivery_tag=2 requeue");
    say(c, "1 tx_commit");
    heard(c, "1 tx_commit_ok");
    ck_assert_uint_eq(fixture_queue(fx, "q")->n_unsettled, 1);
    ck_assert_uint_eq(n_ready("q"), 1);
    fixture_free(fx);
}
END_TEST

START_TEST(a_tag_is_settled_once_in_a_transaction)
{
    begin();
    say(other, "1 basic_publish routing_key=q | m");
    say(c, "1 basic_get queue=q");
    forget(c);
    say(c, "1 basic_ack delivery_tag=1");
    say(c, "1 basic_ack delivery_tag=1");
    heard(c,
          "1 channel_close reply_code=406 reply_text=PRECONDITION_FAILED - unknown delivery tag 1"
          " class_id=60 method_id=80");
    ck_assert_uint_eq(n_ready("q"), 1);
    fixture_free(fx);
}
END_TEST

START_TEST(recover_leaves_what_a_transaction_holds)
{
    begin();
    say(other, "1 basic_publish routing_key=q | 1");
    say(other, "1 basic_publish routing_key=q | 2");
    say(c, "1 basic_get queue=q");
    say(c, "1 basic_get queue=q");
    forget(c);
    say(c, "1 basic_ack delivery_tag=1");
    say(c, "1 basic_recover requeue");
    heard(c, "1 basic_recover_ok");
    ck_assert_uint_eq(n_ready("q"), 1);
    say(c, "1 tx_commit");
    heard(c, "1 tx_commit_ok");
    ck_assert_uint_eq(fixture_queue(fx, "q")->n_unsettled, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(commit_ok_waits_for_the_disk_when_something_must_be_durable)
{
    begin();
    fx->store_held = true;
    say(c, "1 basic_publish routing_key=d | transient");
    say(c, "1 tx_commit");
    heard(c, "1 tx_commit_ok");
    c->properties = SPAN_LIT("\x10\0\2");
    say(c, "1 basic_publish routing_key=d | persistent");
    say(c, "1 tx_commit");
    say(c, "1 tx_commit");
    heard_nothing(c);
    ck_assert_uint_eq(n_ready("d"), 2); /* deliveries need not wait */
    fx->store_held = false;
    fixture_run(fx);
    heard(c, "1 tx_commit_ok", "1 tx_commit_ok");
    fixture_free(fx);
}
END_TEST

START_TEST(returns_come_at_commit_before_its_ok)
{
    begin();
    say(c, "1 basic_publish routing_key=nowhere mandatory | lost");
    say(c, "1 basic_publish routing_key=nowhere | dropped");
    heard_nothing(c);
    say(c, "1 tx_commit");
    heard(c, "1 basic_return reply_code=312 reply_text=NO_ROUTE routing_key=nowhere | lost",
          "1 tx_commit_ok");
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(a_transaction_dies_with_its_channel)
{
    begin();
    say(other, "1 basic_publish routing_key=q | m");
    say(c, "1 basic_get queue=q");
    say(c, "1 basic_ack delivery_tag=1");
    say(c, "1 basic_publish routing_key=q | never");
    forget(c);
    say(c, "1 channel_close");
    heard(c, "1 channel_close_ok");
    ck_assert_uint_eq(n_ready("q"), 1);
    say(other, "1 basic_get queue=q no_ack");
    heard(other, "1 basic_get_ok delivery_tag=1 redelivered routing_key=q | m");
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(a_queue_that_goes_before_commit_gets_nothing)
{
    begin();
    say(c, "1 basic_publish routing_key=q | x");
    say(other, "1 queue_delete queue=q");
    say(other, "1 queue_declare queue=q no_wait");
    say(c, "1 tx_commit");
    heard(c, "1 tx_commit_ok");
    ck_assert_uint_eq(n_ready("q"), 0);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(a_large_one_is_committed_in_slices)
{
    enum { MANY = 3 * TURN_WORK_MAX };
    begin();
    for (int i = 0; i < MANY; i++)
        put(c, "1 basic_publish routing_key=q | x");
    fixture_run(fx);
    for (int round = 0; round < 2; round++) {
        put(c, "1 tx_commit");
        put(c, "1 basic_qos prefetch_count=1");
        fixture_step(fx);
        heard_nothing(c);
        fixture_run(fx);
        heard(c, "1 tx_commit_ok", "1 basic_qos_ok");
        ck_assert_uint_eq(n_ready("q"), MANY);
        ck_assert_uint_le(fx->core->stats.work_max, TURN_WORK_MAX);
        if (round != 0)
            break;
        /* The same with settlements. */
        for (int i = 0; i < MANY; i++)
            put(c, "1 basic_get queue=q");
        fixture_run(fx);
        forget(c);
        say(c, "1 basic_nack multiple requeue");
    }
    fixture_free(fx);
}
END_TEST

START_TEST(modes_exclude_each_other)
{
    begin();
    say(c, "1 tx_select");
    heard(c, "1 tx_select_ok");
    say(c, "1 confirm_select");
    heard(c,
          "1 channel_close reply_code=406 reply_text=PRECONDITION_FAILED - cannot switch from tx "
          "to confirm mode class_id=85 method_id=10");
    say(other, "1 confirm_select");
    say(other, "1 tx_select");
    heard(other, "1 confirm_select_ok",
          "1 channel_close reply_code=406 reply_text=PRECONDITION_FAILED - cannot switch from "
          "confirm to tx mode class_id=90 method_id=10");
    say(other, "2 channel_open");
    say(other, "2 tx_commit");
    heard(other, "2 channel_open_ok",
          "2 channel_close reply_code=406 reply_text=PRECONDITION_FAILED - channel is not "
          "transactional class_id=90 method_id=20");
    fixture_free(fx);
}
END_TEST

SUITE("tx", a_publish_is_in_its_queue_after_commit_and_not_before,
      a_settlement_is_done_after_commit_and_undone_by_rollback,
      a_tag_is_settled_once_in_a_transaction, recover_leaves_what_a_transaction_holds,
      commit_ok_waits_for_the_disk_when_something_must_be_durable,
      returns_come_at_commit_before_its_ok, a_transaction_dies_with_its_channel,
      a_queue_that_goes_before_commit_gets_nothing, a_large_one_is_committed_in_slices,
      modes_exclude_each_other)
