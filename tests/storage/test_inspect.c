// SPDX-License-Identifier: Apache-2.0
/* What is said of files. Of what counts in them: test_inspect_walk.c; of damage and of what is not
 * ours, and of the identity: tests/broker/check_inspect.py. */
#include "storage/inspect.h"

#include "tests/storage/journal_rig.h"

static void see_batch(void *arg, const struct inspect_batch *b)
{
    (void)arg;
    ck_assert_int_eq(b->file->role, ROLE_JOURNAL);
}

static void see_record(void *arg, const struct inspect_record *r)
{
    (void)arg;
    ck_assert_uint_ne(r->lsn, 0);
}

static void see_damaged(void *arg, const struct inspect_damage *d)
{
    (void)arg;
    ck_assert_str_eq(d->what, "not understood"); /* records of the rig are of no kind */
}

static unsigned uses[USE_unknown + 1];

static void count_use(void *arg, const struct inspect_file *f)
{
    (void)arg;
    uses[f->use]++;
}

START_TEST(what_becomes_of_files)
{
    struct rig *r = rig_new(3);
    struct inspect_visitor visitor = {count_use, see_batch, see_record, see_damaged, NULL};
    struct inspect_figures figures;
    ck_assert_int_eq(rig_open(r), OK);
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq(rig_write(r, 2, 15000), OK);
    ck_assert_uint_gt(journal_newest(r->journal), 3);
    rig_let_go(r, journal_newest(r->journal));
    ck_assert_int_eq(rig_write(r, 1, 10), OK);
    ck_assert_int_eq(rig_write(r, 0, 0), OK);
    uint64_t oldest = journal_oldest(r->journal);
    rig_end(r);
    ck_assert_int_eq(inspect_run(r->options.disk, &visitor, &figures), OK);
    ck_assert_uint_eq(uses[USE_needed], 1);
    ck_assert_uint_ge(uses[USE_spare] + uses[USE_old], 1);
    ck_assert_uint_eq(figures.oldest, oldest);
    ck_assert_uint_eq(figures.n_doubt, 0);
    ck_assert_uint_eq(figures.durable_lsn, r->confirmed);
    ck_assert_str_eq(figures.identity, "journal");
    ck_assert_str_eq(inspect_use_name(USE_void), "void");
    ck_assert_str_eq(inspect_state_name(STATE_again), "again");
    rig_free(r);
}
END_TEST

SUITE("inspect", what_becomes_of_files)
