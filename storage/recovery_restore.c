// SPDX-License-Identifier: Apache-2.0
/* The second look at the journal: the messages that are live are made. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/recovery_priv.h"

/* A message over one record, until all of its parts are there. */
struct restore_large {
    struct restore_large *next;
    struct store_target name;
    struct span *parts; /* owned; by number, the publish's own last */
    uint32_t n_parts;
    bool whole;       /* the publish has come */
    struct span list; /* owned: the publish's targets */
    uint32_t n;
};

struct restore {
    struct recovery *r;
    const struct recovery_target *to;
    struct restore_large *large;
};

/* ---- Slots ---- */

/* Where the message goes if it is live and not made yet; else NULL. */
static struct recovered_entry *restore_slot(struct restore *s, struct store_target t)
{
    struct recovered_queue *q = recovery_queue(s->r, t.queue);
    size_t low = 0;
    size_t high = q == NULL ? 0 : q->n_entries;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (q->entries[middle].seq < t.seq)
            low = middle + 1;
        else
            high = middle;
    }
    if (q == NULL || low == q->n_entries || q->entries[low].seq != t.seq ||
        q->entries[low].message != NULL)
        return NULL;
    return &q->entries[low];
}

static uint32_t restore_count(struct restore *s, const struct entry *e)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->n; i++)
        n += restore_slot(s, entry_pair(e, i)) != NULL;
    return n;
}

/* Makes the message and puts it where it is wanted. */
static enum err restore_message(struct restore *s, const struct entry *e, struct span bytes)
{
    void *message;
    uint32_t n = restore_count(s, e);
    if (n == 0)
        return OK;
    enum err err = s->to->message(s->to->arg, bytes, n, &message);
    if (err == ERR_SYNTAX)
        return OK; /* it is missed at the end */
    for (uint32_t i = 0; err == OK && i < e->n; i++) {
        struct recovered_entry *slot = restore_slot(s, entry_pair(e, i));
        if (slot != NULL)
            slot->message = message;
    }
    return err;
}

/* ---- Messages in parts ---- */

static struct restore_large *restore_large(struct restore *s, const struct entry *e)
{
    struct restore_large *l = s->large;
    for (; l != NULL; l = l->next)
        if (l->name.queue == e->name.queue && l->name.seq == e->name.seq)
            return l;
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->name = e->name;
    l->next = s->large;
    s->large = l;
    return l;
}

static void restore_large_free(struct restore *s, struct restore_large *l)
{
    struct restore_large **at = &s->large;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    for (uint32_t i = 0; i < l->n_parts; i++)
        free((void *)(uintptr_t)l->parts[i].at);
    free(l->parts);
    free((void *)(uintptr_t)l->list.at);
    free(l);
}

/* Keeps a part; one that is there already is the same. */
static enum err restore_part(struct restore_large *l, uint32_t number, struct span bytes)
{
    if (number >= l->n_parts) {
        struct span *parts = realloc(l->parts, ((size_t)number + 1) * sizeof(*parts));
        if (parts == NULL)
            return ERR_NOMEM;
        memset(parts + l->n_parts, 0, ((size_t)number + 1 - l->n_parts) * sizeof(*parts));
        l->parts = parts;
        l->n_parts = number + 1;
    }
    if (l->parts[number].at != NULL)
        return OK;
    l->parts[number] = span_dup(bytes);
    return l->parts[number].at == NULL ? ERR_NOMEM : OK;
}

static enum err restore_whole(struct restore *s, struct restore_large *l)
{
    size_t size = 0;
    for (uint32_t i = 0; i < l->n_parts; i++) {
        if (l->parts[i].at == NULL)
            return OK;
        size += l->parts[i].size;
    }
    uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return ERR_NOMEM;
    size = 0;
    for (uint32_t i = 0; i < l->n_parts; i++) {
        memcpy(bytes + size, l->parts[i].at, l->parts[i].size);
        size += l->parts[i].size;
    }
    struct entry e = {.kind = RECORD_publish, .n = l->n, .list = l->list};
    enum err err = restore_message(s, &e, span_of(bytes, size));
    free(bytes);
    restore_large_free(s, l);
    return err;
}

/* A chunk number far beyond what a message may have is no memory's worth. */
enum { CHUNKS_MAX = 64 * 1024 };

static enum err restore_of_large(struct restore *s, const struct entry *e)
{
    if (restore_count(s, e) == 0)
        return OK;
    bool publish = e->kind == RECORD_publish;
    uint32_t number = publish ? e->n_chunks : e->chunk;
    if (number > CHUNKS_MAX)
        return OK;
    struct restore_large *l = restore_large(s, e);
    if (l == NULL || restore_part(l, number, e->bytes) != OK)
        return ERR_NOMEM;
    if (publish && !l->whole) {
        l->whole = true;
        l->n = e->n;
        l->list = span_dup(e->list);
        if (l->list.at == NULL)
            return ERR_NOMEM;
    }
    return l->whole ? restore_whole(s, l) : OK;
}

/* ---- The second look ---- */

static enum err restore_record(void *arg, uint64_t lsn, struct journal_place place,
                               const struct record *record)
{
    struct restore *s = arg;
    struct entry e;
    (void)lsn;
    (void)place;
    if (!entry_read(record, &e))
        return OK;
    if (e.kind == RECORD_chunk || (e.kind == RECORD_publish && e.n_chunks != 0))
        return restore_of_large(s, &e);
    return e.kind == RECORD_publish ? restore_message(s, &e, e.bytes) : OK;
}

