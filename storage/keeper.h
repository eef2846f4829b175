// SPDX-License-Identifier: Apache-2.0
/* storage/keeper.h — keeps a store in a data directory.
 *
 * It locks the directory, reads back what was kept, and from then on makes what the store is told
 * durable, with the journal on a thread of its own: while one parcel is written and synced, the
 * next fills. So a parcel is as large as the disk is slow, and nobody waits for a timer but those
 * whom nobody waits for (store.h).
 *
 * When the disk fails, or is full, the parcel at hand is tried again, now and then, until it
 * succeeds. Meanwhile nothing is confirmed; publishers wait as soon as the parcel that fills is
 * full; everything else goes on.
 *
 * What crosses between the two threads is one parcel, one portion of the rewriter's questions, and
 * numbers.
 *
 * Thread: keeper_work on the disk's; all else on the core's, and keeper_open, keeper_restore,
 * keeper_stop and keeper_close while there is no other.   Blocks: these, and keeper_work.
 */
#ifndef STORAGE_KEEPER_H
#define STORAGE_KEEPER_H

#include "base/env.h"
#include "base/tally.h"
#include "storage/disk.h"
#include "storage/message_parts.h"
#include "storage/recovery.h"
#include "storage/store.h"

struct keeper;

struct keeper_options {
    struct disk *disk;
    struct env *env;
    uint64_t file_bytes;    /* of the journal's files: see journal.h */
    uint64_t journal_bytes; /* about what the journal may take, while not more is live */
    bool unsynced;          /* what is written counts as durable: it survives us, not the power */
    uint64_t interval_ns;   /* the least time between two writes: they are larger then */
    message_parts_fn parts;
    void (*wake_core)(void *arg); /* from the disk's thread: keeper_step has something to do */
    void (*wake_disk)(void *arg); /* from the core's: keeper_work has */
    void *arg;
};

/* ERR_TAKEN: another process has the directory, and `*holder` is its number or 0. ERR_FUTURE,
 * ERR_NOMEM, ERR_IO, ERR_FULL, ERR_LIMIT: see journal_open. */
MUST_USE enum err keeper_open(struct keeper **out, const struct keeper_options *options,
                              uint64_t *holder);

/* The store that is kept. */
struct store *keeper_store(struct keeper *k);

const struct recovery_figures *keeper_figures(const struct keeper *k);

/* Once, before the first step: makes again what was kept, and notes that it was started. What
 * recovery_restore and journal_write answer. */
MUST_USE enum err keeper_restore(struct keeper *k, const struct recovery_target *to);

/* Between two turns: takes note of what the disk has done, and hands over what is due. True when
 * the core should have a turn at once: somebody may go on. */
MUST_USE bool keeper_step(struct keeper *k, uint64_t now_ns);

/* Has the disk done something that keeper_step has not seen? To be looked at once more before the
 * core waits: wake_core may have come before. */
bool keeper_has_news(const struct keeper *k);

/* When keeper_step has something to do by then; UINT64_MAX = not before it is woken. */
uint64_t keeper_due_ns(const struct keeper *k);

enum keeper_work {
    KEEPER_IDLE, /* nothing is to be done before the next wake_disk */
    KEEPER_WORKED,
    KEEPER_FAILED /* the disk did: to be tried again in a while */
};

/* One piece of the disk's work. */
enum keeper_work keeper_work(struct keeper *k);

/* Everything told is written; with `clean`, for which there is room (store_reserve), that it was
 * all, and that marks say what was delivered. False when the disk fails. */
MUST_USE bool keeper_stop(struct keeper *k, bool clean);

/* The store must have been ended. NULL is fine. */
void keeper_close(struct keeper *k);

/* What was written so far, from any thread. */
struct keeper_counts {
    uint64_t batches; /* each with its sync */
    uint64_t records;
    uint64_t bytes;
};
struct keeper_counts keeper_counts(const struct keeper *k);

/* How long parcels took to write and sync, in microseconds, and how many entries they had. */
const struct tally *keeper_write_us(const struct keeper *k);
const struct tally *keeper_parcel_entries(const struct keeper *k);

#endif
