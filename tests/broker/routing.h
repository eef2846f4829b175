// SPDX-License-Identifier: Apache-2.0
/* tests/broker/routing.h — a vhost with queues made by hand, for the tests of everything that
 * routes.
 *
 * Tables are written as text: "a:I:1 b:S:word c:V: x-match:S:any" (numbers in decimal, t as 0 or
 * 1). Answers are text too: "ok", or the sentence of the fault.
 *
 * Deliberate: function bodies in a header, because every test is a program of one file.
 */
#ifndef TESTS_BROKER_ROUTING_H
#define TESTS_BROKER_ROUTING_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/table.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "broker/core/binding.h"
#include "broker/core/queue.h"
#include "broker/core/route.h"

enum { WORLD_TABLE_MAX = 4096 };

struct world {
    struct vhost *v;
    struct route r;
    struct route slices; /* the same, done a few looks at a time */
    struct fault f;
    unsigned work; /* left in this turn */
    struct buf table;
    char routed[4096];
};

static inline void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    ck_assert_int_eq(vhost_new(&w->v, SPAN_LIT("/"), 42), OK);
    route_init(&w->r, ROUTE_AT_ONCE);
    route_init(&w->slices, ROUTE_IN_SLICES);
    buf_init(&w->table);
}

static inline struct queue *world_queue(struct world *w, const char *name)
{
    struct queue *q = vhost_queue(w->v, span_str(name));
    if (q != NULL)
        return q;
    q = calloc(1, sizeof(*q));
    ck_assert_ptr_nonnull(q);
    q->vhost = w->v;
    q->name = span_dup(span_str(name));
    list_init(&q->bindings);
    map_insert(&w->v->queues, &q->by_name, map_hash(w->v->hash_seed, q->name));
    return q;
}

/* What deleting a queue does at once: its name is free, its bindings are still there. */
static inline void world_queue_delete(struct queue *q)
{
    q->deleted = true;
    map_remove(&q->vhost->queues, &q->by_name);
    q->vhost->routing_epoch++;
}

static inline void world_queue_free(struct queue *q)
{
    unsigned work = 1u << 30;
    ck_assert(binding_remove_some(q, &work));
    free((void *)q->name.at);
    free(q);
}

static inline void world_fini(struct world *w)
{
    vhost_check(w->v);
    struct map_walk walk = {0};
    struct map_node *n;
    while ((n = map_each(&w->v->queues, &walk)) != NULL) {
        struct queue *q = CONTAINER_OF(n, struct queue, by_name);
        world_queue_delete(q);
        world_queue_free(q);
        walk = (struct map_walk){0};
    }
    vhost_check(w->v);
    vhost_free(w->v);
    route_fini(&w->r);
    route_fini(&w->slices);
    buf_fini(&w->table);
}

static inline size_t world_value(uint8_t *at, char tag, const char *text)
{
    uint64_t n = (uint64_t)strtoll(text, NULL, 10);
    float single = strtof(text, NULL);
    double twice = strtod(text, NULL);
    uint32_t bits32;
    uint64_t bits64;
    memcpy(&bits32, &single, 4);
    memcpy(&bits64, &twice, 8);
    switch (tag) {
    case 't':
    case 'b':
    case 'B': put_u8(at, (uint8_t)n); return 1;
    case 's':
    case 'u': put_u16(at, (uint16_t)n); return 2;
    case 'I':
    case 'i': put_u32(at, (uint32_t)n); return 4;
    case 'l':
    case 'L':
    case 'T': put_u64(at, n); return 8;
    case 'f': put_u32(at, bits32); return 4;
    case 'd': put_u64(at, bits64); return 8;
    case 'D': put_u32(put_u8(at, 0), (uint32_t)n); return 5;
    case 'V': return 0;
    default: memcpy(at, text, strlen(text)); return strlen(text);
    }
}

/* Valid until the next table of this buffer. */
static inline struct span table_of(struct buf *b, const char *text)
{
    char copy[WORLD_TABLE_MAX];
    char *rest = copy;
    buf_consume(b, buf_span(b).size);
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *entry; (entry = strsep(&rest, " ")) != NULL;) {
        char *name = strsep(&entry, ":");
        char *tag = strsep(&entry, ":");
        if (tag == NULL)
            continue;
        uint8_t value[256];
        size_t size = world_value(value, tag[0], entry);
        ck_assert_int_eq(table_add(b, span_str(name), tag[0], span_of(value, size)), OK);
    }
    ck_assert_int_eq(table_check(buf_span(b)), TABLE_OK);
    return buf_span(b);
}

static inline const char *world_answer(struct world *w, const struct reply *reply)
{
    if (reply == NULL)
        return "ok";
    ck_assert_ptr_eq(reply, w->f.reply);
    return w->f.text;
}

/* `flags`: d durable, a auto-delete, i internal, p passive. */
static inline const char *world_declare(struct world *w, const char *name, const char *type,
                                        const char *flags, const char *arguments)
{
    struct amqp_exchange_declare m = {
        .exchange = span_str(name),
        .type = span_str(type),
        .passive = strchr(flags, 'p') != NULL,
        .durable = strchr(flags, 'd') != NULL,
        .auto_delete = strchr(flags, 'a') != NULL,
        .internal = strchr(flags, 'i') != NULL,
        .arguments = table_of(&w->table, arguments),
    };
    return world_answer(w, exchange_declare(w->v, &m, &w->f));
}

