// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/perf_traffic.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "broker/cli/perf_peer.h"
#include "broker/cli/perf_topology.h"

#define SECOND_NS 1000000000u
#define BURST_NS  1000000u

enum { TRAFFIC_EVENTS = 256 };

struct traffic {
    const struct perf_options *options;
    struct perf_result *result;
    struct peer_shared shared;
    struct client control; /* declares, and keeps the queues alive */
    struct peer *peers;    /* producers first */
    size_t n_peers;
    int epoll;
    uint64_t start_ns;
    uint64_t measure_ns; /* when the warm-up is over */
    uint64_t end_ns;
    uint64_t expected; /* deliveries after which the run is complete; 0 = not known */
    bool measuring;
    struct perf_sample first; /* at the start */
    struct perf_sample last;  /* at the last line */
    uint64_t line_ns;         /* when the next line is due */
    char *why;
    size_t why_size;
};

static volatile sig_atomic_t traffic_interrupted;

static void traffic_on_signal(int number)
{
    (void)number;
    traffic_interrupted = 1;
}

static enum err traffic_failed(struct traffic *t, const struct client *c, enum err e)
{
    if (e != OK)
        snprintf(t->why, t->why_size, "%s", c->why[0] == 0 ? err_text(e) : c->why);
    return e;
}

/* ---- Who may do how much by now ---- */

static uint64_t traffic_paced(uint64_t rate, uint64_t elapsed_ns)
{
    return (uint64_t)((double)elapsed_ns * (double)rate / (double)SECOND_NS);
}

static uint64_t traffic_grant_of(const struct traffic *t, size_t i, uint64_t now_ns)
{
    const struct perf_options *o = t->options;
    bool producer = i < o->producers;
    uint64_t elapsed_ns = now_ns - t->start_ns;
    uint64_t count = producer ? o->pmessages : o->cmessages;
    uint64_t rate = producer ? o->rate : o->consumer_rate;
    uint64_t grant = PERF_NO_LIMIT;
    if (rate != 0)
        grant = traffic_paced(rate, elapsed_ns);
    if (producer && o->burst != 0) {
        uint64_t total = (elapsed_ns / BURST_NS + 1) * o->burst;
        grant = total / o->producers + (i < total % o->producers);
    }
    return count != 0 && count < grant ? count : grant;
}

/* When the peer's grant will grow, as far as the clock decides. */
static uint64_t traffic_next_grant(const struct traffic *t, size_t i, uint64_t now_ns)
{
    const struct perf_options *o = t->options;
    bool producer = i < o->producers;
    uint64_t rate = producer ? o->rate : o->consumer_rate;
    uint64_t granted = t->peers[i].n_granted;
    if (producer && o->pmessages != 0 && granted >= o->pmessages)
        return UINT64_MAX;
    if (producer && o->burst != 0)
        return t->start_ns + ((now_ns - t->start_ns) / BURST_NS + 1) * BURST_NS;
    if (rate == 0 || granted == PERF_NO_LIMIT)
        return UINT64_MAX;
    return t->start_ns + (uint64_t)((double)(granted + 1) * (double)SECOND_NS / (double)rate) + 1;
}

/* ---- Readiness ---- */

static void traffic_watch(struct traffic *t, struct peer *p)
{
    bool in = !p->held;
    bool out = p->blocked;
    if (in == p->watched_in && out == p->watched_out)
        return;
    struct epoll_event event = {.events = (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u),
                                .data = {.ptr = p}};
    epoll_ctl(t->epoll, EPOLL_CTL_MOD, p->client.fd, &event);
    p->watched_in = in;
    p->watched_out = out;
}

static enum err traffic_add(struct traffic *t, struct peer *p)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = p}};
    p->watched_in = true;
    if (epoll_ctl(t->epoll, EPOLL_CTL_ADD, p->client.fd, &event) == 0)
        return OK;
    snprintf(p->client.why, sizeof(p->client.why), "epoll: %s", strerror(errno));
    return ERR_IO;
}

