// SPDX-License-Identifier: Apache-2.0
/* The crash schedules of FORMAT.md that are the journal's own, by their names there; damage and
 * files of others are in test_journal_scan.c. */
#include "storage/journal.h"

#include <stdio.h>
#include <string.h>

#include "tests/storage/journal_rig.h"

enum { SEEDS = 8 };

typedef void (*script_fn)(struct rig *r);

/* What the power cuts of a sweep have left, so that a test can ask whether it saw what it is for.
 */
struct outcome {
    unsigned n_cuts;
    unsigned n_kept;   /* a batch in doubt came back whole */
    unsigned n_partly; /* its beginning did */
    unsigned n_lost;   /* nothing of it did */
};

/* Plays the script with the power going at each of its operations in turn, and recovers. */
static struct outcome sweep(script_fn script, unsigned n_cuts_more)
{
    struct outcome o = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool cut = true;
        for (uint64_t n = 1; cut; n++) {
            struct rig *r = rig_new(seed * 1000 + n);
            false_disk_cut_at(r->fd, n);
            script(r);
            cut = false_disk_is_cut(r->fd);
            uint64_t confirmed = r->confirmed;
            size_t n_doubt = r->n_attempts == 0 ? 0 : r->attempts[0].n;
            rig_recover(r, n_cuts_more);
            uint64_t n_back = r->confirmed - confirmed;
            o.n_cuts += cut;
            if (n_doubt != 0) {
                o.n_kept += n_back == n_doubt;
                o.n_partly += n_back != 0 && n_back < n_doubt;
                o.n_lost += n_back == 0;
            }
            /* Life goes on, and lasts. */
            ck_assert_int_eq(rig_write(r, 3, 100), OK);
            rig_recover(r, 0);
            rig_free(r);
        }
    }
    ck_assert_uint_gt(o.n_cuts, SEEDS);
    return o;
}

/* ---- Without any harm ---- */

START_TEST(what_is_written_is_there_after_the_next_start)
{
    struct rig *r = rig_new(1);
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_uint_eq(r->first_shown, 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(rig_write(r, 5, 3000), OK);
        if (i % 10 == 9) {
            rig_end(r);
            ck_assert_int_eq(rig_open(r), OK);
            ck_assert_uint_eq(r->first_shown, 1);
        }
    }
    ck_assert_uint_eq(r->confirmed, 500);
    ck_assert_uint_gt(journal_newest(r->journal), 10);
    rig_free(r);
}
END_TEST

/* Files let go of are used again: their number and their space stay the same. */
START_TEST(files_are_recycled)
{
    struct rig *r = rig_new(1);
    ck_assert_int_eq(rig_open(r), OK);
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(rig_write(r, 4, 3000), OK);
        uint64_t newest = journal_newest(r->journal);
        if (newest > 3)
            rig_let_go(r, newest - 2);
    }
    unsigned n = 0;
    for (uint64_t number = 1; number <= journal_newest(r->journal); number++) {
        char path[DISK_PATH_MAX];
        snprintf(path, sizeof(path), JOURNAL_FOLDER "/%llu", (unsigned long long)number);
        n += false_disk_file_size(r->fd, path) != UINT64_MAX;
    }
    ck_assert_uint_le(n, 3 + 2);
    ck_assert_uint_gt(journal_newest(r->journal), 30);
    rig_recover(r, 0);
    ck_assert_uint_gt(r->first_shown, 1000);
    rig_free(r);
}
END_TEST

/* The disk refuses to open anything more, and has no space: the file that was made ahead is taken.
 */
START_TEST(a_file_made_ahead_needs_neither_space_nor_descriptor)
{
    struct rig *r = rig_new(1);
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_int_eq(journal_prepare(r->journal), OK);
    uint64_t count = false_disk_count(r->fd);
    ck_assert_int_eq(journal_prepare(r->journal), OK); /* there is one */
    ck_assert_uint_eq(false_disk_count(r->fd), count);
    false_disk_set_capacity(r->fd, 1);
    uint64_t first = journal_newest(r->journal);
    while (journal_newest(r->journal) == first)
        ck_assert_int_eq(rig_write(r, 4, 9000), OK);
    enum err e;
    while ((e = rig_write(r, 4, 9000)) == OK)
        continue;
    ck_assert_int_eq(e, ERR_FULL);
    ck_assert_int_eq(journal_prepare(r->journal), ERR_FULL);
    ck_assert_uint_eq(rig_n_files(r), 2);
    rig_free(r);
}
END_TEST

/* ---- Power cuts ---- */

static void open_only(struct rig *r)
{
    (void)rig_open(r);
}

