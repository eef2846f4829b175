// SPDX-License-Identifier: Apache-2.0
/* The false disk's faults, flips and want of space, and its copies. */
#include "tests/sim/false_disk.h"

#include <malloc.h>
#include <string.h>

#include "tests/storage/scenario.h"

/* ---- Faults ---- */

/* 1 = lost, 2 = kept, 4 = in part. */
static unsigned sync_failed(void)
{
    struct disk_file *f = durable("a", (size_t)4 * SECTOR, 1);
    ck_assert_int_eq(fill(f, 0, (size_t)2 * SECTOR, 2), OK);
    fail_next(ERR_IO);
    ck_assert_int_eq(disk_sync(f), ERR_IO);
    disk_close(f);
    ck_assert_int_eq(filled("a", 0, (size_t)2 * SECTOR), 2);
    f = opened("a", DISK_WRITE);
    ck_assert_int_eq(fill(f, (uint64_t)3 * SECTOR, SECTOR, 3), OK);
    ck_assert_int_eq(disk_sync(f), OK); /* of what was written since */
    disk_close(f);
    cut();
    ck_assert_int_eq(filled("a", (uint64_t)3 * SECTOR, SECTOR), 3);
    int byte = filled("a", 0, (size_t)2 * SECTOR);
    return byte == 1 ? 1 : byte == 2 ? 2 : 4;
}

static unsigned sync_of_folder_failed(void)
{
    make("a");
    fail_next(ERR_IO);
    ck_assert_int_eq(disk_sync_folder(d, ""), ERR_IO);
    make("b");
    ck_assert_int_eq(disk_sync_folder(d, ""), OK);
    cut();
    ck_assert(there("b"));
    return there("a") ? 2 : 1;
}

START_TEST(after_a_failed_sync_another_makes_nothing_durable)
{
    all_outcomes(sync_failed, 1 | 2 | 4);
    all_outcomes(sync_of_folder_failed, 1 | 2);
}
END_TEST

/* What a reader sees of it: 1 = all, 2 = nothing, 4 = its beginning. */
static unsigned write_failed(void)
{
    struct disk_file *f = durable("a", 4, 1);
    for (uint64_t i = 0; i < seed % 24; i++)
        make((const char[]){(char)('b' + i), 0});
    fail_next(seed % 2 == 0 ? ERR_IO : ERR_FULL);
    ck_assert_int_eq(fill(f, 0, 4, 2), seed % 2 == 0 ? ERR_IO : ERR_FULL);
    ck_assert_int_eq(disk_sync(f), ERR_IO);
    disk_close(f);
    int first = filled("a", 0, 1);
    int last = filled("a", 3, 1);
    ck_assert_int_ge(first, last);
    return last == 2 ? 1 : first == 1 ? 2 : 4;
}

START_TEST(a_failed_write_may_be_done_in_part)
{
    all_outcomes(write_failed, 1 | 2 | 4);
}
END_TEST

/* How much of the room that there was it took: 1 = all, 2 = nothing, 4 = a part. */
static unsigned reserve_failed(void)
{
    for (uint64_t i = 0; i < seed % 24; i++)
        make((const char[]){(char)('b' + i), 0});
    false_disk_set_capacity(fd, 4);
    struct disk_file *f = opened("a", DISK_NEW);
    if (seed % 2 == 0)
        fail_next(ERR_FULL);
    ck_assert_int_eq(disk_reserve(f, seed % 2 == 0 ? 4 : 5), ERR_FULL);
    disk_close(f);
    uint64_t size = false_disk_file_size(fd, "a");
    ck_assert_uint_le(size, 4);
    return size == 4 ? 1 : size == 0 ? 2 : 4;
}

START_TEST(a_failed_reservation_may_be_done_in_part)
{
    all_outcomes(reserve_failed, 1 | 2 | 4);
}
END_TEST

/* A write that failed is no more durable by a sync than what its failed sync left. */
static unsigned write_failed_then_synced(void)
{
    struct disk_file *f = durable("a", SECTOR, 1);
    make("b"); /* so that the part that is done is not nothing */
    fail_next(ERR_IO);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), ERR_IO);
    disk_close(f);
    ck_assert_int_eq(filled("a", 0, 1), 2);
    f = opened("a", DISK_WRITE);
    ck_assert_int_eq(disk_sync(f), OK);
    disk_close(f);
    cut();
    return (unsigned)filled("a", 0, 1);
}

