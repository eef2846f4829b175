// SPDX-License-Identifier: Apache-2.0
#include "base/seqset.h"

#include <stdlib.h>

struct seqset_chunk {
    struct map_node by_index;
    uint64_t index; /* holds numbers from index * SEQSET_CHUNK on */
    uint32_t n;
    uint64_t bits[SEQSET_CHUNK / 64];
};

void seqset_init(struct seqset *s)
{
    map_init(&s->chunks);
    s->newest = NULL;
    s->oldest = NULL;
    s->n = 0;
}

void seqset_fini(struct seqset *s)
{
    struct map_walk walk = {0};
    for (struct map_node *node; (node = map_each(&s->chunks, &walk)) != NULL;)
        free(CONTAINER_OF(node, struct seqset_chunk, by_index));
    map_fini(&s->chunks);
}

/* Indexes come one after the other; nobody outside chooses them. */
static uint64_t seqset_hash(uint64_t index)
{
    return index * UINT64_C(0x9e3779b97f4a7c15);
}

static struct seqset_chunk *seqset_chunk(const struct seqset *s, uint64_t index)
{
    if (s->newest != NULL && s->newest->index == index)
        return s->newest;
    if (s->oldest != NULL && s->oldest->index == index)
        return s->oldest;
    struct map_node *node = map_find(&s->chunks, seqset_hash(index));
    for (; node != NULL; node = map_find_next(node)) {
        struct seqset_chunk *c = CONTAINER_OF(node, struct seqset_chunk, by_index);
        if (c->index == index)
            return c;
    }
    return NULL;
}

static uint64_t seqset_bit(uint64_t number)
{
    return UINT64_C(1) << (number % 64);
}

static uint64_t *seqset_word(struct seqset_chunk *c, uint64_t number)
{
    return &c->bits[number % SEQSET_CHUNK / 64];
}

enum err seqset_add(struct seqset *s, uint64_t number)
{
    struct seqset_chunk *c = seqset_chunk(s, number / SEQSET_CHUNK);
    if (c == NULL) {
        c = calloc(1, sizeof(*c));
        if (c == NULL)
            return ERR_NOMEM;
        c->index = number / SEQSET_CHUNK;
        map_insert(&s->chunks, &c->by_index, seqset_hash(c->index));
    }
    uint64_t *word = seqset_word(c, number);
    ASSERT((*word & seqset_bit(number)) == 0);
    *word |= seqset_bit(number);
    c->n++;
    s->n++;
    s->newest = c;
    return OK;
}

static void seqset_drop(struct seqset *s, struct seqset_chunk *c)
{
    if (s->newest == c)
        s->newest = NULL;
    if (s->oldest == c)
        s->oldest = NULL;
    map_remove(&s->chunks, &c->by_index);
    free(c);
}

static bool seqset_clear(struct seqset *s, struct seqset_chunk *c, uint64_t number)
{
    uint64_t *word = seqset_word(c, number);
    if ((*word & seqset_bit(number)) == 0)
        return false;
    *word &= ~seqset_bit(number);
    c->n--;
    s->n--;
    return true;
}

bool seqset_remove(struct seqset *s, uint64_t number)
{
    struct seqset_chunk *c = seqset_chunk(s, number / SEQSET_CHUNK);
    if (c == NULL || !seqset_clear(s, c, number))
        return false;
    s->oldest = c;
    if (c->n == 0)
        seqset_drop(s, c);
    return true;
}

void seqset_remove_range(struct seqset *s, uint64_t first, uint64_t last)
{
    for (uint64_t index = first / SEQSET_CHUNK; index <= last / SEQSET_CHUNK && s->n != 0;
         index++) {
        struct seqset_chunk *c = seqset_chunk(s, index);
        if (c == NULL)
            continue;
        uint64_t from = index * SEQSET_CHUNK;
        uint64_t to = from + SEQSET_CHUNK - 1;
        from = from < first ? first : from;
        to = to > last ? last : to;
        for (uint64_t number = from; number <= to; number++)
            (void)seqset_clear(s, c, number);
        if (c->n == 0)
            seqset_drop(s, c);
    }
}

bool seqset_has(const struct seqset *s, uint64_t number)
{
    struct seqset_chunk *c = seqset_chunk(s, number / SEQSET_CHUNK);
    return c != NULL && (*seqset_word(c, number) & seqset_bit(number)) != 0;
}
