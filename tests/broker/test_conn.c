// SPDX-License-Identifier: Apache-2.0
#include "broker/net/conn.h"

#include "amqp/method.h"
#include "tests/amqp/wire_play.h"
#include "tests/broker/net_fixture.h"

/* A message with this body, as the core would keep it. */
static struct message *message_make(size_t body_size, bool large)
{
    size_t inline_size = large ? 0 : body_size;
    struct message *m = calloc(1, sizeof(*m) + 3 + 14 + inline_size);
    ck_assert_ptr_nonnull(m);
    m->route_size = 3;
    m->header_size = 14;
    m->body_size = (uint32_t)body_size;
    uint8_t *p = put_shortstr(put_shortstr(m->bytes, SPAN_LIT("")), SPAN_LIT("q"));
    p = put_u16(put_u64(put_u16(put_u16(p, CLASS_BASIC), 0), body_size), 0);
    if (large) {
        m->large = body_new(body_size, 0);
        while (m->large->capacity < body_size)
            ck_assert_int_eq(body_grow(&m->large, body_size), OK);
        m->large->size = body_size;
        p = m->large->bytes;
    }
    for (size_t i = 0; i < body_size; i++)
        p[i] = (uint8_t)(i * 31);
    return m;
}

static void message_drop(struct message *m)
{
    body_free(m->large);
    free(m);
}

static void content_out(struct net *n, struct slot_id conn, const struct message *m)
{
    uint8_t prefix[32];
    uint8_t *p = put_u16(put_u16(prefix, 60), 60);
    p = put_u8(put_u64(put_shortstr(p, SPAN_LIT("t")), 9), 0);
    size_t size = (size_t)(p - prefix);
    struct out_content *out = ring_reserve(&n->link.out, sizeof(*out) + size);
    ck_assert_ptr_nonnull(out);
    out->head = (struct out_head){.kind = OUT_CONTENT, .conn = conn, .channel = 4};
    out->prefix_size = (uint16_t)size;
    out->suffix_size = 0;
    out->message = m;
    put_bytes(out->bytes, span_of(prefix, size));
    ring_commit(&n->link.out, sizeof(*out) + size);
    ring_publish(&n->link.out);
}

static struct slot_id open_tuned(struct net *n, uint32_t frame_max)
{
    struct slot_id conn = net_open(n);
    struct buf b;
    buf_init(&b);
    struct method m = {.id = METHOD_connection_tune_ok};
    m.connection_tune_ok = (struct amqp_connection_tune_ok){2047, frame_max, 10};
    wire_put_method(&b, 0, &m);
    net_send(n, buf_span(&b));
    ck_assert_uint_eq(net_event(n)->kind, IN_METHOD);
    net_done(n);
    buf_fini(&b);
    return conn;
}

/* One frame from the server. */
static struct span receive_frame(struct net *n, uint8_t type, uint16_t channel, uint8_t *at)
{
    uint8_t head[FRAME_HEAD];
    net_receive(n, head, sizeof(head));
    struct span in = span_of(head, sizeof(head));
    uint8_t got_type;
    uint16_t got_channel;
    uint32_t size;
    ck_assert(take_u8(&in, &got_type) && take_u16(&in, &got_channel) && take_u32(&in, &size));
    ck_assert_uint_eq(got_type, type);
    ck_assert_uint_eq(got_channel, channel);
    net_receive(n, at, size + 1);
    ck_assert_uint_eq(at[size], FRAME_END);
    return span_of(at, size);
}

static void check_content(size_t body_size, bool large)
{
    static uint8_t bytes[1 << 18];
    struct net *n = net_new();
    struct slot_id conn = open_tuned(n, 4096);
    struct message *m = message_make(body_size, large);
    content_out(n, conn, m);
    struct method method;
    struct fault f;
    struct span payload = receive_frame(n, FRAME_METHOD, 4, bytes);
    ck_assert_ptr_null(method_decode(payload, &method, &f));
    ck_assert_int_eq(method.id, METHOD_basic_deliver);
    ck_assert_uint_eq(method.basic_deliver.delivery_tag, 9);
    ck_assert(span_eq(method.basic_deliver.routing_key, SPAN_LIT("q")));
    ck_assert(span_eq(receive_frame(n, FRAME_HEADER, 4, bytes), message_header(m)));
    for (size_t at = 0; at < body_size;) {
        struct span part = receive_frame(n, FRAME_BODY, 4, bytes);
        ck_assert_uint_le(part.size, 4096 - FRAME_OVERHEAD);
        ck_assert_mem_eq(part.at, message_body(m).at + at, part.size);
        at += part.size;
    }
    struct in_head *head = net_event(n);
    ck_assert_uint_eq(head->kind, IN_SENT);
    ck_assert_uint_eq(((struct in_sent *)head)->contents, 1);
    net_free(n);
    message_drop(m);
}

START_TEST(a_content_goes_out_in_frames_of_the_agreed_size)
{
    check_content(0, false);
    check_content(1, false);
    check_content(4088, false);
    check_content(4089, false);
    check_content(16000, false);
    check_content(200000, true);
}
END_TEST

START_TEST(output_comes_before_the_end)
{
    struct net *n = net_new();
    struct slot_id conn = open_tuned(n, 4096);
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
    struct slot_id conn = open_tuned(n, 4096);
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
    struct slot_id conn = open_tuned(n, 4096); /* heartbeat 10 s */
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

START_TEST(a_split_publish_is_handed_on_whole)
{
    struct net *n = net_new();
    open_tuned(n, 4096);
    struct buf b;
    buf_init(&b);
    wire_put_publish(&b, 2, "key");
    wire_put_header(&b, 2, 6, SPAN_LIT("\0\0"));
    wire_put_frame(&b, FRAME_BODY, 2, SPAN_LIT("abc"));
    wire_put_frame(&b, FRAME_BODY, 2, SPAN_LIT("def"));
    for (size_t i = 0; i < buf_span(&b).size; i++) {
        net_send(n, span_of(buf_span(&b).at + i, 1));
        net_turn(n);
    }
    struct in_publish *in = (struct in_publish *)net_event(n);
    ck_assert_uint_eq(in->head.kind, IN_PUBLISH);
    ck_assert_uint_eq(in->head.channel, 2);
    ck_assert(span_eq(in->route, SPAN_LIT("\0\3key")));
    ck_assert(span_eq(in->body, SPAN_LIT("abcdef")));
    ck_assert_uint_eq(in->body_size, 6);
    ck_assert_ptr_null(in->large);
    buf_fini(&b);
    net_free(n);
}
END_TEST

SUITE("conn", a_content_goes_out_in_frames_of_the_agreed_size, output_comes_before_the_end,
      a_refused_peer_hears_nothing_for_a_while, a_paused_connection_is_not_read_until_it_is_resumed,
      heartbeats_go_out_when_nothing_else_does_and_silence_ends, a_split_publish_is_handed_on_whole)
