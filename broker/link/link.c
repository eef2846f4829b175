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

/* No record is taken any more: what bodies they hold belong to nobody else. */
static void link_free_bodies(struct link *l)
{
    size_t size;
    ring_publish(&l->in);
    ring_see_published(&l->in);
    for (struct in_publish *p; (p = ring_peek(&l->in, &size)) != NULL; ring_skip(&l->in))
        if (p->head.kind == IN_PUBLISH)
            body_free(p->large);
    ring_publish(&l->out);
    ring_see_published(&l->out);
    for (struct out_bodies *o; (o = ring_peek(&l->out, &size)) != NULL; ring_skip(&l->out)) {
        if (o->head.kind != OUT_BODIES)
            continue;
        for (struct body *b; (b = o->first) != NULL;) {
            o->first = b->next;
            body_free(b);
        }
    }
}

void link_fini(struct link *l)
{
    link_free_bodies(l);
    ring_fini(&l->out);
    ring_fini(&l->in);
}
