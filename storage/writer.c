// SPDX-License-Identifier: Apache-2.0
#include "storage/writer.h"

#include <stdlib.h>

#include "base/bytes.h"

enum { CHUNK_BYTES = 1024 * 1024, CHUNKS_PER_BATCH_LEAST = 2, GROUPS_MIN = 8 };

void writer_init(struct writer *w, struct journal *j, struct env *env, message_parts_fn parts)
{
    *w = (struct writer){.journal = j, .env = env, .parts = parts, .oldest = journal_oldest(j)};
    batch_init(&w->batch);
}

void writer_fini(struct writer *w)
{
    batch_fini(&w->batch);
    free(w->groups);
}

size_t writer_chunk_bytes(const struct writer *w)
{
    size_t most = journal_batch_max(w->journal) / CHUNKS_PER_BATCH_LEAST;
    return most < CHUNK_BYTES ? most : CHUNK_BYTES;
}

/* ---- Groups ---- */

static struct writer_group *writer_group(const struct writer *w, uint64_t group)
{
    for (size_t i = 0; i < w->n_groups; i++)
        if (w->groups[i].group == group)
            return &w->groups[i];
    return NULL;
}

/* Makes the group known; its next record is about to be added. */
static enum err writer_enter_group(struct writer *w, uint64_t group, uint64_t lsn)
{
    if (writer_group(w, group) != NULL)
        return OK;
    if (w->n_groups == w->groups_capacity) {
        size_t capacity = w->groups_capacity == 0 ? GROUPS_MIN : 2 * w->groups_capacity;
        struct writer_group *groups = realloc(w->groups, capacity * sizeof(*groups));
        if (groups == NULL)
            return ERR_NOMEM;
        w->groups = groups;
        w->groups_capacity = capacity;
    }
    w->groups[w->n_groups++] = (struct writer_group){.group = group, .first_lsn = lsn};
    return OK;
}

/* The batch at hand is in this file. */
static void writer_settle_groups(struct writer *w, uint64_t file)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_groups; i++) {
        struct writer_group *g = &w->groups[i];
        if (g->file == 0)
            g->file = file;
        g->n_batch = 0;
        if (!g->over)
            w->groups[n++] = *g;
    }
    w->n_groups = n;
}

uint64_t writer_oldest_group(const struct writer *w)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < w->n_groups; i++)
        if (w->groups[i].file != 0 && w->groups[i].file < oldest)
            oldest = w->groups[i].file;
    return oldest;
}

uint64_t writer_first_open(const struct writer *w)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < w->n_groups; i++)
        if (w->groups[i].first_lsn < first)
            first = w->groups[i].first_lsn;
    return first;
}

bool writer_is_between(const struct writer *w)
{
    return w->batch.count == 0;
}

/* ---- Filling ---- */

static struct record writer_record(const struct entry *e, uint64_t time_ns)
{
    return (struct record){.kind = (uint8_t)e->kind,
                           .in_group = e->in_group,
                           .group = e->group,
                           .time_ns = time_ns,
                           .body = {NULL, entry_size(e)}};
}

/* Adds a record. ERR_FULL when the batch has no room for it; `*bytes` is where e->bytes go. */
static enum err writer_add(struct writer *w, const struct entry *e,
                           const struct store_target *targets, uint64_t time_ns, uint8_t **bytes)
{
    struct record r = writer_record(e, time_ns);
    if (batch_bytes_with(&w->batch, &r) > journal_batch_max(w->journal)) {
        ASSERT(w->batch.count != 0); /* no record is larger than a batch */
        return ERR_FULL;
    }
    uint64_t lsn = journal_durable_lsn(w->journal) + 1 + w->batch.count;
    uint8_t *body;
    if ((e->in_group && writer_enter_group(w, e->group, lsn) != OK) ||
        batch_add(&w->batch, &r, &body) != OK)
        return ERR_NOMEM;
    if (e->in_group && e->kind != RECORD_chunk) {
        writer_group(w, e->group)->n++;
        writer_group(w, e->group)->n_batch++;
    }
    *bytes = entry_put(body, e, targets);
    return OK;
}

/* The next record of a publish: a chunk, or the last part of the message. */
static enum err writer_add_publish(struct writer *w, const struct parcel *p,
                                   const struct parcel_entry *pe, uint64_t time_ns, bool *done)
{
    struct message_parts m;
    const struct store_target *targets = parcel_targets(p, pe);
    size_t most = writer_chunk_bytes(w);
    w->parts(pe->with.message, &m);
    size_t size = message_parts_size(&m);
    uint32_t n_chunks = size == 0 ? 0 : (uint32_t)((size - 1) / most);
    size_t from = (size_t)w->chunk * most;
    *done = w->chunk == n_chunks;
    struct entry e = {.kind = *done ? RECORD_publish : RECORD_chunk,
                      .in_group = pe->group != 0,
                      .group = pe->group,
                      .n = pe->n,
                      .n_chunks = n_chunks,
                      .chunk = w->chunk,
                      .name = targets[0],
                      .bytes = {NULL, *done ? size - from : most}};
    uint8_t *bytes;
    enum err err = writer_add(w, &e, targets, time_ns, &bytes);
    if (err != OK)
        return err;
    message_parts_copy(&m, from, e.bytes.size, bytes);
    w->chunk = *done ? 0 : w->chunk + 1;
    return OK;
}

/* A commit says where the group began and what belongs to it; one of nothing says nothing. */
static enum err writer_add_commit(struct writer *w, const struct parcel_entry *pe, uint64_t time_ns)
{
    struct writer_group *g = writer_group(w, pe->group);
    if (g == NULL)
        return OK;
    struct entry e = {
        .kind = RECORD_commit, .group = pe->group, .first_lsn = g->first_lsn, .n = g->n};
    uint8_t *bytes;
    enum err err = writer_add(w, &e, NULL, time_ns, &bytes);
    if (err == OK)
        g->over = true;
    return err;
}

