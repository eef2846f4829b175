// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/replay.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/server/recording.h"

/* Connections of one link: more descriptors than a process has. */
enum { REPLAY_CONNS_MAX = 1 << 20 };

/* Parcels sealed between two turns: one for each time that the keeper had a look. */
enum { REPLAY_SEALS_MAX = 1 << 10 };

enum replay_state { REPLAY_UNKNOWN, REPLAY_OPEN, REPLAY_FAULTED, REPLAY_CLOSED };

struct replay_conn {
    enum replay_state state;
    uint32_t generation;
    uint64_t contents; /* sent to it */
};

struct replay_link {
    struct link link;
    struct replay_conn *conns; /* by index */
    size_t n_conns;
};

struct replay {
    struct recording_head head;
    struct span secrets; /* not given out yet */
    struct recording_turn turn;
    struct env env;
    struct users users;
    struct store *store;
    struct core_observer observer;
    struct replay_link links[RECORDING_LINKS_MAX];
    uint32_t n_links; /* initialised */
    struct core *core;
    uint64_t n_turns;
    uint64_t n_events;
    uint64_t digest; /* of the last turn */
    bool compared;   /* the last turn has been */
};

__attribute__((format(printf, 2, 3))) static bool replay_refuse(const struct replay *r,
                                                                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("after turn %llu: ", (unsigned long long)r->n_turns);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    return false;
}

/* ---- The world of the core ---- */

static uint64_t replay_now_ns(struct env *env)
{
    return ((struct replay *)env->self)->turn.now_ns;
}

static void replay_secret(struct env *env, void *at, size_t size)
{
    struct replay *r = env->self;
    ASSERT(size <= r->secrets.size); /* a head holds as many as core_new asks for */
    memcpy(at, r->secrets.at, size);
    r->secrets = span_of(r->secrets.at + size, r->secrets.size - size);
}

static struct replay_conn *replay_conn(struct replay_link *l, struct slot_id id)
{
    struct replay_conn *c = id.index < l->n_conns ? &l->conns[id.index] : NULL;
    return c != NULL && c->state != REPLAY_UNKNOWN && c->generation == id.generation ? c : NULL;
}

static void replay_free_bodies(struct body *b)
{
    for (struct body *next; b != NULL; b = next) {
        next = b->next;
        body_free(b);
    }
}

/* What the I/O side would learn from the core's record. */
static void replay_hear(struct replay_link *l, const struct out_head *head)
{
    struct replay_conn *c = replay_conn(l, head->conn);
    if (head->kind == OUT_BODIES)
        replay_free_bodies(((const struct out_bodies *)head)->first);
    else if (head->kind == OUT_CONTENT && c != NULL)
        c->contents++;
    else if (head->kind == OUT_ORDER && c != NULL &&
             ((const struct out_order *)head)->order == ORDER_RELEASED)
        c->state = REPLAY_UNKNOWN;
}

static void replay_began(void *arg, const struct core *core)
{
    (void)arg;
    (void)core;
}

static void replay_ended(void *arg, const struct core *core, bool more)
{
    struct replay *r = arg;
    r->digest = recording_digest(core, more);
    for (uint32_t i = 0; i < r->n_links; i++) {
        const struct ring *out = &r->links[i].link.out;
        uint64_t at = atomic_load(&out->head);
        size_t size;
        for (const void *head; (head = ring_walk(out, &at, out->w_at, &size)) != NULL;)
            replay_hear(&r->links[i], head);
    }
}

/* ---- Events ---- */

static bool replay_open(struct replay *r, struct replay_link *l, struct slot_id id)
{
    if (id.index >= REPLAY_CONNS_MAX)
        return replay_refuse(r, "connection %u is beyond what there can be", id.index);
    if (id.index >= l->n_conns) {
        size_t n = l->n_conns == 0 ? 64 : l->n_conns;
        while (n <= id.index)
            n *= 2;
        l->conns = realloc(l->conns, n * sizeof(*l->conns));
        ASSERT(l->conns != NULL);
        memset(l->conns + l->n_conns, 0, (n - l->n_conns) * sizeof(*l->conns));
        l->n_conns = n;
    }
    struct replay_conn *c = &l->conns[id.index];
    if (c->state != REPLAY_UNKNOWN)
        return replay_refuse(r, "connection %u is opened before it is released", id.index);
    *c = (struct replay_conn){.state = REPLAY_OPEN, .generation = id.generation};
    return true;
}

