// SPDX-License-Identifier: Apache-2.0
#include "broker/core/queue.h"

#include <stdlib.h>

#include "base/limits.h"
#include "broker/core/catalogue.h"
#include "broker/core/core.h"
#include "broker/core/hold.h"
#include "broker/core/messages.h"
#include "broker/core/pacing.h"
#include "broker/core/route.h"
#include "broker/core/vhost.h"

enum {
    QUEUE_LEVELS_PER_STEP = 16, /* priorities that a step of a turn's work walks past */
    QUEUE_CHECKS_MAX = 8,       /* consumers that a publish tries before it goes to the backlog */
};

/* What a purge took away, until it is freed. */
struct queue_garbage {
    struct list in_core;
    struct slot_id queue;
    struct fifo ready;
    struct queue_entry *returned;
    size_t n_returned;
};

static struct consumer *queue_first_ready(struct queue *q);

/* ---- Life ---- */

static void queue_free_now(struct queue *q)
{
    slots_remove(&q->core->queues, q->id);
    fifo_fini(&q->ready);
    seqset_fini(&q->stored);
    free(q->returned);
    free((void *)(uintptr_t)q->name.at);
    free((void *)(uintptr_t)q->arguments.at);
    free(q);
}

/* Numbers are ours: nobody chooses them to collide. */
static uint64_t queue_number_hash(uint64_t number)
{
    return number * UINT64_C(0x9e3779b97f4a7c15);
}

enum err queue_new(struct queue **out, struct core *core, struct vhost *vhost,
                   const struct amqp_queue_declare *m, struct session *owner, uint64_t number)
{
    *out = NULL;
    struct queue *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return ERR_NOMEM;
    q->name = span_dup(m->queue);
    q->arguments = span_dup(m->arguments);
    if (q->name.at == NULL || q->arguments.at == NULL ||
        slots_add(&core->queues, q, &q->id) != OK) {
        free((void *)(uintptr_t)q->name.at);
        free((void *)(uintptr_t)q->arguments.at);
        free(q);
        return ERR_NOMEM;
    }
    q->number = number;
    q->core = core;
    q->vhost = vhost;
    q->durable = m->durable && !m->exclusive;
    q->auto_delete = m->auto_delete;
    q->exclusive = m->exclusive;
    q->next_seq = 1;
    fifo_init(&q->ready, sizeof(struct queue_entry));
    seqset_init(&q->stored);
    list_init(&q->in_owner);
    list_init(&q->holds);
    list_init(&q->consumers);
    list_init(&q->levels);
    list_init(&q->ready_levels);
    list_init(&q->active);
    list_init(&q->bindings);
    list_init(&q->throttled);
    if (m->exclusive) {
        q->owner = owner;
        list_push_back(&owner->exclusive_queues, &q->in_owner);
    }
    map_insert(&vhost->queues, &q->by_name, map_hash(vhost->hash_seed, q->name));
    if (q->durable)
        map_insert(&core->durable_queues, &q->by_number, queue_number_hash(number));
    vhost->routing_epoch++;
    *out = q;
    return OK;
}

struct queue *queue_by_number(const struct core *core, uint64_t number)
{
    struct map_node *n = map_find(&core->durable_queues, queue_number_hash(number));
    for (; n != NULL; n = map_find_next(n)) {
        struct queue *q = CONTAINER_OF(n, struct queue, by_number);
        if (q->number == number)
            return q;
    }
    return NULL;
}

/* What others can see of a deleted queue: its consumers, and its bindings, with which an
 * auto-delete exchange may go. */
static bool queue_detach_some(struct queue *q, unsigned *work)
{
    for (struct list *node; *work != 0 && (node = list_first(&q->consumers)) != NULL; --*work) {
        struct consumer *c = CONTAINER_OF(node, struct consumer, in_queue);
        consumer_notify_cancel(c);
        consumer_cancel(c);
    }
    return list_empty(&q->consumers) && binding_remove_some(q, work);
}

