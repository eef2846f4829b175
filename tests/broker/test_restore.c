// SPDX-License-Identifier: Apache-2.0
/* A core that is stopped, or whose power goes, and the next one on the same disk. */
#include "broker/core/restore.h"

#include <string.h>

#include "broker/core/queue.h"
#include "tests/broker/core_fixture.h"
#include "tests/sim/false_disk.h"

/* A header frame's flags and properties with delivery-mode 2. */
static const uint8_t PERSISTENT[] = {0x10, 0x00, 2};

static struct false_disk *disk;
static struct rng chance = {1};
static struct fixture *fx;
static struct client *c;

static void start(void)
{
    ck_assert_int_eq(fixture_new_kept(&fx, false_disk(disk)), OK);
    c = fixture_connect(fx);
    c->properties = span_of(PERSISTENT, sizeof(PERSISTENT));
}

static void begin(void)
{
    disk = false_disk_new(0);
    start();
}

static void stop_and_start(void)
{
    fixture_stop(fx);
    start();
}

/* What was not synced is gone. */
static void crash_and_start(void)
{
    false_disk_cut(disk);
    fixture_drop(fx);
    false_disk_power_on(disk, &chance);
    start();
}

static void end(void)
{
    fixture_free(fx);
    false_disk_free(disk);
}

START_TEST(what_is_declared_is_there_again)
{
    begin();
    say(c, "1 queue_declare queue=q durable auto_delete no_wait");
    say(c, "1 queue_declare queue=passing no_wait");
    say(c, "1 exchange_declare exchange=x type=topic durable no_wait");
    say(c, "1 exchange_declare exchange=y type=fanout no_wait");
    say(c, "1 queue_bind queue=q exchange=x routing_key=a.# no_wait");
    say(c, "1 queue_bind queue=q exchange=amq.direct routing_key=k no_wait");
    say(c, "1 exchange_bind destination=x source=amq.fanout no_wait");
    crash_and_start();
    say(c, "1 queue_declare queue=q durable auto_delete");
    say(c, "1 exchange_declare exchange=x type=topic durable");
    heard(c, "1 queue_declare_ok queue=q", "1 exchange_declare_ok");
    say(c, "1 basic_publish exchange=x routing_key=a.b | 1");
    say(c, "1 basic_publish exchange=amq.direct routing_key=k | 2");
    say(c, "1 basic_publish exchange=amq.fanout routing_key=a | 3");
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 3);
    say(c, "1 queue_declare queue=passing passive");
    heard(c, "1 channel_close reply_code=404 reply_text=NOT_FOUND - no queue 'passing' in vhost "
             "'/' class_id=50 method_id=10");
    end();
}
END_TEST

START_TEST(what_is_deleted_stays_away)
{
    begin();
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 exchange_declare exchange=x type=fanout durable no_wait");
    say(c, "1 queue_bind queue=q exchange=x no_wait");
    say(c, "1 queue_bind queue=q exchange=amq.fanout no_wait");
    say(c, "1 basic_publish routing_key=q | 1");
    say(c, "1 exchange_delete exchange=x no_wait");
    say(c, "1 queue_unbind queue=q exchange=amq.fanout");
    say(c, "1 queue_delete queue=q no_wait");
    forget(c);
    say(c, "1 queue_declare queue=q durable no_wait"); /* another of that name */
    crash_and_start();
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 0);
    say(c, "1 basic_publish exchange=amq.fanout | 1");
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 0);
    say(c, "1 exchange_declare exchange=x type=direct durable"); /* the name is free */
    heard(c, "1 exchange_declare_ok");
    end();
}
END_TEST

START_TEST(what_is_unbound_stays_unbound)
{
    begin();
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 queue_bind queue=q exchange=amq.fanout no_wait");
    say(c, "1 queue_bind queue=q exchange=amq.direct routing_key=k no_wait");
    say(c, "1 queue_unbind queue=q exchange=amq.fanout");
    crash_and_start();
    say(c, "1 basic_publish exchange=amq.fanout | 1");
    say(c, "1 basic_publish exchange=amq.direct routing_key=k | 2");
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 1);
    end();
}
END_TEST

START_TEST(messages_are_there_in_order_and_flagged_after_a_crash)
{
    begin();
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 basic_publish routing_key=q | 1");
    say(c, "1 basic_publish routing_key=q | 2");
    say(c, "1 basic_publish routing_key=q | 3");
    say(c, "1 basic_get queue=q no_ack");
    forget(c);
    fx->now_ns += STORE_INTERVAL_NS;
    fixture_run(fx);
    crash_and_start();
    say(c, "1 basic_get queue=q");
    say(c, "1 basic_get queue=q");
    say(c, "1 basic_get queue=q");
    heard(c, "1 basic_get_ok delivery_tag=1 redelivered routing_key=q message_count=1 | 2",
          "1 basic_get_ok delivery_tag=2 redelivered routing_key=q | 3", "1 basic_get_empty");
    end();
}
END_TEST

