// SPDX-License-Identifier: Apache-2.0
/* Each start is compared with the model of keeper_rig.h: bytes, order, references. */
#include "tests/storage/keeper_rig.h"

static struct life *l;
static struct life_object *queues[3];

static void begin(void)
{
    l = life_new(1);
    ck_assert_int_eq(life_start(l), OK);
    for (size_t i = 0; i < 3; i++)
        queues[i] = life_declare(l, true, 20);
}

static void restart(void)
{
    ck_assert(life_flush(l));
    life_power(l);
    ck_assert_int_eq(life_start(l), OK);
}

START_TEST(messages_of_all_sizes_come_back)
{
    static const size_t SIZES[] = {0, 1, 3, 4095, 30000, 31000, 65536, 100000, 300000};
    begin();
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++)
        ck_assert(life_publish(l, queues, 1 + i % 3, SIZES[i], 0));
    restart();
    for (size_t i = 0; i < l->n_entries; i++)
        ck_assert(l->entries[i].found);
    restart();
    life_free(l);
}
END_TEST

START_TEST(what_is_settled_is_not_made)
{
    begin();
    for (int i = 0; i < 20; i++)
        ck_assert(life_publish(l, queues, 2, 100000, 0));
    ck_assert(life_flush(l));
    life_settle_range(l, queues[0], 3, 17);
    life_settle(l, life_last(l, queues[1]), 0);
    restart();
    unsigned n = 0;
    for (size_t i = 0; i < l->n_entries; i++)
        n += l->entries[i].found;
    ck_assert_uint_eq(n, 5 + 19);
    life_free(l);
}
END_TEST

START_TEST(a_message_that_lacks_a_part_is_counted)
{
    begin();
    ck_assert(life_publish(l, queues, 2, 100000, 0));
    struct life_message *m = l->entries[l->n_entries - 1].message;
    ck_assert(life_publish(l, queues, 2, 100000, 0));
    ck_assert(life_flush(l));
    life_end(l);
    ck_assert_uint_eq(life_damage_message(l, m), 1);
    ck_assert_int_eq(life_start(l), OK);
    ck_assert(l->figures.n_lost == 1 && l->figures.n_messages_lost == 2);
    ck_assert(!l->entries[0].found && l->entries[2].found && l->entries[3].found);
    life_free(l);
}
END_TEST

/* What does not want to be made ends it, and what was made is given back. */
static enum err refuse(void *arg, uint64_t queue, const struct recovered_message *messages,
                       size_t n, uint64_t flagged, uint64_t next_seq)
{
    unsigned *taken = arg;
    (void)queue;
    (void)messages;
    (void)flagged;
    (void)next_seq;
    *taken += (unsigned)n;
    return ERR_NOMEM;
}

static unsigned n_made;
static unsigned n_dropped;

static void any_number(void *arg, uint64_t object)
{
    (void)arg;
    (void)object;
}

static enum err any_object(void *arg, uint64_t object, struct span what)
{
    (void)arg;
    (void)object;
    (void)what;
    return OK;
}

static enum err make(void *arg, struct span bytes, uint32_t n, void **message)
{
    (void)bytes;
    n_made += n;
    *message = arg;
    return OK;
}

static void drop(void *arg, void *message)
{
    (void)arg;
    (void)message;
    n_dropped++;
}

START_TEST(an_error_gives_back_what_was_made)
{
    unsigned n_taken = 0;
    uint64_t holder;
    struct recovery_target to = {.last_object = any_number,
                                 .declared = any_object,
                                 .message = make,
                                 .drop = drop,
                                 .queue = refuse,
                                 .arg = &n_taken};
    begin();
    for (int i = 0; i < 10; i++)
        ck_assert(life_publish(l, queues, 3, 10, 0));
    ck_assert(life_flush(l));
    life_end(l);
    ck_assert_int_eq(keeper_open(&l->keeper, &l->options, &holder), OK);
    ck_assert_int_eq(keeper_restore(l->keeper, &to), ERR_NOMEM);
    ck_assert(n_made == 30 && n_taken == 10 && n_dropped == 20);
    life_free(l);
}
END_TEST

SUITE("recovery_restore", messages_of_all_sizes_come_back, what_is_settled_is_not_made,
      a_message_that_lacks_a_part_is_counted, an_error_gives_back_what_was_made)
