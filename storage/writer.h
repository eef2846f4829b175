// SPDX-License-Identifier: Apache-2.0
/* storage/writer.h — turns parcels into batches of the journal.
 *
 * A parcel is written as one or several batches, in its order. If that fails in the middle, what
 * was written stays, and the next try goes on behind it: nothing is written twice, and nothing of
 * the parcel is forgotten.
 *
 * The writer knows which groups are open, for the file in which one began must stay until its
 * commit is durable.
 *
 * Thread: that of the journal.   Blocks: writer_write and writer_close.
 */
#ifndef STORAGE_WRITER_H
#define STORAGE_WRITER_H

#include "storage/entry.h"
#include "storage/journal.h"
#include "storage/message_parts.h"

struct writer_group {
    uint64_t group;
    uint64_t first_lsn;
    uint64_t file;    /* where its first record is; 0 = not written yet */
    uint32_t n;       /* records */
    uint32_t n_batch; /* of these, in the batch at hand */
    bool over;        /* its commit is in the batch at hand */
};

struct writer {
    struct journal *journal;
    struct env *env;
    message_parts_fn parts;
    uint64_t oldest; /* the oldest journal file that is needed, by what is known here */
    size_t at;       /* the next entry of the parcel at hand … */
    uint32_t chunk;  /* … and the next of its chunks */
    size_t began_at; /* both as they were when the batch at hand was empty */
    uint32_t began_chunk;
    struct batch batch;
    bool filled; /* the batch is to be written */
    struct writer_group *groups;
    size_t n_groups;
    size_t groups_capacity;
    uint64_t last_parcel; /* the number of the last that is written */
    uint64_t n_batches;   /* written so far, and what was in them */
    uint64_t n_records;
    uint64_t n_bytes;
};

void writer_init(struct writer *w, struct journal *j, struct env *env, message_parts_fn parts);
void writer_fini(struct writer *w);

/* Makes the parcel durable; on an error it is to be called again with the same one. What
 * journal_write answers. ERR_FULL comes while there is still a file for the rewriter, and leaves no
 * batch at hand. */
MUST_USE enum err writer_write(struct writer *w, const struct parcel *p);

/* Writes a batch of the caller's, between two parcels. What journal_write answers. */
MUST_USE enum err writer_write_batch(struct writer *w, struct batch *b);

/* Writes a batch of nothing, which says what is the oldest file that is needed. It has room that no
 * other batch may use. What journal_write answers. */
MUST_USE enum err writer_let_go(struct writer *w);

/* The oldest file in which an open group began; UINT64_MAX if there is none. */
uint64_t writer_oldest_group(const struct writer *w);

/* The LSN with which the oldest open group began; UINT64_MAX if there is none. */
uint64_t writer_first_open(const struct writer *w);

/* Is no batch at hand? Only then may others write: the LSNs of what is in it are told. */
bool writer_is_between(const struct writer *w);

/* How much of a message goes into one record. */
size_t writer_chunk_bytes(const struct writer *w);

#endif
