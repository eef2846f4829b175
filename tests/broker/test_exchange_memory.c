// SPDX-License-Identifier: Apache-2.0
/* Every allocation of a declare, a bind, an unbind and a route fails in turn: the answer is 506 (or
 * a route that says so), nothing is half done, and the same request succeeds afterwards.
 *
 * Linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc. */
#include "tests/broker/routing.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);

#define NO_MEMORY "RESOURCE_ERROR - out of memory"

static bool armed;
static bool failed;
static unsigned left; /* allocations that still succeed */

static bool fails(void)
{
    if (!armed || left-- != 0)
        return false;
    failed = true;
    left = 0;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return fails() ? NULL : __real_realloc(at, size);
}

/* From the n-th allocation on (counted from 0) there is no memory. */
static void arm(unsigned n)
{
    left = n;
    failed = false;
    armed = true;
}

static void disarm(void)
{
    armed = false;
}

START_TEST(a_vhost_is_made_whole_or_not_at_all)
{
    enum err err = ERR_NOMEM;
    unsigned n = 0;
    for (; err != OK; n++) {
        struct vhost *v;
        arm(n);
        err = vhost_new(&v, SPAN_LIT("/"), 1);
        disarm();
        ck_assert_int_eq(v != NULL, err == OK);
        if (v != NULL) {
            vhost_check(v);
            vhost_free(v);
        }
    }
    ck_assert_uint_gt(n, 8);
}
END_TEST

START_TEST(a_declare_without_memory_leaves_no_exchange)
{
    struct world w;
    struct buf b;
    world_init(&w);
    buf_init(&b);
    struct amqp_exchange_declare m = {
        .exchange = SPAN_LIT("x"),
        .type = SPAN_LIT("topic"),
        .arguments = table_of(&b, "alternate-exchange:S:y foo:I:1"),
    };
    unsigned n = 0;
    for (const char *answer = NO_MEMORY; strcmp(answer, "ok") != 0; n++) {
        uint64_t epoch = w.v->routing_epoch;
        arm(n);
        const struct reply *reply = exchange_declare(w.v, &m, &w.f);
        disarm();
        answer = world_answer(&w, reply);
        vhost_check(w.v);
        if (reply == NULL)
            break;
        ck_assert_str_eq(answer, NO_MEMORY);
        ck_assert(!world_exists(&w, "x"));
        ck_assert_uint_eq(w.v->routing_epoch, epoch);
    }
    ck_assert_uint_ge(n, 1);
    ck_assert(world_exists(&w, "x"));
    buf_fini(&b);
    world_fini(&w);
}
END_TEST

/* More arguments than are sorted on the stack, and out of order. */
static struct span many_arguments(struct buf *b, const char *first)
{
    char text[1024];
    snprintf(text, sizeof(text), "%s", first);
    for (unsigned i = 40; i != 0; i--)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), " k%02u:I:1", i);
    return table_of(b, text);
}

static void bind_without_memory(const char *exchange, const char *key, unsigned n_least)
{
    struct world w;
    struct buf b;
    world_init(&w);
    buf_init(&b);
    world_queue(&w, "q");
    world_declare(&w, "auto", "topic", "a", "");
    struct amqp_queue_bind m = {
        .exchange = span_str(exchange),
        .queue = SPAN_LIT("q"),
        .routing_key = span_str(key),
        .arguments = many_arguments(&b, "x-match:S:any"),
    };
    unsigned n = 0;
    for (;; n++) {
        uint64_t epoch = w.v->routing_epoch;
        arm(n);
        const struct reply *reply = queue_bind(w.v, &m, NULL, &w.f);
        disarm();
        vhost_check(w.v);
        if (reply == NULL)
            break;
        ck_assert_str_eq(world_answer(&w, reply), NO_MEMORY);
        ck_assert_uint_eq(w.v->bindings.n, 0);
        ck_assert_uint_eq(w.v->routing_epoch, epoch);
        ck_assert(list_empty(&world_queue(&w, "q")->bindings));
        ck_assert(world_exists(&w, exchange));
        ck_assert_str_eq(world_route(&w, exchange, key), "");
    }
    ck_assert_uint_ge(n, n_least);
    ck_assert_uint_eq(w.v->bindings.n, 1);
    buf_fini(&b);
    world_fini(&w);
}

START_TEST(a_bind_without_memory_binds_nothing)
{
    /* Sorting the arguments takes two, the binding one, the index what it needs (an index that was
     * made stays for the next attempt). */
    bind_without_memory("amq.fanout", "k", 3);
    bind_without_memory("amq.headers", "k", 3);
    bind_without_memory("amq.direct", "k", 5);
    bind_without_memory("amq.topic", "a.*.b.#.c", 8);
    bind_without_memory("auto", "a.*.b.#.c", 8);
}
END_TEST

