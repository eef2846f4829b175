// SPDX-License-Identifier: Apache-2.0
/* storage/inspect.h — what lies in a data directory, read without changing anything.
 *
 * Shows every file, what becomes of it, and in those of the journal every batch and record, whether
 * it counts or not: FORMAT.md, sections 2 and 3. It sees what a start would see before it settles
 * what is in doubt. What a start makes of that is for recovery.h to say, on a disk_overlay.h.
 *
 * A broker may be running; then what is being written looks like a torn end.
 *
 * Thread: any.   Blocks: yes.   Allocates: yes.
 */
#ifndef STORAGE_INSPECT_H
#define STORAGE_INSPECT_H

#include "storage/journal.h"

/* What becomes of a file. */
#define INSPECT_USES(U)                                                     \
    U(needed)                                                               \
    U(old)        /* let go of, to be used again */                         \
    U(void)       /* nothing in it counts: a later file was begun before */ \
    U(spare)      /* being begun or used again */                           \
    U(foreign)    /* of another store */                                    \
    U(future)     /* of a version to come */                                \
    U(damaged)    /* nothing tells what it is */                            \
    U(unreadable) /* the disk does not give it */                           \
    U(unknown)    /* nothing that this version has made */

#define INSPECT_ENUM(name) USE_##name,
enum inspect_use { INSPECT_USES(INSPECT_ENUM) };
#undef INSPECT_ENUM

/* What becomes of a record. */
#define INSPECT_STATES(S)                                            \
    S(durable)                                                       \
    S(doubt) /* counts, but nothing says that it is durable */       \
    S(torn)  /* behind the end: nobody relied on it */               \
    S(void)  /* in a file that has failed, or was begun too early */ \
    S(again) /* of an LSN that has been seen */                      \
    S(old)   /* in a file that is not needed */

#define INSPECT_ENUM(name) STATE_##name,
enum inspect_state { INSPECT_STATES(INSPECT_ENUM) };
#undef INSPECT_ENUM

/* Their names, static. */
const char *inspect_use_name(enum inspect_use use);
const char *inspect_state_name(enum inspect_state state);

struct inspect_file {
    const char *path;
    enum file_role role; /* 0 = none */
    enum inspect_use use;
    const char *heads; /* what tells: "both", "first", "second", "batch", "none"; NULL = no role */
    bool has_head;
    struct file_head head;
    uint64_t size; /* 0 unless it has a role */
};

struct inspect_batch {
    const struct inspect_file *file;
    uint64_t offset;
    struct batch_head head;
    enum inspect_state state; /* of its last record; of one without records, of it */
};

struct inspect_record {
    const struct inspect_batch *batch;
    uint64_t lsn;
    uint64_t offset; /* in the file */
    enum inspect_state state;
    const struct record *record;
};

/* Records from `lsn` on, which may be none, are lost by what is at that place. */
struct inspect_damage {
    const char *path;
    uint64_t offset;
    uint64_t lsn;
    uint64_t n;
    const char *what;
};

/* What is shown is borrowed until the return. */
struct inspect_visitor {
    void (*file)(void *arg, const struct inspect_file *f);
    void (*batch)(void *arg, const struct inspect_batch *b);
    void (*record)(void *arg, const struct inspect_record *r);
    void (*damaged)(void *arg, const struct inspect_damage *d);
    void *arg;
};

enum { INSPECT_KINDS = RECORD_reference + 1 };

struct inspect_figures {
    uint8_t store_id[STORE_ID_SIZE];
    const char *identity; /* what tells: "store", "journal", or "none" */
    uint64_t oldest;      /* number of the oldest needed file */
    uint64_t durable_lsn;
    uint64_t n_durable; /* records that count and are known to be durable */
    uint64_t n_doubt;
    uint64_t n_torn; /* as far as batches tell */
    uint64_t n_lost;
    uint64_t n_damages;
    uint64_t n_of_kind[INSPECT_KINDS]; /* of what counts */
};

/* Shows all in the order of file numbers and offsets. ERR_NOMEM; ERR_LIMIT, no descriptor is left;
 * ERR_IO when a folder or a size cannot be read. */
MUST_USE enum err inspect_run(struct disk *d, const struct inspect_visitor *visitor,
                              struct inspect_figures *figures);

#endif
