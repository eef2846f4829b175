// SPDX-License-Identifier: Apache-2.0
#include "broker/core/core.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "broker/core/messages.h"
#include "broker/core/vhost.h"

static void core_free_retired(struct core *core);
static void core_run_dead_queues(struct core *core, unsigned *work);

/* ---- Life ---- */

static void core_init_lists(struct core *core)
{
    struct list *lists[] = {&core->sessions,    &core->awaiting_store, &core->replying,
                            &core->jobs,        &core->memory_parked,  &core->teardowns,
                            &core->retired,     &core->orders,         &core->active_queues,
                            &core->dead_queues, &core->garbage,        &core->waking};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        list_init(lists[i]);
    map_init(&core->durable_queues);
    slots_init(&core->queues);
    slots_init(&core->consumers);
    pool_init(&core->messages);
    route_init(&core->route, ROUTE_AT_ONCE);
    long_routes_init(&core->long_routes);
}

/* ---- What the store asks ---- */

static void core_release_message(void *arg, void *message)
{
    message_unref(arg, message);
}

static bool core_target_is_live(void *arg, struct store_target target)
{
    const struct queue *q = queue_by_number(arg, target.queue);
    return q != NULL && seqset_has(&q->stored, target.seq);
}

static bool core_is_declared(void *arg, uint64_t object, struct span what)
{
    return catalogue_has(arg, object, what);
}

enum err core_new(struct core **out, const struct core_options *options, struct link *const *links,
                  size_t n_links)
{
    *out = NULL;
    struct core *core = calloc(1, sizeof(*core));
    if (core == NULL)
        return ERR_NOMEM;
    core->options = *options;
    if (core->options.turn_work == 0)
        core->options.turn_work = TURN_WORK_MAX;
    if (core->options.pacing_messages == 0)
        core->options.pacing_messages = PACING_MESSAGES;
    core_init_lists(core);
    catalogue_init(&core->catalogue, options->store);
    env_secret(options->env, &core->hash_seed, sizeof(core->hash_seed));
    env_secret(options->env, core->name_secret, sizeof(core->name_secret));
    core->links = calloc(n_links, sizeof(*core->links));
    core->n_links = n_links;
    if (core->links == NULL ||
        vhost_new(&core->vhost, options->default_vhost, core->hash_seed) != OK) {
        free(core->links);
        free(core);
        return ERR_NOMEM;
    }
    core->vhost->catalogue = &core->catalogue;
    for (size_t i = 0; i < n_links; i++)
        core->links[i] = (struct core_link){.core = core, .link = links[i]};
    store_set_owner(options->store, &(struct store_owner){.release = core_release_message,
                                                          .is_live = core_target_is_live,
                                                          .is_declared = core_is_declared,
                                                          .arg = core});
    *out = core;
    return OK;
}

/* A round of letting go of a session as if its socket had gone. One may wait for what another has
 * still to give back. */
static void core_drop_some(struct session *s)
{
    unsigned work = TURN_WORK_MAX;
    LIST_EACH(&s->channel_list, node)
        parking_run(CONTAINER_OF(node, struct channel, in_session), &work);
    if (!s->released)
        session_teardown_some(s, &work);
    core_free_retired(s->core);
    if (s->released)
        session_free(s);
}

static void core_drop_sessions(struct core *core)
{
    LIST_EACH(&core->sessions, node) {
        struct session *s = CONTAINER_OF(node, struct session, in_core);
        if (!s->socket_gone)
            session_on_closed(s);
        s->orders_due |= BIT(ORDER_RELEASED); /* nobody takes it: the session is freed here */
    }
    while (!list_empty(&core->sessions)) {
        core->work = TURN_WORK_MAX;
        LIST_EACH(&core->sessions, node)
            core_drop_some(CONTAINER_OF(node, struct session, in_core));
    }
}

void core_free(struct core *core)
{
    if (core == NULL)
        return;
    store_end(core->options.store);
    core_free_retired(core);
    core_drop_sessions(core);
    for (uint32_t i = 0; i < slots_end(&core->queues); i++) {
        uint32_t generation;
        struct queue *q = slots_at_index(&core->queues, i, &generation);
        if (q != NULL && !q->deleted)
            queue_delete(q);
    }
    unsigned work;
    do {
        work = TURN_WORK_MAX;
        core_run_dead_queues(core, &work);
    } while (!list_empty(&core->dead_queues) || !garbage_free_some(core, &work));
    do
        work = TURN_WORK_MAX;
    while (!vhost_work(core->vhost, &work));
    vhost_free(core->vhost);
    for (size_t i = 0; i < core->n_links; i++) {
        for (struct body *b; (b = core->links[i].bodies_home) != NULL;) {
            core->links[i].bodies_home = b->next;
            body_free(b);
        }
        free(core->links[i].sessions);
    }
    replies_forget(core);
    long_routes_fini(&core->long_routes);
    route_fini(&core->route);
    pool_fini(&core->messages);
    slots_fini(&core->consumers);
    slots_fini(&core->queues);
    map_fini(&core->durable_queues);
    free(core->links);
    free(core);
}

