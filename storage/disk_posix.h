// SPDX-License-Identifier: Apache-2.0
/* storage/disk_posix.h — a disk that is a directory of the operating system.
 *
 * Thread: see disk.h.
 */
#ifndef STORAGE_DISK_POSIX_H
#define STORAGE_DISK_POSIX_H

#include "storage/disk.h"

/* The directory must be there. ERR_NOMEM, ERR_IO, ERR_NOT_FOUND, ERR_LIMIT. */
MUST_USE enum err disk_posix_open(struct disk **out, const char *directory);

/* Its files have been closed. NULL is fine. */
void disk_posix_close(struct disk *d);

/* Does a process hold the lock of that name? `*holder` is its number, 0 if it cannot be read. Asks
 * the system: to try the lock would keep a broker that starts just then from having it. */
bool disk_posix_is_locked(struct disk *d, const char *path, uint64_t *holder);

#endif
