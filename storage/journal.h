// SPDX-License-Identifier: Apache-2.0
/* storage/journal.h — the log of everything durable: FORMAT.md, sections 3, 5, 6 and 7.
 *
 * A journal takes batches and makes them durable, one after the other. What it holds is read back
 * when it is opened, and later file by file.
 *
 * Opening first settles what an unclean end has left in doubt: what counts but is not known to be
 * durable is written once more, into a new file, and synced. Then every record is shown in the
 * order of its LSN. Damage is passed over, counted, and shown.
 *
 * When a write or a sync fails, the file is never written to again, and the batch goes into a new
 * file of a newer epoch; if that works, nobody need know. If it does not, the batch is void, and
 * the next one tries anew. This rule is kept here and nowhere else.
 *
 * The files are in the folder JOURNAL_FOLDER of the disk, preallocated; those that are no longer
 * needed are used again. The lock of the store is the caller's.
 *
 * Thread: that of the journal's writer.   Blocks: every call but the questions.
 */
#ifndef STORAGE_JOURNAL_H
#define STORAGE_JOURNAL_H

#include "base/env.h"
#include "storage/batch.h"
#include "storage/disk.h"
#include "storage/file_head.h"

#define JOURNAL_FOLDER "journal"

struct journal;

/* Where the bytes of a record are. */
struct journal_place {
    uint64_t file;   /* its number */
    uint64_t offset; /* of the record */
};

/* What the journal holds, as it is read. */
struct journal_visitor {
    /* The record borrows its bytes until the return. ERR_NOMEM or ERR_LIMIT end the opening. */
    enum err (*record)(void *arg, uint64_t lsn, struct journal_place place, const struct record *r);
    /* `n` records from `lsn` on are lost. They were in this file, as far as anybody knows. If it is
     * older than any that is there, others before them are, too, and nothing tells how many. */
    void (*damaged)(void *arg, uint64_t lsn, uint64_t n, uint64_t file);
    void *arg;
};

struct journal_options {
    struct disk *disk;
    struct env *env; /* for nonces */
    uint8_t store_id[STORE_ID_SIZE];
    uint64_t file_bytes; /* of a file: a multiple of BLOCK_BYTES, and more than one */
    uint64_t time_ns;    /* now, since 1970 */
    bool unsynced; /* batches are durable once they are written: for the process, not for power */
};

/* ERR_NOMEM, ERR_FULL, ERR_LIMIT, ERR_FUTURE, and what the visitor answers; ERR_IO when nothing can
 * be written, or the newest file, or a head, cannot be read: what it holds above the last LSN that
 * is known to be durable may have been confirmed, and would be lost. */
MUST_USE enum err journal_open(struct journal **out, const struct journal_options *options,
                               const struct journal_visitor *visitor);

/* Nothing is written or synced by it. NULL is fine. */
void journal_close(struct journal *j);

/* Writes and syncs a batch that is no larger than journal_batch_max. Files with smaller numbers
 * than `oldest` are not needed any more once the batch counts; it never goes back.
 *
 * A batch without records says of those before it that they are durable, so that damage to them is
 * told from a torn end; and of the oldest file, by what was durable before. It is for when nothing
 * has come for a while, and for a clean stop. Whatever the answer, what it says may stay.
 *
 * OK: it is durable; `*place` says the file, and where in it the batch begins. ERR_IO: it is void,
 * and so is what it says of `oldest`; whether it is there after the next start nobody knows.
 * ERR_FULL, ERR_LIMIT, ERR_NOMEM: nothing was written, and it may be tried again. */
MUST_USE enum err journal_write(struct journal *j, struct batch *b, uint64_t oldest,
                                uint64_t time_ns, struct journal_place *place);

/* Makes the next file ahead of need, if there is none to be used again: so the batch that needs it
 * waits for less, and finds space and a descriptor. Between two batches, when nobody waits.
 * ERR_NOMEM, ERR_IO, ERR_FULL, ERR_LIMIT: nothing is wrong yet. */
MUST_USE enum err journal_prepare(struct journal *j);

/* Sees to it that behind a batch of `size` there is still a file that could be begun: what keeps
 * the journal within its bound needs one, also on a full disk. The last block of a file is for
 * batches without records alone. The same errors: the batch should not be written. */
MUST_USE enum err journal_spare_room(struct journal *j, size_t size);

/* How far the reading of a file has come: its number, and zeros to begin with. */
struct journal_cursor {
    uint64_t file;
    uint64_t offset;
    uint64_t lsn;
    bool strict; /* what cannot be read is no damage: ERR_IO, it may be readable later */
};

/* Shows a piece of a file, the newest up to its last batch: about one batch at most, of what
 * counts, and what is lost of it. `*more`: there is another piece. On any error the cursor stays,
 * and what this piece has shown is shown again. ERR_NOMEM; ERR_NOT_FOUND: no file of that number is
 * needed; and what the visitor answers. */
MUST_USE enum err journal_read_file(struct journal *j, struct journal_cursor *c,
                                    const struct journal_visitor *visitor, bool *more);

/* The next record gets the LSN after this one. */
uint64_t journal_durable_lsn(const struct journal *j);

/* The number of the oldest file that is needed, and of the one that is written to. */
uint64_t journal_oldest(const struct journal *j);
uint64_t journal_newest(const struct journal *j);

/* The number of the first needed file behind `number`, 0 if it is the newest. */
uint64_t journal_next(const struct journal *j, uint64_t number);

/* The sizes of the files that are needed. */
uint64_t journal_bytes(const struct journal *j);

/* The size that a new file gets: as the options say, or what the largest batch takes that was there
 * when it was opened. */
uint64_t journal_file_bytes(const struct journal *j);

/* What a batch may take, padding included. */
size_t journal_batch_max(const struct journal *j);

#endif