static inline const char *world_delete(struct world *w, const char *name, bool if_unused)
{
    struct amqp_exchange_delete m = {.exchange = span_str(name), .if_unused = if_unused};
    return world_answer(w, exchange_delete(w->v, &m, &w->work, &w->f));
}

static inline const char *world_bind_as(struct world *w, const void *session, const char *exchange,
                                        const char *queue, const char *key, const char *arguments)
{
    struct amqp_queue_bind m = {
        .exchange = span_str(exchange),
        .queue = span_str(queue),
        .routing_key = span_str(key),
        .arguments = table_of(&w->table, arguments),
    };
    return world_answer(w, queue_bind(w->v, &m, session, &w->f));
}

static inline const char *world_unbind_as(struct world *w, const void *session,
                                          const char *exchange, const char *queue, const char *key,
                                          const char *arguments)
{
    struct amqp_queue_unbind m = {
        .exchange = span_str(exchange),
        .queue = span_str(queue),
        .routing_key = span_str(key),
        .arguments = table_of(&w->table, arguments),
    };
    return world_answer(w, queue_unbind(w->v, &m, session, &w->work, &w->f));
}

static inline const char *world_bind(struct world *w, const char *exchange, const char *queue,
                                     const char *key)
{
    return world_bind_as(w, NULL, exchange, queue, key, "");
}

static inline const char *world_unbind(struct world *w, const char *exchange, const char *queue,
                                       const char *key)
{
    return world_unbind_as(w, NULL, exchange, queue, key, "");
}

static inline const char *world_bind_exchange(struct world *w, const char *source,
                                              const char *destination, const char *key)
{
    struct amqp_exchange_bind m = {
        .source = span_str(source),
        .destination = span_str(destination),
        .routing_key = span_str(key),
    };
    return world_answer(w, exchange_bind(w->v, &m, &w->f));
}

static inline const char *world_unbind_exchange(struct world *w, const char *source,
                                                const char *destination, const char *key)
{
    struct amqp_exchange_unbind m = {
        .source = span_str(source),
        .destination = span_str(destination),
        .routing_key = span_str(key),
    };
    return world_answer(w, exchange_unbind(w->v, &m, &w->work, &w->f));
}

static inline bool world_exists(struct world *w, const char *exchange)
{
    return vhost_exchange(w->v, span_str(exchange)) != NULL;
}

static inline int world_by_name(const void *a, const void *b)
{
    return span_cmp((*(struct queue *const *)a)->name, (*(struct queue *const *)b)->name);
}

static inline void world_find(struct world *w, struct exchange *x,
                              const struct routed_message *keys, size_t n_keys)
{
    route_begin(&w->slices, x);
    bool whole = route_go_on(&w->slices, x, keys, n_keys, 1);
    route_begin(&w->r, x); /* it does not disturb the other */
    ck_assert(route_go_on(&w->r, x, keys, n_keys, SIZE_MAX / 2));
    for (size_t looks = 0; !whole; looks++) /* none at all is fine, too */
        whole = route_go_on(&w->slices, x, keys, n_keys, looks);
    ck_assert(!w->r.failed && !w->slices.failed);
    ck_assert_uint_eq(w->slices.n, w->r.n);
    for (size_t i = 0; i < w->r.n; i++)
        ck_assert_ptr_eq(w->slices.queues[i], w->r.queues[i]);
}

/* The names of the queues that a message goes to, in order of name, with a blank between. */
static inline const char *world_route_keys(struct world *w, const char *exchange,
                                           const struct routed_message *keys, size_t n_keys)
{
    struct exchange *x = vhost_exchange(w->v, span_str(exchange));
    ck_assert_ptr_nonnull(x);
    world_find(w, x, keys, n_keys);
    if (w->r.n > 1)
        qsort(w->r.queues, w->r.n, sizeof(w->r.queues[0]), world_by_name);
    size_t n = 0;
    w->routed[0] = '\0';
    for (size_t i = 0; i < w->r.n; i++)
        n += (size_t)snprintf(w->routed + n, sizeof(w->routed) - n, "%s%.*s", i == 0 ? "" : " ",
                              SPAN_FMT(w->r.queues[i]->name));
    ck_assert(n < sizeof(w->routed));
    return w->routed;
}

static inline const char *world_route(struct world *w, const char *exchange, const char *key)
{
    struct routed_message m = {.key = span_str(key)};
    return world_route_keys(w, exchange, &m, 1);
}

static inline const char *world_route_headers(struct world *w, const char *exchange,
                                              const char *headers)
{
    struct routed_message m = {.headers = table_of(&w->table, headers)};
    return world_route_keys(w, exchange, &m, 1);
}

static inline int world_run(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The name of the suite, then its tests. */
#define WORLD_MAIN(name, ...)                                          \
    int main(void)                                                     \
    {                                                                  \
        const TTest *const tests[] = {__VA_ARGS__};                    \
        return world_run(name, tests, sizeof(tests) / sizeof(*tests)); \
    }

#endif
