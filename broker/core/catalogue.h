// SPDX-License-Identifier: Apache-2.0
/* broker/core/catalogue.h — exchanges, queues and bindings as the store knows them.
 *
 * What is durable is told to the store when it comes and when it goes, under a number that is never
 * used twice; it does not change in between. A binding is durable when both its ends are, and names
 * them by number as well, so that one that outlives an end is known to mean nothing.
 *
 * At the start what is still there comes back in the order of its numbers, so that a binding finds
 * its ends. Nothing else follows from it: what the last binding's end had once deleted is not
 * deleted again.
 *
 *     exchange = 'x', vhost, name, type (shortstr), flags (octet), arguments (longstr)
 *     queue    = 'q', vhost, name (shortstr), flags (octet), arguments (longstr)
 *     binding  = 'b', vhost, source, destination, key (shortstr), number of the source, of the
 *                destination (u64), flags (octet), arguments (longstr): entries in order of name
 *
 * Thread: core.   Blocks: never.   Allocates: where ERR_NOMEM is listed.
 */
#ifndef BROKER_CORE_CATALOGUE_H
#define BROKER_CORE_CATALOGUE_H

#include "base/assert.h"
#include "base/err.h"
#include "base/span.h"

struct binding;
struct core;
struct exchange;
struct queue;
struct store;

struct catalogue {
    struct store *store;
    uint64_t last_number; /* given out */
    uint64_t asked;       /* the store's batch with which what was last declared is true */
};

/* Numbers of what is always there are below this one. */
enum { CATALOGUE_FIRST_NUMBER = 16 };

void catalogue_init(struct catalogue *c, struct store *store);

/* The next number; 0 without a catalogue. */
uint64_t catalogue_number(struct catalogue *c);

/* Tells the store of it, if it is durable. ERR_NOMEM. */
MUST_USE enum err catalogue_tell_exchange(struct exchange *x);
MUST_USE enum err catalogue_tell_queue(struct queue *q);
MUST_USE enum err catalogue_tell_binding(struct binding *b);

/* It is no longer there. Fine for what was never told, and when it is said again. */
void catalogue_forget_exchange(struct exchange *x);
void catalogue_forget_queue(struct queue *q);
void catalogue_forget_binding(struct binding *b);

/* What was declared is there already, since that batch. */
void catalogue_found(struct catalogue *c, uint64_t batch);

/* The batch that the answer to the declaration at hand has to wait for. */
uint64_t catalogue_asked(struct catalogue *c);

/* What was told, read. */
struct catalogue_item {
    uint8_t kind; /* 'x', 'q' or 'b' */
    struct span vhost;
    struct span name;        /* of a binding: its source's */
    struct span type;        /* of an exchange */
    struct span destination; /* of a binding */
    struct span key;         /* likewise */
    uint64_t source_number;
    uint64_t destination_number;
    uint8_t flags; /* CATALOGUE_* */
    struct span arguments;
};

enum { CATALOGUE_AUTO_DELETE = 1, CATALOGUE_INTERNAL = 2, CATALOGUE_TO_QUEUE = 4 };

/* Reads it, which borrows the bytes. False when it makes no sense. */
MUST_USE bool catalogue_take(struct span what, struct catalogue_item *i);

/* Is what was told as this still there? */
bool catalogue_has(const struct core *core, uint64_t number, struct span what);

/* Makes it again, at the start. ERR_NOMEM; ERR_SYNTAX when it makes no sense; ERR_NOT_FOUND for a
 * binding without its ends, which the store is then told to forget. */
MUST_USE enum err catalogue_restore(struct core *core, uint64_t number, struct span what);

#endif
