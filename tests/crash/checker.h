// SPDX-License-Identifier: Apache-2.0
/* tests/crash/checker.h — the one client that looks at a broker after it came up.
 *
 * It waits for every answer, and while it is at work nobody else is connected. Channel 0 asks what
 * is there, and may lose its channel by that; channel 1 publishes, reads and settles.
 *
 * A failure is a flaw of the model; after one, or once it is cut, everything else does nothing.
 *
 * Thread: one.   Blocks: until answers come, LINK_TIMEOUT_MS each.
 */
#ifndef TESTS_CRASH_CHECKER_H
#define TESTS_CRASH_CHECKER_H

#include "tests/crash/chan.h"

struct checker {
    struct ground *ground;
    struct link link;
    struct chan chans[2];
    uint64_t until_ns; /* when it has to leave off */
    bool cut;          /* it has left off */
};

/* It works until that moment, UINT64_MAX: until it is done. */
void checker_open(struct checker *c, struct ground *g, uint16_t port, uint64_t until_ns);

/* Closes in order, so that everything it has settled is known to be taken. */
void checker_close(struct checker *c);

/* The broker was killed while it was at work. */
void checker_bury(struct checker *c);

/* Has it been cut short, or found a flaw? */
bool checker_stopped(const struct checker *c);

/* Waits until the channel is idle. */
void checker_await(struct checker *c, const struct chan *ch);

/* Waits until its publishes are confirmed. */
void checker_await_confirms(struct checker *c);

/* Waits until channel 1 has taken `n` messages. */
void checker_await_messages(struct checker *c, uint32_t n);

/* Declares what is shared, on a broker that has nothing. */
void checker_found(struct checker *c);

/* ---- verify.c ---- */

/* Compares the broker with the model. Afterwards a part of the messages, or `all`, is settled, and
 * the rest is back in its queues. */
void checker_verify(struct checker *c, bool all);

#endif
