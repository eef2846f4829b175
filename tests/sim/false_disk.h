// SPDX-License-Identifier: Apache-2.0
/* tests/sim/false_disk.h — a disk in memory that does all the harm a real one may do.
 *
 * It keeps apart what is durable and what was written since: per file the image as of its last sync
 * and the writes and reservations after it, in order; per folder the names as of its last sync and
 * the changes after it. Reading sees all of it.
 *
 * Every call but close is an operation and is counted. At one of them, chosen beforehand, the power
 * goes: that operation has been begun (a write may survive in part) and answers ERR_IO, as does
 * every later one, until false_disk_power_on has made up what is left: of every write since the
 * last sync any set of its 512-byte pieces, whatever became of the writes before it; a file's new
 * size with or without its bytes (zeros then); of the changes to names since the folder's sync any
 * that make sense in their order. A name whose creation survives while its file was never synced
 * leads to a file of any such content.
 *
 * Everything is drawn from the generator given, so that a seed repeats it. How much of a failed
 * operation is done depends on its number alone.
 *
 * Thread: the one of the simulation.   Aborts without memory.
 */
#ifndef TESTS_SIM_FALSE_DISK_H
#define TESTS_SIM_FALSE_DISK_H

#include "base/rng.h"
#include "storage/disk.h"

struct false_disk;

/* Empty; `capacity` bytes of space for all files that have a name or are open, 0 = no limit. A file
 * takes what its size is, whether it was reserved or written. */
struct false_disk *false_disk_new(uint64_t capacity);
void false_disk_free(struct false_disk *fd);

/* The door to it. */
struct disk *false_disk(struct false_disk *fd);

/* A disk with the same durable state, changes since, and capacity, and cut if this one is; no open
 * files, no operations counted, no faults to come. */
struct false_disk *false_disk_copy(const struct false_disk *fd);

/* Operations so far. */
uint64_t false_disk_count(const struct false_disk *fd);

/* The power goes at the operation number `n` (counted as above, from 1). */
void false_disk_cut_at(struct false_disk *fd, uint64_t n);

/* The power goes now. */
void false_disk_cut(struct false_disk *fd);
bool false_disk_is_cut(const struct false_disk *fd);

/* What is left is made up, and is durable now. It must have been cut, and all files closed: their
 * locks are gone with them. The next holder of a lock has another process number. */
void false_disk_power_on(struct false_disk *fd, struct rng *chance);

/* Instead of a power cut, the process ended: everything written is there, still not synced. All
 * files must have been closed, as above. */
void false_disk_process_ended(struct false_disk *fd);

/* The operation number `n` fails with `e` (ERR_IO or ERR_FULL; ERR_LIMIT for open), besides those
 * that were chosen before. A failed write or reservation may have been done in part. A failed sync,
 * of a file or a folder, leaves what was written as if it were durable to a reader, and lost or
 * kept by chance at the next power cut even if a later sync says OK; so does a failed write. Any
 * other operation that fails does nothing. */
void false_disk_fail_at(struct false_disk *fd, uint64_t n, enum err e);

/* Changes the capacity. */
void false_disk_set_capacity(struct false_disk *fd, uint64_t capacity);

/* Flips the bits `mask` of a byte, for good. The file and the offset must be there. */
void false_disk_flip(struct false_disk *fd, const char *path, uint64_t offset, uint8_t mask);

/* The size of a file as a reader sees it; UINT64_MAX when there is none of that name. */
uint64_t false_disk_file_size(struct false_disk *fd, const char *path);

#endif
