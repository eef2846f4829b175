// SPDX-License-Identifier: Apache-2.0
#include "broker/core/hold.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "tests/broker/core_fixture.h"

enum { MANY = 3 * TURN_WORK_MAX };

static struct fixture *fx;
static struct client *c; /* holds messages 1 … MANY of queue q; "later" is ready behind them */
static struct client *d;

static void begin(void)
{
    fx = fixture_new(0);
    c = fixture_connect(fx);
    d = fixture_connect(fx);
    hand_out(c, MANY);
    say(c, "1 basic_publish routing_key=q | later");
}

/* Some turns later the requeue of `line` is under way and not done. */
static void requeue_half(const char *line)
{
    put(c, "%s", line);
    fixture_step(fx);
    fixture_step(fx);
    ck_assert_uint_gt(queue_n_ready(fixture_queue(fx, "q")), 1);
    ck_assert_uint_gt(fixture_queue(fx, "q")->n_unsettled, 0);
}

static void check_order(void)
{
    ck_assert_uint_eq(n_heard(d), MANY + 1);
    for (unsigned i = 1; i <= MANY; i++) {
        char wanted[32];
        snprintf(wanted, sizeof(wanted), " | %u", i);
        const char *line = line_heard(d, i - 1);
        ck_assert_str_eq(line + strlen(line) - strlen(wanted), wanted);
    }
    ck_assert(strstr(line_heard(d, MANY), " | later") != NULL);
    ck_assert_uint_le(fx->core->stats.work_max, TURN_WORK_MAX);
    fixture_free(fx);
}

/* What a consumer that comes in the middle of the requeue is given. */
static void check_whole(const char *requeue)
{
    begin();
    requeue_half(requeue);
    put(d, "1 basic_consume queue=q consumer_tag=t no_ack no_wait");
    fixture_step(fx);
    heard_nothing(d);
    fixture_run(fx);
    forget(c);
    check_order();
}

START_TEST(a_requeue_in_slices_is_seen_whole)
{
    check_whole("1 basic_nack multiple requeue");
    check_whole("1 basic_recover requeue");
    check_whole("1 channel_close");
    check_whole("0 connection_close");
    check_whole("1 basic_ack delivery_tag=99999"); /* a channel error */
}
END_TEST

START_TEST(a_commit_gives_back_in_one_piece)
{
    begin();
    say(c, "1 tx_select");
    say(c, "1 basic_nack multiple requeue");
    forget(c);
    requeue_half("1 tx_commit");
    put(d, "1 basic_consume queue=q consumer_tag=t no_ack no_wait");
    fixture_run(fx);
    heard(c, "1 tx_commit_ok");
    check_order();
}
END_TEST

/* What looks at the messages waits, in its place among the methods of its channel. */
START_TEST(what_looks_at_the_messages_waits)
{
    begin();
    say(d, "2 channel_open");
    forget(d);
    requeue_half("1 basic_nack multiple requeue");
    put(d, "1 queue_declare queue=q passive");
    put(d, "1 basic_get queue=q no_ack");
    put(d, "1 queue_purge queue=q");
    put(d, "1 queue_delete queue=q if_empty");
    put(d, "2 basic_qos prefetch_count=1");
    fixture_step(fx);
    heard(d, "2 basic_qos_ok");
    fixture_run(fx);
    heard(d, "1 queue_declare_ok queue=q message_count=12289",
          "1 basic_get_ok delivery_tag=1 redelivered routing_key=q message_count=12288 | 1",
          "1 queue_purge_ok message_count=12288", "1 queue_delete_ok");
    fixture_free(fx);
}
END_TEST

START_TEST(a_publish_to_a_held_queue_goes_behind)
{
    begin();
    put(d, "1 basic_consume queue=q consumer_tag=t no_ack no_wait");
    fixture_run(fx);
    forget(d);
    requeue_half("1 basic_nack multiple requeue");
    put(d, "1 basic_publish routing_key=q | later");
    fixture_run(fx);
    check_order();
}
END_TEST

START_TEST(a_held_queue_can_be_deleted_with_its_owner)
{
    fx = fixture_new(0);
    c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q exclusive no_wait");
    for (unsigned i = 1; i <= MANY; i++)
        put(c, "1 basic_publish routing_key=q | x");
    fixture_run(fx);
    for (unsigned i = 1; i <= MANY; i++)
        put(c, "1 basic_get queue=q");
    fixture_run(fx);
    put(c, "1 basic_recover requeue");
    put(c, "1 basic_get queue=q");
    fixture_step(fx);
    put_closed(c);
    fixture_run(fx);
    ck_assert(!c->open);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

/* However little a turn can do, those who try again leave work for the one they wait for. */
START_TEST(who_waits_does_not_starve_who_works)
{
    begin();
    for (unsigned channel = 2; channel <= 4; channel++)
        say(d, "%u channel_open", channel);
    forget(d);
    fx->core->options.turn_work = 8;
    put(c, "1 basic_nack multiple requeue");
    fixture_step(fx);
    for (unsigned channel = 1; channel <= 4; channel++)
        put(d, "%u basic_get queue=q no_ack", channel);
    for (unsigned i = 0; i < 8 * MANY && n_heard(d) < 4; i++)
        fixture_step(fx);
    ck_assert_uint_eq(n_heard(d), 4);
    fixture_free(fx);
}
END_TEST

/* Whoever holds it is looked for among all who do. */
START_TEST(looking_for_a_hold_is_counted)
{
    enum { CHANNELS = 200 };
    fx = fixture_new(0);
    c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    for (unsigned i = 2; i <= CHANNELS; i++)
        say(c, "%u channel_open", i);
    forget(c);
    struct session *s = fx->core->links[c->link].sessions[c->conn.index];
    struct queue *q = fixture_queue(fx, "q");
    LIST_EACH(&s->channel_list, node) {
        struct channel *ch = CONTAINER_OF(node, struct channel, in_session);
        hold_begin(ch, 1, 0);
        ck_assert_int_eq(hold_queue(ch, q), OK);
    }
    struct channel *first = CONTAINER_OF(s->channel_list.next, struct channel, in_session);
    fx->core->work = 1000;
    ck_assert_int_eq(hold_queue(first, q), OK);
    ck_assert_uint_lt(fx->core->work, 1000);
    unsigned work = fx->core->work;
    ck_assert_int_eq(hold_queue(first, q), OK);
    ck_assert_uint_eq(fx->core->work, work); /* it is the first now */
    work = CHANNELS;
    LIST_EACH(&s->channel_list, node)
        ck_assert(hold_release_some(CONTAINER_OF(node, struct channel, in_session), &work));
    ck_assert(list_empty(&q->holds));
    fixture_free(fx);
}
END_TEST

/* Everything ends at once while one connection waits for what another has not yet given back. */
START_TEST(the_core_ends_in_the_middle)
{
    begin();
    requeue_half("1 basic_nack multiple requeue");
    put(d, "1 basic_get queue=q");
    fixture_step(fx);
    fixture_drop(fx);
}
END_TEST

SUITE("hold", a_requeue_in_slices_is_seen_whole, a_commit_gives_back_in_one_piece,
      what_looks_at_the_messages_waits, a_publish_to_a_held_queue_goes_behind,
      a_held_queue_can_be_deleted_with_its_owner, who_waits_does_not_starve_who_works,
      the_core_ends_in_the_middle, looking_for_a_hold_is_counted)
