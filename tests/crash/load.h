// SPDX-License-Identifier: Apache-2.0
/* tests/crash/load.h — the clients of one life of the broker.
 *
 * A few connections with channels of different roles, all in one thread and never waiting for one
 * of them, so that the moment of the kill depends on the clock alone. load_roles.c and load_owner.c
 * say what a channel does next.
 *
 * Thread: one.   Blocks: load_open, load_close; load_run until its time has come.
 */
#ifndef TESTS_CRASH_LOAD_H
#define TESTS_CRASH_LOAD_H

#include "tests/crash/chan.h"

enum {
    LOAD_LINKS = 5,
    LOAD_THERE_MAX = 4000,                   /* copies in queues, above which nobody publishes */
    LOAD_THERE_BYTES_MAX = 48 * 1024 * 1024, /* their bytes */
    LOAD_UNSENT_MAX = 512 * 1024             /* of a connection */
};

struct load {
    struct ground *ground;
    uint16_t port;
    struct link links[LOAD_LINKS];
    struct chan chans[LOAD_LINKS][LINK_CHANNELS_MAX];
};

uint64_t load_now_ns(void);

/* Connects everybody. A failure is a flaw of the model. */
void load_open(struct load *l, struct ground *g, uint16_t port);

/* Lets them work until that moment, or until there is a flaw. */
void load_run(struct load *l, uint64_t until_ns);

/* Ends every connection in order, so that nothing is in doubt. */
void load_close(struct load *l);

/* The broker is dead: reads what it had still sent, and closes everything. After a flaw it only
 * closes. */
void load_bury(struct load *l);

/* ---- load_roles.c ---- */

/* One deed of an idle or busy channel; nothing when there is nothing to do. */
void role_step(struct chan *ch);

uint64_t role_draw(const struct chan *ch, uint64_t n);
bool role_chance(const struct chan *ch, unsigned one_in);
uint32_t role_size(const struct chan *ch);
bool role_may_publish(const struct chan *ch);

/* ---- load_owner.c ---- */

void owner_step(struct chan *ch);

#endif
