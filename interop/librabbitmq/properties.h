// SPDX-License-Identifier: Apache-2.0
/* properties.h — a message with everything on it, and whether it came through unchanged. */
#ifndef INTEROP_PROPERTIES_H
#define INTEROP_PROPERTIES_H

#include "session.h"

/* All fourteen basic properties. What they point to is static. */
amqp_basic_properties_t every_property(void);

/* Asserts that both have the same properties, with the same field types in the headers. */
void carries(amqp_basic_properties_t got, amqp_basic_properties_t sent);

#endif
