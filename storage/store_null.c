// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/fifo.h"
#include "storage/store.h"

struct store_batch {
    uint64_t number;
    uint64_t due; /* in steps */
};

struct store {
    struct store_options options;
    uint64_t steps;
    uint64_t filling; /* number of the batch that records go into */
    bool has_records;
    uint64_t durable;
    struct fifo sealed; /* struct store_batch */
};

enum err store_open(struct store **out, const struct store_options *options)
{
    *out = NULL;
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    s->options = *options;
    s->filling = 1;
    fifo_init(&s->sealed, sizeof(struct store_batch));
    *out = s;
    return OK;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    fifo_fini(&s->sealed);
    free(s);
}

uint64_t store_append(struct store *s, struct span record)
{
    (void)record; /* nothing is kept: see store.h */
    s->has_records = true;
    return s->filling;
}

uint64_t store_filling(const struct store *s)
{
    return s->filling;
}

uint64_t store_durable(const struct store *s)
{
    return s->durable;
}

static void store_seal(struct store *s)
{
    struct store_batch *batch = fifo_push(&s->sealed);
    if (batch == NULL)
        return; /* stays the filling batch; the next step tries again */
    uint64_t delay = s->options.delay == NULL ? 0 : s->options.delay(s->options.delay_arg);
    *batch = (struct store_batch){s->filling++, s->steps + delay};
    s->has_records = false;
}

bool store_step(struct store *s)
{
    s->steps++;
    if (s->has_records)
        store_seal(s);
    for (struct store_batch *b; (b = fifo_front(&s->sealed)) != NULL && b->due <= s->steps;) {
        s->durable = b->number;
        fifo_pop(&s->sealed);
    }
    return s->has_records || s->sealed.n != 0;
}