START_TEST(a_failed_write_stays_in_doubt)
{
    all_outcomes(write_failed_then_synced, 1 | 2);
}
END_TEST

START_TEST(each_operation_fails_when_it_is_told_to)
{
    struct disk_file *f;
    uint64_t number;
    begin();
    fail_next(ERR_LIMIT);
    ck_assert_int_eq(disk_open(d, "a", DISK_NEW, &f), ERR_LIMIT);
    ck_assert(!there("a"));
    f = opened("a", DISK_NEW);
    uint64_t n = false_disk_count(fd);
    false_disk_fail_at(fd, n + 3, ERR_IO);
    false_disk_fail_at(fd, n + 1, ERR_IO);
    false_disk_fail_at(fd, n + 2, ERR_IO);
    ck_assert_int_eq(disk_rename(d, "a", "b"), ERR_IO);
    ck_assert_int_eq(disk_remove(d, "a"), ERR_IO);
    ck_assert_int_eq(disk_make_folder(d, "c"), ERR_IO);
    ck_assert_int_eq(disk_sync_folder(d, "c"), ERR_NOT_FOUND);
    ck_assert(there("a"));
    fail_next(ERR_IO);
    ck_assert_int_eq(disk_size(f, &number), ERR_IO);
    fail_next(ERR_IO);
    ck_assert_int_eq(disk_free_bytes(d, &number), ERR_IO);
    fail_next(ERR_FULL);
    ck_assert_int_eq(disk_reserve(f, 100), ERR_FULL);
    ck_assert_int_eq(disk_reserve(f, 100), OK); /* nothing is wrong with it */
    ck_assert_int_eq(disk_sync(f), OK);
    disk_close(f);
    end();
}
END_TEST

/* ---- Copies, flips, space ---- */

/* What is left of a file of sixteen sectors. */
static unsigned remains(void)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < 16; i++)
        if (filled("a", (uint64_t)i * SECTOR, SECTOR) == 2)
            bits |= 1u << i;
    return bits;
}

static unsigned copied(void)
{
    struct disk_file *f = durable("a", (size_t)16 * SECTOR, 1);
    for (unsigned i = 0; i < 16; i += 4)
        ck_assert_int_eq(fill(f, (uint64_t)i * SECTOR, (size_t)4 * SECTOR, 2), OK);
    struct false_disk *first = fd;
    struct false_disk *copy = false_disk_copy(fd);
    ck_assert_int_eq(disk_sync(f), OK); /* is nothing to the copy */
    disk_close(f);
    fd = copy;
    d = false_disk(fd);
    ck_assert_uint_eq(false_disk_count(fd), 0);
    struct false_disk *second = false_disk_copy(fd);
    cut();
    unsigned once = remains();
    end();
    fd = second;
    d = false_disk(fd);
    cut();
    ck_assert_uint_eq(remains(), once); /* the seed repeats it */
    end();
    fd = first;
    d = false_disk(fd);
    cut();
    ck_assert_uint_eq(remains(), 0xffff);
    return once == 0xffff ? 1 : once == 0 ? 2 : 4;
}

START_TEST(a_copy_goes_its_own_way)
{
    all_outcomes(copied, 1 | 2 | 4);
}
END_TEST

START_TEST(a_copy_of_a_cut_disk_is_cut)
{
    begin();
    false_disk_set_capacity(fd, 1000);
    disk_close(durable("a", SECTOR, 1));
    false_disk_cut(fd);
    struct false_disk *copy = false_disk_copy(fd);
    end();
    fd = copy;
    d = false_disk(fd);
    ck_assert(false_disk_is_cut(fd));
    power_on();
    ck_assert_int_eq(filled("a", 0, SECTOR), 1);
    struct disk_file *f = opened("a", DISK_WRITE);
    ck_assert_int_eq(disk_reserve(f, 1001), ERR_FULL);
    disk_close(f);
    end();
}
END_TEST

static unsigned flipped(void)
{
    struct disk_file *f = durable("a", SECTOR, 1);
    ck_assert_int_eq(fill(f, SECTOR - 1, 1, 4), OK);
    disk_close(f);
    false_disk_flip(fd, "a", 10, 0x42);
    ck_assert_int_eq(filled("a", 10, 1), 0x43);
    ck_assert_int_eq(filled("a", 0, 10), 1);
    ck_assert_int_eq(filled("a", 11, 500), 1);
    cut();
    ck_assert_int_eq(filled("a", 10, 1), 0x43);
    return 1;
}

