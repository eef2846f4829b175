// SPDX-License-Identifier: Apache-2.0
#include "storage/message_parts.h"

#include <string.h>

#include "tests/base/suite.h"

static const struct message_parts MESSAGE = {
    .head = "ab",
    .head_size = 2,
    .parts = {{(const uint8_t *)"cde", 3}, {NULL, 0}, {(const uint8_t *)"fghi", 4}}};

START_TEST(the_size_is_that_of_all_parts)
{
    ck_assert_uint_eq(message_parts_size(&MESSAGE), 9);
    ck_assert_uint_eq(message_parts_size(&(struct message_parts){.head_size = 0}), 0);
}
END_TEST

START_TEST(any_stretch_is_copied)
{
    for (size_t from = 0; from <= 9; from++)
        for (size_t size = 0; size <= 9 - from; size++) {
            uint8_t to[10] = "..........";
            message_parts_copy(&MESSAGE, from, size, to);
            ck_assert_mem_eq(to, &"abcdefghi"[from], size);
            ck_assert_int_eq(to[size], '.');
        }
}
END_TEST

SUITE("message_parts", the_size_is_that_of_all_parts, any_stretch_is_copied)
