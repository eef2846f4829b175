// SPDX-License-Identifier: Apache-2.0
#include "amqp/content.h"

#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/base/suite.h"

static uint8_t payload[1024];

/* A header with all fourteen properties. */
static struct span everything(void)
{
    uint8_t *p = put_u64(put_u16(put_u16(payload, CLASS_BASIC), 0), 77);
    p = put_u16(p, 0xfffc);
    p = put_shortstr(put_shortstr(p, SPAN_LIT("type")), SPAN_LIT("encoding"));
    p = put_longstr(p, SPAN_LIT("\1kV"));
    p = put_u8(put_u8(p, 2), 9);
    p = put_shortstr(put_shortstr(p, SPAN_LIT("correlation")), SPAN_LIT("reply"));
    p = put_shortstr(put_shortstr(p, SPAN_LIT("1000")), SPAN_LIT("message"));
    p = put_u64(p, 1234567890);
    p = put_shortstr(put_shortstr(p, SPAN_LIT("kind")), SPAN_LIT("user"));
    p = put_shortstr(put_shortstr(p, SPAN_LIT("app")), SPAN_LIT("cluster"));
    return span_of(payload, (size_t)(p - payload));
}

START_TEST(all_properties_are_read)
{
    struct content_header h;
    struct properties p;
    ck_assert(content_header_take(everything(), &h));
    ck_assert_uint_eq(h.class_id, CLASS_BASIC);
    ck_assert_uint_eq(h.body_size, 77);
    ck_assert(properties_take(h.rest, &p));
    ck_assert(span_eq(p.content_type, SPAN_LIT("type")));
    ck_assert(span_eq(p.content_encoding, SPAN_LIT("encoding")));
    ck_assert(span_eq(p.headers, SPAN_LIT("\1kV")));
    ck_assert_uint_eq(p.delivery_mode, 2);
    ck_assert_uint_eq(p.priority, 9);
    ck_assert(span_eq(p.correlation_id, SPAN_LIT("correlation")));
    ck_assert(span_eq(p.reply_to, SPAN_LIT("reply")));
    ck_assert(span_eq(p.expiration, SPAN_LIT("1000")));
    ck_assert(span_eq(p.message_id, SPAN_LIT("message")));
    ck_assert_uint_eq(p.timestamp, 1234567890);
    ck_assert(span_eq(p.type, SPAN_LIT("kind")));
    ck_assert(span_eq(p.user_id, SPAN_LIT("user")));
    ck_assert(span_eq(p.app_id, SPAN_LIT("app")));
    ck_assert(span_eq(p.cluster_id, SPAN_LIT("cluster")));
}
END_TEST

START_TEST(each_property_may_come_alone)
{
    static const struct span VALUES[] = {[2] = {(const uint8_t *)"\1c", 2},
                                         [3] = {(const uint8_t *)"\1a", 2},
                                         [4] = {(const uint8_t *)"\1u", 2},
                                         [5] = {(const uint8_t *)"\1t", 2},
                                         [6] = {(const uint8_t *)"\0\0\0\0\0\0\0\1", 8},
                                         [7] = {(const uint8_t *)"\1m", 2},
                                         [8] = {(const uint8_t *)"\1"
                                                                 "1",
                                                2},
                                         [9] = {(const uint8_t *)"\1r", 2},
                                         [10] = {(const uint8_t *)"\1c", 2},
                                         [11] = {(const uint8_t *)"\5", 1},
                                         [12] = {(const uint8_t *)"\2", 1},
                                         [13] = {(const uint8_t *)"\0\0\0\0", 4},
                                         [14] = {(const uint8_t *)"\1e", 2},
                                         [15] = {(const uint8_t *)"\1t", 2}};
    for (unsigned bit = 2; bit < 16; bit++) {
        uint8_t rest[16];
        struct properties p;
        struct properties none = {.flags = 0};
        uint8_t *end = put_bytes(put_u16(rest, (uint16_t)(1u << bit)), VALUES[bit]);
        ck_assert(properties_take(span_of(rest, (size_t)(end - rest)), &p));
        ck_assert_uint_eq(p.flags, 1u << bit);
        ck_assert(properties_take(SPAN_LIT("\0\0"), &none));
        ck_assert_uint_eq(none.priority + none.timestamp + none.headers.size, 0);
    }
}
END_TEST

START_TEST(every_prefix_and_every_surplus_is_refused)
{
    struct span all = everything();
    for (size_t n = 0; n <= all.size + 1; n++) {
        uint8_t *copy = malloc(n + (n == 0));
        struct content_header h;
        struct properties p;
        memset(copy, 0, n);
        put_bytes(copy, span_of(all.at, n < all.size ? n : all.size));
        bool taken = content_header_take(span_of(copy, n), &h);
        ck_assert_int_eq(taken, n >= CONTENT_HEADER_FIXED - 2);
        if (taken)
            ck_assert_int_eq(properties_take(h.rest, &p), n == all.size);
        free(copy);
    }
}
END_TEST

START_TEST(unknown_flags_and_malformed_tables_are_refused)
{
    struct properties p;
    ck_assert(!properties_take(SPAN_LIT("\0\1"), &p));
    ck_assert(!properties_take(SPAN_LIT("\0\2"), &p));
    ck_assert(!properties_take(SPAN_LIT("\0\1\0\0"), &p));
    ck_assert(!properties_take(SPAN_LIT("\x20\0\0\0\0\3\1k?"), &p));
    ck_assert(properties_take(SPAN_LIT("\x20\0\0\0\0\3\1kV"), &p));
}
END_TEST

/* A body that announces much gets its memory as its bytes arrive. */
START_TEST(a_body_grows_to_its_size_and_not_beyond)
{
    uint64_t size = 5 * (uint64_t)BODY_FIRST_BYTES + 3;
    struct body *b = body_new(size, 7);
    ck_assert_ptr_nonnull(b);
    ck_assert_uint_eq(b->capacity, BODY_FIRST_BYTES);
    ck_assert_uint_eq(b->home, 7);
    memset(b->bytes, 'x', b->capacity);
    b->size = b->capacity;
    while (b->capacity < size) {
        size_t before = b->capacity;
        ck_assert_int_eq(body_grow(&b, size), OK);
        ck_assert_uint_gt(b->capacity, before);
        ck_assert_uint_le(b->capacity, size);
        ck_assert_uint_eq(b->bytes[b->size - 1], 'x');
    }
    body_free(b);
    b = body_new(100, 0);
    ck_assert_uint_eq(b->capacity, 100);
    body_free(b);
    body_free(NULL);
}
END_TEST

SUITE("content", all_properties_are_read, each_property_may_come_alone,
      every_prefix_and_every_surplus_is_refused, unknown_flags_and_malformed_tables_are_refused,
      a_body_grows_to_its_size_and_not_beyond)
