// SPDX-License-Identifier: Apache-2.0
/* A journal's whole lives, from seeds: batches large and small, files let go of, operations that
 * fail, a full disk, ends of the process and of the power, more of them while starting. Whatever
 * comes, the model of journal_rig.h must be right.
 *
 * The environment may say which seeds: CRASH_SEEDS=1-100000, with CK_FORK=no to have the time. */
#include <stdio.h>

#include "tests/storage/journal_rig.h"

enum { LIVES = 6, STEPS_MAX = 20, SEEDS = 300 };

static uint64_t n_states;

static void let_go_of_some(struct rig *r)
{
    uint64_t oldest = journal_oldest(r->journal);
    uint64_t newest = journal_newest(r->journal);
    if (r->let_go > oldest)
        oldest = r->let_go;
    if (newest > oldest)
        rig_let_go(r, oldest + rng_below(&r->chance, newest - oldest + 1));
}

static void live(struct rig *r)
{
    static const size_t BODIES[] = {0, 40, 600, 5000, 15000};
    size_t body = BODIES[rng_below(&r->chance, sizeof(BODIES) / sizeof(BODIES[0]))];
    for (uint64_t n = rng_below(&r->chance, STEPS_MAX); n != 0; n--) {
        if (rng_below(&r->chance, 4) == 0)
            let_go_of_some(r);
        if (r->n_attempts == RIG_ATTEMPTS_MAX || r->confirmed + 2 * RIG_BATCH_MAX > RIG_RECORDS_MAX)
            return;
        (void)rig_write(r, rng_below(&r->chance, 7), body);
        if (rng_below(&r->chance, 16) == 0)
            rig_read_back(r);
        if (rng_below(&r->chance, 8) == 0 && journal_prepare(r->journal) != OK)
            continue;
    }
}

static void harm(struct rig *r)
{
    uint64_t at = false_disk_count(r->fd);
    for (uint64_t n = rng_below(&r->chance, 4); n != 0; n--)
        false_disk_fail_at(r->fd, at + 1 + rng_below(&r->chance, 60),
                           rng_below(&r->chance, 3) != 0 ? ERR_IO : ERR_FULL);
    if (rng_below(&r->chance, 3) != 0)
        false_disk_cut_at(r->fd, at + 1 + rng_below(&r->chance, 80));
    if (rng_below(&r->chance, 4) == 0)
        false_disk_set_capacity(r->fd, (2 + rng_below(&r->chance, 4)) * RIG_FILE_BYTES);
}

/* By the process or by the power, and starts again until that succeeds. */
static void end_and_start(struct rig *r)
{
    false_disk_set_capacity(r->fd, 0);
    if (!false_disk_is_cut(r->fd) && rng_below(&r->chance, 3) == 0) {
        n_states++;
        rig_end(r);
        if (rig_open(r) == OK)
            return;
    }
    unsigned n_cuts = (unsigned)rng_below(&r->chance, 3);
    n_states += 1 + n_cuts;
    rig_recover(r, n_cuts);
}

static void play(uint64_t seed)
{
    struct rig *r = rig_new(seed);
    /* No failing call yet: the folder is made once, and if its sync fails nothing mends that. */
    if (rng_below(&r->chance, 2) != 0)
        false_disk_cut_at(r->fd, 1 + rng_below(&r->chance, 30));
    if (rig_open(r) != OK)
        end_and_start(r);
    for (int n = 0; n < LIVES; n++) {
        r->options.file_bytes = RIG_FILE_BYTES / (1 + rng_below(&r->chance, 2));
        harm(r);
        live(r);
        end_and_start(r);
    }
    rig_free(r);
}

START_TEST(no_crash_state_breaks_a_promise)
{
    unsigned long long first = 1;
    unsigned long long last = SEEDS;
    const char *seeds = getenv("CRASH_SEEDS");
    if (seeds != NULL)
        ck_assert_int_eq(sscanf(seeds, "%llu-%llu", &first, &last), 2);
    for (unsigned long long seed = first; seed <= last; seed++) {
        if (seeds != NULL)
            fprintf(stderr, "seed %llu\r", seed);
        play(seed);
    }
    if (seeds != NULL)
        printf("%llu crash states\n", (unsigned long long)n_states);
    ck_assert_uint_gt(n_states, (last - first + 1) * LIVES / 2);
}
END_TEST

SUITE("journal_states", no_crash_state_breaks_a_promise)