/* Lets everybody act whom the clock or the socket permits. *wait_until_ns: when to look again. */
static enum err traffic_act(struct traffic *t, uint64_t now_ns, uint64_t *wait_until_ns)
{
    for (size_t i = 0; i < t->n_peers; i++) {
        struct peer *p = &t->peers[i];
        enum err e = OK;
        p->n_granted = traffic_grant_of(t, i, now_ns);
        if (p->held && p->n_taken < p->n_granted)
            e = peer_take(p, now_ns);
        if (e == OK && peer_may_send(p))
            e = peer_send(p, now_ns);
        if (e != OK)
            return traffic_failed(t, &p->client, e);
        traffic_watch(t, p);
        uint64_t again = peer_may_send(p) ? now_ns : traffic_next_grant(t, i, now_ns);
        if (again < *wait_until_ns)
            *wait_until_ns = again;
    }
    return OK;
}

static enum err traffic_wait(struct traffic *t, uint64_t now_ns, uint64_t until_ns)
{
    struct epoll_event events[TRAFFIC_EVENTS];
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec wait = {(time_t)(wait_ns / SECOND_NS), (long)(wait_ns % SECOND_NS)};
    int n = epoll_pwait2(t->epoll, events, TRAFFIC_EVENTS, &wait, NULL);
    if (n < 0 && errno != EINTR) {
        snprintf(t->why, t->why_size, "epoll: %s", strerror(errno));
        return ERR_IO;
    }
    for (int i = 0; i < n; i++) {
        struct peer *p = events[i].data.ptr;
        enum err e = OK;
        if ((events[i].events & EPOLLOUT) != 0) {
            p->blocked = false;
            e = peer_may_send(p) ? OK : peer_send(p, now_ns);
        }
        if (e == OK && (events[i].events & ~(uint32_t)EPOLLOUT) != 0 && !p->held)
            e = peer_receive(p);
        if (e != OK)
            return traffic_failed(t, &p->client, e);
    }
    return OK;
}

/* ---- Measuring ---- */

static void traffic_sample(const struct traffic *t, struct perf_sample *s)
{
    s->n_sent = t->shared.n_sent;
    s->n_confirmed = t->shared.n_confirmed;
    s->n_nacked = t->shared.n_nacked;
    s->n_returned = t->shared.n_returned;
    s->n_delivered = t->shared.n_delivered;
    perf_sample_take(s, t->options);
}

/* The interval's durations go to the whole. */
static void traffic_fold(struct traffic *t)
{
    histogram_add(&t->result->latency, &t->shared.latency);
    histogram_add(&t->result->to_confirm, &t->shared.to_confirm);
    histogram_init(&t->shared.latency);
    histogram_init(&t->shared.to_confirm);
}

static void traffic_tick(struct traffic *t, uint64_t now_ns)
{
    if (!t->measuring && now_ns >= t->measure_ns) {
        t->measuring = true;
        traffic_fold(t);
        histogram_init(&t->result->latency);
        histogram_init(&t->result->to_confirm);
        traffic_sample(t, &t->result->begin);
    }
    if (now_ns < t->line_ns)
        return;
    struct perf_sample now = {.at_ns = 0};
    traffic_sample(t, &now);
    if (!t->options->quiet)
        perf_report_line(t->options->json ? stderr : stdout, &t->first, &t->last, &now,
                         &t->shared.latency);
    traffic_fold(t);
    t->last = now;
    t->line_ns += SECOND_NS;
}

/* Have all counts been reached? Without counts never. */
static bool traffic_is_complete(const struct traffic *t)
{
    const struct perf_options *o = t->options;
    if (o->pmessages == 0 && o->cmessages == 0)
        return false;
    if (t->shared.n_delivered < t->expected)
        return false;
    for (size_t i = 0; o->pmessages != 0 && i < o->producers; i++)
        if (t->peers[i].n_begun < o->pmessages || !peer_is_settled(&t->peers[i]))
            return false;
    return true;
}

/* Deliveries that the counts amount to. Without -D every queue that a message goes to counts. */
static uint64_t traffic_expected(const struct perf_options *o)
{
    if (o->cmessages != 0)
        return o->cmessages * o->consumers;
    if (o->consumers == 0)
        return 0;
    uint64_t copies = strcmp(o->type, "fanout") == 0 ? topology_n_queues(o) : 1;
    return o->pmessages * o->producers * copies;
}

