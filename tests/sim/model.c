// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model.h"

#include <stdlib.h>
#include <string.h>

const char *const KIND_NAMES[KIND_COUNT] = {"direct", "fanout", "topic", "headers"};

void model_init(struct model *m)
{
    deque_init(&m->messages, sizeof(struct message_record));
    deque_init(&m->queues, sizeof(struct model_queue *));
    deque_init(&m->exchanges, sizeof(struct model_exchange *));
    deque_init(&m->bindings, sizeof(struct model_binding));
}

void model_fini(struct model *m)
{
    for (size_t i = 0; i < m->queues.n; i++) {
        struct model_queue *q = model_queue_at(m, i);
        deque_fini(&q->places);
        free(q);
    }
    for (size_t i = 0; i < m->exchanges.n; i++)
        free(*(struct model_exchange **)deque_at(&m->exchanges, i));
    deque_fini(&m->messages);
    deque_fini(&m->queues);
    deque_fini(&m->exchanges);
    deque_fini(&m->bindings);
}

static void *model_push(struct deque *d)
{
    void *place = deque_push(d);
    ASSERT(place != NULL);
    return place;
}

/* ---- Messages ---- */

uint64_t model_add_message(struct model *m, const struct message_record *r)
{
    *(struct message_record *)model_push(&m->messages) = *r;
    return m->messages.n;
}

struct message_record *model_message(const struct model *m, uint64_t number)
{
    return number == 0 || number > m->messages.n ? NULL : deque_at(&m->messages, number - 1);
}

void model_body(uint64_t number, uint8_t *at, size_t size)
{
    struct rng r = {number};
    if (size >= 8) {
        for (int i = 0; i < 8; i++)
            at[i] = (uint8_t)(number >> (56 - 8 * i));
        at += 8;
        size -= 8;
    }
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t v = rng_next(&r);
        memcpy(at, &v, 8);
    }
    uint64_t v = rng_next(&r);
    memcpy(at, &v, size);
}

/* ---- Queues ---- */

static void model_name(char *at, const char *name)
{
    size_t n = strlen(name);
    ASSERT(n < NAME_SIZE);
    memcpy(at, name, n + 1);
}

struct model_queue *model_add_queue(struct model *m, const char *name)
{
    struct model_queue *q = calloc(1, sizeof(*q));
    ASSERT(q != NULL);
    model_name(q->name, name);
    q->live = true;
    deque_init(&q->places, sizeof(struct place));
    *(struct model_queue **)model_push(&m->queues) = q;
    return q;
}

struct model_queue *model_queue_at(const struct model *m, size_t i)
{
    return *(struct model_queue **)deque_at(&m->queues, i);
}

struct model_queue *model_find_queue(const struct model *m, const char *name)
{
    for (size_t i = m->queues.n; i-- != 0;) {
        struct model_queue *q = model_queue_at(m, i);
        if (q->live && strcmp(q->name, name) == 0)
            return q;
    }
    return NULL;
}

bool model_in_doubt(const struct model_queue *q)
{
    return q->leaky || q->n_purges != 0;
}

struct place *model_add_place(struct model_queue *q, uint64_t message, uint32_t by, uint64_t cmd)
{
    struct place *p = model_push(&q->places);
    *p = (struct place){.message = message, .by = by, .cmd = cmd, .doubtful = model_in_doubt(q)};
    return p;
}

struct place *model_place(const struct model_queue *q, size_t i)
{
    return deque_at(&q->places, i);
}

size_t model_find_place(struct model_queue *q, uint64_t message)
{
    while (q->first < q->places.n && model_place(q, q->first)->state == PLACE_GONE)
        q->first++;
    for (size_t i = q->first; i < q->places.n; i++)
        if (model_place(q, i)->message == message)
            return i;
    /* Only a finding comes here: a message that is gone, or never was. */
    for (size_t i = 0; i < q->first; i++)
        if (model_place(q, i)->message == message)
            return i;
    return q->places.n;
}

size_t model_n_ready(const struct model_queue *q)
{
    size_t n = 0;
    for (size_t i = q->first; i < q->places.n; i++) {
        const struct place *p = model_place(q, i);
        n += p->state == PLACE_READY && p->purge_cmd == 0;
    }
    return n;
}

size_t model_n_most(const struct model_queue *q)
{
    size_t n = 0;
    for (size_t i = q->first; i < q->places.n; i++)
        n += model_place(q, i)->state != PLACE_GONE;
    return n;
}

/* ---- Exchanges ---- */

struct model_exchange *model_add_exchange(struct model *m, const char *name,
                                          enum exchange_kind kind)
{
    struct model_exchange *x = calloc(1, sizeof(*x));
    ASSERT(x != NULL);
    model_name(x->name, name);
    x->kind = kind;
    x->live = true;
    *(struct model_exchange **)model_push(&m->exchanges) = x;
    return x;
}

struct model_exchange *model_find_exchange(const struct model *m, const char *name)
{
    for (size_t i = m->exchanges.n; i-- != 0;) {
        struct model_exchange *x = *(struct model_exchange **)deque_at(&m->exchanges, i);
        if (x->live && strcmp(x->name, name) == 0)
            return x;
    }
    return NULL;
}

