// SPDX-License-Identifier: Apache-2.0
#include "broker/core/parking.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "broker/core/core.h"
#include "broker/core/messages.h"
#include "broker/core/publish.h"

/* An event whose spans point into its own bytes. */
struct parked_event {
    size_t size; /* charged */
    union {
        struct in_head head;
        struct in_method method;
        struct in_publish publish;
    };
    uint8_t bytes[];
};

void parking_init(struct parking *p)
{
    *p = (struct parking){.why = PARK_NONE};
    list_init(&p->in_jobs);
    fifo_init(&p->for_memory, sizeof(struct parked_event *));
    fifo_init(&p->events, sizeof(struct parked_event *));
}

static struct core *parking_core(const struct channel *ch)
{
    return ch->session->core;
}

static void parking_free_event(struct session *s, struct parked_event *e)
{
    session_uncharge(s, e->size);
    if (e->head.kind == IN_PUBLISH && e->publish.large != NULL)
        message_body_home(s->core, e->publish.large);
    free(e);
}

static struct parked_event *parking_front(const struct fifo *events)
{
    return *(struct parked_event **)fifo_front(events);
}

static struct parked_event *parking_pop(struct fifo *events)
{
    struct parked_event *e = parking_front(events);
    fifo_pop(events);
    return e;
}

static void parking_drop(struct session *s, struct fifo *events)
{
    while (events->n != 0)
        parking_free_event(s, parking_pop(events));
    fifo_fini(events);
}

void parking_fini(struct channel *ch)
{
    struct parking *p = &ch->parking;
    if (p->again != NULL)
        parking_free_event(ch->session, p->again);
    p->again = NULL;
    parking_drop(ch->session, &p->for_memory);
    parking_drop(ch->session, &p->events);
    list_remove(&p->in_jobs);
    p->why = PARK_NONE;
}

void parking_job(struct channel *ch, park_job job, void *state)
{
    struct parking *p = &ch->parking;
    /* An ack that overtakes what waits for memory may need a job of its own. */
    ASSERT(p->why == PARK_NONE || p->why == PARK_MEMORY);
    list_remove(&p->in_jobs);
    p->why = PARK_JOB;
    p->job = job;
    p->state = state;
    list_push_back(&parking_core(ch)->jobs, &p->in_jobs);
}

static void parking_wait(struct channel *ch, enum park why, struct list *list)
{
    ASSERT(ch->parking.why == PARK_NONE);
    ch->parking.why = why;
    list_push_back(list, &ch->parking.in_jobs);
}

void parking_memory(struct channel *ch)
{
    parking_wait(ch, PARK_MEMORY, &parking_core(ch)->memory_parked);
}

void parking_again(struct channel *ch)
{
    parking_again_from(ch, &parking_core(ch)->jobs);
}

void parking_again_from(struct channel *ch, struct list *list)
{
    parking_wait(ch, PARK_AGAIN, list);
}

void parking_output(struct channel *ch)
{
    parking_wait(ch, PARK_OUTPUT, &ch->session->awaiting_output);
}

void parking_wake_output(struct session *s)
{
    LIST_EACH(&s->awaiting_output, node)
        CONTAINER_OF(node, struct channel, parking.in_jobs)->parking.why = PARK_REPLAY;
    list_splice_back(&s->core->jobs, &s->awaiting_output);
}

static bool parking_is_again(const struct parking *p)
{
    return p->why == PARK_AGAIN || p->why == PARK_OUTPUT;
}

static bool parking_has_events(const struct parking *p)
{
    return p->again != NULL || p->for_memory.n != 0 || p->events.n != 0;
}

/* What may overtake publishes that wait for memory: it is what clears memory. Not in a transaction,
 * nor past the beginning of one, where order is part of the promise. */
static bool parking_overtakes(const struct channel *ch, const struct in_head *event)
{
    if (event->kind != IN_METHOD || ch->tx != NULL || ch->parking.barred)
        return false;
    switch ((int)((const struct in_method *)event)->method.id) {
    case METHOD_basic_ack:
    case METHOD_basic_nack:
    case METHOD_basic_reject: return true;
    case METHOD_basic_cancel: return !ch->parking.consumes; /* its consumer may be among them */
    default: return false;
    }
}

