// SPDX-License-Identifier: Apache-2.0
#include "broker/link/message.h"

#include <string.h>

#include "base/bytes.h"
#include "tests/base/suite.h"

START_TEST(route_header_and_body_lie_one_behind_the_other)
{
    struct message *m = calloc(1, sizeof(*m) + 64);
    m->route_size = 4;
    m->header_size = 6;
    m->body_size = 5;
    memcpy(m->bytes, "\1x\1kheaderhello", 15);
    ck_assert(span_eq(message_route(m), SPAN_LIT("\1x\1k")));
    ck_assert(span_eq(message_header(m), SPAN_LIT("header")));
    ck_assert(span_eq(message_body(m), SPAN_LIT("hello")));
    ck_assert_uint_eq(message_footprint(m), sizeof(*m) + 15);
    free(m);
}
END_TEST

START_TEST(a_large_body_is_elsewhere_and_counted_all_the_same)
{
    struct message *m = calloc(1, sizeof(*m) + 64);
    m->route_size = 2;
    m->header_size = 14;
    m->body_size = 100;
    m->large = body_new(100, 0);
    ck_assert_ptr_nonnull(m->large);
    m->large->size = 100;
    memset(m->large->bytes, 'b', 100);
    ck_assert_ptr_eq(message_body(m).at, m->large->bytes);
    ck_assert_uint_eq(message_body(m).size, 100);
    ck_assert_uint_eq(message_footprint(m), sizeof(*m) + 116);
    body_free(m->large);
    free(m);
}
END_TEST

SUITE("message", route_header_and_body_lie_one_behind_the_other,
      a_large_body_is_elsewhere_and_counted_all_the_same)
