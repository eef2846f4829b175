// SPDX-License-Identifier: Apache-2.0
/* base/slots.h — things named by index and generation.
 *
 * A name stays valid until its thing is removed; afterwards slots_at answers NULL for it, also when
 * the index has been given to something else. Generations start at 1, so {0, 0} names nothing.
 *
 * Pages are added, never moved: no addition copies what is there.
 *
 * Thread: that of the owner.
 */
#ifndef BASE_SLOTS_H
#define BASE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/err.h"

struct slot_id {
    uint32_t index;
    uint32_t generation;
};

struct slots_entry {
    void *thing; /* NULL when free */
    uint32_t generation;
    uint32_t next_free;
};

struct slots {
    struct slots_entry **pages;
    size_t n_pages;
    uint32_t free_first; /* index + 1, 0 = none */
    size_t n;            /* things in use */
};

void slots_init(struct slots *s);
void slots_fini(struct slots *s);

/* ERR_NOMEM. The index freed last is used first. */
MUST_USE enum err slots_add(struct slots *s, void *thing, struct slot_id *id);

/* `id` must name something. */
void slots_remove(struct slots *s, struct slot_id id);

/* NULL when `id` names nothing (any more). */
void *slots_at(const struct slots *s, struct slot_id id);

/* By index alone, for walks: NULL when free or out of range. */
void *slots_at_index(const struct slots *s, uint32_t index, uint32_t *generation);

/* No thing has an index at or above this. */
uint32_t slots_end(const struct slots *s);

#endif