void queue_delete(struct queue *q)
{
    ASSERT(!q->deleted);
    q->deleted = true;
    catalogue_forget_queue(q);
    map_remove(&q->vhost->queues, &q->by_name);
    if (q->durable)
        map_remove(&q->core->durable_queues, &q->by_number);
    q->vhost->routing_epoch++;
    list_remove(&q->in_owner);
    q->owner = NULL;
    pacing_let_go(q);
    list_remove(&q->active);
    list_push_back(&q->core->dead_queues, &q->active);
    (void)queue_detach_some(q, &q->core->work);
}

static void queue_drop(struct core *core, struct message *m)
{
    message_unref(core, m);
    core->message_bytes -= QUEUE_ENTRY_BYTES;
}

static bool queue_drop_ready_some(struct core *core, struct fifo *ready, unsigned *work)
{
    for (; *work != 0 && ready->n != 0; --*work) {
        queue_drop(core, ((struct queue_entry *)fifo_front(ready))->message);
        fifo_pop(ready);
    }
    return ready->n == 0;
}

static bool queue_drop_returned_some(struct queue *q, unsigned *work)
{
    for (; *work != 0 && q->n_returned != 0; --*work)
        queue_drop(q->core, q->returned[--q->n_returned].message);
    return q->n_returned == 0;
}

bool queue_empty_some(struct queue *q, unsigned *work)
{
    if (!queue_detach_some(q, work) || !hold_forget_some(q, work) || !pacing_let_go_some(q, work) ||
        !queue_drop_ready_some(q->core, &q->ready, work) || !queue_drop_returned_some(q, work))
        return false;
    list_remove(&q->active);
    if (q->n_unsettled == 0)
        queue_free_now(q);
    return true;
}

/* Tells the store of a purge: at once of all that are ready, and of those that came back if nothing
 * is unsettled that would lie between them. Otherwise these follow one by one (garbage_free_some).
 */
static void queue_purged(struct queue *q)
{
    if (q->stored.n == 0)
        return;
    const struct queue_entry *first = fifo_front(&q->ready);
    uint64_t from = q->n_unsettled == 0 ? 0 : first == NULL ? q->next_seq : first->seq;
    if (from == q->next_seq)
        return;
    store_settle_range(q->core->options.store, q->number, from, q->next_seq - 1);
    seqset_remove_range(&q->stored, from, q->next_seq - 1);
}

enum err queue_purge(struct queue *q, size_t *n)
{
    *n = queue_n_ready(q);
    if (*n == 0)
        return OK;
    struct queue_garbage *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return ERR_NOMEM;
    g->queue = q->id;
    queue_purged(q);
    fifo_init(&g->ready, sizeof(struct queue_entry));
    fifo_move(&g->ready, &q->ready);
    g->returned = q->returned;
    g->n_returned = q->n_returned;
    q->returned = NULL;
    q->n_returned = 0;
    q->returned_capacity = 0;
    list_push_back(&q->core->garbage, &g->in_core);
    pacing_let_go(q);
    return OK;
}

static bool garbage_drop_returned(struct core *core, struct queue_garbage *g, unsigned *work)
{
    struct queue *q = slots_at(&core->queues, g->queue);
    for (; *work != 0 && g->n_returned != 0; --*work) {
        struct queue_entry *e = &g->returned[--g->n_returned];
        if (q != NULL && !q->deleted)
            queue_tell_settled(q, e->message, e->seq, 0);
        queue_drop(core, e->message);
    }
    return g->n_returned == 0;
}

bool garbage_free_some(struct core *core, unsigned *work)
{
    for (struct list *node; (node = list_first(&core->garbage)) != NULL;) {
        struct queue_garbage *g = CONTAINER_OF(node, struct queue_garbage, in_core);
        if (!queue_drop_ready_some(core, &g->ready, work) || !garbage_drop_returned(core, g, work))
            return false;
        list_remove(&g->in_core);
        fifo_fini(&g->ready);
        free(g->returned);
        free(g);
    }
    return true;
}

/* ---- Messages ---- */

size_t queue_n_ready(const struct queue *q)
{
    return q->ready.n + q->n_returned;
}

bool queue_stores(const struct queue *q, const struct message *m)
{
    return q->durable && m->persistent;
}

