// SPDX-License-Identifier: Apache-2.0
/* Each start is compared with the model of keeper_rig.h: what was let go of was not needed. */
#include "storage/rewriter.h"

#include "tests/storage/keeper_rig.h"

static struct life *l;
static struct life_object *q;

static void begin(void)
{
    l = life_new(1);
    ck_assert_int_eq(life_start(l), OK);
    q = life_declare(l, true, 20);
}

static struct life_entry *publish(size_t size, uint64_t group)
{
    ck_assert(life_publish(l, &q, 1, size, group));
    struct life_entry *e = life_last(l, q);
    ck_assert(life_flush(l));
    return e;
}

static void restart(void)
{
    life_power(l);
    ck_assert_int_eq(life_start(l), OK);
}

/* Messages that come and go, for so many files' worth. */
static void pass(unsigned n)
{
    for (uint64_t to = life_newest_file(l) + n; life_newest_file(l) < to;) {
        life_settle(l, publish(20000, 0), 0);
        ck_assert(life_flush(l));
        life_settle_down(l);
    }
}

static unsigned n_files(void)
{
    unsigned n = 0;
    for (uint64_t file = 0; file < life_newest_file(l); n++)
        file = life_file_from(l, file + 1);
    return n;
}

START_TEST(the_journal_stays_within_its_bound)
{
    begin();
    struct life_entry *stays = publish(100, 0);
    pass(20);
    life_settle_down(l);
    ck_assert_uint_lt(n_files(), 10); /* those to be used again among them */
    restart();
    ck_assert(stays->found && q->found);
    life_free(l);
}
END_TEST

START_TEST(what_is_all_live_does_not_keep_it_from_going_on)
{
    begin();
    for (int i = 0; i < 60; i++)
        publish(20000, 0);
    life_settle_down(l);
    restart();
    for (size_t i = 0; i < l->n_entries; i++)
        ck_assert(l->entries[i].found);
    life_free(l);
}
END_TEST

/* At each point of the mover's work. */
START_TEST(settle_while_moving)
{
    for (int n = 0; n < 12; n++) {
        begin();
        struct life_entry *settled = publish(100, 0);
        struct life_entry *stays = publish(100, 0);
        l->options.journal_bytes = 2 * l->options.file_bytes;
        restart();
        while (life_newest_file(l) < 6)
            publish(20000, 0);
        for (int i = 0; i < n; i++) {
            life_step(l);
            (void)life_work(l);
        }
        life_settle(l, settled, 0);
        ck_assert(life_flush(l));
        life_settle_down(l);
        publish(20000, 0);
        restart();
        ck_assert(!settled->found && stays->found);
        life_free(l);
    }
}
END_TEST

/* Settled by what is not durable yet, or in a group whose commit never comes. */
START_TEST(what_is_not_durably_settled_is_still_there)
{
    for (int in_group = 0; in_group < 2; in_group++) {
        l = life_new(1);
        l->options.journal_bytes = 2 * l->options.file_bytes;
        ck_assert_int_eq(life_start(l), OK);
        q = life_declare(l, true, 20);
        struct life_entry *settled = publish(100, 0);
        uint64_t group = store_begin(keeper_store(l->keeper));
        while (life_newest_file(l) < 3)
            publish(20000, 0);
        life_settle(l, settled, in_group ? group : 0);
        if (in_group)
            ck_assert(life_flush(l));
        for (int i = 0; i < 60; i++)
            publish(20000, 0);
        life_settle_down(l);
        restart();
        ck_assert(settled->found == in_group);
        life_free(l);
    }
}
END_TEST

/* The size of files may be made smaller between two runs. */
START_TEST(what_is_larger_than_a_file_is_written_again)
{
    l = life_new(1);
    l->options.file_bytes = 8 * LIFE_FILE_BYTES;
    l->options.journal_bytes = UINT64_MAX / 2;
    ck_assert_int_eq(life_start(l), OK);
    q = life_declare(l, true, 20);
    struct life_entry *large = publish(200000, 0);
    l->now_ns += UINT64_C(2000000000);
    life_settle_down(l); /* nothing is in doubt: a start does not write it again */
    life_end(l);
    l->options.file_bytes = LIFE_FILE_BYTES;
    l->options.journal_bytes = LIFE_FILE_BYTES;
    ck_assert_int_eq(life_start(l), OK);
    publish(100, 0);
    life_settle_down(l);
    publish(100, 0);
    ck_assert_uint_gt(keeper_counts(l->keeper).bytes, 200000);
    restart();
    ck_assert(large->found);
    life_free(l);
}
END_TEST

SUITE("rewriter", the_journal_stays_within_its_bound,
      what_is_all_live_does_not_keep_it_from_going_on, settle_while_moving,
      what_is_not_durably_settled_is_still_there, what_is_larger_than_a_file_is_written_again)