/* ---- Events ---- */

static void core_open(struct core_link *link, const struct in_opened *ev)
{
    uint32_t index = ev->head.conn.index;
    if (index >= link->n_sessions) {
        size_t n = link->n_sessions == 0 ? 64 : link->n_sessions;
        while (n <= index)
            n *= 2;
        struct session **sessions = realloc(link->sessions, n * sizeof(struct session *));
        if (sessions == NULL)
            return; /* the peer's handshake deadline ends the connection */
        memset(sessions + link->n_sessions, 0, (n - link->n_sessions) * sizeof(struct session *));
        link->sessions = sessions;
        link->n_sessions = n;
    }
    ASSERT(link->sessions[index] == NULL);
    struct session *s;
    if (session_new(&s, link, ev) == OK)
        link->sessions[index] = s;
}

struct session *core_session(const struct core_link *link, struct slot_id conn)
{
    struct session *s = conn.index < link->n_sessions ? link->sessions[conn.index] : NULL;
    return s != NULL && s->conn.generation == conn.generation ? s : NULL;
}

/* The connection has ended before the core could make a session for it. */
static void core_release_unknown(struct core_link *link, struct slot_id conn)
{
    struct out_order *out = ring_reserve(&link->link->out, sizeof(*out));
    ASSERT(out != NULL); /* LINK_OUT_ROOM is free when an event is taken */
    *out = (struct out_order){.head = {.kind = OUT_ORDER, .conn = conn}, .order = ORDER_RELEASED};
    ring_commit(&link->link->out, sizeof(*out));
}

static void core_event(struct core_link *link, struct in_head *head)
{
    if (head->kind == IN_OPENED) {
        core_open(link, (const struct in_opened *)head);
        return;
    }
    struct session *s = core_session(link, head->conn);
    if (s == NULL) {
        if (head->kind == IN_CLOSED)
            core_release_unknown(link, head->conn);
        if (head->kind == IN_PUBLISH && ((struct in_publish *)head)->large != NULL)
            message_body_home(link->core, ((struct in_publish *)head)->large);
        return;
    }
    switch ((enum in_kind)head->kind) {
    case IN_OPENED: break;
    case IN_METHOD: session_on_method(s, (struct in_method *)head); break;
    case IN_PUBLISH: session_on_publish(s, (struct in_publish *)head); break;
    case IN_FAULT: session_on_fault(s, (const struct in_fault *)head); break;
    case IN_SENT: session_on_sent(s, (const struct in_sent *)head); break;
    case IN_CLOSED: session_on_closed(s); break;
    }
}

/* Takes events while there is work left and room for their answers. True when some are left. */
static bool core_run_link(struct core_link *link, unsigned *work)
{
    struct ring *in = &link->link->in;
    size_t size;
    struct in_head *head = NULL;
    while (*work != 0 && ring_has_room(&link->link->out, LINK_OUT_ROOM) &&
           (head = ring_peek(in, &size)) != NULL) {
        --*work;
        core_event(link, head);
        ring_skip(in);
    }
    ring_release(in);
    return head != NULL;
}

/* ---- The rest of a turn ---- */

/* Another one is first in each turn, so that a long one does not hold up the others. */
static void core_rotate(struct list *l)
{
    struct list *first = list_pop_front(l);
    if (first != NULL)
        list_push_back(l, first);
}

/* Each channel once; one that is not done is at the end of the list again. */
static void core_run_jobs(struct core *core, unsigned *work)
{
    struct list now;
    list_init(&now);
    list_splice_back(&now, &core->jobs);
    for (struct list *node; *work != 0 && (node = list_pop_front(&now)) != NULL;)
        parking_run(CONTAINER_OF(node, struct channel, parking.in_jobs), work);
    /* Those that had no turn go first next time. */
    list_splice_front(&core->jobs, &now);
}

/* Once the limit is passed it must be cleared by a margin. */
static bool core_memory_is_high(const struct core *core)
{
    uint64_t limit = core->options.memory_limit_bytes;
    return limit != 0 && core->message_bytes > (core->memory_high ? limit - limit / 16 : limit);
}

static void core_run_memory(struct core *core, unsigned *work)
{
    uint64_t limit = core->options.memory_limit_bytes;
    bool high = core_memory_is_high(core);
    if (high != core->memory_high)
        log_event(high ? LOG_MEMORY_HIGH : LOG_MEMORY_OK, "message_bytes=%llu limit=%llu",
                  (unsigned long long)core->message_bytes, (unsigned long long)limit);
    core->memory_high = high;
    for (struct list *node; !core_is_choked(core) && *work != 0 &&
                            (node = list_first(&core->memory_parked)) != NULL;) {
        parking_run(CONTAINER_OF(node, struct channel, parking.in_jobs), work);
        core->memory_high = limit != 0 && core->message_bytes > limit;
    }
}

