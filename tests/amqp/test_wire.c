// SPDX-License-Identifier: Apache-2.0
#include "amqp/wire.h"

#include "base/limits.h"
#include "base/rng.h"
#include "tests/amqp/wire_play.h"
#include "tests/base/suite.h"

static struct buf b;
static struct wire_play p;

enum { OURS = 131072, BODY_MAX = 1 << 20 };

static void begin(uint32_t frame_max)
{
    buf_init(&b);
    wire_put_opening(&b, frame_max);
    wire_play_init(&p, OURS, BODY_MAX);
}

static void end(void)
{
    wire_play_fini(&p);
    buf_fini(&b);
}

static void feed_all(void)
{
    wire_play_feed(&p, buf_span(&b));
}

/* ---- Cuts ---- */

/* A session with everything in it: small publishes, interleaved ones, an empty body, one of many
 * frames, one above BODY_INLINE_MAX, one over the limit, heartbeats. */
static void put_session(void)
{
    static uint8_t body[BODY_INLINE_MAX * 2];
    memset(body, 'b', sizeof(body));
    struct method m = {.id = METHOD_channel_open};
    wire_put_method(&b, 1, &m);
    wire_put_publish(&b, 1, "small");
    wire_put_header(&b, 1, 5, SPAN_LIT("\x80\0\4text"));
    wire_put_frame(&b, FRAME_BODY, 1, SPAN_LIT("hello"));
    wire_put_publish(&b, 1, "empty");
    wire_put_header(&b, 1, 0, SPAN_LIT("\0\0"));
    wire_put_publish(&b, 1, "first of two");
    wire_put_publish(&b, 2, "second of two");
    wire_put_frame(&b, FRAME_HEARTBEAT, 0, SPAN_NONE);
    wire_put_header(&b, 2, 4, SPAN_LIT("\0\0"));
    wire_put_header(&b, 1, 6, SPAN_LIT("\0\0"));
    wire_put_frame(&b, FRAME_BODY, 1, SPAN_LIT("abc"));
    wire_put_frame(&b, FRAME_BODY, 2, SPAN_LIT("wxyz"));
    wire_put_frame(&b, FRAME_BODY, 1, SPAN_NONE);
    wire_put_frame(&b, FRAME_BODY, 1, SPAN_LIT("def"));
    wire_put_publish(&b, 1, "large");
    wire_put_header(&b, 1, BODY_INLINE_MAX + 100, SPAN_LIT("\0\0"));
    for (size_t left = BODY_INLINE_MAX + 100; left != 0;) {
        size_t n = left < 4000 ? left : 4000;
        wire_put_frame(&b, FRAME_BODY, 1, span_of(body, n));
        left -= n;
    }
    m.id = METHOD_basic_ack;
    m.basic_ack = (struct amqp_basic_ack){7, true};
    wire_put_method(&b, 1, &m);
}

static void put_end_of_session(bool faulty)
{
    struct method m = {.id = METHOD_channel_close_ok};
    wire_put_method(&b, 2, &m);
    if (faulty)
        wire_put_frame(&b, FRAME_BODY, 9, SPAN_LIT("nobody asked"));
    wire_put_method(&b, 2, &m);
}

/* Every second time large bodies go straight to their memory. */
static void begin_cut(struct wire_play *cut, size_t i)
{
    wire_play_init(cut, OURS, BODY_MAX);
    cut->direct = i % 2 != 0;
}

static void check_cuts(const struct buf *log, struct wire_play *cut)
{
    ck_assert(span_eq(buf_span(&cut->log), buf_span(log)));
    wire_play_fini(cut);
}

START_TEST(events_do_not_depend_on_how_bytes_are_cut)
{
    for (int faulty = 0; faulty < 2; faulty++) {
        begin(4096);
        put_session();
        put_end_of_session(faulty != 0);
        feed_all();
        ck_assert_int_eq(p.last, faulty ? WIRE_FAULT : WIRE_METHOD);
        ck_assert_uint_eq(p.n_events, faulty ? 12 : 12);
        struct span all = buf_span(&b);
        struct wire_play cut;
        for (size_t direct = 0; direct < 2; direct++) {
            begin_cut(&cut, direct);
            for (size_t i = 0; i < all.size; i++)
                wire_play_feed(&cut, span_of(all.at + i, 1));
            check_cuts(&p.log, &cut);
        }
        for (size_t at = 0; at <= all.size; at += at < 1200 || at + 200 > all.size ? 1 : 97) {
            begin_cut(&cut, at);
            wire_play_feed(&cut, span_of(all.at, at));
            wire_play_feed(&cut, span_of(all.at + at, all.size - at));
            check_cuts(&p.log, &cut);
        }
        for (uint64_t seed = 0; seed < 200; seed++) {
            struct rng rng = {seed};
            begin_cut(&cut, seed / 2);
            for (size_t at = 0, n; at < all.size; at += n) {
                n = 1 + rng_below(&rng, seed % 2 == 0 ? 30 : 5000);
                n = n < all.size - at ? n : all.size - at;
                wire_play_feed(&cut, span_of(all.at + at, n));
            }
            check_cuts(&p.log, &cut);
        }
        end();
    }
}
END_TEST

