// SPDX-License-Identifier: Apache-2.0
#include "storage/writer.h"

#include <string.h>

#include "storage/recovery.h"
#include "tests/base/suite.h"
#include "tests/sim/false_disk.h"

enum { FILE_BYTES = 64 * 1024, BODY = 2000, LARGE = 100000, IDS_MAX = 512 };

static struct false_disk *fd;
static struct env env;
static struct journal *journal;
static struct writer writer;
static struct parcel parcel;
static uint8_t zeros[LARGE];
static unsigned n_shown[16]; /* by kind */
static unsigned n_seen[IDS_MAX];
static uint32_t n_of_commit;

static enum err shown(void *arg, uint64_t lsn, struct journal_place place, const struct record *r)
{
    struct entry e;
    (void)arg;
    (void)lsn;
    (void)place;
    ck_assert(entry_read(r, &e));
    n_shown[e.kind]++;
    if (e.kind == RECORD_publish)
        n_seen[entry_pair(&e, 0).seq]++;
    if (e.kind == RECORD_commit)
        n_of_commit = e.n;
    return OK;
}

static void damaged(void *arg, uint64_t lsn, uint64_t n, uint64_t file)
{
    (void)arg;
    (void)lsn;
    (void)file;
    ck_assert_uint_eq(n, 0);
}

/* A message is its size. */
static void parts(const void *message, struct message_parts *out)
{
    *out = (struct message_parts){.parts = {{zeros, *(const size_t *)message}}};
}

static void open_journal(void)
{
    struct journal_options options = {
        .disk = false_disk(fd), .env = &env, .file_bytes = FILE_BYTES};
    struct journal_visitor visitor = {shown, damaged, NULL};
    memset(n_shown, 0, sizeof(n_shown));
    memset(n_seen, 0, sizeof(n_seen));
    ck_assert_int_eq(journal_open(&journal, &options, &visitor), OK);
    writer_init(&writer, journal, &env, parts);
}

static void close_journal(void)
{
    writer_fini(&writer);
    journal_close(journal);
}

static void begin(void)
{
    fd = false_disk_new(0);
    env = env_real();
    open_journal();
    parcel_init(&parcel);
    parcel.number = 1;
    ck_assert_int_eq(parcel_reserve(&parcel), OK);
}

static void end(void)
{
    parcel_fini(&parcel);
    close_journal();
    false_disk_free(fd);
}

static void publish(const size_t *size, uint64_t seq, uint64_t group)
{
    size_t index;
    struct store_target t = {7, seq};
    ck_assert_int_eq(parcel_publish(&parcel, (void *)(uintptr_t)size, *size, &t, 1, group, &index),
                     OK);
}

static void next_parcel(void)
{
    uint64_t number = parcel.number;
    parcel_reset(&parcel);
    parcel.number = number + 1;
    ck_assert_int_eq(parcel_reserve(&parcel), OK);
}

/* Whatever fails on the way: the next try goes on where the last one ended. */
START_TEST(a_parcel_of_many_batches_is_written_once)
{
    static const size_t SIZE = BODY;
    enum { PUBLISHES = 200 };
    for (uint64_t n = 1; n < 40; n++) {
        begin();
        for (uint64_t seq = 1; seq <= PUBLISHES; seq++)
            publish(&SIZE, seq, 0);
        for (uint64_t k = 0; k < 6; k++) /* more than the journal mends by itself */
            false_disk_fail_at(fd, false_disk_count(fd) + n + k, ERR_IO);
        unsigned tries = 1;
        for (; writer_write(&writer, &parcel) != OK; tries++)
            ck_assert_uint_lt(tries, 10);
        ck_assert(writer_is_between(&writer) && writer.last_parcel == 1);
        ck_assert_uint_eq(writer.n_records, PUBLISHES);
        close_journal();
        open_journal();
        for (uint64_t seq = 1; seq <= PUBLISHES; seq++)
            ck_assert_uint_eq(n_seen[seq], 1);
        end();
    }
}
END_TEST

START_TEST(a_large_message_is_cut)
{
    static const size_t SIZE = LARGE;
    begin();
    publish(&SIZE, 1, 0);
    ck_assert_int_eq(writer_write(&writer, &parcel), OK);
    size_t chunk = writer_chunk_bytes(&writer);
    close_journal();
    open_journal();
    ck_assert_uint_eq(n_shown[RECORD_chunk], (SIZE - 1) / chunk);
    ck_assert_uint_eq(n_shown[RECORD_publish], 1);
    end();
}
END_TEST

START_TEST(settlements_of_a_queue_are_one_record)
{
    begin();
    for (uint64_t seq = 1; seq < 100; seq += 2)
        parcel_settle(&parcel, (struct store_target){7, seq}, 0);
    parcel_settle(&parcel, (struct store_target){8, 1}, 0);
    ck_assert_int_eq(writer_write(&writer, &parcel), OK);
    close_journal();
    open_journal();
    ck_assert_uint_eq(n_shown[RECORD_settle], 2);
    end();
}
END_TEST

START_TEST(a_group_is_open_until_its_commit_is_durable)
{
    static const size_t SIZE = BODY;
    begin();
    uint64_t file = journal_newest(journal);
    publish(&SIZE, 1, 5);
    parcel_settle(&parcel, (struct store_target){7, 1}, 5);
    ck_assert_uint_eq(writer_oldest_group(&writer), UINT64_MAX);
    ck_assert_int_eq(writer_write(&writer, &parcel), OK);
    ck_assert_uint_eq(writer_oldest_group(&writer), file);
    ck_assert_uint_eq(writer_first_open(&writer), 1);
    next_parcel();
    parcel_commit(&parcel, 5);
    parcel_commit(&parcel, 6); /* of nothing: not told */
    for (uint64_t k = 1; k < 6; k++)
        false_disk_fail_at(fd, false_disk_count(fd) + k, ERR_IO);
    ck_assert_int_ne(writer_write(&writer, &parcel), OK);
    ck_assert(writer_oldest_group(&writer) == file && !writer_is_between(&writer));
    while (writer_write(&writer, &parcel) != OK)
        ;
    ck_assert_uint_eq(writer_oldest_group(&writer), UINT64_MAX);
    ck_assert_uint_eq(writer_first_open(&writer), UINT64_MAX);
    close_journal();
    open_journal();
    ck_assert(n_shown[RECORD_commit] == 1 && n_of_commit == 2);
    end();
}
END_TEST

START_TEST(an_empty_parcel_closes_the_end_and_one_with_nothing_to_say_does_not)
{
    static const size_t SIZE = BODY;
    bool moot;
    begin();
    ck_assert_int_eq(writer_write(&writer, &parcel), OK);
    ck_assert_uint_eq(writer.n_batches, 1);
    next_parcel();
    publish(&SIZE, 1, 0);
    ck_assert_ptr_nonnull(parcel_settle_own(&parcel, 0, &moot));
    ck_assert_int_eq(writer_write(&writer, &parcel), OK);
    ck_assert(writer.n_batches == 1 && writer.last_parcel == 2);
    end();
}
END_TEST

SUITE("writer", a_parcel_of_many_batches_is_written_once, a_large_message_is_cut,
      settlements_of_a_queue_are_one_record, a_group_is_open_until_its_commit_is_durable,
      an_empty_parcel_closes_the_end_and_one_with_nothing_to_say_does_not)
