// SPDX-License-Identifier: Apache-2.0
#include "broker/link/link.h"

#include "base/limits.h"

enum err link_init(struct link *l)
{
    *l = (struct link){.wake_arg = NULL};
    if (ring_init(&l->in, LINK_RING_BYTES) != OK)
        return ERR_NOMEM;
    if (ring_init(&l->out, LINK_RING_BYTES) != OK) {
        ring_fini(&l->in);
        return ERR_NOMEM;
    }
    return OK;
}

void link_fini(struct link *l)
{
    ring_fini(&l->out);
    ring_fini(&l->in);
}
