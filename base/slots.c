// SPDX-License-Identifier: Apache-2.0
#include "base/slots.h"

#include <stdlib.h>

enum { SLOTS_PER_PAGE = 256 };

void slots_init(struct slots *s)
{
    *s = (struct slots){.pages = NULL};
}

void slots_fini(struct slots *s)
{
    for (size_t i = 0; i < s->n_pages; i++)
        free(s->pages[i]);
    free(s->pages);
    slots_init(s);
}

static struct slots_entry *slots_entry_at(const struct slots *s, uint32_t index)
{
    return &s->pages[index / SLOTS_PER_PAGE][index % SLOTS_PER_PAGE];
}

static enum err slots_add_page(struct slots *s)
{
    struct slots_entry *page = calloc(SLOTS_PER_PAGE, sizeof(*page));
    if (page == NULL)
        return ERR_NOMEM;
    struct slots_entry **pages = realloc(s->pages, (s->n_pages + 1) * sizeof(struct slots_entry *));
    if (pages == NULL) {
        free(page);
        return ERR_NOMEM;
    }
    s->pages = pages;
    s->pages[s->n_pages] = page;
    uint32_t base = (uint32_t)s->n_pages * SLOTS_PER_PAGE;
    for (uint32_t i = 0; i < SLOTS_PER_PAGE; i++) {
        page[i].generation = 1;
        page[i].next_free = i + 1 < SLOTS_PER_PAGE ? base + i + 2 : 0;
    }
    s->free_first = base + 1;
    s->n_pages++;
    return OK;
}

enum err slots_add(struct slots *s, void *thing, struct slot_id *id)
{
    if (s->free_first == 0 && slots_add_page(s) != OK)
        return ERR_NOMEM;
    uint32_t index = s->free_first - 1;
    struct slots_entry *e = slots_entry_at(s, index);
    s->free_first = e->next_free;
    e->thing = thing;
    s->n++;
    *id = (struct slot_id){index, e->generation};
    return OK;
}

void slots_remove(struct slots *s, struct slot_id id)
{
    ASSERT(slots_at(s, id) != NULL);
    struct slots_entry *e = slots_entry_at(s, id.index);
    e->thing = NULL;
    e->generation++;
    if (e->generation == 0)
        e->generation = 1;
    e->next_free = s->free_first;
    s->free_first = id.index + 1;
    s->n--;
}

void *slots_at(const struct slots *s, struct slot_id id)
{
    if (id.index >= slots_end(s))
        return NULL;
    const struct slots_entry *e = slots_entry_at(s, id.index);
    return e->generation == id.generation ? e->thing : NULL;
}

void *slots_at_index(const struct slots *s, uint32_t index, uint32_t *generation)
{
    if (index >= slots_end(s))
        return NULL;
    const struct slots_entry *e = slots_entry_at(s, index);
    *generation = e->generation;
    return e->thing;
}

uint32_t slots_end(const struct slots *s)
{
    return (uint32_t)s->n_pages * SLOTS_PER_PAGE;
}
