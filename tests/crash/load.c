// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/load.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>

enum {
    LOAD_POLL_MS = 1,
    LOAD_BURY_MS = 5000,
    LOAD_DEEDS = 3,
    LOAD_AGED = 2000,
    LOAD_CHURN_ONE_IN = 3000
};

/* The roles of each connection's channels. */
static const struct load_row {
    uint16_t n;
    enum role roles[LINK_CHANNELS_MAX];
} LOAD_ROWS[LOAD_LINKS] = {
    {2, {ROLE_PUBLISHER, ROLE_PUBLISHER}},
    {2, {ROLE_CONSUMER, ROLE_CONSUMER}},
    {3, {ROLE_PUBLISHER, ROLE_CONSUMER, ROLE_GETTER}},
    {2, {ROLE_TRANSACTOR, ROLE_TRANSACTOR}},
    {1, {ROLE_OWNER}},
};

uint64_t load_now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static void load_failed(struct load *l, size_t i, const char *what)
{
    model_flaw(&l->ground->model, FLAW_BROKER, 0, "connection %zu, %s: %s", i, what,
               l->links[i].client.why);
}

/* ---- What comes in ---- */

static void load_on_method(struct link *link, uint16_t channel, const struct method *m)
{
    struct chan *chans = link->owner;
    if (channel != 0 && channel <= link->n_channels) {
        chan_on_method(&chans[channel - 1], m);
        return;
    }
    if (m->id == METHOD_connection_blocked || m->id == METHOD_connection_unblocked)
        return;
    link->closed = m->id == METHOD_connection_close_ok;
    if (link->closed)
        return;
    client_set_refused(&link->client, m);
    model_flaw(&chans[0].ground->model, FLAW_BROKER, 0, "%s", link->client.why);
}

static void load_on_content(struct link *link, uint16_t channel, const struct method *m,
                            struct span header, struct span body)
{
    struct chan *chans = link->owner;
    chan_on_content(&chans[channel - 1], m, header, body);
}

static const struct link_listener LOAD_LISTENER = {load_on_method, load_on_content};

/* ---- Connections ---- */

static void load_connect(struct load *l, size_t i)
{
    const struct load_row *row = &LOAD_ROWS[i];
    if (link_open(&l->links[i], l->port, row->n, &LOAD_LISTENER, l->chans[i]) != OK)
        load_failed(l, i, "opening");
    for (uint16_t j = 0; j < row->n; j++)
        chan_init(&l->chans[i][j], l->ground, &l->links[i], (uint16_t)(j + 1), row->roles[j]);
}

void load_open(struct load *l, struct ground *g, uint16_t port)
{
    l->ground = g;
    l->port = port;
    for (size_t i = 0; i < LOAD_LINKS; i++)
        load_connect(l, i);
}

/* Ends a connection in one way or the other and begins it anew. What is unsettled goes back. A
 * channel that waits for an answer would leave us in doubt, and so would one that may be getting
 * messages unseen when nobody waits for its end. */
static void load_churn(struct load *l, size_t i)
{
    bool orderly = rng_below(&l->ground->rng, 2) == 0;
    for (uint16_t j = 0; j < LOAD_ROWS[i].n; j++) {
        const struct chan *ch = &l->chans[i][j];
        if (!chan_is_idle(ch))
            return;
        orderly = orderly || ch->role == ROLE_OWNER || ch->consumes_blindly;
    }
    if (orderly && link_close(&l->links[i]) != OK)
        load_failed(l, i, "closing");
    link_abort(&l->links[i]);
    l->ground->model.now_ns = load_now_ns();
    for (uint16_t j = 0; j < LOAD_ROWS[i].n; j++) {
        chan_ended(&l->chans[i][j], orderly);
        chan_fini(&l->chans[i][j]);
    }
    load_connect(l, i);
}

/* ---- The loop ---- */

static void load_step(struct load *l, size_t i)
{
    struct link *link = &l->links[i];
    for (uint16_t j = 0; j < LOAD_ROWS[i].n; j++)
        for (int k = 0; k < LOAD_DEEDS && buf_span(&link->client.out).size < LOAD_UNSENT_MAX; k++)
            role_step(&l->chans[i][j]);
    if (link_send(link) != OK)
        load_failed(l, i, "sending");
    else if (rng_below(&l->ground->rng, LOAD_CHURN_ONE_IN) == 0)
        load_churn(l, i);
}

