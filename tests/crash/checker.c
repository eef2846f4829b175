// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/checker.h"

#include <poll.h>
#include <stdio.h>

#include "tests/crash/load.h"

/* Queues and bindings that everybody uses; besides, x.topic hands on to x.sub what begins with `a`.
 * The first queue is the one that may have consumers without acks. */
enum { FOUND_QUEUES = 6 };

static const struct found_row {
    const char *exchange;
    enum layout_kind kind;
    struct {
        uint32_t queue;
        const char *key;
    } bindings[5];
    size_t n;
} FOUND[] = {
    {"x.sub", LAYOUT_DIRECT, {{2, "a"}, {4, "a.b"}}, 2},
    {"x.direct", LAYOUT_DIRECT, {{1, "a"}, {2, "a"}, {3, "b"}, {0, "b"}}, 4},
    {"x.topic", LAYOUT_TOPIC, {{1, "a.*"}, {2, "*.b"}, {3, "a.#"}, {5, "#"}, {4, "*.b.c"}}, 5},
    {"x.fanout", LAYOUT_FANOUT, {{1, ""}, {4, ""}, {5, ""}}, 3},
};

/* ---- Its connection ---- */

static void checker_on_method(struct link *link, uint16_t channel, const struct method *m)
{
    struct checker *c = link->owner;
    if (channel == 1 || channel == 2) {
        chan_on_method(&c->chans[channel - 1], m);
        return;
    }
    client_set_refused(&link->client, m);
    model_flaw(&c->ground->model, FLAW_BROKER, 0, "checker: %s", link->client.why);
}

static void checker_on_content(struct link *link, uint16_t channel, const struct method *m,
                               struct span header, struct span body)
{
    struct checker *c = link->owner;
    chan_on_content(&c->chans[channel - 1], m, header, body);
}

static const struct link_listener CHECKER_LISTENER = {checker_on_method, checker_on_content};

void checker_open(struct checker *c, struct ground *g, uint16_t port, uint64_t until_ns)
{
    *c = (struct checker){.ground = g, .until_ns = until_ns};
    g->model.now_ns = load_now_ns();
    if (link_open(&c->link, port, 2, &CHECKER_LISTENER, c) != OK)
        model_flaw(&g->model, FLAW_BROKER, 0, "checker: %s", c->link.client.why);
    for (uint16_t i = 0; i < 2; i++)
        chan_init(&c->chans[i], g, &c->link, (uint16_t)(i + 1), ROLE_CHECKER);
    if (!c->link.up)
        return;
    struct method select = {.id = METHOD_confirm_select};
    chan_call(&c->chans[1], &select, METHOD_confirm_select_ok, 0);
    checker_await(c, &c->chans[1]);
}

void checker_close(struct checker *c)
{
    struct model *m = &c->ground->model;
    if (m->flaw == FLAW_NONE && link_close(&c->link) != OK)
        model_flaw(m, FLAW_BROKER, 0, "checker, closing: %s", c->link.client.why);
    link_abort(&c->link);
    m->now_ns = load_now_ns();
    for (int i = 0; i < 2; i++) {
        if (m->flaw == FLAW_NONE)
            chan_ended(&c->chans[i], true);
        chan_fini(&c->chans[i]);
    }
}

bool checker_stopped(const struct checker *c)
{
    return c->cut || c->ground->model.flaw != FLAW_NONE;
}

void checker_bury(struct checker *c)
{
    link_drain(&c->link);
    for (int i = 0; i < 2; i++) {
        chan_killed(&c->chans[i]);
        chan_fini(&c->chans[i]);
    }
}

/* How long it may wait, in ms. */
static int checker_patience(const struct checker *c)
{
    uint64_t now_ns = load_now_ns();
    if (c->until_ns <= now_ns)
        return 0;
    uint64_t ms = (c->until_ns - now_ns) / 1000000u + 1;
    return ms < LINK_TIMEOUT_MS ? (int)ms : LINK_TIMEOUT_MS;
}

/* One turn: sends, waits for something, takes it. */
static void checker_turn(struct checker *c)
{
    struct model *m = &c->ground->model;
    struct pollfd fd = {.fd = c->link.client.fd, .events = POLLIN};
    size_t n;
    enum err e = link_send(&c->link);
    if (!link_is_flushed(&c->link))
        fd.events |= POLLOUT;
    int ready = e == OK ? poll(&fd, 1, checker_patience(c)) : 1;
    m->now_ns = load_now_ns();
    c->cut = m->now_ns >= c->until_ns;
    if (ready == 0 && !c->cut)
        model_flaw(m, FLAW_BROKER, 0, "checker: no answer in %d ms", LINK_TIMEOUT_MS);
    else if (e != OK || ((fd.revents & ~POLLOUT) != 0 && link_receive(&c->link, &n) != OK))
        model_flaw(m, FLAW_BROKER, 0, "checker: %s", c->link.client.why);
}

void checker_await(struct checker *c, const struct chan *ch)
{
    while (!checker_stopped(c) && !chan_is_idle(ch))
        checker_turn(c);
}

void checker_await_confirms(struct checker *c)
{
    while (!checker_stopped(c) && c->chans[1].n_unconfirmed != 0)
        checker_turn(c);
}

void checker_await_messages(struct checker *c, uint32_t n)
{
    while (!checker_stopped(c) && c->chans[1].n_taken < n)
        checker_turn(c);
}

/* ---- What is shared ---- */

static void checker_bind(struct checker *c, const struct layout_binding *b)
{
    if (checker_stopped(c))
        return;
    chan_bind(&c->chans[0], layout_add_binding(&c->ground->model.layout, b));
    checker_await(c, &c->chans[0]);
}

static void checker_found_exchange(struct checker *c, const struct found_row *row)
{
    struct layout *l = &c->ground->model.layout;
    struct chan *ch = &c->chans[0];
    uint32_t exchange = layout_add_exchange(l, row->exchange, row->kind);
    l->exchanges[exchange].shared = true;
    chan_declare_exchange(ch, exchange, false);
    checker_await(c, ch);
    for (size_t i = 0; i < row->n; i++) {
        struct layout_binding b = {.exchange = exchange, .destination = row->bindings[i].queue};
        snprintf(b.key, sizeof(b.key), "%s", row->bindings[i].key);
        checker_bind(c, &b);
    }
    if (row->kind == LAYOUT_TOPIC)
        checker_bind(
            c, &(struct layout_binding){.exchange = exchange, .to_exchange = true, .key = "a.#"});
}

void checker_found(struct checker *c)
{
    struct layout *l = &c->ground->model.layout;
    struct chan *ch = &c->chans[0];
    for (uint32_t i = 0; i < FOUND_QUEUES && chan_is_idle(ch); i++) {
        char name[] = {'s', (char)('0' + i), 0};
        uint32_t queue = layout_add_queue(l, name);
        l->queues[queue].shared = true;
        l->queues[queue].length_max = i % 2 == 0 ? 1000000 : 0;
        chan_declare_queue(ch, queue, false);
        checker_await(c, ch);
    }
    for (size_t i = 0; i < sizeof(FOUND) / sizeof(FOUND[0]) && chan_is_idle(ch); i++)
        checker_found_exchange(c, &FOUND[i]);
}
