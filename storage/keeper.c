// SPDX-License-Identifier: Apache-2.0
#include "storage/keeper.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/probe.h"
#include "storage/identity.h"
#include "storage/rewriter.h"

/* Once nothing has come for so long, an empty batch closes the journal's end: see journal.h. */
#define KEEPER_IDLE_NS UINT64_C(1000000000)

enum { KEEPER_STOP_TRIES = 5 };

enum keeper_asked { ASKED_NOTHING, ASKED, ANSWERED };

struct keeper {
    struct keeper_options options;
    struct disk_file *lock;
    struct store *store;
    struct recovery *recovery; /* until it is restored */
    struct recovery_figures figures;
    /* The core's. */
    struct parcel *under_way; /* handed over and not known to be written */
    struct parcel closing;    /* an empty one, handed over when nothing has come */
    bool is_closed;           /* nothing was handed over since */
    uint64_t last_ns;         /* when something was handed over last */
    bool failed;              /* the log says so */
    /* Between them. */
    _Atomic(struct parcel *) handed; /* NULL once it is written */
    _Atomic(int) asked;              /* enum keeper_asked */
    _Atomic(bool) failing;
    _Atomic(uint64_t) counts[3];
    struct tally write_us;
    struct tally parcel_entries;
    /* The disk's. */
    struct journal *journal;
    struct writer writer;
    struct rewriter rewriter;
    bool full; /* the parcel at hand found no room */
};

/* ---- Life ---- */

enum err keeper_open(struct keeper **out, const struct keeper_options *options, uint64_t *holder)
{
    *out = NULL;
    *holder = 0;
    struct keeper *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return ERR_NOMEM;
    k->options = *options;
    parcel_init(&k->closing);
    struct journal_options journal = {.disk = options->disk,
                                      .env = options->env,
                                      .file_bytes = options->file_bytes,
                                      .unsynced = options->unsynced,
                                      .time_ns = env_wall_ns(options->env)};
    enum err e = disk_lock(options->disk, "lock", &k->lock, holder);
    if (e == OK)
        e = identity_open(options->disk, options->env, journal.store_id);
    if (e == OK)
        e = store_new(&k->store);
    if (e == OK)
        e = recovery_begin(&k->recovery, &k->journal, &journal);
    if (e != OK) {
        keeper_close(k);
        return e;
    }
    k->figures = *recovery_figures(k->recovery);
    store_set_last_group(k->store, k->figures.last_group);
    writer_init(&k->writer, k->journal, options->env, options->parts);
    rewriter_init(&k->rewriter, k->journal, &k->writer, options->journal_bytes);
    *out = k;
    return OK;
}

struct store *keeper_store(struct keeper *k)
{
    return k->store;
}

const struct recovery_figures *keeper_figures(const struct keeper *k)
{
    return &k->figures;
}

enum err keeper_restore(struct keeper *k, const struct recovery_target *to)
{
    enum err e = recovery_restore(k->recovery, k->journal, to);
    if (e == OK)
        e = recovery_note(k->recovery, &k->writer);
    k->figures = *recovery_figures(k->recovery);
    recovery_free(k->recovery);
    k->recovery = NULL;
    return e;
}

void keeper_close(struct keeper *k)
{
    if (k == NULL)
        return;
    recovery_free(k->recovery);
    rewriter_fini(&k->rewriter);
    writer_fini(&k->writer);
    journal_close(k->journal);
    store_free(k->store);
    parcel_fini(&k->closing);
    disk_close(k->lock);
    free(k);
}

/* ---- The core's side ---- */

static void keeper_hand_over(struct keeper *k, struct parcel *p, uint64_t now_ns)
{
    k->under_way = p;
    k->is_closed = p == &k->closing;
    k->last_ns = now_ns;
    atomic_store_explicit(&k->handed, p, memory_order_release);
    k->options.wake_disk(k->options.arg);
}

/* Is what was handed over written? */
static void keeper_collect(struct keeper *k)
{
    if (k->under_way == NULL ||
        atomic_load_explicit(&k->handed, memory_order_acquire) == k->under_way)
        return; /* there is nothing, or it is not written yet */
    if (k->under_way != &k->closing)
        store_complete(k->store, k->under_way->number);
    k->under_way = NULL;
}

bool keeper_has_news(const struct keeper *k)
{
    bool written = k->under_way != NULL &&
                   atomic_load_explicit(&k->handed, memory_order_acquire) != k->under_way;
    return written || atomic_load_explicit(&k->asked, memory_order_acquire) == ASKED;
}

static void keeper_answer(struct keeper *k)
{
    if (atomic_load_explicit(&k->asked, memory_order_acquire) != ASKED)
        return;
    rewriter_answer(&k->rewriter, k->store);
    atomic_store_explicit(&k->asked, ANSWERED, memory_order_release);
    k->options.wake_disk(k->options.arg);
}

static void keeper_tell_failure(struct keeper *k)
{
    bool failing = atomic_load_explicit(&k->failing, memory_order_relaxed);
    if (failing != k->failed)
        log_event(failing ? LOG_STORE_FAILING : LOG_STORE_OK, "durable=%llu",
                  (unsigned long long)store_durable(k->store));
    k->failed = failing;
}

