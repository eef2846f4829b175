// SPDX-License-Identifier: Apache-2.0
/* A store that answers what the recording says; it stands where storage/store_null.c is linked
 * otherwise. */
#include <stdlib.h>

#include "tests/sim/replay.h"

struct store {
    uint64_t filling;
    uint64_t durable;
};

enum err store_open(struct store **out, const struct store_options *options)
{
    (void)options;
    *out = calloc(1, sizeof(**out));
    return *out == NULL ? ERR_NOMEM : OK;
}

void store_close(struct store *s)
{
    free(s);
}

void store_set(struct store *s, uint64_t filling, uint64_t durable)
{
    s->filling = filling;
    s->durable = durable;
}

uint64_t store_append(struct store *s, struct span record)
{
    (void)record;
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

bool store_step(struct store *s)
{
    (void)s;
    return false;
}
