// SPDX-License-Identifier: Apache-2.0
#include "broker/core/output.h"

#include <string.h>

#include "base/limits.h"
#include "tests/broker/core_fixture.h"

/* Deliveries leave room for replies, replies leave room for orders. */
START_TEST(a_filling_ring_refuses_contents_then_replies_then_orders)
{
    static uint8_t payload[8000];
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    struct session *s = fx->core->links[c->link].sessions[c->conn.index];
    struct ring *out = &fx->links[c->link].out;
    ck_assert(output_ring_has_room(s));
    while (output_ring_has_room(s))
        ck_assert(output_payload(s, 1, span_of(payload, sizeof(payload))));
    unsigned n_replies = 0;
    while (output_payload(s, 1, span_of(payload, sizeof(payload))))
        n_replies++;
    ck_assert_uint_ge(n_replies, 2);
    unsigned n_orders = 0;
    while (output_order(s, ORDER_RESUME))
        n_orders++;
    ck_assert_uint_ge(n_orders, OUTPUT_KEPT_FOR_ORDERS / 64);
    /* What does not fit changes nothing. */
    uint64_t at = out->w_at;
    ck_assert(!output_payload(s, 1, SPAN_LIT("x")));
    ck_assert(!output_order(s, ORDER_RESUME));
    ck_assert_uint_eq(out->w_at, at);
    /* The records were not methods: they are dropped unread. */
    size_t size;
    ring_publish(out);
    ring_see_published(out);
    while (ring_peek(out, &size) != NULL)
        ring_skip(out);
    ring_release(out);
    fixture_free(fx);
}
END_TEST

START_TEST(contents_are_held_until_they_are_sent)
{
    struct fixture *fx = fixture_new(0);
    struct client *c = fixture_connect(fx);
    c->stalled = true;
    say(c, "1 queue_declare queue=q no_wait");
    for (int i = 0; i < 5; i++)
        say(c, "1 basic_publish routing_key=q | hello");
    for (int i = 0; i < 5; i++)
        say(c, "1 basic_get queue=q no_ack");
    struct session *s = fx->core->links[c->link].sessions[c->conn.index];
    ck_assert_uint_eq(s->in_flight.n, 5);
    ck_assert_uint_eq(s->in_flight_bytes, fx->core->message_bytes);
    ck_assert_uint_gt(s->in_flight_bytes, 0);
    uint64_t all = c->contents;
    c->contents = 3;
    put_sent(c);
    fixture_run(fx);
    ck_assert_uint_eq(s->in_flight.n, 2);
    /* Saying it again, or less, changes nothing. */
    put_sent(c);
    c->contents = 1;
    put_sent(c);
    fixture_run(fx);
    ck_assert_uint_eq(s->in_flight.n, 2);
    c->contents = all;
    put_sent(c);
    fixture_run(fx);
    ck_assert_uint_eq(s->in_flight.n, 0);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

SUITE("output", a_filling_ring_refuses_contents_then_replies_then_orders,
      contents_are_held_until_they_are_sent)
