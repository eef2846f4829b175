// SPDX-License-Identifier: Apache-2.0
/* tests/sim/null_keeper.h — a keeper that keeps nothing: what is sealed is durable some steps
 * later.
 *
 * It stands where the disk is in the product, so that everything above lives with promises that are
 * kept late. It seals whenever there is something, whether anybody waits for it or not.
 *
 * Thread: that of the core.
 */
#ifndef TESTS_SIM_NULL_KEEPER_H
#define TESTS_SIM_NULL_KEEPER_H

#include "base/fifo.h"
#include "storage/store.h"

struct null_keeper {
    struct store *store;
    uint64_t (*delay)(void *arg); /* steps until a sealed parcel is durable; NULL = 0 */
    void *delay_arg;
    uint64_t steps;
    struct fifo sealed; /* of what is not durable yet */
};

/* `k->store` is made. ERR_NOMEM. */
MUST_USE enum err null_keeper_init(struct null_keeper *k, uint64_t (*delay)(void *arg), void *arg);

/* The store must have been ended. */
void null_keeper_fini(struct null_keeper *k);

/* Seals what fills, and completes what is due. True when something is still on its way. */
bool null_keeper_step(struct null_keeper *k);

#endif
