// SPDX-License-Identifier: Apache-2.0
#include "broker/net/conn.h"

#include "amqp/method.h"
#include "base/limits.h"
#include "tests/broker/net_fixture.h"

START_TEST(output_comes_before_the_end)
{
    struct net *n = net_new();
    struct slot_id conn = net_open_tuned(n, 4096);
    net_bytes(n, conn, SPAN_LIT("last words"));
    net_order(n, conn, ORDER_CLOSE);
    uint8_t got[10];
    net_receive(n, got, sizeof(got));
    ck_assert_mem_eq(got, "last words", 10);
    net_receive_end(n);
    net_free(n);
}
END_TEST

START_TEST(a_refused_peer_hears_nothing_for_a_while)
{
    struct net *n = net_new();
    struct slot_id conn = net_open(n);
    net_order(n, conn, ORDER_CLOSE_LATE);
    for (int i = 0; i < 20; i++)
        net_turn(n);
    uint8_t byte;
    ck_assert_int_lt(recv(n->fd, &byte, 1, 0), 0);
    n->now_ns += 4000000000;
    ck_assert_uint_eq(net_event(n)->kind, IN_CLOSED);
    net_free(n);
}
END_TEST

START_TEST(a_paused_connection_is_not_read_until_it_is_resumed)
{
    struct net *n = net_new();
    struct slot_id conn = net_open_tuned(n, 4096);
    net_order(n, conn, ORDER_PAUSE);
    net_turn(n);
    struct buf b;
    buf_init(&b);
    struct method m = {.id = METHOD_tx_select};
    wire_put_method(&b, 1, &m);
    net_send(n, buf_span(&b));
    for (int i = 0; i < 50; i++) {
        net_turn(n);
        ck_assert(!ring_see_published(&n->link.in));
    }
    net_order(n, conn, ORDER_RESUME);
    ck_assert_uint_eq(net_event(n)->kind, IN_METHOD);
    buf_fini(&b);
    net_free(n);
}
END_TEST

/* One method on channel 1 that the core sees once the connection is read. */
static void send_one(struct net *n)
{
    struct buf b;
    buf_init(&b);
    struct method m = {.id = METHOD_tx_select};
    wire_put_method(&b, 1, &m);
    net_send(n, buf_span(&b));
    buf_fini(&b);
}

static void check_unread(struct net *n)
{
    size_t size;
    for (int i = 0; i < 50; i++) {
        net_turn(n);
        ck_assert_ptr_null(ring_peek(&n->link.in, &size));
    }
}

START_TEST(a_throttled_connection_is_read_when_it_is_let_go_or_by_itself)
{
    struct net *n = net_new();
    struct slot_id conn = net_open_tuned(n, 4096);
    net_order(n, conn, ORDER_OPEN);
    net_order(n, conn, ORDER_THROTTLE);
    net_turn(n);
    send_one(n);
    check_unread(n);
    net_order(n, conn, ORDER_UNTHROTTLE);
    ck_assert_uint_eq(net_event(n)->kind, IN_METHOD);
    net_done(n);
    net_order(n, conn, ORDER_THROTTLE);
    net_turn(n);
    send_one(n);
    n->now_ns += PACING_THROTTLE_NS - 1;
    check_unread(n);
    /* Being told again does not make it longer. */
    net_order(n, conn, ORDER_THROTTLE);
    check_unread(n);
    n->now_ns += 1;
    ck_assert_uint_eq(net_event(n)->kind, IN_METHOD);
    net_done(n);
    /* What the core did not know to be over. */
    net_order(n, conn, ORDER_UNTHROTTLE);
    send_one(n);
    ck_assert_uint_eq(net_event(n)->kind, IN_METHOD);
    net_free(n);
}
END_TEST