enum err queue_admit(struct queue *q, const struct message *m, uint64_t *seq)
{
    if (fifo_reserve(&q->ready) != OK ||
        (queue_stores(q, m) && seqset_add(&q->stored, q->next_seq) != OK))
        return ERR_NOMEM;
    *seq = q->next_seq;
    return OK;
}

void queue_refuse(struct queue *q, const struct message *m, uint64_t seq)
{
    if (queue_stores(q, m))
        (void)seqset_remove(&q->stored, seq);
}

void queue_tell_settled(struct queue *q, const struct message *m, uint64_t seq, uint64_t group)
{
    if (queue_stores(q, m) && seqset_remove(&q->stored, seq))
        store_settle(q->core->options.store, (struct store_target){q->number, seq}, m->token,
                     group);
}

/* There is room. */
static void queue_append(struct queue *q, struct message *m, uint64_t seq)
{
    struct queue_entry *place = fifo_push(&q->ready);
    ASSERT(place != NULL);
    *place = (struct queue_entry){seq, m};
    q->next_seq = seq + 1;
    q->core->message_bytes += QUEUE_ENTRY_BYTES;
}

void queue_push(struct queue *q, struct message *m)
{
    if (queue_n_ready(q) == 0 && list_empty(&q->holds)) {
        struct consumer *c;
        for (unsigned n = 0; n < QUEUE_CHECKS_MAX && (c = queue_first_ready(q)) != NULL; n++) {
            if (!consumer_check_ready(c)) {
                core_count(q->core, 1);
                continue;
            }
            if (!output_ring_has_room(c->channel->session) ||
                consumer_deliver(c, q, m, q->next_seq, false) != OK)
                break;
            q->next_seq++;
            return;
        }
    }
    queue_append(q, m, q->next_seq);
    queue_activate(q);
}

enum err queue_restore(struct queue *q, struct message *m, uint64_t seq)
{
    ASSERT(seq >= q->next_seq);
    if (fifo_reserve(&q->ready) != OK || seqset_add(&q->stored, seq) != OK)
        return ERR_NOMEM;
    queue_append(q, m, seq);
    return OK;
}

static void queue_returned_sift_down(struct queue *q, struct queue_entry item)
{
    size_t i = 0;
    for (;;) {
        size_t child = i * 2 + 1;
        if (child >= q->n_returned)
            break;
        if (child + 1 < q->n_returned && q->returned[child + 1].seq < q->returned[child].seq)
            child++;
        if (item.seq <= q->returned[child].seq)
            break;
        q->returned[i] = q->returned[child];
        i = child;
    }
    q->returned[i] = item;
}

/* Looks at the next message without taking it. */
static struct message *queue_peek(const struct queue *q, uint64_t *seq, bool *redelivered)
{
    *redelivered = q->n_returned != 0;
    if (q->n_returned != 0) {
        *seq = q->returned[0].seq;
        return q->returned[0].message;
    }
    if (q->ready.n == 0)
        return NULL;
    const struct queue_entry *first = fifo_front(&q->ready);
    *seq = first->seq;
    *redelivered = first->seq <= q->flagged_seq;
    return first->message;
}

/* Gives memory back as the heap empties. */
static void queue_returned_shrink(struct queue *q)
{
    if (q->returned_capacity < 64 || q->n_returned > q->returned_capacity / 4)
        return;
    size_t capacity = q->returned_capacity / 2;
    struct queue_entry *r = realloc(q->returned, capacity * sizeof(*r));
    if (r == NULL)
        return;
    q->returned = r;
    q->returned_capacity = capacity;
}

/* Forgets what queue_peek showed. */
static void queue_skip(struct queue *q)
{
    q->core->message_bytes -= QUEUE_ENTRY_BYTES;
    q->taken_ns = q->core->now_ns;
    if (q->n_returned == 0) {
        fifo_pop(&q->ready);
    } else {
        if (--q->n_returned != 0)
            queue_returned_sift_down(q, q->returned[q->n_returned]);
        queue_returned_shrink(q);
    }
    if (!list_empty(&q->throttled))
        pacing_taken(q);
}

