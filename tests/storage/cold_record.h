// SPDX-License-Identifier: Apache-2.0
/* tests/storage/cold_record.h — publishes in the journal on a disk, to be damaged.
 *
 * Only such as are known to be durable and are not void: what a flipped bit in them costs is known,
 * and nothing else may be missing for it (FORMAT.md, section 3.3). The journal is not open.
 */
#ifndef TESTS_STORAGE_COLD_RECORD_H
#define TESTS_STORAGE_COLD_RECORD_H

#include "storage/parcel.h"
#include "tests/sim/false_disk.h"

enum { COLD_TARGETS_MAX = 8 }; /* those with more are passed over */

struct cold_record {
    char path[DISK_PATH_MAX];
    uint64_t offset; /* of its last byte, which is the message's */
    uint64_t lsn;
    uint64_t group; /* 0 = none */
    uint32_t n;
    struct store_target targets[COLD_TARGETS_MAX];
    uint8_t end[4]; /* the last bytes of the message */
};

/* One of them, by chance; false when there is none. One of a group only if the group counts, is
 * publishes in one record each and lies in one file, and no message of it is anywhere else: so it
 * counts as long as all of it is there. */
bool cold_record_draw(struct false_disk *fd, struct rng *chance, struct cold_record *out);

#endif
