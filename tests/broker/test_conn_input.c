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

SUITE("conn_input", a_split_publish_is_handed_on_whole)
