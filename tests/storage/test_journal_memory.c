// SPDX-License-Identifier: Apache-2.0
/* Each allocation of opening and writing fails in turn: ERR_NOMEM, and nothing is lost. */
#include <string.h>

#include "storage/journal.h"
#include "tests/base/memory.h"
#include "tests/storage/temporary.h"

enum { FILE_BYTES = 64 * 1024, BODY_SIZE = 9000 };

struct shown {
    uint64_t n;
    uint64_t n_damaged;
};

static enum err shown_record(void *arg, uint64_t lsn, struct journal_place place,
                             const struct record *rec)
{
    struct shown *s = arg;
    (void)place;
    s->n += rec->time_ns == lsn;
    return OK;
}

static void shown_damaged(void *arg, uint64_t lsn, uint64_t n, uint64_t file)
{
    struct shown *s = arg;
    (void)lsn;
    (void)file;
    s->n_damaged += n;
}

static enum err open_it(struct journal **j, struct disk *disk, struct shown *s)
{
    static struct env env;
    env = env_real();
    *s = (struct shown){0};
    struct journal_options options = {.disk = disk, .env = &env, .file_bytes = FILE_BYTES};
    struct journal_visitor visitor = {shown_record, shown_damaged, s};
    return journal_open(j, &options, &visitor);
}

/* A batch of one record; `lsn` is what it will get. */
static void fill(struct batch *b, uint64_t lsn)
{
    struct record rec = {.kind = RECORD_publish, .time_ns = lsn, .body = {NULL, BODY_SIZE}};
    uint8_t *body;
    batch_reset(b);
    ck_assert_int_eq(batch_add(b, &rec, &body), OK);
    memset(body, 1, BODY_SIZE);
}

START_TEST(opening_without_memory_says_so_and_loses_nothing)
{
    enum { RECORDS = 60 };
    struct temporary t = temporary_begin();
    struct journal *j;
    struct shown shown;
    struct batch b;
    struct journal_place place;
    batch_init(&b);
    ck_assert_int_eq(open_it(&j, t.disk, &shown), OK);
    for (uint64_t lsn = 1; lsn <= RECORDS; lsn++) {
        fill(&b, lsn);
        ck_assert_int_eq(journal_write(j, &b, 1, 1, &place), OK);
    }
    unsigned n = 0;
    for (bool failed = true; failed; n++) {
        journal_close(j);
        memory_fail_once(n);
        enum err e = open_it(&j, t.disk, &shown);
        failed = memory_failed;
        memory_heal();
        ck_assert_int_eq(e, failed ? ERR_NOMEM : OK);
        ck_assert((j == NULL) == failed);
    }
    ck_assert_uint_gt(n, 15);
    ck_assert_uint_eq(shown.n, RECORDS);
    ck_assert_uint_eq(shown.n_damaged, 0);
    journal_close(j);
    batch_fini(&b);
    temporary_end(&t);
}
END_TEST

/* Nothing was written: the batch may be tried again. */
START_TEST(writing_without_memory_says_so_and_may_be_tried_again)
{
    unsigned n_failed = 0;
    for (unsigned n = 0; n < 4; n++) {
        struct temporary t = temporary_begin();
        struct journal *j;
        struct shown shown;
        struct batch b;
        struct journal_place place;
        ck_assert_int_eq(open_it(&j, t.disk, &shown), OK);
        uint64_t lsn = 0;
        while (journal_newest(j) < 12) {
            batch_init(&b);
            fill(&b, ++lsn);
            memory_fail_once(n);
            enum err e = journal_write(j, &b, 1, 1, &place);
            bool failed = memory_failed;
            memory_heal();
            n_failed += failed;
            ck_assert_int_eq(e, failed ? ERR_NOMEM : OK);
            if (failed)
                ck_assert_int_eq(journal_write(j, &b, 1, 1, &place), OK);
            batch_fini(&b);
        }
        journal_close(j);
        ck_assert_int_eq(open_it(&j, t.disk, &shown), OK);
        ck_assert_uint_eq(shown.n, lsn);
        journal_close(j);
        temporary_end(&t);
    }
    ck_assert_uint_gt(n_failed, 0);
}
END_TEST

SUITE("journal_memory", opening_without_memory_says_so_and_loses_nothing,
      writing_without_memory_says_so_and_may_be_tried_again)
