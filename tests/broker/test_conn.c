// SPDX-License-Identifier: Apache-2.0
#include "broker/net/conn.h"

#include "amqp/method.h"
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

SUITE("conn", output_comes_before_the_end, a_refused_peer_hears_nothing_for_a_while,
      a_paused_connection_is_not_read_until_it_is_resumed,
      heartbeats_go_out_when_nothing_else_does_and_silence_ends)