/* Is it what link.h lets come for this connection now? */
static bool replay_follow(struct replay *r, struct replay_link *l, const struct recording_event *ev)
{
    if (ev->head.kind == IN_OPENED)
        return replay_open(r, l, ev->head.conn);
    struct replay_conn *c = replay_conn(l, ev->head.conn);
    bool right = c != NULL && c->state != REPLAY_CLOSED;
    if (right && ev->head.kind == IN_SENT)
        right = ev->sent.contents <= c->contents;
    else if (right && ev->head.kind != IN_CLOSED)
        right = c->state == REPLAY_OPEN;
    if (!right)
        return replay_refuse(r, "event %u of connection %u cannot come now", ev->head.kind,
                             ev->head.conn.index);
    if (ev->head.kind == IN_FAULT)
        c->state = REPLAY_FAULTED;
    if (ev->head.kind == IN_CLOSED)
        c->state = REPLAY_CLOSED;
    return true;
}

static struct body *replay_body(struct span bytes, uint32_t home)
{
    struct body *b = body_new(bytes.size, home);
    ASSERT(b != NULL);
    while (b->capacity < bytes.size) {
        enum err e = body_grow(&b, bytes.size);
        ASSERT(e == OK);
    }
    memcpy(b->bytes, bytes.at, bytes.size);
    b->size = bytes.size;
    return b;
}

static bool replay_event(struct replay *r, uint32_t link, struct recording_event *ev)
{
    struct ring *in = &r->links[link].link.in;
    if (!replay_follow(r, &r->links[link], ev))
        return false;
    if (ev->large && ev->home >= r->n_links)
        return replay_refuse(r, "a body belongs to link %u of %u", ev->home, r->n_links);
    void *at = ring_reserve(in, ev->size);
    if (at == NULL)
        return replay_refuse(r, "more events wait than a link holds");
    if (ev->large) {
        ev->publish.large = replay_body(ev->publish.body, ev->home);
        ev->publish.body = SPAN_NONE;
    }
    memcpy(at, ev, ev->size);
    ring_commit(in, ev->size);
    r->n_events++;
    return true;
}

static bool replay_input(struct replay *r, struct span in)
{
    uint32_t link;
    struct recording_event ev;
    if (!recording_take_link(&in, &link) || link >= r->n_links)
        return replay_refuse(r, "there are events for a link that does not exist");
    ring_see_released(&r->links[link].link.in);
    while (in.size != 0) {
        if (!recording_take_event(&in, &r->head.options, &ev))
            return replay_refuse(r, "an event is malformed");
        if (!replay_event(r, link, &ev))
            return false;
    }
    return true;
}

/* ---- Turns ---- */

/* The store seals, and makes durable, what it did then. */
static bool replay_store(struct replay *r)
{
    if (r->turn.filling - store_filling(r->store) > REPLAY_SEALS_MAX)
        return replay_refuse(r, "the store has sealed too much for one turn");
    while (store_filling(r->store) < r->turn.filling) {
        const struct parcel *p = store_seal(r->store);
        ASSERT(p != NULL);
    }
    store_complete(r->store, r->turn.durable);
    return true;
}

static bool replay_turn(struct replay *r, struct span in)
{
    struct recording_turn before = r->turn;
    if (!recording_take_turn(in, r->n_links, &r->turn))
        return replay_refuse(r, "a turn is malformed");
    if (r->turn.now_ns < before.now_ns || r->turn.durable < before.durable ||
        r->turn.filling < before.filling || r->turn.durable >= r->turn.filling)
        return replay_refuse(r, "time or store go backwards");
    for (uint32_t i = 0; i < r->n_links; i++) {
        struct link *l = &r->links[i].link;
        if (r->turn.released[i] < before.released[i] || r->turn.released[i] > l->out.w_at)
            return replay_refuse(r, "what is released of link %u was not written", i);
        atomic_store(&l->out.tail, r->turn.released[i]);
        ring_publish(&l->in);
    }
    if (!replay_store(r))
        return false;
    if (r->turn.shutdown)
        core_shutdown(r->core);
    core_step(r->core);
    core_check(r->core);
    r->n_turns++;
    r->compared = false;
    return true;
}

static bool replay_done(struct replay *r, struct span in)
{
    uint64_t digest;
    if (!recording_take_done(in, &digest) || r->compared || r->n_turns == 0)
        return replay_refuse(r, "a digest is malformed, or of no turn");
    r->compared = true;
    if (digest == r->digest)
        return true;
    printf("turn %llu differs: its digest is %016llx, recorded is %016llx\n",
           (unsigned long long)r->n_turns, (unsigned long long)r->digest,
           (unsigned long long)digest);
    return false;
}

