// SPDX-License-Identifier: Apache-2.0
#include "amqp/assembly.h"

#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/base/suite.h"

static uint8_t body[3 * BODY_FIRST_BYTES];

static struct assembly *begin(uint64_t body_size, uint64_t body_size_max)
{
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 7);
    struct assembly *a = assembly_new(5, SPAN_LIT("method"));
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(assembly_header(a, SPAN_LIT("the header"), body_size, body_size_max, 3, false),
                     OK);
    return a;
}

static void feed(struct assembly *a, size_t size, size_t step)
{
    for (size_t at = 0; at < size; at += step)
        ck_assert_int_eq(assembly_body(a, span_of(body + at, step < size - at ? step : size - at)),
                         OK);
}

/* What one octet announces costs little where there may be thousands of it. */
START_TEST(a_large_body_among_others_begins_small)
{
    size_t size = 2 * BODY_FIRST_BYTES + 11;
    struct assembly *a = assembly_new(5, SPAN_LIT("method"));
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(assembly_header(a, SPAN_LIT("the header"), size, 1 << 28, 3, true), OK);
    ck_assert_uint_eq(a->large->capacity, BODY_FIRST_BYTES_CROWDED);
    feed(a, size, 1000);
    ck_assert(span_eq(span_of(a->large->bytes, a->large->size), span_of(body, size)));
    assembly_free(a);
}
END_TEST

START_TEST(a_small_body_lies_beside_its_method)
{
    struct assembly *a = begin(1000, 1 << 20);
    feed(a, 1000, 7);
    ck_assert_uint_eq(a->body_left, 0);
    ck_assert_ptr_null(a->large);
    ck_assert(span_eq(assembly_payload(a), SPAN_LIT("method")));
    ck_assert(span_eq(assembly_header_payload(a), SPAN_LIT("the header")));
    ck_assert(span_eq(assembly_small_body(a), span_of(body, 1000)));
    ck_assert_uint_eq(assembly_bytes(a), 6 + 10 + 1000);
    assembly_free(a);
}
END_TEST

START_TEST(a_large_body_has_its_own_memory)
{
    size_t size = 2 * BODY_FIRST_BYTES + 11;
    struct assembly *a = begin(size, 1 << 28);
    feed(a, size, 100000);
    ck_assert_ptr_nonnull(a->large);
    ck_assert_uint_eq(a->large->size, size);
    ck_assert_uint_eq(a->large->home, 3);
    ck_assert_mem_eq(a->large->bytes, body, size);
    ck_assert_uint_eq(assembly_small_body(a).size, 0);
    ck_assert_uint_eq(assembly_bytes(a), 6 + 10 + size);
    assembly_free(a);
}
END_TEST

START_TEST(a_large_body_may_be_put_into_its_memory)
{
    size_t size = 2 * BODY_FIRST_BYTES + 11;
    struct assembly *a = begin(size, 1 << 28);
    feed(a, 5, 5);
    for (size_t at = 5; at < size;) {
        uint8_t *room_at = NULL;
        size_t room = assembly_room(a, &room_at);
        ck_assert_uint_ge(room, 1);
        ck_assert_uint_le(room, a->body_left);
        /* No more memory than twice what has come, or the first block. */
        ck_assert_uint_le(at + room, at < BODY_FIRST_BYTES ? BODY_FIRST_BYTES : 2 * at);
        size_t n = room < 50000 ? room : 50000;
        memcpy(room_at, body + at, n);
        assembly_received(a, n);
        at += n;
    }
    uint8_t *none = NULL;
    ck_assert_uint_eq(assembly_room(a, &none), 0);
    ck_assert_uint_eq(a->large->size, size);
    ck_assert_mem_eq(a->large->bytes, body, size);
    assembly_free(a);
    /* Small ones and those over the limit have none. */
    a = begin(1000, 1 << 20);
    ck_assert_uint_eq(assembly_room(a, &none), 0);
    assembly_free(a);
    a = begin(100000, 99999);
    ck_assert_uint_eq(assembly_room(a, &none), 0);
    assembly_free(a);
}
END_TEST

START_TEST(a_body_over_the_limit_is_counted_and_not_kept)
{
    struct assembly *a = begin(100000, 99999);
    feed(a, 100000, 4096);
    ck_assert_uint_eq(a->body_left, 0);
    ck_assert_uint_eq(a->body_size, 100000);
    ck_assert_ptr_null(a->large);
    ck_assert_uint_eq(assembly_small_body(a).size, 0);
    ck_assert_uint_eq(assembly_bytes(a), 6 + 10);
    assembly_free(a);
}
END_TEST

SUITE("assembly", a_small_body_lies_beside_its_method, a_large_body_among_others_begins_small,
      a_large_body_has_its_own_memory, a_large_body_may_be_put_into_its_memory,
      a_body_over_the_limit_is_counted_and_not_kept)
