// SPDX-License-Identifier: Apache-2.0
/* storage/segment.h — messages that outlived their journal file: FORMAT.md, section 4.
 *
 * A segment is a file of messages sorted by (queue, seq), written once from front to back, and
 * never changed. Its number is its name in SEGMENT_FOLDER. It is not known there what a message
 * is, nor which of them are settled; and whether a segment counts, the journal says: one that it
 * does not name with the footer's checksum is to be removed at start.
 *
 * A message of any size is added piece by piece and shown piece by piece, so that no call needs
 * more memory than one record has. A message that several queues have may lie there once:
 * the others *refer* to it (segment_add_same), each with its own times.
 *
 * Damage costs the messages it hit, and those that refer to them. What is shown is what was added,
 * under its own queue and seq: every record says at which offset of which file it was written, so
 * neither a body that looks like a record nor a block that lies in the wrong place is believed.
 * A footer that is damaged is made again from the messages, in memory (segment_recover). What
 * cannot be read is tried again, and is then damage.
 *
 * Memory: a writer has some 1.3 MiB, 56 bytes for every queue, and 16 for every 16 KiB written; a
 * segment that is open 56 bytes for every queue, and for every 16 KiB only if it was recovered; a
 * window 2 MiB at most.
 *
 * Thread: a disk thread. A writer, a segment and a window are used by one thread at a time; a
 * window serves any number of segments.   Blocks: every call that is not a question.
 */
#ifndef STORAGE_SEGMENT_H
#define STORAGE_SEGMENT_H

#include "base/env.h"
#include "storage/disk.h"
#include "storage/file_head.h"
#include "storage/parcel.h"

#define SEGMENT_FOLDER "segments"

enum {
    SEGMENT_PART_BYTES = 1024 * 1024, /* of a message in one record: a larger one has several */
    SEGMENT_SHARE_MIN = 4096          /* a message of fewer bytes is better added twice */
};

/* What there is of a queue in a segment. */
struct segment_row {
    uint64_t queue;
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t bytes;       /* of its messages, also of those that lie with another queue */
    uint64_t deadline_ns; /* the earliest, since 1970; 0 = none has any */
    uint64_t offset;      /* of its first record in the file */
    uint32_t count;       /* of its messages */
    uint32_t first_point; /* for segment_*.c: where the queue's part of the sparse index begins */
};

/* ---- Writing ---- */

struct segment_writer;

struct segment_options {
    struct disk *disk;
    struct env *env; /* for the nonce */
    uint8_t store_id[STORE_ID_SIZE];
    uint64_t number;    /* no file of that number is there */
    uint64_t as_of_lsn; /* everything of the journal before it that concerns the segment is in */
};

/* What is told of a message besides its bytes. */
struct segment_message {
    struct store_target target; /* its seq is not UINT64_MAX */
    uint64_t time_ns;           /* of ingest, since 1970 */
    uint64_t deadline_ns;       /* since 1970; 0 = none */
};

/* Where a message lies that others may refer to; of one writer. */
struct segment_place {
    struct store_target target;
    uint64_t offset;
    uint64_t size;
};

/* What was written, once it is durable. */
struct segment_made {
    uint64_t number;
    uint64_t as_of_lsn;
    uint64_t count; /* of the messages */
    uint64_t bytes; /* of the messages, as in the rows */
    uint64_t file_bytes;
    uint32_t checksum;        /* of the footer */
    struct segment_row *rows; /* by queue; taken from here with free() */
    size_t n_rows;
};

/* Makes the folder, durably; there already is fine. What the disk answers. */
MUST_USE enum err segment_make_folder(struct disk *d);

/* The path of a number. */
void segment_path(char path[DISK_PATH_MAX], uint64_t number);

/* Begins a file in the folder, which is there. Nothing is written yet. ERR_NOMEM, and what the disk
 * answers: ERR_IO also when there is a file of that number. No file is left on any error. */
MUST_USE enum err segment_begin(struct segment_writer **out, const struct segment_options *o);

/* Adds a message of `size` bytes, behind all others by (queue, seq). The bytes come with
 * segment_add_bytes; nothing else may be called before all have come, but segment_abort. `*place`
 * is for segment_add_same.
 *
 * Any error of this and the next two stays: all of them, and segment_end, answer it from then on.
 * ERR_NOMEM; ERR_FULL; ERR_IO; ERR_LIMIT: a queue has too many messages to count. */
MUST_USE enum err segment_add(struct segment_writer *w, const struct segment_message *m,
                              uint64_t size, struct segment_place *place);

/* The next bytes of the message that was added last: in all as many as were announced. */
MUST_USE enum err segment_add_bytes(struct segment_writer *w, struct span bytes);

/* The same message as the one added at `place`, for another queue. */
MUST_USE enum err segment_add_same(struct segment_writer *w, const struct segment_message *m,
                                   const struct segment_place *place);

/* What has been written or waits for it: the size of the file, were it ended now, but for the
 * footer. */
uint64_t segment_written(const struct segment_writer *w);