static bool replay_record(struct replay *r, const struct recording_record *record)
{
    switch (record->kind) {
    case RECORDING_HEAD: break;
    case RECORDING_INPUT: return replay_input(r, record->payload);
    case RECORDING_TURN: return replay_turn(r, record->payload);
    case RECORDING_DONE: return replay_done(r, record->payload);
    }
    return replay_refuse(r, "a second head");
}

static bool replay_records(struct replay *r, struct span in)
{
    const uint8_t *from = in.at;
    struct recording_record record;
    enum recording_got got;
    while ((got = recording_next(&in, &record)) == RECORDING_RECORD)
        if (!replay_record(r, &record))
            return false;
    printf("%llu turns, %llu events replayed, no difference\n", (unsigned long long)r->n_turns,
           (unsigned long long)r->n_events);
    if (got == RECORDING_END && r->n_turns != 0 && !r->compared)
        puts("the recording ends within a turn");
    if (got == RECORDING_TORN)
        printf("the recording is cut off %zu bytes behind its head, %zu bytes are left\n",
               (size_t)(in.at - from), in.size);
    if (got == RECORDING_DAMAGED)
        printf("the recording is damaged %zu bytes behind its head\n", (size_t)(in.at - from));
    return got != RECORDING_DAMAGED;
}

/* ---- Life ---- */

static bool replay_take_users(struct replay *r)
{
    struct span in = r->head.users;
    users_init(&r->users);
    r->users.list = calloc(r->head.n_users, sizeof(*r->users.list));
    ASSERT(r->users.list != NULL || r->head.n_users == 0);
    for (; r->users.n < r->head.n_users; r->users.n++)
        if (!recording_take_user(&in, &r->users.list[r->users.n]))
            return false;
    return true;
}

static void replay_new_core(struct replay *r)
{
    struct link *links[RECORDING_LINKS_MAX];
    for (; r->n_links < r->head.n_links; r->n_links++) {
        enum err e = link_init(&r->links[r->n_links].link);
        ASSERT(e == OK);
        links[r->n_links] = &r->links[r->n_links].link;
    }
    enum err e = store_new(&r->store);
    ASSERT(e == OK);
    r->secrets = r->head.secrets;
    r->env = (struct env){.now_ns = replay_now_ns, .secret = replay_secret, .self = r};
    r->observer = (struct core_observer){replay_began, replay_ended, r};
    struct core_options options = r->head.options;
    options.env = &r->env;
    options.store = r->store;
    options.users = &r->users;
    options.observer = &r->observer;
    e = core_new(&r->core, &options, links, r->n_links);
    ASSERT(e == OK);
}

static void replay_free_link(struct replay_link *l)
{
    l->link.out.r_at = l->link.out.w_at; /* all that came out was heard, though not by peeking */
    link_fini(&l->link);
    free(l->conns);
}

static void replay_free(struct replay *r)
{
    core_free(r->core);
    for (uint32_t i = 0; i < r->n_links; i++)
        replay_free_link(&r->links[i]);
    store_free(r->store);
    free(r->users.list); /* names are the recording's */
    free(r);
}

/* Takes the head off the front. */
static bool replay_take_head(struct replay *r, struct span *in)
{
    struct span build = span_str(WHIPPET_VERSION);
    struct recording_record record;
    if (!recording_take_magic(in)) {
        puts("this is no recording, or one of a format that is not read here");
        return false;
    }
    if (recording_next(in, &record) != RECORDING_RECORD || record.kind != RECORDING_HEAD) {
        puts("the recording has no head: it was cut off, or is damaged");
        return false;
    }
    bool whole = recording_take_head(record.payload, &r->head);
    if (r->head.build.size != 0 && !span_eq(r->head.build, build)) {
        printf("the recording is of Whippet %.*s, this is %s: replay it with what made it\n",
               (int)(r->head.build.size < 32 ? r->head.build.size : 32),
               (const char *)r->head.build.at, WHIPPET_VERSION);
        return false;
    }
    if (!whole)
        puts("the head of the recording is malformed");
    return whole && replay_take_users(r);
}

int replay(struct span recording)
{
    struct replay *r = calloc(1, sizeof(*r));
    ASSERT(r != NULL);
    log_set_level(LOG_LEVEL_ERROR);
    bool good = replay_take_head(r, &recording);
    if (good) {
        replay_new_core(r);
        good = replay_records(r, recording);
    }
    replay_free(r);
    return good ? 0 : 1;
}
