// SPDX-License-Identifier: Apache-2.0
/* broker/core/publish_check.h — what RabbitMQ refuses in the properties of a publish.
 *
 * Thread: core.   Allocates: never.
 */
#ifndef BROKER_CORE_PUBLISH_CHECK_H
#define BROKER_CORE_PUBLISH_CHECK_H

#include "amqp/content.h"
#include "broker/core/session.h"

/* Reads the properties (content_header.rest) and checks expiration, CC, BCC and user-id. Errors:
 * 406; 502 when they are malformed. */
const struct reply *publish_check(const struct session *s, struct span rest, struct properties *p,
                                  struct fault *f);

#endif
