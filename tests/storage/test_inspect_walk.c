// SPDX-License-Identifier: Apache-2.0
/* The look and a start must agree: of whatever lives and crashes have left on a disk, and of what
 * is left of that when bits flip, the look says of the same records that they count, and of as many
 * that they are lost. What it prints is tested by tests/broker/check_inspect.py. */
#include "storage/inspect.h"

#include <stdio.h>
#include <string.h>

#include "storage/disk_overlay.h"
#include "tests/storage/journal_rig.h"

enum { SEEDS = 400, LIVES = 3, STEPS_MAX = 14, FLIPS_MAX = 6, VARIANTS = 4, FILES_MAX = 40 };

struct account {
    uint64_t lsns[RIG_RECORDS_MAX];
    size_t n;
    uint64_t n_lost;
    unsigned n_files;
};

static void account_add(struct account *a, uint64_t lsn)
{
    ck_assert_uint_lt(a->n, RIG_RECORDS_MAX);
    a->lsns[a->n++] = lsn;
}

/* ---- A start ---- */

static enum err start_record(void *arg, uint64_t lsn, struct journal_place place,
                             const struct record *r)
{
    (void)place;
    (void)r;
    account_add(arg, lsn);
    return OK;
}

static void start_damaged(void *arg, uint64_t lsn, uint64_t n, uint64_t file)
{
    (void)lsn;
    (void)file;
    ((struct account *)arg)->n_lost += n;
}

static void start(struct rig *r, struct disk *disk, struct account *a)
{
    struct journal_visitor visitor = {start_record, start_damaged, a};
    struct journal_options options = r->options;
    struct journal *j;
    ck_assert_int_eq(disk_overlay_new(&options.disk, disk), OK);
    ck_assert_int_eq(journal_open(&j, &options, &visitor), OK);
    journal_close(j);
    disk_overlay_free(options.disk);
}

/* ---- The look ---- */

static void look_file(void *arg, const struct inspect_file *f)
{
    ((struct account *)arg)->n_files += f->role == ROLE_JOURNAL;
}

static void look_batch(void *arg, const struct inspect_batch *b)
{
    (void)arg;
    ck_assert_int_eq(b->file->role, ROLE_JOURNAL);
}

static void look_record(void *arg, const struct inspect_record *r)
{
    if (r->state == STATE_durable || r->state == STATE_doubt)
        account_add(arg, r->lsn);
}

static void look_damaged(void *arg, const struct inspect_damage *d)
{
    if (strcmp(d->what, "not understood") != 0) /* records of the rig are of no kind */
        ((struct account *)arg)->n_lost += d->n;
}

static void look(struct disk *disk, struct account *a)
{
    struct inspect_visitor visitor = {look_file, look_batch, look_record, look_damaged, a};
    struct inspect_figures figures;
    ck_assert_int_eq(inspect_run(disk, &visitor, &figures), OK);
    ck_assert_uint_eq(figures.n_durable + figures.n_doubt, a->n);
}

/* ---- The two ---- */

static uint64_t compare(struct rig *r, struct false_disk *fd, uint64_t seed)
{
    static struct account by_look;
    static struct account by_start;
    by_look = (struct account){.n = 0};
    by_start = (struct account){.n = 0};
    look(false_disk(fd), &by_look);
    start(r, false_disk(fd), &by_start);
    ck_assert_msg(by_look.n == by_start.n && by_look.n_lost == by_start.n_lost,
                  "seed %llu: the look has %zu records and %llu lost, the start %zu and %llu",
                  (unsigned long long)seed, by_look.n, (unsigned long long)by_look.n_lost,
                  by_start.n, (unsigned long long)by_start.n_lost);
    ck_assert_mem_eq(by_look.lsns, by_start.lsns, by_look.n * sizeof(by_look.lsns[0]));
    return by_look.n_lost;
}

struct names {
    char at[FILES_MAX][DISK_PATH_MAX];
    size_t n;
};

static void add_name(void *arg, const char *name)
{
    struct names *names = arg;
    if (names->n < FILES_MAX)
        snprintf(names->at[names->n++], DISK_PATH_MAX, JOURNAL_FOLDER "/%.40s", name);
}

/* Bits flip in a copy of the disk; half of them where heads of files and batches are. */
static uint64_t damage_and_compare(struct rig *r, uint64_t seed)
{
    struct false_disk *fd = false_disk_copy(r->fd);
    struct names names = {.n = 0};
    ck_assert_int_eq(disk_list(false_disk(fd), JOURNAL_FOLDER, add_name, &names), OK);
    for (uint64_t n = 1 + rng_below(&r->chance, FLIPS_MAX); n != 0 && names.n != 0; n--) {
        const char *path = names.at[rng_below(&r->chance, names.n)];
        uint64_t size = false_disk_file_size(fd, path);
        uint64_t at = rng_below(&r->chance, size == 0 ? 1 : size);
        if (rng_below(&r->chance, 2) != 0)
            at = at / BLOCK_BYTES * BLOCK_BYTES + rng_below(&r->chance, 2 * BATCH_HEAD_SIZE);
        if (at < size)
            false_disk_flip(fd, path, at, (uint8_t)(1U << rng_below(&r->chance, 8)));
    }
    uint64_t n_lost = compare(r, fd, seed);
    false_disk_free(fd);
    return n_lost;
}

static void live(struct rig *r)
{
    static const size_t BODIES[] = {0, 40, 600, 5000, 15000};
    size_t body = BODIES[rng_below(&r->chance, sizeof(BODIES) / sizeof(BODIES[0]))];
    uint64_t at = false_disk_count(r->fd);
    for (uint64_t n = rng_below(&r->chance, 3); n != 0; n--)
        false_disk_fail_at(r->fd, at + 1 + rng_below(&r->chance, 60), ERR_IO);
    if (rng_below(&r->chance, 3) != 0)
        false_disk_cut_at(r->fd, at + 1 + rng_below(&r->chance, 60));
    for (uint64_t n = rng_below(&r->chance, STEPS_MAX); n != 0; n--) {
        uint64_t oldest = journal_oldest(r->journal);
        uint64_t newest = journal_newest(r->journal);
        if (r->let_go > oldest)
            oldest = r->let_go;
        if (newest > oldest && rng_below(&r->chance, 4) == 0)
            rig_let_go(r, oldest + rng_below(&r->chance, newest - oldest + 1));
        if (r->n_attempts == RIG_ATTEMPTS_MAX || r->confirmed + 2 * RIG_BATCH_MAX > RIG_RECORDS_MAX)
            return;
        (void)rig_write(r, rng_below(&r->chance, 7), body);
    }
}

START_TEST(the_look_and_a_start_agree)
{
    uint64_t n_lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *r = rig_new(seed);
        ck_assert_int_eq(rig_open(r), OK);
        for (int n = 0; n < LIVES; n++) {
            live(r);
            if (!false_disk_is_cut(r->fd) && rng_below(&r->chance, 2) == 0)
                rig_end(r);
            else
                rig_power(r);
            struct false_disk *whole = false_disk_copy(r->fd); /* without faults to come */
            ck_assert_uint_eq(compare(r, whole, seed), 0);
            false_disk_free(whole);
            for (int variant = 0; variant < VARIANTS; variant++)
                n_lost += damage_and_compare(r, seed);
            rig_recover(r, (unsigned)rng_below(&r->chance, 2));
        }
        rig_free(r);
    }
    ck_assert_uint_gt(n_lost, SEEDS);
}
END_TEST

SUITE("inspect_walk", the_look_and_a_start_agree)
