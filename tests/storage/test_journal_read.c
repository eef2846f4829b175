// SPDX-License-Identifier: Apache-2.0
/* Reading a journal's files back while it runs. */
#include "tests/storage/journal_rig.h"

static struct rig *rig_of_files(uint64_t n_files)
{
    struct rig *r = rig_new(5);
    ck_assert_int_eq(rig_open(r), OK);
    while (journal_newest(r->journal) <= n_files)
        ck_assert_int_eq(rig_write(r, 4, 3000), OK);
    return r;
}

START_TEST(each_file_shows_what_is_in_it)
{
    struct rig *r = rig_of_files(4);
    rig_read_back(r);
    ck_assert_uint_gt(r->n_read, 50);
    for (int i = 0; i < 40; i++) {
        if (i % 10 == 9) {
            rig_recover(r, 0);
            rig_let_go(r, journal_newest(r->journal) - 1);
        }
        ck_assert_int_eq(rig_write(r, (size_t)(i % 4), 9000), OK);
        rig_read_back(r);
        ck_assert_uint_eq(r->n_damaged, 0);
    }
    rig_free(r);
}
END_TEST

/* A batch whose sync failed is in two files, and counts in the newer. */
START_TEST(what_is_void_is_not_shown)
{
    for (uint64_t n = 1; n < 6; n++) {
        struct rig *r = rig_of_files(2);
        false_disk_fail_at(r->fd, false_disk_count(r->fd) + n, ERR_IO);
        ck_assert_int_eq(rig_write(r, 4, 100), OK);
        while (journal_newest(r->journal) < 6)
            ck_assert_int_eq(rig_write(r, 4, 3000), OK);
        rig_read_back(r);
        ck_assert_uint_eq(r->n_damaged, 0);
        rig_free(r);
    }
}
END_TEST

struct piece {
    uint64_t n;
    uint64_t n_lost;
    enum err answer;
};

static enum err piece_record(void *arg, uint64_t lsn, struct journal_place place,
                             const struct record *rec)
{
    struct piece *p = arg;
    (void)lsn;
    (void)place;
    (void)rec;
    p->n++;
    return p->answer;
}

static void piece_damaged(void *arg, uint64_t lsn, uint64_t n, uint64_t file)
{
    struct piece *p = arg;
    (void)lsn;
    (void)file;
    p->n_lost += n;
}

START_TEST(a_piece_is_a_batch)
{
    struct rig *r = rig_of_files(1);
    struct piece p = {0};
    struct journal_visitor visitor = {piece_record, piece_damaged, &p};
    struct journal_cursor c = {.file = 1};
    bool more = true;
    uint64_t n = 0;
    while (more) {
        p.n = 0;
        ck_assert_int_eq(journal_read_file(r->journal, &c, &visitor, &more), OK);
        ck_assert_uint_eq(p.n, 4);
        n += p.n;
        ck_assert_int_eq(rig_write(r, 1, 10), OK); /* it goes on meanwhile */
    }
    uint64_t in_it = 0;
    for (uint64_t lsn = 1; lsn <= r->confirmed; lsn++)
        in_it += r->files[lsn] == 1;
    ck_assert_uint_eq(n, in_it);
    rig_free(r);
}
END_TEST

/* Who asks strictly comes again; to others it is damage. */
START_TEST(what_cannot_be_read_now_may_be_readable_later)
{
    enum { FAILURES = 20 }; /* the large read, and three of each of some blocks */
    for (int strict = 0; strict < 2; strict++) {
        struct rig *r = rig_of_files(1);
        struct piece p = {0};
        struct journal_visitor visitor = {piece_record, piece_damaged, &p};
        struct journal_cursor c = {.file = 1, .strict = strict != 0};
        bool more;
        for (uint64_t n = 1; n <= FAILURES; n++)
            false_disk_fail_at(r->fd, false_disk_count(r->fd) + n, ERR_IO);
        enum err e = journal_read_file(r->journal, &c, &visitor, &more);
        ck_assert_int_eq(e, strict ? ERR_IO : OK);
        ck_assert(strict ? p.n + p.n_lost == 0 : p.n_lost != 0);
        for (more = strict != 0; more;)
            ck_assert_int_eq(journal_read_file(r->journal, &c, &visitor, &more), OK);
        ck_assert(!strict || (p.n > 4 && p.n_lost == 0));
        rig_free(r);
    }
}
END_TEST

