// SPDX-License-Identifier: Apache-2.0
/* broker/core/messages.h — making messages, counting references to them, letting them go.
 *
 * Messages are charged to core.message_bytes; above the limit publishers are parked.
 *
 * Thread: core.   Blocks: never.   Allocates: message_new.
 */
#ifndef BROKER_CORE_MESSAGES_H
#define BROKER_CORE_MESSAGES_H

#include "broker/core/core.h"
#include "storage/message_parts.h"

/* What the broker must know of the properties of a publish. */
struct message_traits {
    bool persistent;
    uint8_t priority;
};

/* A message with one reference, or NULL when memory is out. Takes `p->large` when it succeeds. */
struct message *message_new(struct core *core, struct in_publish *p,
                            const struct message_traits *t);

/* The bytes of a message as the store keeps them: sizes, route, header, body. */
void message_stored_parts(const void *message, struct message_parts *out);

/* These bytes, read. */
struct stored_message {
    struct span route;
    struct span exchange; /* in the route */
    struct span key;      /* likewise */
    struct span header;
    struct span body;
    uint8_t priority;
};

/* Reads them, which it borrows. False when they make no sense. */
MUST_USE bool message_take_stored(struct span bytes, struct stored_message *s);

/* A persistent message from these bytes, with `refs` references. ERR_NOMEM; ERR_SYNTAX. */
MUST_USE enum err message_from_store(struct core *core, struct span bytes, uint32_t refs,
                                     struct message **out);

struct message *message_ref(struct message *m);

/* Gives up a reference; the last one frees the message, its large body by way of its home thread.
 */
void message_unref(struct core *core, struct message *m);

/* Sends a large body back to the thread that made it, which frees it. */
void message_body_home(struct core *core, struct body *b);

/* Hands the bodies that are on their way home to their links, as far as there is room. */
void messages_send_bodies_home(struct core *core);

#endif
