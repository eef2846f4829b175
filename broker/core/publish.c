// SPDX-License-Identifier: Apache-2.0
#include "broker/core/publish.h"

#include <stdlib.h>

#include "amqp/table.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "broker/core/core.h"
#include "broker/core/long_route.h"
#include "broker/core/messages.h"
#include "broker/core/pacing.h"
#include "broker/core/publish_check.h"
#include "broker/core/tx.h"

enum {
    ROUTE_CACHE_ENTRIES = 64, /* a power of two; by hash, the later one wins */
    ROUTE_CACHE_QUEUES_MAX = 512,
    MEMO_BYTES_MAX = 64,
    TURN_PART = 8, /* of a turn: what a walk may take of it, however little of it is left */
};

struct route_entry {
    uint64_t epoch; /* vhost.routing_epoch when it was true */
    uint32_t n;
    uint16_t route_size;
    struct queue *queues[]; /* then the bytes of the route */
};

struct route_cache {
    struct route_entry *last; /* the one used last */
    struct route_entry *entries[ROUTE_CACHE_ENTRIES];
    /* Properties that have passed the checks: publishers tend to send the same again and again. */
    struct message_traits memo_traits;
    uint8_t memo_size; /* 0 = none */
    uint8_t memo[MEMO_BYTES_MAX];
};

/* ---- The cache of routes ---- */

static struct span route_entry_bytes(const struct route_entry *e)
{
    return span_of(&e->queues[e->n], e->route_size);
}

void route_cache_free(struct route_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < ROUTE_CACHE_ENTRIES; i++)
        free(c->entries[i]);
    free(c);
}

static size_t route_cache_index(const struct channel *ch, struct span route)
{
    return map_hash(ch->session->core->hash_seed, route) & (ROUTE_CACHE_ENTRIES - 1);
}

static const struct route_entry *route_cache_find(const struct channel *ch, struct span route)
{
    struct route_cache *c = ch->routes;
    uint64_t epoch = ch->session->vhost->routing_epoch;
    if (c == NULL)
        return NULL;
    if (c->last == NULL || !span_eq(route_entry_bytes(c->last), route))
        c->last = c->entries[route_cache_index(ch, route)];
    if (c->last == NULL || c->last->epoch != epoch || !span_eq(route_entry_bytes(c->last), route))
        return NULL;
    return c->last;
}

/* Failing to remember costs time only. */
static void route_cache_keep(struct channel *ch, struct span route, const struct route *r)
{
    if (r->by_headers || r->n > ROUTE_CACHE_QUEUES_MAX || ch->routes == NULL)
        return;
    struct route_entry *e = malloc(sizeof(*e) + r->n * sizeof(e->queues[0]) + route.size);
    if (e == NULL)
        return;
    e->epoch = ch->session->vhost->routing_epoch;
    e->n = (uint32_t)r->n;
    e->route_size = (uint16_t)route.size;
    for (size_t i = 0; i < r->n; i++)
        e->queues[i] = r->queues[i];
    put_bytes((uint8_t *)&e->queues[e->n], route);
    struct route_entry **place = &ch->routes->entries[route_cache_index(ch, route)];
    free(*place);
    *place = e;
    ch->routes->last = e;
}

/* ---- Finding the queues ---- */

static const struct reply *publish_exchange(const struct channel *ch, struct span route,
                                            struct exchange **x, struct span *key, struct fault *f)
{
    struct span name;
    bool whole = take_shortstr(&route, &name) && take_shortstr(&route, key);
    ASSERT(whole);
    const struct vhost *v = ch->session->vhost;
    *x = vhost_exchange(v, name);
    if (*x == NULL)
        return fault_set(f, REPLY_NOT_FOUND, "no exchange '%.*s' in vhost '%.*s'", SPAN_FMT(name),
                         SPAN_FMT(v->name));
    if ((*x)->internal)
        return fault_set(f, REPLY_ACCESS_REFUSED,
                         "cannot publish to internal exchange '%.*s' in vhost '%.*s'",
                         SPAN_FMT(name), SPAN_FMT(v->name));
    return NULL;
}

/* The traits of a publish's properties, remembered when they come again. */
static const struct reply *publish_traits(struct channel *ch, const struct in_publish *p,
                                          struct message_traits *t, struct span *headers,
                                          struct fault *f)
{
    struct route_cache *c = ch->routes;
    struct content_header h;
    bool whole = content_header_take(p->header, &h);
    ASSERT(whole);
    *headers = SPAN_NONE;
    if (c->memo_size != 0 && span_eq(span_of(c->memo, c->memo_size), h.rest)) {
        *t = c->memo_traits;
        return NULL;
    }
    struct properties props;
    const struct reply *bad = publish_check(ch->session, h.rest, &props, f);
    if (bad != NULL)
        return bad;
    *t = (struct message_traits){.persistent = props.delivery_mode == 2,
                                 .priority = props.priority};
    *headers = props.headers;
    if (h.rest.size <= MEMO_BYTES_MAX && (props.flags & PROPERTY_headers) == 0) {
        c->memo_size = (uint8_t)h.rest.size;
        c->memo_traits = *t;
        put_bytes(c->memo, h.rest);
    }
    return NULL;
}

