// SPDX-License-Identifier: Apache-2.0
/* broker/core/settle.h — the end of a delivery: acknowledged, dropped, or back to its queue.
 *
 * Settling many at once (multiple, recover) is a job of the channel: it goes on in slices.
 *
 * Thread: core.
 */
#ifndef BROKER_CORE_SETTLE_H
#define BROKER_CORE_SETTLE_H

#include "broker/core/channel.h"

enum settle { SETTLE_ACK, SETTLE_DROP, SETTLE_REQUEUE };

/* Settles one entry and removes it; a requeue holds the queue if the channel is holding. The store
 * is told as part of `group`, 0 = none. ERR_NOMEM (requeue only) leaves everything as it was. */
MUST_USE enum err settle_entry(struct channel *ch, struct unsettled_entry *e, enum settle how,
                               uint64_t group);

/* Settles what is outstanding behind channel.settle_from and up to `last`, held entries excepted,
 * counting `*work` down; settle_from goes along. True when done; until then the queues that got
 * messages back are held. */
bool settle_some(struct channel *ch, uint64_t last, enum settle how, unsigned *work);

/* Settles `tag` alone. Errors: 406 unknown delivery tag. */
const struct reply *settle_one(struct channel *ch, uint64_t tag, enum settle how, struct fault *f);

/* Settles everything outstanding up to `tag`, which itself must be outstanding; 0 = everything.
 * Errors: 406 unknown delivery tag. */
const struct reply *settle_up_to(struct channel *ch, uint64_t tag, enum settle how,
                                 struct fault *f);

#endif
