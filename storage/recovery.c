// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/log.h"
#include "storage/recovery_priv.h"

enum { ARRAY_MIN = 8 };

static void recovery_raise(uint64_t *most, uint64_t to)
{
    if (to > *most)
        *most = to;
}

/* ---- Things by number ---- */

static uint64_t recovery_hash(uint64_t number)
{
    return number * UINT64_C(0x9e3779b97f4a7c15);
}

/* Room for one more; NULL when memory is out. */
static void *recovery_grow(void *array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return array;
    size_t more = *capacity == 0 ? ARRAY_MIN : 2 * *capacity;
    void *grown = realloc(array, more * size);
    if (grown != NULL)
        *capacity = more;
    return grown;
}

struct recovered_queue *recovery_queue(struct recovery *r, uint64_t number)
{
    if (r->last_queue != NULL && r->last_queue->number == number)
        return r->last_queue;
    struct map_node *n = map_find(&r->queues, recovery_hash(number));
    for (; n != NULL; n = map_find_next(n)) {
        struct recovered_queue *q = CONTAINER_OF(n, struct recovered_queue, by_number);
        if (q->number != number)
            continue;
        r->last_queue = q;
        return q;
    }
    return NULL;
}

static struct recovered_queue *recovery_make_queue(struct recovery *r, uint64_t number)
{
    struct recovered_queue *q = recovery_queue(r, number);
    if (q != NULL)
        return q;
    q = calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    q->number = number;
    recovery_raise(&r->figures.last_object, number);
    map_insert(&r->queues, &q->by_number, recovery_hash(number));
    return q;
}

static struct recovered_object *recovery_object(struct recovery *r, uint64_t number)
{
    struct map_node *n = map_find(&r->objects, recovery_hash(number));
    for (; n != NULL; n = map_find_next(n)) {
        struct recovered_object *o = CONTAINER_OF(n, struct recovered_object, by_number);
        if (o->number == number)
            return o;
    }
    return NULL;
}

static struct recovered_group *recovery_group(struct recovery *r, uint64_t number)
{
    if (r->last_group != NULL && r->last_group->number == number)
        return r->last_group;
    struct map_node *n = map_find(&r->groups, recovery_hash(number));
    for (; n != NULL; n = map_find_next(n)) {
        struct recovered_group *g = CONTAINER_OF(n, struct recovered_group, by_number);
        if (g->number != number)
            continue;
        r->last_group = g;
        return g;
    }
    return NULL;
}

static struct recovered_group *recovery_make_group(struct recovery *r, uint64_t number)
{
    struct recovered_group *g = recovery_group(r, number);
    if (g != NULL)
        return g;
    g = calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    g->number = number;
    recovery_raise(&r->figures.last_group, number);
    map_insert(&r->groups, &g->by_number, recovery_hash(number));
    return g;
}

/* ---- Records, the first time ---- */

/* A seq that any record tells is never given out again: not even that of a chunk whose publish is
 * missing, or of a name, which what is left of a message is found by. */
static enum err recovery_see_seq(struct recovery *r, struct store_target t)
{
    struct recovered_queue *q = recovery_make_queue(r, t.queue);
    if (q == NULL)
        return ERR_NOMEM;
    recovery_raise(&q->last_seq, t.seq);
    return OK;
}

static enum err recovery_chunk(struct recovery *r, const struct entry *e)
{
    enum err err = recovery_see_seq(r, e->name);
    for (uint32_t i = 0; i < e->n && err == OK; i++)
        err = recovery_see_seq(r, entry_pair(e, i));
    return err;
}

static enum err recovery_publish(struct recovery *r, const struct entry *e)
{
    for (uint32_t i = 0; i < e->n; i++) {
        struct store_target t = entry_pair(e, i);
        struct recovered_queue *q = recovery_make_queue(r, t.queue);
        struct recovered_entry *entries;
        if (q == NULL || (entries = recovery_grow(q->entries, q->n_entries, &q->entries_capacity,
                                                  sizeof(*entries))) == NULL)
            return ERR_NOMEM;
        q->entries = entries;
        entries[q->n_entries++] = (struct recovered_entry){t.seq, {e->group}};
        recovery_raise(&q->last_seq, t.seq);
    }
    return e->n_chunks == 0 ? OK : recovery_see_seq(r, e->name);
}