bool keeper_step(struct keeper *k, uint64_t now_ns)
{
    bool was_full = store_is_full(k->store);
    keeper_collect(k);
    keeper_answer(k);
    keeper_tell_failure(k);
    if (k->under_way != NULL || keeper_due_ns(k) > now_ns)
        return false;
    bool is_idle = store_due_ns(k->store) == UINT64_MAX;
    struct parcel *p = is_idle ? &k->closing : store_seal(k->store);
    if (p != NULL)
        keeper_hand_over(k, p, now_ns);
    return was_full && !store_is_full(k->store);
}

uint64_t keeper_due_ns(const struct keeper *k)
{
    if (k->under_way != NULL)
        return UINT64_MAX; /* woken when it is written */
    uint64_t due = store_due_ns(k->store);
    if (due == UINT64_MAX)
        return k->is_closed ? due : k->last_ns + KEEPER_IDLE_NS;
    uint64_t rested = k->last_ns + k->options.interval_ns;
    return due > rested || k->options.interval_ns == 0 ? due : rested;
}

/* ---- The disk's side ---- */

static void keeper_count(struct keeper *k)
{
    const uint64_t now[] = {k->writer.n_batches, k->writer.n_records, k->writer.n_bytes};
    for (size_t i = 0; i < sizeof(now) / sizeof(now[0]); i++)
        atomic_store_explicit(&k->counts[i], now[i], memory_order_relaxed);
}

struct keeper_counts keeper_counts(const struct keeper *k)
{
    return (struct keeper_counts){atomic_load_explicit(&k->counts[0], memory_order_relaxed),
                                  atomic_load_explicit(&k->counts[1], memory_order_relaxed),
                                  atomic_load_explicit(&k->counts[2], memory_order_relaxed)};
}

const struct tally *keeper_write_us(const struct keeper *k)
{
    return &k->write_us;
}

const struct tally *keeper_parcel_entries(const struct keeper *k)
{
    return &k->parcel_entries;
}

static enum keeper_work keeper_outcome(struct keeper *k, enum err e)
{
    if (e != OK)
        atomic_store_explicit(&k->failing, true, memory_order_relaxed);
    keeper_count(k);
    return e == OK ? KEEPER_WORKED : KEEPER_FAILED;
}

static enum keeper_work keeper_rewrite(struct keeper *k)
{
    enum err e = rewriter_step(&k->rewriter);
    int asked = k->rewriter.state == REWRITER_ASKING     ? ASKED
                : k->rewriter.state == REWRITER_ANSWERED ? ANSWERED
                                                         : ASKED_NOTHING;
    atomic_store_explicit(&k->asked, asked, memory_order_release);
    if (asked == ASKED)
        k->options.wake_core(k->options.arg);
    return keeper_outcome(k, e);
}

enum keeper_work keeper_work(struct keeper *k)
{
    /* In this order: what was answered before the parcel was handed over is written before it. */
    struct parcel *p = atomic_load_explicit(&k->handed, memory_order_acquire);
    int asked = atomic_load_explicit(&k->asked, memory_order_acquire);
    if (asked == ANSWERED && writer_is_between(&k->writer))
        return keeper_rewrite(k);
    /* A file can go, and no batch may come to say it. */
    if (k->full && k->writer.oldest > journal_oldest(k->journal) && writer_is_between(&k->writer) &&
        writer_let_go(&k->writer) == OK)
        return KEEPER_WORKED;
    if (k->full && asked == ASKED_NOTHING) {
        rewriter_urge(&k->rewriter);
        if (k->rewriter.state != REWRITER_IDLE && rewriter_has_work(&k->rewriter))
            return keeper_rewrite(k);
    }
    if (p != NULL) {
        uint64_t began_ns = env_now_ns(k->options.env);
        enum err e = writer_write(&k->writer, p);
        if (k->full && e != ERR_FULL)
            rewriter_relieve(&k->rewriter);
        k->full = e == ERR_FULL;
        if (e == OK) {
            uint64_t took_ns = env_now_ns(k->options.env) - began_ns;
            tally_add(&k->write_us, took_ns / 1000);
            tally_add(&k->parcel_entries, p->n);
            PROBE2(durable, p->number, took_ns);
            atomic_store_explicit(&k->failing, false, memory_order_relaxed);
            atomic_store_explicit(&k->handed, NULL, memory_order_release);
            k->options.wake_core(k->options.arg);
        }
        return keeper_outcome(k, e);
    }
    if (asked == ASKED_NOTHING && rewriter_has_work(&k->rewriter))
        return keeper_rewrite(k);
    enum err e = journal_prepare(k->journal);
    (void)e; /* the batch that needs it will tell */
    return KEEPER_IDLE;
}

bool keeper_stop(struct keeper *k, bool clean)
{
    k->options.interval_ns = 0; /* there is no later */
    if (clean)
        store_stopped(k->store);
    uint64_t last = store_barrier(k->store);
    unsigned n_failed = 0;
    keeper_collect(k);
    while (store_durable(k->store) < last && n_failed < KEEPER_STOP_TRIES) {
        bool more = keeper_step(k, k->last_ns);
        (void)more;
        enum keeper_work work = keeper_work(k);
        n_failed += work == KEEPER_FAILED || (work == KEEPER_IDLE && k->under_way == NULL);
        keeper_collect(k);
    }
    if (store_durable(k->store) < last)
        return false;
    /* What was written last is known to be durable. Nothing may be written behind it: not even
     * what the rewriter has at hand. */
    (void)!writer_write(&k->writer, &k->closing);
    return true;
}
