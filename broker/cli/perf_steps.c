// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/perf_steps.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "amqp/content.h"
#include "amqp/wire.h"
#include "base/bytes.h"
#include "broker/cli/perf_peer.h"
#include "broker/cli/perf_topology.h"

enum { STEPS_EVENTS = 256, STEPS_DELETES = 100 };

static enum err steps_failed(const struct client *c, enum err e, char *why, size_t why_size)
{
    if (e != OK)
        snprintf(why, why_size, "%s", c->why[0] == 0 ? err_text(e) : c->why);
    return e;
}

static enum err steps_control(const struct perf_options *o, struct client *c)
{
    client_init(c);
    enum err e = client_open(c, &o->address, (uint32_t)o->timeout_ms);
    return e == OK ? client_open_channel(c, 1) : e;
}

/* ---- Connections that come and go ---- */

enum err steps_connect(const struct perf_options *o, struct perf_result *r, char *why,
                       size_t why_size)
{
    enum err e = OK;
    r->step = "connection";
    perf_sample_take(&r->begin, o);
    for (uint64_t i = 0; e == OK && i < o->connect; i++) {
        struct client c;
        uint64_t start_ns = process_now_ns();
        e = steps_control(o, &c);
        if (e == OK)
            e = client_close(&c);
        e = steps_failed(&c, e, why, why_size);
        client_abort(&c);
        r->end.n_steps += e == OK;
        histogram_record(&r->step_ns, process_now_ns() - start_ns);
    }
    perf_sample_take(&r->end, o);
    r->complete = e == OK;
    return e;
}

/* ---- Queues ---- */

static enum err steps_put(const struct perf_options *o, struct client *c, uint64_t index,
                          enum method_id id)
{
    char name[PERF_NAME_MAX];
    char number[32];
    topology_queue(o, index, name);
    if (o->queue_pattern[0] == 0) {
        snprintf(number, sizeof(number), "-%llu", (unsigned long long)index);
        strncat(name, number, sizeof(name) - strlen(name) - 1);
    }
    struct method m = {.id = id};
    if (id == METHOD_queue_declare) {
        m.queue_declare.queue = span_str(name);
        m.queue_declare.durable = o->persistent;
    } else {
        m.queue_delete.queue = span_str(name);
    }
    return client_put(c, 1, &m);
}

/* All of them, `depth` requests before their answers. */
static enum err steps_queues(const struct perf_options *o, struct client *c, enum method_id id,
                             uint64_t depth, struct histogram *step_ns)
{
    enum method_id answer = id == METHOD_queue_declare ? METHOD_queue_declare_ok
                                                       : METHOD_queue_delete_ok;
    struct method m;
    enum err e = OK;
    ASSERT(depth != 0);
    for (uint64_t done = 0; e == OK && done < o->declare;) {
        uint64_t n = o->declare - done < depth ? o->declare - done : depth;
        uint64_t start_ns = process_now_ns();
        for (uint64_t i = 0; e == OK && i < n; i++)
            e = steps_put(o, c, done + i, id);
        if (e == OK)
            e = client_flush(c);
        for (uint64_t i = 0; e == OK && i < n; i++)
            e = client_expect(c, answer, &m);
        histogram_record(step_ns, (process_now_ns() - start_ns) / n);
        done += n;
    }
    return e;
}

enum err steps_declare(const struct perf_options *o, struct perf_result *r, char *why,
                       size_t why_size)
{
    struct client c;
    struct histogram deletes;
    histogram_init(&deletes);
    r->step = "queue";
    enum err e = steps_control(o, &c);
    if (e == OK) {
        perf_sample_take(&r->begin, o);
        e = steps_queues(o, &c, METHOD_queue_declare, o->pipeline, &r->step_ns);
        perf_sample_take(&r->end, o);
    }
    if (e == OK) {
        r->end.n_steps = o->declare;
        r->complete = true;
    }
    if (e == OK && !o->keep)
        e = steps_queues(o, &c, METHOD_queue_delete, STEPS_DELETES, &deletes);
    if (e == OK)
        e = client_close(&c);
    e = steps_failed(&c, e, why, why_size);
    client_abort(&c);
    return e;
}

/* ---- Connections that stay ---- */

struct hold {
    const struct perf_options *options;
    struct peer_shared shared;
    struct peer *peers;
    size_t n_peers;
    int epoll;
    char *why;
    size_t why_size;
};

static enum err hold_failed(struct hold *h, const struct client *c, enum err e)
{
    return steps_failed(c, e, h->why, h->why_size);
}

static enum err hold_open(struct hold *h)
{
    const struct perf_options *o = h->options;
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    h->peers = calloc((size_t)o->hold, sizeof(h->peers[0]));
    if (h->peers == NULL || h->epoll < 0) {
        snprintf(h->why, h->why_size, "no memory or no epoll for the connections");
        return ERR_NOMEM;
    }
    while (h->n_peers < o->hold) {
        struct peer *p = &h->peers[h->n_peers];
        enum err e = peer_open(p, &h->shared, PEER_CONSUMER, h->n_peers);
        h->n_peers++;
        if (e != OK)
            return hold_failed(h, &p->client, e);
        buf_fini(&p->client.out);
        struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = p}};
        if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, p->client.fd, &event) != 0) {
            snprintf(h->why, h->why_size, "epoll: %s", strerror(errno));
            return ERR_IO;
        }
    }
    return OK;
}