static enum err recovery_settle(struct recovery *r, const struct entry *e)
{
    struct recovered_queue *q = recovery_make_queue(r, e->target.queue);
    if (q == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < e->n; i++) {
        struct store_target pair = entry_pair(e, i);
        struct recovered_range range = {pair.queue, pair.seq, e->group};
        struct recovered_range *last = q->n_settled == 0 ? NULL : &q->settled[q->n_settled - 1];
        recovery_raise(&q->last_seq, range.last);
        if (last != NULL && last->group == range.group && range.first == last->last + 1) {
            last->last = range.last;
            continue;
        }
        struct recovered_range *settled = recovery_grow(q->settled, q->n_settled,
                                                        &q->settled_capacity, sizeof(*settled));
        if (settled == NULL)
            return ERR_NOMEM;
        q->settled = settled;
        settled[q->n_settled++] = range;
    }
    return OK;
}

static enum err recovery_mark(struct recovery *r, const struct entry *e)
{
    struct recovered_queue *q = recovery_make_queue(r, e->target.queue);
    if (q == NULL)
        return ERR_NOMEM;
    recovery_raise(&q->mark, e->target.seq);
    recovery_raise(&q->last_seq, e->target.seq);
    return OK;
}

static enum err recovery_declared(struct recovery *r, const struct entry *e)
{
    recovery_raise(&r->figures.last_object, e->object);
    if (recovery_object(r, e->object) != NULL)
        return OK; /* written again */
    struct recovered_object *o = malloc(sizeof(*o));
    struct span what = span_dup(e->bytes);
    if (o == NULL || what.at == NULL) {
        free(o);
        free((void *)(uintptr_t)what.at);
        return ERR_NOMEM;
    }
    o->number = e->object;
    o->what = what;
    map_insert(&r->objects, &o->by_number, recovery_hash(o->number));
    return OK;
}

static void recovery_undeclared(struct recovery *r, uint64_t number)
{
    recovery_raise(&r->figures.last_object, number);
    struct recovered_object *o = recovery_object(r, number);
    if (o == NULL)
        return;
    map_remove(&r->objects, &o->by_number);
    free((void *)(uintptr_t)o->what.at);
    free(o);
}

static enum err recovery_commit(struct recovery *r, const struct entry *e)
{
    struct recovered_group *g = recovery_make_group(r, e->group);
    if (g == NULL)
        return ERR_NOMEM;
    g->committed = true;
    g->n_wanted = e->n;
    g->first_lsn = e->first_lsn;
    return OK;
}

static enum err recovery_dropped(struct recovery *r, const struct entry *e)
{
    struct recovered_group *g = recovery_make_group(r, e->group);
    if (g == NULL)
        return ERR_NOMEM;
    g->dropped = true;
    return OK;
}

static enum err recovery_entry(struct recovery *r, const struct entry *e)
{
    switch (e->kind) {
    case RECORD_publish: return recovery_publish(r, e);
    case RECORD_settle: return recovery_settle(r, e);
    case RECORD_mark: return recovery_mark(r, e);
    case RECORD_declared: return recovery_declared(r, e);
    case RECORD_undeclared: recovery_undeclared(r, e->object); return OK;
    case RECORD_commit: return recovery_commit(r, e);
    case RECORD_stopped: r->figures.clean = true; return OK;
    case RECORD_dropped: return recovery_dropped(r, e);
    case RECORD_chunk: return recovery_chunk(r, e);
    case RECORD_started:
    case RECORD_segment:
    case RECORD_snapshot:
    case RECORD_settled_log:
    case RECORD_message:
    case RECORD_part:
    case RECORD_reference: break;
    }
    return OK;
}

static enum err recovery_record(void *arg, uint64_t lsn, struct journal_place place,
                                const struct record *record)
{
    struct recovery *r = arg;
    struct entry e;
    r->figures.n_records++;
    if (r->first_lsn == 0)
        r->first_lsn = lsn;
    r->figures.clean = false;
    if (!entry_read(record, &e)) {
        log_event(LOG_JOURNAL_DAMAGED, "file=%llu lsn=%llu records=1 what=unknown",
                  (unsigned long long)place.file, (unsigned long long)lsn);
        r->figures.n_lost++;
        return OK;
    }
    if (e.in_group) {
        struct recovered_group *g = recovery_make_group(r, e.group);
        if (g == NULL)
            return ERR_NOMEM;
        g->n_seen += e.kind != RECORD_chunk;
    }
    return recovery_entry(r, &e);
}

static void recovery_damaged(void *arg, uint64_t lsn, uint64_t n, uint64_t file)
{
    struct recovery *r = arg;
    (void)file;
    if (r->first_lsn == 0)
        r->first_lsn = lsn;
    r->figures.n_lost += n;
    r->figures.clean = false;
}

/* ---- What is live ---- */

/* A committed group of which something is missing does not count, unless what is missing lay in
 * files that are no longer needed. */
static bool recovery_counts(struct recovery *r, uint64_t group)
{
    if (group == 0)
        return true;
    const struct recovered_group *g = recovery_group(r, group);
    return g->committed && !g->dropped && (g->n_seen == g->n_wanted || g->first_lsn < r->first_lsn);
}

