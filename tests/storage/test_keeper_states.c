// SPDX-License-Identifier: Apache-2.0
/* A store's whole lives, from seeds: publishes to one queue and to several, settlements in and out
 * of order, groups that stay open over parcels and files, things that are declared and go, a
 * journal that grows beyond its bound; the two sides of the keeper in any order; stops, ends of the
 * process and of the power, more of them while starting; operations that fail, a full disk, bits
 * that flip. Whatever comes, the model of keeper_rig.h must be right.
 *
 * The environment may say which seeds: CRASH_SEEDS=1-100000, with CK_FORK=no to have the time. */
#include <stdio.h>

#include "tests/storage/keeper_rig.h"

enum { LIVES = 6, STEPS_MAX = 160, SEEDS = 200, GROUPS = 2, SMALL_MAX = 60 };

static uint64_t n_states;
static uint64_t groups[GROUPS]; /* open ones, 0 = none */
static uint64_t size_most;      /* of this life's messages */
static uint64_t large_one_in;   /* of the messages are about so large */
static uint64_t commit_one_in;  /* of the chances to */

static uint64_t below(struct life *l, uint64_t n)
{
    return rng_below(&l->chance, n);
}

/* ---- Choosing ---- */

/* Up to `n` different ones. */
static size_t some_queues(struct life *l, struct life_object **out, size_t n)
{
    size_t found = 0;
    if (l->n_objects == 0)
        return 0;
    size_t first = below(l, l->n_objects);
    for (size_t i = 0; i < l->n_objects && found < n; i++) {
        struct life_object *o = &l->objects[(first + i) % l->n_objects];
        if (o->queue && !o->gone)
            out[found++] = o;
    }
    return found;
}

/* A message that is there, seldom the first one. */
static struct life_entry *some_entry(struct life *l)
{
    if (l->n_entries == 0)
        return NULL;
    size_t first = below(l, 4) == 0 ? 0 : below(l, l->n_entries);
    for (size_t i = 0; i < l->n_entries; i++) {
        struct life_entry *e = &l->entries[(first + i) % l->n_entries];
        if (!e->gone && !life_object(l, e->target.queue)->gone)
            return e;
    }
    return NULL;
}

static uint64_t some_group(struct life *l)
{
    if (below(l, 3) != 0)
        return 0;
    uint64_t *group = &groups[below(l, GROUPS)];
    if (*group == 0)
        *group = store_begin(keeper_store(l->keeper));
    return *group;
}

static size_t some_size(struct life *l)
{
    if (below(l, large_one_in) == 0)
        return below(l, size_most + 1);
    switch (below(l, 8)) {
    case 0: return 0;
    case 2: return below(l, size_most / 8 + 1);
    default: return below(l, 200);
    }
}

/* ---- What the core might do ---- */

static void declare_or_undeclare(struct life *l)
{
    struct life_object *q;
    bool is_queue = below(l, 2) == 0;
    if (below(l, 3) != 0) {
        (void)life_declare(l, is_queue, below(l, below(l, 4) == 0 ? LIFE_WHAT_MAX : 40));
    } else if (is_queue) {
        if (some_queues(l, &q, 1) != 0 && below(l, 2) == 0)
            life_undeclare(l, q);
    } else if (l->n_objects != 0) {
        q = &l->objects[below(l, l->n_objects)];
        if (!q->queue && !q->gone)
            life_undeclare(l, q);
    }
}

static void publish(struct life *l)
{
    struct life_object *queues[LIFE_TARGETS_MAX];
    size_t n = some_queues(l, queues, below(l, 2) == 0 ? 1 : 1 + below(l, LIFE_TARGETS_MAX));
    if (n == 0)
        return;
    if (below(l, 8) == 0)
        queues[0]->next_seq += below(l, 3); /* one that is not durable went there */
    if (!life_publish(l, queues, n, some_size(l), some_group(l)))
        return;
    struct life_entry *last = &l->entries[l->n_entries - 1];
    for (size_t i = 0; i < n && below(l, 3) == 0; i++)
        life_settle(l, last - i, below(l, 8) == 0 ? some_group(l) : 0);
}

static void settle(struct life *l)
{
    struct life_entry *e = some_entry(l);
    if (e == NULL)
        return;
    struct life_object *q = life_object(l, e->target.queue);
    life_deliver(l, q, e->target.seq);
    if (below(l, 12) == 0) {
        life_settle_range(l, q, e->target.seq > 3 ? e->target.seq - 3 : 1, e->target.seq);
        return;
    }
    life_settle(l, e, some_group(l));
    /* And some that follow. */
    for (struct life_entry *end = l->entries + l->n_entries; below(l, 4) != 0 && ++e < end;)
        if (!e->gone && e->target.queue == q->number)
            life_settle(l, e, 0);
}

static void commit(struct life *l)
{
    uint64_t *group = &groups[below(l, GROUPS)];
    if (below(l, commit_one_in) != 0)
        return;
    if (*group != 0)
        life_commit(l, *group);
    *group = 0;
}

static void deliver(struct life *l)
{
    struct life_entry *e = some_entry(l);
    if (e != NULL)
        life_deliver(l, life_object(l, e->target.queue), e->target.seq);
}

