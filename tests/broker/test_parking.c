// SPDX-License-Identifier: Apache-2.0
#include "broker/core/parking.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "tests/broker/core_fixture.h"

static char text[1001];

/* A consumer is out with messages, a publisher has filled the memory limit. */
static struct fixture *fill(struct client **publisher, struct client **consumer)
{
    struct fixture *fx = fixture_new(10000);
    *publisher = fixture_connect(fx);
    *consumer = fixture_connect(fx);
    memset(text, 'x', 1000);
    say(*publisher, "1 queue_declare queue=q no_wait");
    say(*publisher, "1 confirm_select no_wait");
    say(*consumer, "1 basic_consume queue=q consumer_tag=t no_wait");
    for (int i = 0; i < 30; i++) {
        put(*publisher, "1 basic_publish routing_key=q | %s", text);
        fixture_run(fx);
    }
    ck_assert(fx->core->memory_high);
    return fx;
}

START_TEST(publishers_wait_for_memory_and_are_confirmed_later)
{
    struct client *p;
    struct client *c;
    struct fixture *fx = fill(&p, &c);
    size_t n_in = n_heard(c);
    ck_assert_uint_ge(n_in, 9);
    ck_assert_uint_le(n_in, 11);
    ck_assert_uint_eq(n_heard(p), n_in); /* a confirm each, and none for those that wait */
    forget(p);
    while (n_heard(c) < 30) {
        size_t before = n_heard(c);
        say(c, "1 basic_ack delivery_tag=%zu multiple", before);
        ck_assert_uint_gt(n_heard(c), before);
    }
    /* All of them, in order. */
    const char *last = line_heard(p, n_heard(p) - 1);
    ck_assert_int_eq(strncmp(last, "1 basic_ack delivery_tag=30", 27), 0);
    for (size_t i = 0; i < 30; i++) {
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "1 basic_deliver consumer_tag=t delivery_tag=%zu ", i + 1);
        ck_assert_int_eq(strncmp(line_heard(c, i), wanted, strlen(wanted)), 0);
    }
    fixture_free(fx);
}
END_TEST

