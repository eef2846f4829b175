// SPDX-License-Identifier: Apache-2.0
/* broker/core/restore.h — a core's queues and messages from what the store has kept.
 *
 * Before the first turn. What makes no sense is passed over and logged; the rest is there. Things
 * of another virtual host than the core's end the restoring: ERR_SYNTAX.
 *
 * Thread: core.
 */
#ifndef BROKER_CORE_RESTORE_H
#define BROKER_CORE_RESTORE_H

#include "broker/core/core.h"
#include "storage/recovery.h"

/* Who makes it again: for keeper_restore. */
struct recovery_target restore_target(struct core *core);

/* Before a clean stop: the store is told how far each queue may have been delivered. False when
 * memory is out: then it may not be called a clean one. */
MUST_USE bool restore_mark(struct core *core);

#endif
