// SPDX-License-Identifier: Apache-2.0
#include "base/checksum.h"

#include <string.h>

#include "base/rng.h"
#include "tests/base/suite.h"

/* RFC 3720 §B.4, and the customary check. */
START_TEST(it_is_the_published_checksum)
{
    uint8_t bytes[32];
    ck_assert_uint_eq(checksum_crc32c(0, SPAN_NONE), 0);
    ck_assert_uint_eq(checksum_crc32c(0, SPAN_LIT("123456789")), 0xe3069283);
    memset(bytes, 0, sizeof(bytes));
    ck_assert_uint_eq(checksum_crc32c(0, span_of(bytes, sizeof(bytes))), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    ck_assert_uint_eq(checksum_crc32c(0, span_of(bytes, sizeof(bytes))), 0x62a8ab43);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    ck_assert_uint_eq(checksum_crc32c(0, span_of(bytes, sizeof(bytes))), 0x46dd794e);
}
END_TEST

START_TEST(it_may_be_had_in_pieces)
{
    struct span all = SPAN_LIT("the quick brown fox jumps over the lazy dog");
    for (size_t cut = 0; cut <= all.size; cut++) {
        uint32_t first = checksum_crc32c(0, span_of(all.at, cut));
        struct span rest = span_of(all.at + cut, all.size - cut);
        ck_assert_uint_eq(checksum_crc32c(first, rest), checksum_crc32c(0, all));
    }
}
END_TEST

START_TEST(the_table_says_the_same_at_every_size_and_place)
{
    struct rng chance = {1};
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_next(&chance);
    for (int n = 0; n < 20000; n++) {
        size_t at = (size_t)rng_below(&chance, 20);
        struct span part = span_of(bytes + at, (size_t)rng_below(&chance, sizeof(bytes) - at));
        uint32_t before = (uint32_t)rng_next(&chance);
        if (checksum_crc32c(before, part) != checksum_crc32c_by_table(before, part))
            ck_abort_msg("%zu bytes at %zu", part.size, at);
    }
}
END_TEST

START_TEST(every_flipped_bit_is_noticed)
{
    uint8_t bytes[64] = "some bytes";
    uint32_t before = checksum_crc32c(0, span_of(bytes, sizeof(bytes)));
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (checksum_crc32c(0, span_of(bytes, sizeof(bytes))) == before)
            ck_abort_msg("bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

SUITE("checksum", it_is_the_published_checksum, it_may_be_had_in_pieces,
      the_table_says_the_same_at_every_size_and_place, every_flipped_bit_is_noticed)
