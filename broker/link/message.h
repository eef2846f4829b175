// SPDX-License-Identifier: Apache-2.0
/* broker/link/message.h — one immutable message, shared by everything that refers to it.
 *
 * Exchange and routing key are kept as the two short strings of basic.publish, which are also the
 * end of basic.deliver, get-ok and return; the header frame's payload as it came in. So a delivery
 * is three copies of bytes and no encoding.
 *
 * `bytes` holds route, header and, when `large` is NULL, the body.
 *
 * Only the core counts references (message_ref, message_unref), and writes `token`. Other threads
 * read a message through a reference that the core holds for them.
 *
 * Thread: core for references, any for reading.
 */
#ifndef BROKER_LINK_MESSAGE_H
#define BROKER_LINK_MESSAGE_H

#include "amqp/content.h"
#include "base/span.h"

struct message {
    uint64_t token; /* what the store calls it, 0 = nothing, or it has no single name for it */
    uint32_t refs;
    uint16_t route_size;
    uint8_t persistent;
    uint8_t priority;
    uint32_t header_size;
    uint32_t body_size;
    struct body *large; /* the body when it was received into its own memory */
    uint8_t bytes[];
};

/* exchange and routing key, each with its length octet. */
struct span message_route(const struct message *m);
struct span message_header(const struct message *m);
struct span message_body(const struct message *m);

/* What it costs in memory, for the accounts. */
size_t message_footprint(const struct message *m);

#endif
