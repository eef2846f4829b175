// SPDX-License-Identifier: Apache-2.0
/* Each allocation of starting, and of a keeper that runs, fails in turn: it is said so, or waited
 * for, and nothing is lost. */
#include <string.h>

#include "storage/keeper.h"
#include "tests/base/memory.h"
#include "tests/storage/temporary.h"

enum { FILE_BYTES = 64 * 1024, MESSAGES = 40, BODY = 9000, LARGE = 80000, TRIES = 1000 };

struct counted {
    unsigned n_objects;
    unsigned n_messages;
    unsigned n_made;
    unsigned n_dropped;
};

static struct env env;
static struct keeper *keeper;
static uint8_t zeros[LARGE];
static size_t sizes[MESSAGES]; /* a message is its size */
static unsigned n_released;
static uint64_t settled_to; /* of queue 1 */

static void wake(void *arg)
{
    (void)arg;
}

static void parts(const void *message, struct message_parts *out)
{
    *out = (struct message_parts){.parts = {{zeros, *(const size_t *)message}}};
}

static void release(void *arg, void *message)
{
    (void)arg;
    (void)message;
    n_released++;
}

static bool is_live(void *arg, struct store_target t)
{
    (void)arg;
    return t.seq > settled_to;
}

static bool is_declared(void *arg, uint64_t object, struct span what)
{
    (void)arg;
    (void)object;
    (void)what;
    return true;
}

static void on_last_object(void *arg, uint64_t object)
{
    (void)arg;
    (void)object;
}

static enum err on_declared(void *arg, uint64_t object, struct span what)
{
    (void)object;
    (void)what;
    ((struct counted *)arg)->n_objects++;
    return OK;
}

static enum err on_message(void *arg, struct span bytes, uint32_t n, void **message)
{
    struct counted *c = arg;
    c->n_made += n;
    *message = bytes.size == LARGE ? &sizes[0] : &sizes[1];
    return bytes.size == BODY || bytes.size == LARGE ? OK : ERR_SYNTAX;
}

static void on_drop(void *arg, void *message)
{
    (void)message;
    ((struct counted *)arg)->n_dropped++;
}

static enum err on_queue(void *arg, uint64_t queue, const struct recovered_message *messages,
                         size_t n, uint64_t flagged, uint64_t next_seq)
{
    (void)queue;
    (void)messages;
    (void)flagged;
    (void)next_seq;
    ((struct counted *)arg)->n_messages += (unsigned)n;
    return OK;
}

static enum err start(struct disk *disk, struct counted *c)
{
    uint64_t holder;
    env = env_real();
    *c = (struct counted){0};
    struct keeper_options options = {.disk = disk,
                                     .env = &env,
                                     .file_bytes = FILE_BYTES,
                                     .journal_bytes = 3 * FILE_BYTES,
                                     .parts = parts,
                                     .wake_core = wake,
                                     .wake_disk = wake};
    struct recovery_target to = {.last_object = on_last_object,
                                 .declared = on_declared,
                                 .message = on_message,
                                 .drop = on_drop,
                                 .queue = on_queue,
                                 .arg = c};
    struct store_owner owner = {release, is_live, is_declared, NULL};
    enum err e = keeper_open(&keeper, &options, &holder);
    if (e != OK)
        return e;
    store_set_owner(keeper_store(keeper), &owner);
    return keeper_restore(keeper, &to);
}

static void close_it(void)
{
    if (keeper != NULL)
        store_end(keeper_store(keeper));
    keeper_close(keeper);
    keeper = NULL;
}

static void publish(uint64_t seq)
{
    uint64_t token;
    struct store *s = keeper_store(keeper);
    struct store_target t = {1, seq};
    size_t *size = &sizes[seq - 1];
    *size = seq % 10 == 0 ? LARGE : BODY;
    ck_assert_uint_eq(store_reserve(s), PARCEL_RESERVE);
    ck_assert_int_eq(store_publish(s, size, *size, &t, 1, 0, &token), OK);
}

