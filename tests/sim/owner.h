// SPDX-License-Identifier: Apache-2.0
/* tests/sim/owner.h — the things that owners and traders do with a channel.
 *
 * owner.c chooses; each function that takes a channel alone is one small deed, which may turn out
 * to be impossible at the moment. Nothing here looks at answers: chan_receive.c does.
 *
 * Thread: the one of the simulation.
 */
#ifndef TESTS_SIM_OWNER_H
#define TESTS_SIM_OWNER_H

#include "tests/sim/actor.h"

enum { OWNER_UNSENT_MAX = 1 << 20 };

struct world *owner_world(const struct chan *ch);
uint64_t owner_draw(const struct chan *ch, uint64_t n);
bool owner_chance(const struct chan *ch, unsigned one_in);

/* ---- owner_topology.c ---- */

/* One of its queues or exchanges, or NULL. */
struct model_queue *owner_queue(const struct chan *ch);
struct model_exchange *owner_exchange(const struct chan *ch);

/* Words with dots between them: a routing key, or a pattern. */
void owner_word(const struct chan *ch, char *at, size_t size, bool pattern);

void owner_declare(struct chan *ch);
void owner_redeclare(struct chan *ch);
void owner_declare_exchange(struct chan *ch);
void owner_delete_exchange(struct chan *ch);
void owner_bind(struct chan *ch);
void owner_unbind(struct chan *ch);
void owner_purge(struct chan *ch);
void owner_delete(struct chan *ch);

/* Changes something that may change where messages go that are published along `r`. */
void owner_change_topology(struct chan *ch, const struct kept_route *r);

/* ---- owner_traffic.c ---- */

/* Up to `n` messages along one route. */
void owner_publish_some(struct chan *ch, uint64_t n);

/* May it cancel a consumer now, and know when the answer comes? */
bool owner_may_cancel(const struct chan *ch);

void owner_publish(struct chan *ch);
void owner_publish_around(struct chan *ch);
void owner_publish_many(struct chan *ch);
void owner_get(struct chan *ch);
void owner_consume(struct chan *ch);
void owner_cancel(struct chan *ch);
void owner_settle(struct chan *ch);
void owner_recover(struct chan *ch);
void owner_qos(struct chan *ch);
void owner_mode(struct chan *ch);
void owner_end_tx(struct chan *ch);

/* ---- owner_mistakes.c ---- */

void owner_err(struct chan *ch);

/* Publishes to an exchange that does not exist. */
void owner_publish_in_vain(struct chan *ch, const struct publish_options *o);
#endif