static int recovery_by_seq(const void *a, const void *b)
{
    uint64_t x = ((const struct recovered_entry *)a)->seq;
    uint64_t y = ((const struct recovered_entry *)b)->seq;
    return x < y ? -1 : x > y;
}

static int recovery_by_first(const void *a, const void *b)
{
    uint64_t x = ((const struct recovered_range *)a)->first;
    uint64_t y = ((const struct recovered_range *)b)->first;
    return x < y ? -1 : x > y;
}

/* Both are in order: takes what is settled out of the entries, and what is there twice. */
static void recovery_sweep(struct recovered_queue *q)
{
    size_t n = 0;
    size_t s = 0;
    uint64_t settled_to = 0; /* and from the first range on that reaches so far */
    bool any = false;
    for (size_t i = 0; i < q->n_entries; i++) {
        uint64_t seq = q->entries[i].seq;
        for (; s < q->n_settled && q->settled[s].first <= seq; s++) {
            recovery_raise(&settled_to, q->settled[s].last);
            any = true;
        }
        bool again = n != 0 && q->entries[n - 1].seq == seq;
        if (!again && !(any && seq <= settled_to))
            q->entries[n++] = (struct recovered_entry){.seq = seq, .message = NULL};
    }
    q->n_entries = n;
}

static void recovery_find_live(struct recovery *r, struct recovered_queue *q)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n_entries; i++)
        if (recovery_counts(r, q->entries[i].group))
            q->entries[n++] = q->entries[i];
    q->n_entries = n;
    n = 0;
    for (size_t i = 0; i < q->n_settled; i++)
        if (recovery_counts(r, q->settled[i].group))
            q->settled[n++] = q->settled[i];
    q->n_settled = n;
    if (recovery_object(r, q->number) == NULL)
        q->n_entries = 0; /* its messages went with it */
    if (q->n_entries != 0)
        qsort(q->entries, q->n_entries, sizeof(*q->entries), recovery_by_seq);
    if (q->n_settled != 0)
        qsort(q->settled, q->n_settled, sizeof(*q->settled), recovery_by_first);
    recovery_sweep(q);
    free(q->settled);
    q->settled = NULL;
}

bool recovery_is_dropped(struct recovery *r, const struct recovered_group *g)
{
    return g->committed && !g->dropped && !recovery_counts(r, g->number);
}

static void recovery_count_groups(struct recovery *r)
{
    struct map_walk walk = {0};
    for (struct map_node *n; (n = map_each(&r->groups, &walk)) != NULL;) {
        const struct recovered_group *g = CONTAINER_OF(n, struct recovered_group, by_number);
        r->figures.n_groups_dropped += recovery_is_dropped(r, g);
    }
}

/* ---- Life ---- */

enum err recovery_begin(struct recovery **out, struct journal **journal,
                        const struct journal_options *options)
{
    *out = NULL;
    struct recovery *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_NOMEM;
    map_init(&r->queues);
    map_init(&r->objects);
    map_init(&r->groups);
    struct journal_visitor visitor = {recovery_record, recovery_damaged, r};
    enum err e = journal_open(journal, options, &visitor);
    if (e != OK) {
        recovery_free(r);
        return e;
    }
    recovery_count_groups(r);
    struct map_walk walk = {0};
    for (struct map_node *n; (n = map_each(&r->queues, &walk)) != NULL;)
        recovery_find_live(r, CONTAINER_OF(n, struct recovered_queue, by_number));
    *out = r;
    return OK;
}

const struct recovery_figures *recovery_figures(const struct recovery *r)
{
    return &r->figures;
}

void recovery_free(struct recovery *r)
{
    if (r == NULL)
        return;
    struct map_walk walk = {0};
    for (struct map_node *n; (n = map_each(&r->queues, &walk)) != NULL;) {
        struct recovered_queue *q = CONTAINER_OF(n, struct recovered_queue, by_number);
        free(q->entries);
        free(q->settled);
        free(q);
    }
    walk = (struct map_walk){0};
    for (struct map_node *n; (n = map_each(&r->objects, &walk)) != NULL;) {
        struct recovered_object *o = CONTAINER_OF(n, struct recovered_object, by_number);
        free((void *)(uintptr_t)o->what.at);
        free(o);
    }
    walk = (struct map_walk){0};
    for (struct map_node *n; (n = map_each(&r->groups, &walk)) != NULL;)
        free(CONTAINER_OF(n, struct recovered_group, by_number));
    map_fini(&r->queues);
    map_fini(&r->objects);
    map_fini(&r->groups);
    free(r);
}
