// SPDX-License-Identifier: Apache-2.0
/* storage/identity.h — which store a data directory is: the file `store`.
 *
 * It is made with the directory. If it has gone or is damaged, the journal's files tell.
 *
 * Thread: that of the journal, before it is opened.   Blocks: yes.
 */
#ifndef STORAGE_IDENTITY_H
#define STORAGE_IDENTITY_H

#include "base/env.h"
#include "storage/disk.h"
#include "storage/file_head.h"

/* ERR_FUTURE: a newer version made it; and what the disk answers. */
MUST_USE enum err identity_open(struct disk *d, struct env *env, uint8_t id[STORE_ID_SIZE]);

#endif
