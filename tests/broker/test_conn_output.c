// SPDX-License-Identifier: Apache-2.0
#include "amqp/method.h"
#include "broker/net/conn.h"
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
    struct slot_id conn = net_open_tuned(n, 4096);
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

/* How long the end may take is counted from the last byte that moved. */
START_TEST(a_peer_that_reads_slowly_gets_all_before_the_end)
{
    enum { BODY = 12 << 20, FRAME_BODY_MAX = 131072 - FRAME_OVERHEAD };
    static uint8_t bytes[1 << 18];
    int receive_buffer = 1 << 16;
    struct net *n = net_new();
    ck_assert_int_eq(
        setsockopt(n->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)), 0);
    struct slot_id conn = net_open_tuned(n, 131072);
    struct message *m = message_make(BODY, true);
    content_out(n, conn, m);
    net_order(n, conn, ORDER_CLOSE);
    receive_frame(n, FRAME_METHOD, 4, bytes);
    receive_frame(n, FRAME_HEADER, 4, bytes);
    for (size_t at = 0; at < BODY; at += FRAME_BODY_MAX) {
        size_t left = BODY - at;
        ck_assert_uint_eq(receive_frame(n, FRAME_BODY, 4, bytes).size,
                          left < FRAME_BODY_MAX ? left : FRAME_BODY_MAX);
        n->now_ns += UINT64_C(500000000);
    }
    net_receive_end(n);
    net_free(n);
    message_drop(m);
}
END_TEST

SUITE("conn_output", a_content_goes_out_in_frames_of_the_agreed_size,
      a_peer_that_reads_slowly_gets_all_before_the_end)