START_TEST(what_a_visitor_answers_leaves_the_cursor)
{
    struct rig *r = rig_of_files(1);
    struct piece p = {.answer = ERR_LIMIT};
    struct journal_visitor visitor = {piece_record, piece_damaged, &p};
    struct journal_cursor c = {.file = 1};
    bool more;
    ck_assert_int_eq(journal_read_file(r->journal, &c, &visitor, &more), ERR_LIMIT);
    ck_assert_uint_eq(p.n, 1);
    p = (struct piece){0};
    ck_assert_int_eq(journal_read_file(r->journal, &c, &visitor, &more), OK);
    ck_assert_uint_eq(p.n, 4);
    rig_free(r);
}
END_TEST

START_TEST(a_file_let_go_of_is_not_found)
{
    struct rig *r = rig_of_files(3);
    struct piece p = {0};
    struct journal_visitor visitor = {piece_record, piece_damaged, &p};
    struct journal_cursor c = {.file = 2};
    bool more;
    rig_let_go(r, 3);
    ck_assert_int_eq(rig_write(r, 0, 0), OK);
    ck_assert_int_eq(journal_read_file(r->journal, &c, &visitor, &more), ERR_NOT_FOUND);
    ck_assert(!more);
    rig_free(r);
}
END_TEST

/* The last block of the file that holds anything, and another in the middle. */
START_TEST(damage_is_shown)
{
    struct rig *r = rig_of_files(2);
    r->expects_damage = true;
    false_disk_flip(r->fd, JOURNAL_FOLDER "/1", BLOCK_BYTES + BATCH_HEAD_SIZE + 20, 1);
    rig_read_back(r);
    ck_assert_uint_eq(r->n_damaged, 1);
    false_disk_flip(r->fd, JOURNAL_FOLDER "/1", BLOCK_BYTES, 1);
    rig_read_back(r);
    ck_assert_uint_eq(r->n_damaged, 4);
    for (uint64_t at = BLOCK_BYTES; at < RIG_FILE_BYTES; at += BLOCK_BYTES)
        false_disk_flip(r->fd, JOURNAL_FOLDER "/2", at, 1);
    rig_read_back(r);
    uint64_t in_second = 0;
    for (uint64_t lsn = 1; lsn <= r->confirmed; lsn++)
        in_second += r->files[lsn] == 2;
    ck_assert_uint_eq(r->n_damaged, 4 + in_second);
    rig_free(r);
}
END_TEST

START_TEST(the_bytes_of_the_files_are_known)
{
    struct rig *r = rig_of_files(3);
    ck_assert_uint_eq(journal_bytes(r->journal), 4 * RIG_FILE_BYTES);
    rig_let_go(r, 3);
    ck_assert_int_eq(rig_write(r, 0, 0), OK);
    ck_assert_uint_eq(journal_bytes(r->journal), 2 * RIG_FILE_BYTES);
    rig_recover(r, 0);
    ck_assert_uint_eq(journal_bytes(r->journal), 3 * RIG_FILE_BYTES);
    rig_free(r);
}
END_TEST

SUITE("journal_read", each_file_shows_what_is_in_it, what_is_void_is_not_shown, a_piece_is_a_batch,
      what_cannot_be_read_now_may_be_readable_later, what_a_visitor_answers_leaves_the_cursor,
      a_file_let_go_of_is_not_found, damage_is_shown, the_bytes_of_the_files_are_known)
