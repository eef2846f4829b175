// SPDX-License-Identifier: Apache-2.0
/* broker/core/parking.h — methods that wait for an earlier one of their channel.
 *
 * An operation that cannot finish now says how it will: a job that is called in slices until it is
 * done (PARK_JOB), or the memory limit that must clear (PARK_MEMORY). Until then the channel's
 * events are copied and kept here, in order. Behind PARK_MEMORY, acks and cancels overtake them,
 * for they are what clears it. A method that must wait before it has done anything (a queue at
 * work, a full output) is itself kept, and tried again.
 *
 * Above BLOCKED_PARKING_BYTES per session, less once all together have parked much (base/limits.h),
 * its connection is no longer read; what is already in the ring still finds a place.
 *
 * Thread: core.   Allocates: parking_keep; failing that, the connection is closed.
 */
#ifndef BROKER_CORE_PARKING_H
#define BROKER_CORE_PARKING_H

#include "base/fifo.h"
#include "base/list.h"
#include "broker/link/link.h"

struct channel;
struct parked_event;
struct session;

enum park {
    PARK_NONE,
    PARK_JOB,    /* for parking.job to finish */
    PARK_REPLAY, /* for its turn to execute what waited */
    PARK_MEMORY, /* for the memory limit to clear */
    PARK_AGAIN,  /* for its turn to try the event at hand again */
    PARK_OUTPUT  /* for room in its connection's output, to do so */
};

/* Does a slice of work, counting `*work` down. True when the operation is finished. */
typedef bool (*park_job)(struct channel *ch, void *state, unsigned *work);

struct parking {
    enum park why;
    park_job job;
    void *state;
    struct list in_jobs;        /* in core.jobs, or in the list of what it waits for */
    struct parked_event *again; /* the one to be tried again comes first, */
    struct fifo for_memory;     /* struct parked_event *: then those that wait for memory, */
    struct fifo events;         /* then those that came later and have not been looked at */
    bool barred;                /* for_memory holds a tx.select */
    bool consumes;              /* for_memory holds a basic.consume */
};

void parking_init(struct parking *p);

/* Forgets the events that wait. */
void parking_fini(struct channel *ch);

/* The channel waits for a job. `job` is called from the core's turns until it says true; `state` is
 * its own. */
void parking_job(struct channel *ch, park_job job, void *state);

/* The channel waits for memory; the event at hand must be kept by the caller (parking_keep). */
void parking_memory(struct channel *ch);

/* The event at hand cannot be executed now and has changed nothing: the channel waits for its turn
 * (in core.jobs, or until somebody moves it there from `list`), or for room in the output, and it
 * is executed anew. For handlers, which return NULL then. */
void parking_again(struct channel *ch);
void parking_again_from(struct channel *ch, struct list *list);
void parking_output(struct channel *ch);

/* After executing an event: keeps it, if it said so. Takes a publish's large body then. */
void parking_keep_again(struct channel *ch, struct in_head *event);

/* The session's output has room: its channels that waited for that have their turn. */
void parking_wake_output(struct session *s);

/* Must this event wait? */
bool parking_holds(const struct channel *ch, const struct in_head *event);

/* Copies the event to the end of what waits. Takes a publish's large body. */
void parking_keep(struct channel *ch, struct in_head *event);

/* The channel is closed on both sides: retires it. What is parked behind the client's close-ok, the
 * event at hand, is for the next channel of that number. So is what is parked behind its close,
 * from a channel.open on; before that it came too late. */
void parking_retire(struct channel *ch);

/* From the core's turn: runs the job's next slice, or tries again after memory has cleared; then
 * executes what waited, until the work is used up or the channel parks again. */
void parking_run(struct channel *ch, unsigned *work);

#endif