START_TEST(first_block_torn)
{
    sweep(open_only, 0);
}
END_TEST

/* What a start has copied in part must not stand in for what it was copied from. */
START_TEST(copy_torn)
{
    for (uint64_t seed = 1; seed <= SEEDS * 4; seed++) {
        bool cut = true;
        for (uint64_t n = 1; cut; n++) {
            struct rig *r = rig_new(seed * 1000 + n);
            ck_assert_int_eq(rig_open(r), OK);
            ck_assert_int_eq(rig_write(r, 4, 9000), OK);
            rig_end(r);
            false_disk_cut_at(r->fd, false_disk_count(r->fd) + n);
            (void)rig_open(r);
            cut = false_disk_is_cut(r->fd);
            rig_recover(r, 0);
            rig_free(r);
        }
    }
}
END_TEST

/* However often the power goes while a start makes its file, what that leaves is used again. */
START_TEST(torn_files_do_not_pile_up)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *r = rig_new(seed);
        ck_assert_int_eq(rig_open(r), OK);
        ck_assert_int_eq(rig_write(r, 3, 9000), OK);
        rig_recover(r, 40);
        ck_assert_uint_le(rig_n_files(r), 2 + 2);
        rig_free(r);
    }
}
END_TEST

static void write_some(struct rig *r)
{
    if (rig_open(r) == OK && rig_write(r, 3, 2000) == OK)
        (void)rig_write(r, 6, 2000);
}

START_TEST(batch_torn)
{
    struct outcome o = sweep(write_some, 0);
    ck_assert_uint_gt(o.n_lost, 0);
    ck_assert_uint_gt(o.n_partly, 0);
}
END_TEST

START_TEST(batch_whole_but_unsynced)
{
    struct outcome o = sweep(write_some, 0);
    ck_assert_uint_gt(o.n_kept, 0);
}
END_TEST

START_TEST(crash_while_starting)
{
    sweep(write_some, 1);
}
END_TEST

START_TEST(crash_while_starting_twice)
{
    sweep(write_some, 2);
}
END_TEST

static void begin_files(struct rig *r)
{
    enum err e = rig_open(r);
    while (e == OK && journal_newest(r->journal) < 4)
        e = rig_write(r, 5, 12000);
}

START_TEST(next_file_torn)
{
    sweep(begin_files, 1);
}
END_TEST

static void let_go(struct rig *r)
{
    enum err e = rig_open(r);
    for (int i = 0; i < 30 && e == OK; i++) {
        e = rig_write(r, 4, 9000);
        uint64_t newest = journal_newest(r->journal);
        if (e == OK && i % 7 == 6 && newest > journal_oldest(r->journal))
            rig_let_go(r, newest - rng_below(&r->chance, 2));
    }
}

START_TEST(let_go_unsynced)
{
    sweep(let_go, 0);
}
END_TEST

/* What lets go of them may be a batch without records. */
static void let_go_without_records(struct rig *r)
{
    enum err e = rig_open(r);
    for (int i = 0; i < 24 && e == OK; i++) {
        bool empty = i % 6 == 5;
        if (empty)
            rig_let_go(r, journal_newest(r->journal));
        e = rig_write(r, empty ? 0 : 4, 9000);
    }
}

START_TEST(let_go_by_an_empty_batch)
{
    sweep(let_go_without_records, 1);
}
END_TEST

/* An empty batch is in doubt when the process ends, and is lost when the power goes in the start
 * that sees it: until that start has made it durable, the files that it lets go of must stay. */
START_TEST(let_go_in_doubt)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool cut = true;
        for (uint64_t n = 1; cut; n++) {
            struct rig *r = rig_new(seed * 1000 + n);
            ck_assert_int_eq(rig_open(r), OK);
            while (journal_newest(r->journal) < 4)
                ck_assert_int_eq(rig_write(r, 4, 9000), OK);
            rig_let_go(r, 4);
            for (uint64_t i = 2; i <= 3; i++) /* the sync, and the opening of the next file */
                false_disk_fail_at(r->fd, false_disk_count(r->fd) + i, ERR_IO);
            ck_assert_int_eq(rig_write(r, 0, 0), ERR_IO);
            rig_end(r);
            false_disk_cut_at(r->fd, false_disk_count(r->fd) + n);
            (void)rig_open(r);
            cut = false_disk_is_cut(r->fd);
            rig_recover(r, 0);
            rig_free(r);
        }
    }
}
END_TEST

START_TEST(rename_unsynced)
{
    sweep(let_go, 1);
}
END_TEST