START_TEST(what_clears_memory_overtakes_what_waits_for_it)
{
    struct fixture *fx = fixture_new(3000);
    struct client *c = fixture_connect(fx);
    memset(text, 'x', 1000);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=t no_wait");
    for (int i = 0; i < 8; i++)
        say(c, "1 basic_publish routing_key=q | %s", text);
    ck_assert(fx->core->memory_high);
    size_t n = n_heard(c);
    ck_assert_uint_lt(n, 8);
    /* On the same channel: the ack is executed, other methods are not. */
    say(c, "1 basic_qos prefetch_count=9");
    ck_assert_uint_eq(n_heard(c), n);
    while (n < 8) {
        say(c, "1 basic_ack delivery_tag=%zu multiple", n);
        ck_assert_uint_gt(n_heard(c), n);
        n = n_heard(c);
    }
    say(c, "1 basic_ack multiple");
    ck_assert_str_eq(line_heard(c, n_heard(c) - 1), "1 basic_qos_ok");
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

/* Else the consumer would begin when its client believes that it has ended. */
START_TEST(a_cancel_does_not_overtake_its_own_consume)
{
    struct fixture *fx = fixture_new(3000);
    struct client *c = fixture_connect(fx);
    memset(text, 'x', 1000);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=t no_wait");
    for (int i = 0; i < 8; i++)
        say(c, "1 basic_publish routing_key=q | %s", text);
    ck_assert(fx->core->memory_high);
    say(c, "1 basic_consume queue=q consumer_tag=late no_wait");
    say(c, "1 basic_cancel consumer_tag=late");
    for (int i = 0; i < 20 && fx->core->message_bytes != 0; i++)
        say(c, "1 basic_ack multiple");
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    forget(c);
    say(c, "1 queue_declare queue=q passive");
    heard(c, "1 queue_declare_ok queue=q consumer_count=1");
    fixture_free(fx);
}
END_TEST

START_TEST(in_a_transaction_nothing_is_overtaken)
{
    struct client *p;
    struct client *c;
    struct fixture *fx = fill(&p, &c);
    say(c, "2 channel_open");
    say(c, "2 tx_select");
    forget(c);
    say(c, "2 basic_publish routing_key=q | in tx");
    say(c, "2 basic_cancel consumer_tag=none");
    heard_nothing(c);
    bool heard_it = false;
    for (int i = 0; i < 40 && !heard_it; i++) {
        forget(c);
        say(c, "1 basic_ack multiple");
        for (size_t k = 0; k < n_heard(c); k++)
            heard_it = heard_it ||
                       strcmp(line_heard(c, k), "2 basic_cancel_ok consumer_tag=none") == 0;
    }
    ck_assert(heard_it);
    fixture_free(fx);
}
END_TEST

/* What a transaction holds only its end can clear: once begun, it goes on to it. */
START_TEST(a_transaction_that_has_begun_does_not_wait_for_memory)
{
    struct fixture *fx = fixture_new(10000);
    struct client *c = fixture_connect(fx);
    memset(text, 'x', 1000);
    say(c, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < 9; i++)
        say(c, "1 basic_publish routing_key=q | %s", text);
    ck_assert(!fx->core->memory_high);
    say(c, "1 tx_select");
    forget(c);
    for (int i = 0; i < 3; i++)
        say(c, "1 basic_publish routing_key=q | %s", text);
    ck_assert(fx->core->memory_high);
    say(c, "1 tx_commit");
    heard(c, "1 tx_commit_ok");
    ck_assert_uint_eq(fx->core->tx_bytes, 0);
    /* The next one has not begun. */
    say(c, "1 basic_publish routing_key=q | x");
    say(c, "1 tx_commit");
    heard_nothing(c);
    struct client *d = fixture_connect(fx);
    say(d, "1 queue_purge queue=q");
    heard(d, "1 queue_purge_ok message_count=12");
    heard(c, "1 tx_commit_ok");
    fixture_free(fx);
}
END_TEST

/* Acknowledgements in a transaction clear memory at its commit: it must get there. */
START_TEST(a_transaction_with_acks_has_begun)
{
    struct client *p;
    struct client *c;
    struct fixture *fx = fill(&p, &c);
    say(c, "1 tx_select");
    forget(c);
    put(c, "1 basic_ack delivery_tag=5 multiple");
    put(c, "1 basic_publish routing_key=none | x");
    put(c, "1 tx_commit");
    fixture_run(fx);
    ck_assert_uint_gt(n_heard(c), 1);
    ck_assert_str_eq(line_heard(c, 0), "1 tx_commit_ok");
    fixture_free(fx);
}
END_TEST

/* The same when the limit is reached again in the middle of what had waited for it. */
START_TEST(a_transaction_that_waited_goes_on_to_its_end)
{
    struct fixture *fx = fixture_new(10000);
    struct client *c = fixture_connect(fx);
    struct client *d = fixture_connect(fx);
    memset(text, 'x', 1000);
    say(c, "1 queue_declare queue=q no_wait");
    say(d, "1 tx_select");
    fx->core->options.turn_work = 8; /* one event or so in a turn */
    while (!fx->core->memory_high)
        say(c, "1 basic_publish routing_key=q | %s", text);
    forget(d);
    for (int i = 0; i < 3; i++)
        say(d, "1 basic_publish routing_key=q | %s", text);
    say(d, "1 tx_commit");
    heard_nothing(d);
    for (int i = 0; i < 2; i++)
        say(c, "1 basic_get queue=q no_ack");
    ck_assert(fx->core->memory_high);
    heard(d, "1 tx_commit_ok");
    fixture_free(fx);
}
END_TEST

START_TEST(open_transactions_have_a_share_of_memory)
{
    struct fixture *fx = fixture_new(10000);
    struct client *c = fixture_connect(fx);
    memset(text, 'x', 1000);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 tx_select");
    for (int i = 0; i < 40 && c->open && line_heard(c, n_heard(c) - 1)[0] == '1'; i++) {
        say(c, "1 basic_publish routing_key=q | %s", text);
        if (strstr(line_heard(c, n_heard(c) - 1), "close") != NULL)
            break;
    }
    ck_assert(strstr(line_heard(c, 1), "506") != NULL);
    ck_assert(strstr(line_heard(c, 1), "open transactions exceed their share") != NULL);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

/* The parking space is bounded: then the connection is no longer read, and later it is again. */
START_TEST(a_flood_is_paused_and_resumed)
{
    struct client *p;
    struct client *c;
    struct fixture *fx = fill(&p, &c);
    static char body[50001];
    memset(body, 'y', 50000);
    forget(p);
    unsigned n = 0;
    while (n_heard(p) == 0 && n++ < 100) {
        put_body(p, 1, "", "q", span_str(body), 50000, NULL);
        fixture_run(fx);
    }
    heard(p, "order PAUSE");
    ck_assert_uint_le(n * 50000, BLOCKED_PARKING_BYTES + 100000);
    for (int i = 0; i < 400 && fx->core->memory_high; i++)
        say(c, "1 basic_ack multiple");
    bool resumed = false;
    for (int i = 0; i < 400 && !resumed; i++) {
        say(c, "1 basic_ack multiple");
        for (size_t k = 0; k < n_heard(p); k++)
            resumed = resumed || strcmp(line_heard(p, k), "order RESUME") == 0;
    }
    ck_assert(resumed);
    fixture_free(fx);
}
END_TEST

START_TEST(large_bodies_wait_too_and_come_home)
{
    struct client *p;
    struct client *c;
    struct fixture *fx = fill(&p, &c);
    for (int i = 0; i < 3; i++) {
        struct body *large = body_new(20000, 0);
        memset(large->bytes, 'l', 20000);
        large->size = 20000;
        put_body(p, 1, "", "q", SPAN_NONE, 20000, large);
    }
    fixture_run(fx);
    ck_assert_uint_eq(fx->n_bodies_home, 0);
    for (int i = 0; i < 100; i++)
        say(c, "1 basic_ack multiple");
    ck_assert_uint_eq(fx->n_bodies_home, 3);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(what_a_lost_connection_left_parked_is_freed)
{
    struct client *p;
    struct client *c;
    struct fixture *fx = fill(&p, &c);
    struct body *large = body_new(20000, 0);
    large->size = 20000;
    put_body(p, 1, "", "q", SPAN_NONE, 20000, large);
    fixture_run(fx);
    put_closed(p);
    fixture_run(fx);
    ck_assert(!p->open);
    ck_assert_uint_eq(fx->n_bodies_home, 1);
    ck_assert(list_empty(&fx->core->memory_parked));
    fixture_free(fx);
}
END_TEST

/* Behind a job, events are executed in the order in which they came. */
START_TEST(what_waits_for_a_job_keeps_its_order)
{
    enum { MANY = 3 * TURN_WORK_MAX };
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    hand_out(c, MANY);
    put(c, "1 basic_recover requeue");
    put(c, "1 queue_declare queue=z no_wait");
    put(c, "1 basic_publish routing_key=z | later");
    put(c, "1 basic_get queue=z no_ack");
    put(c, "1 queue_delete queue=z");
    put(c, "1 channel_close");
    fixture_run(fx);
    heard(c, "1 basic_recover_ok", "1 basic_get_ok delivery_tag=12289 routing_key=z | later",
          "1 queue_delete_ok", "1 channel_close_ok");
    fixture_free(fx);
}
END_TEST

/* A client need not wait for close-ok to use the number again: the old channel's end is not lost on
 * it, what it sends in between is, and what it sends on the new channel is executed. */
START_TEST(a_channel_may_be_opened_behind_its_close)
{
    enum { MANY = 3 * TURN_WORK_MAX };
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    hand_out(c, MANY);
    put(c, "1 channel_close");
    put(c, "1 basic_publish routing_key=q | too late");
    put(c, "1 channel_open");
    put(c, "1 basic_qos prefetch_count=1");
    fixture_run(fx);
    heard(c, "1 channel_close_ok", "1 channel_open_ok", "1 basic_qos_ok");
    ck_assert_uint_eq(queue_n_ready(fixture_queue(fx, "q")), MANY);
    fixture_free(fx);
}
END_TEST

/* The same while close-ok waits behind a reply that waits for the store. */
START_TEST(a_channel_may_be_opened_behind_a_close_ok_that_waits)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    fx->store_held = true;
    put(c, "1 queue_declare queue=q durable");
    put(c, "1 channel_close");
    put(c, "1 basic_publish routing_key=q | too late");
    put(c, "1 channel_open");
    put(c, "1 queue_declare queue=q passive");
    fixture_run(fx);
    heard_nothing(c);
    fx->store_held = false;
    fixture_run(fx);
    heard(c, "1 queue_declare_ok queue=q", "1 channel_close_ok", "1 channel_open_ok",
          "1 queue_declare_ok queue=q");
    fixture_free(fx);
}
END_TEST

START_TEST(what_is_not_an_open_behind_close_ok_is_a_fault)
{
    enum { MANY = 3 * TURN_WORK_MAX };
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    hand_out(c, MANY);
    put(c, "1 basic_ack delivery_tag=99999");
    put(c, "1 channel_close_ok");
    put(c, "1 basic_qos prefetch_count=1");
    fixture_run(fx);
    ck_assert_uint_eq(n_heard(c), 3);
    ck_assert_str_eq(line_heard(c, 1), "0 connection_close reply_code=504 reply_text=CHANNEL_ERROR"
                                       " - expected 'channel.open' class_id=60 method_id=10");
    fixture_free(fx);
}
END_TEST

SUITE("parking", publishers_wait_for_memory_and_are_confirmed_later,
      a_cancel_does_not_overtake_its_own_consume, what_clears_memory_overtakes_what_waits_for_it,
      in_a_transaction_nothing_is_overtaken, a_transaction_that_has_begun_does_not_wait_for_memory,
      a_transaction_with_acks_has_begun, a_transaction_that_waited_goes_on_to_its_end,
      open_transactions_have_a_share_of_memory, a_flood_is_paused_and_resumed,
      large_bodies_wait_too_and_come_home, what_a_lost_connection_left_parked_is_freed,
      what_waits_for_a_job_keeps_its_order, a_channel_may_be_opened_behind_its_close,
      a_channel_may_be_opened_behind_a_close_ok_that_waits,
      what_is_not_an_open_behind_close_ok_is_a_fault)