/* Writes the footer and syncs the file, then the folder. A segment may be empty. The writer is
 * freed in any case.
 *
 * OK: it is durable, `*made` tells of it, and its rows are the caller's to free. ERR_NOMEM,
 * ERR_FULL, ERR_IO, ERR_LIMIT: the file is removed. A power cut may bring it back, in part; so does
 * a failure to remove it. */
MUST_USE enum err segment_end(struct segment_writer *w, struct segment_made *made);

/* Removes the file and frees the writer. NULL is fine. */
void segment_abort(struct segment_writer *w);

/* ---- Reading ---- */

struct segment;

/* Which file is meant. */
struct segment_name {
    struct disk *disk;
    uint8_t store_id[STORE_ID_SIZE];
    uint64_t number;
};

/* Reads head and footer, not the messages. `checksum` is what the footer's must be; NULL: any.
 *
 * `*state` tells whose the file is as far as it could be read, FILE_INVALID to begin with:
 *   OK          FILE_OURS. Head and footer are whole; the messages are not looked at.
 *   ERR_SYNTAX  FILE_OURS: the footer is damaged, missing, or another: segment_recover.
 *               FILE_FOREIGN: of another store, FILE_OTHER: of another number: leave it alone.
 *               FILE_INVALID: all copies of the head are damaged, or it was never a segment.
 *   ERR_FUTURE  FILE_FUTURE: written by a newer version, leave it alone.
 *   ERR_IO      as ERR_SYNTAX, but some of it could not be read.
 *   ERR_NOMEM, ERR_NOT_FOUND, ERR_LIMIT. */
MUST_USE enum err segment_open(struct segment **out, const struct segment_name *name,
                               const uint32_t *checksum, enum file_state *state);

/* The same without the footer: reads the whole file, through 1 MiB of memory, and makes rows and
 * sparse index of what has a whole first record. Which messages were lost at the beginning or end
 * of a queue, or whole queues, nothing tells any more. OK is answered also when nothing was found.
 * segment_damages counts the places that were passed over. */
MUST_USE enum err segment_recover(struct segment **out, const struct segment_name *name,
                                  enum file_state *state);

/* The file stays. NULL is fine. */
void segment_close(struct segment *s);

uint64_t segment_number(const struct segment *s);
uint64_t segment_as_of_lsn(const struct segment *s);
uint64_t segment_count(const struct segment *s); /* of messages */
uint64_t segment_bytes(const struct segment *s); /* of messages */
uint64_t segment_file_bytes(const struct segment *s);

/* 0 unless it was recovered. */
uint64_t segment_damages(const struct segment *s);

/* All rows, ascending by queue; they are valid until the segment is closed. */
const struct segment_row *segment_rows(const struct segment *s, size_t *n);

/* The row of a queue; NULL if the segment has nothing of it. */
const struct segment_row *segment_find(const struct segment *s, uint64_t queue);

/* What a thread reads through: it holds what was read ahead. */
struct segment_window;

/* NULL: no memory. What it reads into is asked for when it is used first. */
struct segment_window *segment_window_new(void);

/* NULL is fine. */
void segment_window_free(struct segment_window *w);

/* A message as it is shown. */
struct segment_shown {
    struct segment_message message;
    uint64_t size;     /* of the whole of it, no more than the file has */
    struct span bytes; /* its first bytes: all, or SEGMENT_PART_BYTES */
};

/* Spans are valid until the return. Any error ends the reading. */
struct segment_visitor {
    enum err (*message)(void *arg, const struct segment_shown *shown);
    /* More bytes of the message shown last, which is whole once it has `size` bytes. */
    enum err (*more)(void *arg, struct span bytes);
    /* The queue's messages in this range, if there were any that were not shown before, are lost.
     * The one shown last may be among them: then it is not complete, and means nothing.
     * `unreadable`: the disk did not give the bytes; they may be there another day. */
    void (*damaged)(void *arg, uint64_t first_seq, uint64_t last_seq, bool unreadable);
    void *arg;
};

/* How far the reading of a queue has come, {.queue, .seq} to begin with. */
struct segment_cursor {
    uint64_t queue;
    uint64_t seq;    /* the first that is wanted */
    uint64_t offset; /* at or before it, as an earlier call has left it; 0 = not known */
};

/* When a call stops: behind the message that reaches one of them, so one is shown at least. */
struct segment_limits {
    uint64_t bytes;
    uint64_t count;
};

/* Shows the queue's messages from `c->seq` on, ascending, and moves the cursor behind them. Each is
 * either shown, in one call whatever its size, or in a range that is said to be damaged; damage is
 * also logged. `*more`: there may be others behind. A queue that has none here is no error.
 *
 * The same damage is told again by another reading of it. On an error the cursor stays.
 * ERR_NOMEM, and what the visitor answers. */
MUST_USE enum err segment_read(struct segment *s, struct segment_window *w,
                               struct segment_cursor *c, struct segment_limits limits,
                               const struct segment_visitor *visitor, bool *more);

#endif