static bool parking_is_open(const struct in_head *event)
{
    return event->kind == IN_METHOD &&
           ((const struct in_method *)event)->method.id == METHOD_channel_open;
}

bool parking_holds(const struct channel *ch, const struct in_head *event)
{
    const struct parking *p = &ch->parking;
    if (p->why == PARK_NONE && !parking_has_events(p))
        return ch->state == CHANNEL_CLOSING && parking_is_open(event);
    /* Behind events that found no memory to be moved, nothing overtakes. */
    return p->why != PARK_MEMORY || p->events.n != 0 || !parking_overtakes(ch, event);
}

static struct parked_event *parking_copy_method(const struct in_method *ev)
{
    struct parked_event *e = malloc(sizeof(*e) + ev->payload.size);
    if (e == NULL)
        return NULL;
    e->size = sizeof(*e) + ev->payload.size;
    e->method = *ev;
    put_bytes(e->bytes, ev->payload);
    e->method.payload = span_of(e->bytes, ev->payload.size);
    struct fault f;
    const struct reply *bad = method_decode(e->method.payload, &e->method.method, &f);
    ASSERT(bad == NULL); /* the same bytes were decoded when they came in */
    return e;
}

static struct parked_event *parking_copy_publish(const struct in_publish *ev)
{
    size_t size = ev->route.size + ev->header.size + ev->body.size;
    struct parked_event *e = malloc(sizeof(*e) + size);
    if (e == NULL)
        return NULL;
    e->size = sizeof(*e) + size + (ev->large == NULL ? 0 : ev->large->size);
    e->publish = *ev;
    uint8_t *p = e->bytes;
    e->publish.route.at = p;
    p = put_bytes(p, ev->route);
    e->publish.header.at = p;
    p = put_bytes(p, ev->header);
    e->publish.body.at = p;
    put_bytes(p, ev->body);
    return e;
}

/* At the end of what waits for memory, or of what has not been looked at. False when memory is out.
 */
static bool parking_push(struct parking *p, struct parked_event *e, bool for_memory)
{
    struct parked_event **place = fifo_push(for_memory ? &p->for_memory : &p->events);
    if (place == NULL)
        return false;
    *place = e;
    if (for_memory && e->head.kind == IN_METHOD) {
        p->barred |= e->method.method.id == METHOD_tx_select;
        p->consumes |= e->method.method.id == METHOD_basic_consume;
    }
    return true;
}

/* A copy that is charged. Takes a publish's large body; NULL when memory is out, and then the body
 * has gone home. */
static struct parked_event *parking_copy(struct session *s, struct in_head *event)
{
    struct in_publish *publish = event->kind == IN_PUBLISH ? (struct in_publish *)event : NULL;
    struct parked_event *e = publish == NULL ? parking_copy_method((struct in_method *)event)
                                             : parking_copy_publish(publish);
    if (e != NULL)
        session_charge(s, e->size);
    else if (publish != NULL && publish->large != NULL)
        message_body_home(s->core, publish->large);
    if (publish != NULL)
        publish->large = NULL;
    return e;
}

void parking_keep(struct channel *ch, struct in_head *event)
{
    struct session *s = ch->session;
    struct parked_event *e = parking_copy(s, event);
    bool for_memory = ch->parking.why == PARK_MEMORY && ch->parking.events.n == 0;
    if (e != NULL && parking_push(&ch->parking, e, for_memory))
        return;
    if (e != NULL)
        parking_free_event(s, e);
    session_abort(s);
}

void parking_keep_again(struct channel *ch, struct in_head *event)
{
    struct parking *p = &ch->parking;
    if (!parking_is_again(p))
        return;
    ASSERT(p->again == NULL);
    p->again = parking_copy(ch->session, event);
    if (p->again == NULL)
        session_abort(ch->session);
}

/* ---- A channel's successor ---- */

/* The first event opens the next channel of that number, or is a fault. */
static void parking_hand_over_first(struct session *s, struct parked_event *e)
{
    if (e->head.kind == IN_METHOD) {
        session_on_method(s, &e->method);
    } else {
        session_on_publish(s, &e->publish);
        e->publish.large = NULL;
    }
    parking_free_event(s, e);
}

static struct fifo *parking_first(struct parking *p)
{
    return p->for_memory.n != 0 ? &p->for_memory : &p->events;
}