static enum err traffic_loop(struct traffic *t)
{
    const struct perf_options *o = t->options;
    /* Looking at the broker's memory takes a while: the clock starts behind it. */
    traffic_sample(t, &t->first);
    t->last = t->first;
    t->result->begin = t->first;
    t->measuring = o->warmup == 0;
    t->start_ns = process_now_ns();
    t->measure_ns = t->start_ns + (uint64_t)(o->warmup * 1e9);
    t->end_ns = o->time == 0 ? UINT64_MAX : t->measure_ns + (uint64_t)(o->time * 1e9);
    t->line_ns = t->start_ns + SECOND_NS;
    enum err e = OK;
    bool complete = false;
    while (e == OK && traffic_interrupted == 0) {
        uint64_t now_ns = process_now_ns();
        uint64_t until_ns = t->end_ns < t->line_ns ? t->end_ns : t->line_ns;
        traffic_tick(t, now_ns);
        complete = traffic_is_complete(t);
        if (complete || now_ns >= t->end_ns)
            break;
        if (!t->measuring && t->measure_ns < until_ns)
            until_ns = t->measure_ns;
        e = traffic_act(t, now_ns, &until_ns);
        if (e == OK)
            e = traffic_wait(t, now_ns, until_ns);
    }
    traffic_sample(t, &t->result->end);
    traffic_fold(t);
    t->result->complete = complete || (o->pmessages == 0 && o->cmessages == 0);
    return e;
}

/* ---- Begin and end ---- */

static enum err traffic_open(struct traffic *t)
{
    const struct perf_options *o = t->options;
    client_init(&t->control);
    enum err e = client_open(&t->control, &o->address, (uint32_t)o->timeout_ms);
    if (e == OK)
        e = client_open_channel(&t->control, 1);
    if (e == OK)
        e = topology_declare(o, &t->control);
    if (e != OK)
        return traffic_failed(t, &t->control, e);
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    size_t n = (size_t)(o->producers + o->consumers);
    t->peers = calloc(n + 1, sizeof(t->peers[0]));
    if (t->epoll < 0 || t->peers == NULL) {
        snprintf(t->why, t->why_size, "epoll: %s", strerror(errno));
        return ERR_NOMEM;
    }
    while (e == OK && t->n_peers < n) {
        struct peer *p = &t->peers[t->n_peers];
        bool producer = t->n_peers < o->producers;
        size_t index = producer ? t->n_peers : t->n_peers - (size_t)o->producers;
        e = peer_open(p, &t->shared, producer ? PEER_PRODUCER : PEER_CONSUMER, index);
        t->n_peers++;
        if (e == OK)
            e = traffic_add(t, p);
        if (e != OK)
            return traffic_failed(t, &p->client, e);
    }
    return OK;
}

/* Consumers go first: with their queues gone a broker short of memory reads its producers again. */
static enum err traffic_close(struct traffic *t)
{
    enum err e = OK;
    for (size_t i = t->n_peers; e == OK && i > 0; i--) {
        struct peer *p = &t->peers[i - 1];
        e = traffic_failed(t, &p->client, peer_close(p));
    }
    if (e == OK)
        e = traffic_failed(t, &t->control, topology_delete(t->options, &t->control));
    if (e == OK)
        e = traffic_failed(t, &t->control, client_close(&t->control));
    return e;
}

static void traffic_free(struct traffic *t)
{
    for (size_t i = 0; i < t->n_peers; i++)
        peer_free(&t->peers[i]);
    free(t->peers);
    client_abort(&t->control);
    if (t->epoll >= 0)
        close(t->epoll);
    free(t);
}

enum err traffic_run(const struct perf_options *o, struct perf_result *r, char *why,
                     size_t why_size)
{
    struct traffic *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return ERR_NOMEM;
    t->options = o;
    t->result = r;
    t->epoll = -1;
    t->why = why;
    t->why_size = why_size;
    t->shared.options = o;
    t->shared.confirming = o->confirm != 0;
    t->expected = traffic_expected(o);
    histogram_init(&t->shared.latency);
    histogram_init(&t->shared.to_confirm);
    struct sigaction stop = {.sa_handler = traffic_on_signal};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    prctl(PR_SET_TIMERSLACK, 1); /* a burst is due on its millisecond, not 50 us later */
    enum err e = traffic_open(t);
    if (e == OK)
        e = traffic_loop(t);
    if (e == OK)
        e = traffic_close(t);
    traffic_free(t);
    return e;
}