/* Of two files let go of the newer has been used again, the older is as it was. */
START_TEST(renamed_out_of_order)
{
    struct rig *r = rig_new(1);
    ck_assert_int_eq(rig_open(r), OK);
    while (journal_newest(r->journal) < 4)
        ck_assert_int_eq(rig_write(r, 4, 9000), OK);
    rig_let_go(r, 3);
    while (journal_newest(r->journal) < 5)
        ck_assert_int_eq(rig_write(r, 4, 9000), OK);
    rig_power(r);
    ck_assert_uint_ne(false_disk_file_size(r->fd, JOURNAL_FOLDER "/1"), UINT64_MAX);
    ck_assert_uint_eq(false_disk_file_size(r->fd, JOURNAL_FOLDER "/2"), UINT64_MAX);
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_uint_eq(r->files[r->first_shown], 3);
    rig_free(r);
}
END_TEST

/* The process ends instead of the power: what was written is there, and not known to be synced. It
 * counts, and the next cut must not take it away. */
START_TEST(written_again_then_cut)
{
    unsigned n_doubtful = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        bool failed = true;
        for (uint64_t n = 1; failed; n++) {
            struct rig *r = rig_new(seed);
            ck_assert_int_eq(rig_open(r), OK);
            false_disk_cut_at(r->fd, false_disk_count(r->fd) + n);
            uint64_t confirmed = r->confirmed;
            failed = rig_write(r, 4, 2000) != OK;
            rig_power(r);
            ck_assert_int_eq(rig_open(r), OK);
            n_doubtful += failed && r->confirmed > confirmed;
            rig_power(r);
            ck_assert_int_eq(rig_open(r), OK);
            rig_free(r);
        }
    }
    ck_assert_uint_gt(n_doubtful, 0);
}
END_TEST

/* ---- Failing writes and syncs ---- */

/* Every operation of a write fails in turn, then the power may go at any later one. */
static unsigned fail_each(enum err e, unsigned n_failures)
{
    unsigned n_void = 0;
    for (uint64_t seed = 1; seed <= SEEDS * 40; seed++) {
        struct rig *r = rig_new(seed);
        ck_assert_int_eq(rig_open(r), OK);
        ck_assert_int_eq(rig_write(r, 3, 2000), OK);
        uint64_t at = false_disk_count(r->fd) + 1 + rng_below(&r->chance, 6);
        for (unsigned i = 0; i < n_failures; i++)
            false_disk_fail_at(r->fd, at + i, e);
        for (int i = 0; i < 4; i++) {
            enum err got = rig_write(r, 3, 15000);
            n_void += got == ERR_IO;
            if (got != OK)
                break;
        }
        rig_recover(r, (unsigned)rng_below(&r->chance, 2));
        ck_assert_int_eq(rig_write(r, 3, 2000), OK);
        rig_recover(r, 0);
        rig_free(r);
    }
    return n_void;
}

START_TEST(failed_sync_then_start)
{
    ck_assert_uint_eq(fail_each(ERR_IO, 1), 0);
}
END_TEST

/* Nobody has been told anything: it counts or it does not, but does so for good. */
START_TEST(failed_sync_before_new_file)
{
    unsigned n_back = 0;
    unsigned n_lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS * 4; seed++) {
        struct rig *r = rig_new(seed);
        ck_assert_int_eq(rig_open(r), OK);
        ck_assert_int_eq(rig_write(r, 3, 2000), OK);
        for (uint64_t i = 2; i <= 3; i++) /* the sync, and the opening of the next file */
            false_disk_fail_at(r->fd, false_disk_count(r->fd) + i, ERR_IO);
        ck_assert_int_eq(rig_write(r, 3, 2000), ERR_IO);
        ck_assert_uint_eq(rig_n_files(r), 1);
        if (seed % 2 == 0)
            rig_end(r);
        else
            rig_power(r);
        ck_assert_int_eq(rig_open(r), OK);
        n_back += r->confirmed == 6;
        n_lost += r->confirmed == 3;
        rig_recover(r, 0);
        rig_free(r);
    }
    ck_assert_uint_gt(n_back, SEEDS);
    ck_assert_uint_gt(n_lost, 0);
}
END_TEST

START_TEST(failed_twice)
{
    ck_assert_uint_gt(fail_each(ERR_IO, 12), 0);
}
END_TEST

START_TEST(a_failed_file_is_not_used_again)
{
    struct rig *r = rig_new(1);
    ck_assert_int_eq(rig_open(r), OK);
    false_disk_fail_at(r->fd, false_disk_count(r->fd) + 2, ERR_IO); /* the sync */
    ck_assert_int_eq(rig_write(r, 3, 2000), OK);
    ck_assert_uint_eq(journal_newest(r->journal), 2);
    rig_let_go(r, 2);
    ck_assert_int_eq(rig_write(r, 3, 2000), OK);
    ck_assert_uint_eq(rig_n_files(r), 1);
    rig_recover(r, 0);
    rig_free(r);
}
END_TEST

