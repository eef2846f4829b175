// SPDX-License-Identifier: Apache-2.0
/* tests/broker/core_fixture.h — a core with links and a store of its own, and clients that speak
 * text.
 *
 * A method is a line: channel, name, fields by name, in any order. What is not said is zero or
 * empty; a bit is said by its name alone; 'ticket' and tables need not be said. After " | " comes
 * the body of a content.
 *
 *     say(c, "1 queue_declare queue=q durable");
 *     heard(c, "1 queue_declare_ok queue=q");
 *     say(c, "1 basic_publish routing_key=q mandatory | hello");
 *     heard(c, "1 basic_deliver consumer_tag=t delivery_tag=1 routing_key=q | hello");
 *
 * What the core sends is written the same way, in the order of methods.def; orders to the I/O side
 * are lines like "order CLOSE". heard() wants exactly these lines, and forgets them.
 *
 * Time is the fixture's own. What the store is told is durable `delay` steps after it was sealed,
 * or not at all while `store_held`; a fixture that is kept has a disk instead. Contents count as
 * sent as soon as they are read, unless the client stalls.
 *
 * Every call that ends in a turn of the core ends with core_check, one that runs until all is quiet
 * with core_check_rest besides.
 */
#ifndef TESTS_BROKER_CORE_FIXTURE_H
#define TESTS_BROKER_CORE_FIXTURE_H

#include "broker/core/core.h"
#include "storage/keeper.h"
#include "tests/base/suite.h"
#include "tests/sim/null_keeper.h"

enum { FIXTURE_LINKS = 2, FIXTURE_CLIENTS = 8, FIXTURE_LINES = 16384, FIXTURE_LINE_MAX = 320 };

/* Of a journal that is kept: so small that its files are let go of in every life. */
enum { FIXTURE_FILE_BYTES = 64 * 1024, FIXTURE_JOURNAL_BYTES = 3 * FIXTURE_FILE_BYTES };

struct fixture;

struct client {
    struct fixture *fx;
    struct slot_id conn;
    unsigned link;
    bool open;    /* the core has not released it */
    bool closed;  /* its socket has ended */
    bool stalled; /* contents are not reported as sent */
    uint64_t contents;
    size_t n_lines;
    char *lines[FIXTURE_LINES];
    /* How the next publishes are: delivery mode, expiration and so on, as bytes of a header frame
     * behind the body size; empty = no properties. */
    struct span properties;
};

struct fixture {
    struct env env;
    uint64_t now_ns;
    struct users users;
    struct link links[FIXTURE_LINKS];
    struct null_keeper keeper;
    struct keeper *kept; /* instead of it; NULL = none */
    struct store *store; /* of either */
    uint64_t delay;
    bool store_held;
    bool out_held; /* nobody reads the core's rings */
    struct core *core;
    unsigned n_clients;
    struct client clients[FIXTURE_CLIENTS];
    unsigned n_bodies_home;
    uint64_t message_size_max;
};

/* A core with user guest, vhost "/". `memory_limit_bytes` 0 = none. */
struct fixture *fixture_new(uint64_t memory_limit_bytes);

/* The same, kept on this disk: a core as an earlier one left it. What goes wrong is the answer. */
MUST_USE enum err fixture_new_kept(struct fixture **out, struct disk *disk);

/* One piece of the disk's work. True when there may be more. */
bool fixture_work(struct fixture *fx);

/* A clean stop: closes all sockets, and the store in good order. */
void fixture_stop(struct fixture *fx);

/* Closes all sockets and frees the core. */
void fixture_free(struct fixture *fx);

/* Frees the core as it stands, whatever is under way. */
void fixture_drop(struct fixture *fx);

/* One turn: core, store unless held, and reading what came out unless held. True when the core
 * wants another at once. */
bool fixture_step(struct fixture *fx);

/* Turns until nothing happens any more. */
void fixture_run(struct fixture *fx);

/* A connection before its handshake. */
struct client *fixture_socket(struct fixture *fx, unsigned link);

/* A connection after it, with consumer_cancel_notify; channel 1 is open. */
struct client *fixture_connect(struct fixture *fx);

/* Puts a method or a publish into the link; without a turn. */
void put(struct client *c, const char *line, ...) __attribute__((format(printf, 2, 3)));

/* The same, then turns until all is quiet. */
void say(struct client *c, const char *line, ...) __attribute__((format(printf, 2, 3)));

/* Messages 1 … n in the queue q, which it declares, all of them handed out to channel 1 by
 * basic.get; what the client heard of it is forgotten. */
void hand_out(struct client *c, unsigned n);

/* A method that is not text. */
void put_method(struct client *c, uint16_t channel, const struct method *m);

/* A publish with this body. */
void put_body(struct client *c, uint16_t channel, const char *exchange, const char *key,
              struct span body, uint64_t size, struct body *large);

/* The socket ends, or the peer breaks the framing; without a turn. */
void put_closed(struct client *c);
void put_fault(struct client *c, const struct reply *reply, const char *text);

/* All contents read so far were taken by the socket; without a turn. */
void put_sent(struct client *c);

/* Exactly these lines, in this order, since the last time. */
#define heard(c, ...)    heard_lines(c, __FILE__, __LINE__, (const char *[]){__VA_ARGS__, NULL})
#define heard_nothing(c) heard_lines(c, __FILE__, __LINE__, (const char *[]){NULL})
void heard_lines(struct client *c, const char *file, int line, const char *const *lines);

/* The lines there are, without forgetting them, and forgetting them. */
size_t n_heard(const struct client *c);
const char *line_heard(const struct client *c, size_t i);
void forget(struct client *c);

struct queue *fixture_queue(struct fixture *fx, const char *name);

#endif