static enum err writer_add_declared(struct writer *w, const struct parcel *p,
                                    const struct parcel_entry *pe, uint64_t time_ns)
{
    struct span what = span_of(buf_span(&p->bytes).at + pe->at, pe->n);
    struct entry e = {.kind = RECORD_declared, .object = pe->with.object, .bytes = what};
    uint8_t *bytes;
    enum err err = writer_add(w, &e, NULL, time_ns, &bytes);
    if (err == OK)
        put_bytes(bytes, what);
    return err;
}

/* Settlements that are next to each other, of one queue and outside of groups, are one record. */
static enum err writer_add_settle(struct writer *w, const struct parcel *p, uint64_t time_ns,
                                  size_t *n)
{
    enum { RANGES_MAX = 256 };
    struct store_target ranges[RANGES_MAX];
    const struct parcel_entry *first = &p->entries[w->at];
    *n = 0;
    do {
        const struct parcel_entry *pe = &p->entries[w->at + *n];
        ranges[(*n)++] = (struct store_target){pe->target.seq, pe->with.last};
    } while (first->group == 0 && *n < RANGES_MAX && w->at + *n < p->n &&
             p->entries[w->at + *n].kind == PARCEL_SETTLE && p->entries[w->at + *n].group == 0 &&
             p->entries[w->at + *n].target.queue == first->target.queue);
    struct entry e = {.kind = RECORD_settle,
                      .in_group = first->group != 0,
                      .group = first->group,
                      .target = {first->target.queue, 0},
                      .n = (uint32_t)*n};
    uint8_t *bytes;
    return writer_add(w, &e, ranges, time_ns, &bytes);
}

static enum err writer_add_small(struct writer *w, const struct entry *e, uint64_t time_ns)
{
    uint8_t *bytes;
    return writer_add(w, e, NULL, time_ns, &bytes);
}

/* The entry at hand, or a part of it. */
static enum err writer_add_next(struct writer *w, const struct parcel *p, uint64_t time_ns)
{
    const struct parcel_entry *pe = &p->entries[w->at];
    enum err e = OK;
    bool done = true;
    size_t n = 1;
    switch (pe->kind) {
    case PARCEL_LEFT_OUT: break;
    case PARCEL_PUBLISH: e = writer_add_publish(w, p, pe, time_ns, &done); break;
    case PARCEL_SETTLE: e = writer_add_settle(w, p, time_ns, &n); break;
    case PARCEL_MARK:
        e = writer_add_small(w, &(struct entry){.kind = RECORD_mark, .target = pe->target},
                             time_ns);
        break;
    case PARCEL_DECLARED: e = writer_add_declared(w, p, pe, time_ns); break;
    case PARCEL_UNDECLARED:
        e = writer_add_small(w, &(struct entry){.kind = RECORD_undeclared, .object = pe->object},
                             time_ns);
        break;
    case PARCEL_COMMIT: e = writer_add_commit(w, pe, time_ns); break;
    case PARCEL_STOPPED:
        e = writer_add_small(w, &(struct entry){.kind = RECORD_stopped}, time_ns);
        break;
    }
    if (e == OK && done)
        w->at += n;
    return e;
}

/* ---- Writing ---- */

enum err writer_let_go(struct writer *w)
{
    struct batch empty;
    batch_init(&empty);
    enum err e = writer_write_batch(w, &empty);
    batch_fini(&empty);
    return e;
}

enum err writer_write_batch(struct writer *w, struct batch *b)
{
    struct journal_place place;
    uint32_t count = b->count;
    size_t bytes = batch_bytes(b);
    enum err e = journal_write(w->journal, b, w->oldest, env_wall_ns(w->env), &place);
    if (e != OK)
        return e;
    writer_settle_groups(w, place.file);
    w->n_batches++;
    w->n_records += count;
    w->n_bytes += bytes;
    return OK;
}

/* The batch at hand cannot be written yet: what it has is filled anew later, for others may write
 * in between, and LSNs are told in it. */
static void writer_take_back(struct writer *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_groups; i++) {
        struct writer_group *g = &w->groups[i];
        g->n -= g->n_batch;
        g->n_batch = 0;
        g->over = false;
        if (g->file != 0)
            w->groups[n++] = *g;
    }
    w->n_groups = n;
    w->at = w->began_at;
    w->chunk = w->began_chunk;
    w->filled = false;
    batch_reset(&w->batch);
}

enum err writer_write(struct writer *w, const struct parcel *p)
{
    uint64_t time_ns = env_wall_ns(w->env);
    for (;;) {
        enum err e = OK;
        if (w->batch.count == 0) {
            w->began_at = w->at;
            w->began_chunk = w->chunk;
        }
        while (!w->filled && e == OK && w->at < p->n)
            e = writer_add_next(w, p, time_ns);
        if (e == ERR_NOMEM)
            return e;
        if (w->batch.count == 0 && p->n != 0)
            break;
        w->filled = true;
        e = journal_spare_room(w->journal, batch_bytes(&w->batch));
        if (e != ERR_FULL)
            e = writer_write_batch(w, &w->batch);
        if (e == ERR_FULL)
            writer_take_back(w);
        if (e == ERR_FULL && p->n == 0)
            return OK; /* nobody needs it */
        if (e != OK)
            return e;
        batch_reset(&w->batch);
        w->filled = false;
        if (w->at == p->n)
            break;
    }
    w->at = 0;
    if (p->number != 0)
        w->last_parcel = p->number;
    return OK;
}