/* Of bytes that were never durable: lost with them. */
static unsigned flipped_and_lost(void)
{
    struct disk_file *f = durable("a", SECTOR, 1);
    ck_assert_int_eq(fill(f, SECTOR, SECTOR, 1), OK);
    false_disk_flip(fd, "a", SECTOR, 0x42);
    disk_close(f);
    cut();
    return false_disk_file_size(fd, "a") == SECTOR ? 1 : filled("a", SECTOR, 1) == 0x43 ? 2 : 4;
}

START_TEST(flipped_bits_stay_flipped)
{
    all_outcomes(flipped_and_lost, 1 | 2 | 4);
    all_outcomes(flipped, 1);
}
END_TEST

static void check_free(uint64_t wanted)
{
    uint64_t bytes;
    ck_assert_int_eq(disk_free_bytes(d, &bytes), OK);
    ck_assert_uint_eq(bytes, wanted);
}

START_TEST(space_is_taken_by_reserving_and_writing)
{
    begin();
    false_disk_set_capacity(fd, 1000);
    struct disk_file *f = opened("a", DISK_NEW);
    ck_assert_int_eq(disk_reserve(f, 600), OK);
    check_free(400);
    ck_assert_int_eq(fill(f, 0, 600, 1), OK); /* was taken already */
    check_free(400);
    ck_assert_int_eq(fill(f, 600, 100, 1), OK);
    check_free(300);
    ck_assert_int_eq(disk_reserve(f, 1001), ERR_FULL);
    ck_assert_uint_le(false_disk_file_size(fd, "a"), 1000);
    ck_assert(!f->failed);
    ck_assert_int_eq(disk_reserve(f, 1000), OK);
    check_free(0);
    struct disk_file *g = opened("b", DISK_NEW);
    ck_assert_int_eq(fill(g, 0, 1, 1), ERR_FULL);
    ck_assert(g->failed);
    disk_close(g);
    ck_assert_int_eq(disk_remove(d, "a"), OK);
    check_free(0);
    disk_close(f);
    check_free(1000);
    false_disk_set_capacity(fd, 2000);
    check_free(2000);
    end();
}
END_TEST

START_TEST(a_write_fills_what_is_left)
{
    begin();
    false_disk_set_capacity(fd, 1000);
    struct disk_file *f = opened("a", DISK_NEW);
    ck_assert_int_eq(fill(f, 500, 501, 1), ERR_FULL);
    ck_assert_uint_eq(false_disk_file_size(fd, "a"), 1000);
    ck_assert_int_eq(filled("a", 500, 500), 1);
    disk_close(f);
    f = opened("b", DISK_NEW);
    ck_assert_int_eq(fill(f, 10, 10, 1), ERR_FULL);
    ck_assert_uint_eq(false_disk_file_size(fd, "b"), 0);
    disk_close(f);
    end();
}
END_TEST

static size_t memory_after(unsigned n_files)
{
    for (unsigned i = 0; i < n_files; i++) {
        disk_close(durable("a", (size_t)8 * SECTOR, 1));
        ck_assert_int_eq(disk_remove(d, "a"), OK);
        ck_assert_int_eq(disk_sync_folder(d, ""), OK);
    }
    return mallinfo2().uordblks;
}

/* Files come and go for ever; what no power cut can bring back is let go of. */
START_TEST(files_that_are_gone_take_nothing)
{
    begin();
    size_t before = memory_after(10);
    ck_assert_uint_le(memory_after(1000), before + 4096);
    cut();
    ck_assert(!there("a"));
    end();
}
END_TEST

SUITE("false_disk_faults", after_a_failed_sync_another_makes_nothing_durable,
      a_failed_write_may_be_done_in_part, a_failed_reservation_may_be_done_in_part,
      a_failed_write_stays_in_doubt, each_operation_fails_when_it_is_told_to,
      a_copy_goes_its_own_way, a_copy_of_a_cut_disk_is_cut, flipped_bits_stay_flipped,
      space_is_taken_by_reserving_and_writing, a_write_fills_what_is_left,
      files_that_are_gone_take_nothing)
