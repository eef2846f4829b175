// SPDX-License-Identifier: Apache-2.0
/* storage/disk_overlay.h — a disk over another one, which it never changes.
 *
 * What is written, made, renamed or removed is so in memory, and gone when it is closed. So
 * whatever would be done to a data directory can be tried: a start, for one, to see what it makes
 * of it.
 *
 * Files of the disk below are opened to be read alone, and stay open. Reserved space takes no
 * memory. Its locks are its own: they say nothing of those below.
 *
 * Thread: that of its user.   Blocks: as the disk below.
 */
#ifndef STORAGE_DISK_OVERLAY_H
#define STORAGE_DISK_OVERLAY_H

#include "storage/disk.h"

/* `below` is borrowed until the end. ERR_NOMEM. */
MUST_USE enum err disk_overlay_new(struct disk **out, struct disk *below);

/* Its files have been closed. NULL is fine. */
void disk_overlay_free(struct disk *d);

#endif
