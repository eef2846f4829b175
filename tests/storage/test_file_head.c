// SPDX-License-Identifier: Apache-2.0
#include "storage/file_head.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "tests/base/suite.h"

static const uint8_t ID[STORE_ID_SIZE] = "0123456789abcde";

static struct file_head head_of(enum file_role role)
{
    struct file_head h = {.role = role,
                          .nonce = 2,
                          .number = 3,
                          .shard = 4,
                          .epoch = 5,
                          .first_lsn = 7,
                          .prev_end = 6,
                          .copied_to = 8,
                          .bytes = 9};
    memcpy(h.store_id, ID, sizeof(ID));
    return h;
}

START_TEST(a_head_is_read_as_it_was_written)
{
    uint8_t at[FILE_HEAD_SIZE];
    for (enum file_role role = ROLE_STORE; role <= ROLE_CATALOGUE; role++) {
        struct file_head h = head_of(role);
        struct file_head got;
        uint8_t again[FILE_HEAD_SIZE];
        file_head_put(at, &h);
        ck_assert_int_eq(file_head_read(span_of(at, sizeof(at)), role, ID, &got), FILE_OURS);
        file_head_put(again, &got);
        ck_assert_int_eq(memcmp(again, at, sizeof(at)), 0);
        ck_assert_uint_eq(got.nonce, h.nonce);
        ck_assert_uint_eq(got.number, h.number);
        ck_assert_uint_eq(got.epoch, h.epoch);
        ck_assert_uint_eq(got.first_lsn, h.first_lsn);
        ck_assert_uint_eq(got.prev_end, h.prev_end);
        for (enum file_role other = ROLE_STORE; other <= ROLE_CATALOGUE; other++)
            if (other != role)
                ck_assert_int_eq(file_head_read(span_of(at, sizeof(at)), other, ID, &got),
                                 FILE_INVALID);
    }
}
END_TEST

START_TEST(every_flipped_bit_and_every_cut_is_invalid)
{
    uint8_t at[FILE_HEAD_SIZE];
    struct file_head h = head_of(ROLE_JOURNAL);
    file_head_put(at, &h);
    for (size_t bit = 0; bit < sizeof(at) * 8; bit++) {
        at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(file_head_read(span_of(at, sizeof(at)), ROLE_JOURNAL, ID, &h),
                         FILE_INVALID);
        at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < sizeof(at); cut++)
        ck_assert_int_eq(file_head_read(span_of(at, cut), ROLE_JOURNAL, ID, &h), FILE_INVALID);
}
END_TEST

START_TEST(a_head_of_another_store_is_foreign)
{
    uint8_t at[FILE_HEAD_SIZE];
    struct file_head h = head_of(ROLE_JOURNAL);
    h.store_id[3] ^= 1;
    file_head_put(at, &h);
    ck_assert_int_eq(file_head_read(span_of(at, sizeof(at)), ROLE_JOURNAL, ID, &h), FILE_FOREIGN);
}
END_TEST

static void put_again(uint8_t *at, size_t offset, uint8_t v)
{
    at[offset] = v;
    put_u32(at + 8, checksum_crc32c(0, span_of(at + 12, FILE_HEAD_SIZE - 12)));
}

START_TEST(what_must_be_known_and_is_not_is_of_the_future)
{
    uint8_t at[FILE_HEAD_SIZE] = {0};
    struct span in = span_of(at, sizeof(at));
    struct file_head h = head_of(ROLE_JOURNAL);
    file_head_put(at, &h);
    put_again(at, 13, 2); /* format */
    ck_assert_int_eq(file_head_read(in, ROLE_JOURNAL, ID, &h), FILE_FUTURE);
    put_again(at, 13, 1);
    put_again(at, 23, 1); /* a feature that must be known */
    ck_assert_int_eq(file_head_read(in, ROLE_JOURNAL, ID, &h), FILE_FUTURE);
    put_again(at, 23, 0);
    put_again(at, 31, 1); /* one that may be passed over */
    ck_assert_int_eq(file_head_read(in, ROLE_JOURNAL, ID, &h), FILE_OURS);
}
END_TEST

SUITE("file_head", a_head_is_read_as_it_was_written, every_flipped_bit_and_every_cut_is_invalid,
      a_head_of_another_store_is_foreign, what_must_be_known_and_is_not_is_of_the_future)
