// SPDX-License-Identifier: Apache-2.0
/* tests/crash/layout.h — queues, exchanges and bindings, and how sure we are of them.
 *
 * What was deleted stays as FACT_NO until somebody has looked, after a kill, that it did not come
 * back (checked_gone); then its row is used anew. A queue that is declared under an old name before
 * that is a new row.
 *
 * Thread: one.   Blocks: never.   Allocates: never; the tables are fixed and full is an ASSERT.
 */
#ifndef TESTS_CRASH_LAYOUT_H
#define TESTS_CRASH_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAYOUT_NAME_SIZE = 24, LAYOUT_QUEUES = 256, LAYOUT_EXCHANGES = 128, LAYOUT_BINDINGS = 512 };

/* FACT_UNSURE: a command that changes it was sent and has no answer. */
enum fact { FACT_NO, FACT_YES, FACT_UNSURE };

struct layout_queue {
    char name[LAYOUT_NAME_SIZE];
    enum fact fact;
    bool shared;         /* everybody may publish to it and consume from it */
    bool transient;      /* not durable: it must not outlive the broker */
    bool leaky;          /* since the last scan it had a consumer that need not ack */
    uint32_t length_max; /* declared as x-max-length, far above what it gets; 0 = no arguments */
    bool checked_gone;   /* after its end, and a kill, it was looked for */
};

enum layout_kind { LAYOUT_DIRECT, LAYOUT_TOPIC, LAYOUT_FANOUT };
extern const char *const LAYOUT_KIND[3];

struct layout_exchange {
    char name[LAYOUT_NAME_SIZE];
    enum layout_kind kind;
    enum fact fact;
    bool shared;
    bool transient;
    bool checked_gone;
};

struct layout_binding {
    uint32_t exchange;
    uint32_t destination; /* a queue, or */
    bool to_exchange;     /* an exchange */
    char key[LAYOUT_NAME_SIZE];
    enum fact fact;
    bool wanted; /* what an unsure one is to become */
};

struct layout {
    struct layout_queue queues[LAYOUT_QUEUES];
    struct layout_exchange exchanges[LAYOUT_EXCHANGES];
    struct layout_binding bindings[LAYOUT_BINDINGS];
    uint32_t n_queues;
    uint32_t n_exchanges;
    uint32_t n_bindings;
};

/* New rows, FACT_UNSURE until their declaration is answered. */
uint32_t layout_add_queue(struct layout *l, const char *name);
uint32_t layout_add_exchange(struct layout *l, const char *name, enum layout_kind kind);
uint32_t layout_add_binding(struct layout *l, const struct layout_binding *b);

/* The row of a binding that exists or may exist, or UINT32_MAX. */
uint32_t layout_find_binding(const struct layout *l, const struct layout_binding *b);

/* The queues that a message reaches, each once; exchange 0 is the default one, any other that of
 * the layout + 1. Returns how many, at most `max`. */
size_t layout_route(const struct layout *l, uint32_t exchange, const char *key, uint32_t *queues,
                    size_t max);

/* The queue, or the exchange, is gone, and so are its bindings. */
void layout_drop_queue(struct layout *l, uint32_t queue);
void layout_drop_exchange(struct layout *l, uint32_t exchange);

/* Does the key match the pattern of a topic binding: words, `*` for one, a last `#` for any? */
bool layout_topic_matches(const char *pattern, const char *key);

#endif