struct message *queue_take(struct queue *q, uint64_t *seq, bool *redelivered)
{
    struct message *m = queue_peek(q, seq, redelivered);
    if (m == NULL)
        return NULL;
    queue_skip(q);
    q->n_unsettled++;
    return m;
}

enum err queue_return(struct queue *q, struct message *m, uint64_t seq)
{
    ASSERT(q->n_unsettled != 0 && seq < q->next_seq);
    if (q->n_returned == q->returned_capacity) {
        size_t capacity = q->returned_capacity == 0 ? 8 : q->returned_capacity * 2;
        struct queue_entry *r = realloc(q->returned, capacity * sizeof(*r));
        if (r == NULL)
            return ERR_NOMEM;
        q->returned = r;
        q->returned_capacity = capacity;
    }
    size_t i = q->n_returned++;
    for (; i > 0 && q->returned[(i - 1) / 2].seq > seq; i = (i - 1) / 2)
        q->returned[i] = q->returned[(i - 1) / 2];
    q->returned[i] = (struct queue_entry){seq, m};
    q->core->message_bytes += QUEUE_ENTRY_BYTES;
    q->n_unsettled--;
    queue_activate(q);
    q->core->returned = true;
    return OK;
}

void queue_settled(struct queue *q, struct message *m, uint64_t seq, uint64_t group)
{
    ASSERT(q->n_unsettled != 0);
    if (!q->deleted)
        queue_tell_settled(q, m, seq, group);
    message_unref(q->core, m);
    q->n_unsettled--;
    if (q->n_unsettled == 0 && q->deleted && !list_linked(&q->active))
        queue_free_now(q);
}

/* ---- Messages and consumers ---- */

struct queue_level *queue_join_level(struct queue *q, int32_t priority)
{
    size_t passed = 0;
    struct list *at = q->levels.next;
    struct queue_level *level = NULL;
    for (; at != &q->levels; at = at->next, passed++) {
        struct queue_level *l = CONTAINER_OF(at, struct queue_level, in_queue);
        if (l->priority > priority)
            continue;
        level = l;
        break;
    }
    core_count(q->core, passed / QUEUE_LEVELS_PER_STEP);
    if (level == NULL || level->priority != priority) {
        level = calloc(1, sizeof(*level));
        if (level == NULL)
            return NULL;
        level->priority = priority;
        list_init(&level->in_queue);
        list_init(&level->in_ready);
        list_init(&level->ready);
        list_insert_before(at, &level->in_queue);
    }
    level->n_consumers++;
    return level;
}

void queue_leave_level(struct queue_level *level)
{
    if (--level->n_consumers != 0)
        return;
    list_remove(&level->in_queue);
    list_remove(&level->in_ready);
    free(level);
}

/* The one whose turn it is; NULL when nobody is ready. Levels that have become empty are noticed
 * here alone: a consumer leaves its level without a word. */
static struct consumer *queue_first_ready(struct queue *q)
{
    for (struct list *node; (node = list_first(&q->ready_levels)) != NULL; list_remove(node)) {
        struct list *first = list_first(&CONTAINER_OF(node, struct queue_level, in_ready)->ready);
        if (first != NULL)
            return CONTAINER_OF(first, struct consumer, in_wait);
    }
    return NULL;
}

static void queue_level_ready(struct queue *q, struct queue_level *level)
{
    size_t passed = 0;
    struct list *at = &q->ready_levels;
    for (; at->prev != &q->ready_levels &&
           CONTAINER_OF(at->prev, struct queue_level, in_ready)->priority < level->priority;
         at = at->prev)
        passed++;
    core_count(q->core, passed / QUEUE_LEVELS_PER_STEP);
    list_insert_before(at, &level->in_ready);
}

void queue_add_ready(struct queue *q, struct consumer *c)
{
    struct queue_level *level = c->level;
    if (!list_linked(&level->in_ready))
        queue_level_ready(q, level);
    list_push_back(&level->ready, &c->in_wait);
    c->wait = CONSUMER_READY;
    queue_activate(q);
}

void queue_to_back(struct consumer *c)
{
    struct list *ready = &c->level->ready;
    if (c->in_wait.next == ready)
        return;
    list_remove(&c->in_wait);
    list_push_back(ready, &c->in_wait);
}