/* ---- Protocol header ---- */

START_TEST(two_protocol_headers_are_right)
{
    static const uint8_t ALSO[] = {'A', 'M', 'Q', 'P', 1, 1, 0, 9};
    wire_play_init(&p, OURS, BODY_MAX);
    wire_play_feed(&p, span_of(ALSO, 8));
    ck_assert_int_eq(p.last, WIRE_OPENED);
    wire_play_fini(&p);
    wire_play_init(&p, OURS, BODY_MAX);
    wire_play_feed(&p, span_of(WIRE_PROTOCOL_HEADER, 8));
    ck_assert_int_eq(p.last, WIRE_OPENED);
    wire_play_fini(&p);
}
END_TEST

START_TEST(any_other_beginning_is_refused_once)
{
    const struct span wrong[] = {SPAN_LIT("GET / HTTP/1.1\r\n"), SPAN_LIT("AMQP\0\1\0\0"),
                                 SPAN_LIT("AMQP\3\1\0\0"),       SPAN_LIT("AMQP\0\0\x0a\1"),
                                 SPAN_LIT("\x16\3\1"),           SPAN_LIT("AMQPAMQPAMQP")};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        wire_play_init(&p, OURS, BODY_MAX);
        for (size_t at = 0; at < wrong[i].size; at++)
            wire_play_feed(&p, span_of(wrong[i].at + at, 1));
        ck_assert_int_eq(p.last, WIRE_REFUSED);
        wire_play_feed(&p, span_of(WIRE_PROTOCOL_HEADER, 8));
        ck_assert_uint_eq(p.n_events, 1);
        wire_play_fini(&p);
    }
}
END_TEST

/* ---- Faults ---- */

static void check_fault(unsigned code, unsigned class_id, unsigned method_id, const char *text)
{
    feed_all();
    ck_assert_int_eq(p.last, WIRE_FAULT);
    ck_assert_str_eq(p.fault.text, text);
    ck_assert_uint_eq(p.fault.reply->code, code);
    ck_assert_uint_eq(p.fault.class_id, class_id);
    ck_assert_uint_eq(p.fault.method_id, method_id);
    /* Nothing more is read. */
    size_t n = p.n_events;
    buf_consume(&b, buf_span(&b).size);
    wire_put_frame(&b, FRAME_HEARTBEAT, 0, SPAN_NONE);
    feed_all();
    ck_assert_uint_eq(p.n_events, n);
    end();
}

START_TEST(frames_of_no_known_kind_are_faults)
{
    begin(4096);
    wire_put_frame(&b, 4, 1, SPAN_LIT("abc"));
    check_fault(501, 0, 0, "FRAME_ERROR - type 4, all octets = <<\"abc\">>: unknown_frame");
    begin(4096);
    wire_put_frame(&b, 0, 0, SPAN_LIT("0123456789abcdefg"));
    check_fault(501, 0, 0,
                "FRAME_ERROR - type 0, first 16 octets = <<\"0123456789abcdef\">>: unknown_frame");
    begin(4096);
    wire_put_frame(&b, FRAME_METHOD, 1, SPAN_LIT("\0\x3c\0"));
    check_fault(501, 0, 0, "FRAME_ERROR - type 1, all octets = <<0,60,0>>: unknown_frame");
}
END_TEST

START_TEST(a_frame_without_its_end_is_a_fault)
{
    begin(4096);
    wire_put_frame(&b, FRAME_HEARTBEAT, 0, SPAN_NONE);
    b.bytes[b.end - 1] = 0xcd;
    check_fault(501, 0, 0,
                "FRAME_ERROR - type 8, all octets = <<>>: {invalid_frame_end_marker,205}");
    begin(4096);
    wire_put_publish(&b, 1, "q");
    wire_put_header(&b, 1, 3, SPAN_LIT("\0\0"));
    wire_put_frame(&b, FRAME_BODY, 1, SPAN_LIT("abc"));
    b.bytes[b.end - 1] = 0;
    check_fault(501, 0, 0,
                "FRAME_ERROR - type 3, all octets = <<\"abc\">>: {invalid_frame_end_marker,0}");
}
END_TEST

