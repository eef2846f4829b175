// SPDX-License-Identifier: Apache-2.0
/* tests/storage/journal_rig.h — a journal on a false disk, and beside it a model of what it must
 * hold.
 *
 * Every record is made of a number that is used once, so what comes back can be known. Each opening
 * is checked against the model:
 *   - what was confirmed and not let go of is shown, in order, by its LSN, and nothing else is
 * shown but the beginning of a batch whose writing nobody answered for;
 *   - what was let go of by a confirmed batch is not shown;
 *   - nothing is said to be damaged that was not made so.
 */
#ifndef TESTS_STORAGE_JOURNAL_RIG_H
#define TESTS_STORAGE_JOURNAL_RIG_H

#include "storage/journal.h"
#include "tests/base/suite.h"
#include "tests/sim/false_disk.h"

enum {
    RIG_RECORDS_MAX = 4096,
    RIG_BODY_MAX = 20000,
    RIG_FILE_BYTES = 64 * 1024,
    RIG_ATTEMPTS_MAX = 16,
    RIG_BATCH_MAX = 64
};

/* A batch whose writing failed, or was not answered for. */
struct rig_attempt {
    size_t n;
    uint64_t ids[RIG_BATCH_MAX];
    uint64_t oldest; /* as it says */
    bool possible;   /* what has been shown so far is its beginning */
};

struct rig {
    struct rng chance;
    struct env env;
    struct false_disk *fd;
    struct journal_options options;
    struct journal *journal; /* NULL = not open */
    struct batch batch;
    uint64_t last_id;
    /* By LSN, from 1 on. */
    uint64_t ids[RIG_RECORDS_MAX];
    uint64_t files[RIG_RECORDS_MAX];
    uint64_t confirmed;                            /* the last LSN of which we were told */
    struct rig_attempt attempts[RIG_ATTEMPTS_MAX]; /* of which one may follow it */
    size_t n_attempts;
    uint64_t let_go;      /* the oldest needed file, as the next batch will say */
    uint64_t let_go_true; /* and as a confirmed one has said */
    /* Of the last opening. */
    uint64_t first_shown; /* 0 = nothing */
    uint64_t last_shown;
    uint64_t n_damaged;
    bool expects_damage;
    /* Of the last reading back. */
    uint64_t file_read;
    uint64_t last_read;
    uint64_t n_read;
    uint64_t digest; /* for a test's own use */
};

struct rig *rig_new(uint64_t seed);
void rig_free(struct rig *r);

/* Opens and checks. Anything but OK leaves the model as it was. */
enum err rig_open(struct rig *r);

/* The process ends, or the power goes and comes back. */
void rig_end(struct rig *r);
void rig_power(struct rig *r);

/* Ends, and opens until that succeeds; the power may go in the middle `n_cuts` times. */
void rig_recover(struct rig *r, unsigned n_cuts);

/* Reads every file but the newest while the journal is open: what is in them by the model is shown,
 * and nothing else. */
void rig_read_back(struct rig *r);

/* A batch of `n` records, which may be none, whose bodies have up to `body_max` bytes. */
enum err rig_write(struct rig *r, size_t n, size_t body_max);

/* Files in the journal's folder. */
unsigned rig_n_files(struct rig *r);

/* What the body of a record is made of. */
void rig_body(uint8_t *at, uint64_t id, size_t size);

void rig_let_go(struct rig *r, uint64_t oldest);

#endif
