// SPDX-License-Identifier: Apache-2.0
/* The false disk when the power goes in the middle of an operation, or the process ends. */
#include "tests/sim/false_disk.h"

#include "tests/storage/scenario.h"

/* A little of everything, up to the first thing that goes wrong. Says how many calls went well. */
static unsigned run_all_calls(void)
{
    static const char *const NAMES[] = {"a", "b"};
    struct disk_file *f = NULL;
    uint8_t byte;
    uint64_t number;
    size_t got;
    unsigned n = 0;
#define CALL(call)    \
    if ((call) != OK) \
        goto out;     \
    n++;
    CALL(disk_open(d, NAMES[0], DISK_NEW, &f))
    CALL(fill(f, 0, (size_t)4 * SECTOR, 1))
    CALL(disk_sync(f))
    CALL(disk_reserve(f, (uint64_t)8 * SECTOR))
    CALL(disk_read(f, 0, &byte, 1, &got))
    CALL(disk_size(f, &number))
    CALL(disk_sync_folder(d, ""))
    CALL(disk_rename(d, NAMES[0], NAMES[1]))
    CALL(disk_make_folder(d, "folder"))
    CALL(disk_free_bytes(d, &number))
    CALL(disk_remove(d, NAMES[1]))
#undef CALL
out:
    disk_close(f);
    return n;
}

enum { ALL_CALLS = 11 };

START_TEST(the_power_goes_at_the_operation_chosen)
{
    for (uint64_t n = 1; n <= ALL_CALLS + 1; n++) {
        struct disk_file *f;
        begin();
        false_disk_cut_at(fd, n);
        ck_assert_uint_eq(run_all_calls(), n - 1);
        ck_assert_int_eq(false_disk_is_cut(fd), n <= ALL_CALLS);
        ck_assert_uint_eq(false_disk_count(fd), n <= ALL_CALLS ? n : ALL_CALLS);
        if (n > ALL_CALLS) {
            ck_assert_int_eq(disk_make_folder(d, "one-more"), ERR_IO);
            ck_assert(false_disk_is_cut(fd));
        }
        ck_assert_int_eq(disk_open(d, "late", DISK_NEW, &f), ERR_IO);
        ck_assert_ptr_null(f);
        ck_assert_int_eq(disk_open(d, "none", DISK_READ, &f), ERR_IO);
        ck_assert_int_eq(disk_remove(d, "none"), ERR_IO);
        ck_assert_int_eq(disk_make_folder(d, "late"), ERR_IO);
        ck_assert(!there("late"));
        power_on();
        ck_assert(!false_disk_is_cut(fd));
        make("again");
        end();
    }
}
END_TEST

static unsigned write_cut(void)
{
    struct disk_file *f = durable("a", SECTOR, 1);
    false_disk_cut_at(fd, false_disk_count(fd) + 1);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), ERR_IO);
    disk_close(f);
    power_on();
    return (unsigned)filled("a", 0, SECTOR);
}

static unsigned sync_cut(void)
{
    struct disk_file *f = durable("a", SECTOR, 1);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), OK);
    false_disk_cut_at(fd, false_disk_count(fd) + 1);
    ck_assert_int_eq(disk_sync(f), ERR_IO);
    disk_close(f);
    power_on();
    return (unsigned)filled("a", 0, SECTOR);
}

static unsigned open_cut(void)
{
    struct disk_file *f;
    false_disk_cut_at(fd, 1);
    ck_assert_int_eq(disk_open(d, "a", DISK_NEW, &f), ERR_IO);
    ck_assert_ptr_null(f);
    power_on();
    return there("a") ? 1 : 2;
}

START_TEST(the_operation_of_the_cut_tells_nothing)
{
    for (int call = 0; call < 5; call++) {
        struct disk_file *f = NULL;
        uint64_t holder;
        begin();
        false_disk_cut_at(fd, 1);
        ck_assert_int_eq(call == 0   ? disk_rename(d, "none", "a")
                         : call == 1 ? disk_remove(d, "none")
                         : call == 2 ? disk_sync_folder(d, "none")
                         : call == 3 ? disk_open(d, "none", DISK_READ, &f)
                                     : disk_lock(d, "lock", &f, &holder),
                         ERR_IO);
        ck_assert_ptr_null(f);
        ck_assert(false_disk_is_cut(fd));
        end();
    }
}
END_TEST

START_TEST(the_operation_of_the_cut_may_have_been_done)
{
    all_outcomes(write_cut, 1 | 2);
    all_outcomes(sync_cut, 1 | 2);
    all_outcomes(open_cut, 1 | 2);
}
END_TEST

/* 1 = lost, 2 = kept. */
static unsigned process_ended(void)
{
    struct disk_file *lock;
    uint64_t holder;
    struct disk_file *f = durable("a", SECTOR, 1);
    ck_assert_int_eq(disk_lock(d, "lock", &lock, &holder), OK);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), OK);
    disk_close(f);
    disk_close(lock);
    false_disk_process_ended(fd);
    ck_assert_int_eq(filled("a", 0, SECTOR), 2);
    ck_assert_int_eq(disk_lock(d, "lock", &lock, &holder), OK);
    disk_close(lock);
    cut();
    return (unsigned)filled("a", 0, SECTOR);
}

/* Recovery must sync what it read before it counts on it. */
static unsigned process_ended_then_synced(void)
{
    struct disk_file *f = durable("a", SECTOR, 1);
    ck_assert_int_eq(fill(f, 0, SECTOR, 2), OK);
    disk_close(f);
    false_disk_process_ended(fd);
    f = opened("a", DISK_READ);
    ck_assert_int_eq(disk_sync(f), OK);
    disk_close(f);
    cut();
    return (unsigned)filled("a", 0, SECTOR);
}

START_TEST(a_process_that_ends_leaves_what_it_wrote_unsynced)
{
    all_outcomes(process_ended, 1 | 2);
    all_outcomes(process_ended_then_synced, 2);
}
END_TEST

static uint64_t holder_number(void)
{
    struct disk_file *lock;
    struct disk_file *second;
    uint64_t holder;
    ck_assert_int_eq(disk_lock(d, "lock", &lock, &holder), OK);
    ck_assert_int_eq(disk_lock(d, "lock", &second, &holder), ERR_TAKEN);
    disk_close(lock);
    return holder;
}

START_TEST(each_process_has_its_number)
{
    begin();
    uint64_t first = holder_number();
    ck_assert_uint_eq(holder_number(), first);
    false_disk_process_ended(fd);
    uint64_t second = holder_number();
    ck_assert_uint_ne(second, first);
    cut();
    uint64_t third = holder_number();
    ck_assert_uint_ne(third, second);
    struct false_disk *copy = false_disk_copy(fd);
    end();
    fd = copy;
    d = false_disk(fd);
    ck_assert_uint_eq(holder_number(), third);
    end();
}
END_TEST

SUITE("false_disk_power", the_power_goes_at_the_operation_chosen,
      the_operation_of_the_cut_tells_nothing, the_operation_of_the_cut_may_have_been_done,
      a_process_that_ends_leaves_what_it_wrote_unsynced, each_process_has_its_number)