START_TEST(a_frame_above_the_agreed_size_is_a_fault)
{
    begin(4096);
    uint8_t head[FRAME_HEAD];
    frame_put_head(head, FRAME_METHOD, 1, 4097);
    ck_assert_int_eq(buf_append(&b, span_of(head, sizeof(head))), OK);
    check_fault(501, 0, 0, "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,4097,4088}");
}
END_TEST

START_TEST(frames_out_of_order_are_faults)
{
    begin(4096);
    wire_put_frame(&b, FRAME_HEARTBEAT, 1, SPAN_NONE);
    check_fault(505, 0, 0, "UNEXPECTED_FRAME - type 8, all octets = <<>>");
    begin(4096);
    wire_put_frame(&b, FRAME_BODY, 0, SPAN_LIT("x"));
    check_fault(505, 0, 0, "UNEXPECTED_FRAME - type 3, all octets = <<\"x\">>");
    begin(4096);
    wire_put_frame(&b, FRAME_BODY, 1, SPAN_LIT("x"));
    check_fault(505, 0, 0,
                "UNEXPECTED_FRAME - expected method frame, got non method frame instead");
    begin(4096);
    wire_put_header(&b, 1, 3, SPAN_LIT("\0\0"));
    check_fault(505, 0, 0,
                "UNEXPECTED_FRAME - expected method frame, got non method frame instead");
    begin(4096);
    wire_put_publish(&b, 1, "q");
    wire_put_publish(&b, 1, "q");
    check_fault(505, 60, 40,
                "UNEXPECTED_FRAME - expected content header for class 60, got non content header "
                "frame instead");
    begin(4096);
    wire_put_publish(&b, 1, "q");
    wire_put_header(&b, 1, 3, SPAN_LIT("\0\0"));
    wire_put_publish(&b, 1, "q");
    check_fault(505, 60, 40,
                "UNEXPECTED_FRAME - expected content body, got non content body frame instead");
}
END_TEST

START_TEST(contents_that_do_not_fit_their_header_are_faults)
{
    begin(4096);
    wire_put_publish(&b, 1, "q");
    wire_put_frame(&b, FRAME_HEADER, 1, SPAN_LIT("\0\x5a\0\0\0\0\0\0\0\0\0\0\0\0"));
    check_fault(505, 60, 40,
                "UNEXPECTED_FRAME - expected content header for class 60, got one for class 90 "
                "instead");
    begin(4096);
    wire_put_publish(&b, 1, "q");
    wire_put_header(&b, 1, 3, SPAN_LIT("\0\0"));
    wire_put_frame(&b, FRAME_BODY, 1, SPAN_LIT("abcd"));
    check_fault(501, 0, 0, "FRAME_ERROR - content body frame exceeds remaining content size");
    begin(4096);
    wire_put_publish(&b, 1, "q");
    wire_put_header(&b, 1, UINT64_C(1) << 40, SPAN_LIT("\0\0"));
    check_fault(501, 0, 0,
                "FRAME_ERROR - content body size 1099511627776 exceeds maximum allowed size "
                "536870912");
}
END_TEST

START_TEST(methods_that_nobody_knows_are_faults)
{
    begin(4096);
    wire_put_frame(&b, FRAME_METHOD, 1, SPAN_LIT("\0\x32\0\x63"));
    feed_all();
    ck_assert_uint_eq(p.fault.reply->code, 503);
    ck_assert_uint_eq(p.fault.class_id, 50);
    ck_assert_uint_eq(p.fault.method_id, 99);
    end();
    begin(4096);
    wire_put_frame(&b, FRAME_METHOD, 1, SPAN_LIT("\0\x32\0\x0a\0"));
    feed_all();
    ck_assert_uint_eq(p.fault.reply->code, 501);
    ck_assert_uint_eq(p.fault.class_id, 50);
    ck_assert_uint_eq(p.fault.method_id, 10);
    end();
}
END_TEST

/* ---- Bounds ---- */

START_TEST(the_agreed_frame_size_holds_from_the_next_byte_on)
{
    static uint8_t body[9000];
    begin(8192);
    wire_put_publish(&b, 1, "q");
    wire_put_header(&b, 1, 8000, SPAN_LIT("\0\0"));
    wire_put_frame(&b, FRAME_BODY, 1, span_of(body, 8000));
    feed_all();
    ck_assert_int_eq(p.last, WIRE_PUBLISH);
    ck_assert_uint_eq(p.w.frame_max, 8192);
    ck_assert_uint_eq(p.w.heartbeat_s, 60);
    /* A second one changes nothing: it is for the core to refuse. */
    buf_consume(&b, buf_span(&b).size);
    struct method m = {.id = METHOD_connection_tune_ok};
    m.connection_tune_ok = (struct amqp_connection_tune_ok){1, 4096, 1};
    wire_put_method(&b, 0, &m);
    feed_all();
    ck_assert_uint_eq(p.w.frame_max, 8192);
    end();
    const uint32_t refused[] = {0, 100, 4095, OURS + 1, UINT32_MAX};
    for (size_t i = 0; i < 5; i++) {
        begin(refused[i]);
        feed_all();
        ck_assert_int_eq(p.last, WIRE_METHOD);
        ck_assert_uint_eq(p.w.frame_max, OURS);
        end();
    }
}
END_TEST