static void core_run_teardowns(struct core *core, unsigned *work)
{
    core_rotate(&core->teardowns);
    LIST_EACH(&core->teardowns, node) {
        if (*work == 0)
            break;
        session_teardown_some(CONTAINER_OF(node, struct session, in_teardowns), work);
    }
}

static void core_wake(struct core *core, unsigned *work)
{
    core_rotate(&core->waking);
    for (struct list *node; (node = list_first(&core->waking)) != NULL; list_remove(node))
        if (!channel_wake_some(CONTAINER_OF(node, struct channel, in_waking), work))
            return;
}

static void core_serve(struct core *core)
{
    unsigned *work = &core->work;
    struct list now;
    list_init(&now);
    list_splice_back(&now, &core->active_queues);
    for (struct list *node; *work != 0 && (node = list_pop_front(&now)) != NULL;) {
        struct queue *q = CONTAINER_OF(node, struct queue, active);
        --*work; /* the look itself: it may find no room */
        bool done = queue_dispatch(q, work);
        list_remove(&q->active);
        if (!done)
            list_push_back(&core->active_queues, &q->active);
    }
    /* Those that had no turn go first next time: one long backlog may not hold up all others. */
    list_splice_front(&core->active_queues, &now);
}

void core_serve_returned(struct core *core)
{
    if (!core->returned)
        return;
    core->returned = false;
    core_serve(core);
}

static void core_run_dead_queues(struct core *core, unsigned *work)
{
    core_rotate(&core->dead_queues);
    LIST_EACH(&core->dead_queues, node) {
        if (*work == 0)
            break;
        queue_empty_some(CONTAINER_OF(node, struct queue, active), work);
    }
}

static void core_free_retired(struct core *core)
{
    for (struct list *node; (node = list_first(&core->retired)) != NULL;)
        channel_free(CONTAINER_OF(node, struct channel, in_session));
}

/* The last time that the turn looks at anything outside the core. */
static void core_look(struct core *core)
{
    const struct core_observer *observer = core->options.observer;
    core->now_ns = env_now_ns(core->options.env);
    core->durable = store_durable(core->options.store);
    store_tick(core->options.store, core->now_ns);
    for (size_t i = 0; i < core->n_links; i++) {
        ring_see_published(&core->links[i].link->in);
        ring_see_released(&core->links[i].link->out);
    }
    if (observer != NULL)
        observer->began(observer->arg, core);
    store_release(core->options.store, core->durable);
}

static void core_close_sessions(struct core *core)
{
    core->shutdown_due = false;
    struct fault f = {.class_id = 0, .method_id = 0};
    fault_set(&f, REPLY_CONNECTION_FORCED,
              "broker forced connection closure with reason 'shutdown'");
    LIST_EACH(&core->sessions, node) {
        struct session *s = CONTAINER_OF(node, struct session, in_core);
        if (s->state == SESSION_RUNNING)
            session_close(s, &f);
        else
            session_abort(s);
    }
}

/* Each session once: the full ring of one link does not hold up the others. */
static void core_give_orders(struct core *core)
{
    struct list now;
    list_init(&now);
    list_splice_back(&now, &core->orders);
    for (struct list *node; (node = list_pop_front(&now)) != NULL;) {
        if (!session_flush_orders(CONTAINER_OF(node, struct session, in_orders)))
            list_push_back(&core->orders, node);
    }
}

static void core_publish_links(struct core *core)
{
    for (size_t i = 0; i < core->n_links; i++) {
        struct link *l = core->links[i].link;
        if (ring_publish(&l->out) && l->wake_io != NULL)
            l->wake_io(l->wake_arg);
    }
}

/* What may not fail to be told to the store has room there: two tellings for a step of work, and
 * for steps that requests take though the turn has none left (vhost_work_at_once), in each of the
 * three parts of a turn in which there are any. */
static unsigned core_turn_work(struct core *core)
{
    enum { BESIDES = 2 * 3 * VHOST_WORK_AT_ONCE };
    size_t room = store_reserve(core->options.store);
    size_t most = room < BESIDES ? 0 : (room - BESIDES) / 2;
    return most < core->options.turn_work ? (unsigned)most : core->options.turn_work;
}