START_TEST(a_failed_bind_leaves_the_other_patterns_alone)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_bind(&w, "amq.topic", "q", "a.b");
    struct amqp_queue_bind m = {
        .exchange = SPAN_LIT("amq.topic"),
        .queue = SPAN_LIT("q"),
        .routing_key = SPAN_LIT("a.b.c.*.#.d"),
    };
    for (unsigned n = 0;; n++) {
        arm(n);
        const struct reply *reply = queue_bind(w.v, &m, NULL, &w.f);
        disarm();
        ck_assert_str_eq(world_route(&w, "amq.topic", "a.b"), "q");
        ck_assert_str_eq(world_route(&w, "amq.topic", "a.b.c"), "");
        if (reply == NULL)
            break;
        ck_assert_uint_eq(w.v->bindings.n, 1);
    }
    ck_assert_str_eq(world_route(&w, "amq.topic", "a.b.c.x.y.d"), "q");
    world_fini(&w);
}
END_TEST

START_TEST(an_unbind_without_memory_leaves_the_binding)
{
    struct world w;
    struct buf b;
    world_init(&w);
    buf_init(&b);
    world_queue(&w, "q");
    struct span arguments = many_arguments(&b, "z:V:");
    struct amqp_queue_bind m = {
        .exchange = SPAN_LIT("amq.fanout"), .queue = SPAN_LIT("q"), .arguments = arguments};
    struct amqp_queue_unbind u = {.exchange = m.exchange, .queue = m.queue, .arguments = arguments};
    ck_assert_str_eq(world_answer(&w, queue_bind(w.v, &m, NULL, &w.f)), "ok");
    unsigned n = 0;
    for (;; n++) {
        arm(n);
        const struct reply *reply = queue_unbind(w.v, &u, NULL, &w.work, &w.f);
        disarm();
        vhost_check(w.v);
        if (reply == NULL)
            break;
        ck_assert_str_eq(world_answer(&w, reply), NO_MEMORY);
        ck_assert_uint_eq(w.v->bindings.n, 1);
    }
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(w.v->bindings.n, 0);
    buf_fini(&b);
    world_fini(&w);
}
END_TEST

START_TEST(deleting_needs_no_memory)
{
    struct world w;
    world_init(&w);
    struct queue *q = world_queue(&w, "q");
    world_declare(&w, "x", "topic", "a", "");
    world_declare(&w, "y", "direct", "a", "");
    world_bind_exchange(&w, "x", "y", "a.#");
    world_bind(&w, "y", "q", "k");
    unsigned work = 100;
    world_queue_delete(q);
    arm(0);
    bool done = binding_remove_some(q, &work);
    disarm();
    ck_assert(done && !world_exists(&w, "x") && !world_exists(&w, "y"));
    world_queue_free(q);
    world_fini(&w);
}
END_TEST

START_TEST(a_route_without_memory_says_so)
{
    struct world w;
    struct buf b;
    world_init(&w);
    buf_init(&b);
    world_bind_exchange(&w, "amq.fanout", "amq.headers", "");
    for (char name[] = "a"; name[0] <= 'z'; name[0]++) {
        world_queue(&w, name);
        world_bind_as(&w, NULL, "amq.headers", name, "", "k01:I:1");
    }
    struct exchange *x = vhost_exchange(w.v, SPAN_LIT("amq.fanout"));
    struct routed_message m = {.headers = many_arguments(&b, "a:I:1")};
    unsigned n = 0;
    for (;; n++) {
        route_fini(&w.r);
        arm(n);
        route_begin(&w.r, x);
        bool whole = route_go_on(&w.r, x, &m, 1, SIZE_MAX / 2);
        disarm();
        ck_assert(whole);
        if (!w.r.failed)
            break;
        ck_assert_uint_lt(w.r.n, 26);
    }
    ck_assert_uint_ge(n, 4);
    ck_assert_uint_eq(w.r.n, 26);
    buf_fini(&b);
    world_fini(&w);
}
END_TEST

WORLD_MAIN("exchange_memory", a_vhost_is_made_whole_or_not_at_all,
           a_declare_without_memory_leaves_no_exchange, a_bind_without_memory_binds_nothing,
           a_failed_bind_leaves_the_other_patterns_alone,
           an_unbind_without_memory_leaves_the_binding, deleting_needs_no_memory,
           a_route_without_memory_says_so)
