// SPDX-License-Identifier: Apache-2.0
#include "broker/core/long_route.h"

#include "base/limits.h"
#include "tests/broker/core_fixture.h"

enum { BINDINGS = 300, TURN = 16 };

static struct fixture *fx;
static struct client *a;
static struct client *b;

/* amq.fanout leads to q by many bindings, and the turns are short. */
static void begin(void)
{
    fx = fixture_new(0);
    a = fixture_connect(fx);
    b = fixture_connect(fx);
    say(a, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < BINDINGS; i++)
        put(a, "1 queue_bind queue=q exchange=amq.fanout routing_key=%d no_wait", i);
    say(a, "1 confirm_select no_wait");
    say(b, "1 confirm_select no_wait");
    fx->core->options.turn_work = TURN;
}

static const struct long_routes *walks(void)
{
    return &fx->core->long_routes;
}

/* A turn in which the walk gets on. */
static void slice(void)
{
    size_t looks = walks()->route.looks;
    for (int i = 0; walks()->route.looks == looks; i++) {
        ck_assert_int_lt(i, 8);
        ck_assert_ptr_nonnull(walks()->owner);
        fixture_step(fx);
    }
}

/* `c` has published, and its walk is under way. */
static void publish_long(struct client *c, const char *body)
{
    /* A key of its own, so that no channel remembers the way. */
    put(c, "1 basic_publish exchange=amq.fanout routing_key=%s | %s", body, body);
    fixture_step(fx);
    ck_assert_ptr_nonnull(walks()->owner);
    slice();
}

static void is_over(void)
{
    ck_assert_ptr_null(walks()->owner);
    ck_assert(list_empty(&walks()->waiting));
}

START_TEST(a_long_walk_takes_many_turns_and_others_go_on)
{
    begin();
    publish_long(a, "long");
    put(a, "1 basic_publish routing_key=q | behind");
    put(b, "1 basic_publish routing_key=q | short");
    unsigned turns = 0;
    for (; walks()->owner != NULL; turns++)
        fixture_step(fx);
    ck_assert_uint_ge(turns, BINDINGS / (TURN * ROUTE_LOOKS_PER_STEP));
    heard(b, "1 basic_ack delivery_tag=1");
    fixture_run(fx);
    heard(a, "1 basic_ack delivery_tag=2 multiple");
    ck_assert_uint_eq(fx->core->stats.published, 3);
    say(b, "1 basic_get queue=q no_ack");
    heard(b, "1 basic_get_ok delivery_tag=1 routing_key=q message_count=2 | short");
    say(b, "1 basic_get queue=q no_ack");
    heard(b, "1 basic_get_ok delivery_tag=2 exchange=amq.fanout routing_key=long message_count=1 | "
             "long");
    is_over();
    fixture_free(fx);
}
END_TEST

START_TEST(those_who_wait_come_one_after_the_other)
{
    begin();
    publish_long(a, "1");
    put(b, "1 basic_publish exchange=amq.fanout routing_key=2 | second");
    slice();
    put(a, "1 basic_publish exchange=amq.fanout routing_key=3 | third");
    fixture_run(fx);
    is_over();
    say(b, "1 queue_declare queue=q passive");
    heard(b, "1 basic_ack delivery_tag=1", "1 queue_declare_ok queue=q message_count=3");
    for (int i = 0; i < 3; i++)
        put(b, "1 basic_get queue=q no_ack");
    fixture_run(fx);
    heard(
        b, "1 basic_get_ok delivery_tag=1 exchange=amq.fanout routing_key=1 message_count=2 | 1",
        "1 basic_get_ok delivery_tag=2 exchange=amq.fanout routing_key=2 message_count=1 | second",
        "1 basic_get_ok delivery_tag=3 exchange=amq.fanout routing_key=3 | third");
    fixture_free(fx);
}
END_TEST

START_TEST(a_change_of_routing_begins_it_anew_and_soon_it_ends)
{
    begin();
    publish_long(a, "x");
    unsigned changes = 0;
    for (; walks()->owner != NULL; changes++) {
        say(b, "1 queue_declare queue=other%u no_wait", changes);
        put(b, "1 queue_bind queue=other%u exchange=amq.fanout no_wait", changes);
        fixture_step(fx);
        ck_assert_uint_lt(changes, 16);
    }
    fixture_run(fx);
    heard(a, "1 basic_ack delivery_tag=1");
    say(b, "1 queue_declare queue=q passive");
    heard(b, "1 queue_declare_ok queue=q message_count=1");
    is_over();
    fixture_free(fx);
}
END_TEST

START_TEST(it_goes_where_the_last_bindings_lead)
{
    begin();
    say(b, "1 exchange_declare exchange=x type=fanout no_wait");
    say(b, "1 queue_declare queue=old no_wait");
    say(b, "1 queue_bind queue=old exchange=x no_wait");
    for (int i = 0; i < BINDINGS; i++)
        put(b, "1 queue_bind queue=q exchange=x routing_key=%d no_wait", i);
    fixture_run(fx);
    put(a, "1 basic_publish exchange=x | x");
    fixture_step(fx);
    slice();
    say(b, "1 queue_unbind queue=old exchange=x");
    heard(a, "1 basic_ack delivery_tag=1");
    heard(b, "1 queue_unbind_ok");
    put(b, "1 basic_get queue=old no_ack");
    put(b, "1 basic_get queue=q no_ack");
    fixture_run(fx);
    heard(b, "1 basic_get_empty", "1 basic_get_ok delivery_tag=1 exchange=x | x");
    is_over();
    fixture_free(fx);
}
END_TEST

