// SPDX-License-Identifier: Apache-2.0
/* storage/recovery.h — from the journal back to what was: FORMAT.md, section 6.
 *
 * The records of the journal are seen twice. The first time, while it opens, only numbers are kept:
 * what is declared, which seqs have entered which queue, which of them are settled, which groups
 * count. From these follows what is live. The second time the live messages are made.
 *
 * Nothing depends on the order of records but what a clean stop is.
 *
 * Thread: that of the journal, before it is written to.   Blocks: recovery_begin and
 * recovery_restore.
 */
#ifndef STORAGE_RECOVERY_H
#define STORAGE_RECOVERY_H

#include "storage/journal.h"
#include "storage/parcel.h"
#include "storage/writer.h"

struct recovery;

/* A message in its queue. */
struct recovered_message {
    uint64_t seq;
    void *message; /* a reference */
};

/* What has been told, to be made again. Any error ends the recovery. */
struct recovery_target {
    /* First: numbers of objects up to this one were used. */
    void (*last_object)(void *arg, uint64_t object);
    /* In the order of object numbers. */
    enum err (*declared)(void *arg, uint64_t object, struct span what);
    /* The bytes of a message, which are borrowed: makes it, with `n` references. */
    enum err (*message)(void *arg, struct span bytes, uint32_t n, void **message);
    /* References of one that is not used after all. */
    void (*drop)(void *arg, void *message);
    /* A queue's messages by seq; their references are taken. Those up to `flagged` may have been
     * delivered before. The queue's next seq is `next_seq`. */
    enum err (*queue)(void *arg, uint64_t queue, const struct recovered_message *messages, size_t n,
                      uint64_t flagged, uint64_t next_seq);
    void *arg;
};

struct recovery_figures {
    uint64_t n_records;
    uint64_t n_lost; /* records that were damaged, as far as is known */
    uint64_t n_groups_dropped;
    uint64_t n_messages_lost; /* that should be there and are not */
    bool clean;               /* it was stopped in good order */
    uint64_t last_object;     /* the largest number seen */
    uint64_t last_group;
};

/* Opens the journal, and finds out what is live. What journal_open answers. */
MUST_USE enum err recovery_begin(struct recovery **out, struct journal **journal,
                                 const struct journal_options *options);

/* Makes all again. ERR_NOMEM, and what the target answers. */
MUST_USE enum err recovery_restore(struct recovery *r, struct journal *j,
                                   const struct recovery_target *to);

/* Writes what later starts must know of this one: that it was started, so that an end without a
 * stop is told from a clean one; and which groups it has dropped, so that what is left of them
 * never counts, even when the file in which they began has been let go of. What journal_write
 * answers. */
MUST_USE enum err recovery_note(struct recovery *r, struct writer *w);

const struct recovery_figures *recovery_figures(const struct recovery *r);

/* NULL is fine. */
void recovery_free(struct recovery *r);

#endif
