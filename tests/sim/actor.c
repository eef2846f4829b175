// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/actor.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "tests/sim/failure.h"

#define NS_PER_S UINT64_C(1000000000)

enum { PIPE_MIN = 2048, PIPE_MAX = 256 * 1024 };

struct actor *actor_new(struct world *w, enum role role)
{
    struct actor *a = calloc(1, sizeof(*a));
    ASSERT(a != NULL && w->n_actors < ACTORS_MAX);
    a->world = w;
    a->role = role;
    a->number = (uint32_t)w->n_actors;
    a->n_lives = role == ROLE_JANITOR ? 1 : 1 + (unsigned)world_draw(w, 3);
    w->actors[w->n_actors++] = a;
    return a;
}

void actor_free(struct actor *a)
{
    if (a->connected)
        client_fini(&a->client);
    free(a);
}

/* ---- Beginning ---- */

static void actor_connect(struct actor *a)
{
    struct world *w = a->world;
    struct loop *l = w->sides[world_draw(w, w->plan.n_sides)].loop;
    enum net_pace pace = a->role == ROLE_JANITOR ? PACE_WHOLE
                                                 : (enum net_pace)world_draw(w, w->plan.pace + 1);
    size_t capacity = (size_t)PIPE_MIN << world_draw(w, 8);
    client_init(&a->client, peer_connect(l, true, pace, capacity), &ACTOR_LISTENER, a);
    a->conn = ++w->n_conns;
    a->connected = true;
    a->state = ACTOR_HANDSHAKE;
    a->orderly = a->role != ROLE_VANDAL;
    a->wants_cancels = world_draw(w, 4) != 0;
    a->stall_until = 0;
    a->silent_ns = w->now_ns;
    a->connected_ns = w->now_ns;
    a->n_chans = 0;
    a->heartbeat_s = 0;
    a->mute_until = 0;
    a->fault = 0;
    trace("connect", a->conn, 0, a->role, capacity);
    if (a->role != ROLE_VANDAL || world_draw(w, 4) != 0)
        client_protocol_header(&a->client);
}

static void actor_start_ok(struct actor *a)
{
    uint8_t table[96];
    struct method m = {.id = METHOD_connection_start_ok};
    m.connection_start_ok = (struct amqp_connection_start_ok){
        .mechanism = SPAN_LIT("PLAIN"),
        .response = SPAN_LIT("\0guest\0guest"),
        .locale = SPAN_LIT("en_US")};
    if (a->wants_cancels) {
        uint8_t *p = put_u8(put_shortstr(table, SPAN_LIT("capabilities")), 'F');
        uint8_t *inner = p + 4;
        uint8_t *end = put_u8(put_shortstr(inner, SPAN_LIT("consumer_cancel_notify")), 't');
        end = put_u8(end, 1);
        put_u32(p, (uint32_t)(end - inner));
        m.connection_start_ok.client_properties = span_of(table, (size_t)(end - table));
    }
    client_method(&a->client, 0, &m);
}

static void actor_tune_ok(struct actor *a, const struct amqp_connection_tune *tune)
{
    struct world *w = a->world;
    struct method m = {.id = METHOD_connection_tune_ok};
    uint32_t frame_max = world_chance(w, 2) ? tune->frame_max : FRAME_MAX_MIN;
    a->heartbeat_s = world_chance(w, 2) ? 0 : tune->heartbeat;
    m.connection_tune_ok = (struct amqp_connection_tune_ok){
        .channel_max = tune->channel_max, .frame_max = frame_max, .heartbeat = a->heartbeat_s};
    client_method(&a->client, 0, &m);
    a->client.frame_max = frame_max;
    struct method open = {.id = METHOD_connection_open};
    open.connection_open.virtual_host = SPAN_LIT("/");
    client_method(&a->client, 0, &open);
}

