// SPDX-License-Identifier: Apache-2.0
/* storage/file_head.h — the first block of every file: FORMAT.md, section 2.1.
 *
 * Thread: any.   Blocks: never.   Allocates: never.
 */
#ifndef STORAGE_FILE_HEAD_H
#define STORAGE_FILE_HEAD_H

#include "base/assert.h"
#include "base/span.h"

enum { FILE_HEAD_SIZE = 128, FILE_HEAD_COPIES = 2, STORE_ID_SIZE = 16 };

enum file_role {
    ROLE_STORE = 1,
    ROLE_JOURNAL = 2,
    ROLE_SEGMENT = 3,
    ROLE_SETTLED_LOG = 4,
    ROLE_CATALOGUE = 5
};

struct file_head {
    enum file_role role;
    uint8_t store_id[STORE_ID_SIZE];
    uint64_t nonce;
    uint64_t number;
    uint32_t shard;
    uint32_t epoch;
    uint64_t first_lsn; /* the as-of LSN of all but the journal */
    uint64_t prev_end;
    uint64_t copied_to; /* all up to it was in it before it counted, if more than prev_end */
    uint64_t bytes;
};

enum file_state {
    FILE_OURS,
    FILE_INVALID, /* being begun, damaged, or of another role */
    FILE_FOREIGN, /* of another store */
    FILE_FUTURE,  /* with a feature that must be known, and is not */
    FILE_OTHER    /* for callers: of another number than its name tells */
};

/* Writes FILE_HEAD_SIZE bytes at `at`; the rest of the block is zeros. */
void file_head_put(uint8_t *at, const struct file_head *h);

/* Reads the head of a file of a role and a store. `h` is filled unless it is invalid. */
MUST_USE enum file_state file_head_read(struct span in, enum file_role role,
                                        const uint8_t store_id[STORE_ID_SIZE], struct file_head *h);

/* The same, whichever store it is of. */
MUST_USE enum file_state file_head_read_any(struct span in, enum file_role role,
                                            struct file_head *h);

#endif