/* Both sides, until everything is durable and nothing is to be done. */
static unsigned go_on(void)
{
    struct store *s = keeper_store(keeper);
    uint64_t wanted = store_barrier(s);
    unsigned n_failed = 0;
    for (unsigned n = 0; n < TRIES; n++) {
        bool more = keeper_step(keeper, 1);
        (void)more;
        enum keeper_work work = keeper_work(keeper);
        n_failed += work == KEEPER_FAILED;
        store_release(s, store_durable(s));
        if (work == KEEPER_IDLE && store_durable(s) >= wanted)
            return n_failed;
    }
    return TRIES;
}

START_TEST(starting_without_memory_says_so_and_loses_nothing)
{
    struct temporary t = temporary_begin();
    struct counted c;
    settled_to = 0;
    ck_assert_int_eq(start(t.disk, &c), OK);
    ck_assert_int_eq(store_declared(keeper_store(keeper), 1, SPAN_LIT("queue")), OK);
    for (uint64_t seq = 1; seq <= MESSAGES; seq++)
        publish(seq);
    ck_assert_uint_eq(store_reserve(keeper_store(keeper)), PARCEL_RESERVE);
    ck_assert(keeper_stop(keeper, true));
    unsigned n = 0;
    unsigned n_refused = 0;
    for (bool failed = true; failed; n++) {
        close_it();
        memory_fail_once(n);
        enum err e = start(t.disk, &c);
        failed = memory_failed;
        memory_heal();
        /* What only saves time, as a folder that is kept open, may fail unnoticed. */
        ck_assert(e == OK || (failed && e == ERR_NOMEM));
        n_refused += e != OK;
        if (failed)
            ck_assert_uint_eq(c.n_made, c.n_dropped + c.n_messages);
    }
    ck_assert_uint_gt(n_refused, 20);
    ck_assert(c.n_objects == 1 && c.n_messages == MESSAGES && c.n_made == MESSAGES);
    close_it();
    temporary_end(&t);
}
END_TEST

/* The journal is written again on the way. */
START_TEST(running_without_memory_waits_for_it_and_loses_nothing)
{
    unsigned n_waited = 0;
    for (unsigned n = 0; n < 36; n++) {
        struct temporary t = temporary_begin();
        struct counted c;
        settled_to = 0;
        n_released = 0;
        ck_assert_int_eq(start(t.disk, &c), OK);
        ck_assert_int_eq(store_declared(keeper_store(keeper), 1, SPAN_LIT("queue")), OK);
        for (uint64_t seq = 1; seq <= MESSAGES; seq++) {
            publish(seq); /* four are a parcel */
            if (seq % 2 == 0 && seq > 10)
                store_settle_range(keeper_store(keeper), 1, settled_to + 1, seq - 10);
            settled_to = seq % 2 == 0 && seq > 10 ? seq - 10 : settled_to;
            if (seq == 12 + 4 * (n % 3))
                memory_fail_once(n / 3);
            unsigned failed = seq % 4 == 0 ? go_on() : 0;
            if (seq % 4 == 0)
                memory_heal();
            ck_assert_uint_lt(failed, TRIES);
            n_waited += failed;
        }
        ck_assert_uint_eq(n_released, MESSAGES);
        close_it();
        ck_assert_int_eq(start(t.disk, &c), OK);
        ck_assert_uint_eq(c.n_messages, MESSAGES - settled_to);
        close_it();
        temporary_end(&t);
    }
    ck_assert_uint_gt(n_waited, 0);
}
END_TEST

START_TEST(a_stop_without_memory_comes_to_an_end)
{
    struct temporary t = temporary_begin();
    struct counted c;
    ck_assert_int_eq(start(t.disk, &c), OK);
    publish(1);
    memory_fail_from(0);
    bool done = keeper_stop(keeper, false);
    memory_heal();
    ck_assert(!done);
    close_it();
    temporary_end(&t);
}
END_TEST

SUITE("keeper_memory", starting_without_memory_says_so_and_loses_nothing,
      running_without_memory_waits_for_it_and_loses_nothing, a_stop_without_memory_comes_to_an_end)