static void actor_new_chan(struct actor *a, size_t i)
{
    struct world *w = a->world;
    const struct chan *before = i < a->n_chans ? a->chans[i] : NULL;
    /* Its number may be used again at once. */
    struct chan *ch = chan_new(a, (uint16_t)(i + 1));
    a->chans[i] = ch;
    for (size_t k = 0; before != NULL && k < w->model.queues.n; k++) {
        struct model_queue *q = model_queue_at(&w->model, k);
        if (q->owner == before->uid && q->live) {
            q->owner = ch->uid;
            q->n_consumers = 0;
        }
    }
    for (size_t k = 0; before != NULL && k < w->model.exchanges.n; k++) {
        struct model_exchange *x = *(struct model_exchange **)deque_at(&w->model.exchanges, k);
        if (x->owner == before->uid)
            x->owner = ch->uid;
    }
    chan_open(ch);
}

static void actor_open_channels(struct actor *a)
{
    size_t n = a->role == ROLE_JANITOR ? 1 : 1 + world_draw(a->world, CHANNELS_MAX);
    for (size_t i = 0; i < n; i++)
        actor_new_chan(a, i);
    a->n_chans = n;
    a->reopens = (unsigned)world_draw(a->world, 4);
}

/* ---- Ending ---- */

/* What its channels owned, now that the connection is at its end: exclusive queues are gone, others
 * are left for the janitor. */
static void actor_leave_queues(struct actor *a)
{
    struct model *m = &a->world->model;
    for (size_t i = 0; i < m->queues.n; i++) {
        struct model_queue *q = model_queue_at(m, i);
        if (q->actor != a->number || q->owner == 0 || !q->live)
            continue;
        q->live = false;
        q->owner = 0;
        q->orphaned = !q->exclusive;
        model_drop_queue_bindings(m, q);
        for (size_t k = q->first; q->exclusive && k < q->places.n; k++)
            model_place(q, k)->state = PLACE_GONE;
    }
    for (size_t i = 0; i < m->exchanges.n; i++) {
        struct model_exchange *x = *(struct model_exchange **)deque_at(&m->exchanges, i);
        if (x->owner != 0 && chan_by_uid(a->world, x->owner)->actor == a)
            x->live = false;
    }
}

static void actor_gone(struct actor *a)
{
    trace("gone", a->conn, 0, a->client.hash, 0);
    client_fini(&a->client);
    a->connected = false;
    bool again = a->n_lives > 1 && !a->world->landing;
    a->n_lives -= again;
    a->state = again ? ACTOR_NEW : ACTOR_GONE;
    a->world->progress_step = a->world->step;
}

static void actor_lost(struct actor *a)
{
    trace("lost", a->conn, 0, 0, 0);
    for (size_t i = 0; i < a->n_chans; i++)
        chan_lost(a->chans[i]);
    actor_leave_queues(a);
    actor_gone(a);
}

void actor_reset(struct actor *a)
{
    peer_reset(a->client.peer);
    actor_lost(a);
}

/* The broker has let go of the connection. */
static void actor_at_end(struct actor *a)
{
    if (a->state == ACTOR_LEAVING) {
        actor_gone(a);
        return;
    }
    uint64_t age_ns = a->world->now_ns - a->connected_ns;
    bool slow = a->state == ACTOR_HANDSHAKE && age_ns > 9 * NS_PER_S;
    EXPECT(!a->orderly || slow, "c%u was dropped without a word", a->conn);
    /* It may have read too slowly to see the close in time. */
    bool patient = a->world->now_ns - a->provoked_ns > 20 * NS_PER_S;
    EXPECT(a->fault == 0 || patient, "c%u was dropped and not told %u", a->conn, a->fault);
    actor_lost(a);
}

static void actor_close(struct actor *a)
{
    struct method m = {.id = METHOD_connection_close};
    m.connection_close.reply_code = 200;
    client_method(&a->client, 0, &m);
    trace("connection.close", a->conn, 0, 0, 0);
    for (size_t i = 0; i < a->n_chans; i++)
        if (a->chans[i]->state == CHAN_OPEN || a->chans[i]->state == CHAN_OPENING)
            chan_ending(a->chans[i], CHAN_CLOSING);
    a->state = ACTOR_CLOSING;
}