static void turn(struct life *l)
{
    for (uint64_t n = 1 + below(l, 6); n != 0; n--)
        switch (below(l, 12)) {
        case 0: declare_or_undeclare(l); break;
        case 1:
        case 2: deliver(l); break;
        case 3: commit(l); break;
        case 4:
        case 5:
        case 6:
        case 7: settle(l); break;
        default: publish(l); break;
        }
    if (below(l, 2) == 0)
        (void)store_barrier(keeper_store(l->keeper));
}

static void live(struct life *l)
{
    static const size_t SIZES[] = {100, 3000, 20000, 100000, 300000};
    for (size_t i = 0; i < GROUPS; i++)
        groups[i] = 0;
    size_most = SIZES[below(l, sizeof(SIZES) / sizeof(SIZES[0]))];
    large_one_in = below(l, 3) == 0 ? 2 : 8;
    commit_one_in = below(l, 3) == 0 ? 20 : 1;
    bool slow = below(l, 3) == 0;
    uint64_t steps = below(l, STEPS_MAX) * (below(l, 5) == 0 ? 4 : 1);
    for (uint64_t n = steps; n != 0; n--) {
        l->now_ns += below(l, 30) == 0 ? UINT64_C(2000000000) : below(l, 4000000);
        if (l->n_entries + SMALL_MAX > LIFE_ENTRIES_MAX ||
            l->n_messages + SMALL_MAX > LIFE_MESSAGES_MAX)
            return;
        switch (below(l, 4)) {
        case 0: turn(l); break;
        case 1: life_step(l); break;
        default:
            if (!slow || below(l, 4) == 0)
                (void)life_work(l);
            break;
        }
    }
    if (below(l, 4) == 0 && life_flush(l))
        life_settle_down(l);
}

/* ---- What the world might do ---- */

static void harm(struct life *l)
{
    uint64_t at = false_disk_count(l->fd);
    for (uint64_t n = below(l, 4); n != 0; n--)
        false_disk_fail_at(l->fd, at + 1 + below(l, 120), below(l, 3) != 0 ? ERR_IO : ERR_FULL);
    if (below(l, 3) != 0)
        false_disk_cut_at(l->fd, at + 1 + below(l, 200));
    if (below(l, 6) == 0)
        false_disk_set_capacity(l->fd, (3 + below(l, 8)) * LIFE_FILE_BYTES);
}

/* In files that are not written to any more. */
static void flip(struct life *l)
{
    uint64_t newest = l->first_file;
    for (uint64_t n = 1 + below(l, 3); n != 0 && newest > 1; n--) {
        char path[DISK_PATH_MAX];
        uint64_t file = life_file_from(l, 1 + below(l, newest - 1));
        if (file >= newest)
            return;
        snprintf(path, sizeof(path), JOURNAL_FOLDER "/%llu", (unsigned long long)file);
        uint64_t size = false_disk_file_size(l->fd, path);
        if (size == 0)
            continue;
        uint64_t offset = below(l, below(l, 2) == 0 ? size : size < 9000 ? size : 9000);
        false_disk_flip(l->fd, path, offset, (uint8_t)(1 + below(l, 255)));
        l->harmed = true;
    }
}

/* By a stop, by the process or by the power, and starts again until that succeeds. */
static void end_and_start(struct life *l, bool flips)
{
    bool was_cut = false_disk_is_cut(l->fd);
    false_disk_set_capacity(l->fd, 0);
    if (l->keeper != NULL && !was_cut && below(l, 4) == 0)
        (void)life_stop(l, below(l, 4) != 0);
    if (flips)
        flip(l);
    if (!false_disk_is_cut(l->fd) && below(l, 2) == 0) {
        n_states++;
        life_end(l);
        if (life_start(l) == OK)
            return;
    }
    unsigned n_cuts = (unsigned)below(l, 3);
    n_states += 1 + n_cuts;
    life_recover(l, n_cuts);
}

static void play(uint64_t seed)
{
    static const uint64_t FILES[] = {1, 1, 1, 2, 8};
    struct life *l = life_new(seed);
    bool flips = below(l, 3) == 0;
    l->rewrites = below(l, 4) != 0;
    bool resizes = below(l, 2) == 0;
    /* No failing call yet: the folder is made once, and if its sync fails nothing mends that. */
    if (below(l, 2) != 0)
        false_disk_cut_at(l->fd, 1 + below(l, 40));
    if (life_start(l) != OK)
        end_and_start(l, false);
    for (int n = 0; n < LIVES; n++) {
        harm(l);
        live(l);
        if (resizes)
            l->options.file_bytes = FILES[below(l, sizeof(FILES) / sizeof(FILES[0]))] *
                                    LIFE_FILE_BYTES;
        l->options.journal_bytes = l->rewrites ? (1 + below(l, 4)) * l->options.file_bytes
                                               : UINT64_MAX / 2;
        end_and_start(l, flips && below(l, 2) == 0);
    }
    life_free(l);
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
            printf("seed %llu\r", seed);
        play(seed);
    }
    printf("%llu crash states\n", (unsigned long long)n_states);
    ck_assert_uint_gt(n_states, (last - first + 1) * LIVES / 2);
}
END_TEST

SUITE("keeper_states", no_crash_state_breaks_a_promise)
