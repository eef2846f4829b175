// SPDX-License-Identifier: Apache-2.0
/* Each start is compared with the model of keeper_rig.h; what a test says comes on top of that. */
#include "storage/recovery.h"

#include "tests/storage/keeper_rig.h"

static struct life *l;
static struct life_object *q;
static struct life_object *other;

static void begin(void)
{
    l = life_new(1);
    l->rewrites = false;
    l->options.journal_bytes = UINT64_MAX / 2;
    ck_assert_int_eq(life_start(l), OK);
    q = life_declare(l, true, 20);
    other = life_declare(l, true, 20);
}

static struct life_entry *publish(size_t size, uint64_t group)
{
    ck_assert(life_publish(l, &q, 1, size, group));
    return life_last(l, q);
}

static void restart(void)
{
    life_power(l);
    ck_assert_int_eq(life_start(l), OK);
}

static void fill_files(unsigned n)
{
    for (uint64_t to = life_newest_file(l) + n; life_newest_file(l) < to;) {
        publish(20000, 0);
        ck_assert(life_flush(l));
    }
}

START_TEST(group_across_files)
{
    for (int committed = 0; committed < 2; committed++) {
        begin();
        struct life_entry *outside = publish(30, 0);
        uint64_t group = store_begin(keeper_store(l->keeper));
        struct life_entry *first = publish(30, group);
        life_settle(l, outside, group);
        fill_files(2);
        struct life_entry *last = publish(30, group);
        if (committed)
            life_commit(l, group);
        ck_assert(life_flush(l));
        restart();
        ck_assert(first->found == committed && last->found == committed);
        ck_assert(outside->found == !committed);
        life_free(l);
    }
}
END_TEST

/* What was written last is known to be durable: damage is told from a torn end. */
static void close_end(void)
{
    ck_assert(life_flush(l));
    l->now_ns += UINT64_C(2000000000);
    life_settle_down(l);
}

/* Also later, when the file in which it began has been let go of. */
START_TEST(group_damaged)
{
    begin();
    struct life_entry *outside = publish(30, 0);
    uint64_t group = store_begin(keeper_store(l->keeper));
    struct life_entry *first = publish(30, group);
    fill_files(1);
    struct life_entry *last = publish(31, group);
    life_settle(l, outside, group);
    life_commit(l, group);
    fill_files(1);
    life_end(l);
    ck_assert_uint_eq(life_damage_message(l, first->message), 1);
    ck_assert_int_eq(life_start(l), OK);
    ck_assert_uint_eq(l->figures.n_groups_dropped, 1);
    ck_assert(!first->found && !last->found && outside->found);
    uint64_t begun_in = life_file_from(l, 1);
    life_end(l);
    l->options.journal_bytes = 3 * l->options.file_bytes;
    ck_assert_int_eq(life_start(l), OK);
    for (int i = 0; i < 40 && life_file_from(l, 1) <= begun_in; i++) {
        fill_files(1);
        life_settle_down(l);
    }
    ck_assert_uint_gt(life_file_from(l, 1), begun_in);
    restart();
    ck_assert_uint_eq(l->figures.n_lost, 0);
    ck_assert(!first->found && !last->found && outside->found);
    life_free(l);
}
END_TEST

/* The first record that is found is not the first that there was. */
START_TEST(a_group_whose_beginning_is_damaged_is_dropped)
{
    begin();
    uint64_t group = store_begin(keeper_store(l->keeper));
    struct life_entry *first = publish(30, group);
    struct life_entry *last = publish(31, group);
    life_commit(l, group);
    close_end();
    life_end(l);
    ck_assert_uint_ge(life_damage_object(l, q), 1);
    ck_assert_uint_ge(life_damage_object(l, other), 1);
    ck_assert_uint_ge(life_damage_message(l, first->message), 1);
    ck_assert_int_eq(life_start(l), OK);
    ck_assert_uint_eq(l->figures.n_groups_dropped, 1);
    ck_assert(!first->found && !last->found);
    life_free(l);
}
END_TEST

START_TEST(fan_out_one_drained)
{
    begin();
    struct life_object *both[] = {q, other};
    ck_assert(life_publish(l, both, 2, 30, 0));
    ck_assert(life_flush(l));
    life_settle(l, life_last(l, q), 0);
    ck_assert(life_flush(l));
    restart();
    ck_assert(!life_last(l, q)->found && life_last(l, other)->found);
    life_free(l);
}
END_TEST

/* Of a message in parts only the first got to the disk: the next one must not be taken for it. */
START_TEST(seq_after_crash)
{
    unsigned n_cut = 0;
    for (uint64_t n = 1; n < 16; n++) {
        begin();
        ck_assert(life_flush(l));
        struct life_entry *lost = publish(200000, 0);
        false_disk_cut_at(l->fd, false_disk_count(l->fd) + n);
        (void)life_flush(l);
        restart();
        n_cut += !lost->found && q->next_seq > lost->target.seq;
        publish(200000, 0);
        ck_assert(life_flush(l));
        restart();
        ck_assert(life_last(l, q)->found);
        life_free(l);
    }
    ck_assert_uint_gt(n_cut, 0);
}
END_TEST

START_TEST(queue_deleted_with_messages)
{
    begin();
    publish(30, 0);
    ck_assert(life_flush(l));
    life_undeclare(l, q);
    ck_assert(life_flush(l));
    restart();
    ck_assert(!q->found && other->found && !life_last(l, q)->found);
    ck_assert_uint_ge(l->figures.last_object, 2);
    life_free(l);
}
END_TEST

/* Else the next queue would get its messages. */
START_TEST(the_number_of_a_queue_that_was_damaged_is_not_used_again)
{
    begin();
    ck_assert(life_publish(l, &other, 1, 30, 0));
    close_end();
    life_end(l);
    ck_assert_uint_eq(life_damage_object(l, other), 1);
    ck_assert_int_eq(life_start(l), OK);
    ck_assert(!other->found && l->figures.n_lost == 1);
    ck_assert_uint_eq(l->figures.last_object, 2);
    life_free(l);
}
END_TEST

/* Only the marks say what was delivered; but not once it has been started again. */
START_TEST(a_clean_stop_counts_once)
{
    begin();
    publish(30, 0);
    publish(30, 0);
    life_deliver(l, q, 1);
    ck_assert(life_stop(l, true));
    ck_assert_int_eq(life_start(l), OK);
    ck_assert(l->figures.clean && q->flagged == 1);
    life_deliver(l, q, 2);
    restart();
    ck_assert(!l->figures.clean && q->flagged >= 2);
    life_free(l);
}
END_TEST

SUITE("recovery", group_across_files, group_damaged, a_group_whose_beginning_is_damaged_is_dropped,
      fan_out_one_drained, seq_after_crash, queue_deleted_with_messages,
      the_number_of_a_queue_that_was_damaged_is_not_used_again, a_clean_stop_counts_once)