bool core_step(struct core *core)
{
    const struct core_observer *observer = core->options.observer;
    unsigned *work = &core->work;
    /* Neither input nor deliveries that never end may take the whole of every turn: each kind of
     * work has a share that those before it cannot use up. */
    core_look(core);
    unsigned turn_work = core_turn_work(core);
    unsigned quarter = turn_work / 4;
    unsigned share = (turn_work + 8) / 16; /* of each kind below but the first two */
    bool more = false;
    if (core->shutdown_due)
        core_close_sessions(core);
    *work = turn_work - quarter - 5 * share;
    for (size_t i = 0; i < core->n_links; i++)
        more |= core_run_link(&core->links[(core->stats.turns + i) % core->n_links], work);
    *work += quarter / 2;
    core_wake(core, work);
    *work += quarter - quarter / 2;
    core_serve(core);
    *work += share;
    core_run_jobs(core, work);
    *work += share;
    core_run_memory(core, work);
    more |= *work == 0; /* before the next share hides it */
    *work += share;
    core_run_teardowns(core, work);
    more |= *work == 0;
    *work += share;
    core_run_dead_queues(core, work);
    more |= !garbage_free_some(core, work);
    more |= !vhost_work(core->vhost, work);
    more |= *work == 0;
    *work += share;
    more |= replies_run(core, work);
    /* What was freed since core_run_memory may be what publishers wait for. */
    more |= !list_empty(&core->memory_parked) && !core_memory_is_high(core) &&
            !store_is_full(core->options.store);
    core_give_orders(core);
    core_free_retired(core);
    messages_send_bodies_home(core);
    more |= core->retry_due;
    core->retry_due = false;
    more |= *work == 0 || !list_empty(&core->jobs) || !list_empty(&core->dead_queues) ||
            !list_empty(&core->active_queues) || !list_empty(&core->orders) ||
            !list_empty(&core->waking);
    if (observer != NULL)
        observer->ended(observer->arg, core, more);
    core_publish_links(core);
    ASSERT(*work <= turn_work);
    core->stats.turns++;
    if (turn_work - *work > core->stats.work_max)
        core->stats.work_max = turn_work - *work;
    return more;
}

/* ---- Services ---- */

struct span core_make_name(struct core *core, const char *prefix, uint8_t *at)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t half[2];
    core->name_counter++;
    uint64_t seeds[2];
    memcpy(seeds, core->name_secret, sizeof(seeds));
    struct span counter = span_of(&core->name_counter, sizeof(core->name_counter));
    half[0] = map_hash(seeds[0], counter);
    half[1] = map_hash(seeds[1], counter);
    size_t n = strlen(prefix);
    memcpy(at, prefix, n);
    for (size_t i = 0; i < 22; i++)
        at[n++] = (uint8_t)DIGITS[(half[i / 11] >> (i % 11 * 6 - (i % 11 == 10 ? 2 : 0))) & 63];
    return span_of(at, n);
}

void core_count(struct core *core, size_t n)
{
    core->work -= n < core->work ? (unsigned)n : core->work;
}

uint64_t core_barrier(struct core *core, bool durable)
{
    return durable ? store_barrier(core->options.store) : 0;
}

bool core_is_choked(const struct core *core)
{
    return core->memory_high || store_is_full(core->options.store);
}

void core_shutdown(struct core *core)
{
    core->shutdown_due = true;
}

/* Counts the entries of a session by queue. */
static void core_count_entries(const struct session *s, size_t *n_unsettled)
{
    LIST_EACH(&s->channel_list, node) {
        struct unsettled *u = &CONTAINER_OF(node, struct channel, in_session)->unsettled;
        size_t n = 0;
        for (struct unsettled_entry *e = unsettled_first(u); e != NULL;
             e = unsettled_after(u, unsettled_tag(e)), n++)
            n_unsettled[e->queue]++;
        ASSERT(n == u->n);
    }
}

void core_check_rest(struct core *core)
{
    size_t *n_unsettled = calloc(slots_end(&core->queues) + (size_t)1, sizeof(*n_unsettled));
    if (n_unsettled == NULL)
        return;
    LIST_EACH(&core->sessions, node)
        core_count_entries(CONTAINER_OF(node, struct session, in_core), n_unsettled);
    for (uint32_t i = 0; i < slots_end(&core->queues); i++) {
        uint32_t generation;
        const struct queue *q = slots_at_index(&core->queues, i, &generation);
        ASSERT(n_unsettled[i] == (q == NULL ? 0 : q->n_unsettled));
    }
    free(n_unsettled);
}

void core_check(struct core *core)
{
    LIST_EACH(&core->sessions, node)
        session_check(CONTAINER_OF(node, struct session, in_core));
    for (uint32_t i = 0; i < slots_end(&core->queues); i++) {
        uint32_t generation;
        struct queue *q = slots_at_index(&core->queues, i, &generation);
        if (q != NULL)
            queue_check(q);
    }
    vhost_check(core->vhost);
    long_routes_check(&core->long_routes);
}