START_TEST(after_a_clean_stop_only_what_was_delivered_is_flagged)
{
    begin();
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 basic_publish routing_key=q | 1");
    say(c, "1 basic_publish routing_key=q | 2");
    say(c, "1 basic_get queue=q");
    stop_and_start();
    say(c, "1 basic_get queue=q");
    say(c, "1 basic_get queue=q");
    heard(c, "1 basic_get_ok delivery_tag=1 redelivered routing_key=q message_count=1 | 1",
          "1 basic_get_ok delivery_tag=2 routing_key=q | 2");
    end();
}
END_TEST

START_TEST(a_transaction_without_its_commit_is_not_there)
{
    begin();
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 tx_select");
    say(c, "1 basic_publish routing_key=q | 1");
    say(c, "1 tx_commit");
    say(c, "1 basic_publish routing_key=q | 2");
    heard(c, "1 tx_select_ok", "1 tx_commit_ok");
    fx->store_held = true;
    say(c, "1 tx_commit");
    heard_nothing(c);
    crash_and_start();
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 1);
    end();
}
END_TEST

START_TEST(transient_messages_are_not_kept)
{
    begin();
    say(c, "1 queue_declare queue=q durable no_wait");
    c->properties = SPAN_NONE;
    say(c, "1 basic_publish routing_key=q | 1");
    stop_and_start();
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 0);
    end();
}
END_TEST

START_TEST(a_purge_is_kept)
{
    begin();
    say(c, "1 queue_declare queue=q durable no_wait");
    for (int i = 0; i < 4; i++)
        say(c, "1 basic_publish routing_key=q | m");
    say(c, "1 basic_get queue=q");
    say(c, "1 basic_get queue=q");
    say(c, "1 basic_nack delivery_tag=2 requeue"); /* comes back; one is still unsettled */
    say(c, "1 queue_purge queue=q");
    fx->now_ns += STORE_INTERVAL_NS;
    fixture_run(fx);
    crash_and_start();
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 1);
    end();
}
END_TEST

START_TEST(numbers_are_never_used_twice)
{
    begin();
    say(c, "1 queue_declare queue=q durable no_wait");
    uint64_t number = fixture_queue(fx, "q")->number;
    say(c, "1 queue_delete queue=q no_wait");
    stop_and_start();
    say(c, "1 queue_declare queue=q durable no_wait");
    ck_assert_uint_gt(fixture_queue(fx, "q")->number, number);
    end();
}
END_TEST

START_TEST(an_auto_delete_exchange_outlives_its_passing_bindings)
{
    begin();
    say(c, "1 exchange_declare exchange=x type=fanout durable auto_delete no_wait");
    say(c, "1 queue_declare queue=passing no_wait");
    say(c, "1 queue_bind queue=passing exchange=x no_wait");
    crash_and_start();
    say(c, "1 exchange_declare exchange=x passive");
    heard(c, "1 exchange_declare_ok");
    end();
}
END_TEST

/* Publishers fill the disk, getters empty the queue; what had found no room is written then. */
START_TEST(a_full_disk_goes_on_when_queues_are_emptied)
{
    enum { CAPACITY = 2 * 1024 * 1024, SIZE = 20000, MOST = 400, ROUNDS = 3 };
    static uint8_t body[SIZE];
    unsigned sent = 0;
    unsigned got = 0;
    begin();
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 confirm_select no_wait");
    false_disk_set_capacity(disk, CAPACITY);
    for (int round = 0; round < ROUNDS; round++) {
        size_t heard_before;
        unsigned waiting = 0;
        forget(c);
        /* Each is confirmed at once, until the disk is full. */
        do {
            heard_before = n_heard(c);
            put_body(c, 1, "", "q", span_of(body, SIZE), SIZE, NULL);
            sent++;
            for (int i = 0; i < 50; i++)
                fixture_step(fx);
        } while (n_heard(c) != heard_before && sent < MOST);
        ck_assert_uint_lt(sent, MOST);
        waiting = sent - got;
        ck_assert_uint_gt(waiting, CAPACITY / SIZE / 3);
        forget(c);
        say(c, "1 queue_declare queue=q durable"); /* it is there: nothing to wait for */
        ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), waiting);
        for (unsigned i = 0; i < waiting; i++)
            put(c, "1 basic_get queue=q no_ack");
        got += waiting;
        for (int i = 0; i < 4000; i++) {
            fx->now_ns += 1000000;
            fixture_step(fx);
        }
        bool confirmed = false;
        for (size_t i = 0; i < n_heard(c); i++)
            confirmed |= strstr(line_heard(c, i), "basic_ack") != NULL;
        ck_assert(confirmed); /* the one that had found no room */
        ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 0);
    }
    crash_and_start();
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), 0);
    end();
}
END_TEST

SUITE("restore", a_full_disk_goes_on_when_queues_are_emptied, what_is_declared_is_there_again,
      what_is_deleted_stays_away, what_is_unbound_stays_unbound,
      messages_are_there_in_order_and_flagged_after_a_crash,
      after_a_clean_stop_only_what_was_delivered_is_flagged,
      a_transaction_without_its_commit_is_not_there, transient_messages_are_not_kept,
      a_purge_is_kept, numbers_are_never_used_twice,
      an_auto_delete_exchange_outlives_its_passing_bindings)