START_TEST(who_goes_while_it_is_throttled_is_read_to_the_end)
{
    struct net *n = net_new();
    struct slot_id conn = net_open_tuned(n, 4096);
    net_order(n, conn, ORDER_THROTTLE);
    net_turn(n);
    send_one(n);
    close(n->fd);
    n->fd = -1;
    check_unread(n);
    n->now_ns += PACING_THROTTLE_NS;
    ck_assert_uint_eq(net_event(n)->kind, IN_METHOD);
    net_done(n);
    ck_assert_uint_eq(net_event(n)->kind, IN_CLOSED);
    net_free(n);
}
END_TEST

START_TEST(a_pause_ends_throttling_and_drops_who_is_gone)
{
    struct net *n = net_new();
    struct slot_id conn = net_open_tuned(n, 4096);
    net_order(n, conn, ORDER_THROTTLE);
    net_turn(n);
    send_one(n);
    close(n->fd);
    n->fd = -1;
    check_unread(n);
    net_order(n, conn, ORDER_PAUSE);
    ck_assert_uint_eq(net_event(n)->kind, IN_CLOSED);
    net_free(n);
}
END_TEST

START_TEST(heartbeats_go_out_when_nothing_else_does_and_silence_ends)
{
    struct net *n = net_new();
    struct slot_id conn = net_open_tuned(n, 4096); /* heartbeat 10 s */
    uint8_t frame[8];
    net_order(n, conn, ORDER_OPEN);
    net_turn(n);
    for (int i = 0; i < 4; i++) {
        n->now_ns += 5000000000;
        net_receive(n, frame, sizeof(frame));
        ck_assert_mem_eq(frame, "\x08\0\0\0\0\0\0\xce", 8);
    }
    /* More than two and a half intervals without a byte from the peer. */
    n->now_ns += 6000000000;
    ck_assert_uint_eq(net_event(n)->kind, IN_CLOSED);
    net_free(n);
}
END_TEST

/* What it has sent waits for room in the link, for longer than its silence might last. */
START_TEST(who_waits_for_the_core_is_not_silent)
{
    enum { METHODS = 20000 };
    struct net *n = net_new();
    struct slot_id conn = net_open_tuned(n, 4096); /* heartbeat 10 s */
    struct buf b;
    buf_init(&b);
    struct method m = {.id = METHOD_basic_qos};
    for (int i = 0; i < METHODS; i++)
        wire_put_method(&b, 1, &m);
    net_order(n, conn, ORDER_OPEN);
    net_send(n, buf_span(&b));
    for (int i = 0; i < 100; i++) {
        n->now_ns += 1000000000;
        net_turn(n);
    }
    for (int i = 0; i < METHODS; i++) {
        ck_assert_uint_eq(net_event(n)->kind, IN_METHOD);
        net_done(n);
    }
    buf_fini(&b);
    net_free(n);
}
END_TEST

/* Its descriptor is taken away behind the loop, which the kernel then refuses to watch. */
START_TEST(a_connection_that_cannot_be_watched_is_dropped)
{
    static const enum order ORDERS[] = {ORDER_PAUSE, ORDER_THROTTLE};
    for (size_t i = 0; i < sizeof(ORDERS) / sizeof(ORDERS[0]); i++) {
        struct net *n = net_new();
        struct slot_id conn = net_open_tuned(n, 4096);
        close(net_other_end(n->fd));
        net_order(n, conn, ORDERS[i]);
        ck_assert_uint_eq(net_event(n)->kind, IN_CLOSED);
        net_done(n);
        net_order(n, conn, ORDER_RELEASED);
        net_turn(n);
        ck_assert_uint_eq(io_n_connections(n->io), 0);
        net_free(n);
    }
}
END_TEST

SUITE("conn", who_waits_for_the_core_is_not_silent, output_comes_before_the_end,
      a_refused_peer_hears_nothing_for_a_while, a_paused_connection_is_not_read_until_it_is_resumed,
      a_throttled_connection_is_read_when_it_is_let_go_or_by_itself,
      who_goes_while_it_is_throttled_is_read_to_the_end,
      a_pause_ends_throttling_and_drops_who_is_gone, a_connection_that_cannot_be_watched_is_dropped,
      heartbeats_go_out_when_nothing_else_does_and_silence_ends)