static void load_poll(struct load *l)
{
    struct pollfd fds[LOAD_LINKS];
    for (size_t i = 0; i < LOAD_LINKS; i++) {
        bool writes = !link_is_flushed(&l->links[i]);
        fds[i] = (struct pollfd){.fd = l->links[i].client.fd,
                                 .events = (short)(POLLIN | (writes ? POLLOUT : 0))};
    }
    if (poll(fds, LOAD_LINKS, LOAD_POLL_MS) <= 0)
        return;
    l->ground->model.now_ns = load_now_ns();
    for (size_t i = 0; i < LOAD_LINKS; i++) {
        size_t n;
        if ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
            link_receive(&l->links[i], &n) != OK)
            load_failed(l, i, "receiving");
    }
}

void load_run(struct load *l, uint64_t until_ns)
{
    struct model *m = &l->ground->model;
    for (m->now_ns = load_now_ns(); m->now_ns < until_ns && m->flaw == FLAW_NONE;
         m->now_ns = load_now_ns()) {
        for (size_t i = 0; i < LOAD_LINKS && m->flaw == FLAW_NONE; i++)
            load_step(l, i);
        if (m->flaw == FLAW_NONE)
            load_poll(l);
        if (!m->lax && m->live.n > 2 * (size_t)m->n_there + LOAD_AGED)
            model_age(m);
    }
}

static bool load_is_quiet(const struct load *l, size_t i)
{
    for (uint16_t j = 0; j < LOAD_ROWS[i].n; j++)
        if (!chan_is_idle(&l->chans[i][j]) || l->chans[i][j].n_unconfirmed != 0)
            return false;
    return link_is_flushed(&l->links[i]);
}

/* Sends, waits and receives, once. */
static bool load_turn(struct link *link)
{
    struct pollfd fd = {.fd = link->client.fd, .events = POLLIN};
    size_t n;
    fd.events |= link_is_flushed(link) ? 0 : POLLOUT;
    if (poll(&fd, 1, LINK_TIMEOUT_MS) > 0)
        return link_send(link) == OK && link_receive(link, &n) == OK;
    snprintf(link->client.why, sizeof(link->client.why), "no answer in %d ms", LINK_TIMEOUT_MS);
    return false;
}

/* Half of them wait for all their answers and confirms first, which have to come; the others leave
 * in the midst of it. */
static void load_close_one(struct load *l, size_t i)
{
    struct link *link = &l->links[i];
    struct method close = {.id = METHOD_connection_close, .connection_close = {.reply_code = 200}};
    bool going = true;
    if (rng_below(&l->ground->rng, 2) == 0)
        while (going && l->ground->model.flaw == FLAW_NONE && !load_is_quiet(l, i))
            going = load_turn(link);
    going = going && client_put(&link->client, 0, &close) == OK;
    while (going && !link->closed && l->ground->model.flaw == FLAW_NONE)
        going = load_turn(link);
    if (!link->closed)
        load_failed(l, i, "closing");
    link_abort(link);
}

void load_close(struct load *l)
{
    struct model *m = &l->ground->model;
    for (size_t i = 0; i < LOAD_LINKS && m->flaw == FLAW_NONE; i++) {
        load_close_one(l, i);
        m->now_ns = load_now_ns();
        for (uint16_t j = 0; j < LOAD_ROWS[i].n; j++)
            if (m->flaw == FLAW_NONE)
                chan_ended(&l->chans[i][j], true);
    }
}

void load_bury(struct load *l)
{
    struct model *m = &l->ground->model;
    for (size_t i = 0; i < LOAD_LINKS; i++) {
        if (m->flaw == FLAW_NONE)
            link_drain(&l->links[i]);
        link_abort(&l->links[i]);
    }
    for (size_t i = 0; i < LOAD_LINKS; i++)
        for (uint16_t j = 0; j < LOAD_ROWS[i].n; j++) {
            if (m->flaw == FLAW_NONE)
                chan_killed(&l->chans[i][j]);
            chan_fini(&l->chans[i][j]);
        }
}