/* A queue that was deleted before the walk began loses its bindings one by one while it goes on: it
 * never goes on at one of them. */
START_TEST(dead_bindings_may_go_meanwhile)
{
    enum { DEAD = 300, PLACES = 160, STEP = 16 };
    for (int before = 0; before < PLACES; before += STEP) {
        fx = fixture_new(0);
        a = fixture_connect(fx);
        b = fixture_connect(fx);
        say(a, "1 queue_declare queue=q no_wait");
        say(a, "1 queue_declare queue=dead no_wait");
        for (int i = 0; i < before; i++)
            put(a, "1 queue_bind queue=q exchange=amq.fanout routing_key=%d no_wait", i);
        fixture_run(fx);
        for (int i = 0; i < DEAD; i++)
            put(a, "1 queue_bind queue=dead exchange=amq.fanout routing_key=%d no_wait", i);
        fixture_run(fx);
        for (int i = before; i < BINDINGS; i++)
            put(a, "1 queue_bind queue=q exchange=amq.fanout routing_key=%d no_wait", i);
        say(a, "1 confirm_select no_wait");
        fx->core->options.turn_work = TURN;
        put(b, "1 queue_delete queue=dead no_wait");
        put(a, "1 basic_publish exchange=amq.fanout routing_key=x | x");
        fixture_run(fx);
        heard(a, "1 basic_ack delivery_tag=1");
        is_over();
        fixture_free(fx);
    }
}
END_TEST

START_TEST(the_exchange_may_go_meanwhile)
{
    begin();
    publish_long(a, "x");
    put(b, "1 basic_publish exchange=amq.fanout | y");
    slice();
    exchange_detach(vhost_exchange(fx->core->vhost, SPAN_LIT("amq.fanout")));
    fixture_run(fx);
    heard(a, "1 channel_close reply_code=404 reply_text=NOT_FOUND - no exchange 'amq.fanout' in "
             "vhost '/' class_id=60 method_id=40");
    heard(b, "1 channel_close reply_code=404 reply_text=NOT_FOUND - no exchange 'amq.fanout' in "
             "vhost '/' class_id=60 method_id=40");
    is_over();
    fixture_free(fx);
}
END_TEST

START_TEST(a_connection_that_ends_makes_room_for_the_next)
{
    begin();
    publish_long(a, "x");
    put(b, "1 basic_publish exchange=amq.fanout | y");
    slice();
    put_closed(a);
    fixture_run(fx);
    heard(b, "1 basic_ack delivery_tag=1");
    is_over();
    fixture_free(fx);
}
END_TEST

START_TEST(a_fault_of_the_connection_ends_it_unpublished)
{
    begin();
    publish_long(a, "x");
    put_fault(a, REPLY_FRAME_ERROR, "broken");
    fixture_run(fx);
    is_over();
    say(b, "1 queue_declare queue=q passive");
    heard(b, "1 queue_declare_ok queue=q message_count=1");
    fixture_free(fx);
}
END_TEST

START_TEST(a_large_body_waits_with_it)
{
    enum { SIZE = BODY_INLINE_MAX + 1 };
    begin();
    struct body *large = body_new(SIZE, a->link);
    while (large->capacity < SIZE)
        ck_assert_int_eq(body_grow(&large, SIZE), OK);
    large->size = SIZE;
    put_body(a, 1, "amq.fanout", "", SPAN_NONE, SIZE, large);
    fixture_step(fx);
    slice();
    fixture_run(fx);
    heard(a, "1 basic_ack delivery_tag=1");
    say(a, "1 queue_declare queue=q passive");
    heard(a, "1 queue_declare_ok queue=q message_count=1");
    is_over();
    fixture_free(fx);
}
END_TEST

START_TEST(a_transaction_takes_it_when_it_comes)
{
    begin();
    say(a, "2 channel_open");
    say(a, "2 tx_select");
    forget(a);
    put(a, "2 basic_publish exchange=amq.fanout | x");
    put(a, "2 tx_commit");
    fixture_step(fx);
    slice();
    fixture_run(fx);
    heard(a, "2 tx_commit_ok");
    say(b, "1 queue_declare queue=q passive");
    heard(b, "1 queue_declare_ok queue=q message_count=1");
    is_over();
    fixture_free(fx);
}
END_TEST

START_TEST(a_core_may_be_freed_in_its_middle)
{
    begin();
    publish_long(a, "x");
    put(b, "1 basic_publish exchange=amq.fanout | y");
    slice();
    fixture_drop(fx);
}
END_TEST

SUITE("long_route", a_long_walk_takes_many_turns_and_others_go_on,
      those_who_wait_come_one_after_the_other, a_change_of_routing_begins_it_anew_and_soon_it_ends,
      it_goes_where_the_last_bindings_lead, dead_bindings_may_go_meanwhile,
      the_exchange_may_go_meanwhile, a_connection_that_ends_makes_room_for_the_next,
      a_fault_of_the_connection_ends_it_unpublished, a_large_body_waits_with_it,
      a_transaction_takes_it_when_it_comes, a_core_may_be_freed_in_its_middle)
