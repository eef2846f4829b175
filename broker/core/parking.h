// SPDX-License-Identifier: Apache-2.0
/* broker/core/parking.h — methods that wait for an earlier one of their channel.
 *
 * An operation that cannot finish now says how it will: a job that is called in slices until it is
 * done (PARK_JOB), or the memory limit that must clear (PARK_MEMORY). Until then the channel's
 * events are copied and kept here, in order. Behind PARK_MEMORY, acks and cancels overtake them,
 * for they are what clears it.
 *
 * Above BLOCKED_PARKING_BYTES per session its connection is no longer read; what is already in the
 * ring still finds a place.
 *
 * Thread: core.   Allocates: parking_keep; failing that, the connection is closed.
 */
#ifndef BROKER_CORE_PARKING_H
#define BROKER_CORE_PARKING_H

#include "base/fifo.h"
#include "base/list.h"
#include "broker/link/link.h"

struct channel;

enum park {
    PARK_NONE,
    PARK_JOB,    /* for parking.job to finish */
    PARK_REPLAY, /* for its turn to execute what waited */
    PARK_MEMORY  /* for the memory limit to clear */
};

/* Does a slice of work, counting `*work` down. True when the operation is finished. */
typedef bool (*park_job)(struct channel *ch, void *state, unsigned *work);

struct parking {
    enum park why;
    park_job job;
    void *state;
    struct list in_jobs;    /* in core.jobs or core.memory_parked */
    struct fifo for_memory; /* struct parked_event *: these wait for the memory limit … */
    struct fifo events;     /* … and these, which came later, have not been looked at */
    bool barred;            /* for_memory holds a tx.select */
    size_t bytes;
};

void parking_init(struct parking *p);

/* Forgets the events that wait. */
void parking_fini(struct channel *ch);

/* The channel waits for a job. `job` is called from the core's turns until it says true; `state` is
 * its own. */
void parking_job(struct channel *ch, park_job job, void *state);

/* The channel waits for memory; the event at hand must be kept by the caller (parking_keep). */
void parking_memory(struct channel *ch);

/* Must this event wait? */
bool parking_holds(const struct channel *ch, const struct in_head *event);

/* Copies the event to the end of what waits. Takes a publish's large body. */
void parking_keep(struct channel *ch, struct in_head *event);

/* The client has confirmed that the channel is closed: retires it. The close-ok is the event at
 * hand; what was parked behind it is for the next channel of that number. */
void parking_retire(struct channel *ch);

/* From the core's turn: runs the job's next slice, or tries again after memory has cleared; then
 * executes what waited, until the work is used up or the channel parks again. */
void parking_run(struct channel *ch, unsigned *work);

#endif