/* Whatever is still owed may come or not; of what comes behind, nothing may be executed. */
void actor_provoked(struct chan *ch, uint16_t code)
{
    struct actor *a = ch->actor;
    trace("provoked", a->conn, ch->number, code, 0);
    a->culprit = ch;
    a->provoked_ns = a->world->now_ns;
    /* One that the broker may drop anyway may never hear of it. */
    a->fault = a->orderly ? code : 0;
    a->orderly = false;
    a->state = ACTOR_FAILING;
    for (size_t i = 0; i < a->n_chans; i++)
        if (a->chans[i]->state == CHAN_OPEN || a->chans[i]->state == CHAN_OPENING)
            chan_ending(a->chans[i], CHAN_FAILING);
}

/* close-ok: everything before it was executed, and what was owed has come or never will. */
static void actor_on_close_ok(struct actor *a)
{
    EXPECT(a->state == ACTOR_CLOSING, "c%u gets a close-ok that it did not ask for", a->conn);
    for (size_t i = 0; i < a->n_chans; i++) {
        if (a->chans[i]->state == CHAN_CLOSED)
            continue;
        deque_cut(&a->chans[i]->returns, 0);
        chan_ended(a->chans[i]);
    }
    actor_leave_queues(a);
    a->state = ACTOR_LEAVING;
    peer_shutdown(a->client.peer);
}

static void actor_on_close(struct actor *a, const struct amqp_connection_close *m)
{
    EXPECT(!a->orderly, "c%u is closed by the broker: %u %.*s", a->conn, m->reply_code,
           SPAN_FMT(m->reply_text));
    EXPECT(m->reply_code >= 320 && m->reply_code <= 541, "a connection.close with code %u",
           m->reply_code);
    EXPECT(a->fault == 0 || m->reply_code == a->fault, "c%u is closed with %u, due was %u: %.*s",
           a->conn, m->reply_code, a->fault, SPAN_FMT(m->reply_text));
    a->fault = 0;
    struct method ok = {.id = METHOD_connection_close_ok};
    client_method(&a->client, 0, &ok);
}

/* ---- Listening ---- */

static void actor_on_zero(struct actor *a, const struct method *m)
{
    trace(method_info(m->id)->name, a->conn, 0, a->state, 0);
    switch ((int)m->id) {
    case METHOD_connection_start: actor_start_ok(a); break;
    case METHOD_connection_tune: actor_tune_ok(a, &m->connection_tune); break;
    case METHOD_connection_open_ok:
        a->state = ACTOR_RUNNING;
        if (a->role != ROLE_VANDAL)
            actor_open_channels(a);
        break;
    case METHOD_connection_close: actor_on_close(a, &m->connection_close); break;
    case METHOD_connection_close_ok:
        if (a->role != ROLE_VANDAL)
            actor_on_close_ok(a);
        break;
    default: fail("c%u gets %s", a->conn, method_info(m->id)->name);
    }
}

static struct chan *actor_chan(struct actor *a, uint16_t number, const struct method *m)
{
    const char *name = method_info(m->id)->name;
    EXPECT(number <= a->n_chans, "c%u gets %s on channel %u", a->conn, name, number);
    struct chan *ch = a->chans[number - 1];
    EXPECT(ch->state != CHAN_CLOSED, "c%u.%u gets %s after its end", a->conn, number, name);
    return ch;
}

static void actor_on_method(void *arg, uint16_t channel, const struct method *m)
{
    struct actor *a = arg;
    if (channel == 0)
        actor_on_zero(a, m);
    else if (a->role != ROLE_VANDAL)
        chan_on_method(actor_chan(a, channel, m), m);
}

static void actor_on_content(void *arg, uint16_t channel, const struct method *m,
                             struct span header, struct span body)
{
    struct actor *a = arg;
    if (a->role != ROLE_VANDAL)
        chan_on_content(actor_chan(a, channel, m), m, header, body);
}

