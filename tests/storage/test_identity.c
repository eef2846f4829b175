// SPDX-License-Identifier: Apache-2.0
#include "storage/identity.h"

#include "storage/journal.h"
#include "tests/base/suite.h"
#include "tests/sim/false_disk.h"

enum { FILE_BYTES = 64 * 1024 };

static struct false_disk *fd;
static struct env env;

static void begin(void)
{
    fd = false_disk_new(0);
    env = env_real();
}

static enum err open_it(uint8_t id[STORE_ID_SIZE])
{
    return identity_open(false_disk(fd), &env, id);
}

static enum err nothing(void *arg, uint64_t lsn, struct journal_place place, const struct record *r)
{
    (void)arg;
    (void)lsn;
    (void)place;
    (void)r;
    return OK;
}

static void with_journal(const uint8_t id[STORE_ID_SIZE])
{
    struct journal *j;
    struct journal_options options = {
        .disk = false_disk(fd), .env = &env, .file_bytes = FILE_BYTES};
    struct journal_visitor visitor = {.record = nothing};
    for (size_t i = 0; i < STORE_ID_SIZE; i++)
        options.store_id[i] = id[i];
    ck_assert_int_eq(journal_open(&j, &options, &visitor), OK);
    journal_close(j);
}

START_TEST(it_is_made_once_and_stays)
{
    uint8_t first[STORE_ID_SIZE];
    uint8_t id[STORE_ID_SIZE];
    begin();
    ck_assert_int_eq(open_it(first), OK);
    false_disk_cut(fd);
    false_disk_power_on(fd, &(struct rng){1});
    ck_assert_int_eq(open_it(id), OK);
    ck_assert_mem_eq(id, first, sizeof(id));
    false_disk_free(fd);
}
END_TEST

START_TEST(one_damaged_copy_costs_nothing)
{
    uint8_t first[STORE_ID_SIZE];
    uint8_t id[STORE_ID_SIZE];
    begin();
    ck_assert_int_eq(open_it(first), OK);
    false_disk_flip(fd, "store", 40, 1);
    ck_assert_int_eq(open_it(id), OK);
    ck_assert_mem_eq(id, first, sizeof(id));
    false_disk_free(fd);
}
END_TEST

START_TEST(when_it_has_gone_the_journal_tells)
{
    uint8_t first[STORE_ID_SIZE];
    uint8_t id[STORE_ID_SIZE];
    begin();
    ck_assert_int_eq(open_it(first), OK);
    with_journal(first);
    ck_assert_int_eq(disk_remove(false_disk(fd), "store"), OK);
    ck_assert_int_eq(open_it(id), OK);
    ck_assert_mem_eq(id, first, sizeof(id));
    ck_assert_uint_ne(false_disk_file_size(fd, "store"), UINT64_MAX); /* and it is made again */
    false_disk_free(fd);
}
END_TEST

/* Else every file of the journal would be one of another store. */
START_TEST(it_is_not_guessed_when_the_journal_cannot_be_read)
{
    uint8_t first[STORE_ID_SIZE];
    uint8_t id[STORE_ID_SIZE];
    unsigned n_refused = 0;
    begin();
    ck_assert_int_eq(open_it(first), OK);
    with_journal(first);
    for (uint64_t n = 1; n < 12; n++) {
        enum err e = disk_remove(false_disk(fd), "store");
        ck_assert(e == OK || e == ERR_NOT_FOUND);
        uint64_t at = false_disk_count(fd) + n;
        false_disk_fail_at(fd, at, ERR_IO);
        e = open_it(id);
        n_refused += e != OK;
        while (false_disk_count(fd) < at) /* the one that was to fail is behind us */
            (void)!disk_sync_folder(false_disk(fd), "");
        ck_assert_int_eq(open_it(id), OK);
        ck_assert_mem_eq(id, first, sizeof(id));
    }
    ck_assert_uint_gt(n_refused, 5);
    false_disk_free(fd);
}
END_TEST

SUITE("identity", it_is_made_once_and_stays, one_damaged_copy_costs_nothing,
      when_it_has_gone_the_journal_tells, it_is_not_guessed_when_the_journal_cannot_be_read)
