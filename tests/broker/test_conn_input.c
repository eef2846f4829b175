// SPDX-License-Identifier: Apache-2.0
#include "amqp/method.h"
#include "broker/net/conn.h"
#include "tests/broker/net_fixture.h"

START_TEST(a_split_publish_is_handed_on_whole)
{
    struct net *n = net_new();
    net_open_tuned(n, 4096);
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

/* A publish of `size` bytes, in frames of at most `part`. */
static void put_publish(struct buf *b, const uint8_t *body, size_t size, size_t part)
{
    wire_put_publish(b, 2, "large");
    wire_put_header(b, 2, size, SPAN_LIT("\0\0"));
    for (size_t at = 0; at < size; at += part)
        wire_put_frame(b, FRAME_BODY, 2, span_of(body + at, part < size - at ? part : size - at));
}

/* The next record, sending `step` bytes of what is left whenever there is none. */
static struct in_head *next_event(struct net *n, struct span *left, size_t step)
{
    for (size_t size; left->size != 0 && ring_peek(&n->link.in, &size) == NULL; net_turn(n)) {
        size_t part = step < left->size ? step : left->size;
        net_send(n, span_of(left->at, part));
        *left = span_of(left->at + part, left->size - part);
    }
    return net_event(n);
}

static void check_large(struct net *n, struct in_head *head, struct span body)
{
    struct in_publish *in = (struct in_publish *)head;
    ck_assert_uint_eq(in->head.kind, IN_PUBLISH);
    ck_assert(span_eq(in->route, SPAN_LIT("\0\5large")));
    ck_assert_uint_eq(in->body_size, body.size);
    ck_assert_ptr_nonnull(in->large);
    ck_assert(span_eq(span_of(in->large->bytes, in->large->size), body));
    body_free(in->large);
    net_done(n);
}

/* One behind the other, in large and small frames, among methods. */
START_TEST(large_bodies_come_whole_however_they_come)
{
    static const size_t SIZES[] = {20000, 65536, 70000, 65536, 65537, 131064, 300000, 65536, 40000};
    enum { N = sizeof(SIZES) / sizeof(SIZES[0]) };
    static uint8_t body[300000 + N];
    struct net *n = net_new();
    struct buf b;
    struct method m = {.id = METHOD_tx_select};
    buf_init(&b);
    net_open_tuned(n, 131072);
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < N; i++) {
        put_publish(&b, body + i, SIZES[i], i % 3 == 2 ? 5000 : 131064);
        if (i % 2 == 0)
            wire_put_method(&b, 2, &m);
    }
    for (size_t step = 1000; step < 1000000; step *= 3) {
        struct span left = buf_span(&b);
        for (size_t i = 0; i < N; i++) {
            check_large(n, next_event(n, &left, step), span_of(body + i, SIZES[i]));
            if (i % 2 != 0)
                continue;
            ck_assert_uint_eq(next_event(n, &left, step)->kind, IN_METHOD);
            net_done(n);
        }
    }
    buf_fini(&b);
    net_free(n);
}
END_TEST

SUITE("conn_input", a_split_publish_is_handed_on_whole, large_bodies_come_whole_however_they_come)