/* ---- Handing over ---- */

/* Tells the store of those of the queues that are durable. */
static enum err publish_tell(struct core *core, struct message *m, struct queue *const *queues,
                             const uint64_t *seqs, size_t n, uint64_t group, bool only)
{
    struct store_target targets[PUBLISH_PART];
    size_t n_targets = 0;
    for (size_t i = 0; i < n; i++)
        if (queue_stores(queues[i], m))
            targets[n_targets++] = (struct store_target){queues[i]->number, seqs[i]};
    if (n_targets == 0)
        return OK;
    uint64_t token;
    message_ref(m);
    if (store_publish(core->options.store, m, message_footprint(m), targets, n_targets, group,
                      &token) != OK) {
        message_unref(core, m);
        return ERR_NOMEM;
    }
    m->token = only ? token : 0;
    return OK;
}

enum err publish_to(struct session *s, struct message *m, struct queue *const *queues, size_t n,
                    uint64_t group, bool only)
{
    struct core *core = s->core;
    uint64_t seqs[PUBLISH_PART];
    size_t bytes = message_footprint(m);
    size_t n_admitted = 0;
    ASSERT(n <= PUBLISH_PART);
    while (n_admitted < n && queue_admit(queues[n_admitted], m, &seqs[n_admitted]) == OK)
        n_admitted++;
    if (n_admitted < n || publish_tell(core, m, queues, seqs, n, group, only) != OK) {
        for (size_t i = 0; i < n_admitted; i++)
            queue_refuse(queues[i], m, seqs[i]);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        queue_push(queues[i], message_ref(m));
        pacing_published(s, queues[i], bytes);
    }
    return OK;
}

void publish_return(struct channel *ch, struct message *m)
{
    uint8_t prefix[4 + 2 + 16];
    uint8_t *p = put_u16(put_u16(prefix, 60), 50);
    p = put_shortstr(put_u16(p, REPLY_NO_ROUTE->code), span_str(REPLY_NO_ROUTE->name));
    replies_content(ch, span_of(prefix, (size_t)(p - prefix)), SPAN_NONE, m, 0);
}

bool publish_is_durable(const struct message *m, struct queue *const *queues, size_t n)
{
    if (!m->persistent)
        return false;
    for (size_t i = 0; i < n; i++)
        if (queues[i]->durable)
            return true;
    return false;
}

/* A publish to more queues than fit into a turn. Queues are named, for they may go meanwhile. */
struct publish_fanout {
    struct message *message;
    uint64_t confirm; /* its number, 0 = none */
    bool durable;
    bool failed;
    size_t at;
    size_t n;
    struct slot_id queues[];
};

static bool publish_fanout_some(struct channel *ch, void *state, unsigned *work)
{
    struct publish_fanout *fan = state;
    struct core *core = ch->session->core;
    while (*work != 0 && fan->at < fan->n) {
        struct queue *queues[PUBLISH_PART];
        size_t n = 0;
        for (; *work != 0 && fan->at < fan->n && n < PUBLISH_PART; fan->at++) {
            --*work;
            struct queue *q = slots_at(&core->queues, fan->queues[fan->at]);
            if (q != NULL && !q->deleted)
                queues[n++] = q;
        }
        fan->failed |= publish_to(ch->session, fan->message, queues, n, 0, false) != OK;
    }
    if (fan->at < fan->n)
        return false;
    if (fan->confirm != 0)
        replies_confirm(ch, fan->confirm, !fan->failed, core_barrier(core, fan->durable));
    message_unref(core, fan->message);
    free(fan);
    return true;
}

static const struct reply *publish_fanout_begin(struct channel *ch, struct message *m,
                                                struct queue *const *queues, size_t n,
                                                uint64_t confirm, struct fault *f)
{
    struct publish_fanout *fan = malloc(sizeof(*fan) + n * sizeof(fan->queues[0]));
    if (fan == NULL) {
        message_unref(ch->session->core, m);
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    }
    *fan = (struct publish_fanout){
        .message = m, .confirm = confirm, .durable = publish_is_durable(m, queues, n), .n = n};
    for (size_t i = 0; i < n; i++)
        fan->queues[i] = queues[i]->id;
    parking_job(ch, publish_fanout_some, fan);
    return NULL;
}

