// SPDX-License-Identifier: Apache-2.0
/* tests/sim/properties.h — the content header that a message of the model travels with.
 *
 * Its number is its timestamp, so that an empty body can be told from another; a bare one has none,
 * so that the same header comes again and again.
 */
#ifndef TESTS_SIM_PROPERTIES_H
#define TESTS_SIM_PROPERTIES_H

#include "tests/sim/model.h"

enum { PROPERTIES_SIZE = 64 };

/* Flags and properties, into `at`. */
struct span properties_make(const struct message_record *r, uint64_t number,
                            uint8_t at[PROPERTIES_SIZE]);

/* Ends the simulation unless header and body are those of a message that was published; returns its
 * number. */
uint64_t properties_check(const struct model *m, struct span header, struct span body);

/* A table of the headers that are present: of a message, or of a binding. */
uint8_t *properties_put_headers(uint8_t *p, const uint8_t headers[HEADERS_MAX]);

#endif