/* One message from each connection, so that all its buffers have been in use. */
static enum err hold_publish(struct hold *h, struct peer *p)
{
    const struct perf_options *o = h->options;
    char key[PERF_NAME_MAX];
    topology_routing_key(o, (size_t)(p - h->peers) % topology_n_queues(o), key);
    struct method publish = {
        .id = METHOD_basic_publish,
        .basic_publish = {.exchange = span_str(o->exchange), .routing_key = span_str(key)}};
    enum err e = client_put(&p->client, 1, &publish);
    size_t size = (size_t)o->size < p->client.frame_max - FRAME_OVERHEAD
                      ? (size_t)o->size
                      : p->client.frame_max - FRAME_OVERHEAD;
    size_t room = 2 * FRAME_OVERHEAD + CONTENT_HEADER_FIXED + size;
    uint8_t *start = e == OK ? buf_reserve(&p->client.out, room) : NULL;
    if (start == NULL)
        return ERR_NOMEM;
    uint8_t *at = frame_put_head(start, FRAME_HEADER, 1, CONTENT_HEADER_FIXED);
    at = put_u64(put_u16(put_u16(at, CLASS_BASIC), 0), size);
    at = put_u8(put_u16(at, 0), FRAME_END);
    if (size != 0) {
        at = frame_put_head(at, FRAME_BODY, 1, (uint32_t)size);
        memset(at, 'w', size);
        at = put_u8(at + size, FRAME_END);
    }
    buf_commit(&p->client.out, (size_t)(at - start));
    client_set_blocking(&p->client, true);
    e = client_flush(&p->client);
    client_set_blocking(&p->client, false);
    buf_fini(&p->client.out);
    return e;
}

static enum err hold_receive(struct hold *h, int timeout_ms)
{
    struct epoll_event events[STEPS_EVENTS];
    int n = epoll_wait(h->epoll, events, STEPS_EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct peer *p = events[i].data.ptr;
        enum err e = peer_receive(p);
        buf_trim(&p->client.in, 0);
        if (e != OK)
            return hold_failed(h, &p->client, e);
    }
    return OK;
}

/* Messages through every connection, then silence. A connection that ends meanwhile is a failure.
 */
static enum err hold_use(struct hold *h)
{
    const struct perf_options *o = h->options;
    enum err e = OK;
    for (size_t i = 0; e == OK && i < h->n_peers; i++) {
        struct peer *p = &h->peers[i];
        e = hold_failed(h, &p->client, hold_publish(h, p));
        h->shared.n_sent++;
        if (e == OK)
            e = hold_receive(h, 0);
    }
    uint64_t deadline_ns = process_now_ns() + o->timeout_ms * 1000000u;
    while (e == OK && h->shared.n_delivered < h->n_peers) {
        e = hold_receive(h, 100);
        if (e == OK && process_now_ns() > deadline_ns) {
            snprintf(h->why, h->why_size, "only %llu of %zu messages arrived",
                     (unsigned long long)h->shared.n_delivered, h->n_peers);
            return ERR_IO;
        }
    }
    uint64_t end_ns = process_now_ns() + (uint64_t)(o->time * 1e9);
    for (uint64_t now_ns; e == OK && (now_ns = process_now_ns()) < end_ns;)
        e = hold_receive(h, (int)((end_ns - now_ns) / 1000000u) + 1);
    return e;
}

static void hold_fini(struct hold *h)
{
    for (size_t i = 0; i < h->n_peers; i++)
        peer_free(&h->peers[i]);
    free(h->peers);
    if (h->epoll >= 0)
        close(h->epoll);
}

static void hold_allow_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

enum err steps_hold(const struct perf_options *o, struct perf_result *r, char *why, size_t why_size)
{
    struct hold h = {
        .options = o, .shared = {.options = o}, .epoll = -1, .why = why, .why_size = why_size};
    struct client control;
    r->step = "connection";
    hold_allow_files();
    enum err e = steps_control(o, &control);
    if (e == OK)
        e = topology_declare(o, &control);
    e = hold_failed(&h, &control, e);
    perf_sample_take(&r->begin, o);
    if (e == OK)
        e = hold_open(&h);
    if (e == OK)
        e = hold_use(&h);
    perf_sample_take(&r->end, o);
    if (e == OK) {
        r->end.n_steps = h.n_peers;
        r->complete = true;
    }
    for (size_t i = 0; e == OK && i < h.n_peers; i++)
        e = hold_failed(&h, &h.peers[i].client, peer_close(&h.peers[i]));
    if (e == OK)
        e = hold_failed(&h, &control, topology_delete(o, &control));
    if (e == OK)
        e = hold_failed(&h, &control, client_close(&control));
    hold_fini(&h);
    client_abort(&control);
    return e;
}