/* Gives the message to its queues and owes the confirm. Takes the reference. */
static const struct reply *publish_deliver(struct channel *ch, struct message *m,
                                           struct queue *const *queues, size_t n, struct fault *f)
{
    struct core *core = ch->session->core;
    uint64_t confirm = ch->confirm ? ++ch->n_published : 0;
    /* One step was counted when the publish came in. */
    if (n > 1 && n - 1 > core->work)
        return publish_fanout_begin(ch, m, queues, n, confirm, f);
    core->work -= (unsigned)(n - 1);
    bool failed = false;
    bool durable = confirm != 0 && publish_is_durable(m, queues, n);
    for (size_t i = 0; i < n; i += PUBLISH_PART) {
        size_t part = n - i < PUBLISH_PART ? n - i : PUBLISH_PART;
        failed |= publish_to(ch->session, m, queues + i, part, 0, n <= PUBLISH_PART) != OK;
    }
    message_unref(core, m);
    if (confirm != 0)
        replies_confirm(ch, confirm, !failed, core_barrier(core, durable));
    else if (failed)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    return NULL;
}

/* No queue: dropped, or sent back; either way it counts as done. */
static const struct reply *publish_unroutable(struct channel *ch, struct in_publish *p,
                                              const struct message_traits *t, struct fault *f)
{
    if (p->mandatory) {
        struct message *m = message_new(ch->session->core, p, t);
        if (m == NULL)
            return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
        publish_return(ch, m);
        message_unref(ch->session->core, m);
    }
    if (ch->confirm)
        replies_confirm(ch, ++ch->n_published, true, 0);
    return NULL;
}

static const struct reply *publish_routed(struct channel *ch, struct in_publish *p,
                                          const struct message_traits *t, struct queue **queues,
                                          size_t n, struct fault *f)
{
    if (n == 0 && ch->tx == NULL)
        return publish_unroutable(ch, p, t, f);
    struct message *m = message_new(ch->session->core, p, t);
    if (m == NULL)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    if (ch->tx == NULL)
        return publish_deliver(ch, m, queues, n, f);
    const struct reply *bad = tx_publish(ch, m, queues, n, p->mandatory, f);
    if (bad != NULL)
        message_unref(ch->session->core, m);
    return bad;
}

/* NULL when it takes more than is left of the turn, or than a small part of one. */
static struct route *publish_route_at_once(struct core *core, struct exchange *x,
                                           const struct routed_message *key)
{
    struct route *r = &core->route;
    size_t left = (size_t)core->work * ROUTE_LOOKS_PER_STEP;
    size_t part = (size_t)core->options.turn_work / TURN_PART * ROUTE_LOOKS_PER_STEP;
    route_begin(r, x);
    bool whole = route_go_on(r, x, key, 1, left > part ? left : part);
    core_count(core, r->looks / ROUTE_LOOKS_PER_STEP);
    return whole ? r : NULL;
}

static const struct reply *publish_by_route(struct channel *ch, struct in_publish *p,
                                            struct exchange *x, const struct routed_message *key,
                                            const struct message_traits *t, struct fault *f)
{
    struct route *r = long_route_is_of(ch) ? NULL
                                           : publish_route_at_once(ch->session->core, x, key);
    if (r == NULL)
        r = long_route_find(ch, x, key);
    if (r == NULL)
        return NULL; /* the channel waits, and comes again */
    if (r->failed)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    route_cache_keep(ch, p->route, r);
    return publish_routed(ch, p, t, r->queues, r->n, f);
}

static const struct reply *publish_now(struct channel *ch, struct in_publish *p, struct fault *f)
{
    struct core *core = ch->session->core;
    if (p->immediate)
        return fault_set(f, REPLY_NOT_IMPLEMENTED, "immediate=true");
    if (p->body_size > core->options.message_size_max)
        return fault_set(f, REPLY_PRECONDITION_FAILED,
                         "message size %llu is larger than configured max size %llu",
                         (unsigned long long)p->body_size,
                         (unsigned long long)core->options.message_size_max);
    if (ch->routes == NULL && (ch->routes = calloc(1, sizeof(*ch->routes))) == NULL)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    struct message_traits t;
    struct span headers;
    const struct route_entry *e = route_cache_find(ch, p->route);
    if (e != NULL) {
        const struct reply *bad = publish_traits(ch, p, &t, &headers, f);
        return bad != NULL
                   ? bad
                   : publish_routed(ch, p, &t, (struct queue **)(uintptr_t)e->queues, e->n, f);
    }
    struct exchange *x;
    struct routed_message key;
    const struct reply *bad = publish_exchange(ch, p->route, &x, &key.key, f);
    if (bad == NULL)
        bad = publish_traits(ch, p, &t, &key.headers, f);
    return bad != NULL ? bad : publish_by_route(ch, p, x, &key, &t, f);
}

bool publish_waits(const struct channel *ch)
{
    return core_is_choked(ch->session->core) && ch->state == CHANNEL_OPEN && !tx_has_begun(ch);
}

const struct reply *publish(struct channel *ch, struct in_publish *p, struct fault *f)
{
    const struct reply *bad = publish_now(ch, p, f);
    if (ch->parking.why == PARK_AGAIN)
        return NULL;
    long_route_leave(ch);
    ch->session->core->stats.published++;
    if (p->large != NULL)
        message_body_home(ch->session->core, p->large);
    p->large = NULL;
    return bad;
}