/* The core refuses it with its announced size; the bytes are read and not kept. */
START_TEST(a_body_over_the_limit_is_not_kept)
{
    static uint8_t body[4000];
    begin(4096);
    wire_put_publish(&b, 1, "q");
    wire_put_header(&b, 1, BODY_MAX + 4000, SPAN_LIT("\0\0"));
    feed_all();
    for (size_t left = BODY_MAX + 4000; left != 0;) {
        size_t n = left < 4000 ? left : 4000;
        buf_consume(&b, buf_span(&b).size);
        wire_put_frame(&b, FRAME_BODY, 1, span_of(body, n));
        feed_all();
        if (p.w.assembled_bytes > 200)
            ck_abort_msg("%zu bytes are kept", (size_t)p.w.assembled_bytes);
        left -= n;
    }
    ck_assert_int_eq(p.last, WIRE_PUBLISH);
    ck_assert_uint_eq(p.w.assembled_bytes, 0);
    end();
}
END_TEST

/* Every channel holds an unfinished body: the sum is bounded. */
START_TEST(unfinished_bodies_are_bounded_together)
{
    static uint8_t body[100000];
    begin(OURS);
    feed_all();
    for (unsigned channel = 1; channel < 200 && p.last != WIRE_FAULT; channel++) {
        buf_consume(&b, buf_span(&b).size);
        wire_put_publish(&b, (uint16_t)channel, "q");
        wire_put_header(&b, (uint16_t)channel, BODY_MAX, SPAN_LIT("\0\0"));
        wire_put_frame(&b, FRAME_BODY, (uint16_t)channel, span_of(body, sizeof(body)));
        feed_all();
    }
    ck_assert_int_eq(p.last, WIRE_FAULT);
    ck_assert_uint_eq(p.fault.reply->code, 506);
    end();
}
END_TEST

/* Headers and methods of contents that never go on are charged like bodies. */
START_TEST(unfinished_headers_are_bounded_together)
{
    static uint8_t header[100000];
    put_u16(header, CLASS_BASIC);
    put_u64(header + 4, 10);
    begin(OURS);
    feed_all();
    for (unsigned channel = 1; channel < 2000 && p.last != WIRE_FAULT; channel++) {
        buf_consume(&b, buf_span(&b).size);
        wire_put_publish(&b, (uint16_t)channel, "q");
        wire_put_frame(&b, FRAME_HEADER, (uint16_t)channel, span_of(header, sizeof(header)));
        feed_all();
    }
    ck_assert_int_eq(p.last, WIRE_FAULT);
    ck_assert_uint_eq(p.fault.reply->code, 506);
    ck_assert_uint_le(p.w.assembled_bytes, p.w.assembled_bytes_max);
    end();
}
END_TEST

/* Whoever has not come as far as tune-ok has no channels to publish on. */
START_TEST(a_content_before_tune_ok_is_a_fault)
{
    buf_init(&b);
    ck_assert_int_eq(buf_append(&b, span_of(WIRE_PROTOCOL_HEADER, 8)), OK);
    wire_put_publish(&b, 1, "q");
    wire_play_init(&p, OURS, BODY_MAX);
    feed_all();
    ck_assert_int_eq(p.last, WIRE_FAULT);
    ck_assert_uint_eq(p.w.assemblies.n, 0);
    wire_play_fini(&p);
    /* Nor when it comes in one piece. */
    wire_put_header(&b, 1, 1, SPAN_LIT("\0\0"));
    wire_put_frame(&b, FRAME_BODY, 1, SPAN_LIT("x"));
    wire_play_init(&p, OURS, BODY_MAX);
    feed_all();
    ck_assert_int_eq(p.last, WIRE_FAULT);
    end();
}
END_TEST

SUITE("wire", events_do_not_depend_on_how_bytes_are_cut, two_protocol_headers_are_right,
      any_other_beginning_is_refused_once, frames_of_no_known_kind_are_faults,
      a_frame_without_its_end_is_a_fault, a_frame_above_the_agreed_size_is_a_fault,
      frames_out_of_order_are_faults, contents_that_do_not_fit_their_header_are_faults,
      methods_that_nobody_knows_are_faults, the_agreed_frame_size_holds_from_the_next_byte_on,
      a_body_over_the_limit_is_not_kept, unfinished_bodies_are_bounded_together,
      unfinished_headers_are_bounded_together, a_content_before_tune_ok_is_a_fault)
