// SPDX-License-Identifier: Apache-2.0
/* broker/auth/sasl.h — what connection.start-ok says about the user: PLAIN and AMQPLAIN.
 *
 * Thread: any.   Allocates: never; the results borrow the response.
 */
#ifndef BROKER_AUTH_SASL_H
#define BROKER_AUTH_SASL_H

#include "base/assert.h"
#include "base/err.h"
#include "base/span.h"

/* As connection.start offers them. */
#define SASL_MECHANISMS "PLAIN AMQPLAIN"

/* ERR_NOT_FOUND: no such mechanism. ERR_SYNTAX: the response is malformed. */
MUST_USE enum err sasl_response(struct span mechanism, struct span response, struct span *user,
                                struct span *password);

#endif
