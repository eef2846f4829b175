// SPDX-License-Identifier: Apache-2.0
#include "broker/core/replies.h"

#include <stdio.h>
#include <string.h>

#include "tests/broker/core_fixture.h"

/* Properties with delivery_mode 2. */
#define PERSISTENT SPAN_LIT("\x10\0\2")

START_TEST(a_reply_waits_for_its_batch_and_everything_behind_it_waits_too)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    fx->store_held = true;
    say(c, "1 queue_declare queue=a");
    heard(c, "1 queue_declare_ok queue=a");
    say(c, "1 queue_declare queue=b durable");
    say(c, "1 queue_declare queue=c");
    say(c, "1 basic_get queue=c");
    say(c, "1 basic_qos prefetch_count=5");
    heard_nothing(c);
    fx->store_held = false;
    fixture_run(fx);
    heard(c, "1 queue_declare_ok queue=b", "1 queue_declare_ok queue=c", "1 basic_get_empty",
          "1 basic_qos_ok");
    fixture_free(fx);
}
END_TEST

START_TEST(other_channels_and_connections_do_not_wait)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    struct client *d = fixture_connect(fx);
    say(c, "2 channel_open");
    forget(c);
    fx->store_held = true;
    say(c, "1 queue_declare queue=b durable");
    say(c, "2 queue_declare queue=a");
    say(d, "1 queue_declare queue=b passive");
    heard(c, "2 queue_declare_ok queue=a");
    heard(d, "1 queue_declare_ok queue=b");
    fixture_free(fx);
}
END_TEST

/* It is there, but who asks for a durable one may rely on it. */
START_TEST(a_second_declare_waits_for_the_first)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    struct client *d = fixture_connect(fx);
    fx->store_held = true;
    say(c, "1 queue_declare queue=b durable");
    say(d, "1 queue_declare queue=b durable");
    heard_nothing(d);
    fx->store_held = false;
    fixture_run(fx);
    heard(d, "1 queue_declare_ok queue=b");
    fx->store_held = true;
    say(d, "1 queue_declare queue=b durable"); /* and nothing once that is durable */
    heard(d, "1 queue_declare_ok queue=b");
    fixture_free(fx);
}
END_TEST

START_TEST(a_get_ok_waits_its_turn_with_its_message)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_publish routing_key=q | hello");
    fx->store_held = true;
    say(c, "1 queue_declare queue=d durable");
    say(c, "1 basic_get queue=q no_ack");
    heard_nothing(c);
    fx->store_held = false;
    fixture_run(fx);
    heard(c, "1 queue_declare_ok queue=d", "1 basic_get_ok delivery_tag=1 routing_key=q | hello");
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(confirms_of_a_turn_are_one_frame)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 confirm_select no_wait");
    for (int i = 0; i < 10; i++)
        put(c, "1 basic_publish routing_key=q | x");
    fixture_run(fx);
    heard(c, "1 basic_ack delivery_tag=10 multiple");
    say(c, "1 basic_publish routing_key=q | x");
    heard(c, "1 basic_ack delivery_tag=11");
    fixture_free(fx);
}
END_TEST

START_TEST(a_persistent_publish_is_confirmed_when_it_is_durable)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 queue_declare queue=t no_wait");
    say(c, "1 confirm_select no_wait");
    fx->store_held = true;
    say(c, "1 basic_publish routing_key=q | transient");
    heard(c, "1 basic_ack delivery_tag=1");
    c->properties = PERSISTENT;
    say(c, "1 basic_publish routing_key=t | to a queue that is not");
    heard(c, "1 basic_ack delivery_tag=2");
    say(c, "1 basic_publish routing_key=q | durable");
    c->properties = SPAN_NONE;
    say(c, "1 basic_publish routing_key=q | behind it");
    heard_nothing(c);
    fx->store_held = false;
    fixture_run(fx);
    heard(c, "1 basic_ack delivery_tag=4 multiple");
    fixture_free(fx);
}
END_TEST

