// SPDX-License-Identifier: Apache-2.0
/* queue_methods.c, but what test_queue and the tests of exchanges and bindings show already. */
#include <string.h>

#include "broker/core/vhost.h"
#include "tests/broker/core_fixture.h"

static struct fixture *fx;
static struct client *c;

static void begin(void)
{
    fx = fixture_new(0);
    c = fixture_connect(fx);
}

START_TEST(a_queue_without_a_name_gets_one)
{
    begin();
    say(c, "1 queue_declare");
    say(c, "1 queue_declare");
    const char *first = line_heard(c, 0);
    ck_assert_int_eq(strncmp(first, "1 queue_declare_ok queue=amq.gen-", 33), 0);
    ck_assert_uint_eq(strlen(first), 33 + 22);
    ck_assert_str_ne(first, line_heard(c, 1));
    fixture_free(fx);
}
END_TEST

static void check_refused(const char *line, const char *wanted)
{
    begin();
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 basic_publish routing_key=q | m");
    say(c, "%s", line);
    heard(c, wanted);
    fixture_free(fx);
}

START_TEST(a_declare_must_mean_the_queue_that_is_there)
{
    check_refused(
        "1 queue_declare queue=q",
        "1 channel_close reply_code=406 reply_text=PRECONDITION_FAILED - inequivalent arg "
        "'durable' for queue 'q' in vhost '/': received 'false' but current is 'true' "
        "class_id=50 method_id=10");
    check_refused(
        "1 queue_declare queue=q durable auto_delete",
        "1 channel_close reply_code=406 reply_text=PRECONDITION_FAILED - inequivalent arg "
        "'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false' "
        "class_id=50 method_id=10");
    check_refused("1 queue_declare queue=q durable", "1 queue_declare_ok queue=q message_count=1");
}
END_TEST

START_TEST(reserved_names_are_refused)
{
    check_refused(
        "1 queue_declare queue=amq.mine",
        "1 channel_close reply_code=403 reply_text=ACCESS_REFUSED - queue name 'amq.mine' "
        "contains reserved prefix 'amq.*' class_id=50 method_id=10");
}
END_TEST

START_TEST(a_delete_may_ask_for_unused_and_empty)
{
    check_refused(
        "1 queue_delete queue=q if_empty",
        "1 channel_close reply_code=406 reply_text=PRECONDITION_FAILED - queue 'q' in vhost"
        " '/' not empty class_id=50 method_id=40");
    begin();
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=t no_wait");
    say(c, "1 queue_delete queue=q if_unused");
    heard(c, "1 channel_close reply_code=406 reply_text=PRECONDITION_FAILED - queue 'q' in vhost "
             "'/' in use class_id=50 method_id=40");
    fixture_free(fx);
}
END_TEST

START_TEST(deleting_what_is_not_there_is_fine)
{
    begin();
    say(c, "1 queue_delete queue=none");
    heard(c, "1 queue_delete_ok");
    fixture_free(fx);
}
END_TEST

/* An answer to a change of durable things waits for the disk; a passive look does not. */
START_TEST(durable_changes_are_answered_when_they_are_durable)
{
    static const char *const LINES[][2] = {
        {"1 queue_declare queue=d durable", "1 queue_declare_ok queue=d"},
        {"1 queue_delete queue=d", "1 queue_delete_ok"},
        {"1 exchange_declare exchange=x type=fanout durable", "1 exchange_declare_ok"},
        {"1 exchange_delete exchange=x", "1 exchange_delete_ok"},
    };
    begin();
    for (size_t i = 0; i < 4; i++) {
        fx->store_held = true;
        say(c, "%s", LINES[i][0]);
        heard_nothing(c);
        fx->store_held = false;
        fixture_run(fx);
        heard(c, LINES[i][1]);
    }
    say(c, "1 queue_declare queue=d durable no_wait");
    fx->store_held = true;
    say(c, "1 queue_declare queue=d durable passive");
    say(c, "1 queue_declare queue=t");
    heard(c, "1 queue_declare_ok queue=d", "1 queue_declare_ok queue=t");
    fixture_free(fx);
}
END_TEST

/* A consumer that is always ready, and as much for it as it takes: who asks is answered all the
 * same, with how it stands. */
START_TEST(a_busy_queue_answers)
{
    begin();
    struct client *d = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < 5000; i++)
        put(d, "1 basic_publish routing_key=q | x");
    fixture_run(fx);
    fx->core->options.turn_work = 64;
    put(c, "1 basic_consume queue=q consumer_tag=t no_ack no_wait");
    put(d, "1 queue_declare queue=q passive");
    put(d, "1 queue_purge queue=q");
    for (int i = 0; i < 200 && n_heard(d) < 2; i++) {
        for (int k = 0; k < 64; k++)
            put(c, "1 basic_publish routing_key=q | x");
        fixture_step(fx);
        forget(c);
    }
    ck_assert_uint_eq(n_heard(d), 2);
    fixture_drop(fx);
}
END_TEST

/* In one read: what hung on the queue is gone for the next method. */
START_TEST(a_delete_is_felt_by_the_next_method)
{
    begin();
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 exchange_declare exchange=x type=fanout no_wait");
    say(c, "1 exchange_declare exchange=y type=fanout auto_delete no_wait");
    say(c, "1 queue_bind queue=q exchange=x no_wait");
    say(c, "1 queue_bind queue=q exchange=y no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=t no_wait");
    put(c, "1 queue_delete queue=q");
    put(c, "1 queue_declare queue=q");
    put(c, "1 basic_consume queue=q consumer_tag=t");
    put(c, "1 exchange_delete exchange=x if_unused");
    put(c, "1 exchange_declare exchange=y passive");
    fixture_run(fx);
    heard(c, "1 queue_delete_ok", "1 basic_cancel consumer_tag=t no_wait",
          "1 queue_declare_ok queue=q", "1 basic_consume_ok consumer_tag=t", "1 exchange_delete_ok",
          "1 channel_close reply_code=404 reply_text=NOT_FOUND - no exchange 'y' in vhost '/' "
          "class_id=40 method_id=10");
    fixture_free(fx);
}
END_TEST

/* What a deletion removes before it is answered is work like any other. */
START_TEST(bindings_that_go_with_their_exchange_are_counted)
{
    enum { EXCHANGES = 80, BINDINGS = 250 };
    begin();
    say(c, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < EXCHANGES; i++) {
        put(c, "1 exchange_declare exchange=x%d type=fanout no_wait", i);
        for (int k = 0; k < BINDINGS; k++)
            put(c, "1 queue_bind queue=q exchange=x%d routing_key=%d no_wait", i, k);
        fixture_run(fx);
    }
    for (int i = 0; i < EXCHANGES; i++)
        put(c, "1 exchange_delete exchange=x%d no_wait", i);
    uint64_t turns = fx->core->stats.turns;
    fixture_run(fx);
    ck_assert_uint_ge(fx->core->stats.turns - turns,
                      EXCHANGES * BINDINGS / fx->core->options.turn_work);
    ck_assert_uint_eq(fx->core->vhost->bindings.n, 0);
    forget(c);
    fixture_free(fx);
}
END_TEST

SUITE("queue_methods", a_queue_without_a_name_gets_one, a_declare_must_mean_the_queue_that_is_there,
      reserved_names_are_refused, a_delete_may_ask_for_unused_and_empty,
      deleting_what_is_not_there_is_fine, durable_changes_are_answered_when_they_are_durable,
      a_busy_queue_answers, a_delete_is_felt_by_the_next_method,
      bindings_that_go_with_their_exchange_are_counted)
