// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/null_keeper.h"

struct null_parcel {
    uint64_t number;
    uint64_t due; /* in steps */
};

enum err null_keeper_init(struct null_keeper *k, uint64_t (*delay)(void *arg), void *arg)
{
    *k = (struct null_keeper){.delay = delay, .delay_arg = arg};
    fifo_init(&k->sealed, sizeof(struct null_parcel));
    return store_new(&k->store);
}

void null_keeper_fini(struct null_keeper *k)
{
    fifo_fini(&k->sealed);
    store_free(k->store);
}

static void null_keeper_seal(struct null_keeper *k)
{
    if (fifo_reserve(&k->sealed) != OK)
        return; /* it goes on filling; the next step tries again */
    const struct parcel *p = store_seal(k->store);
    if (p == NULL)
        return;
    struct null_parcel *sealed = fifo_push(&k->sealed);
    ASSERT(sealed != NULL);
    uint64_t delay = k->delay == NULL ? 0 : k->delay(k->delay_arg);
    *sealed = (struct null_parcel){p->number, k->steps + delay};
}

bool null_keeper_step(struct null_keeper *k)
{
    k->steps++;
    if (store_due_ns(k->store) != UINT64_MAX)
        null_keeper_seal(k);
    for (struct null_parcel *p; (p = fifo_front(&k->sealed)) != NULL && p->due <= k->steps;) {
        store_complete(k->store, p->number);
        fifo_pop(&k->sealed);
    }
    return store_due_ns(k->store) != UINT64_MAX || k->sealed.n != 0;
}
