// SPDX-License-Identifier: Apache-2.0
/* tests/storage/keeper_rig.h — a kept store on a false disk, and beside it a model of what must
 * come back.
 *
 * The model stands where the core does. Everything that is told gets a *position*, counted from 1
 * in each run; what is told in a group has that of its commit. A message is there from the position
 * of its publish to that of its settlement, or of its queue's end; an object likewise. After a
 * start there must be one position, at least that of the last durable parcel, at which everything
 * is as it was found. So nothing durable is missing, nothing is invented, groups are whole, and
 * nothing that was told later has come before what was told earlier.
 *
 * After bits were flipped some of it may be missing, or there again, if the figures say so.
 *
 * The keeper's two sides are called in one thread, in any order.
 */
#ifndef TESTS_STORAGE_KEEPER_RIG_H
#define TESTS_STORAGE_KEEPER_RIG_H

#include "storage/keeper.h"
#include "tests/base/suite.h"
#include "tests/sim/false_disk.h"

enum {
    LIFE_MESSAGES_MAX = 4096,
    LIFE_ENTRIES_MAX = 8192,
    LIFE_OBJECTS_MAX = 512,
    LIFE_PARCELS_MAX = 16384,
    LIFE_TARGETS_MAX = 5,
    LIFE_SIZE_MAX = 400 * 1024,
    LIFE_WHAT_MAX = 3000,
    LIFE_FILE_BYTES = 64 * 1024
};

#define LIFE_NEVER UINT64_MAX

struct life_message {
    uint64_t id;
    size_t size;
    unsigned n_held;   /* references of the store */
    unsigned n_loaded; /* references that a start has made and nobody has taken */
    bool left_out;     /* came back before its parcel was sealed */
};

/* A message in a queue, from one position to another. */
struct life_entry {
    struct store_target target;
    struct life_message *message;
    uint64_t token;
    uint64_t from;
    uint64_t to;
    uint64_t entered_by; /* the group, or 0 */
    uint64_t left_by;
    bool gone; /* by what was told, whether it counts yet or not */
    bool found;
};

struct life_object {
    uint64_t number;
    size_t size;
    bool queue;
    uint64_t from;
    uint64_t to;
    bool gone;
    bool found;
    uint64_t next_seq;
    uint64_t delivered; /* up to this seq, perhaps */
    uint64_t mark;      /* told at the last clean stop */
    uint64_t flagged;   /* as the start said */
};

enum life_stopped { LIFE_NOT_STOPPED, LIFE_MAYBE_STOPPED, LIFE_STOPPED };

struct life {
    struct rng chance;
    struct env env;
    struct false_disk *fd;
    struct keeper_options options;
    struct keeper *keeper; /* NULL = not running */
    uint64_t now_ns;
    struct life_message messages[LIFE_MESSAGES_MAX]; /* the place is the id */
    size_t n_messages;
    struct life_entry entries[LIFE_ENTRIES_MAX];
    size_t n_entries;
    struct life_object objects[LIFE_OBJECTS_MAX];
    size_t n_objects;
    uint64_t last_object;
    uint64_t position;
    uint64_t durable;    /* the position up to which everything is, when it ended */
    uint64_t first_file; /* the first of this run: what is in older ones is durable */
    uint64_t by_parcel[LIFE_PARCELS_MAX];
    enum life_stopped stopped;
    bool harmed;   /* bits were flipped at some time */
    bool rewrites; /* the journal may have been written again: groups are none any more then */
    uint64_t last_restored;
    struct recovery_figures figures;
};

struct life *life_new(uint64_t seed);
void life_free(struct life *l);

/* Starts, and compares. Anything but OK leaves the model as it was. */
enum err life_start(struct life *l);

/* The process ends, or the power goes and comes back. */
void life_end(struct life *l);
void life_power(struct life *l);

/* A stop in good order, or one that only writes what was told. */
bool life_stop(struct life *l, bool clean);

/* The power goes, `n_cuts` times once more while starting, and then it starts. */
void life_recover(struct life *l, unsigned n_cuts);

/* A number that is declared; a thing of so many bytes. NULL: no room in the model. */
struct life_object *life_declare(struct life *l, bool queue, size_t size);
void life_undeclare(struct life *l, struct life_object *o);
struct life_object *life_object(struct life *l, uint64_t number);

/* One message to queues that are there; `group` 0 = none. Its entries are the last `n` of the
 * model. False: no room in the model. */
bool life_publish(struct life *l, struct life_object *const *queues, size_t n, size_t size,
                  uint64_t group);
void life_settle(struct life *l, struct life_entry *e, uint64_t group);
void life_settle_range(struct life *l, struct life_object *queue, uint64_t first, uint64_t last);
void life_commit(struct life *l, uint64_t group);
void life_deliver(struct life *l, struct life_object *queue, uint64_t seq);

/* The last message that entered the queue. */
struct life_entry *life_last(struct life *l, const struct life_object *queue);

/* One call of either side. */
void life_step(struct life *l);
enum keeper_work life_work(struct life *l);

/* Until everything told is durable. False when the disk fails. */
bool life_flush(struct life *l);

/* Until the disk's side has nothing to do: the journal is within its bound, or waits. */
void life_settle_down(struct life *l);

/* What the journal holds of a message, or of an object, is damaged wherever it lies; the answer is
 * in how many places. */
unsigned life_damage_message(struct life *l, const struct life_message *m);
unsigned life_damage_object(struct life *l, const struct life_object *o);

/* Of the journal's files by name: the newest, and the oldest from `from` on. */
uint64_t life_newest_file(struct life *l);
uint64_t life_file_from(struct life *l, uint64_t from);

#endif