/* Is the next event for the channel that comes after this one? */
static bool parking_is_next_channels(struct channel *ch)
{
    const struct fifo *first = parking_first(&ch->parking);
    return ch->state == CHANNEL_CLOSING && ch->parking.again == NULL && first->n != 0 &&
           parking_is_open(&parking_front(first)->head);
}

void parking_retire(struct channel *ch)
{
    struct session *s = ch->session;
    uint16_t number = ch->number;
    struct parking *p = &ch->parking;
    while (ch->state == CHANNEL_CLOSING && parking_first(p)->n != 0 &&
           !parking_is_next_channels(ch))
        parking_free_event(s, parking_pop(parking_first(p)));
    struct parking left = *p;
    fifo_init(&p->for_memory, sizeof(struct parked_event *));
    fifo_init(&p->events, sizeof(struct parked_event *));
    channel_retire(ch);
    struct channel *next = NULL;
    if (parking_first(&left)->n != 0) {
        parking_hand_over_first(s, parking_pop(parking_first(&left)));
        next = s->state == SESSION_RUNNING ? session_channel(s, number) : NULL;
    }
    if (next == NULL) {
        parking_drop(s, &left.for_memory);
        parking_drop(s, &left.events);
        return;
    }
    p = &next->parking;
    fifo_move(&p->for_memory, &left.for_memory);
    fifo_move(&p->events, &left.events);
    p->barred = left.barred;
    p->consumes = left.consumes;
    p->why = PARK_REPLAY;
    list_push_back(&s->core->jobs, &p->in_jobs);
}

/* ---- Turns ---- */

static void parking_execute_event(struct channel *ch, struct parked_event *e)
{
    struct session *s = ch->session;
    session_replay(ch, &e->head);
    if (parking_is_again(&ch->parking))
        ch->parking.again = e;
    else
        parking_free_event(s, e);
}

static void parking_execute(struct channel *ch, struct fifo *from)
{
    struct parked_event *e = parking_pop(from);
    if (ch->parking.for_memory.n == 0) {
        ch->parking.barred = false;
        ch->parking.consumes = false;
    }
    parking_execute_event(ch, e);
}

static bool parking_waits(const struct channel *ch, const struct parked_event *e)
{
    return e->head.kind == IN_PUBLISH && publish_waits(ch);
}

/* Deals with the next event: executes it, or puts it behind those that wait for memory. Once one
 * waits, every later one is looked at before the channel rests, so that those which may overtake do
 * so in their own order. False when there is nothing to be done now. */
static bool parking_step(struct channel *ch)
{
    struct parking *p = &ch->parking;
    if (p->again != NULL) {
        struct parked_event *e = p->again;
        p->again = NULL;
        parking_execute_event(ch, e);
        return true;
    }
    if (p->for_memory.n != 0 && !parking_waits(ch, parking_front(&p->for_memory))) {
        parking_execute(ch, &p->for_memory);
        return true;
    }
    if (p->events.n == 0)
        return false;
    struct parked_event *e = parking_front(&p->events);
    bool waits = p->for_memory.n == 0 ? parking_waits(ch, e) : !parking_overtakes(ch, &e->head);
    if (!waits) {
        parking_execute(ch, &p->events);
        return true;
    }
    if (!parking_push(p, e, true))
        return false; /* without memory to move it, it waits where it is */
    fifo_pop(&p->events);
    return true;
}

void parking_run(struct channel *ch, unsigned *work)
{
    struct parking *p = &ch->parking;
    if (p->why == PARK_JOB) {
        p->why =
            PARK_NONE; /* so that a job may end in another: a fault, and the release after it */
        if (!p->job(ch, p->state, work)) {
            p->why = PARK_JOB;
            list_remove(&p->in_jobs);
            list_push_back(&parking_core(ch)->jobs, &p->in_jobs);
            return;
        }
        core_serve_returned(parking_core(ch));
        if (p->why != PARK_NONE)
            return;
    }
    p->why = PARK_NONE;
    list_remove(&p->in_jobs);
    while (p->why == PARK_NONE && parking_has_events(p) && !parking_is_next_channels(ch)) {
        if (*work == 0) {
            p->why = PARK_REPLAY;
            list_push_back(&parking_core(ch)->jobs, &p->in_jobs);
            return;
        }
        --*work;
        if (!parking_step(ch))
            parking_memory(ch);
    }
}
