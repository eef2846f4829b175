// SPDX-License-Identifier: Apache-2.0
/* broker/core/arguments.h — what queue.declare and basic.consume may say in their argument tables.
 *
 * Everything known about an argument (name, type, range, which queue types know it, how a refusal
 * reads) is one row in arguments.c. Texts and the order of checks are RabbitMQ's, because clients
 * and their tests match on them. Arguments that no queue type knows are stored and never looked at.
 * Where a name comes twice in a table, the first one counts.
 *
 * Tables handed in have passed table_check. All refusals are 406 PRECONDITION_FAILED with their
 * sentence in `f`; NULL means that there is nothing to object to.
 *
 * Thread: any.   Blocks: never.   Allocates: never.
 */
#ifndef BROKER_CORE_ARGUMENTS_H
#define BROKER_CORE_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "amqp/reply.h"
#include "base/span.h"

enum queue_type { QUEUE_CLASSIC, QUEUE_QUORUM };

enum queue_overflow { OVERFLOW_DROP_HEAD, OVERFLOW_REJECT_PUBLISH, OVERFLOW_REJECT_PUBLISH_DLX };

/* No number given. Outside the range of every setting, that of x-delivery-limit too, where -1 asks
 * for no limit at all. */
#define QUEUE_SETTING_NONE INT64_MIN

/* What a table of valid arguments asks for. The spans lie in that table. */
struct queue_settings {
    enum queue_type type;
    enum queue_overflow overflow;        /* OVERFLOW_DROP_HEAD when not given */
    bool single_active_consumer;         /* false when not given */
    uint8_t priority_max;                /* 0: no priorities */
    int64_t message_ttl_ms;              /* from here on QUEUE_SETTING_NONE when not given */
    int64_t expires_ms;                  /* at least 1 */
    int64_t length_max;                  /* ready messages */
    int64_t length_bytes_max;            /* bytes in their bodies */
    int64_t delivery_limit;              /* below 0: none wanted; only for QUEUE_QUORUM */
    struct span dead_letter_exchange;    /* `.at` NULL: none. Size 0: the default exchange. */
    struct span dead_letter_routing_key; /* `.at` NULL: the message keeps its own */
};

/* Refuses a queue type that needs a name from the client, for a declare that came without one.
 * RabbitMQ asks this before anything else about the arguments and before it makes up a name. */
const struct reply *queue_arguments_check_unnamed(struct span arguments, struct fault *f);

/* May a queue of that name be created with these? Asked only when there is none yet. */
const struct reply *queue_arguments_check(struct span arguments, bool durable, bool exclusive,
                                          bool auto_delete, struct span queue_name,
                                          struct span vhost_name, struct fault *f);

/* Does a redeclare with `declared` agree with a queue that has `current`? Only arguments known to
 * the queue's type are compared, and `declared` is not otherwise checked. */
const struct reply *queue_arguments_equal(struct span declared, struct span current,
                                          struct span queue_name, struct span vhost_name,
                                          struct fault *f);

/* `arguments` have passed queue_arguments_check. */
void queue_settings_read(struct span arguments, struct queue_settings *settings);

/* May a queue of `type` be consumed from with these? `*priority` is x-priority, clamped to what an
 * int32_t holds, and 0 when it is not given or not valid. */
const struct reply *consumer_arguments_check(struct span arguments, enum queue_type type,
                                             struct span queue_name, struct span vhost_name,
                                             int32_t *priority, struct fault *f);

#endif