/* Two batches on their way: the confirm of the second may not go with the first. */
START_TEST(a_confirm_does_not_join_one_of_an_earlier_batch)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 confirm_select no_wait");
    c->properties = PERSISTENT;
    fx->delay = 5;
    put(c, "1 basic_publish routing_key=q | first batch");
    fixture_step(fx);
    fx->delay = 50;
    put(c, "1 basic_publish routing_key=q | second batch");
    fixture_step(fx);
    heard_nothing(c);
    while (n_heard(c) == 0)
        fixture_step(fx);
    heard(c, "1 basic_ack delivery_tag=1");
    fixture_run(fx);
    heard(c, "1 basic_ack delivery_tag=2");
    fixture_free(fx);
}
END_TEST

/* Nobody reads the ring: replies wait in the list, none is lost, none overtakes another. */
START_TEST(a_full_ring_delays_and_loses_nothing)
{
    enum { MANY = 5500 }; /* more than the ring out holds, less than both rings do */
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    char name[256];
    memset(name, 'n', 200);
    name[200] = 0;
    fx->out_held = true;
    for (int i = 0; i < MANY; i++) {
        put(c, "1 basic_cancel consumer_tag=%s%d", name, i);
        if (i % 100 == 0)
            fixture_step(fx);
    }
    for (int i = 0; i < 50; i++)
        fixture_step(fx);
    fx->out_held = false;
    fixture_run(fx);
    ck_assert_uint_eq(n_heard(c), MANY);
    for (int i = 0; i < MANY; i++) {
        char wanted[300];
        snprintf(wanted, sizeof(wanted), "1 basic_cancel_ok consumer_tag=%s%d", name, i);
        if (strcmp(line_heard(c, (size_t)i), wanted) != 0)
            ck_abort_msg("line %d is %s", i, line_heard(c, (size_t)i));
    }
    fixture_free(fx);
}
END_TEST

START_TEST(each_try_of_a_full_ring_is_counted)
{
    enum { CHANNELS = 2000, MANY = 5500 };
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    char name[201];
    memset(name, 'n', 200);
    name[200] = 0;
    for (unsigned i = 2; i <= CHANNELS; i++)
        put(c, "%u channel_open", i);
    fixture_run(fx);
    forget(c);
    fx->store_held = true;
    for (unsigned i = 2; i <= CHANNELS; i++)
        put(c, "%u queue_declare queue=%.150s%u durable", i, name, i);
    fixture_run(fx);
    fx->out_held = true;
    for (unsigned i = 0; i < MANY; i++) {
        put(c, "1 basic_cancel consumer_tag=%s", name);
        if (i % 100 == 0)
            fixture_step(fx);
    }
    fx->store_held = false;
    for (int i = 0; i < 50; i++)
        fixture_step(fx);
    unsigned n = 0;
    LIST_EACH(&fx->core->replying, node)
        n++;
    ck_assert_uint_gt(n, 100);
    unsigned work = n;
    ck_assert(replies_run(fx->core, &work));
    ck_assert_uint_eq(work, 0);
    fx->out_held = false;
    fixture_run(fx);
    ck_assert_uint_eq(n_heard(c), CHANNELS - 1 + MANY);
    forget(c);
    fixture_free(fx);
}
END_TEST

/* Tags go in order: a delivery does not overtake a get-ok that waits behind a reply to the store.
 */
START_TEST(deliveries_wait_behind_a_get_ok)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    struct client *p = fixture_connect(fx);
    say(c, "1 queue_declare queue=g no_wait");
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_publish routing_key=g | got");
    say(c, "1 basic_consume queue=q consumer_tag=acked no_wait");
    say(c, "1 basic_consume queue=q consumer_tag=not no_ack no_wait");
    fx->store_held = true;
    put(c, "1 queue_declare queue=d durable");
    put(c, "1 basic_get queue=g");
    fixture_run(fx);
    for (int i = 0; i < 2; i++)
        say(p, "1 basic_publish routing_key=q | pushed");
    heard_nothing(c);
    fx->store_held = false;
    fixture_run(fx);
    heard(c, "1 queue_declare_ok queue=d", "1 basic_get_ok delivery_tag=1 routing_key=g | got",
          "1 basic_deliver consumer_tag=acked delivery_tag=2 routing_key=q | pushed",
          "1 basic_deliver consumer_tag=not delivery_tag=3 routing_key=q | pushed");
    fixture_free(fx);
}
END_TEST

