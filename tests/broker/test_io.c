// SPDX-License-Identifier: Apache-2.0
#include "broker/net/io.h"

#include "amqp/method.h"
#include "base/rng.h"
#include "tests/amqp/wire_play.h"
#include "tests/broker/net_fixture.h"

START_TEST(a_method_goes_in_and_frames_come_out)
{
    struct net *n = net_new();
    struct slot_id conn = net_open(n);
    struct buf b;
    buf_init(&b);
    struct method m = {.id = METHOD_queue_declare};
    m.queue_declare.queue = SPAN_LIT("q");
    wire_put_method(&b, 3, &m);
    net_send(n, buf_span(&b));
    struct in_method *in = (struct in_method *)net_event(n);
    ck_assert_uint_eq(in->head.kind, IN_METHOD);
    ck_assert_uint_eq(in->head.channel, 3);
    ck_assert_int_eq(in->method.id, METHOD_queue_declare);
    ck_assert(span_eq(in->method.queue_declare.queue, SPAN_LIT("q")));
    net_done(n);
    net_bytes(n, conn, SPAN_LIT("frames"));
    net_bytes(n, conn, SPAN_LIT(" and more"));
    uint8_t got[15];
    net_receive(n, got, sizeof(got));
    ck_assert_mem_eq(got, "frames and more", 15);
    buf_fini(&b);
    net_free(n);
}
END_TEST

START_TEST(a_wrong_protocol_is_answered_and_ended)
{
    struct net *n = net_new();
    net_send(n, SPAN_LIT("GET / HTTP/1.0\r\n\r\n"));
    uint8_t got[8];
    net_receive(n, got, sizeof(got));
    ck_assert_mem_eq(got, WIRE_PROTOCOL_HEADER, 8);
    net_receive_end(n);
    close(n->fd);
    n->fd = -1;
    for (int i = 0; i < NET_TURNS_MAX && io_n_connections(n->io) != 0; i++)
        net_turn(n);
    ck_assert_uint_eq(io_n_connections(n->io), 0);
    net_free(n);
}
END_TEST

START_TEST(a_connection_lives_until_the_core_has_released_it)
{
    struct net *n = net_new();
    struct slot_id conn = net_open(n);
    close(n->fd);
    n->fd = -1;
    ck_assert_uint_eq(net_event(n)->kind, IN_CLOSED);
    net_done(n);
    for (int i = 0; i < 20; i++)
        net_turn(n);
    ck_assert_uint_eq(io_n_connections(n->io), 1);
    /* What still comes for it is dropped. */
    net_bytes(n, conn, SPAN_LIT("too late"));
    net_order(n, conn, ORDER_CLOSE);
    net_order(n, conn, ORDER_RELEASED);
    net_turn(n);
    ck_assert_uint_eq(io_n_connections(n->io), 0);
    net_bytes(n, conn, SPAN_LIT("to nobody"));
    net_turn(n);
    net_free(n);
}
END_TEST

/* Lets the ring fill until nothing more comes, then takes everything. True when a publish was in
 * it. */
static bool take_when_full(struct net *n)
{
    bool published = false;
    for (unsigned idle = 0; idle < 4; idle++) {
        uint64_t at = n->link.in.w_at;
        net_turn(n);
        if (n->link.in.w_at != at)
            idle = 0;
    }
    size_t size;
    ring_see_published(&n->link.in);
    for (struct in_head *head; (head = ring_peek(&n->link.in, &size)) != NULL;
         ring_skip(&n->link.in))
        published = published || head->kind == IN_PUBLISH;
    ring_release(&n->link.in);
    return published;
}

/* Small methods fill the ring before and behind publishes of the largest header, put together from
 * pieces: all of them come through. (That the room kept free suffices is shown in test_link.) */
START_TEST(the_largest_publishes_come_through_a_filled_ring)
{
    static uint8_t header[131072];
    struct net *n = net_new();
    struct buf b;
    net_open(n);
    buf_init(&b);
    struct method tune = {.id = METHOD_connection_tune_ok};
    tune.connection_tune_ok = (struct amqp_connection_tune_ok){2047, 131072, 0};
    wire_put_method(&b, 0, &tune);
    put_u16(header, CLASS_BASIC);
    put_u64(header + 4, 16000);
    struct method m = {.id = METHOD_basic_qos};
    struct rng rng = {1};
    for (unsigned round = 0; round < 25; round++) {
        for (uint64_t i = 5000 + rng_below(&rng, 1500); i != 0; i--)
            wire_put_method(&b, 1, &m);
        wire_put_publish(&b, 1, "q");
        wire_put_frame(&b, FRAME_HEADER, 1, span_of(header, sizeof(header)));
        wire_put_frame(&b, FRAME_BODY, 1, span_of(header, 8000));
        wire_put_frame(&b, FRAME_BODY, 1, span_of(header, 8000));
        net_send(n, buf_span(&b));
        buf_consume(&b, buf_span(&b).size);
        for (bool published = false; !published;)
            published = take_when_full(n);
    }
    buf_fini(&b);
    net_free(n);
}
END_TEST

START_TEST(a_silent_peer_is_dropped_at_the_handshake_deadline)
{
    struct net *n = net_new();
    net_open(n);
    n->now_ns += 9000000000;
    net_turn(n);
    ck_assert(!io_has_work(n->io));
    ck_assert_uint_eq(io_n_connections(n->io), 1);
    n->now_ns += 2000000000;
    ck_assert_uint_eq(net_event(n)->kind, IN_CLOSED);
    net_free(n);
}
END_TEST

/* Fills the socket of the client at hand with methods. */
static void send_what_fits(struct net *n, struct span methods)
{
    while (send(n->fd, methods.at, methods.size, MSG_NOSIGNAL) == (ssize_t)methods.size)
        continue;
}

/* A core that frees little room in a turn: two peers that flood have their share of it. */
START_TEST(a_flood_leaves_room_for_others)
{
    struct net *n = net_new();
    struct buf methods;
    struct method m = {.id = METHOD_basic_qos};
    size_t taken[2] = {0, 0};
    int fds[2] = {n->fd, net_connect((uint16_t)strtoul(strchr(n->address, ':') + 1, NULL, 10))};
    uint32_t first = net_open(n).index;
    n->fd = fds[1];
    net_open(n);
    buf_init(&methods);
    wire_put_method(&methods, 1, &m); /* small: a part of one leaves no trace in the count */
    for (unsigned round = 0; round < 3000; round++) {
        for (int i = 0; round % 16 == 0 && i < 2; i++) {
            n->fd = fds[i];
            send_what_fits(n, buf_span(&methods));
        }
        net_turn(n);
        size_t size;
        ring_see_published(&n->link.in);
        for (unsigned i = 0; i < 100; i++) {
            struct in_head *head = ring_peek(&n->link.in, &size);
            if (head == NULL)
                break;
            taken[head->conn.index != first]++;
            ring_skip(&n->link.in);
        }
        ring_release(&n->link.in);
    }
    ck_assert_uint_ge(taken[0], 100000);
    ck_assert_uint_ge(taken[1], 100000);
    close(fds[0]);
    buf_fini(&methods);
    net_free(n);
}
END_TEST

SUITE("io", a_method_goes_in_and_frames_come_out, a_wrong_protocol_is_answered_and_ended,
      a_connection_lives_until_the_core_has_released_it,
      the_largest_publishes_come_through_a_filled_ring, a_flood_leaves_room_for_others,
      a_silent_peer_is_dropped_at_the_handshake_deadline)
