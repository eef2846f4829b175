// SPDX-License-Identifier: Apache-2.0
/* broker/core/tx.h — a channel's transaction: publishes and settlements held until commit.
 *
 * A publish is checked and routed when it comes; queues get it at commit. A settlement is checked
 * when it comes and its entry held, so that the same tag is unknown to a second one; rollback lets
 * go of it, and the message is still unsettled on the channel.
 *
 * Commit does publishes first, in order, with their returns, then settlements, in order; it goes on
 * in slices while the channel is parked, and commit-ok waits for the store.
 *
 * Bound: TX_BYTES_MAX of messages and entries per transaction; while the memory limit is passed, a
 * TX_SHARE of it for all together. A publish that begins a transaction waits for memory like any
 * other, one in it does not: what a transaction holds only its end can clear.
 *
 * Thread: core.   Allocates: tx_select, tx_publish, tx_settle.
 */
#ifndef BROKER_CORE_TX_H
#define BROKER_CORE_TX_H

#include "broker/core/route.h"
#include "broker/core/settle.h"

/* ERR_NOMEM. Saying it again is fine. */
MUST_USE enum err tx_select(struct channel *ch);

/* Holds a publish to `n` queues (0 = unroutable). Takes the reference on NULL. 506 when memory is
 * out or the bound is reached. */
const struct reply *tx_publish(struct channel *ch, struct message *m /* taken */,
                               struct queue *const *queues, size_t n, bool mandatory,
                               struct fault *f);

/* Holds a settlement. 506 likewise. */
const struct reply *tx_settle(struct channel *ch, struct unsettled_entry *e, enum settle how,
                              struct fault *f);

/* Is anything held, so that only the end of the transaction gives memory back? */
bool tx_has_begun(const struct channel *ch);

/* Settlements that are held; 0 on a channel that is not transactional. */
size_t tx_n_held(const struct channel *ch);

/* Begins the commit; commit-ok is owed when it is done. */
void tx_commit(struct channel *ch);

/* Forgets what is held, counting `*work` down. True when nothing is. */
bool tx_rollback_some(struct channel *ch, unsigned *work);

/* The channel is no longer transactional. Nothing may be held. */
void tx_free(struct channel *ch);

#endif
