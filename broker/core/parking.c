// SPDX-License-Identifier: Apache-2.0
#include "broker/core/parking.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "broker/core/core.h"
#include "broker/core/messages.h"

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
    fifo_init(&p->events, sizeof(struct parked_event *));
}

static struct core *parking_core(const struct channel *ch)
{
    return ch->session->core;
}

static void parking_drop_front(struct channel *ch)
{
    struct parking *p = &ch->parking;
    struct parked_event *e = *(struct parked_event **)fifo_front(&p->events);
    fifo_pop(&p->events);
    p->bytes -= e->size;
    ch->session->parked_bytes -= e->size;
    if (e->head.kind == IN_PUBLISH && e->publish.large != NULL)
        message_body_home(parking_core(ch), e->publish.large);
    free(e);
}

void parking_fini(struct channel *ch)
{
    struct parking *p = &ch->parking;
    while (p->events.n != 0)
        parking_drop_front(ch);
    fifo_fini(&p->events);
    list_remove(&p->in_jobs);
    p->why = PARK_NONE;
}

void parking_job(struct channel *ch, park_job job, void *state)
{
    struct parking *p = &ch->parking;
    /* An ack that overtakes what waits for memory may need a job of its own; when that is done, the
     * publish at the front waits for memory again. */
    ASSERT(p->why == PARK_NONE || p->why == PARK_MEMORY);
    list_remove(&p->in_jobs);
    p->why = PARK_JOB;
    p->job = job;
    p->state = state;
    list_push_back(&parking_core(ch)->jobs, &p->in_jobs);
}

void parking_memory(struct channel *ch)
{
    struct parking *p = &ch->parking;
    ASSERT(p->why == PARK_NONE);
    p->why = PARK_MEMORY;
    list_push_back(&parking_core(ch)->memory_parked, &p->in_jobs);
}

/* What may overtake publishes that wait for memory: it is what clears memory. Not in a transaction,
 * where order is part of the promise. */
static bool parking_overtakes(const struct channel *ch, const struct in_head *event)
{
    if (event->kind != IN_METHOD || ch->tx != NULL)
        return false;
    switch ((int)((const struct in_method *)event)->method.id) {
    case METHOD_basic_ack:
    case METHOD_basic_nack:
    case METHOD_basic_reject:
    case METHOD_basic_cancel: return true;
    default: return false;
    }
}

bool parking_holds(const struct channel *ch, const struct in_head *event)
{
    const struct parking *p = &ch->parking;
    if (p->why == PARK_NONE && p->events.n == 0)
        return false;
    return p->why != PARK_MEMORY || !parking_overtakes(ch, event);
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

void parking_keep(struct channel *ch, struct in_head *event)
{
    struct parking *p = &ch->parking;
    struct parked_event *e = event->kind == IN_METHOD
                                 ? parking_copy_method((const struct in_method *)event)
                                 : parking_copy_publish((const struct in_publish *)event);
    struct parked_event **place = e == NULL ? NULL : fifo_push(&p->events);
    if (place == NULL) {
        free(e);
        if (event->kind == IN_PUBLISH && ((struct in_publish *)event)->large != NULL)
            message_body_home(parking_core(ch), ((struct in_publish *)event)->large);
        session_abort(ch->session);
        return;
    }
    if (event->kind == IN_PUBLISH)
        ((struct in_publish *)event)->large = NULL;
    *place = e;
    p->bytes += e->size;
    ch->session->parked_bytes += e->size;
    session_pace(ch->session);
}

/* Executes the event at the front, unless it must wait for memory after all. */
static void parking_replay_front(struct channel *ch)
{
    struct parking *p = &ch->parking;
    struct parked_event *e = *(struct parked_event **)fifo_front(&p->events);
    if (e->head.kind == IN_PUBLISH && ch->state == CHANNEL_OPEN && parking_core(ch)->memory_high) {
        parking_memory(ch);
        return;
    }
    session_replay(ch, &e->head);
    /* Executing may have retired the channel, and with it what waited. */
    if (p->events.n != 0 && *(struct parked_event **)fifo_front(&p->events) == e)
        parking_drop_front(ch);
}

void parking_run(struct channel *ch, unsigned *work)
{
    struct parking *p = &ch->parking;
    if (p->why == PARK_JOB) {
        p->why =
            PARK_NONE; /* so that a job may end in another: a fault, and the release after it */
        if (!p->job(ch, p->state, work)) {
            p->why = PARK_JOB;
            return;
        }
        if (p->why != PARK_NONE)
            return;
    }
    p->why = PARK_NONE;
    list_remove(&p->in_jobs);
    while (p->why == PARK_NONE && p->events.n != 0) {
        if (*work == 0) {
            p->why = PARK_REPLAY;
            list_push_back(&parking_core(ch)->jobs, &p->in_jobs);
            return;
        }
        --*work;
        parking_replay_front(ch);
    }
    session_pace(ch->session);
}