static bool model_same_binding(const struct model_binding *a, const struct model_binding *b)
{
    return a->source == b->source && a->queue == b->queue && a->exchange == b->exchange &&
           a->any == b->any && strcmp(a->key, b->key) == 0 &&
           memcmp(a->headers, b->headers, sizeof(a->headers)) == 0;
}

void model_unbind(struct model *m, const struct model_binding *b)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->bindings.n; i++) {
        struct model_binding *at = deque_at(&m->bindings, i);
        if (!model_same_binding(at, b))
            *(struct model_binding *)deque_at(&m->bindings, kept++) = *at;
    }
    deque_cut(&m->bindings, kept);
}

void model_bind(struct model *m, const struct model_binding *b)
{
    model_unbind(m, b);
    *(struct model_binding *)model_push(&m->bindings) = *b;
}

void model_drop_queue_bindings(struct model *m, const struct model_queue *q)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->bindings.n; i++) {
        struct model_binding *at = deque_at(&m->bindings, i);
        if (at->queue != q)
            *(struct model_binding *)deque_at(&m->bindings, kept++) = *at;
    }
    deque_cut(&m->bindings, kept);
}

void model_delete_exchange(struct model *m, struct model_exchange *x)
{
    x->live = false;
    size_t kept = 0;
    for (size_t i = 0; i < m->bindings.n; i++) {
        struct model_binding *at = deque_at(&m->bindings, i);
        if (at->source != x && at->exchange != x)
            *(struct model_binding *)deque_at(&m->bindings, kept++) = *at;
    }
    deque_cut(&m->bindings, kept);
}

/* ---- Routing ---- */

/* Pattern and key word by word; # is tried with every number of words. */
static bool topic_matches(const char *pattern, const char *key, bool key_ended)
{
    if (pattern == NULL)
        return key_ended;
    const char *dot = strchr(pattern, '.');
    size_t n = dot == NULL ? strlen(pattern) : (size_t)(dot - pattern);
    const char *pattern_rest = dot == NULL ? NULL : dot + 1;
    bool hash = n == 1 && pattern[0] == '#';
    if (key_ended)
        return hash && topic_matches(pattern_rest, key, true);
    const char *key_dot = strchr(key, '.');
    size_t key_n = key_dot == NULL ? strlen(key) : (size_t)(key_dot - key);
    const char *key_rest = key_dot == NULL ? NULL : key_dot + 1;
    if (hash)
        return topic_matches(pattern_rest, key, false) ||
               topic_matches(pattern, key_rest, key_rest == NULL);
    bool star = n == 1 && pattern[0] == '*';
    if (!star && (n != key_n || memcmp(pattern, key, n) != 0))
        return false;
    return topic_matches(pattern_rest, key_rest, key_rest == NULL);
}

static bool headers_match(const struct model_binding *b, const struct message_record *r)
{
    size_t wanted = 0;
    size_t equal = 0;
    for (int i = 0; i < HEADERS_MAX; i++) {
        wanted += b->headers[i] != 0;
        equal += b->headers[i] != 0 && b->headers[i] == r->headers[i];
    }
    return b->any ? equal != 0 : equal == wanted;
}

static bool binding_matches(const struct model_binding *b, const struct message_record *r)
{
    switch (b->source->kind) {
    case KIND_DIRECT: return strcmp(b->key, r->key) == 0;
    case KIND_FANOUT: return true;
    case KIND_TOPIC: return topic_matches(b->key, r->key, false);
    case KIND_HEADERS: return headers_match(b, r);
    case KIND_COUNT: break;
    }
    return false;
}

static void push_once(struct deque *set, void *thing)
{
    for (size_t i = 0; i < set->n; i++)
        if (*(void **)deque_at(set, i) == thing)
            return;
    *(void **)model_push(set) = thing;
}

void model_route(const struct model *m, const struct message_record *r, struct deque *out)
{
    deque_cut(out, 0);
    if (r->exchange[0] == 0) {
        struct model_queue *q = model_find_queue(m, r->key);
        if (q != NULL)
            push_once(out, q);
        return;
    }
    struct deque reached;
    deque_init(&reached, sizeof(struct model_exchange *));
    push_once(&reached, model_find_exchange(m, r->exchange));
    for (size_t at = 0; at < reached.n; at++) {
        struct model_exchange *x = *(struct model_exchange **)deque_at(&reached, at);
        bool matched = false;
        for (size_t i = 0; i < m->bindings.n; i++) {
            struct model_binding *b = deque_at(&m->bindings, i);
            if (b->source != x || !binding_matches(b, r))
                continue;
            matched = true;
            if (b->queue != NULL)
                push_once(out, b->queue);
            else
                push_once(&reached, b->exchange);
        }
        struct model_exchange *alternate = matched || x == NULL || x->alternate[0] == 0
                                               ? NULL
                                               : model_find_exchange(m, x->alternate);
        if (alternate != NULL)
            push_once(&reached, alternate);
    }
    deque_fini(&reached);
}
