// SPDX-License-Identifier: Apache-2.0
/* storage/journal_priv.h — what writing (journal.c), opening (journal_scan.c) and
 * reading (journal_read.c) share.
 *
 * Thread: see journal.h.
 */
#ifndef STORAGE_JOURNAL_PRIV_H
#define STORAGE_JOURNAL_PRIV_H

#include "storage/journal.h"

enum { JOURNAL_SHARD = 0, JOURNAL_SPARES_MAX = 2 };

struct journal_file {
    struct file_head head;
    struct disk_file *file;
    uint64_t end;   /* where the next batch goes, while it is the newest */
    uint64_t bytes; /* its size */
};

/* The bytes that were read last. */
struct journal_window {
    uint8_t *bytes;               /* room for BATCH_BYTES_MAX, or NULL */
    const struct disk_file *file; /* whose they are, or NULL */
    uint64_t at;
    size_t size;
    bool unreadable; /* some block was, and was taken for zeros: set only */
};

/* A file that may be used again; open, so that no descriptor need be left when it is. */
struct journal_spare {
    uint64_t number;
    struct disk_file *file;
};

struct journal {
    struct journal_options options;
    struct journal_file *files; /* that are needed, by number; the newest last */
    size_t n_files;
    size_t files_capacity;
    struct journal_spare spares[JOURNAL_SPARES_MAX];
    size_t n_spares;
    uint64_t last_number; /* of any file so far */
    uint32_t epoch;
    bool writing; /* the newest file can be written to */
    uint64_t durable_lsn;
    uint64_t oldest;
    struct journal_window window;
};

/* "journal/N" */
void journal_path(char path[DISK_PATH_MAX], uint64_t number);

/* Room for one more file. ERR_NOMEM. */
MUST_USE enum err journal_files_reserve(struct journal *j);

/* Another file may come to lie where this one was. */
void journal_file_close(struct journal *j, struct disk_file *f);

/* The file of that number is not needed: it is kept to be used again, or removed. */
void journal_spare(struct journal *j, uint64_t number, struct disk_file *file /* taken */);

/* Makes the next file, with room for `bytes`: its first record will follow the last durable one.
 * With `newer` it is of a newer epoch. It does not count yet. ERR_NOMEM, ERR_IO, ERR_FULL,
 * ERR_LIMIT. */
MUST_USE enum err journal_make(struct journal *j, bool newer, uint64_t bytes);

/* The file that was made last gets a head that tells no number, for good: so if there is none, but
 * something else, it is known that there was one. ERR_IO. */
MUST_USE enum err journal_head_write_none(struct journal *j);

/* The file that was made last counts from here on, and what comes after its beginning in the files
 * before is void; what up to `copied_to` followed is in it already, synced. If that fails, ERR_IO,
 * nobody knows whether it does: it is not there any more, and nothing may be written to the one
 * before. */
MUST_USE enum err journal_head_write(struct journal *j, uint64_t copied_to);

/* Writes and syncs a batch into the newest file, which has room. ERR_NOMEM, ERR_IO. */
MUST_USE enum err journal_put(struct journal *j, struct batch *b, uint64_t oldest, uint64_t time_ns,
                              struct journal_place *place);

/* The file that was made last is not needed: it goes. */
void journal_unmake(struct journal *j);

/* What the file of that number is, and its head if it is ours; FILE_OTHER is a spare. `*by_batch`:
 * no copy of the head is valid, and the first batch tells. `files` has those of smaller numbers.
 * Sets `window.unreadable` if the answer rests on what cannot be read. */
MUST_USE enum file_state journal_look(struct journal *j, struct disk_file *file, uint64_t number,
                                      struct file_head *h, bool *by_batch);

/* LSNs above it are void in the file `i`, as the first `n_files` say. */
uint64_t journal_limit(const struct journal *j, size_t i, size_t n_files);

/* Room to read in, and its end. ERR_NOMEM. */
MUST_USE enum err journal_window_take(struct journal *j);
void journal_window_drop(struct journal *j);

/* `size` bytes of the file, at most BATCH_BYTES_MAX; fewer where it ends. Valid until the next
 * call.
 */
struct span journal_read(struct journal *j, struct disk_file *f, uint64_t at, size_t size);
bool journal_is_zeros(struct span s);

/* The way from a block of zeros to where the next data may be. Only a way before what is behind it
 * has been read: to a file system reserved space is data once it has been read. */
uint64_t journal_step_to_data(struct disk_file *f, uint64_t offset);

/* Is there a batch of the file at `offset`? `*step` is the way to where the next may be. */
bool journal_batch_at(struct journal *j, const struct journal_file *f, uint64_t offset,
                      struct batch_head *h, uint64_t *step);

/* A walk shows the records from `next` on, in order, and what is missing between them. */
struct journal_walk {
    const struct journal_visitor *visitor;
    uint64_t next;
    uint64_t limit; /* LSNs above it are void in the file at hand */
    bool over;      /* nothing more is to be shown */
};

/* Shows what is in a batch. What the visitor answers. */
MUST_USE enum err journal_walk_batch(struct journal *j, struct journal_walk *w,
                                     const struct journal_file *f, uint64_t offset,
                                     const struct batch_head *h);

/* What is missing up to the limit is lost. */
void journal_walk_end(struct journal_walk *w, uint64_t file);

/* Shows damage to the log, too. `v` is borrowed. */
struct journal_visitor journal_shown(const struct journal_visitor *v);

/* Fills `j` with the files that are there, settles what is in doubt, and shows every record. */
MUST_USE enum err journal_scan(struct journal *j, const struct journal_visitor *visitor);

#endif