static void actor_on_heartbeat(void *arg)
{
    struct actor *a = arg;
    EXPECT(a->heartbeat_s != 0 || a->role == ROLE_VANDAL, "c%u gets a heartbeat and wanted none",
           a->conn);
}

const struct client_listener ACTOR_LISTENER = {actor_on_method, actor_on_content,
                                               actor_on_heartbeat};

/* ---- Turns ---- */

static void actor_beat(struct actor *a)
{
    struct world *w = a->world;
    uint64_t interval = a->heartbeat_s * NS_PER_S;
    if (interval == 0 || w->now_ns - a->silent_ns < interval / 2)
        return;
    a->silent_ns = w->now_ns;
    if (a->state == ACTOR_LEAVING || a->mute_until >= w->now_ns)
        return;
    client_heartbeat(&a->client);
    /* If the broker has let go of the socket meanwhile, this resets it, close-ok and all. */
    if (a->state == ACTOR_CLOSING)
        a->orderly = false;
}

/* Things that happen to connections. */
static void actor_mishap(struct actor *a)
{
    struct world *w = a->world;
    switch (world_draw(w, 8)) {
    case 0: actor_reset(a); break;
    case 1:
        /* Half-closed: to the broker that is the end. */
        a->orderly = false;
        peer_shutdown(a->client.peer);
        break;
    case 2:
        /* It says nothing for so long that the broker gives it up, if they agreed on that. */
        a->orderly = false;
        a->mute_until = w->now_ns + 30 * NS_PER_S;
        a->stall_until = w->step + world_draw(w, 20000);
        break;
    default: a->stall_until = w->step + world_draw(w, 3000); break;
    }
}

static bool actor_channels_are_closed(const struct actor *a)
{
    for (size_t i = 0; i < a->n_chans; i++)
        if (a->chans[i]->state != CHAN_CLOSED)
            return false;
    return true;
}

static void actor_decide_channel(struct actor *a, size_t i)
{
    struct chan *ch = a->chans[i];
    if (ch->state == CHAN_CLOSED && a->reopens != 0 && !a->world->landing) {
        a->reopens--;
        actor_new_chan(a, i);
    } else if (a->role == ROLE_JANITOR) {
        janitor_step(ch);
    } else {
        owner_step(ch);
    }
}

static void actor_decide(struct actor *a)
{
    struct world *w = a->world;
    bool calm = w->landing || a->role == ROLE_JANITOR;
    if (w->resting && a->role != ROLE_JANITOR)
        return;
    if (a->mute_until > w->now_ns && !w->landing)
        return;
    if (a->role == ROLE_VANDAL) {
        if (w->landing)
            actor_reset(a);
        else
            vandal_step(a);
        return;
    }
    if (a->state == ACTOR_FAILING)
        owner_keep_talking(a->culprit);
    if (a->state != ACTOR_RUNNING)
        return;
    if (!calm && world_chance(w, 2000)) {
        actor_mishap(a);
        return;
    }
    bool quit = !calm && world_chance(w, 3000);
    if ((actor_channels_are_closed(a) && (a->reopens == 0 || w->landing)) || quit) {
        actor_close(a);
        return;
    }
    actor_decide_channel(a, world_draw(w, a->n_chans));
}

static bool actor_receive(struct actor *a)
{
    if (a->stall_until > a->world->step && !a->world->landing && !a->world->resting)
        return false;
    if (peer_at_end(a->client.peer)) {
        actor_at_end(a);
        return true;
    }
    return client_receive(&a->client);
}

bool actor_step(struct actor *a)
{
    struct world *w = a->world;
    if (a->state == ACTOR_GONE)
        return false;
    if (a->state == ACTOR_NEW) {
        actor_connect(a);
        return true;
    }
    actor_beat(a);
    switch (world_draw(w, 4)) {
    case 0: actor_decide(a); return !w->resting;
    case 1:
        if (!client_send(&a->client))
            return false;
        a->silent_ns = w->now_ns;
        return true;
    default: return actor_receive(a);
    }
}