void queue_activate(struct queue *q)
{
    if (!q->deleted && !list_linked(&q->active) && queue_n_ready(q) != 0 && list_empty(&q->holds) &&
        queue_first_ready(q) != NULL)
        list_push_back(&q->core->active_queues, &q->active);
}

bool queue_dispatch(struct queue *q, unsigned *work)
{
    struct consumer *c;
    if (!list_empty(&q->holds))
        return true; /* active again when it is let go of */
    while (queue_n_ready(q) != 0 && (c = queue_first_ready(q)) != NULL) {
        if (*work == 0)
            return false;
        --*work;
        if (!consumer_check_ready(c))
            continue;
        if (!output_ring_has_room(c->channel->session))
            return false;
        uint64_t seq = 0;
        bool redelivered = false;
        struct message *m = queue_peek(q, &seq, &redelivered);
        if (consumer_deliver(c, q, m, seq, redelivered) != OK)
            return false;
        queue_skip(q);
    }
    return true;
}

bool queue_rest(struct queue *q)
{
    if (!list_empty(&q->holds))
        return false;
    /* As much as the turn can do. A consumer may keep up with all that comes in, and would have
     * whoever asks wait for ever. */
    if (queue_dispatch(q, &q->core->work) && !q->deleted)
        list_remove(&q->active);
    return true;
}

const struct reply *queue_locked(const struct queue *q, struct fault *f)
{
    return fault_set(f, REPLY_RESOURCE_LOCKED,
                     "cannot obtain exclusive access to locked " QUEUE_TEXT
                     ". It could be originally declared on another connection or the exclusive "
                     "property value does not match that of the original declaration.",
                     QUEUE_TEXT_ARGS(q));
}

const struct reply *queue_check_owner(const struct queue *q, const struct session *s,
                                      struct fault *f)
{
    return q->owner == NULL || q->owner == s ? NULL : queue_locked(q, f);
}

/* True when some consumer is ready. */
static bool queue_check_levels(const struct queue *q)
{
    size_t n_consumers = 0;
    bool any_ready = false;
    const struct queue_level *above = NULL;
    LIST_EACH(&q->levels, node) {
        const struct queue_level *level = CONTAINER_OF(node, struct queue_level, in_queue);
        ASSERT(level->n_consumers != 0 && (above == NULL || above->priority > level->priority));
        ASSERT(list_empty(&level->ready) || list_linked(&level->in_ready));
        LIST_EACH(&level->ready, ready) {
            const struct consumer *c = CONTAINER_OF(ready, struct consumer, in_wait);
            ASSERT(c->wait == CONSUMER_READY && c->level == level);
            any_ready = true;
        }
        n_consumers += level->n_consumers;
        above = level;
    }
    ASSERT(n_consumers == q->n_consumers);
    above = NULL;
    LIST_EACH(&q->ready_levels, node) {
        const struct queue_level *level = CONTAINER_OF(node, struct queue_level, in_ready);
        ASSERT(above == NULL || above->priority > level->priority);
        above = level;
    }
    return any_ready;
}

void queue_check(const struct queue *q)
{
    const struct queue_entry *first = fifo_front(&q->ready);
    ASSERT(first == NULL || first->seq < q->next_seq);
    for (size_t i = 0; i < q->n_returned; i++) {
        ASSERT(q->returned[i].seq < (first == NULL ? q->next_seq : first->seq));
        ASSERT(i == 0 || q->returned[(i - 1) / 2].seq <= q->returned[i].seq);
    }
    LIST_EACH(&q->throttled, node)
        ASSERT(!CONTAINER_OF(node, struct session, in_throttled)->released);
    size_t n = 0;
    LIST_EACH(&q->consumers, node) {
        const struct consumer *c = CONTAINER_OF(node, struct consumer, in_queue);
        ASSERT(c->channel != NULL);
        n++;
    }
    ASSERT(n == q->n_consumers);
    bool any_ready = queue_check_levels(q);
    bool may_meet = any_ready && queue_n_ready(q) != 0 && list_empty(&q->holds);
    ASSERT(q->deleted || !may_meet || list_linked(&q->active));
}