/* Files larger and smaller than today's, and a start whose reads fail, if not for good. */
START_TEST(reads_fail_while_files_change_their_size)
{
    unsigned n_failed = 0;
    for (uint64_t seed = 1; seed <= SEEDS * 40; seed++) {
        struct rig *r = rig_new(seed);
        ck_assert_int_eq(rig_open(r), OK);
        for (int life = 0; life < 4; life++) {
            for (int i = 0; i < 6; i++)
                ck_assert_int_eq(rig_write(r, 3, r->options.file_bytes / 8), OK);
            rig_end(r);
            r->options.file_bytes = (uint64_t)RIG_FILE_BYTES / 2 << rng_below(&r->chance, 3);
            uint64_t at = false_disk_count(r->fd) + 1 + rng_below(&r->chance, 24);
            for (uint64_t n = rng_below(&r->chance, 4); n != 0; n--)
                false_disk_fail_at(r->fd, at++, ERR_IO);
            enum err e;
            while ((e = rig_open(r)) == ERR_IO) {
                n_failed++;
                rig_end(r);
            }
            ck_assert_int_eq(e, OK);
        }
        rig_recover(r, 0);
        rig_free(r);
    }
    ck_assert_uint_gt(n_failed, SEEDS);
}
END_TEST

/* Some operations fail, one way or another, and life goes on with batches large and small. */
START_TEST(whatever_fails_nothing_confirmed_is_lost)
{
    for (uint64_t seed = 1; seed <= SEEDS * 50; seed++) {
        struct rig *r = rig_new(seed);
        ck_assert_int_eq(rig_open(r), OK);
        for (int i = 0; i < 4; i++)
            false_disk_fail_at(r->fd, false_disk_count(r->fd) + 1 + rng_below(&r->chance, 30),
                               rng_below(&r->chance, 2) != 0 ? ERR_IO : ERR_FULL);
        for (int i = 0; i < 12; i++)
            (void)rig_write(r, 1 + rng_below(&r->chance, 4), rng_below(&r->chance, 2) * 15000);
        rig_recover(r, (unsigned)rng_below(&r->chance, 2));
        rig_free(r);
    }
}
END_TEST

START_TEST(a_full_disk_loses_nothing)
{
    struct rig *r = rig_new(1);
    ck_assert_int_eq(rig_open(r), OK);
    ck_assert_int_eq(rig_write(r, 3, 2000), OK);
    false_disk_set_capacity(r->fd, RIG_FILE_BYTES + 100);
    enum err e;
    while ((e = rig_write(r, 4, 9000)) == OK)
        continue;
    ck_assert_int_eq(e, ERR_FULL);
    ck_assert_int_eq(rig_write(r, 4, 9000), ERR_FULL);
    false_disk_set_capacity(r->fd, 0);
    ck_assert_int_eq(rig_write(r, 4, 9000), OK);
    rig_recover(r, 0);
    rig_free(r);
}
END_TEST

/* After a refused file smaller batches still go into the old one, and nothing makes them void. */
START_TEST(a_full_disk_still_takes_what_fits)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *r = rig_new(seed);
        ck_assert_int_eq(rig_open(r), OK);
        false_disk_set_capacity(r->fd, RIG_FILE_BYTES + rng_below(&r->chance, RIG_FILE_BYTES));
        while (rig_write(r, 4, 12000) == OK)
            continue;
        while (rig_write(r, 1, 10) == OK)
            continue;
        rig_power(r);
        false_disk_set_capacity(r->fd, 0);
        ck_assert_int_eq(rig_open(r), OK);
        rig_free(r);
    }
}
END_TEST

SUITE("journal", what_is_written_is_there_after_the_next_start, files_are_recycled,
      a_file_made_ahead_needs_neither_space_nor_descriptor, first_block_torn, copy_torn,
      torn_files_do_not_pile_up, batch_torn, batch_whole_but_unsynced, crash_while_starting,
      crash_while_starting_twice, next_file_torn, let_go_unsynced, let_go_by_an_empty_batch,
      let_go_in_doubt, rename_unsynced, renamed_out_of_order, written_again_then_cut,
      failed_sync_then_start, failed_sync_before_new_file, failed_twice,
      a_failed_file_is_not_used_again, reads_fail_while_files_change_their_size,
      whatever_fails_nothing_confirmed_is_lost, a_full_disk_loses_nothing,
      a_full_disk_still_takes_what_fits)