static void restore_damaged(void *arg, uint64_t lsn, uint64_t n, uint64_t file)
{
    (void)arg; /* it was counted the first time */
    (void)lsn;
    (void)n;
    (void)file;
}

static enum err restore_messages(struct restore *s, struct journal *j)
{
    struct journal_visitor visitor = {restore_record, restore_damaged, s};
    for (uint64_t file = journal_oldest(j); file != 0; file = journal_next(j, file)) {
        struct journal_cursor c = {.file = file};
        enum err e = OK;
        for (bool more = true; more && e == OK;)
            e = journal_read_file(j, &c, &visitor, &more);
        if (e != OK && e != ERR_NOT_FOUND)
            return e;
    }
    return OK;
}

static int restore_by_number(const void *a, const void *b)
{
    uint64_t x = (*(struct recovered_object *const *)a)->number;
    uint64_t y = (*(struct recovered_object *const *)b)->number;
    return x < y ? -1 : x > y;
}

static enum err restore_objects(struct restore *s)
{
    struct map *objects = &s->r->objects;
    struct recovered_object **sorted = malloc((objects->n + 1) * sizeof(struct recovered_object *));
    if (sorted == NULL)
        return ERR_NOMEM;
    size_t n = 0;
    struct map_walk walk = {0};
    for (struct map_node *node; (node = map_each(objects, &walk)) != NULL;)
        sorted[n++] = CONTAINER_OF(node, struct recovered_object, by_number);
    qsort(sorted, n, sizeof(struct recovered_object *), restore_by_number);
    enum err e = OK;
    for (size_t i = 0; i < n && e == OK; i++)
        e = s->to->declared(s->to->arg, sorted[i]->number, sorted[i]->what);
    free(sorted);
    return e;
}

static enum err restore_queue(struct restore *s, struct recovered_queue *q)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n_entries; i++)
        if (q->entries[i].message != NULL)
            q->entries[n++] = q->entries[i];
    if (n != q->n_entries) {
        log_event(LOG_JOURNAL_DAMAGED, "queue=%llu messages=%zu what=lost",
                  (unsigned long long)q->number, q->n_entries - n);
        s->r->figures.n_messages_lost += q->n_entries - n;
    }
    struct recovered_message *messages = malloc((n + 1) * sizeof(*messages));
    if (messages == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        messages[i] = (struct recovered_message){q->entries[i].seq, q->entries[i].message};
    uint64_t flagged = s->r->figures.clean ? q->mark : q->last_seq;
    q->n_entries = 0; /* their references go */
    enum err e = s->to->queue(s->to->arg, q->number, messages, n, flagged, q->last_seq + 1);
    free(messages);
    return e;
}

static void restore_drop(struct restore *s)
{
    while (s->large != NULL)
        restore_large_free(s, s->large);
    struct map_walk walk = {0};
    for (struct map_node *n; (n = map_each(&s->r->queues, &walk)) != NULL;) {
        struct recovered_queue *q = CONTAINER_OF(n, struct recovered_queue, by_number);
        for (size_t i = 0; i < q->n_entries; i++)
            if (q->entries[i].message != NULL)
                s->to->drop(s->to->arg, q->entries[i].message);
        q->n_entries = 0;
    }
}

enum err recovery_restore(struct recovery *r, struct journal *j, const struct recovery_target *to)
{
    struct restore s = {.r = r, .to = to};
    to->last_object(to->arg, r->figures.last_object);
    enum err e = restore_objects(&s);
    if (e == OK)
        e = restore_messages(&s, j);
    struct map_walk walk = {0};
    for (struct map_node *n; e == OK && (n = map_each(&r->queues, &walk)) != NULL;)
        e = restore_queue(&s, CONTAINER_OF(n, struct recovered_queue, by_number));
    restore_drop(&s);
    return e;
}

/* ---- What later starts must know ---- */

static enum err note_add(struct batch *b, const struct entry *e)
{
    struct record r = {.kind = (uint8_t)e->kind, .body = {NULL, entry_size(e)}};
    uint8_t *body;
    if (batch_add(b, &r, &body) != OK)
        return ERR_NOMEM;
    (void)entry_put(body, e, NULL);
    return OK;
}

static enum err note_write(struct batch *b, struct writer *w)
{
    enum err e = b->count == 0 ? OK : writer_write_batch(w, b);
    batch_reset(b);
    return e;
}

enum err recovery_note(struct recovery *r, struct writer *w)
{
    enum { NOTES_MAX = 64 }; /* of a batch */
    struct batch b;
    struct map_walk walk = {0};
    batch_init(&b);
    enum err e = OK;
    if (r->figures.clean)
        e = note_add(&b, &(struct entry){.kind = RECORD_started});
    for (struct map_node *n; e == OK && (n = map_each(&r->groups, &walk)) != NULL;) {
        const struct recovered_group *g = CONTAINER_OF(n, struct recovered_group, by_number);
        if (recovery_is_dropped(r, g))
            e = note_add(&b, &(struct entry){.kind = RECORD_dropped, .group = g->number});
        if (e == OK && b.count == NOTES_MAX)
            e = note_write(&b, w);
    }
    if (e == OK)
        e = note_write(&b, w);
    batch_fini(&b);
    return e;
}