/* A channel is looked at when its batch is durable, whatever waits on others for later ones. */
START_TEST(each_batch_frees_its_own_channels)
{
    struct fixture *fx = fixture_new(0);
    struct client *a = fixture_connect(fx);
    struct client *b = fixture_connect(fx);
    fx->delay = 5;
    put(a, "1 queue_declare queue=a durable");
    put(a, "1 basic_qos prefetch_count=1");
    fixture_step(fx);
    fixture_step(fx);
    put(b, "1 queue_declare queue=b durable");
    put(a, "1 queue_declare queue=c durable");
    put(a, "1 channel_close");
    while (n_heard(a) == 0)
        fixture_step(fx);
    heard(a, "1 queue_declare_ok queue=a", "1 basic_qos_ok");
    heard_nothing(b);
    fixture_run(fx);
    heard(b, "1 queue_declare_ok queue=b");
    heard(a, "1 queue_declare_ok queue=c", "1 channel_close_ok");
    ck_assert(list_empty(&fx->core->awaiting_store));
    fixture_free(fx);
}
END_TEST

/* A connection that is owed much is not read. Replies that became durable all at once do not fit
 * into the ring: after it has been read the core goes on by itself, without any input. */
START_TEST(after_a_full_ring_the_core_goes_on_by_itself)
{
    enum { MANY = 9000 };
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    char name[256];
    memset(name, 'n', 200);
    name[200] = 0;
    fx->store_held = true;
    say(c, "1 queue_declare queue=d durable");
    for (int i = 0; i < MANY; i++) {
        put(c, "1 basic_cancel consumer_tag=%s%d", name, i);
        if (i % 1000 == 0)
            fixture_run(fx);
    }
    fixture_run(fx);
    heard(c, "order PAUSE");
    fx->store_held = false;
    fixture_run(fx);
    ck_assert_uint_eq(n_heard(c), MANY + 2); /* with order RESUME */
    ck_assert_uint_eq(fx->core->parked_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(a_closed_channel_confirms_nothing_more)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q durable no_wait");
    say(c, "1 confirm_select no_wait");
    c->properties = PERSISTENT;
    fx->store_held = true;
    say(c, "1 basic_publish routing_key=q | x");
    say(c, "1 channel_close");
    heard(c, "1 channel_close_ok");
    fx->store_held = false;
    fixture_run(fx);
    heard_nothing(c);
    fixture_free(fx);
}
END_TEST

/* A later confirm would be cumulative, and so speak for what was dropped and is not durable. */
START_TEST(no_confirm_follows_those_that_were_dropped)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    struct session *s = CONTAINER_OF(list_first(&fx->core->sessions), struct session, in_core);
    say(c, "1 queue_declare queue=q durable");
    say(c, "1 confirm_select");
    forget(c);
    fx->store_held = true;
    c->properties = PERSISTENT;
    say(c, "1 basic_publish routing_key=q | waits");
    heard_nothing(c);
    c->properties = SPAN_LIT("\0\0");
    replies_drop_confirms(session_channel(s, 1));
    say(c, "1 basic_publish routing_key=q | need not wait");
    say(c, "1 basic_publish routing_key=q | nor this one");
    heard_nothing(c);
    fixture_free(fx);
}
END_TEST

START_TEST(replies_of_a_lost_connection_are_forgotten)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    say(c, "1 queue_declare queue=q no_wait");
    say(c, "1 basic_publish routing_key=q | x");
    fx->store_held = true;
    say(c, "1 queue_declare queue=d durable");
    say(c, "1 basic_get queue=q no_ack");
    put_closed(c);
    fixture_run(fx);
    heard(c, "order RELEASED");
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

SUITE("replies", a_reply_waits_for_its_batch_and_everything_behind_it_waits_too,
      other_channels_and_connections_do_not_wait, a_second_declare_waits_for_the_first,
      a_get_ok_waits_its_turn_with_its_message, confirms_of_a_turn_are_one_frame,
      a_persistent_publish_is_confirmed_when_it_is_durable,
      a_confirm_does_not_join_one_of_an_earlier_batch, a_full_ring_delays_and_loses_nothing,
      after_a_full_ring_the_core_goes_on_by_itself, deliveries_wait_behind_a_get_ok,
      each_batch_frees_its_own_channels, a_closed_channel_confirms_nothing_more,
      no_confirm_follows_those_that_were_dropped, replies_of_a_lost_connection_are_forgotten,
      each_try_of_a_full_ring_is_counted)
