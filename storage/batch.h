// SPDX-License-Identifier: Apache-2.0
/* storage/batch.h — records on their way to the journal and back: FORMAT.md, section 3.1.
 *
 * A batch fills with records and is then sealed, which gives it its head and the checksums of all.
 * It may have none: what its head says can be reason enough. It can be sealed anew with another
 * head, as when the file it went to has failed.
 *
 * Reading is done with bytes that may be anything: damage costs the records it hit.
 *
 * Thread: that of the owner.   Blocks: never.   Allocates: batch_add.
 */
#ifndef STORAGE_BATCH_H
#define STORAGE_BATCH_H

#include "base/buf.h"
#include "storage/record.h"

enum {
    BLOCK_BYTES = 4096,
    BATCH_HEAD_SIZE = 64,
    BATCH_BYTES_MAX = 8 * 1024 * 1024, /* the whole of it, padding included */
};

struct batch_head {
    uint64_t nonce; /* of the file it is in */
    uint32_t shard;
    uint32_t epoch;
    uint64_t first_lsn;
    uint32_t count;
    uint32_t size;        /* in bytes, without the padding */
    uint64_t durable_lsn; /* all up to it was durable when it was sealed */
    uint64_t time_ns;     /* of sealing, since 1970 */
    uint64_t oldest;      /* number of the oldest journal file that is needed */
};

struct batch {
    struct buf bytes;   /* room for the head, then the records; once sealed, the rest as well */
    size_t records_end; /* in them */
    uint32_t count;
    bool sealed;
};

void batch_init(struct batch *b);
void batch_fini(struct batch *b);

/* Forgets its records. */
void batch_reset(struct batch *b);

/* What `size` bytes of a batch take in a file. */
size_t batch_padded(size_t size);

/* What it takes in a file, were it sealed now: a multiple of BLOCK_BYTES. */
size_t batch_bytes(const struct batch *b);

/* The same with `r` in it. */
size_t batch_bytes_with(const struct batch *b, const struct record *r);

/* Adds a record to one that is not sealed and is left no larger than BATCH_BYTES_MAX. If
 * `r->body.at` is NULL, the body is what the caller then writes at `*body`; that is good until the
 * next call. ERR_NOMEM. */
MUST_USE enum err batch_add(struct batch *b, const struct record *r, uint8_t **body);

/* Its bytes with this head, whose count and size it sets; padded with zeros to a multiple of
 * BLOCK_BYTES. Valid until the next call. ERR_NOMEM. */
MUST_USE enum err batch_seal(struct batch *b, struct batch_head *h, struct span *bytes);

/* Reads a head from the front of `in`. False when none of this file and shard is there. */
MUST_USE bool batch_head_read(struct span in, uint64_t nonce, uint32_t shard, struct batch_head *h);

struct batch_reader {
    struct span records; /* from the head on, up to the index */
    struct span index;   /* what is left of it; empty also when it is damaged */
    uint32_t count;
    uint32_t i; /* the next record's number, from 0 */
    size_t at;  /* and where it lies, as far as the lengths tell */
    size_t n_lost;
};

enum batch_next { BATCH_RECORD, BATCH_DAMAGED, BATCH_END };

/* Begins with the first record. `bytes` are those from the head on; fewer than it says is damage.
 */
void batch_read(struct batch_reader *r, const struct batch_head *h, struct span bytes);

/* The next record, which borrows from the bytes, and where it lies in the batch; or that
 * `r->n_lost` records are damaged, from this one on. */
MUST_USE enum batch_next batch_next(struct batch_reader *r, struct record *out, size_t *offset);

#endif
